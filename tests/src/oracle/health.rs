//! A status from all results there ever were, and a watchdog that looks every tick.

use resil_core::health::HealthStatus;

/// The status after `results`, the first of which counts at once: for each level, whether the last
/// run of results that was long enough to say something said "at least as bad".
///
/// # Panics
///
/// Without a result.
#[must_use]
pub fn status(results: &[HealthStatus], rise: usize, fall: usize) -> HealthStatus {
    let is_at_least = |level: HealthStatus| {
        let mut is = results[0] >= level;
        for end in 1..=results.len() {
            let last = |count: usize| {
                end.checked_sub(count).map(|start| results[start..end].iter().map(|r| *r >= level))
            };
            if last(fall).is_some_and(|mut run| run.all(|bad| bad)) {
                is = true;
            } else if last(rise).is_some_and(|mut run| run.all(|bad| !bad)) {
                is = false;
            }
        }
        is
    };
    match (is_at_least(HealthStatus::Degraded), is_at_least(HealthStatus::Unhealthy)) {
        (_, true) => HealthStatus::Unhealthy,
        (true, false) => HealthStatus::Degraded,
        (false, false) => HealthStatus::Healthy,
    }
}

/// A watchdog whose time goes tick by tick.
#[derive(Clone, Debug)]
pub struct Ticking {
    periods: Vec<u64>,
    /// Ticks since each channel has checked in; `None` while it sleeps.
    silent: Vec<Option<u64>>,
    now: u64,
    /// The channel that was late first, and when.
    pub starved: Option<(usize, u64)>,
}

impl Ticking {
    /// Every channel has just checked in.
    #[must_use]
    pub fn new(periods: Vec<u64>, now: u64) -> Self {
        let silent = vec![Some(0); periods.len()];
        Self { periods, silent, now, starved: None }
    }

    /// Time passes.
    pub fn pass(&mut self, ticks: u64) {
        for _ in 0..ticks {
            self.now += 1;
            for (channel, silent) in self.silent.iter_mut().enumerate() {
                let Some(ticks) = silent else { continue };
                *ticks += 1;
                if *ticks == self.periods[channel] && self.starved.is_none() {
                    self.starved = Some((channel, self.now));
                }
            }
        }
    }

    /// A channel checks in, and goes on or to sleep.
    pub fn check_in(&mut self, channel: usize, sleeps: bool) {
        if self.starved.is_none() {
            self.silent[channel] = if sleeps { None } else { Some(0) };
        }
    }

    /// Whether a channel sleeps.
    #[must_use]
    pub fn sleeps(&self, channel: usize) -> bool {
        self.silent[channel].is_none()
    }
}
