//! embassy's time, moved by hand.

use core::future::Future;
use core::pin::pin;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::task::{Context, Poll, Waker};
use embassy_time::{Duration, MockDriver};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Wake;

static TURN: Mutex<()> = Mutex::new(());

/// The process has one clock: tests take turns, and each starts at zero.
pub(crate) fn at_zero() -> MutexGuard<'static, ()> {
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    MockDriver::get().reset();
    turn
}

pub(crate) fn advance(by: core::time::Duration) {
    MockDriver::get().advance(Duration::from_micros(by.as_micros().try_into().unwrap()));
}

/// Polls `future` once.
pub(crate) fn poll_once<F: Future + ?Sized>(future: core::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Runs `future`, moving the clock by `step` whenever it waits.
#[allow(dead_code, reason = "not every test waits")]
pub(crate) fn run<F: Future>(future: F, step: core::time::Duration) -> F::Output {
    let mut future = pin!(future);
    for _ in 0..1_000_000 {
        if let Poll::Ready(output) = poll_once(future.as_mut()) {
            return output;
        }
        advance(step);
    }
    panic!("still waiting after a million steps of {step:?}");
}

/// Polls `future` so many times, moving the clock by `step` after each that leaves it waiting, and
/// drops it there: `None` unless it was done by then.
#[allow(dead_code, reason = "not every test cancels")]
pub(crate) fn drop_after<F: Future>(
    polls: usize,
    future: F,
    step: core::time::Duration,
) -> Option<F::Output> {
    let mut future = pin!(future);
    for _ in 0..polls {
        if let Poll::Ready(output) = poll_once(future.as_mut()) {
            return Some(output);
        }
        advance(step);
    }
    None
}

/// How often a task was woken.
#[derive(Default)]
#[allow(dead_code, reason = "not every test counts")]
pub(crate) struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[allow(dead_code, reason = "not every test counts")]
impl Woken {
    /// Polls `future` in this task.
    pub(crate) fn poll<F: Future + ?Sized>(
        self: &Arc<Self>,
        future: core::pin::Pin<&mut F>,
    ) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(&Waker::from(Arc::clone(self))))
    }

    pub(crate) fn times(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}
