//! A limiter under another limit than its first.

use resil_core::event::EventKind;
use resil_core::outcome::Rejected;
use resil_core::rate_limit::{Bucket, BucketCharge, BucketState, Carry, RateLimitConfig};
use resil_core::{Clock, Instant};

use super::super::TARGET;
use super::Limiter;
use super::shared::Shared;
use crate::log;
use crate::sync::lock;

/// The limit that was put in force, and the bucket under it.
pub(super) struct Changed<L> {
    pub(super) limit: L,
    pub(super) state: BucketState,
}

impl<L: Bucket, T: Clock> Limiter<L, T> {
    /// Puts another limit in force while threads use it: the bucket goes on with what was spent or with the
    /// share that was left, as `carry` says. Charges from before are not refunded, and whoever waits looks
    /// again.
    ///
    /// No request is lost, forgiven or admitted by both limits: each is decided before or after. Until this is
    /// called it costs nothing; from then on a request takes a short lock, as the new limit lies in memory
    /// that can change. So it is for a quota that has changed, not for one that changes all the time.
    ///
    /// ```
    /// use resil_std::core::rate_limit::{Carry, RateLimitConfig, TokenBucket};
    /// use resil_std::rate_limit::Limiter;
    ///
    /// let limiter = Limiter::new(TokenBucket::new(RateLimitConfig::DEFAULT)); // 10 at once
    /// limiter.allow(7)?;
    /// let larger = RateLimitConfig::builder().burst_size(20).build()?;
    /// limiter.reconfigure(TokenBucket::new(larger), Carry::Spent);
    /// assert_eq!(limiter.available(), 13, "seven are spent");
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    pub fn reconfigure(&self, limit: L, carry: Carry) {
        self.0.reconfigure(limit, carry);
        let kind = EventKind::ConfigurationChanged;
        log::at!(info, TARGET, kind; _, "{}", kind.message());
    }

    /// The configuration in force.
    #[must_use]
    pub fn config(&self) -> RateLimitConfig {
        self.0.with_limit(|limit| *limit.config())
    }
}

impl<L, T> Shared<L, T> {
    /// Asks the limit in force.
    pub(super) fn with_limit<R>(&self, ask: impl FnOnce(&L) -> R) -> R {
        match &*lock(&self.changed) {
            Some(changed) => ask(&changed.limit),
            None => ask(&self.limit),
        }
    }
}

impl<L: Bucket, T: Clock> Shared<L, T> {
    fn reconfigure(&self, limit: L, carry: Carry) {
        let mut changed = lock(&self.changed);
        let carried = match changed.take() {
            Some(old) => limit.carry(&old.limit, &old.state, carry, self.clock.now()),
            None => {
                // Who asks from here on comes to the lock; who was admitted before is in what is found.
                let found = self.bucket.replace(BucketState::GONE);
                limit.carry(&self.limit, &found, carry, self.clock.now())
            }
        };
        *changed = Some(Box::new(Changed { limit, state: carried }));
        self.line.next_generation();
        drop(changed);
        self.line.free();
    }

    /// What `apply` makes of the bucket under the limit that was put in force; `None` where none was. The clock
    /// is read under the lock, which thus sees time in order.
    #[cold]
    pub(super) fn at_changed<R>(
        &self,
        apply: impl FnOnce(&L, &mut BucketState, Instant) -> R,
    ) -> Option<R> {
        let mut changed = lock(&self.changed);
        let Changed { limit, state } = &mut **changed.as_mut()?;
        Some(apply(limit, state, self.clock.now()))
    }

    /// Takes from a bucket that is elsewhere.
    pub(super) fn take_changed(&self, tokens: u32) -> Option<Result<BucketCharge, Rejected>> {
        self.at_changed(|limit, state, now| limit.try_acquire(state, tokens, now))
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
