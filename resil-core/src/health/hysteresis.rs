//! How many results in a row it takes to change a status.

use super::HealthStatus;
use crate::config::ConfigError;
use crate::snapshot::{Persist, Reader, SnapshotError, Writer, kind};

/// Rise and fall: a status changes when so many results in a row say so, and stays as it is before.
///
/// A registry keeps one for each check ([`CheckConfig`](super::CheckConfig)); use it alone where
/// results come from elsewhere. It knows no time: whether a result is fresh is for others to say.
///
/// # Laws
///
/// - The first result counts at once, as Envoy has it.
/// - Below the threshold the status is the one before, whatever the last result says.
/// - The status is at least as bad as a level once `fall` results in a row are, and better again once
///   `rise` results in a row are. So of degraded, degraded, unhealthy with a fall of 3 it becomes
///   degraded: that is what all three say.
/// - With a rise and a fall of 1 it is the last result.
///
/// ```
/// use resil_core::health::{HealthStatus::{self, *}, Hysteresis, HysteresisState};
/// use resil_core::valid;
///
/// const PROBE: Hysteresis = valid!(Hysteresis::new(2, 3));
/// let mut state = HysteresisState::new();
/// let seen = [Healthy, Unhealthy, Unhealthy, Unhealthy, Healthy, Healthy];
/// let status = seen.map(|result: HealthStatus| PROBE.record(&mut state, result));
/// assert_eq!(status, [Healthy, Healthy, Healthy, Unhealthy, Unhealthy, Healthy]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Hysteresis {
    rise: u8,
    fall: u8,
}

/// What a [`Hysteresis`] remembers: 5 bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct HysteresisState {
    status: Option<HealthStatus>,
    degraded: Run,
    unhealthy: Run,
}

const _: () = assert!(size_of::<HysteresisState>() <= 5);

/// Whether the status is at least as bad as a level, and how many results in a row say otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
struct Run {
    is: bool,
    against: u8,
}

impl Run {
    /// One more result, which is at least as bad as the level or is not.
    const fn record(&mut self, is: bool, policy: Hysteresis) {
        if is == self.is {
            self.against = 0;
            return;
        }
        self.against = self.against.saturating_add(1);
        if self.against >= (if is { policy.fall } else { policy.rise }) {
            *self = Self { is, against: 0 };
        }
    }
}

impl HysteresisState {
    /// One that has seen nothing.
    #[must_use]
    pub const fn new() -> Self {
        const NOTHING: Run = Run { is: false, against: 0 };
        Self { status: None, degraded: NOTHING, unhealthy: NOTHING }
    }

    /// The status; `None` before the first result.
    #[must_use]
    pub const fn status(&self) -> Option<HealthStatus> {
        self.status
    }
}

impl Hysteresis {
    /// Every result counts at once.
    pub const NONE: Self = Self { rise: 1, fall: 1 };

    /// Kubernetes' defaults for its probes: one success betters, three failures in a row worsen.
    pub const KUBERNETES: Self = Self { rise: 1, fall: 3 };

    /// `rise` better results in a row better the status, `fall` worse ones worsen it; 1 to 255 each.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the one that is zero.
    pub const fn new(rise: u8, fall: u8) -> Result<Self, ConfigError> {
        if rise == 0 {
            return Err(ConfigError::new("rise", "rise must be at least 1"));
        }
        if fall == 0 {
            return Err(ConfigError::new("fall", "fall must be at least 1"));
        }
        Ok(Self { rise, fall })
    }

    /// Better results in a row that better the status.
    #[must_use]
    pub const fn rise(self) -> u8 {
        self.rise
    }

    /// Worse results in a row that worsen it.
    #[must_use]
    pub const fn fall(self) -> u8 {
        self.fall
    }

    /// Takes one more result, and returns the status after it.
    pub const fn record(self, state: &mut HysteresisState, result: HealthStatus) -> HealthStatus {
        let is_unhealthy = matches!(result, HealthStatus::Unhealthy);
        let is_degraded = !matches!(result, HealthStatus::Healthy);
        if state.status.is_none() {
            state.degraded = Run { is: is_degraded, against: 0 };
            state.unhealthy = Run { is: is_unhealthy, against: 0 };
        }
        state.degraded.record(is_degraded, self);
        state.unhealthy.record(is_unhealthy, self);
        let status = match (state.degraded.is, state.unhealthy.is) {
            (_, true) => HealthStatus::Unhealthy,
            (true, false) => HealthStatus::Degraded,
            (false, false) => HealthStatus::Healthy,
        };
        state.status = Some(status);
        status
    }

    /// `state` under this policy, which another one has kept before: the status stays, and what has
    /// been counted against it begins anew.
    #[must_use]
    pub const fn inherit(self, _old: Self, state: &HysteresisState) -> HysteresisState {
        let mut state = HysteresisState {
            status: state.status,
            degraded: state.degraded,
            unhealthy: state.unhealthy,
        };
        state.degraded.against = 0;
        state.unhealthy.against = 0;
        state
    }
}

/// 7 bytes.
impl Persist for Hysteresis {
    type State = HysteresisState;

    const KIND: u8 = kind::HEALTH;
    const VERSION: u8 = 1;
    const PAYLOAD: usize = 3;

    fn write(&self, state: &HysteresisState, _: crate::Instant, to: &mut Writer<'_>) {
        to.u8(match state.status {
            None => 0,
            Some(HealthStatus::Healthy) => 1,
            Some(HealthStatus::Degraded) => 2,
            Some(HealthStatus::Unhealthy) => 3,
        });
        to.u8(state.degraded.against);
        to.u8(state.unhealthy.against);
    }

    fn read(
        &self,
        from: &mut Reader<'_>,
        _: crate::Instant,
    ) -> Result<HysteresisState, SnapshotError> {
        let number = from.u8()?;
        let status = match number {
            0 => None,
            1 => Some(HealthStatus::Healthy),
            2 => Some(HealthStatus::Degraded),
            3 => Some(HealthStatus::Unhealthy),
            _ => return Err(SnapshotError::Invalid),
        };
        let run = |is: bool, against: u8| {
            let threshold = if is { self.rise } else { self.fall };
            let can_be = against < threshold && (against == 0 || status.is_some());
            if can_be { Ok(Run { is, against }) } else { Err(SnapshotError::Invalid) }
        };
        let degraded = run(number >= 2, from.u8()?)?;
        let unhealthy = run(number == 3, from.u8()?)?;
        Ok(HysteresisState { status, degraded, unhealthy })
    }
}

#[cfg(test)]
mod tests {
    use super::HealthStatus::{Degraded, Healthy, Unhealthy};
    use super::*;
    use crate::time::Instant;

    fn after<const N: usize>(policy: Hysteresis, results: [HealthStatus; N]) -> HysteresisState {
        let mut state = HysteresisState::new();
        for result in results {
            policy.record(&mut state, result);
        }
        state
    }

    #[test]
    fn the_first_result_counts_at_once() {
        let policy = Hysteresis::new(200, 200).unwrap();
        for first in HealthStatus::ALL {
            assert_eq!(after(policy, [first]).status(), Some(first));
        }
        assert_eq!(HysteresisState::new().status(), None);
    }

    #[test]
    fn below_the_threshold_the_status_before_stays_pitfalls_115_116() {
        let policy = Hysteresis::new(2, 3).unwrap();
        let mut state = after(policy, [Healthy]);
        // A flapping check changes nothing.
        for _ in 0..20 {
            for result in [Unhealthy, Unhealthy, Healthy] {
                assert_eq!(policy.record(&mut state, result), Healthy);
            }
        }
        let down = [Unhealthy; 3].map(|result| policy.record(&mut state, result));
        assert_eq!(down, [Healthy, Healthy, Unhealthy]);
        for _ in 0..20 {
            for result in [Healthy, Unhealthy] {
                assert_eq!(policy.record(&mut state, result), Unhealthy);
            }
        }
        let up = [Healthy; 2].map(|result| policy.record(&mut state, result));
        assert_eq!(up, [Unhealthy, Healthy]);
    }

    #[test]
    fn a_status_worsens_to_what_all_results_in_a_row_say() {
        let policy = Hysteresis::new(1, 3).unwrap();
        let state = after(policy, [Healthy, Degraded, Degraded, Unhealthy]);
        assert_eq!(state.status(), Some(Degraded));
        let state = after(policy, [Healthy, Degraded, Degraded, Unhealthy, Unhealthy, Unhealthy]);
        assert_eq!(state.status(), Some(Unhealthy));
    }

    #[test]
    fn a_snapshot_answers_alike_and_what_cannot_be_is_refused() {
        let policy = Hysteresis::new(2, 3).unwrap();
        let mut bytes = [0; 16];
        for mut state in [
            HysteresisState::new(),
            after(policy, [Healthy, Unhealthy, Unhealthy]),
            after(policy, [Unhealthy, Degraded]),
            after(policy, [Degraded, Healthy]),
        ] {
            let len = policy.save(&state, Instant::MAX, &mut bytes).unwrap();
            assert_eq!(len, Hysteresis::LEN);
            let mut restored = policy.restore(&bytes[..len], Instant::EPOCH).unwrap();
            assert_eq!(restored, state);
            for result in [Unhealthy, Healthy, Degraded, Healthy, Healthy] {
                let status = policy.record(&mut restored, result);
                assert_eq!(status, policy.record(&mut state, result));
            }
        }
        let two = after(policy, [Healthy, Unhealthy, Unhealthy]);
        let len = policy.save(&two, Instant::EPOCH, &mut bytes).unwrap();
        for fall in 1..=3 {
            let other = Hysteresis::new(2, fall).unwrap().restore(&bytes[..len], Instant::EPOCH);
            assert_eq!(
                other.is_ok(),
                fall == 3,
                "with {fall}, two against it would have turned it"
            );
        }
    }

    #[test]
    fn a_new_policy_keeps_the_status_and_counts_anew() {
        let (old, new) = (Hysteresis::new(1, 9).unwrap(), Hysteresis::new(1, 2).unwrap());
        let mut state = new.inherit(old, &after(old, [Healthy, Unhealthy, Unhealthy, Unhealthy]));
        assert_eq!(state.status(), Some(Healthy));
        assert_eq!(new.record(&mut state, Unhealthy), Healthy);
        assert_eq!(new.record(&mut state, Unhealthy), Unhealthy);
    }
}
