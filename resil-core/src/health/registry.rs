//! The checks of a node and their last results, in a fixed number of slots.

#[cfg(test)]
mod tests;

use super::check::Check;
use super::id::{CheckId, RegisterError, UnknownCheck};
use super::{CheckConfig, CheckStatus, HealthCheckResult, HealthReport, HealthStatus, Probe};
use crate::time::{Instant, earliest};
use core::time::Duration;

/// Up to `N` checks by name, with the last result of each.
///
/// It takes 360 bytes a check on 64-bit targets and 328 on 32-bit ones, most of them details and
/// message. Every call takes at most one pass over
/// the `N` slots, but for [`depend`](Self::depend).
///
/// ```
/// use core::time::Duration;
/// use resil_core::Instant;
/// use resil_core::health::{HealthCheckResult, HealthRegistry, HealthStatus};
///
/// let at = |second| Instant::EPOCH.saturating_add(Duration::from_secs(second));
/// let mut health: HealthRegistry = HealthRegistry::new(at(0));
/// let peers = health.register("peers", Duration::from_secs(30), at(0))?;
/// assert_eq!(health.overall(at(0)), HealthStatus::Degraded, "no result yet");
///
/// let result = HealthCheckResult::healthy("all peers connected").with_detail("peer_count", 5u32);
/// health.record(peers, result, at(1))?;
/// assert_eq!(health.overall(at(30)), HealthStatus::Healthy);
/// assert_eq!(health.overall(at(31)), HealthStatus::Degraded, "the result has outlived its time");
/// assert_eq!(health.report(at(31)).to_string(), "DEGRADED (peers=UNKNOWN)");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It is made in a `static` as well, of nothing but the instant from which uptime counts:
///
/// ```
/// # use resil_core::{Instant, health::HealthRegistry};
/// const HEALTH: HealthRegistry<&str, 4> = HealthRegistry::new(Instant::EPOCH);
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct HealthRegistry<Name = &'static str, const N: usize = 16> {
    slots: [Slot<Name>; N],
    started: Instant,
    is_in_maintenance: bool,
}

/// A place for a check. `generation` is that of the ids that address it; the last one is never given
/// out, so that a slot is retired before a generation comes again.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
struct Slot<Name> {
    generation: u32,
    check: Option<Check<Name>>,
}

const _: () = assert!(size_of::<Slot<&str>>() <= 296 + 4 * size_of::<&str>());

impl<Name, const N: usize> HealthRegistry<Name, N> {
    /// A registry without checks; uptime counts from `now`.
    #[must_use]
    pub const fn new(now: Instant) -> Self {
        Self {
            slots: [const { Slot { generation: 0, check: None } }; N],
            started: now,
            is_in_maintenance: false,
        }
    }

    /// Registers a check whose results count for `ttl`. It is unknown until the first is recorded.
    ///
    /// The short form of [`register_with`](Self::register_with): every result counts at once, for all
    /// probes, and the check is critical.
    ///
    /// # Errors
    ///
    /// `ttl` is zero, a check of this name is registered, or all slots are taken.
    pub fn register(
        &mut self,
        name: Name,
        ttl: Duration,
        now: Instant,
    ) -> Result<CheckId, RegisterError>
    where
        Name: PartialEq,
    {
        self.register_with(name, CheckConfig::builder(ttl).build()?, now)
    }

    /// Registers a check with settings of its own. It is unknown until the first result is recorded.
    ///
    /// # Errors
    ///
    /// A check of this name is registered, or all slots are taken; of more than 65,536 that many are
    /// used.
    pub fn register_with(
        &mut self,
        name: Name,
        config: CheckConfig,
        now: Instant,
    ) -> Result<CheckId, RegisterError>
    where
        Name: PartialEq,
    {
        if self.checks().any(|check| check.name == name) {
            return Err(RegisterError::DuplicateName);
        }
        let mut slots = (0..=u16::MAX).zip(self.slots.iter_mut());
        let (slot, free) = slots
            .find(|(_, slot)| slot.check.is_none() && slot.generation < u32::MAX)
            .ok_or(RegisterError::Full { capacity: N })?;
        free.check = Some(Check::new(name, config, now));
        let id = CheckId { slot, generation: free.generation };
        self.settle(now);
        Ok(id)
    }

    /// Takes a check out and returns its name; its id addresses nothing from now on. What depended on
    /// it depends on it no longer.
    ///
    /// # Errors
    ///
    /// [`UnknownCheck`] when it is out already.
    pub fn unregister(&mut self, id: CheckId) -> Result<Name, UnknownCheck> {
        let slot = self.slots.get_mut(usize::from(id.slot));
        let slot = slot.filter(|slot| slot.generation == id.generation).ok_or(UnknownCheck)?;
        let check = slot.check.take().ok_or(UnknownCheck)?;
        slot.generation = slot.generation.saturating_add(1);
        Ok(check.name)
    }

    /// Gives a check other settings. Its status stays as long as its result counts by the new ones,
    /// and what has been counted against it begins anew; a longer time to live revives nothing.
    ///
    /// # Errors
    ///
    /// [`UnknownCheck`] when it is not registered any more.
    pub fn reconfigure(
        &mut self,
        id: CheckId,
        config: CheckConfig,
        now: Instant,
    ) -> Result<(), UnknownCheck> {
        self.find_mut(id).map(|check| check.reconfigure(config, now))
    }

    /// Stores what a check found at `now`, in place of its last result. Returns the status that the
    /// check had at `now` before, so that a change shows.
    ///
    /// # Errors
    ///
    /// [`UnknownCheck`] when the check is not registered any more: its result came too late.
    pub fn record(
        &mut self,
        id: CheckId,
        result: HealthCheckResult,
        now: Instant,
    ) -> Result<CheckStatus, UnknownCheck> {
        let check = self.find_mut(id)?;
        let before = check.status(now);
        check.record(result, now);
        self.settle(now);
        Ok(before)
    }

    /// From now on the check is in maintenance: whatever it finds, readiness says no, startup and
    /// liveness do not look at it, and it is reported as such. Its results are stored meanwhile.
    ///
    /// # Errors
    ///
    /// [`UnknownCheck`] when it is not registered any more.
    pub fn begin_maintenance(&mut self, id: CheckId) -> Result<(), UnknownCheck> {
        self.find_mut(id).map(Check::begin_maintenance)
    }

    /// The check counts again. Without a fresh result it is unknown, and liveness waits for one time
    /// to live as it does for a new one.
    ///
    /// # Errors
    ///
    /// [`UnknownCheck`] when it is not registered any more.
    pub fn end_maintenance(&mut self, id: CheckId, now: Instant) -> Result<(), UnknownCheck> {
        self.find_mut(id).map(|check| check.end_maintenance(now))
    }

    /// Takes the whole node in or out of maintenance: readiness says no and the node is degraded at
    /// best, while startup and liveness answer as they would otherwise.
    pub const fn set_node_maintenance(&mut self, is_in_maintenance: bool) {
        self.is_in_maintenance = is_in_maintenance;
    }

    /// Whether the whole node is in maintenance.
    #[must_use]
    pub const fn is_in_maintenance(&self) -> bool {
        self.is_in_maintenance
    }

    /// Brings back what a step of the clock has left in the future: it counts from `now`. Each record
    /// and registration does so by itself. Call it before [`may_feed`](Self::may_feed) and the like
    /// where the clock may be set: between a step of more than a time to live and the next record a
    /// check is not alive, and a [`LivenessGate`](super::LivenessGate) that is asked then stays shut.
    pub fn reanchor(&mut self, now: Instant) {
        self.settle(now);
    }

    /// Makes every check ready for a clock that steps back, or that has.
    fn settle(&mut self, now: Instant) {
        self.started = self.started.min(now);
        for check in self.slots.iter_mut().filter_map(|slot| slot.check.as_mut()) {
            check.settle(now);
        }
    }

    /// The name under which a check was registered.
    ///
    /// # Errors
    ///
    /// [`UnknownCheck`] when it is not registered any more.
    pub fn name(&self, id: CheckId) -> Result<&Name, UnknownCheck> {
        self.find(id).map(|check| &check.name).ok_or(UnknownCheck)
    }

    /// How one check is.
    ///
    /// # Errors
    ///
    /// [`UnknownCheck`] when it is not registered any more.
    pub fn check(&self, id: CheckId, now: Instant) -> Result<CheckStatus, UnknownCheck> {
        self.find(id).map(|check| check.status(now)).ok_or(UnknownCheck)
    }

    /// How the node is: the worst of all checks, an unknown one counting as degraded.
    #[must_use]
    pub fn overall(&self, now: Instant) -> HealthStatus {
        self.status(Probe::Overall, now)
    }

    /// How the node is for who asks: the worst of all checks that count for it, healthy without any.
    #[must_use]
    pub fn status(&self, probe: Probe, now: Instant) -> HealthStatus {
        let node = match probe {
            Probe::Overall if self.is_in_maintenance => HealthStatus::Degraded,
            Probe::Readiness if self.is_in_maintenance => HealthStatus::Unhealthy,
            _ => HealthStatus::Healthy,
        };
        node.worst(HealthStatus::worst_of(self.checks().map(|check| check.counts_as(probe, now))))
    }

    /// Every check with its status, message, details and age; taken from here when it is read.
    #[must_use]
    pub const fn report(&self, now: Instant) -> HealthReport<'_, Name, N> {
        HealthReport::new(self, now)
    }

    /// The time since the registry was made.
    #[must_use]
    pub const fn uptime(&self, now: Instant) -> Duration {
        now.saturating_since(self.started)
    }

    /// The checks that an answer to `probe` wants for: they count for it, are not in maintenance, and
    /// have no fresh result. Whoever runs checks when asked, runs these: each at most once in its time
    /// to live, however often somebody asks, and none that `probe` does not look at.
    ///
    /// ```
    /// use core::time::Duration;
    /// use resil_core::Instant;
    /// use resil_core::health::{CheckConfig, Groups, HealthRegistry, Probe};
    ///
    /// let at = |second| Instant::from_duration(Duration::from_secs(second));
    /// let broker = CheckConfig::builder(Duration::from_secs(30)).groups(Groups::READINESS).build()?;
    /// let mut health: HealthRegistry = HealthRegistry::new(at(0));
    /// let broker = health.register_with("broker", broker, at(0))?;
    /// assert_eq!(health.due(Probe::Readiness, at(0)).collect::<Vec<_>>(), [broker]);
    /// assert_eq!(health.due(Probe::Liveness, at(0)).count(), 0);
    ///
    /// health.record(broker, true.into(), at(0))?;
    /// assert_eq!(health.due(Probe::Readiness, at(29)).count(), 0);
    /// assert_eq!(health.due(Probe::Readiness, at(30)).count(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn due(&self, probe: Probe, now: Instant) -> impl Iterator<Item = CheckId> {
        let due = self.addressed().filter(move |(_, check)| check.is_due(probe, now));
        due.map(|(id, _)| id)
    }

    /// How many checks are registered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.checks().count()
    }

    /// Whether no check is registered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.checks().next().is_none()
    }

    /// The first instant after `now` at which a check changes by itself: its result outlives its time
    /// to live, or, unknown, it begins to count for liveness. A worse check may hide the change.
    #[must_use]
    pub fn next_deadline(&self, now: Instant) -> Option<Instant> {
        self.checks().map(|check| check.next_deadline(now)).fold(None, earliest)
    }

    pub(super) fn checks(&self) -> impl Iterator<Item = &Check<Name>> {
        self.slots.iter().filter_map(|slot| slot.check.as_ref())
    }

    /// The checks with their ids.
    pub(super) fn addressed(&self) -> impl Iterator<Item = (CheckId, &Check<Name>)> {
        (0..=u16::MAX).zip(&self.slots).filter_map(|(slot, place)| {
            let id = CheckId { slot, generation: place.generation };
            place.check.as_ref().map(|check| (id, check))
        })
    }

    pub(super) fn find(&self, id: CheckId) -> Option<&Check<Name>> {
        let slot = self.slots.get(usize::from(id.slot));
        slot.filter(|slot| slot.generation == id.generation)?.check.as_ref()
    }

    pub(super) fn find_mut(&mut self, id: CheckId) -> Result<&mut Check<Name>, UnknownCheck> {
        let slot = self.slots.get_mut(usize::from(id.slot));
        let slot = slot.filter(|slot| slot.generation == id.generation);
        slot.and_then(|slot| slot.check.as_mut()).ok_or(UnknownCheck)
    }
}
