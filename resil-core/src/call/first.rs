//! The first attempt of a call, for as long as there is no more to the call.

use super::budget::Budget;
use super::gate::{End, Gate, Request};
use super::hedge::Hedging;
use super::layers::Gates;
use super::machine::{Call, Turn};
use super::policy::CallPolicy;
use super::step::{Step, Ticket};
use crate::deadline::Deadline;
use crate::outcome::{Outcome, Rejected};
use crate::time::Instant;

/// The first attempt of a call, past the layers.
///
/// Most calls are this and no more: the attempt succeeds, and the call is over. So a driver that is in a
/// hurry [begins](super::Pipeline::begin) with it, and makes a [`Call`] of it only when it has to
/// [go on](super::Pipeline::go_on).
///
/// # Law
///
/// Whether a call is stepped from the start or begun like this, the machines come to the same state by
/// the same draws of entropy, and tell the same transitions.
#[derive(Debug)]
#[must_use = "start the attempt, and tell how it ended"]
pub struct First<P> {
    permit: P,
    started_at: Instant,
    hedge_at: Option<Instant>,
}

/// Why a call does not begin with an attempt at once: a gate has refused, or the deadline has come.
///
/// Say so with [`Pipeline::not_admitted`](super::Pipeline::not_admitted): the call may wait.
#[derive(Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "the call is not over by this"]
pub struct NotAdmitted(Option<Rejected>);

impl<P> First<P> {
    /// What the attempt holds.
    #[must_use]
    #[inline]
    pub const fn permit(&self) -> &P {
        &self.permit
    }

    /// When it started.
    #[must_use]
    #[inline]
    pub const fn started_at(&self) -> Instant {
        self.started_at
    }

    /// The attempt that `permit` allows, without a hedge to come.
    #[inline]
    pub(super) const fn new(permit: P, started_at: Instant) -> Self {
        Self { permit, started_at, hedge_at: None }
    }

    /// Asks the layers for it.
    #[inline]
    pub(super) fn begin<U>(
        request: &Request,
        deadline: Deadline,
        gates: &mut impl Gates<P, U>,
        entropy: &mut impl FnMut() -> u32,
        now: Instant,
    ) -> Result<Self, NotAdmitted> {
        // That of whoever made the call; the policy's own is still to come at the start.
        if deadline.is_past(now) {
            return Err(NotAdmitted(None));
        }
        match gates.attempt().try_acquire(request, entropy, now) {
            Ok(permit) => {
                gates.budget().begin(now);
                Ok(Self { permit, started_at: now, hedge_at: gates.hedge().due(0, now) })
            }
            Err(rejected) => Err(NotAdmitted(Some(rejected))),
        }
    }

    /// It has succeeded, and the call is over.
    #[inline]
    pub(super) fn succeed<U>(
        self,
        gates: &mut impl Gates<P, U>,
        entropy: &mut impl FnMut() -> u32,
        now: Instant,
    ) {
        let since = self.started_at.min(now);
        gates.hedge().record_latency(since, now);
        gates.attempt().settle(self.permit, End::Attempted(Outcome::Success), entropy, now);
        gates.budget().settle(None, Outcome::Success, now);
    }

    /// The call that began with it, at the instant of the beginning.
    pub(super) fn go_on<C, U>(
        self,
        policy: &CallPolicy<C>,
        request: Request,
        deadline: Deadline,
    ) -> (Call<P, U>, Ticket) {
        let Self { permit, started_at, hedge_at } = self;
        let mut call = Call::start(policy, request, started_at).within(deadline);
        call.is_new = false;
        let ticket = call.launch(policy, permit, None, false, hedge_at, started_at);
        (call, ticket)
    }
}

impl NotAdmitted {
    /// The call that could not begin, and what it does instead.
    pub(super) fn step<C, P, U>(
        self,
        mut call: Call<P, U>,
        policy: &CallPolicy<C>,
        gates: &mut impl Gates<P, U>,
        entropy: &mut impl FnMut() -> u32,
        now: Instant,
    ) -> (Call<P, U>, Step) {
        let Some(rejected) = self.0 else {
            let step = call.poll(policy, gates, entropy, now);
            return (call, step);
        };
        call.is_new = false;
        gates.budget().begin(now);
        call.refused(rejected, &mut Turn { policy, gates, entropy, now });
        let step = call.idle();
        (call, step)
    }
}

/// Whether the end of a first attempt that succeeds has to be told with the time at which it came.
#[inline]
pub(super) fn needs_end<P, U, G: Gates<P, U>>(gates: &mut G) -> bool {
    <G::Hedge as Hedging>::HEDGES || gates.attempt().needs_end() || gates.budget().needs_end()
}
