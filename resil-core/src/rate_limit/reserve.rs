//! Tokens that come due later: reservations, and costs that are known only afterwards.

use super::Limit;
use crate::outcome::Rejected;
use crate::time::Instant;

/// A limit that can owe: it lends what comes due later, and takes what has been spent already.
///
/// For pacing (a sender that would rather wait its turn than ask again) and for costs that only the
/// work itself tells: bytes sent, air time. **Not** for requests that others make: whoever is refused
/// waits at his own expense, whoever holds a reservation at that of everyone who comes later.
///
/// A [`RateLimit`](super::RateLimit) is not one: its window counts what *was* admitted, and cannot
/// count what will be at instants yet to come without a log of them. An [`AllOf`](super::AllOf) is
/// not one either: its parts come due at different instants, and tokens that are used later than
/// they were due break the law of the part that had them first.
///
/// # Laws
///
/// - Counting each admission at the instant of its reservation, what was not cancelled keeps the law
///   of the limit. Charges come on top of it for those who have their leave already; whoever asks
///   after a [charge](Self::charge) waits for it: in every interval that ends with an admission, what
///   was taken before it was asked for keeps the law, charges included.
/// - First come, first served: as long as nothing is cancelled, no reservation is due before one
///   made earlier, and no request overtakes one.
/// - It owes at most one refill beyond an empty bucket: a reservation is due within one refill, and a
///   charge takes no more than that.
/// - Cancelling mints nothing. What is given back is what [`refund`](Limit::refund) gives back, and
///   nothing at all while the limit owes and something else was taken after it: those who were told
///   to come later count on it, and coming earlier they would be too many. (Go's `x/time/rate` gives
///   back the difference where the later ones took less; for that it keeps the instant of the latest
///   one, and here a state is eight bytes.) So cancel the latest first; a row of them that is
///   cancelled backwards comes back whole.
///
/// # Time that steps back
///
/// A limit that is owed more than two refills takes it for a step of the clock, and for an empty
/// bucket as of `now`. One that owed more than an empty bucket *before* the step is forgiven that
/// difference: at most one burst for each step. Without debt a step mints nothing.
///
/// It cannot be told apart: an empty bucket after a step back by one refill and a bucket in debt after
/// the smallest step are the same eight bytes at the same `now`, and the first is to come back within
/// a refill. Where threads share a limit that owes, one `now` that overtakes another is a step; read
/// the clock under the lock.
///
/// ```
/// use core::time::Duration;
/// use resil_core::rate_limit::{Limiter, RateLimitConfig, TokenBucket};
/// use resil_core::{Instant, RetryAt, valid};
///
/// const AIR: TokenBucket = TokenBucket::new(valid!(
///     RateLimitConfig::builder()
///         .max_requests(10)
///         .time_window(Duration::from_secs(1))
///         .burst_size(3)
///         .build()
/// ));
/// let ms = |ms: u64| Instant::from_nanos(ms * 1_000_000);
/// let mut air = Limiter::new(AIR);
///
/// //   0 ms  three at once, and the next two are told to come at 100 and 200 ms
/// assert_eq!(air.reserve(3, ms(0), ms(0))?.at(), ms(0));
/// assert_eq!(air.reserve(1, ms(500), ms(0))?.at(), ms(100));
/// let last = air.reserve(1, ms(500), ms(0))?;
/// assert_eq!(last.at(), ms(200));
/// //   0 ms  whoever cannot wait as long as that is told so at once
/// let refused = air.reserve(1, ms(250), ms(0)).unwrap_err();
/// assert_eq!(refused.retry(), RetryAt::At(ms(300)));
/// //  50 ms  the last one is not needed after all
/// air.cancel(last, ms(50));
/// let again = air.reserve(1, ms(500), ms(50))?;
/// assert_eq!(again.at(), ms(200));
/// // 200 ms  the frame took three times the air that was reserved: the debt comes first
/// assert_eq!(air.charge(2, ms(200)).excess(), 0);
/// assert_eq!(air.try_acquire(1, ms(200)).unwrap_err().retry(), RetryAt::At(ms(500)));
/// # Ok::<(), resil_core::Rejected>(())
/// ```
pub trait Reserve: Limit {
    /// Takes `cost` now, to be used at the instant that the reservation names: `now`, or when the
    /// tokens come due. A cost of zero is due now.
    ///
    /// # Errors
    ///
    /// When that would be after `latest` or more than one refill away, it is refused at once, and
    /// nothing is reserved. The refusal names the instant at which
    /// [`try_acquire`](Limit::try_acquire) would pass.
    fn reserve(
        &self,
        state: &mut Self::State,
        cost: u32,
        latest: Instant,
        now: Instant,
    ) -> Result<Reservation<Self::Charge>, Rejected>;

    /// Gives back a reservation that is not used, before its instant or after; see
    /// [the laws](Self#laws).
    fn cancel(
        &self,
        state: &mut Self::State,
        reservation: Reservation<Self::Charge>,
        now: Instant,
    ) {
        self.refund(state, reservation.charge, now);
    }

    /// Takes what has been spent already, whether it is there or not; who asks next waits until it is
    /// paid. What would bring the debt above one refill beyond empty is not taken, and told.
    ///
    /// Costs are in the units of the quota, of which one per nanosecond is the most: above 1 GB/s
    /// count in sixteens of bytes, or in packets.
    fn charge(&self, state: &mut Self::State, cost: u32, now: Instant) -> Charged;
}

/// Leave to act at an instant. Dropping it means used.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "a reservation says when to act; cancel it when it is not needed"]
pub struct Reservation<C> {
    pub(super) at: Instant,
    pub(super) charge: C,
}

impl<C> Reservation<C> {
    /// When to act: not before.
    #[must_use]
    pub const fn at(&self) -> Instant {
        self.at
    }

    /// What it took, to be [refunded](Limit::refund) like any other charge.
    #[must_use]
    pub fn into_charge(self) -> C {
        self.charge
    }

    /// The same with another charge, for whoever adds to it where it has to be given back.
    pub fn map<D>(self, charge: impl FnOnce(C) -> D) -> Reservation<D> {
        Reservation { at: self.at, charge: charge(self.charge) }
    }
}

/// What became of a [charge](Reserve::charge) after the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "a cost above what can be owed is not taken"]
pub struct Charged {
    pub(super) excess: u32,
}

impl Charged {
    /// How much of the cost was not taken, since the limit would owe more than it can; a part of a
    /// token counts as one. Zero: all of it was taken.
    #[must_use]
    pub const fn excess(&self) -> u32 {
        self.excess
    }
}

impl<L: Reserve> Reserve for &L {
    fn reserve(
        &self,
        state: &mut L::State,
        cost: u32,
        latest: Instant,
        now: Instant,
    ) -> Result<Reservation<L::Charge>, Rejected> {
        (**self).reserve(state, cost, latest, now)
    }

    fn charge(&self, state: &mut L::State, cost: u32, now: Instant) -> Charged {
        (**self).charge(state, cost, now)
    }
}
