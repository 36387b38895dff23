//! Whether to try again, and when.
//!
//! A [`RetryPolicy`] says how often, how long and for which errors; a [`Retry`] is one call under it:
//! tell it how each attempt failed, and it answers with a [`Wait`] or a [`Stop`].
//!
//! # When not to use it
//!
//! - For an operation that must not run twice. A lost reply looks like a lost request: four attempts
//!   at "send 5 coins" may send 20. Make the operation idempotent (an id that the receiver
//!   remembers), or [classify](RetryPolicy::classify) as fatal whatever may have happened. The default
//!   retries **every** error.
//! - Around a guarded operation without [`Guarded`], which leaves our own refusals alone.
//! - At more than one layer. Three layers of three attempts are 27 calls to a peer that is in trouble.
//! - Without a [budget] where many calls share a peer: three attempts each triple the load on one that
//!   fails. [`Retry::record_within`] asks it.
//! - Without a [breaker](crate::circuit_breaker) in front of a peer that may be down for long.
//!
//! # Laws
//!
//! - At most `max_attempts` attempts, the first included. What never was an attempt (a refusal by our
//!   own limiter, breaker or bulkhead) does not count as one.
//! - The deadline begins with the first attempt. No attempt starts at or after it, and no sleep is
//!   begun that would end there: [`Stop::Deadline`] comes at once.
//! - A peer's hint is not trusted: the wait is `max(backoff, min(hint, max_retry_after))`; "never", or a
//!   hint beyond the deadline, stops now.
//! - A clock that steps back delays nothing by more than the wait or the deadline that was set.
//!
//! # A call, step by step
//!
//! ```
//! use core::time::Duration;
//! use resil_core::backoff::Jitter;
//! use resil_core::outcome::{Classification, FailureClass, RetryHint};
//! use resil_core::retry::{Next, Retry, RetryPolicy, Stop};
//! use resil_core::{Clock, ManualClock, valid};
//!
//! const POLICY: RetryPolicy = valid!(
//!     RetryPolicy::builder()
//!         .max_attempts(4)
//!         .jitter(Jitter::None) // so that the times below are round; keep the default
//!         .deadline(Duration::from_secs(20))
//!         .build()
//! );
//! let clock = ManualClock::default();
//! let (lost, entropy) = (FailureClass::Transient.into(), 0xC0FF_EE00_u32);
//!
//! // 0 s: the first attempt starts, and fails at once.
//! let mut retry = Retry::start(&POLICY, clock.now());
//! assert_eq!(retry.attempt(), 1);
//! let Next::Wait(wait) = retry.record(&POLICY, lost, entropy, clock.now()) else { panic!() };
//! assert_eq!((wait.attempt(), wait.delay()), (2, Duration::from_secs(1)));
//!
//! // 1 s: the second one, answered with "come back in 5 s", which raises the delay of 2 s.
//! clock.set(wait.until());
//! let busy = Classification::Failure(
//!     FailureClass::Throttled,
//!     RetryHint::After(Duration::from_secs(5)),
//! );
//! let Next::Wait(wait) = retry.record(&POLICY, busy, entropy, clock.now()) else { panic!() };
//! assert_eq!((wait.attempt(), wait.delay()), (3, Duration::from_secs(5)));
//!
//! // 6 s: the third takes 10 s. At 16 s the next delay, 4 s, would end at the deadline: stop now.
//! clock.set(wait.until());
//! clock.advance(Duration::from_secs(10));
//! assert_eq!(retry.record(&POLICY, lost, entropy, clock.now()), Next::Stop(Stop::Deadline));
//!
//! let error = retry.error(Stop::Deadline, "connection lost");
//! assert_eq!(error.code().name(), "RETRY_FAILED");
//! assert_eq!(error.operation_error(), Some(&"connection lost"));
//! ```
//!
//! Defaults: 3 attempts, 1 s, base 2, at most 60 s (the seed's), [full jitter](crate::backoff), no
//! deadline, hints up to the longest delay, no waiting for refusals.

pub mod budget;
mod guarded;
mod next;
mod persist;
mod policy;

pub use guarded::Guarded;
pub use next::{Next, Refused, Stop, Wait};
pub use persist::Suspended;
pub use policy::{RetryPolicy, RetryPolicyBuilder};

use crate::ErrorCode;
use crate::call::{Budget, Extra};
use crate::deadline::Deadline;
use crate::entropy::Entropy;
use crate::error::{Family, ResilienceError, RetryExhaustedError, TimeoutError};
use crate::outcome::{Classification, FailureClass, Rejected, RetryAt};
use crate::time::Instant;

/// One call in progress: which attempt it is at, and until when it may go on.
///
/// 24 bytes; the policy is passed to every step, the same one each time. See the
/// [module](self) for a call step by step.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Retry {
    /// [`Instant::MAX`] where there is none.
    deadline: Instant,
    /// The last backoff, before any hint: what decorrelated jitter goes on from.
    previous: u64,
    failed: u32,
    refused: u32,
}

const _: () = assert!(size_of::<Retry>() <= 24);

impl Retry {
    /// A call whose first attempt starts `now`.
    #[must_use]
    #[inline]
    pub const fn start<C>(policy: &RetryPolicy<C>, now: Instant) -> Self {
        Self { deadline: policy.deadline_from(now), previous: 0, failed: 0, refused: 0 }
    }

    /// The number of the attempt that is under way or comes next, from 1.
    #[must_use]
    #[inline]
    pub const fn attempt(&self) -> u32 {
        self.failed.saturating_add(1)
    }

    /// How many attempts have failed.
    #[must_use]
    #[inline]
    pub const fn failed(&self) -> u32 {
        self.failed
    }

    /// The instant from which on no attempt starts.
    #[must_use]
    #[inline]
    pub const fn deadline(&self) -> Option<Instant> {
        if self.deadline.as_nanos() == u64::MAX { None } else { Some(self.deadline) }
    }

    /// [`deadline`](Self::deadline), and [`Instant::MAX`] where there is none.
    #[inline]
    pub(crate) const fn ends_at(&self) -> Instant {
        self.deadline
    }

    /// Whether the deadline has come. Ask after a sleep: timers oversleep, machines suspend. If it
    /// has, do not start the attempt but end with [`Stop::Deadline`].
    #[must_use]
    #[cfg_attr(not(target_has_atomic = "32"), inline(never))]
    #[cfg_attr(target_has_atomic = "32", inline)]
    pub fn is_past_deadline(&self, now: Instant) -> bool {
        self.deadline().is_some() && self.deadline.is_reached(now)
    }

    /// The attempt failed; `classification` is what the policy's
    /// [classifier](RetryPolicy::classifier) makes of the error.
    ///
    /// Entropy is drawn once, for the wait, also where that turns out to end too late; else not at all.
    pub fn record<C>(
        &mut self,
        policy: &RetryPolicy<C>,
        classification: Classification,
        entropy: impl Entropy,
        now: Instant,
    ) -> Next {
        let stay_away = classification.stay_away();
        match self.record_after(policy, classification, stay_away, entropy, now) {
            Ok(delay) => Next::Wait(self.wait(delay, now)),
            Err(stop) => Next::Stop(stop),
        }
    }

    /// [`record`](Self::record), where the peer wants us to stay away for so many nanoseconds, or for
    /// good. Returns how long to wait, in nanoseconds.
    fn record_after<C>(
        &mut self,
        policy: &RetryPolicy<C>,
        classification: Classification,
        stay_away: Option<u64>,
        entropy: impl Entropy,
        now: Instant,
    ) -> Result<u64, Stop> {
        let index = self.failed;
        self.failed = self.attempt();
        self.keep_time(policy, now);
        let class = match classification {
            Classification::Ignored => return Err(Stop::Ignored),
            Classification::Failure(class, _) if !class.is_retryable() => {
                return Err(Stop::Fatal);
            }
            Classification::Failure(class, _) => class,
        };
        if self.failed >= policy.max_attempts() {
            return Err(Stop::Exhausted);
        }
        let Some(hint) = stay_away else { return Err(Stop::Never) };
        if self.is_past_deadline(now.plus_nanos(hint)) {
            return Err(Stop::Deadline);
        }
        let backoff = policy.backoff_after(class);
        self.previous = backoff.jittered_nanos(index, self.previous, entropy);
        let delay = self.previous.max(policy.trusted_nanos(hint));
        if self.is_past_deadline(now.plus_nanos(delay)) { Err(Stop::Deadline) } else { Ok(delay) }
    }

    /// An attempt has failed that another one runs beside or follows at once: it counts, and decides
    /// nothing.
    pub(crate) const fn failed_beside_another(&mut self) {
        self.failed = self.attempt();
    }

    /// The attempt that was to follow a failure at once is not made: that failure is to be decided about
    /// after all, with [`record`](Self::record).
    pub(crate) const fn take_back_failure(&mut self) {
        self.failed = self.failed.saturating_sub(1);
    }

    /// Ends at `deadline` where that is the earlier one.
    pub(crate) fn end_by(&mut self, deadline: Deadline) {
        self.deadline = self.deadline.min(deadline.instant().unwrap_or(Instant::MAX));
    }

    /// Brings back a deadline that a backward step of the clock left too far ahead.
    pub(crate) const fn keep_time<C>(&mut self, policy: &RetryPolicy<C>, now: Instant) {
        self.deadline = policy.brought_back(self.deadline, now);
    }

    /// [`record`](Self::record), and the next attempt is paid for from `budget`: now, when it is
    /// decided, and not when its wait is over. [`Stop::Budget`] where it is not.
    ///
    /// Settle the charge with the attempt; refund it if the attempt is not made after all.
    ///
    /// ```
    /// use resil_core::outcome::FailureClass;
    /// use resil_core::retry::budget::{RetryBudget, TokenBudget};
    /// use resil_core::retry::{Retry, RetryPolicy, Stop};
    /// use resil_core::{Instant, valid};
    ///
    /// const ONE: TokenBudget = valid!(TokenBudget::builder().capacity(27).build());
    /// let (mut budget, now) = (RetryBudget::new(ONE), Instant::EPOCH);
    /// let lost = FailureClass::Transient.into();
    ///
    /// let mut retry = Retry::start(&RetryPolicy::DEFAULT, now);
    /// let (wait, charge) = retry
    ///     .record_within(&RetryPolicy::DEFAULT, &mut budget, lost, 0, now)
    ///     .unwrap();
    /// assert_eq!(wait.attempt(), 2);
    ///
    /// // Another call finds what is left to be too little.
    /// let mut other = Retry::start(&RetryPolicy::DEFAULT, now);
    /// let stop = other.record_within(&RetryPolicy::DEFAULT, &mut budget, lost, 0, now).unwrap_err();
    /// assert_eq!(stop, Stop::Budget);
    /// # drop(charge);
    /// ```
    ///
    /// # Errors
    ///
    /// Why there is no next attempt; then nothing is charged.
    pub fn record_within<C, B: Budget>(
        &mut self,
        policy: &RetryPolicy<C>,
        budget: &mut B,
        classification: Classification,
        entropy: impl Entropy,
        now: Instant,
    ) -> Result<(Wait, B::Charge), Stop> {
        let stay_away = classification.stay_away();
        let (delay, charge) =
            self.record_within_after(policy, budget, classification, stay_away, entropy, now)?;
        Ok((self.wait(delay, now), charge))
    }

    /// [`record_within`](Self::record_within), where the peer wants us to stay away for so many
    /// nanoseconds, or for good. Returns how long to [wait](Self::wait).
    pub(crate) fn record_within_after<C, B: Budget>(
        &mut self,
        policy: &RetryPolicy<C>,
        budget: &mut B,
        classification: Classification,
        stay_away: Option<u64>,
        entropy: impl Entropy,
        now: Instant,
    ) -> Result<(u64, B::Charge), Stop> {
        let class = match classification {
            Classification::Failure(class, _) => class,
            Classification::Ignored => FailureClass::Fatal, // stops below
        };
        let delay = self.record_after(policy, classification, stay_away, entropy, now)?;
        match budget.try_withdraw(Extra::Retry(class), now) {
            Ok(charge) => Ok((delay, charge)),
            Err(_) => Err(Stop::Budget),
        }
    }

    /// Our own limiter, breaker or bulkhead refused to let the attempt start.
    ///
    /// A breaker's refusal, shed load and "never" end the call. A limiter's or a bulkhead's is waited
    /// for where the policy has [`max_refusal_waits`](RetryPolicyBuilder::max_refusal_waits): until the
    /// instant it names, or for the jittered delay where it names none (only then entropy is
    /// drawn), and for 1 ns at least. Refusals consume no attempt.
    pub fn refused<C>(
        &mut self,
        policy: &RetryPolicy<C>,
        rejected: Rejected,
        entropy: impl Entropy,
        now: Instant,
    ) -> Next<Refused> {
        match self.delay_after(policy, rejected, entropy, now) {
            Ok(delay) => Next::Wait(self.wait(delay, now)),
            Err(after_waiting) => Next::Stop(Refused { rejected, after_waiting }),
        }
    }

    /// [`refused`](Self::refused): how long to [wait](Self::wait), or whether that would be over because
    /// no further wait is allowed.
    pub(crate) fn delay_after<C>(
        &mut self,
        policy: &RetryPolicy<C>,
        rejected: Rejected,
        entropy: impl Entropy,
        now: Instant,
    ) -> Result<u64, bool> {
        self.keep_time(policy, now);
        if policy.max_refusal_waits() == 0 || !can_be_waited_for(&rejected) {
            return Err(false);
        }
        let delay = match rejected.retry() {
            RetryAt::At(at) => at.nanos_since(now),
            _ => policy.backoff().jittered_nanos(self.refused, self.previous, entropy),
        };
        let delay = delay.max(1); // to ask again within the same instant would be to spin
        if self.refused >= policy.max_refusal_waits()
            || self.is_past_deadline(now.plus_nanos(delay))
        {
            return Err(true);
        }
        self.refused = self.refused.saturating_add(1);
        Ok(delay)
    }

    /// The error of a call that stopped because of `error`.
    ///
    /// The operation's own where it was not one to retry, else `RETRY_EXHAUSTED` or `RETRY_FAILED`
    /// with the number of attempts and `error` as the last one.
    #[must_use]
    pub fn error<E>(&self, stop: Stop, error: E) -> ResilienceError<E> {
        self.last_error(stop, Some(error))
    }

    /// [`error`](Self::error), for calls whose last attempt may have been ended by our own attempt
    /// timeout: then there is no error of the operation, and `last` is `None`.
    ///
    /// Then `ATTEMPT_TIMEOUT` where it was not one to retry, else `RETRY_EXHAUSTED` or `RETRY_FAILED`
    /// with the timeout as its source.
    ///
    /// ```
    /// use resil_core::error::TimeoutError;
    /// use resil_core::outcome::FailureClass;
    /// use resil_core::retry::{Next, Retry, RetryPolicy, Stop};
    /// use resil_core::{ErrorCode, Instant, valid};
    /// use std::error::Error;
    ///
    /// const ONCE: RetryPolicy = valid!(RetryPolicy::builder().max_attempts(1).build());
    /// let mut retry = Retry::start(&ONCE, Instant::EPOCH);
    /// let next = retry.record(&ONCE, FailureClass::Timeout.into(), 0, Instant::EPOCH);
    /// assert_eq!(next, Next::Stop(Stop::Exhausted));
    /// let error = retry.last_error::<std::io::Error>(Stop::Exhausted, None);
    /// assert_eq!(error.code(), ErrorCode::RetryExhausted);
    /// assert!(error.source().unwrap().is::<TimeoutError>());
    /// ```
    #[must_use]
    pub fn last_error<E>(&self, stop: Stop, last: Option<E>) -> ResilienceError<E> {
        let why = match (stop.gave_up(), last) {
            (Some(why), Some(error)) => {
                return RetryExhaustedError::new(why, self.failed, error).into();
            }
            (Some(why), None) => why,
            (None, Some(error)) => return ResilienceError::operation(error),
            (None, None) => return TimeoutError::attempt().into(),
        };
        RetryExhaustedError::timed_out(why, self.failed).into()
    }

    /// The error of a call that stopped because of a refusal; `last` is the error of the last
    /// attempt, if there was one.
    ///
    /// The refusal's own where it ended the call at once, else `RETRY_FAILED` with the refusal as
    /// its source.
    #[must_use]
    pub fn refusal_error<E>(&self, refused: Refused, last: Option<E>) -> ResilienceError<E> {
        if refused.after_waiting {
            RetryExhaustedError::refused(refused.rejected, self.failed, last).into()
        } else {
            refused.rejected.into()
        }
    }

    /// The error of a call whose deadline came while it waited: for what `refusal` named, or after
    /// the attempt that failed with `last`. `None` without either: then it did not wait, or its last
    /// attempt timed out, for which there is [`last_error`](Self::last_error).
    ///
    /// `RETRY_FAILED`; its source is the refusal that was waited for, else the last error.
    ///
    /// ```
    /// use resil_core::retry::{Retry, RetryPolicy};
    /// use resil_core::{ErrorCode, Instant, Rejected, RetryAt};
    ///
    /// let retry = Retry::start(&RetryPolicy::DEFAULT, Instant::EPOCH);
    /// let busy = Rejected::new(ErrorCode::BulkheadFull, RetryAt::Unknown);
    /// let error = retry.overslept_error(Some(busy), Some("lost")).unwrap();
    /// assert_eq!((error.code(), error.operation_error()), (ErrorCode::RetryFailed, Some(&"lost")));
    /// assert_eq!(error.retry_at(), Some(RetryAt::Unknown), "what the refusal said");
    /// assert!(retry.overslept_error::<()>(None, None).is_none());
    /// ```
    #[must_use]
    pub fn overslept_error<E>(
        &self,
        refusal: Option<Rejected>,
        last: Option<E>,
    ) -> Option<ResilienceError<E>> {
        match (refusal, last) {
            (Some(rejected), last) => {
                Some(self.refusal_error(Refused { rejected, after_waiting: true }, last))
            }
            (None, Some(last)) => Some(self.error(Stop::Deadline, last)),
            (None, None) => None,
        }
    }

    /// The wait of `delay` from `now`.
    #[inline]
    pub(crate) const fn wait(&self, delay: u64, now: Instant) -> Wait {
        Wait { until: now.plus_nanos(delay), delay, attempt: self.attempt() }
    }
}

/// Whether waiting can turn this refusal into an attempt that our own machines want.
const fn can_be_waited_for(rejected: &Rejected) -> bool {
    match (rejected.retry(), rejected.code()) {
        (RetryAt::Never, _) => false,
        (_, ErrorCode::BulkheadFull) => true,
        (_, code) => matches!(code.family(), Family::RateLimit),
    }
}
