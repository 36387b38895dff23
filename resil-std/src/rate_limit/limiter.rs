//! One limit that everybody shares.

mod cell;
mod changed;
mod contended;
mod shared;

use core::fmt;
use std::sync::Arc;

use resil_core::error::RateLimitError;
use resil_core::outcome::Rejected;
#[cfg(doc)]
use resil_core::outcome::RetryAt;
use resil_core::rate_limit::{Bucket, BucketCharge, Charged, Reservation, TokenBucket};
use resil_core::{Clock, Instant};

use crate::clock::{Sleep, SystemClock};
use crate::line::first_of;
use shared::{Shared, Turn, others_wait, told};

/// One bucket that tasks and threads share: for a quota of the node itself, or of one peer or route.
///
/// `L` is the kind of bucket, [`TokenBucket`] or
/// [`StrictBucket`](resil_core::rate_limit::StrictBucket), and `T` the clock. A clone is a handle to
/// the same bucket.
///
/// For a limit for each of many peers take [`RateLimiter`](super::RateLimiter).
///
/// # Laws
///
/// - Whatever threads do, what is admitted is what one thread could have been admitted: each answer is
///   core's transition on the one word that is the bucket, by compare-exchange. No lock is taken by
///   who asks, and no heap is touched, before the limit is [changed](Self::reconfigure).
/// - A refusal stores nothing, but where the clock has stepped back.
/// - **First come, first served** among those who wait with [`until_ready`](Self::until_ready):
///   while somebody waits, whoever does not is refused, newcomers get in line, and so a large
///   request is not starved by small ones.
/// - Whoever goes away while waiting has taken nothing, and the next in line is first at once.
/// - A clock that is read by one thread and used late mints nothing: whatever would move the bucket
///   back is decided on a reading taken after the state was.
///
/// # Cost
///
/// A load of each of two words that lie apart, and to admit one exchange; where a token does not take a
/// whole number of nanoseconds a wide multiplication, and one more to refuse. 64 bytes for the bucket,
/// which has a cache line of its own, the policy and the line.
///
/// ```
/// use core::time::Duration;
/// use resil_std::core::ErrorCode;
/// use resil_std::core::rate_limit::{RateLimitConfig, TokenBucket};
/// use resil_std::core::valid;
/// use resil_std::rate_limit::Limiter;
///
/// const OUTBOUND: TokenBucket = TokenBucket::new(valid!(
///     RateLimitConfig::builder()
///         .max_requests(50)
///         .time_window(Duration::from_secs(1))
///         .burst_size(2)
///         .build()
/// ));
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn core::error::Error>> {
/// let limiter = Limiter::new(OUTBOUND);
/// limiter.allow(1)?;
/// let charge = limiter.check(1)?;
/// assert_eq!(limiter.check(1).unwrap_err().code(), ErrorCode::RateLimitExceeded);
/// limiter.refund(charge); // it was not sent after all
///
/// for _ in 0..10 {
///     limiter.until_ready(1).await?; // waits for its turn
/// }
/// # Ok(())
/// # }
/// ```
pub struct Limiter<L = TokenBucket, T = SystemClock>(Arc<Shared<L, T>>);

/// What a [`Limiter`] took. Dropping it means spent; [`refund`](Limiter::refund) gives it back.
#[derive(Debug, PartialEq, Eq)]
pub struct Charge {
    taken: BucketCharge,
    generation: u32,
}

impl<L> Limiter<L> {
    /// A full bucket.
    #[must_use]
    pub fn new(limit: L) -> Self {
        Self::with_clock(limit, SystemClock)
    }
}

impl<L, T> Limiter<L, T> {
    /// A full bucket by another clock.
    #[must_use]
    pub fn with_clock(limit: L, clock: T) -> Self {
        Self(Arc::new(Shared::new(limit, clock)))
    }

    /// The limit in force.
    #[must_use]
    pub fn limit(&self) -> L
    where
        L: Clone,
    {
        self.0.with_limit(L::clone)
    }
}

impl<L: Bucket, T: Clock> Limiter<L, T> {
    /// Takes `tokens`, or says when they will be there.
    ///
    /// # Errors
    ///
    /// `RATE_LIMIT_EXCEEDED` while the bucket is short, and `RATE_LIMIT_COST_EXCEEDS_BURST` for what
    /// can never pass. Nothing was taken. The instant that a refusal names is the first at which the
    /// same request passes if nobody else takes before; while others wait in line for tokens that are
    /// there it is [`RetryAt::Unknown`], for each of them may go away.
    #[inline(always)]
    pub fn check(&self, tokens: u32) -> Result<Charge, Rejected> {
        self.check_at(tokens, self.0.clock.now())
    }

    /// [`check`](Self::check) for who has read the clock already: a call that passes several machines
    /// reads it once.
    ///
    /// `now` has to be a reading of this limiter's clock. An old one is no harm: it may refuse what a
    /// new one would admit, and admits nothing besides.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check).
    #[inline(always)] // so that what a caller does not read is not computed
    pub fn check_at(&self, tokens: u32, now: Instant) -> Result<Charge, Rejected> {
        self.ask::<false>(tokens, now)
    }

    #[inline(always)] // so that what a caller does not read is not computed
    fn ask<const BY_ADDING: bool>(&self, tokens: u32, now: Instant) -> Result<Charge, Rejected> {
        let shared = &*self.0;
        let glimpse = shared.line.look();
        if !glimpse.lets_pass(tokens) {
            return Err(told::<true>(shared.refusal_in_line(tokens, now), tokens, now));
        }
        let taken = if BY_ADDING {
            shared.take_contended(tokens, now)
        } else {
            shared.take::<true>(tokens, now)
        };
        Ok(Charge { taken: taken?, generation: glimpse.generation() })
    }

    /// [`check`](Self::check) for a charge that nobody will give back.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check), as the error that names a limiter.
    #[inline(always)]
    pub fn allow(&self, tokens: u32) -> Result<(), RateLimitError> {
        self.check(tokens).map(drop).map_err(RateLimitError::new)
    }

    /// What [`check`](Self::check) would answer; takes nothing and logs nothing.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check).
    pub fn peek(&self, tokens: u32) -> Result<(), Rejected> {
        let shared = &*self.0;
        let is_free = shared.line.look().lets_pass(tokens);
        shared.look(|limit, state, now| limit.peek(state, tokens, now))?;
        if is_free { Ok(()) } else { Err(others_wait()) }
    }

    /// The most tokens that can be taken now: none while somebody waits.
    #[must_use]
    pub fn available(&self) -> u32 {
        let shared = &*self.0;
        let is_free = shared.line.look().is_empty();
        if is_free { shared.look(|limit, state, now| limit.available(state, now)) } else { 0 }
    }

    /// Gives back what was taken for a request that was not made after all, less what has been
    /// refilled since. Whoever waits gets it at once.
    ///
    /// After a [`reset`](Self::reset) or under another limit it changes nothing. The charge has to come from this limiter.
    pub fn refund(&self, charge: Charge) {
        self.0.refund(charge);
    }

    /// Forgets everything that was admitted. Whoever waits goes on at once.
    pub fn reset(&self) {
        self.0.reset();
    }
}

impl<L: Bucket, T: Clock> Limiter<L, T> {
    /// Takes `tokens` now, to be used at the instant that the reservation names: for a sender who
    /// paces himself. `latest` is on this limiter's clock.
    ///
    /// # Errors
    ///
    /// When that would be after `latest` or more than one refill away, with the instant at which
    /// [`check`](Self::check) would pass; while somebody waits in line, [`RetryAt::Unknown`]. Nothing is
    /// reserved then.
    ///
    /// ```
    /// use core::time::Duration;
    /// use resil_std::MockClock;
    /// use resil_std::core::rate_limit::{RateLimitConfig, TokenBucket};
    /// use resil_std::core::{Clock, Instant};
    /// use resil_std::rate_limit::Limiter;
    ///
    /// let config = RateLimitConfig::builder()
    ///     .max_requests(10)
    ///     .time_window(Duration::from_secs(1))
    ///     .burst_size(1)
    ///     .build()?;
    /// let clock = MockClock::default();
    /// let limiter = Limiter::with_clock(TokenBucket::new(config), clock.clone());
    ///
    /// assert_eq!(limiter.reserve(1, Instant::MAX)?.at(), clock.now());
    /// let next = limiter.reserve(1, Instant::MAX)?;
    /// assert_eq!(next.at(), Instant::from_duration(Duration::from_millis(100)));
    /// limiter.cancel(next); // not needed after all
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    pub fn reserve(&self, tokens: u32, latest: Instant) -> Result<Reservation<Charge>, Rejected> {
        let shared = &*self.0;
        let glimpse = shared.line.look();
        if !glimpse.lets_pass(tokens) {
            return Err(shared.refusal_in_line(tokens, shared.clock.now()));
        }
        let reservation = shared.update(|limit, state, now| {
            let answer = limit.reserve(state, tokens, latest, now);
            let is_reserved = answer.is_ok();
            (answer, is_reserved)
        })?;
        Ok(reservation.map(|taken| Charge { taken, generation: glimpse.generation() }))
    }

    /// Gives back a reservation that is not used; see [the laws](resil_core::rate_limit::Reserve#laws).
    pub fn cancel(&self, reservation: Reservation<Charge>) {
        self.0.refund(reservation.into_charge());
    }

    /// Takes what has been spent already, whether it is there or not; whoever asks next waits until
    /// it is paid. What would bring the debt above one refill is not taken, and told.
    pub fn charge(&self, tokens: u32) -> Charged {
        let shared = &*self.0;
        shared.update(|limit, state, now| (limit.charge(state, tokens, now), true))
    }
}

impl<L: Bucket, T: Sleep> Limiter<L, T> {
    /// Waits in line until `tokens` are there, and takes them.
    ///
    /// Dropping the future leaves the line: nothing was taken, and whoever is next goes on.
    ///
    /// # Errors
    ///
    /// `RATE_LIMIT_COST_EXCEEDS_BURST` at once for what can never pass. It does not end while the clock
    /// stands beyond what a bucket can tell (292 years): then `RATE_LIMIT_EXCEEDED`.
    pub async fn until_ready(&self, tokens: u32) -> Result<Charge, Rejected> {
        let shared = &*self.0;
        if let Some(answer) = shared.settled_at_once(tokens) {
            return answer;
        }
        let _head = shared.line.wait().await;
        loop {
            let freed = shared.line.freed();
            match shared.take_as_head(tokens)? {
                Turn::Taken(charge) => return Ok(charge),
                Turn::NotBefore(at) => first_of(shared.clock.sleep_until(at), freed).await,
            }
        }
    }

    /// What [`until_ready`](Self::until_ready) answers where there is nothing to wait for.
    #[cfg(feature = "tower")]
    pub(crate) fn settled_at_once(&self, tokens: u32) -> Option<Result<Charge, Rejected>> {
        self.0.settled_at_once(tokens)
    }

    /// [`until_ready`](Self::until_ready) for a thread, in the same line. Where tokens come back early
    /// while it is first, it sleeps on until they would have come anyway.
    ///
    /// # Panics
    ///
    /// In an async task that runs on tokio, when it has to get in line: a task that blocks the thread may
    /// block the one it waits for.
    ///
    /// # Errors
    ///
    /// As [`until_ready`](Self::until_ready).
    pub fn until_ready_blocking(&self, tokens: u32) -> Result<Charge, Rejected> {
        let shared = &*self.0;
        if let Some(answer) = shared.settled_at_once(tokens) {
            return answer;
        }
        let _head = shared.line.wait_blocking();
        loop {
            match shared.take_as_head(tokens)? {
                Turn::Taken(charge) => return Ok(charge),
                Turn::NotBefore(at) => shared.clock.block_until(at),
            }
        }
    }
}

impl<L, T> Clone for Limiter<L, T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<L: fmt::Debug, T> fmt::Debug for Limiter<L, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Limiter");
        self.0.with_limit(|limit| debug.field("limit", limit));
        debug.field("bucket", &self.0.bucket).field("line", &self.0.line).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
