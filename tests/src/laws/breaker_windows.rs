//! Breakers that measure: what holds after any history, under any clock.

use core::time::Duration;
use resil_core::circuit_breaker::{
    CircuitBreaker, CircuitBreakerConfig, CountWindow, Counts, Permit, State, TimeWindow, Window,
};
use resil_core::{Instant, Outcome, Ratio, valid};

const PROBES: u8 = 2;
const SECOND: Duration = Duration::from_secs(1);

/// The last twelve calls.
pub const OF_TWELVE: CircuitBreakerConfig<CountWindow<1>> = valid!(
    CircuitBreakerConfig::builder()
        .probes(PROBES)
        .timeout(SECOND.saturating_mul(10))
        .success_rate(Ratio::percent(60), 5)
        .count_window::<1>(12)
        .minimum_calls(4)
        .slow_calls(SECOND.saturating_mul(3), Ratio::percent(50))
        .build()
);
/// The last twenty seconds.
pub const OF_TWENTY_SECONDS: CircuitBreakerConfig<TimeWindow<4>> = valid!(
    CircuitBreakerConfig::builder()
        .probes(PROBES)
        .timeout(SECOND.saturating_mul(10))
        .multiplier(Ratio::TWO)
        .time_window::<4>(SECOND.saturating_mul(20))
        .minimum_calls(4)
        .slow_calls(SECOND.saturating_mul(3), Ratio::percent(50))
        .build()
);

/// What happens.
#[derive(Clone, Copy, Debug)]
pub enum Op {
    /// Asks for a permit.
    Ask,
    /// Tells one back that is held.
    Tell(usize, Outcome),
    /// Forces it open, disables it, has it measure only, or resets it.
    Force(u8),
    /// The clock shows that.
    To(u64),
    /// It goes on.
    Forward(u64),
    /// It steps back.
    Back(u64),
}

/// Parts are within the whole, probes within their bound, what does not measure counts nothing, and it never
/// sticks.
///
/// # Panics
///
/// Where it does not hold.
pub fn any_history<W: Window>(policy: CircuitBreakerConfig<W>, ops: Vec<Op>) {
    let mut breaker = CircuitBreaker::new(policy);
    let (mut out, mut now) = (Vec::<Permit>::new(), Instant::from_nanos(1 << 40));
    for op in ops {
        match op {
            Op::Ask => out.extend(breaker.try_acquire(u32::MAX, now)),
            Op::Tell(which, outcome) if !out.is_empty() => {
                let permit = out.swap_remove(which % out.len());
                breaker.record(permit, outcome, 0, now);
            }
            Op::Tell(..) => {}
            Op::Force(to) => {
                match to {
                    0 => breaker.force_open(now),
                    1 => breaker.disable(now),
                    2 => breaker.metrics_only(now),
                    _ => breaker.reset(now),
                };
            }
            Op::To(nanos) => now = Instant::from_nanos(nanos),
            Op::Forward(nanos) => now = now.saturating_add(Duration::from_nanos(nanos)),
            Op::Back(nanos) => now = now.saturating_sub(Duration::from_nanos(nanos)),
        }
        let Counts { calls, failures, slow } = breaker.counts(now);
        assert!(failures <= calls && slow <= calls, "parts are within the whole");
        assert!(breaker.probes_in_flight(now) <= PROBES);
        let state = breaker.state(now);
        if !matches!(state, State::Closed | State::MetricsOnly) {
            assert_eq!(
                breaker.counts(now),
                Counts { calls: 0, failures: 0, slow: 0 },
                "{state} measures nothing"
            );
        }
        // It never sticks.
        let mut later = breaker.clone();
        later.poll(u32::MAX, now);
        let bound = policy.lease() + policy.max_timeout();
        let then = now.saturating_add(bound);
        if state != State::ForcedOpen && then < Instant::MAX {
            assert!(later.try_acquire(u32::MAX, then).is_ok(), "{state} sticks");
        }
    }
}
