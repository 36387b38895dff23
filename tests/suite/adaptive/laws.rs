//! What holds whatever happens.

use super::{MILLISECOND, SECOND, at, saturate};
use core::time::Duration;
use proptest::prelude::*;
use resil_core::adaptive::{
    Aimd, AimdState, ConcurrencyLimit, ConcurrencyLimiter, Gradient, GradientState, Permit,
    Recorded,
};
use resil_core::outcome::{FailureClass, RetryAt};
use resil_core::{ErrorCode, Instant, Outcome, Ratio};

#[derive(Clone, Debug)]
enum Op {
    Ask,
    Tell(usize, Outcome),
    Forward(u64),
    Back(u64),
    ToDeadline,
    Reset,
    Reconfigure(bool),
}

fn op() -> impl Strategy<Value = Op> {
    let outcome = prop_oneof![
        6 => Just(Outcome::Success),
        1 => Just(Outcome::Failure(FailureClass::Timeout)),
        1 => Just(Outcome::Failure(FailureClass::Local)),
        1 => Just(Outcome::Ignored),
        1 => Just(Outcome::Abandoned),
    ];
    let step = prop_oneof![
        6 => 0..2 * SECOND,
        1 => Just(500 * 365 * 86_400 * SECOND),
        1 => any::<u64>(),
    ];
    prop_oneof![
        60 => Just(Op::Ask),
        50 => (any::<usize>(), outcome).prop_map(|(which, outcome)| Op::Tell(which, outcome)),
        20 => (0..200 * MILLISECOND).prop_map(Op::Forward),
        3 => step.clone().prop_map(Op::Forward),
        2 => step.prop_map(Op::Back),
        4 => Just(Op::ToDeadline),
        1 => Just(Op::Reset),
        1 => any::<bool>().prop_map(Op::Reconfigure),
    ]
}

/// A policy, one that takes over from it, and between which limits each has to stay.
trait Subject: ConcurrencyLimit + Sized {
    fn policies() -> [Self; 2];
    fn bounds(&self) -> (u16, u16);
    fn is_probing(&self, state: &Self::State, now: Instant) -> bool;
    const PROBE_LIMIT: u16 = 3;
}

impl Subject for Aimd {
    fn policies() -> [Self; 2] {
        let aimd = Self::builder().timeout(Duration::from_millis(150));
        let half = aimd.decrease(Ratio::new(1, 2));
        [aimd, half.max_limit(12).min_limit(4)].map(|builder| builder.build().unwrap())
    }

    fn bounds(&self) -> (u16, u16) {
        (self.min_limit(), self.max_limit())
    }

    fn is_probing(&self, _: &AimdState, _: Instant) -> bool {
        false
    }
}

impl Subject for Gradient {
    fn policies() -> [Self; 2] {
        let gradient = Self::builder()
            .min_limit(5)
            .initial_limit(10)
            .window(Duration::from_millis(50))
            .min_samples(3)
            .probe_samples(4)
            .probe_interval(Some(Duration::from_secs(2)));
        let unprobed = gradient.max_limit(12).min_limit(8).probe_interval(None);
        [gradient, unprobed].map(|builder| builder.build().unwrap())
    }

    fn bounds(&self) -> (u16, u16) {
        (self.min_limit(), self.max_limit())
    }

    fn is_probing(&self, state: &GradientState, now: Instant) -> bool {
        self.is_probing(state, now)
    }
}

fn in_bounds<L: Subject>(policy: &L, state: &L::State, now: Instant) -> bool {
    let limit = policy.limit(state, now);
    if policy.is_probing(state, now) {
        limit <= L::PROBE_LIMIT
    } else {
        (policy.bounds().0..=policy.bounds().1).contains(&limit)
    }
}

fn obeys<L: Subject>(ops: Vec<(Op, u32)>) -> Result<(), TestCaseError> {
    let policies = L::policies();
    let mut policy = &policies[0];
    let mut state = policy.start();
    let mut now = at(1_000 * SECOND);
    let mut held: Vec<(Permit, bool)> = Vec::new();
    for (op, entropy) in ops {
        let limit = policy.limit(&state, now);
        let out = held.iter().filter(|lent| !lent.1).count();
        match op {
            Op::Ask => {
                let look = policy.peek(&state, now);
                let answer = policy.try_acquire(&mut state, entropy, now);
                prop_assert_eq!(look.err(), answer.as_ref().err().copied());
                prop_assert_eq!(answer.is_ok(), out < limit.into());
                match answer {
                    Ok(permit) => held.push((permit, false)),
                    Err(rejected) => {
                        prop_assert_eq!(rejected.code(), ErrorCode::LoadShed);
                        prop_assert_eq!(rejected.retry(), RetryAt::Unknown);
                    }
                }
            }
            Op::Tell(which, outcome) if !held.is_empty() => {
                let (permit, is_stale) = held.swap_remove(which % held.len());
                let recorded = policy.record(&mut state, permit, outcome, entropy, now);
                prop_assert_eq!(recorded == Recorded::Stale, is_stale);
                let after = policy.limit(&state, now);
                match recorded {
                    Recorded::Limit { from, to } => prop_assert_eq!((from, to), (limit, after)),
                    _ => prop_assert_eq!(limit, after),
                }
                if matches!(outcome, Outcome::Ignored | Outcome::Abandoned) {
                    prop_assert!(matches!(recorded, Recorded::Released | Recorded::Stale));
                }
            }
            Op::Tell(..) => {}
            Op::Forward(by) => now = now.saturating_add(Duration::from_nanos(by)),
            Op::Back(by) => now = now.saturating_sub(Duration::from_nanos(by)),
            Op::ToDeadline => {
                if let Some(deadline) = policy.next_deadline(&state, now) {
                    prop_assert!(deadline > now);
                    let was_probing = policy.is_probing(&state, now);
                    // After a step back it counts from now; the next call makes that stay. And where
                    // time ends no deadline is ahead of any other.
                    let is_end = Instant::MAX.saturating_since(deadline) < Duration::from_secs(10);
                    if policy.next_deadline(&state, deadline).is_none() && !is_end {
                        now = deadline;
                        prop_assert_ne!(was_probing, policy.is_probing(&state, now));
                    }
                }
            }
            Op::Reset => {
                policy.reset(&mut state);
                held.iter_mut().for_each(|lent| lent.1 = true);
            }
            Op::Reconfigure(second) => {
                let next = &policies[usize::from(second)];
                state = next.inherit(policy, &state, now);
                policy = next;
            }
        }
        let out = held.iter().filter(|lent| !lent.1).count();
        prop_assert_eq!(usize::from(policy.in_flight(&state)), out);
        prop_assert!(in_bounds(policy, &state, now));
    }
    Ok(())
}

proptest! {
    #[test]
    fn aimd_obeys_pitfalls_28_68(ops in prop::collection::vec((op(), any::<u32>()), 1..400)) {
        obeys::<Aimd>(ops)?;
    }

    #[test]
    fn gradient_obeys_pitfalls_28_68(ops in prop::collection::vec((op(), any::<u32>()), 1..400)) {
        obeys::<Gradient>(ops)?;
    }

    #[test]
    fn probes_are_spread_over_their_jitter_and_drawn_for_once_pitfall_80(entropy in any::<u32>()) {
        let mut limiter = ConcurrencyLimiter::new(Gradient::DEFAULT);
        let mut draws = 0;
        for call in 0..50 {
            let mut draw = || { draws += 1; entropy };
            let permit = limiter.try_acquire(&mut draw, at(0)).unwrap();
            limiter.record(permit, Outcome::Success, &mut draw, at(10 * MILLISECOND));
            prop_assert_eq!(draws, u32::from(call == 49));
        }
        let next = limiter.next_deadline(at(10 * MILLISECOND)).unwrap().as_nanos();
        let spread = (u128::from(entropy) * u128::from(9 * SECOND)) >> 32;
        prop_assert_eq!(u128::from(next - 10 * MILLISECOND - 60 * SECOND), spread);
    }
}

/// Rounds of saturated calls that take `latency` each, until the limit is at its highest.
fn rounds_to_max<L: Subject>(limiter: &mut ConcurrencyLimiter<L>, latency: u64) -> (u64, u64) {
    let (mut now, mut calls, mut rounds) = (0, 0, 0);
    while limiter.limit(at(now)) < limiter.policy().bounds().1 {
        let permits = saturate(limiter, at(now));
        now += latency;
        for permit in permits.into_iter().rev() {
            limiter.record(permit, Outcome::Success, 0, at(now));
            calls += 1;
        }
        rounds += 1;
        assert!(rounds < 10_000, "it does not grow");
    }
    (rounds, calls)
}

#[test]
fn a_healthy_peer_and_demand_bring_aimd_to_its_highest() {
    let every = Aimd::builder().utilisation(Ratio::new(1, 100)).build().unwrap();
    let mut limiter = ConcurrencyLimiter::new(every);
    let (_, calls) = rounds_to_max(&mut limiter, 10 * MILLISECOND);
    // 10 + 11 + … + 99, and the rest of the last round.
    assert!((4_905..4_905 + 100).contains(&calls), "{calls}");
}

#[test]
fn a_healthy_peer_and_demand_bring_gradient_to_its_highest() {
    let mut limiter =
        ConcurrencyLimiter::new(Gradient::builder().probe_interval(None).build().unwrap());
    // The first result of a round closes the window of the one before.
    let (rounds, _) = rounds_to_max(&mut limiter, SECOND);
    // (200 - 20) / (0.2 * 4) windows, and the round that begins the first.
    assert!((226..=227).contains(&rounds), "{rounds}");
}

#[test]
fn who_asks_for_little_learns_nothing() {
    fn idle<L: Subject>(policy: L) {
        let mut limiter = ConcurrencyLimiter::new(policy);
        let first = limiter.limit(at(0));
        for call in 0..10_000 {
            let now = call * SECOND;
            let permits = [(); 2].map(|()| limiter.try_acquire(0, at(now)).unwrap());
            for permit in permits {
                limiter.record(permit, Outcome::Success, 0, at(now + MILLISECOND));
            }
            let now = at(now + MILLISECOND);
            assert!(limiter.limit(now) <= first.max(L::policies()[0].bounds().0));
        }
    }
    idle(Aimd::DEFAULT);
    idle(Gradient::builder().probe_interval(None).build().unwrap());
    idle(Gradient::builder().min_limit(5).initial_limit(5).probe_limit(5).build().unwrap());
}

#[test]
fn losses_bring_it_to_its_lowest_and_it_recovers_pitfall_92() {
    fn storm<L: Subject>(policy: L) {
        let mut limiter = ConcurrencyLimiter::new(policy);
        rounds_to_max(&mut limiter, SECOND);
        let mut now = 100_000 * SECOND;
        for _ in 0..100 {
            for permit in saturate(&mut limiter, at(now)) {
                let lost = Outcome::Failure(FailureClass::Timeout);
                limiter.record(permit, lost, 0, at(now + 2 * SECOND));
            }
            now += 2 * SECOND;
        }
        assert_eq!(limiter.limit(at(now)), limiter.policy().bounds().0);
        rounds_to_max(&mut limiter, SECOND);
    }
    storm(Aimd::DEFAULT);
    storm(Gradient::builder().probe_interval(None).min_limit(10).build().unwrap());
}

#[test]
fn few_losses_between_two_probes_shrink_the_limit_all_the_same() {
    // One call after the other times out after 10 s: never as many between two probes as fill a window.
    let mut limiter = ConcurrencyLimiter::new(
        Gradient::builder().initial_limit(40).min_limit(1).build().unwrap(),
    );
    for call in 0..1_000 {
        let now = at(call * 10 * SECOND);
        let look = limiter.limit(now);
        let permit = limiter.try_acquire(0, now).unwrap();
        assert_eq!(limiter.limit(now), look, "a look looks through what is due");
        let lost = Outcome::Failure(FailureClass::Timeout);
        limiter.record(permit, lost, 0, at((call + 1) * 10 * SECOND - 1));
    }
    assert_eq!(limiter.limit(at(10_000 * SECOND)), 1);
}

#[test]
fn one_burst_of_losses_is_one_cut() {
    let mut limiter = ConcurrencyLimiter::new(Aimd::DEFAULT);
    for permit in saturate(&mut limiter, at(0)) {
        limiter.record(permit, Outcome::Failure(FailureClass::Timeout), 0, at(SECOND));
    }
    assert_eq!(limiter.limit(at(SECOND)), 9);
}

#[test]
fn a_jump_of_the_clock_is_one_latency() {
    let mut limiter =
        ConcurrencyLimiter::new(Gradient::builder().probe_interval(None).build().unwrap());
    rounds_to_max(&mut limiter, SECOND);
    let permits = saturate(&mut limiter, at(100_000 * SECOND));
    let later = at(500 * 365 * 86_400 * SECOND);
    for permit in permits {
        limiter.record(permit, Outcome::Success, 0, later);
    }
    // One window, though it is full of them.
    assert!(limiter.limit(later) >= 180);
}

#[test]
fn another_policy_takes_over_what_was_learned_and_its_permits() {
    let mut limiter = ConcurrencyLimiter::new(Aimd::DEFAULT);
    let mut permits = saturate(&mut limiter, at(0));
    limiter.reconfigure(Aimd::builder().initial_limit(4).max_limit(4).build().unwrap(), at(0));
    assert_eq!((limiter.in_flight(), limiter.limit(at(0))), (10, 4));
    assert!(limiter.try_acquire(0, at(0)).is_err());
    for permit in permits.drain(3..) {
        limiter.record(permit, Outcome::Ignored, 0, at(0));
    }
    assert_eq!((limiter.in_flight(), limiter.available(at(0))), (3, 1));

    // With probes from now on: the first one begins at once; without: what was measured stays.
    let unprobed = Gradient::builder().probe_interval(None).build().unwrap();
    let mut limiter = ConcurrencyLimiter::new(unprobed);
    rounds_to_max(&mut limiter, SECOND);
    limiter.reconfigure(Gradient::DEFAULT, at(1_000 * SECOND));
    assert_eq!(limiter.limit(at(1_000 * SECOND)), 3);
    let _permit = limiter.try_acquire(0, at(1_000 * SECOND)).unwrap();
    limiter.reconfigure(unprobed, at(1_001 * SECOND));
    assert_eq!(limiter.limit(at(1_001 * SECOND)), 200);
    assert_eq!(unprobed.baseline(limiter.as_state()), Some(Duration::from_nanos(976_562 << 10)));
}

#[test]
fn what_a_probe_measures_is_the_usual_from_then_on() {
    let policy =
        Gradient::builder().initial_limit(100).min_limit(5).probe_samples(3).build().unwrap();
    let mut limiter = ConcurrencyLimiter::new(policy);
    let round = |limiter: &mut ConcurrencyLimiter<Gradient>, start: u64, latency: u64| {
        let end = at(start + latency);
        for permit in saturate(limiter, at(start)) {
            limiter.record(permit, Outcome::Success, 0, end);
        }
        limiter.limit(end)
    };
    assert_eq!(round(&mut limiter, 0, 10 * MILLISECOND), 100);
    assert_eq!(policy.baseline(limiter.as_state()), Some(Duration::from_nanos(9_765 << 10)));
    // Six times as slow: half of the limit and the queue, a fifth of the way; and again.
    for (second, limit) in [(1, 100), (2, 90), (3, 82)] {
        assert_eq!(round(&mut limiter, second * SECOND, 60 * MILLISECOND), limit);
    }
}

#[test]
fn fresh_is_what_answers_like_a_new_one() {
    fn check<L: Subject>(policy: L) {
        let mut limiter = ConcurrencyLimiter::new(policy);
        assert!(limiter.is_fresh());
        let permit = limiter.try_acquire(0, at(SECOND)).unwrap();
        assert!(!limiter.is_fresh());
        limiter.record(permit, Outcome::Failure(FailureClass::Timeout), 0, at(SECOND));
        assert!(!limiter.is_fresh(), "it has learned something");
        limiter.reset();
        assert!(limiter.is_fresh());
    }
    check(Aimd::DEFAULT);
    check(Gradient::DEFAULT);
}
