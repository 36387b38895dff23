//! How a call ended, and what a machine answers: the vocabulary that all machines share.
//!
//! An operation's own error type says nothing to a machine. A [`Classify`] turns it into a
//! [`Classification`]: which kind of failure, and what the other side said about coming back. The
//! retry reads all of it, the breaker only whether it counts.

use crate::error::ErrorCode;
use crate::time::{Instant, saturating_nanos};
use core::time::Duration;

/// Why an attempt failed, as far as resilience is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum FailureClass {
    /// May well succeed when tried again: a lost connection, an overloaded peer.
    Transient,
    /// The other side asked for less: a quota, a "too many requests".
    Throttled,
    /// Our own timeout fired while the attempt was in flight.
    Timeout,
    /// Our own side failed: no route, no memory, a radio that is off. Tried again like a transient
    /// failure; says nothing about the peer, so no breaker of a peer counts it.
    Local,
    /// Will fail the same way again: a wrong argument, a missing permission. Counts against the
    /// peer in a breaker, is never retried.
    Fatal,
}

impl FailureClass {
    /// Whether another attempt can help.
    #[must_use]
    #[inline]
    pub const fn is_retryable(self) -> bool {
        !matches!(self, Self::Fatal)
    }
}

/// How a permitted call ended; what a [permit](crate::circuit_breaker::Permit) is told back with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Outcome {
    /// It worked.
    Success,
    /// It failed in a way that counts.
    Failure(FailureClass),
    /// It ended in a way that says nothing about the peer. Moves no counter, gives the permit back.
    Ignored,
    /// Nobody knows how it ended: the caller went away. Gives the permit back.
    Abandoned,
}

/// What the other side said about trying again.
///
/// It comes from the peer, so it is not trusted: a policy clamps [`After`](Self::After), and a hint
/// beyond the deadline ends the retry instead of sleeping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum RetryHint {
    /// It said nothing.
    #[default]
    None,
    /// Not before this much time has passed ("retry-after"). Raises a delay, never lowers it.
    After(Duration),
    /// Do not try again (gRPC's negative pushback).
    Never,
}

/// What a classifier makes of an error.
///
/// A `bool` converts: `true` is a transient failure, `false` a fatal one. So does a
/// [`FailureClass`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Classification {
    /// A failure of this class, with the hint that came with it.
    Failure(FailureClass, RetryHint),
    /// Not a failure of the peer: passed through, never retried, moves no counter.
    Ignored,
}

impl Classification {
    /// How long the other side wants us to stay away, in nanoseconds: 0 where it said nothing, `None`
    /// where for good.
    pub(crate) const fn stay_away(self) -> Option<u64> {
        match self {
            Self::Failure(_, RetryHint::Never) => None,
            Self::Failure(_, RetryHint::After(hint)) => Some(saturating_nanos(hint)),
            Self::Failure(_, RetryHint::None) | Self::Ignored => Some(0),
        }
    }

    /// The outcome that a breaker is told.
    #[must_use]
    #[inline]
    pub const fn outcome(self) -> Outcome {
        match self {
            Self::Failure(class, _) => Outcome::Failure(class),
            Self::Ignored => Outcome::Ignored,
        }
    }
}

impl From<FailureClass> for Classification {
    #[inline]
    fn from(class: FailureClass) -> Self {
        Self::Failure(class, RetryHint::None)
    }
}

impl From<bool> for Classification {
    #[inline]
    fn from(is_retryable: bool) -> Self {
        if is_retryable { FailureClass::Transient.into() } else { FailureClass::Fatal.into() }
    }
}

/// Says what an operation's error means.
///
/// Implemented by [`EveryError`], the default, and by every function from `&E` to something that
/// converts into a [`Classification`]:
///
/// ```
/// use resil_core::outcome::{Classification, Classify, FailureClass};
///
/// enum Error { Busy, NotFound }
/// let by_kind = |error: &Error| match error {
///     Error::Busy => FailureClass::Throttled,
///     Error::NotFound => FailureClass::Fatal,
/// };
/// assert_eq!(by_kind.classify(&Error::Busy), FailureClass::Throttled.into());
///
/// let is_busy = |error: &Error| matches!(error, Error::Busy); // or just whether to retry
/// assert_eq!(is_busy.classify(&Error::NotFound), FailureClass::Fatal.into());
/// ```
pub trait Classify<E: ?Sized> {
    /// What `error` means.
    fn classify(&self, error: &E) -> Classification;
}

/// Takes every error for a transient failure: the seed's default.
///
/// Wrong for an operation that must not run twice. A lost reply looks like a lost request, so
/// "send 5 coins" may be carried out once per attempt: make the operation idempotent (an id that
/// the receiver remembers) or give the policy a classifier that retries only what surely did not
/// happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct EveryError;

impl<E: ?Sized> Classify<E> for EveryError {
    #[inline]
    fn classify(&self, _: &E) -> Classification {
        FailureClass::Transient.into()
    }
}

impl<E: ?Sized, F, C> Classify<E> for F
where
    F: Fn(&E) -> C,
    C: Into<Classification>,
{
    #[inline]
    fn classify(&self, error: &E) -> Classification {
        self(error).into()
    }
}

/// When it is worth coming back after a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum RetryAt {
    /// At this instant, by the clock whose `now` was passed in.
    At(Instant),
    /// Nobody can say: it depends on others, as with a bulkhead that is full.
    Unknown,
    /// Never: this request can not pass, however long it waits.
    Never,
}

impl RetryAt {
    /// How long to wait from `now`; `None` where that is unknown or never.
    #[must_use]
    #[inline]
    pub const fn wait_from(self, now: Instant) -> Option<Duration> {
        match self {
            Self::At(at) => Some(at.saturating_since(now)),
            Self::Unknown | Self::Never => None,
        }
    }
}

/// A refusal: who said no, why, and when to come back.
///
/// Refusals are data, not failures: nothing was tried, nothing was spent, and a retry does not take
/// one for an attempt.
///
/// ```
/// use core::time::Duration;
/// use resil_core::error::ErrorCode;
/// use resil_core::outcome::RetryAt;
/// use resil_core::rate_limit::{Limiter, RateLimitConfig, TokenBucket};
/// use resil_core::{Instant, valid};
///
/// const ONE_A_SECOND: TokenBucket = TokenBucket::new(valid!(
///     RateLimitConfig::builder().max_requests(60).burst_size(1).build()
/// ));
/// let mut limiter = Limiter::new(ONE_A_SECOND);
/// assert!(limiter.try_acquire(1, Instant::EPOCH).is_ok());
/// let rejected = limiter.try_acquire(1, Instant::EPOCH).unwrap_err();
/// assert_eq!(rejected.code(), ErrorCode::RateLimitExceeded);
/// assert_eq!(rejected.retry(), RetryAt::At(Instant::from_nanos(1_000_000_000)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[error("{code}: refused")]
#[must_use = "a refusal says why and when to come back"]
pub struct Rejected {
    /// Flat, so that a refusal is no larger than a permit: nested, its tag takes 8 bytes more.
    at: Instant,
    when: When,
    code: ErrorCode,
}

/// Which [`RetryAt`] it is; `at` is the epoch unless it is `At`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum When {
    At,
    Unknown,
    Never,
}

const _: () = assert!(size_of::<Rejected>() <= 16);

impl Rejected {
    /// A refusal for the reason `code`.
    #[inline]
    pub const fn new(code: ErrorCode, retry: RetryAt) -> Self {
        let (at, when) = match retry {
            RetryAt::At(at) => (at, When::At),
            RetryAt::Unknown => (Instant::EPOCH, When::Unknown),
            RetryAt::Never => (Instant::EPOCH, When::Never),
        };
        Self { at, when, code }
    }

    /// Why; the code's family says who.
    #[must_use]
    #[inline]
    pub const fn code(&self) -> ErrorCode {
        self.code
    }

    /// The same refusal on a clock that shows `there` when the one it was made by shows `here`. What
    /// is due by then is due at `there`.
    ///
    /// For a refusal that comes from another machine: pass the instant at which that machine decided,
    /// and the instant at which the answer arrived. The wait is then never too short.
    ///
    /// ```
    /// use resil_core::{ErrorCode, Instant, Rejected, RetryAt};
    ///
    /// let at = |nanos| Instant::from_nanos(nanos);
    /// let theirs = Rejected::new(ErrorCode::RateLimitExceeded, RetryAt::At(at(1_007)));
    /// assert_eq!(theirs.on_clock(at(1_000), at(20)).retry(), RetryAt::At(at(27)));
    /// ```
    #[inline]
    pub const fn on_clock(self, here: Instant, there: Instant) -> Self {
        let retry = match self.retry() {
            RetryAt::At(at) => RetryAt::At(there.saturating_add(at.saturating_since(here))),
            other => other,
        };
        Self::new(self.code, retry)
    }

    /// When to come back.
    #[must_use]
    #[inline]
    pub const fn retry(&self) -> RetryAt {
        match self.when {
            When::At => RetryAt::At(self.at),
            When::Unknown => RetryAt::Unknown,
            When::Never => RetryAt::Never,
        }
    }
}
