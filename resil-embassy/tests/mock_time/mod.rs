//! embassy's time, moved by hand.

use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use embassy_time::{Duration, MockDriver};
use std::sync::{Mutex, MutexGuard, PoisonError};

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
