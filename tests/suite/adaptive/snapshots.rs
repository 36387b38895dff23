//! What is learned outlives a reboot.

use super::{MILLISECOND, SECOND, at, saturate};
use proptest::prelude::*;
use resil_core::adaptive::{Aimd, ConcurrencyLimit, ConcurrencyLimiter, Gradient, Recorded};
use resil_core::outcome::FailureClass;
use resil_core::snapshot::{Persist, SnapshotError};
use resil_core::{Instant, Outcome};

/// Rounds of saturated calls, some of them lost; all are back at the end, which it returns.
fn used<L: ConcurrencyLimit>(
    limiter: &mut ConcurrencyLimiter<L>,
    rounds: &[(u64, bool)],
) -> Instant {
    let mut now = at(SECOND);
    for &(millis, is_lost) in rounds {
        let permits = saturate(limiter, now);
        now = now.saturating_add(core::time::Duration::from_millis(millis));
        for permit in permits.into_iter().rev() {
            let lost = Outcome::Failure(FailureClass::Timeout);
            let outcome = if is_lost { lost } else { Outcome::Success };
            limiter.record(permit, outcome, 0, now);
        }
    }
    now
}

/// Saves and restores with a clock that shows `later`, and compares what follows.
fn survives<L>(policy: &L, rounds: &[(u64, bool)], later: Instant) -> Result<(), TestCaseError>
where
    L: ConcurrencyLimit + Persist<State = <L as ConcurrencyLimit>::State>,
{
    let mut limiter = ConcurrencyLimiter::new(policy);
    let now = used(&mut limiter, rounds);
    let mut bytes = [0; 64];
    let len = policy.save(limiter.as_state(), now, &mut bytes).unwrap();
    let restored = policy.restore(&bytes[..len], later).unwrap();
    let wait = |at: Option<Instant>, from: Instant| at.map(|at| at.saturating_since(from));
    prop_assert_eq!(policy.limit(&restored, later), limiter.limit(now));
    prop_assert_eq!(
        wait(policy.next_deadline(&restored, later), later),
        wait(limiter.next_deadline(now), now)
    );

    // Both go on alike.
    let mut twin = ConcurrencyLimiter::from_parts(policy, restored);
    for step in 1..40_u64 {
        let by = core::time::Duration::from_millis(step * 50);
        let (one, two) = (now.saturating_add(by), later.saturating_add(by));
        let (ours, theirs) = (saturate(&mut limiter, one), saturate(&mut twin, two));
        prop_assert_eq!(ours.len(), theirs.len());
        for (our, their) in ours.into_iter().zip(theirs) {
            let took = core::time::Duration::from_millis(40);
            let (one, two) = (one.saturating_add(took), two.saturating_add(took));
            prop_assert_eq!(
                limiter.record(our, Outcome::Success, 7, one),
                twin.record(their, Outcome::Success, 7, two)
            );
        }
    }
    Ok(())
}

fn rounds() -> impl Strategy<Value = Vec<(u64, bool)>> {
    prop::collection::vec((1..2_000_u64, prop::bool::weighted(0.1)), 0..60)
}

proptest! {
    #![proptest_config(crate::cases(64))]

    #[test]
    fn aimd_goes_on_where_it_was(rounds in rounds(), later in 0..1_u64 << 40) {
        survives(&Aimd::DEFAULT, &rounds, at(later))?;
    }

    #[test]
    fn gradient_goes_on_where_it_was(rounds in rounds(), later in 0..1_u64 << 40) {
        survives(&Gradient::DEFAULT, &rounds, at(later))?;
    }
}

#[test]
fn what_cannot_be_under_another_policy_is_refused() {
    let mut bytes = [0; 64];
    let len = Aimd::DEFAULT.save(&Aimd::DEFAULT.fresh_state(), at(0), &mut bytes).unwrap();
    let smaller = Aimd::builder().initial_limit(5).max_limit(9).build().unwrap();
    assert_eq!(smaller.restore(&bytes[..len], at(0)), Err(SnapshotError::Invalid));
    assert_eq!(Gradient::DEFAULT.restore(&bytes[..len], at(0)), Err(SnapshotError::Length));

    let len = Gradient::DEFAULT.save(&Gradient::DEFAULT.fresh_state(), at(0), &mut bytes).unwrap();
    let larger = Gradient::builder().min_limit(21).initial_limit(21).build().unwrap();
    assert_eq!(larger.restore(&bytes[..len], at(0)), Err(SnapshotError::Invalid));

    // A probe under way, where none are made.
    let mut limiter = ConcurrencyLimiter::new(Gradient::DEFAULT);
    let _permit = limiter.try_acquire(0, at(0)).unwrap();
    let len = Gradient::DEFAULT.save(limiter.as_state(), at(0), &mut bytes).unwrap();
    let unprobed = Gradient::builder().probe_interval(None).build().unwrap();
    assert_eq!(unprobed.restore(&bytes[..len], at(0)), Err(SnapshotError::Invalid));
}

#[test]
fn a_permit_of_before_the_reboot_is_stale() {
    let policy = Aimd::DEFAULT;
    let mut limiter = ConcurrencyLimiter::new(policy);
    let late = limiter.try_acquire(0, at(0)).unwrap();
    let mut bytes = [0; Aimd::LEN];
    policy.save(limiter.as_state(), at(0), &mut bytes).unwrap();
    let restored = policy.restore(&bytes, at(MILLISECOND)).unwrap();
    let mut limiter = ConcurrencyLimiter::from_parts(policy, restored);
    assert_eq!(limiter.in_flight(), 0);
    assert_eq!(limiter.record(late, Outcome::Success, 0, at(MILLISECOND)), Recorded::Stale);
    assert_eq!(limiter.in_flight(), 0);
}
