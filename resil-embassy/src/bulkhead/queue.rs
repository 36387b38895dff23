//! Those who wait, and what they wait for.

use core::borrow::Borrow;
use core::task::{Context, Poll, Waker};

use embassy_sync::blocking_mutex::raw::RawMutex;
use heapless::Vec;
use resil_core::bulkhead::{BulkheadConfig, BulkheadState, Permit, Recorded};
use resil_core::call::Priority;
use resil_core::outcome::{Outcome, Rejected, RetryAt};
use resil_core::{ErrorCode, Instant};

use super::{Bulkhead, Guard};

/// What the mutex guards: core's state, and who waits, the next one first.
pub(super) struct Shared<const WAITERS: usize> {
    state: BulkheadState,
    queue: Vec<Waiter, WAITERS>,
    /// The ticket of whoever comes next. No ticket comes twice, so one that is gone reaches nobody.
    ticket: u64,
}

/// Somebody in the queue, until the place is left.
struct Waiter {
    ticket: u64,
    weight: u16,
    priority: Priority,
    /// There once they are let in.
    permit: Option<Permit>,
    waker: Option<Waker>,
}

const _: () = assert!(size_of::<Waiter>() <= 24 + 2 * size_of::<usize>());

/// What became of somebody who came.
pub(super) enum Entered {
    Passed(Permit),
    Waits(u64),
    Refused(Rejected),
}

impl<const WAITERS: usize> Shared<WAITERS> {
    pub(super) const fn new() -> Self {
        Self { state: BulkheadState::new(), queue: Vec::new(), ticket: 0 }
    }

    /// Passes if there is room and nobody is overtaken. Whoever wants nothing overtakes nobody.
    pub(super) fn pass(
        &mut self,
        policy: &BulkheadConfig,
        weight: u16,
        priority: Priority,
        now: Instant,
    ) -> Result<Permit, Rejected> {
        if weight != 0 && self.would_overtake(priority) {
            policy.peek(&self.state, weight, priority, now)?;
            return Err(Rejected::new(ErrorCode::BulkheadFull, RetryAt::Unknown));
        }
        policy.try_acquire(&mut self.state, weight, priority, now)
    }

    /// Passes, or joins the queue.
    pub(super) fn enter(
        &mut self,
        policy: &BulkheadConfig,
        weight: u16,
        priority: Priority,
        now: Instant,
    ) -> Entered {
        match self.pass(policy, weight, priority, now) {
            Ok(permit) => Entered::Passed(permit),
            Err(rejected) if rejected.retry() == RetryAt::Never => Entered::Refused(rejected),
            Err(rejected) => match self.join(weight, priority) {
                Some(ticket) => Entered::Waits(ticket),
                None => Entered::Refused(rejected),
            },
        }
    }

    pub(super) fn record(
        &mut self,
        policy: &BulkheadConfig,
        permit: Permit,
        outcome: Outcome,
        now: Instant,
    ) -> Recorded {
        policy.record(&mut self.state, permit, outcome, now)
    }

    /// Lets in whoever is next, if there is room, and returns what wakes them. Those who have never
    /// been polled need no waking, and those behind them are looked at in the same step.
    pub(super) fn let_in_next(&mut self, policy: &BulkheadConfig, now: Instant) -> Option<Waker> {
        loop {
            let next = self.queue.iter_mut().find(|waiter| waiter.permit.is_none())?;
            let (weight, priority) = (next.weight, next.priority);
            next.permit = Some(policy.try_acquire(&mut self.state, weight, priority, now).ok()?);
            if let Some(waker) = next.waker.take() {
                return Some(waker);
            }
        }
    }

    pub(super) fn reset(&mut self, policy: &BulkheadConfig) {
        policy.reset(&mut self.state);
    }

    pub(super) fn available(&self, policy: &BulkheadConfig, priority: Priority) -> u16 {
        if self.would_overtake(priority) { 0 } else { policy.available(&self.state, priority) }
    }

    pub(super) const fn held(&self) -> u16 {
        self.state.held()
    }

    pub(super) fn waiting(&self) -> usize {
        self.queue.iter().filter(|waiter| waiter.permit.is_none()).count()
    }

    fn would_overtake(&self, priority: Priority) -> bool {
        let mut waiting = self.queue.iter().filter(|waiter| waiter.permit.is_none());
        waiting.any(|waiter| waiter.priority >= priority)
    }

    /// Takes the place behind the last of the same or a higher priority; none where all are taken.
    fn join(&mut self, weight: u16, priority: Priority) -> Option<u64> {
        let ticket = self.ticket;
        let waiter = Waiter { ticket, weight, priority, permit: None, waker: None };
        let behind = self.queue.iter().take_while(|other| other.priority >= priority).count();
        self.queue.insert(behind, waiter).ok()?;
        self.ticket = ticket.wrapping_add(1);
        Some(ticket)
    }

    /// The permit, if they have been let in; the place is left then. Otherwise `waker` is kept in
    /// place of the one before. Whichever is of no more use comes back, to be dropped with the mutex
    /// free: it is the user's.
    fn poll(&mut self, ticket: u64, waker: Waker) -> (Option<Permit>, Option<Waker>) {
        match self.queue.iter_mut().find(|waiter| waiter.ticket == ticket) {
            Some(waiter) if waiter.permit.is_none() => (None, waiter.waker.replace(waker)),
            _ => (self.leave(ticket).and_then(|waiter| waiter.permit), Some(waker)),
        }
    }

    /// Whoever had the place, with what they had.
    fn leave(&mut self, ticket: u64) -> Option<Waiter> {
        let place = self.queue.iter().position(|waiter| waiter.ticket == ticket)?;
        Some(self.queue.remove(place))
    }
}

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

    pub(super) fn poll(&mut self, context: &Context<'_>) -> Poll<Guard<'a, M, P, WAITERS>> {
        let waker = context.waker().clone();
        let (permit, _unused) = self.bulkhead.apply(|shared, _, _| shared.poll(self.ticket, waker));
        match permit {
            Some(permit) => Poll::Ready(Guard::new(self.bulkhead, permit)),
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
        let Some(left) = self.bulkhead.apply(|shared, _, _| shared.leave(self.ticket)) else {
            return;
        };
        match left.permit {
            // Let in, and gone before it was known.
            Some(permit) => drop(Guard::new(self.bulkhead, permit)),
            None => self.bulkhead.let_in(),
        }
    }
}
