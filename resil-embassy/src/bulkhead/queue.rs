//! A place in the queue of core.

use core::borrow::Borrow;
use core::task::{Context, Poll};

use embassy_sync::blocking_mutex::raw::RawMutex;
use resil_core::bulkhead::BulkheadConfig;
use resil_core::outcome::Rejected;

use super::{Bulkhead, Guard};

/// A place in the queue, left when it is dropped.
pub(super) struct Place<'a, M, P, const WAITERS: usize>
where
    M: RawMutex,
    P: Borrow<BulkheadConfig>,
{
    bulkhead: &'a Bulkhead<M, P, WAITERS>,
    ticket: u64,
}

impl<'a, M, P, const WAITERS: usize> Place<'a, M, P, WAITERS>
where
    M: RawMutex,
    P: Borrow<BulkheadConfig>,
{
    pub(super) const fn new(bulkhead: &'a Bulkhead<M, P, WAITERS>, ticket: u64) -> Self {
        Self { bulkhead, ticket }
    }

    pub(super) fn poll(
        &mut self,
        context: &Context<'_>,
    ) -> Poll<Result<Guard<'a, M, P, WAITERS>, Rejected>> {
        let waker = context.waker().clone();
        let (answer, _unused) = self.bulkhead.apply(|queue, _, _| queue.poll(self.ticket, waker));
        match answer {
            Some(Ok(permit)) => Poll::Ready(Ok(Guard::new(self.bulkhead, permit))),
            Some(Err(rejected)) => Poll::Ready(Err(self.bulkhead.refused(rejected))),
            None => Poll::Pending,
        }
    }
}

impl<M, P, const WAITERS: usize> Drop for Place<'_, M, P, WAITERS>
where
    M: RawMutex,
    P: Borrow<BulkheadConfig>,
{
    fn drop(&mut self) {
        // After a poll that was ready there is nobody any more.
        let Some(left) = self.bulkhead.apply(|queue, _, _| queue.leave(self.ticket)) else {
            return;
        };
        match left.into_permit() {
            // Let in, and gone before it was known.
            Some(permit) => drop(Guard::new(self.bulkhead, permit)),
            None => self.bulkhead.let_in(),
        }
    }
}
