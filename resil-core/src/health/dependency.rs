//! Which check fails because another one does.

use super::check::{Check, DEPENDENCIES};
use super::id::{CheckId, DependencyError, UnknownCheck};
use super::{CheckStatus, HealthRegistry, HealthStatus};
use crate::time::Instant;

impl<Name, const N: usize> HealthRegistry<Name, N> {
    /// Says that `check` cannot be better than `on`: while `on` is at least as bad, `check` is
    /// reported as a [consequence](super::CheckReport::is_consequence) and not as one more cause. What
    /// the node's status is does not depend on it. Saying it twice changes nothing.
    ///
    /// An unknown check, and one in maintenance, is as bad as an unhealthy one: nothing is known of
    /// what it should give.
    ///
    /// ```
    /// use core::time::Duration;
    /// use resil_core::Instant;
    /// use resil_core::health::{DependencyError, HealthCheckResult, HealthRegistry};
    ///
    /// let (ttl, now) = (Duration::from_secs(30), Instant::EPOCH);
    /// let mut health: HealthRegistry = HealthRegistry::new(now);
    /// let link = health.register("link", ttl, now)?;
    /// let broker = health.register("broker", ttl, now)?;
    /// health.depend(broker, link)?;
    /// assert_eq!(health.depend(link, broker), Err(DependencyError::Cycle));
    ///
    /// health.record(broker, HealthCheckResult::unhealthy("no answer"), now)?;
    /// health.record(link, HealthCheckResult::unhealthy("no carrier"), now)?;
    /// let report = health.report(now);
    /// let causes: Vec<_> = report.causes().map(|check| *check.name()).collect();
    /// assert_eq!(causes, ["link"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// Cost: up to `N` passes over the slots, to look for a circle.
    ///
    /// # Errors
    ///
    /// [`DependencyError`]: one of them is not registered, they would depend on each other in a
    /// circle, or `check` depends on four others already.
    pub fn depend(&mut self, check: CheckId, on: CheckId) -> Result<(), DependencyError> {
        let of = self.find(check).ok_or(UnknownCheck)?;
        self.find(on).ok_or(UnknownCheck)?;
        if of.dependencies.contains(&Some(on)) {
            return Ok(());
        }
        if self.reaches(on, check) {
            return Err(DependencyError::Cycle);
        }
        // What was taken out has left its place.
        let free =
            of.dependencies.iter().position(|edge| edge.and_then(|id| self.find(id)).is_none());
        let free = free.ok_or(DependencyError::Full { capacity: DEPENDENCIES })?;
        if let Some(place) = self.find_mut(check)?.dependencies.get_mut(free) {
            *place = Some(on);
        }
        Ok(())
    }

    /// Whether `to` is `from`, or something that `from` depends on over however many others.
    fn reaches(&self, from: CheckId, to: CheckId) -> bool {
        let mut reached = [false; N];
        if let Some(first) = reached.get_mut(usize::from(from.slot)) {
            *first = true;
        }
        // The longest way without a circle has N checks.
        for _ in 0..N {
            for (id, check) in self.addressed() {
                if reached.get(usize::from(id.slot)) != Some(&true) {
                    continue;
                }
                for edge in check.dependencies.into_iter().flatten() {
                    if self.find(edge).is_some()
                        && let Some(next) = reached.get_mut(usize::from(edge.slot))
                    {
                        *next = true;
                    }
                }
            }
        }
        reached.get(usize::from(to.slot)) == Some(&true)
    }

    /// Whether `check` is not well, and something that it depends on is at least as bad.
    pub(super) fn is_consequence(&self, check: &Check<Name>, now: Instant) -> bool {
        let own = badness(check.status(now));
        let mut on = check.dependencies.iter().flatten().filter_map(|&id| self.find(id));
        own > 0
            && check.status(now) != CheckStatus::Maintenance
            && on.any(|other| badness(other.status(now)) >= own)
    }
}

/// What is not known is as bad as what does not work.
const fn badness(status: CheckStatus) -> u8 {
    match status {
        CheckStatus::Known(HealthStatus::Healthy) => 0,
        CheckStatus::Known(HealthStatus::Degraded) => 1,
        CheckStatus::Known(HealthStatus::Unhealthy)
        | CheckStatus::Unknown
        | CheckStatus::Maintenance => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::{HealthCheckResult, RegisterError};
    use core::time::Duration;
    use std::vec::Vec;

    const NOW: Instant = Instant::from_nanos(1_000);

    fn named<const M: usize>(
        names: [&'static str; M],
    ) -> (HealthRegistry<&'static str, 8>, [CheckId; M]) {
        let mut health = HealthRegistry::new(NOW);
        let ids = names.map(|name| health.register(name, Duration::from_nanos(10), NOW).unwrap());
        (health, ids)
    }

    fn causes(health: &HealthRegistry<&'static str, 8>, now: Instant) -> Vec<&'static str> {
        health.report(now).causes().map(|check| *check.name()).collect()
    }

    #[test]
    fn a_circle_is_refused_however_long_and_changes_nothing() {
        let (mut health, [a, b, c, d]) = named(["a", "b", "c", "d"]);
        assert_eq!(health.depend(a, a), Err(DependencyError::Cycle));
        // The edges against the order of the slots, so that one pass does not find the circle.
        for (check, on) in [(b, a), (c, b), (d, c)] {
            assert_eq!(health.depend(check, on), Ok(()));
        }
        for on in [b, c, d] {
            assert_eq!(health.depend(a, on), Err(DependencyError::Cycle));
        }
        assert_eq!(health.depend(d, a), Ok(()), "two ways are no circle");
        health.unregister(c).unwrap();
        assert_eq!(health.depend(a, b), Err(DependencyError::Cycle));
        assert_eq!(health.depend(d, a), Ok(()), "and again");
    }

    #[test]
    fn there_is_room_for_four_and_one_that_is_gone_makes_room() {
        let (mut health, [a, b, c, d, e, f]) = named(["a", "b", "c", "d", "e", "f"]);
        for on in [b, c, d, e] {
            health.depend(a, on).unwrap();
        }
        assert_eq!(health.depend(a, f), Err(DependencyError::Full { capacity: 4 }));
        health.unregister(c).unwrap();
        assert_eq!(health.depend(a, f), Ok(()));
        assert_eq!(health.depend(c, f), Err(DependencyError::Unknown(UnknownCheck)));
        assert_eq!(health.depend(f, c), Err(DependencyError::Unknown(UnknownCheck)));
    }

    #[test]
    fn only_what_is_at_least_as_bad_explains_a_failure() {
        use HealthStatus::{Degraded, Healthy, Unhealthy};
        let cases: [(Option<HealthStatus>, Option<HealthStatus>, &[&str]); 8] = [
            (Some(Unhealthy), Some(Unhealthy), &["link"]),
            (Some(Unhealthy), Some(Degraded), &["link"]),
            (Some(Degraded), Some(Unhealthy), &["link", "broker"]),
            (Some(Degraded), Some(Degraded), &["link"]),
            (Some(Healthy), Some(Unhealthy), &["broker"]),
            (Some(Unhealthy), Some(Healthy), &["link"]),
            (None, Some(Unhealthy), &["link"]),
            (Some(Unhealthy), None, &["link"]),
        ];
        for (link_is, broker_is, expected) in cases {
            let (mut health, [link, broker]) = named(["link", "broker"]);
            health.depend(broker, link).unwrap();
            for (id, status) in [(link, link_is), (broker, broker_is)] {
                let Some(status) = status else { continue };
                health.record(id, HealthCheckResult::new(status, ""), NOW).unwrap();
            }
            assert_eq!(causes(&health, NOW), expected, "{link_is:?} {broker_is:?}");
            let is_consequence = health.report(NOW).checks().any(|check| check.is_consequence());
            let is_well = broker_is == Some(Healthy);
            assert_eq!(is_consequence, !is_well && !expected.contains(&"broker"));
        }
    }

    #[test]
    fn maintenance_explains_what_depends_on_it_and_is_no_cause() {
        let (mut health, [link, broker]) = named(["link", "broker"]);
        health.depend(broker, link).unwrap();
        health.record(broker, HealthCheckResult::unhealthy("no answer"), NOW).unwrap();
        health.begin_maintenance(link).unwrap();
        assert_eq!(causes(&health, NOW), [] as [&str; 0]);
        health.unregister(link).unwrap();
        assert_eq!(causes(&health, NOW), ["broker"], "an edge to what is gone explains nothing");
        let reused = health.register("new", Duration::from_nanos(10), NOW);
        assert!(matches!(reused, Ok(_) | Err(RegisterError::Full { .. })));
        assert_eq!(causes(&health, NOW), ["new", "broker"], "nor does what has its slot now");
    }
}
