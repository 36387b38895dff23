//! Who waits for a bulkhead, and who is next.
//!
//! [`Queue`] is the state of a bulkhead with those who wait for it: the decisions that adapters share. It
//! waits for nobody and wakes nobody. An adapter keeps it behind a mutex, gives it the wakers of its
//! tasks, and wakes whom it names, with the mutex free again.
//!
//! # Who is next
//!
//! The first of the highest priority. Nobody overtakes who waits with the same priority or a higher one,
//! however little they want; a call of higher priority does overtake.
//!
//! # Laws
//!
//! - Whoever is let in holds their permit from then on, polled or not: [`leave`](Queue::leave) hands it
//!   over, and it is told back once.
//! - After whatever makes room (a permit told back, a place that was left, a reset, another policy),
//!   calling [`let_in_next`](Queue::let_in_next) until there is nobody lets in everybody for whom there is
//!   room, and nobody else.
//! - Nobody waits for what can never be: whoever wants more than there is by another policy is refused
//!   when it is their turn, and holds up nobody.
//! - A refusal changes nothing.
//!
//! # When not to use it
//!
//! Where nobody waits: ask the [`BulkheadConfig`] alone.
//!
//! # A timeline
//!
//! ```
//! use core::task::Waker;
//! use resil_core::bulkhead::{BulkheadConfig, Entered, FixedPlaces, Queue};
//! use resil_core::call::Priority::Normal;
//! use resil_core::{Instant, Outcome, valid};
//!
//! const TWO: BulkheadConfig = valid!(BulkheadConfig::builder().max_concurrent(2).build());
//! let mut queue = Queue::new(FixedPlaces::<8>::new());
//! let now = Instant::EPOCH;
//!
//! // The first takes both permits, the second waits, and is not overtaken by a third.
//! let Entered::Passed(both) = queue.enter(&TWO, 2, Normal, now) else { panic!() };
//! let Entered::Waits(ticket) = queue.enter(&TWO, 1, Normal, now) else { panic!() };
//! let (answer, unused) = queue.poll(ticket, Waker::noop().clone());
//! assert!(answer.is_none() && unused.is_none(), "the waker is kept");
//! assert!(queue.pass(&TWO, 1, Normal, now).is_err());
//!
//! // The permits are back: the second is let in, and is to be woken.
//! queue.record(&TWO, both, Outcome::Success, now);
//! assert!(queue.let_in_next(&TWO, now).is_some());
//! assert!(queue.let_in_next(&TWO, now).is_none());
//! let (answer, _) = queue.poll(ticket, Waker::noop().clone());
//! assert_eq!(answer.map(|passed| passed.map(|permit| permit.weight())), Some(Ok(1)));
//! ```
//!
//! # Cost
//!
//! 40 bytes a place on a 64-bit machine, 32 on a 32-bit one. A call that passes looks at the first who
//! waits; joining, polling and leaving are linear in how many there are.

use super::config::BulkheadConfig;
use super::decide::never;
use super::state::{BulkheadState, Permit, Recorded};
use crate::call::Priority;
use crate::error::ErrorCode;
use crate::outcome::{Outcome, Rejected, RetryAt};
use crate::time::Instant;
use core::task::Waker;

/// The state of a bulkhead, and who waits for it, the next one first.
#[derive(Debug)]
pub struct Queue<P> {
    state: BulkheadState,
    places: P,
    /// The ticket of whoever comes next. No ticket comes twice, so one that is gone reaches nobody.
    ticket: u64,
}

/// Where those who wait are kept, in order.
pub trait Places: AsRef<[Waiter]> + AsMut<[Waiter]> {
    /// Puts somebody before whoever is at `at`; where `at` is their number, behind all.
    ///
    /// # Errors
    ///
    /// Whoever has no place, because all are taken.
    fn insert(&mut self, at: usize, waiter: Waiter) -> Result<(), Waiter>;

    /// Takes away whoever is at `at`.
    fn remove(&mut self, at: usize) -> Option<Waiter>;
}

/// So many places without a heap.
pub type FixedPlaces<const N: usize> = heapless::Vec<Waiter, N>;

impl<const N: usize> Places for FixedPlaces<N> {
    fn insert(&mut self, at: usize, waiter: Waiter) -> Result<(), Waiter> {
        if at > self.len() { Err(waiter) } else { self.insert(at, waiter) }
    }

    fn remove(&mut self, at: usize) -> Option<Waiter> {
        if at < self.len() { Some(self.remove(at)) } else { None }
    }
}

/// Somebody in the queue, until the place is left.
#[derive(Debug)]
pub struct Waiter {
    ticket: u64,
    weight: u16,
    priority: Priority,
    turn: Turn,
    waker: Option<Waker>,
}

/// Whether they still wait.
#[derive(Debug)]
enum Turn {
    Waits,
    LetIn(Permit),
    /// For ever.
    Refused,
}

const _: () = assert!(size_of::<Waiter>() <= 24 + 2 * size_of::<usize>());

impl Waiter {
    /// The permit that they hold, if they have been let in.
    #[must_use]
    pub fn into_permit(self) -> Option<Permit> {
        self.into_answer()?.ok()
    }

    fn into_answer(self) -> Option<Result<Permit, Rejected>> {
        match self.turn {
            Turn::Waits => None,
            Turn::LetIn(permit) => Some(Ok(permit)),
            Turn::Refused => Some(Err(never())),
        }
    }

    const fn waits(&self) -> bool {
        matches!(self.turn, Turn::Waits)
    }
}

/// What became of somebody who came.
#[derive(Debug)]
#[must_use = "a permit is to be told back, a place to be left"]
pub enum Entered {
    /// There was room.
    Passed(Permit),
    /// They have a place: the ticket for [`Queue::poll`] and [`Queue::leave`].
    Waits(u64),
    /// They can never pass, or all places are taken.
    Refused(Rejected),
}

impl<P> Queue<P> {
    /// Nothing is held and nobody waits.
    #[must_use]
    pub const fn new(places: P) -> Self {
        Self { state: BulkheadState::new(), places, ticket: 0 }
    }

    /// Permits that are out.
    #[must_use]
    #[inline]
    pub const fn held(&self) -> u16 {
        self.state.held()
    }
}

impl<P: Places> Queue<P> {
    /// Passes if there is room and nobody is overtaken. Whoever wants nothing overtakes nobody.
    ///
    /// # Errors
    ///
    /// `BULKHEAD_FULL` as in [`BulkheadConfig::try_acquire`], and also while others wait who would be
    /// overtaken.
    pub fn pass(
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
    pub fn enter(
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

    /// Tells a permit back: [`BulkheadConfig::record`].
    pub fn record(
        &mut self,
        policy: &BulkheadConfig,
        permit: Permit,
        outcome: Outcome,
        now: Instant,
    ) -> Recorded {
        policy.record(&mut self.state, permit, outcome, now)
    }

    /// Lets in whoever is next, if there is room, or refuses them, if there never will be, and returns
    /// what wakes them. Those who have never been polled need no waking, and those behind them are looked
    /// at in the same step.
    pub fn let_in_next(&mut self, policy: &BulkheadConfig, now: Instant) -> Option<Waker> {
        loop {
            let waiters = self.places.as_mut();
            let next = waiters.iter_mut().find(|waiter| waiter.waits())?;
            next.turn = match policy.try_acquire(&mut self.state, next.weight, next.priority, now) {
                Ok(permit) => Turn::LetIn(permit),
                Err(rejected) if rejected.retry() == RetryAt::Never => Turn::Refused,
                Err(_) => return None,
            };
            if let Some(waker) = next.waker.take() {
                return Some(waker);
            }
        }
    }

    /// The permit, if they have been let in, or the refusal, if by another policy they can never be; the
    /// place is left then. Otherwise `waker` is kept in place of the one before. Whichever is of no more
    /// use comes back, to be dropped with the mutex free: it is the user's.
    pub fn poll(
        &mut self,
        ticket: u64,
        waker: Waker,
    ) -> (Option<Result<Permit, Rejected>>, Option<Waker>) {
        match self.places.as_mut().iter_mut().find(|waiter| waiter.ticket == ticket) {
            Some(waiter) if waiter.waits() => (None, waiter.waker.replace(waker)),
            _ => (self.leave(ticket).and_then(Waiter::into_answer), Some(waker)),
        }
    }

    /// Gives up a place: whoever had it, to be dropped with the mutex free, and with them the permit that
    /// they were let in with; `None` after a poll that gave it out.
    pub fn leave(&mut self, ticket: u64) -> Option<Waiter> {
        let place = self.places.as_ref().iter().position(|waiter| waiter.ticket == ticket)?;
        self.places.remove(place)
    }

    /// Forgets what is held: [`BulkheadConfig::reset`].
    pub fn reset(&mut self, policy: &BulkheadConfig) {
        policy.reset(&mut self.state);
    }

    /// Goes on under another policy: [`BulkheadConfig::inherit`].
    pub fn inherit(&mut self, policy: &BulkheadConfig, old: &BulkheadConfig, now: Instant) {
        self.state = policy.inherit(old, &self.state, now);
    }

    /// The largest weight that [`pass`](Self::pass) lets pass.
    #[must_use]
    pub fn available(&self, policy: &BulkheadConfig, priority: Priority) -> u16 {
        if self.would_overtake(priority) { 0 } else { policy.available(&self.state, priority) }
    }

    /// How many wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.places.as_ref().iter().filter(|waiter| waiter.waits()).count()
    }

    fn would_overtake(&self, priority: Priority) -> bool {
        // The first who waits has the highest priority of all who do.
        let first = self.places.as_ref().iter().find(|waiter| waiter.waits());
        first.is_some_and(|waiter| waiter.priority >= priority)
    }

    /// Takes the place behind the last of the same or a higher priority; none where all are taken.
    fn join(&mut self, weight: u16, priority: Priority) -> Option<u64> {
        let ticket = self.ticket;
        let waiter = Waiter { ticket, weight, priority, turn: Turn::Waits, waker: None };
        let waiters = self.places.as_ref().iter();
        let behind = waiters.take_while(|other| other.priority >= priority).count();
        self.places.insert(behind, waiter).ok()?;
        self.ticket = ticket.wrapping_add(1);
        Some(ticket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Priority::{High, Low, Normal};

    const NOW: Instant = Instant::EPOCH;
    const FOUR: BulkheadConfig = crate::valid!(BulkheadConfig::builder().max_concurrent(4).build());

    fn waits(queue: &mut Queue<FixedPlaces<3>>, weight: u16, priority: Priority) -> u64 {
        match queue.enter(&FOUR, weight, priority, NOW) {
            Entered::Waits(ticket) => ticket,
            other => panic!("{other:?}"),
        }
    }

    fn got(queue: &mut Queue<FixedPlaces<3>>, ticket: u64) -> Option<Permit> {
        queue.poll(ticket, Waker::noop().clone()).0.map(|answer| answer.expect("it fits"))
    }

    #[test]
    fn the_first_of_the_highest_priority_is_next() {
        let mut queue = Queue::new(FixedPlaces::new());
        let all = queue.pass(&FOUR, 4, Normal, NOW).unwrap();
        let low = waits(&mut queue, 4, Low);
        let normal = waits(&mut queue, 4, Normal);
        let high = waits(&mut queue, 4, High);
        assert!(matches!(queue.enter(&FOUR, 1, High, NOW), Entered::Refused(_)), "three places");
        let mut held = all;
        for ticket in [high, normal, low] {
            let _ = queue.record(&FOUR, held, Outcome::Success, NOW);
            assert!(queue.let_in_next(&FOUR, NOW).is_none(), "never polled, so not woken");
            held = got(&mut queue, ticket).expect("it is their turn");
        }
        assert_eq!((queue.held(), queue.waiting()), (4, 0));
    }

    #[test]
    fn a_place_that_nobody_has_is_removed_by_nobody() {
        let mut places = FixedPlaces::<2>::new();
        assert!(Places::remove(&mut places, 0).is_none());
        let waiter = Waiter { ticket: 7, weight: 1, priority: Low, turn: Turn::Waits, waker: None };
        assert!(Places::insert(&mut places, 0, waiter).is_ok());
        assert!(Places::remove(&mut places, 1).is_none());
        assert_eq!(Places::remove(&mut places, 0).map(|waiter| waiter.ticket), Some(7));
    }

    #[test]
    fn a_ticket_that_is_gone_reaches_nobody() {
        let mut queue = Queue::new(FixedPlaces::new());
        let _all = queue.pass(&FOUR, 4, Normal, NOW).unwrap();
        let ticket = waits(&mut queue, 1, Normal);
        assert!(queue.leave(ticket).unwrap().into_permit().is_none());
        assert!(queue.leave(ticket).is_none());
        assert!(got(&mut queue, ticket).is_none());
        assert_ne!(waits(&mut queue, 1, Normal), ticket);
    }

    #[test]
    fn whoever_is_let_in_and_leaves_hands_the_permit_over() {
        let mut queue = Queue::new(FixedPlaces::new());
        let all = queue.pass(&FOUR, 4, Normal, NOW).unwrap();
        let ticket = waits(&mut queue, 3, Normal);
        let _ = queue.record(&FOUR, all, Outcome::Abandoned, NOW);
        assert!(queue.let_in_next(&FOUR, NOW).is_none());
        assert_eq!(queue.held(), 3);
        let permit = queue.leave(ticket).and_then(Waiter::into_permit).unwrap();
        assert_eq!(queue.record(&FOUR, permit, Outcome::Abandoned, NOW), Recorded::Released);
        assert_eq!(queue.available(&FOUR, Low), 4);
    }

    #[test]
    fn a_larger_policy_lets_in_who_waits_and_a_smaller_one_nobody() {
        let eight = BulkheadConfig::builder().max_concurrent(8).build().unwrap();
        let mut queue = Queue::new(FixedPlaces::new());
        let _all = queue.pass(&FOUR, 4, Normal, NOW).unwrap();
        let ticket = waits(&mut queue, 4, Normal);
        queue.inherit(&eight, &FOUR, NOW);
        assert!(queue.let_in_next(&eight, NOW).is_none());
        assert!(got(&mut queue, ticket).is_some());
        queue.inherit(&FOUR, &eight, NOW);
        assert_eq!((queue.held(), queue.available(&FOUR, High)), (8, 0));
        let none = BulkheadConfig::builder().max_concurrent(1).build().unwrap();
        queue.reset(&FOUR);
        queue.inherit(&none, &FOUR, NOW);
        assert_eq!((queue.held(), queue.available(&none, High)), (0, 1));
    }

    #[test]
    fn whoever_can_never_pass_by_a_smaller_policy_is_refused_and_holds_up_nobody() {
        let one = BulkheadConfig::builder().max_concurrent(1).build().unwrap();
        let mut queue = Queue::new(FixedPlaces::new());
        let all = queue.pass(&FOUR, 4, Normal, NOW).unwrap();
        let [large, small, next] = [4, 1, 1].map(|weight| waits(&mut queue, weight, Normal));
        queue.inherit(&one, &FOUR, NOW);
        assert!(queue.poll(large, Waker::noop().clone()).0.is_none(), "nobody has looked yet");

        // Whom there is no room for is refused all the same, and woken to hear it.
        assert!(queue.let_in_next(&one, NOW).is_some());
        assert_eq!((queue.held(), queue.waiting()), (4, 2));
        let (refused, _) = queue.poll(large, Waker::noop().clone());
        assert_eq!(
            refused,
            Some(Err(one.peek(&BulkheadState::new(), 4, Normal, NOW).unwrap_err()))
        );
        assert!(queue.leave(large).is_none(), "the place is left");

        assert!(queue.let_in_next(&one, NOW).is_none());
        let _ = queue.record(&one, all, Outcome::Success, NOW);
        assert!(queue.let_in_next(&one, NOW).is_none());
        assert!(got(&mut queue, small).is_some() && got(&mut queue, next).is_none());
    }

    #[test]
    fn whoever_was_refused_and_leaves_unheard_hands_nothing_over() {
        let one = BulkheadConfig::builder().max_concurrent(1).build().unwrap();
        let mut queue = Queue::new(FixedPlaces::new());
        let _all = queue.pass(&FOUR, 4, Normal, NOW).unwrap();
        let large = waits(&mut queue, 4, Normal);
        queue.inherit(&one, &FOUR, NOW);
        assert!(queue.let_in_next(&one, NOW).is_none(), "never polled, so not woken");
        assert_eq!(queue.waiting(), 0);
        assert!(queue.leave(large).unwrap().into_permit().is_none());
    }
}
