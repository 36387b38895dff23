//! Taking by addition.

use resil_core::outcome::Rejected;
#[cfg(doc)]
use resil_core::outcome::RetryAt;
use resil_core::rate_limit::Bucket;
use resil_core::{Clock, Instant};

use super::{Charge, Limiter};

impl<L: Bucket, T: Clock> Limiter<L, T> {
    /// [`check`](Self::check) for a bucket that many threads draw a large burst from at once: while half
    /// of it is there it is taken from by an addition, which no other thread can make fail, and not by an
    /// exchange that has to be tried again. Else it is as `check`. The two may be mixed.
    ///
    /// It never admits what [`check`](Self::check) would not. **It may refuse what `check` would admit**:
    /// where others take half of a full bucket, or give something back, between its look at the bucket
    /// and its addition, it is refused, and what it asked for is lost to everybody. So it is for large
    /// bursts, and a bucket that is full again between two requests gains nothing by it.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check), and [`RetryAt::Unknown`] where it was refused although the tokens were
    /// there.
    #[inline(always)]
    pub fn check_contended(&self, tokens: u32) -> Result<Charge, Rejected> {
        self.check_contended_at(tokens, self.0.clock.now())
    }

    /// [`check_contended`](Self::check_contended) for who has read the clock already, as
    /// [`check_at`](Self::check_at).
    ///
    /// # Errors
    ///
    /// As [`check_contended`](Self::check_contended).
    #[inline(always)]
    pub fn check_contended_at(&self, tokens: u32, now: Instant) -> Result<Charge, Rejected> {
        self.ask::<true>(tokens, now)
    }
}
