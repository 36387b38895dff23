//! The call: one machine around all the others.

use super::budget::Budget;
use super::gate::Request;
use super::layers::Gates;
use super::policy::CallPolicy;
use super::pushback::Pushback;
use super::step::{Finished, Step, Ticket, Verdict};
use crate::deadline::Deadline;
use crate::error::{ResilienceError, TimeoutError};
use crate::outcome::{Classification, FailureClass, Rejected};
use crate::retry::{Retry, Stop, Wait};
use crate::time::Instant;

/// One call in progress.
///
/// `P` is what the gates lend for an attempt and `U` what the budget charges for an extra one; both
/// follow from the first [`poll`](Self::poll). See the [module](super) for a call step by step.
#[derive(Debug)]
pub struct Call<P, U = ()> {
    pub(super) retry: Retry,
    pub(super) request: Request,
    pub(super) phase: Phase<U>,
    /// Nobody has polled yet.
    pub(super) is_new: bool,
    pub(super) in_flight: [Option<InFlight<P, U>>; 2],
    /// Attempts so far, hedges included.
    pub(super) started: u32,
    pub(super) hedge: HedgeAt,
    /// Hedges so far.
    pub(super) hedges: u8,
    /// What the attempt was told that failed beside the one that is out.
    pub(super) pushback: Pushback,
}

/// Where a call stands.
#[derive(Debug)]
pub(super) enum Phase<U> {
    /// An attempt is to start; it is paid for.
    Due(Due<U>),
    /// Attempts are in flight, and time or their ends decide.
    Running,
    /// It is over.
    Done(Verdict),
}

/// An attempt to start.
#[derive(Debug)]
pub(super) struct Due<U> {
    /// What to wait for before; `None`: nothing.
    pub(super) wait: Option<Wait>,
    /// What was charged for it, if it is not the first.
    pub(super) paid: Option<U>,
    /// What our own gates said when it was to start before.
    pub(super) refusal: Option<Rejected>,
    /// The failure that it follows at once, where it is a hedge that goes early.
    pub(super) early: Option<FailureClass>,
}

impl<U> Due<U> {
    /// At once, for nothing. Not a constant, which would lie in flash to be copied.
    pub(super) const fn at_once() -> Self {
        Self { wait: None, paid: None, refusal: None, early: None }
    }
}

/// When the second attempt starts beside the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HedgeAt {
    At(Instant),
    /// There is no delay for it, or the hedge of this round was made or refused.
    Never,
}

#[derive(Debug)]
pub(super) struct InFlight<P, U> {
    pub(super) permit: P,
    pub(super) charge: Option<U>,
    pub(super) started_at: Instant,
    /// [`Instant::MAX`] where there is none.
    pub(super) deadline: Instant,
    pub(super) number: u32,
}

/// What every step is given.
pub(super) struct Turn<'a, C, G, R> {
    pub(super) policy: &'a CallPolicy<C>,
    pub(super) gates: &'a mut G,
    pub(super) entropy: R,
    pub(super) now: Instant,
}

impl<P, U> Call<P, U> {
    /// A call whose first attempt is to start `now`; its deadline counts from here.
    #[must_use]
    pub const fn start<C>(policy: &CallPolicy<C>, request: Request, now: Instant) -> Self {
        Self {
            retry: Retry::start(policy.retry(), now),
            request,
            phase: Phase::Due(Due::at_once()),
            is_new: true,
            in_flight: [None, None],
            started: 0,
            hedge: HedgeAt::Never,
            hedges: 0,
            pushback: Pushback::NONE,
        }
    }

    /// The same, and over at `deadline` where that comes first: what whoever made the call has left.
    ///
    /// It is an instant and stays one: a clock that steps back does not bring it closer, as it does the
    /// policy's own.
    ///
    /// ```
    /// use resil_core::call::{Call, CallPolicy, Request};
    /// use resil_core::deadline::Deadline;
    /// use resil_core::Instant;
    ///
    /// let policy = CallPolicy::default();
    /// let call: Call<()> = Call::start(&policy, Request::ONE, Instant::EPOCH);
    /// let deadline = Deadline::at(Instant::from_nanos(5));
    /// assert_eq!(call.within(deadline).deadline(), deadline.instant());
    /// ```
    #[must_use]
    pub fn within(mut self, deadline: Deadline) -> Self {
        self.retry.end_by(deadline);
        self
    }

    /// What to do next. Legal at any time, and with attempts in flight.
    ///
    /// Attempts whose deadline has come are timed out by it. Entropy is drawn for backoff, and by gates
    /// that [need](super::Gate::try_acquire) it.
    pub fn poll<C>(
        &mut self,
        policy: &CallPolicy<C>,
        gates: &mut impl Gates<P, U>,
        entropy: impl FnMut() -> u32,
        now: Instant,
    ) -> Step {
        let mut turn = Turn { policy, gates, entropy, now };
        self.keep_time(&mut turn);
        self.time_out(&mut turn);
        let attempt = match &self.phase {
            Phase::Due(_) => {
                if core::mem::replace(&mut self.is_new, false) {
                    turn.gates.budget().begin(now);
                }
                self.begin(&mut turn)
            }
            Phase::Running => self.hedge_in_time(&mut turn),
            Phase::Done(_) => None,
        };
        attempt.map_or_else(|| self.idle(), Step::Attempt)
    }

    /// An attempt has ended: `Ok`, or what the [classifier](crate::retry::RetryPolicy::classifier)
    /// makes of its error.
    ///
    /// It counts as it ended, even after its deadline, unless [`poll`](Self::poll) has timed it out
    /// already: what was answered is not thrown away.
    pub fn finish<C>(
        &mut self,
        policy: &CallPolicy<C>,
        ticket: Ticket,
        result: Result<(), Classification>,
        gates: &mut impl Gates<P, U>,
        entropy: impl FnMut() -> u32,
        now: Instant,
    ) -> Finished {
        let mut turn = Turn { policy, gates, entropy, now };
        self.keep_time(&mut turn);
        let Some(place) = self.place(|attempt| attempt.number == ticket.number) else {
            return Finished::Stale;
        };
        match result {
            Ok(()) => self.succeeded(place, &mut turn),
            Err(classification) => self.failed(place, classification, &mut turn),
        }
        Finished::Counted
    }

    /// Whoever made the call goes away: everything that is out is given back.
    ///
    /// An adapter's guard does this when it is dropped. A call that is over is left as it is.
    pub fn abandon<C>(
        &mut self,
        policy: &CallPolicy<C>,
        gates: &mut impl Gates<P, U>,
        entropy: impl FnMut() -> u32,
        now: Instant,
    ) {
        let mut turn = Turn { policy, gates, entropy, now };
        if !self.is_over() {
            self.give_back(&mut turn);
            self.phase = Phase::Done(Verdict::Abandoned);
        }
    }

    /// What the attempt of `ticket` holds: where one gate stands for several peers, it says which.
    #[must_use]
    pub fn permit(&self, ticket: &Ticket) -> Option<&P> {
        let mut attempts = self.in_flight.iter().flatten();
        attempts.find(|attempt| attempt.number == ticket.number).map(|attempt| &attempt.permit)
    }

    /// Whether the attempt of `ticket` is awaited still: it has neither ended nor timed out, and the call
    /// goes on. If not, stop it.
    #[must_use]
    #[inline]
    pub fn is_in_flight(&self, ticket: &Ticket) -> bool {
        self.permit(ticket).is_some()
    }

    /// The refusal of our own that the call waits to be over.
    ///
    /// ```
    /// use core::time::Duration;
    /// use resil_core::call::{Call, CallPolicy, PeerPolicy, PeerState, Request, Step};
    /// use resil_core::circuit_breaker::CircuitBreakerConfig;
    /// use resil_core::rate_limit::{RateLimitConfig, TokenBucket};
    /// use resil_core::retry::RetryPolicy;
    /// use resil_core::{ErrorCode, Instant, valid};
    ///
    /// const PEER: PeerPolicy = PeerPolicy::new(
    ///     CallPolicy::new(valid!(
    ///         RetryPolicy::builder().max_refusal_waits(1).deadline(Duration::from_secs(60)).build()
    ///     )),
    ///     CircuitBreakerConfig::DEFAULT,
    ///     TokenBucket::new(RateLimitConfig::DEFAULT), // 10 at once
    /// );
    /// let (mut peer, now) = (PeerState::FRESH, Instant::EPOCH);
    /// let mut start = || {
    ///     let mut call = Call::start(PEER.call(), Request::ONE, now);
    ///     let step = call.poll(PEER.call(), &mut PEER.gates(&mut peer), || 0, now);
    ///     (call, step)
    /// };
    /// for _ in 0..10 {
    ///     let (call, step) = start();
    ///     assert!(matches!(step, Step::Attempt(_)) && call.refusal().is_none());
    /// }
    /// let (call, step) = start();
    /// assert!(matches!(step, Step::Wait { until: Some(_), in_flight: 0 }));
    /// assert_eq!(call.refusal().unwrap().code(), ErrorCode::RateLimitExceeded);
    /// ```
    #[must_use]
    pub const fn refusal(&self) -> Option<Rejected> {
        match &self.phase {
            Phase::Due(due) => due.refusal,
            Phase::Running | Phase::Done(_) => None,
        }
    }

    /// Attempts made so far, hedges included.
    #[must_use]
    #[inline]
    pub const fn attempts(&self) -> u32 {
        self.started
    }

    /// The instant by which the whole call is over; `None` without a deadline.
    #[must_use]
    #[inline]
    pub const fn deadline(&self) -> Option<Instant> {
        self.retry.deadline()
    }

    /// Whether it is over.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Done(_))
    }

    /// What whoever made a call gets that ended with `verdict`: the `value` of the attempt that
    /// succeeded, or the [`error`](Self::error).
    ///
    /// ```
    /// use resil_core::call::{Call, CallPolicy, Layers, Request, Step};
    /// use resil_core::error::ResilienceError;
    /// use resil_core::{ErrorCode, Instant};
    ///
    /// let (policy, mut layers, now) = (CallPolicy::default(), Layers::new(()), Instant::EPOCH);
    /// let mut call: Call<()> = Call::start(&policy, Request::ONE, now);
    /// let Step::Attempt(ticket) = call.poll(&policy, &mut layers, || 4, now) else { panic!() };
    /// call.finish(&policy, ticket, Ok(()), &mut layers, || 4, now);
    /// let Step::Done(verdict) = call.poll(&policy, &mut layers, || 4, now) else { panic!() };
    /// let result: Result<u8, ResilienceError<&str>> = call.result(verdict, Some(7), None);
    /// assert_eq!(result, Ok(7));
    /// ```
    ///
    /// # Errors
    ///
    /// Its error, and `ATTEMPT_TIMEOUT` where nobody has the value: of a call that was abandoned, or if
    /// none was kept.
    pub fn result<V, E>(
        &self,
        verdict: Verdict,
        value: Option<V>,
        last: Option<E>,
    ) -> Result<V, ResilienceError<E>> {
        match self.error(verdict, last) {
            Some(error) => Err(error),
            None => value.ok_or_else(|| TimeoutError::attempt().into()),
        }
    }

    /// The error of a call that ended with `verdict`; `last` is the error of its last attempt, where
    /// one ended with an error and not by timing out. `None` for a success and for an abandoned call.
    #[must_use]
    pub fn error<E>(&self, verdict: Verdict, last: Option<E>) -> Option<ResilienceError<E>> {
        match (verdict, last) {
            (Verdict::Success | Verdict::Abandoned, _) => None,
            (Verdict::Failed(stop), last) => Some(self.retry.last_error(stop, last)),
            (Verdict::Refused(refused), last) => Some(self.retry.refusal_error(refused, last)),
            (Verdict::Deadline { refusal: Some(refusal) }, last) => {
                self.retry.overslept_error(Some(refusal), last)
            }
            // It cut the first attempt short: there was no retry yet that could have failed.
            (Verdict::Deadline { refusal: None }, None) if self.retry.failed() == 0 => {
                Some(TimeoutError::deadline().into())
            }
            (Verdict::Deadline { refusal: None }, last) => {
                Some(self.retry.last_error(Stop::Deadline, last))
            }
        }
    }
}
