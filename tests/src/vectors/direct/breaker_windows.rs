//! Breakers that measure.

use super::no_entropy;
use crate::vectors::beside::Subject;
use crate::vectors::machines::{self, Breaker};
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use core::time::Duration;
use resil_core::circuit_breaker::{
    CircuitBreaker, CircuitBreakerConfig, CountWindow, Counts, Permit, Recorded, State, TimeWindow,
    Window,
};
use resil_core::outcome::{Rejected, RetryAt};
use resil_core::{Instant, Outcome, Ratio};
use serde::Deserialize;

/// A breaker's settings; at most one window.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    /// The last so many calls, up to 64.
    count_window: Option<u16>,
    /// The last so many milliseconds, in ten sub-windows.
    time_window: Option<u64>,
    failure_threshold: Option<u16>,
    success_rate: Option<(u16, u16, u8)>,
    probes: Option<u8>,
    timeout: Option<u64>,
    failure_rate: Option<(u16, u16)>,
    slower_than: Option<u64>,
    slow_rate: Option<(u16, u16)>,
    minimum_calls: Option<u16>,
}

enum Policy {
    Consecutive(CircuitBreakerConfig),
    Count(CircuitBreakerConfig<CountWindow<2>>),
    Time(CircuitBreakerConfig<TimeWindow<10>>),
}

fn ratio((above, below): (u16, u16)) -> Ratio {
    Ratio::new(above, below)
}

impl Settings {
    fn build(&self) -> Policy {
        let mut builder = CircuitBreakerConfig::builder();
        if let Some(failures) = self.failure_threshold {
            builder = builder.failure_threshold(failures);
        }
        if let Some((above, below, calls)) = self.success_rate {
            builder = builder.success_rate(ratio((above, below)), calls);
        }
        if let Some(probes) = self.probes {
            builder = builder.probes(probes);
        }
        if let Some(millis) = self.timeout {
            builder = builder.timeout(Duration::from_millis(millis));
        }
        macro_rules! measured {
            ($builder:expr) => {{
                let mut builder = $builder;
                if let Some(rate) = self.failure_rate {
                    builder = builder.failure_rate(ratio(rate));
                }
                if let (Some(millis), Some(rate)) = (self.slower_than, self.slow_rate) {
                    builder = builder.slow_calls(Duration::from_millis(millis), ratio(rate));
                }
                if let Some(calls) = self.minimum_calls {
                    builder = builder.minimum_calls(calls);
                }
                builder.build().unwrap()
            }};
        }
        match (self.count_window, self.time_window) {
            (None, None) => Policy::Consecutive(builder.build().unwrap()),
            (Some(calls), None) => Policy::Count(measured!(builder.count_window(calls))),
            (None, Some(millis)) => {
                Policy::Time(measured!(builder.time_window(Duration::from_millis(millis))))
            }
            (Some(_), Some(_)) => panic!("one window"),
        }
    }
}

/// A breaker with any window.
trait AnyBreaker {
    fn try_acquire(&mut self, now: Instant) -> Result<Permit, Rejected>;
    fn record(&mut self, permit: Permit, outcome: Outcome, now: Instant) -> Recorded;
    fn state(&self, now: Instant) -> State;
    fn retry_at(&self, now: Instant) -> Option<RetryAt>;
    fn counts(&self, now: Instant) -> Counts;
    fn force(&mut self, to: State, now: Instant);
}

impl<W: Window> AnyBreaker for CircuitBreaker<CircuitBreakerConfig<W>, W> {
    fn try_acquire(&mut self, now: Instant) -> Result<Permit, Rejected> {
        self.try_acquire(no_entropy, now)
    }

    fn record(&mut self, permit: Permit, outcome: Outcome, now: Instant) -> Recorded {
        self.record(permit, outcome, no_entropy, now)
    }

    fn state(&self, now: Instant) -> State {
        self.state(now)
    }

    fn retry_at(&self, now: Instant) -> Option<RetryAt> {
        self.retry_at(now)
    }

    fn counts(&self, now: Instant) -> Counts {
        self.counts(now)
    }

    fn force(&mut self, to: State, now: Instant) {
        match to {
            State::Closed => self.reset(now),
            State::ForcedOpen => self.force_open(now),
            State::Disabled => self.disable(now),
            State::MetricsOnly => self.metrics_only(now),
            other => panic!("{other} cannot be forced"),
        };
    }
}

/// A breaker, and the permits it has lent.
pub(super) struct Measured {
    breaker: Box<dyn AnyBreaker>,
    held: BTreeMap<String, Permit>,
    now: Instant,
}

impl Breaker for Measured {
    fn ask(&mut self, name: &str) -> Result<(), Rejected> {
        let permit = self.breaker.try_acquire(self.now)?;
        assert!(self.held.insert(name.to_owned(), permit).is_none(), "{name} is taken");
        Ok(())
    }

    fn tell(&mut self, name: &str, outcome: Outcome) -> Option<Recorded> {
        let permit = self.held.remove(name)?;
        Some(self.breaker.record(permit, outcome, self.now))
    }

    fn abandon(&mut self, name: &str) {
        self.tell(name, Outcome::Abandoned);
    }

    fn state(&self) -> State {
        self.breaker.state(self.now)
    }

    fn retry_at(&self) -> Option<RetryAt> {
        self.breaker.retry_at(self.now)
    }

    fn reset(&mut self) {
        self.breaker.force(State::Closed, self.now);
    }

    fn force_open(&mut self) {
        self.breaker.force(State::ForcedOpen, self.now);
    }

    fn disable(&mut self) {
        self.breaker.force(State::Disabled, self.now);
    }

    fn metrics_only(&mut self) {
        self.breaker.force(State::MetricsOnly, self.now);
    }
}

impl Subject for Measured {
    type Policy = Settings;

    fn new(policy: &Settings, now: Instant) -> Self {
        let breaker: Box<dyn AnyBreaker> = match policy.build() {
            Policy::Consecutive(policy) => Box::new(CircuitBreaker::new(policy)),
            Policy::Count(policy) => Box::new(CircuitBreaker::new(policy)),
            Policy::Time(policy) => Box::new(CircuitBreaker::new(policy)),
        };
        Self { breaker, held: BTreeMap::new(), now }
    }

    fn apply(&mut self, event: &[&str], now: Instant, start: Instant) -> String {
        self.now = now;
        if event == ["counts"] {
            let Counts { calls, failures, slow } = self.breaker.counts(now);
            return format!("{failures} failed, {slow} slow of {calls}");
        }
        machines::breaker(self, event, start)
    }
}
