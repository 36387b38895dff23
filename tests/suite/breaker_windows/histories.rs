//! Random histories against the model that keeps all of them.

use super::*;
use proptest::prelude::*;
use resil_core::circuit_breaker::Glance;
use resil_tests::oracle::breaker_windows::{self as oracle, History, Length, Rule};

const OPEN_TIME: u64 = 1_000;
const SLOW: u64 = 50;

#[derive(Clone, Copy, Debug)]
struct Settings {
    in_a_row: u16,
    failures: (u16, u16),
    slow: Option<(u16, u16)>,
    minimum: u16,
}

#[derive(Clone, Copy, Debug)]
struct Op {
    pause: u64,
    takes: u64,
    failed: bool,
    /// Told back after those that come later, if it is still good then.
    late: bool,
}

fn share() -> impl Strategy<Value = (u16, u16)> {
    (1_u16..12).prop_flat_map(|below| (1..=below, Just(below)))
}

fn settings() -> impl Strategy<Value = Settings> {
    (2_u16..9, share(), prop::option::of(share()), 1_u16..13).prop_map(
        |(in_a_row, failures, slow, minimum)| Settings { in_a_row, failures, slow, minimum },
    )
}

fn op() -> impl Strategy<Value = Op> {
    let pause = prop_oneof![4 => 0_u64..30, 2 => 0_u64..400, 1 => 0_u64..3_000];
    let takes = prop_oneof![4 => 0_u64..SLOW, 1 => SLOW - 1..SLOW + 2];
    (pause, takes, prop::bool::weighted(0.4), prop::bool::weighted(0.15))
        .prop_map(|(pause, takes, failed, late)| Op { pause, takes, failed, late })
}

/// Plays `ops` and holds every answer against the model's.
fn play<W: Window>(policy: CircuitBreakerConfig<W>, rule: &Rule, ops: &[Op]) {
    let mut breaker = CircuitBreaker::new(policy);
    let mut history = History::default();
    let mut out = Vec::new();
    let mut now = 5;
    for op in ops {
        now += op.pause;
        let issued = now;
        let glance = breaker.glance().try_acquire(Instant::from_nanos(now));
        let permit = breaker.try_acquire(never, Instant::from_nanos(now)).unwrap();
        assert_eq!(glance.as_ref(), Some(&permit), "while closed");
        now += op.takes;
        out.push((permit, issued, op.failed));
        if op.late {
            continue;
        }
        // The last first: results come in any order.
        while let Some((permit, issued, failed)) = out.pop() {
            let at = Instant::from_nanos(now);
            let outcome = if failed { FAILURE } else { Outcome::Success };
            // Where a glance answers, or it adds up, the breaker is not told, and nobody sees a difference.
            let glance = breaker.glance();
            let recorded = match glance.record(&permit, outcome) {
                Some(recorded) => recorded,
                None if Glance::adding(&permit, outcome) == Some(glance)
                    && breaker.sub_window().has(&permit, at) =>
                {
                    breaker.add_successes(1);
                    Recorded::Counted
                }
                None => breaker.record(permit, outcome, never, at),
            };
            let slow = rule.slow.is_some() && now - issued >= SLOW;
            if history.add(rule, oracle::Call { failed, slow }, now) {
                assert_eq!(recorded, OPENS, "{history:?}");
                // What is still out is stale; the next that comes is the probe that closes it.
                for (permit, ..) in out.drain(..) {
                    assert_eq!(breaker.record(permit, FAILURE, never, at), Recorded::Stale);
                }
                now += OPEN_TIME;
                call(&mut breaker, Outcome::Success, Instant::from_nanos(now));
                assert_eq!(breaker.state(Instant::from_nanos(now)), State::Closed);
                history = History::default();
            } else {
                assert_eq!(recorded, Recorded::Counted, "{history:?}");
            }
            let Counts { calls, failures, slow } = breaker.counts(Instant::from_nanos(now));
            let held = (calls as usize, failures as usize, slow as usize);
            assert_eq!(held, history.counts(rule, now), "at {now}: {history:?}");
        }
    }
}

fn rule(settings: Settings, length: Length, minimum: u16) -> Rule {
    Rule {
        length,
        in_a_row: settings.in_a_row.into(),
        failures: settings.failures,
        slow: settings.slow,
        minimum: minimum.into(),
    }
}

fn ratio((above, below): (u16, u16)) -> Ratio {
    Ratio::new(above, below)
}

proptest! {
    #![proptest_config(crate::cases(600))]

    /// Of the last calls.
    #[test]
    fn a_count_window_is_the_last_of_the_history_pitfall_35(
        settings in settings(),
        length in 1_u16..=64,
        ops in prop::collection::vec(op(), 1..150),
    ) {
        let minimum = settings.minimum.min(length);
        let builder = CircuitBreakerConfig::builder()
            .failure_threshold(settings.in_a_row)
            .timeout(Duration::from_nanos(OPEN_TIME))
            .count_window::<2>(length)
            .failure_rate(ratio(settings.failures))
            .minimum_calls(minimum);
        let policy = match settings.slow {
            Some(rate) => builder.slow_calls(Duration::from_nanos(SLOW), ratio(rate)),
            None => builder,
        };
        play(policy.build().unwrap(), &rule(settings, Length::Calls(length.into()), minimum), &ops);
    }

    /// Of the last while.
    #[test]
    fn a_time_window_is_the_last_while_of_the_history_pitfalls_35_36(
        settings in settings(),
        width in 1_u64..300,
        ops in prop::collection::vec(op(), 1..150),
    ) {
        let builder = CircuitBreakerConfig::builder()
            .failure_threshold(settings.in_a_row)
            .timeout(Duration::from_nanos(OPEN_TIME))
            .time_window::<5>(Duration::from_nanos(5 * width))
            .failure_rate(ratio(settings.failures))
            .minimum_calls(settings.minimum);
        let policy = match settings.slow {
            Some(rate) => builder.slow_calls(Duration::from_nanos(SLOW), ratio(rate)),
            None => builder,
        };
        let rule = rule(settings, Length::SubWindows(5, width), settings.minimum);
        play(policy.build().unwrap(), &rule, &ops);
    }
}
