//! A bucket in one atomic word.

use resil_core::rate_limit::BucketState;

use crate::sync::{AtomicU64, Ordering};

/// The state of a bucket that threads share.
///
/// A change is core's transition on the state that was loaded, and stands if that is still the state.
/// Aligned so that the policy beside it, which nobody writes, stays in the caches of all.
#[repr(align(64))]
#[derive(Debug)]
pub(super) struct BucketCell(AtomicU64);

impl BucketCell {
    pub(super) fn new(state: BucketState) -> Self {
        Self(AtomicU64::new(state.into_raw()))
    }

    /// The state now. Whoever reads a clock after this reads no earlier time than those who made it.
    #[inline]
    pub(super) fn load(&self) -> BucketState {
        BucketState::from_raw(self.0.load(Ordering::Acquire))
    }

    /// Puts another state in its place, and returns what it was.
    pub(super) fn replace(&self, state: BucketState) -> BucketState {
        BucketState::from_raw(self.0.swap(state.into_raw(), Ordering::AcqRel))
    }

    /// Stores `made` if the state is still the one that was found; else it is the state now, since
    /// another thread has made progress. There is no pause before the next try, which measures no
    /// better.
    #[inline(always)]
    pub(super) fn exchange(
        &self,
        found: &BucketState,
        made: BucketState,
    ) -> Result<(), BucketState> {
        let (found, made) = (found.clone().into_raw(), made.into_raw());
        self.0
            .compare_exchange_weak(found, made, Ordering::AcqRel, Ordering::Acquire)
            .map(drop)
            .map_err(BucketState::from_raw)
    }

    /// Adds to the state, and returns what it was.
    #[inline(always)]
    pub(super) fn add(&self, units: u64) -> BucketState {
        BucketState::from_raw(self.0.fetch_add(units, Ordering::AcqRel))
    }

    /// Applies `transition`, which answers and says what to store if anything, until its store stands.
    pub(super) fn update<R>(
        &self,
        mut transition: impl FnMut(&BucketState) -> (R, Option<BucketState>),
    ) -> R {
        let mut found = self.load();
        loop {
            let (answer, store) = transition(&found);
            let Some(made) = store else {
                return answer;
            };
            match self.exchange(&found, made) {
                Ok(()) => return answer,
                Err(other) => found = other,
            }
        }
    }
}
