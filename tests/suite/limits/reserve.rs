//! What is lent and what is owed, against exact fractions.

use crate::rate_limit_laws::{Op as Clock, Time, at, config, quota};
use num_bigint::BigInt;
use proptest::prelude::*;
use resil_core::rate_limit::{Limit, Limiter, Reserve, StrictBucket, TokenBucket};
use resil_core::{Instant, RetryAt};
use resil_tests::oracle::exact;
use resil_tests::oracle::rate_limit::{Bucket, Quota};

#[derive(Clone, Debug)]
enum Op {
    Clock(Clock),
    Acquire(u32),
    /// A cost, and how many quarters of a token's time it can wait.
    Reserve(u32, u64),
    /// Gives back the charge or the reservation so many before the last.
    GiveBack(usize),
    Charge(u32),
}

fn forward() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0_u64..12, 0_u64..3).prop_map(|(quarters, odd)| Op::Clock(Clock::Step(quarters, odd))),
        2 => (0_u32..4).prop_map(Op::Acquire),
        8 => (0_u32..6, 0_u64..80).prop_map(|(cost, wait)| Op::Reserve(cost, wait)),
        4 => (0_usize..5).prop_map(Op::GiveBack),
    ]
}

fn with_charges() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => forward(),
        1 => (0_u32..20).prop_map(Op::Charge),
    ]
}

fn any_way() -> impl Strategy<Value = Op> {
    prop_oneof![
        12 => with_charges(),
        2 => (0_u64..200, 0_u64..9).prop_map(|(quarters, odd)| Op::Clock(Clock::Back(quarters, odd))),
        1 => Just(Op::Clock(Clock::Jump)),
    ]
}

/// What was taken, to be used at an instant.
#[derive(Clone, Copy, Debug)]
struct Taken {
    at: u64,
    cost: u32,
    is_charge: bool,
}

/// What was taken and not given back, in the order in which it was asked for.
#[derive(Debug, Default)]
struct Ledger(Vec<Option<Taken>>);

impl Ledger {
    fn take(&mut self, at: Instant, cost: u32, is_charge: bool) -> usize {
        self.0.push(Some(Taken { at: at.as_nanos(), cost, is_charge }));
        self.0.len() - 1
    }

    /// In every interval that ends with an admission, what was asked for before it and at most as much
    /// as the bound.
    fn assert_law(&self, quota: Quota) {
        for (index, last) in self.0.iter().enumerate() {
            let Some(last) = last.filter(|last| !last.is_charge && last.cost > 0) else { continue };
            let before = || self.0[..=index].iter().flatten().filter(|one| one.at <= last.at);
            for first in before() {
                let taken: u64 =
                    before().filter(|one| one.at >= first.at).map(|one| u64::from(one.cost)).sum();
                let length = exact(last.at - first.at) + exact(1);
                let most = (quota.rate() * length).floor().to_integer() + BigInt::from(quota.burst);
                assert!(
                    BigInt::from(taken) <= most,
                    "{taken} of {most} from {} to {}",
                    first.at,
                    last.at
                );
            }
        }
    }

    /// Never more than the maximum in any window.
    fn assert_window(&self, quota: Quota) {
        for last in self.0.iter().flatten() {
            let inside = |one: &&Taken| one.at <= last.at && last.at - one.at < quota.window;
            let taken: u64 =
                self.0.iter().flatten().filter(inside).map(|one| u64::from(one.cost)).sum();
            assert!(taken <= quota.max.into(), "{taken} in the window up to {}", last.at);
        }
    }
}

/// Runs the script; also checks that a refusal takes nothing and that nobody comes too late.
fn run<L: Reserve + Clone>(limit: &L, quota: Quota, ops: &[Op], start: u64) -> (Ledger, Time) {
    let mut limiter = Limiter::new(limit.clone());
    let mut time = Time::new(quota, start);
    let mut ledger = Ledger::default();
    let mut held = Vec::new();
    for op in ops {
        let now = at(time.now);
        match *op {
            Op::Clock(ref step) => time.apply(step),
            Op::Acquire(cost) => {
                if let Ok(charge) = limiter.try_acquire(cost, now) {
                    held.push((charge, ledger.take(now, cost, false)));
                }
            }
            Op::Reserve(cost, wait) => {
                let latest = at(time.now + wait * (quota.window / u64::from(quota.max) / 4));
                let said = limiter.peek(cost, now);
                let fits = limiter.available(now);
                match limiter.reserve(cost, latest, now) {
                    Ok(reservation) => {
                        assert!(reservation.at() >= now && reservation.at() <= latest);
                        match said {
                            Ok(()) => assert_eq!(reservation.at(), now),
                            Err(refused) => {
                                assert_eq!(RetryAt::At(reservation.at()), refused.retry());
                            }
                        }
                        let index = ledger.take(reservation.at(), cost, false);
                        held.push((reservation.into_charge(), index));
                    }
                    Err(refused) => {
                        assert_eq!(said, Err(refused), "as a request that does not wait");
                        assert_eq!(limiter.available(now), fits);
                    }
                }
            }
            Op::GiveBack(back) if back < held.len() => {
                let (charge, index) = held.swap_remove(held.len() - 1 - back);
                limiter.refund(charge, now);
                ledger.0[index] = None;
            }
            Op::GiveBack(_) => {}
            Op::Charge(cost) => {
                let excess = limiter.charge(cost, now).excess();
                ledger.take(now, cost - excess, true);
            }
        }
    }
    (ledger, time)
}

proptest! {
    #![proptest_config(crate::cases(300))]

    #[test]
    fn reservations_keep_the_law_at_their_instants_whatever_is_cancelled(
        quota in quota(), ops in prop::collection::vec(forward(), 1..60), start in 0_u64..1 << 40,
    ) {
        run(&TokenBucket::new(config(quota)), quota, &ops, start).0.assert_law(quota);
        if let Ok(strict) = StrictBucket::new(config(quota)) {
            run(&strict, quota, &ops, start).0.assert_window(quota);
        }
    }

    #[test]
    fn who_asks_after_a_charge_waits_for_it(
        quota in quota(), ops in prop::collection::vec(with_charges(), 1..60), start in 0_u64..1 << 40,
    ) {
        run(&TokenBucket::new(config(quota)), quota, &ops, start).0.assert_law(quota);
    }

    /// By the time that has passed forward: what is lent ahead, and one burst for each step of the
    /// clock that met a debt.
    #[test]
    fn a_step_of_the_clock_forgives_no_more_than_a_burst_pitfall_65(
        quota in quota(), ops in prop::collection::vec(any_way(), 1..60), start in 0_u64..1 << 40,
    ) {
        // Nothing is given back: nobody can tell what was taken before a step.
        let ops: Vec<Op> = ops.into_iter().filter(|op| !matches!(op, Op::GiveBack(_))).collect();
        let (ledger, time) = run(&TokenBucket::new(config(quota)), quota, &ops, start);
        let taken: u64 = ledger.0.iter().flatten().map(|one| u64::from(one.cost)).sum();
        let steps = exact(time.steps_back);
        let bursts = exact(quota.burst.into()) * (exact(2) + &steps);
        let refilled = quota.rate() * (exact(time.passed) + exact(1) + &steps);
        prop_assert!(exact(taken) <= bursts + refilled, "{taken}");
    }

    #[test]
    fn first_come_first_served(
        quota in quota(), ops in prop::collection::vec(with_charges(), 1..60), start in 0_u64..1 << 40,
    ) {
        let ops: Vec<Op> = ops.into_iter().filter(|op| !matches!(op, Op::GiveBack(_))).collect();
        let (ledger, _) = run(&TokenBucket::new(config(quota)), quota, &ops, start);
        let admitted = ledger.0.iter().flatten().filter(|one| !one.is_charge && one.cost > 0);
        prop_assert!(admitted.is_sorted_by_key(|one| one.at));
    }

    /// Against the rational bucket that may be in debt, as `x/time/rate` reckons.
    #[test]
    fn what_is_lent_and_owed_differs_from_exact_fractions_by_a_nanosecond(
        quota in quota(), ops in prop::collection::vec(with_charges(), 1..60), start in 0_u64..1 << 40,
    ) {
        let limit = TokenBucket::new(config(quota));
        let mut state = TokenBucket::FRESH;
        let mut time = Time::new(quota, start);
        let mut oracle = Bucket::full(quota);
        oracle.take(0, start);
        let (rate, burst) = (quota.rate(), exact(quota.burst.into()));
        for op in &ops {
            match *op {
                Op::Clock(ref step) => time.apply(step),
                Op::Acquire(cost) | Op::Reserve(cost, _) if cost > 0 && cost <= quota.burst => {
                    let missing = exact(cost.into()) - oracle.tokens(time.now);
                    let wait = (missing / &rate).max(exact(0));
                    match limit.reserve(&mut state, cost, Instant::MAX, at(time.now)) {
                        Ok(reservation) => {
                            let waits = exact(reservation.at().as_nanos() - time.now);
                            prop_assert!(&waits - &wait <= exact(2) && &wait - &waits <= exact(2));
                            oracle.take(cost, time.now);
                        }
                        Err(_) => prop_assert!(wait + exact(2) >= &burst / &rate, "within a refill"),
                    }
                }
                Op::Charge(cost) => {
                    // At most one refill below empty.
                    let room = oracle.tokens(time.now) + &burst;
                    let excess = (exact(cost.into()) - room).ceil().max(exact(0));
                    let told = exact(limit.charge(&mut state, cost, at(time.now)).excess().into());
                    prop_assert!(&told - &excess <= exact(1) && &excess - &told <= exact(1));
                    if told == exact(0) {
                        oracle.take(cost, time.now);
                    } else {
                        break; // A part of a token was taken: from here on they would differ.
                    }
                }
                _ => {}
            }
        }
    }

    #[test]
    fn it_never_owes_more_than_a_refill(
        quota in quota(), costs in prop::collection::vec(any::<u32>(), 1..20), start in 0_u64..1 << 40,
    ) {
        let limit = TokenBucket::new(config(quota));
        let mut state = TokenBucket::FRESH;
        for cost in costs {
            let _ = limit.charge(&mut state, cost >> (cost % 32), at(start));
            if let Err(refused) = limit.peek(&state, quota.burst, at(start)) {
                let RetryAt::At(opens) = refused.retry() else { panic!("{refused:?}") };
                let most = exact(2) * exact(quota.burst.into()) / quota.rate() + exact(2);
                prop_assert!(exact(opens.as_nanos() - start) <= most);
            }
        }
    }
}
