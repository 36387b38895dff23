//! Permits that cannot be forgotten.

use core::borrow::Borrow;
use core::fmt;

use embassy_sync::blocking_mutex::raw::RawMutex;
use resil_core::bulkhead::{BulkheadConfig, Permit, Recorded};

use super::Bulkhead;

/// Leave to make one call. Dropping it gives the permits back.
///
/// There is nothing to tell it: how a call ends makes no difference to a bulkhead.
///
/// ```
/// use embassy_sync::blocking_mutex::raw::NoopRawMutex;
/// use resil_embassy::Bulkhead;
/// use resil_embassy::core::bulkhead::{BulkheadConfig, Recorded};
/// use resil_embassy::core::call::Priority::Normal;
///
/// let uplink = Bulkhead::<NoopRawMutex>::new("uplink", &BulkheadConfig::DEFAULT);
/// let guard = uplink.try_acquire(2, Normal)?;
/// assert_eq!((guard.weight(), uplink.held()), (2, 2));
/// // ... use what it stands for ...
/// assert_eq!(guard.release(), Recorded::Released);
/// # Ok::<(), resil_embassy::core::Rejected>(())
/// ```
#[must_use = "a guard that is dropped at once gives its permits back"]
pub struct Guard<'a, M, P = &'static BulkheadConfig, const WAITERS: usize = 8>
where
    M: RawMutex,
    P: Borrow<BulkheadConfig>,
{
    bulkhead: &'a Bulkhead<M, P, WAITERS>,
    /// There until it is told back.
    permit: Option<Permit>,
}

impl<'a, M, P, const WAITERS: usize> Guard<'a, M, P, WAITERS>
where
    M: RawMutex,
    P: Borrow<BulkheadConfig>,
{
    pub(super) const fn new(bulkhead: &'a Bulkhead<M, P, WAITERS>, permit: Permit) -> Self {
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
            Some(permit) => self.bulkhead.record(permit),
            None => Recorded::Stale,
        }
    }
}

impl<M, P, const WAITERS: usize> Drop for Guard<'_, M, P, WAITERS>
where
    M: RawMutex,
    P: Borrow<BulkheadConfig>,
{
    fn drop(&mut self) {
        self.give_back();
    }
}

impl<M, P, const WAITERS: usize> fmt::Debug for Guard<'_, M, P, WAITERS>
where
    M: RawMutex,
    P: Borrow<BulkheadConfig>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("bulkhead", &self.bulkhead.name())
            .field("weight", &self.weight())
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "defmt")]
impl<M, P, const WAITERS: usize> defmt::Format for Guard<'_, M, P, WAITERS>
where
    M: RawMutex,
    P: Borrow<BulkheadConfig>,
{
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{=u16} permits of {=str}", self.weight(), self.bulkhead.name());
    }
}
