//! tokio's paused time, with the zero of a test.

use core::cell::Cell;
use core::future::Future;
use core::pin::{Pin, pin};
use core::sync::atomic::{AtomicUsize, Ordering};
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use resil_std::SystemClock;
use resil_std::core::{Clock, Instant};
use std::sync::Arc;
use std::task::Wake;

thread_local! {
    static ZERO: Cell<Instant> = const { Cell::new(Instant::EPOCH) };
}

#[allow(dead_code, reason = "not every test counts from zero")]
/// From here on this thread counts.
pub(crate) fn at_zero() {
    ZERO.set(SystemClock.now());
}

#[allow(dead_code, reason = "not every test counts from zero")]
/// That long after zero.
pub(crate) fn ms(millis: u64) -> Instant {
    ZERO.get().saturating_add(Duration::from_millis(millis))
}

/// How long after zero it is.
#[allow(dead_code, reason = "not every test asks")]
pub(crate) fn now_millis() -> u64 {
    let since = SystemClock.now().saturating_since(ZERO.get());
    since.as_millis().try_into().unwrap()
}

/// Polls `future` once.
#[allow(dead_code, reason = "not every test polls by hand")]
pub(crate) fn poll_once<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Polls `future` so many times, moving the clock by `step` after each that leaves it waiting, and
/// drops it there: `None` unless it was done by then.
#[allow(dead_code, reason = "not every test cancels")]
pub(crate) async fn drop_after<F: Future>(
    polls: usize,
    future: F,
    step: Duration,
) -> Option<F::Output> {
    let mut future = pin!(future);
    for _ in 0..polls {
        if let Poll::Ready(output) = poll_once(future.as_mut()) {
            return Some(output);
        }
        tokio::time::advance(step).await;
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
        future: Pin<&mut F>,
    ) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(&Waker::from(Arc::clone(self))))
    }

    pub(crate) fn times(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}
