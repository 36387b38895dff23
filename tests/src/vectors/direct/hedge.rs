//! Hedging.

use crate::vectors::beside::Subject;
use crate::vectors::millis;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use core::time::Duration;
use resil_core::hedge::{Hedge, HedgeDecision, HedgePolicy};
use resil_core::outcome::{FailureClass, RetryHint};
use resil_core::{Instant, Ratio};
use serde::Deserialize;

/// The settings, named as the builder's methods.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    fixed_delay: Option<u64>,
    fallback_delay: Option<u64>,
    quantile: Option<(u16, u16)>,
    min_delay: Option<u64>,
    max_delay: Option<u64>,
    min_samples: Option<u8>,
    max_hedges: Option<u8>,
}

impl Policy {
    fn build(&self) -> HedgePolicy {
        let ms = |millis: Option<u64>| millis.map(Duration::from_millis);
        let mut builder = HedgePolicy::builder();
        builder = ms(self.fixed_delay).map_or(builder, |delay| builder.fixed_delay(delay));
        builder = ms(self.fallback_delay).map_or(builder, |delay| builder.fallback_delay(delay));
        builder = ms(self.min_delay).map_or(builder, |delay| builder.min_delay(delay));
        builder = ms(self.max_delay).map_or(builder, |delay| builder.max_delay(delay));
        builder = self.min_samples.map_or(builder, |samples| builder.min_samples(samples));
        builder = self.max_hedges.map_or(builder, |hedges| builder.max_hedges(hedges));
        if let Some((above, below)) = self.quantile {
            builder = builder.quantile(Ratio::new(above, below));
        }
        builder.build().unwrap()
    }
}

impl Subject for Hedge {
    type Policy = Policy;

    fn new(policy: &Policy, _: Instant) -> Self {
        Self::new(policy.build())
    }

    fn apply(&mut self, event: &[&str], now: Instant, start: Instant) -> String {
        let at = |instant: Instant| format!("at {}", millis(instant, start));
        match *event {
            ["latency", took, ref times @ ..] => {
                let times = times.get(1).map_or(1, |times| times.parse().unwrap());
                let since = now.saturating_sub(duration(took));
                (0..times).for_each(|_| self.record_latency(since, now));
                format!("{} samples", self.as_state().samples())
            }
            ["due", "sent", sent] => {
                self.due(sent.parse().unwrap(), now).map_or("never".to_owned(), at)
            }
            ["failure", class, "sent", sent, ref hint @ ..] => {
                let class = match class {
                    "transient" => FailureClass::Transient,
                    "throttled" => FailureClass::Throttled,
                    "timeout" => FailureClass::Timeout,
                    "local" => FailureClass::Local,
                    "fatal" => FailureClass::Fatal,
                    _ => panic!("there is no class {class}"),
                };
                let hint = match *hint {
                    [] => RetryHint::None,
                    ["hint", "never"] => RetryHint::Never,
                    ["hint", after] => RetryHint::After(duration(after)),
                    _ => panic!("there is no hint {hint:?}"),
                };
                match self.on_failure(sent.parse().unwrap(), class, hint, now) {
                    HedgeDecision::Now => "now".to_owned(),
                    HedgeDecision::At(instant) => at(instant),
                    HedgeDecision::Stop => "stop".to_owned(),
                    HedgeDecision::Fail => "fail".to_owned(),
                }
            }
            ["reset"] => {
                self.reset();
                format!("{} samples", self.as_state().samples())
            }
            _ => panic!("a hedge knows no event {event:?}"),
        }
    }
}

fn duration(millis: &str) -> Duration {
    Duration::from_millis(millis.parse().unwrap())
}
