//! A queue between tasks whose senders are small: who waits for room holds what makes the value, not
//! the value.

use core::future::poll_fn;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::channel::Channel;

/// A queue of up to `N` values, read by one task.
pub(crate) struct Queue<T, const N: usize>(Channel<NoopRawMutex, T, N>);

impl<T, const N: usize> Queue<T, N> {
    pub(crate) const fn new() -> Self {
        Self(Channel::new())
    }

    /// Waits for room, and puts in what `value` makes then.
    pub(crate) async fn put(&self, value: impl FnOnce() -> T) {
        poll_fn(|context| self.0.poll_ready_to_send(context)).await;
        // Tasks take turns: between the look and this nobody else has had one.
        let is_put = self.0.try_send(value()).is_ok();
        debug_assert!(is_put);
    }

    /// Puts in what `value` makes if no more than half of the room is taken, for what may be lost sooner
    /// than keep the rest waiting.
    pub(crate) fn offer(&self, value: impl FnOnce() -> T) {
        if self.0.len() < N / 2 {
            let _ = self.0.try_send(value());
        }
    }

    /// Waits for the next value.
    pub(crate) async fn take(&self) -> T {
        self.0.receive().await
    }
}
