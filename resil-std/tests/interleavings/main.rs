//! Every interleaving of a few threads, up to three preemptions, on what is shared without a lock.
//!
//! loom runs each model again and again, once for every order of the atomic operations in it and for
//! every value that each of them may see. `.ci/run loom` builds this with `--cfg loom`, under which
//! resil-std stands on loom's atomics and locks; without it there is nothing here. Beside what must
//! hold stand machines that are wrong, and whose models have to fail: a model that cannot tell is
//! none.
#![cfg(loom)]

mod breaker;
mod call;
mod limiter;

use core::future::{Future, pending, poll_fn};
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use std::sync::Arc;
use std::task::Wake;

use loom::sync::atomic::{AtomicU64, Ordering};
use loom::sync::{Condvar, Mutex};
use resil_std::clock::Sleep;
use resil_std::core::{Clock, Instant};

fn model(run: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(3)); // LOOM_MAX_PREEMPTIONS says otherwise
    builder.check(run);
}

/// A clock that threads move and read in any order. Nobody who sleeps by it wakes up.
#[derive(Clone)]
struct Hand(Arc<AtomicU64>);

impl Hand {
    fn new(nanos: u64) -> Self {
        Self(Arc::new(AtomicU64::new(nanos)))
    }

    fn advance(&self, nanos: u64) {
        self.0.fetch_add(nanos, Ordering::AcqRel);
    }
}

impl Clock for Hand {
    fn now(&self) -> Instant {
        Instant::from_nanos(self.0.load(Ordering::Acquire))
    }
}

impl Sleep for Hand {
    fn sleep_until(&self, _: Instant) -> impl Future<Output = ()> + Send {
        pending()
    }

    fn block_until(&self, _: Instant) {
        panic!("nobody blocks here")
    }
}

/// A waker that loom sees. (loom's own switches threads while it is cloned, which tokio does under a
/// lock that loom does not know.)
struct Alarm {
    rung: Mutex<bool>,
    bell: Condvar,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        *self.rung.lock().unwrap() = true;
        self.bell.notify_one();
    }
}

/// Runs `future` on this thread. Where nobody wakes it loom finds that all threads are blocked.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let alarm = Arc::new(Alarm { rung: Mutex::new(false), bell: Condvar::new() });
    let waker = Waker::from(Arc::clone(&alarm));
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return done;
        }
        let mut rung = alarm.rung.lock().unwrap();
        while !*rung {
            rung = alarm.bell.wait(rung).unwrap();
        }
        *rung = false;
    }
}

/// Polls `future` once and drops it.
fn give_up<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    block_on(poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => Poll::Ready(None),
    }))
}
