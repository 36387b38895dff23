//! Bytes that were changed and have a checksum all the same.

use super::resealed;
use core::fmt::Debug;
use core::time::Duration;
use proptest::prelude::*;
use resil_core::adaptive::{Aimd, ConcurrencyLimit, Gradient, Permit};
use resil_core::health::{HeartbeatConfig, HeartbeatState, Hysteresis, HysteresisState};
use resil_core::outcome::FailureClass;
use resil_core::rate_limit::{
    Limit, RateLimit, RateLimitConfig, StrictBucket, TokenBucket, WarmUp,
};
use resil_core::snapshot::{Persist, SnapshotError};
use resil_core::throttle::{AdaptiveThrottle, ThrottleState};
use resil_core::{Instant, Outcome, valid};
use resil_tests::laws::kept::restores;

/// Where to write what, and when.
type Damage = (Vec<(usize, u8)>, Instant);

fn damage() -> impl Strategy<Value = Damage> {
    let byte = prop_oneof![2 => Just(0), 2 => Just(1), 1 => Just(u8::MAX), 3 => any::<u8>()];
    let now = prop_oneof![0..1_u64 << 40, any::<u64>()].prop_map(Instant::from_nanos);
    (prop::collection::vec((any::<usize>(), byte), 1..12), now)
}

/// What restores is a state that this policy can have: it can be saved and restores again.
fn restored_from<P: Persist>(
    policy: &P,
    state: &P::State,
    at: Instant,
    (damage, now): &Damage,
) -> Option<P::State>
where
    P::State: Debug,
{
    let mut bytes = vec![0; P::LEN];
    policy.save(state, at, &mut bytes).unwrap();
    let bytes = resealed(&bytes, |body| {
        for &(place, byte) in damage {
            body[2 + place % P::PAYLOAD] = byte;
        }
    });
    restores(policy, &bytes, *now)
}

/// A limit that is full within what it can owe, whatever it was restored from.
fn limit<L>(policy: &L, longest: Duration, damage: &Damage) -> Result<(), TestCaseError>
where
    L: Limit + Persist<State = <L as Limit>::State>,
{
    let start = Instant::from_nanos(7_000_000_000);
    let mut state = L::FRESH;
    let cost = policy.available(&state, start) / 2;
    policy.try_acquire(&mut state, cost, start).unwrap();
    let restored = restored_from(policy, &state, start, damage);
    let Some(mut restored) = restored else { return Ok(()) };
    let now = damage.1;
    if now.as_nanos() < 1 << 62 {
        let full = now.saturating_add(longest);
        prop_assert_eq!(policy.available(&restored, full), policy.capacity());
        prop_assert!(policy.try_acquire(&mut restored, policy.capacity(), full).is_ok());
    }
    Ok(())
}

/// An adaptive limit that still lets a call through, and shrinks and grows within its bounds.
fn adaptive<L>(policy: &L, bounds: (u16, u16), damage: &Damage) -> Result<(), TestCaseError>
where
    L: ConcurrencyLimit + Persist<State = <L as ConcurrencyLimit>::State>,
{
    let start = Instant::from_nanos(7_000_000_000);
    let mut state = policy.start();
    for call in 0..100_u64 {
        let now = start.saturating_add(Duration::from_millis(call * 100));
        let permit = policy.try_acquire(&mut state, 0, now).unwrap();
        let now = now.saturating_add(Duration::from_millis(20));
        policy.record(&mut state, permit, Outcome::Success, 0, now);
    }
    let start = start.saturating_add(Duration::from_secs(10));
    let restored = restored_from(policy, &state, start, damage);
    let Some(mut state) = restored else { return Ok(()) };
    let mut now = damage.1;
    for outcome in [Outcome::Success, Outcome::Failure(FailureClass::Timeout), Outcome::Success] {
        for _ in 0..60 {
            let asks = core::iter::from_fn(|| policy.try_acquire(&mut state, 0, now).ok());
            let permits: Vec<Permit> = asks.collect();
            prop_assert!(!permits.is_empty(), "stuck shut");
            now = now.saturating_add(Duration::from_millis(50));
            for permit in permits {
                policy.record(&mut state, permit, outcome, 0, now);
            }
            prop_assert!(policy.limit(&state, now) <= bounds.1);
            let mut bytes = vec![0; L::LEN];
            policy.save(&state, now, &mut bytes).unwrap();
            prop_assert!(policy.restore(&bytes, now).is_ok(), "{state:?}");
        }
    }
    prop_assert!(policy.limit(&state, now) >= bounds.0.min(3));
    Ok(())
}

/// Its mean would be longer than any latency, and the baseline learned of it would not restore.
#[test]
fn a_sum_of_latencies_that_no_calls_have_is_invalid() {
    let policy = Gradient::DEFAULT;
    let mut bytes = [0; Gradient::LEN];
    policy.save(&policy.fresh_state(), Instant::EPOCH, &mut bytes).unwrap();
    let with = |place: usize, field: &[u8]| {
        let bytes =
            resealed(&bytes, |body| body[2 + place..][..field.len()].copy_from_slice(field));
        policy.restore(&bytes, Instant::EPOCH).map(drop)
    };
    let results = |sum: u32, samples: u32| [sum.to_le_bytes(), samples.to_le_bytes()].concat();
    assert_eq!(with(12, &results((1 << 26) - 1, 1)), Ok(()));
    assert_eq!(with(12, &results(1 << 26, 1)), Err(SnapshotError::Invalid));
    assert_eq!(with(12, &results(1, 0)), Err(SnapshotError::Invalid));
    assert_eq!(with(0, &1_u64.to_le_bytes()), Err(SnapshotError::Invalid), "not learned");
    assert_eq!(with(28, &[1]), Err(SnapshotError::Invalid), "learned nothing");
}

const CONFIG: RateLimitConfig = valid!(RateLimitConfig::builder().max_requests(60).build());

proptest! {
    #[test]
    fn limits_are_full_again_in_time(damage in damage()) {
        let minute = Duration::from_secs(60);
        limit(&TokenBucket::new(CONFIG), 2 * minute, &damage)?;
        limit(&StrictBucket::new(CONFIG).unwrap(), 2 * minute, &damage)?;
        limit(&RateLimit::new(CONFIG), 3 * minute, &damage)?;
        limit(&WarmUp::new(CONFIG, minute).unwrap(), 4 * minute, &damage)?;
    }

    #[test]
    fn adaptive_limits_let_calls_through(damage in damage()) {
        adaptive(&Aimd::DEFAULT, (1, 100), &damage)?;
        adaptive(&Gradient::DEFAULT, (20, 200), &damage)?;
    }

    #[test]
    fn a_throttle_counts_no_more_than_a_window(damage in damage()) {
        let (throttle, start) = (AdaptiveThrottle::DEFAULT, Instant::from_nanos(7_000_000_000));
        let mut state = ThrottleState::new();
        for call in 0..30 {
            let Ok(permit) = throttle.try_acquire(&mut state, u32::MAX, start) else { continue };
            let outcome = if call % 3 == 0 { Outcome::Success } else { Outcome::Ignored };
            throttle.record(&mut state, permit, outcome, start);
        }
        let restored = restored_from(&throttle, &state, start, &damage);
        let end = damage.1.saturating_add(throttle.window());
        if end < Instant::MAX {
            prop_assert!(restored.is_none_or(|state| throttle.is_fresh(&state, end)));
        }
    }

    #[test]
    fn health_answers(damage in damage()) {
        let (policy, start) = (HeartbeatConfig::DEFAULT, Instant::from_nanos(7_000_000_000));
        let mut state = HeartbeatState::new();
        for beat in 0..9_u32 {
            let now = start.saturating_add(Duration::from_millis(u64::from(beat) * 900));
            let _ = policy.record_numbered(&mut state, beat, now);
        }
        let now = start.saturating_add(Duration::from_millis(8_000));
        let restored = restored_from(&policy, &state, now, &damage);
        if let Some(state) = restored {
            let until = policy.next_deadline(&state, damage.1);
            prop_assert!(until.is_none_or(|until| until > damage.1));
            let silent = until.map(|until| until.saturating_since(damage.1));
            prop_assert!(silent <= Some(policy.max_silence()));
            let _ = (policy.phi(&state, damage.1), policy.phi(&state, Instant::MAX));
        }
        let hysteresis = valid!(Hysteresis::new(2, 3));
        restored_from(&hysteresis, &HysteresisState::new(), start, &damage);
    }
}
