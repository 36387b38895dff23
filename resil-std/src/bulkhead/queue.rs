//! A place in the queue of core, for a task or a thread.

use core::task::{Context, Poll, Waker};
use std::sync::Arc;
use std::task::Wake;
use std::thread::{self, Thread};

use resil_core::bulkhead::{self as machine, Waiter};
use resil_core::outcome::Rejected;

use super::{Bulkhead, Guard};

/// How many places are there from the start; more are made when somebody needs them.
const RESERVED: usize = 1_024;

/// So many places on the heap.
pub(super) struct Places {
    waiters: Vec<Waiter>,
    most: usize,
}

impl Places {
    pub(super) fn new(most: usize) -> Self {
        Self { waiters: Vec::with_capacity(most.min(RESERVED)), most }
    }
}

impl AsRef<[Waiter]> for Places {
    fn as_ref(&self) -> &[Waiter] {
        &self.waiters
    }
}

impl AsMut<[Waiter]> for Places {
    fn as_mut(&mut self) -> &mut [Waiter] {
        &mut self.waiters
    }
}

impl machine::Places for Places {
    fn insert(&mut self, at: usize, waiter: Waiter) -> Result<(), Waiter> {
        let len = self.waiters.len();
        if at > len || len >= self.most {
            return Err(waiter);
        }
        self.waiters.insert(at, waiter);
        Ok(())
    }

    fn remove(&mut self, at: usize) -> Option<Waiter> {
        if at < self.waiters.len() { Some(self.waiters.remove(at)) } else { None }
    }
}

/// A place in the queue, left when it is dropped.
pub(crate) struct Place {
    bulkhead: Bulkhead,
    ticket: u64,
}

impl Place {
    pub(super) fn new(bulkhead: Bulkhead, ticket: u64) -> Self {
        #[cfg(feature = "metrics")]
        crate::metrics::bulkhead_joined(bulkhead.name());
        Self { bulkhead, ticket }
    }

    pub(crate) fn poll(&mut self, context: &Context<'_>) -> Poll<Result<Guard, Rejected>> {
        let waker = context.waker().clone();
        let (answer, _unused) = self.bulkhead.apply(|queue, _| queue.poll(self.ticket, waker));
        match answer {
            Some(Ok(permit)) => Poll::Ready(Ok(Guard::new(self.bulkhead.clone(), permit))),
            Some(Err(rejected)) => Poll::Ready(Err(self.bulkhead.refused(rejected))),
            None => Poll::Pending,
        }
    }

    /// Blocks the thread until it is let in, or refused.
    pub(super) fn block(mut self) -> Result<Guard, Rejected> {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let context = Context::from_waker(&waker);
        loop {
            match self.poll(&context) {
                Poll::Ready(answer) => return answer,
                // Whoever lets it in unparks it; a thread may also wake for nothing, and looks again.
                Poll::Pending => thread::park(),
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // After a poll that was ready there is nobody any more.
        #[cfg(feature = "metrics")]
        crate::metrics::bulkhead_left(self.bulkhead.name());
        let Some(left) = self.bulkhead.apply(|queue, _| queue.leave(self.ticket)) else { return };
        match left.into_permit() {
            // Let in, and gone before it was known.
            Some(permit) => drop(Guard::new(self.bulkhead.clone(), permit)),
            None => self.bulkhead.let_in(),
        }
    }
}

/// Wakes a thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use resil_core::bulkhead::Places as _;

    #[test]
    fn a_place_that_nobody_has_is_removed_by_nobody() {
        assert!(Places::new(4).remove(0).is_none());
    }
}
