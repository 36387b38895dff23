//! Snapshots made of any bytes: refused, or a machine like any other at any time.
#![no_main]

use arbitrary::{Arbitrary, Result, Unstructured};
use fuzz::History;
use libfuzzer_sys::fuzz_target;
use resil_core::Instant;
use resil_core::backoff::Backoff;
use resil_core::call::PeerPolicy;
use resil_core::circuit_breaker::CircuitBreakerConfig;
use resil_core::health::{Hysteresis, WatchdogConfig};
use resil_core::rate_limit::{RateLimitConfig, TokenBucket};
use resil_core::retry::RetryPolicy;
use resil_core::snapshot::Persist;
use resil_core::{call::CallPolicy, valid};
use resil_tests::laws::Turn;
use resil_tests::laws::kept::{Damage, Kept, Restored, payload, restores, sealed};
use resil_tests::laws::{breakers, budgets, health, limits, load};
use std::time::Duration;

/// A payload with a good frame around it, and what is done then; or bytes as they come.
#[derive(Debug, Arbitrary)]
enum Input<'a> {
    Machine(Machine, Before, History),
    Policy(Policy, u64, &'a [u8]),
    Bytes(u64, &'a [u8]),
}

/// What has happened to it before it was saved, and to its bytes.
#[derive(Debug)]
struct Before {
    turns: Vec<Turn>,
    damage: Vec<Damage>,
}

impl<'a> Arbitrary<'a> for Before {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let (turns, bytes) = (u.int_in_range(0..=8)?, u.int_in_range(0..=6)?);
        let turns = (0..turns).map(|_| fuzz::turn(u)).collect::<Result<_>>()?;
        let damage = (0..bytes).map(|_| Ok((u.arbitrary::<u8>()?.into(), u.arbitrary()?)));
        Ok(Self { turns, damage: damage.collect::<Result<_>>()? })
    }
}

#[derive(Debug, Arbitrary)]
enum Machine {
    BreakerInARow,
    BreakerOfCalls,
    BreakerOfTime,
    Ejection,
    TokenBucket,
    StrictBucket,
    RateLimit,
    WarmUp,
    TokenBudget,
    RatioBudget,
    Hedge,
    Aimd,
    Gradient,
    Throttle,
    Hysteresis,
    Heartbeat,
}

/// Those that are no machine with one owner.
#[derive(Debug, Arbitrary)]
enum Policy {
    Retry,
    Delays,
    Watchdog,
    Peer,
}

const PEER: PeerPolicy = PeerPolicy::new(
    CallPolicy::new(RetryPolicy::DEFAULT),
    CircuitBreakerConfig::DEFAULT,
    TokenBucket::new(RateLimitConfig::DEFAULT),
);
const TASKS: WatchdogConfig<2> =
    valid!(WatchdogConfig::builder([Duration::from_secs(1), Duration::from_millis(100)]).build());
const RETRY: RetryPolicy = valid!(
    RetryPolicy::builder()
        .max_attempts(9)
        .deadline(Duration::from_secs(3_000))
        .max_refusal_waits(2)
        .build()
);

fn held<S: Kept>(subject: &S, before: &Before, history: &History) {
    let payload = payload(subject, &before.turns, &before.damage);
    if let Some(restored) = Restored::of(subject, &payload) {
        history.hold(&restored);
    }
}

fn any_machine(machine: &Machine, before: &Before, history: &History) {
    match machine {
        Machine::BreakerInARow => held(&breakers::FAILURES_IN_A_ROW, before, history),
        Machine::BreakerOfCalls => held(&breakers::OF_TEN_CALLS, before, history),
        Machine::BreakerOfTime => held(&breakers::OF_A_SECOND, before, history),
        Machine::Ejection => held(&breakers::OfEjection, before, history),
        Machine::TokenBucket => held(&limits::TOKEN_BUCKET, before, history),
        Machine::StrictBucket => held(&limits::STRICT_BUCKET, before, history),
        Machine::RateLimit => held(&limits::SUB_WINDOWS, before, history),
        Machine::WarmUp => held(&limits::WARM_UP, before, history),
        Machine::TokenBudget => held(&budgets::TOKEN_BUDGET, before, history),
        Machine::RatioBudget => held(&budgets::RATIO_BUDGET, before, history),
        Machine::Hedge => held(&budgets::OfHedge, before, history),
        Machine::Aimd => held(&load::AIMD, before, history),
        Machine::Gradient => held(&load::GRADIENT, before, history),
        Machine::Throttle => held(&load::OfThrottle, before, history),
        Machine::Hysteresis => held(&health::OfHysteresis, before, history),
        Machine::Heartbeat => held(&health::HEARTBEAT, before, history),
    }
}

fuzz_target!(|input: Input| {
    match input {
        Input::Machine(machine, before, history) => any_machine(&machine, &before, &history),
        Input::Policy(policy, now, payload) => {
            let now = Instant::from_nanos(now);
            let restored = match policy {
                Policy::Retry => restores(&RETRY, &sealed::<RetryPolicy>(payload), now).is_some(),
                Policy::Delays => {
                    restores(&Backoff::DEFAULT, &sealed::<Backoff>(payload), now).is_some()
                }
                Policy::Watchdog => {
                    restores(&TASKS, &sealed::<WatchdogConfig<2>>(payload), now).is_some()
                }
                Policy::Peer => restores(&PEER, &sealed::<PeerPolicy>(payload), now).is_some(),
            };
            std::hint::black_box(restored);
        }
        // The frame is looked at before anything in it.
        Input::Bytes(now, bytes) => {
            let now = Instant::from_nanos(now);
            assert!(
                PEER.restore(bytes, now).is_err() || bytes.len() == PeerPolicy::<TokenBucket>::LEN
            );
            restores(&Hysteresis::KUBERNETES, bytes, now);
            restores(&Backoff::DEFAULT, bytes, now);
        }
    }
});
