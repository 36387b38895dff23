//! Permits that cannot be forgotten.

use core::fmt;

use resil_core::bulkhead::{Permit, Recorded};

use super::Bulkhead;

/// Leave to make one call. Dropping it gives the permits back.
///
/// There is nothing to tell it: how a call ends makes no difference to a bulkhead. It may go to another
/// task or thread.
///
/// ```
/// use resil_std::Bulkhead;
/// use resil_std::core::bulkhead::{BulkheadConfig, Recorded};
/// use resil_std::core::call::Priority::Normal;
///
/// let store = Bulkhead::new("store", BulkheadConfig::DEFAULT);
/// let guard = store.try_acquire(2, Normal)?;
/// assert_eq!((guard.weight(), store.held()), (2, 2));
/// // ... use what it stands for ...
/// assert_eq!(guard.release(), Recorded::Released);
/// # Ok::<(), resil_std::core::Rejected>(())
/// ```
#[must_use = "a guard that is dropped at once gives its permits back"]
pub struct Guard {
    bulkhead: Bulkhead,
    /// There until it is told back.
    permit: Option<Permit>,
}

impl Guard {
    pub(super) fn new(bulkhead: Bulkhead, permit: Permit) -> Self {
        #[cfg(feature = "metrics")]
        crate::metrics::bulkhead_lent(bulkhead.name(), permit.weight());
        Self { bulkhead, permit: Some(permit) }
    }

    /// How many permits it stands for.
    #[must_use]
    pub fn weight(&self) -> u16 {
        self.permit.as_ref().map_or(0, Permit::weight)
    }

    /// Gives the permits back, and says whether they still counted: after a
    /// [`reset`](Bulkhead::reset) they do not.
    #[expect(clippy::must_use_candidate, reason = "done for its effect; the answer is a courtesy")]
    pub fn release(mut self) -> Recorded {
        self.give_back()
    }

    fn give_back(&mut self) -> Recorded {
        match self.permit.take() {
            Some(permit) => {
                #[cfg(feature = "metrics")]
                crate::metrics::bulkhead_returned(self.bulkhead.name(), permit.weight());
                self.bulkhead.record(permit)
            }
            None => Recorded::Stale,
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.give_back();
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("bulkhead", &self.bulkhead.name())
            .field("weight", &self.weight())
            .finish_non_exhaustive()
    }
}
