//! `SECURITY.md`: every test that it names is there; and those of its promises that no machine's file is the
//! place for.

use core::time::Duration;
use resil_core::circuit_breaker::{CircuitBreaker, CircuitBreakerConfig, State};
use resil_core::outcome::FailureClass;
use resil_core::rate_limit::{
    Limit, Limiter, RateLimit, RateLimitConfig, StrictBucket, TokenBucket, WarmUp,
};
use resil_core::retry::budget::{BudgetPolicy, RatioBudget, TokenBudget};
use resil_core::snapshot::Persist;
use resil_core::{Instant, Outcome, RetryAt, call::Extra};
use std::fs;
use std::path::Path;

use crate::contract::sources::tests_in;

/// The tests that a row of the page names, as file and name; `None` for what is no row.
fn proofs(row: &str) -> Option<Vec<(&str, &str)>> {
    let cells: Vec<_> = row.split('|').map(str::trim).collect();
    let &["", _, _, proofs, ""] = cells.as_slice() else { return None };
    let is_head = proofs == "Proved by" || proofs.starts_with("--");
    let named = |proof: &'_ str| proof.contains("::");
    (!is_head).then(|| {
        let proofs = proofs.split('`').filter(|proof| named(proof));
        proofs.filter_map(|proof| proof.split_once("::")).collect()
    })
}

/// What is wrong with the page, one line each.
fn gaps(page: &str, read: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut gaps = Vec::new();
    for (row, proofs) in page.lines().filter_map(|row| Some((row, proofs(row)?))) {
        if proofs.is_empty() {
            gaps.push(format!("no test: {row}"));
        }
        let missing =
            |(file, name): &(&str, &str)| !read(file).is_some_and(|s| tests_in(&s).contains(name));
        gaps.extend(proofs.iter().filter(|proof| missing(proof)).map(|(f, n)| format!("{f}::{n}")));
    }
    gaps
}

#[test]
fn every_threat_has_a_test_and_every_test_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = fs::read_to_string(root.join("SECURITY.md")).unwrap();
    assert!(page.lines().filter_map(proofs).count() >= 25, "found nothing to compare");
    assert_eq!(gaps(&page, |file| fs::read_to_string(root.join(file)).ok()), [""; 0]);
}

#[test]
fn a_test_that_is_not_there_is_found() {
    let source = "#[test]\nfn a() {}\nfn b() {}\n#[tokio::test]\nasync fn c_d() {}\n";
    let read = |file: &str| (file == "x.rs").then(|| source.to_owned());
    let page = |proofs: &str| {
        format!("| Threat | Promise | Proved by |\n|---|---|---|\n| t | p | {proofs} |")
    };
    assert_eq!(gaps(&page("`x.rs::a`, `x.rs::c_d`"), read), [""; 0]);
    assert_eq!(gaps(&page("`x.rs::a`, `x.rs::b`"), read), ["x.rs::b"], "no test");
    assert_eq!(gaps(&page("`x.rs::c`"), read), ["x.rs::c"], "half a name");
    assert_eq!(gaps(&page("`y.rs::a`"), read), ["y.rs::a"], "no file");
    assert_eq!(gaps(&page("by hand"), read), ["no test: | t | p | by hand |"]);
}

const CONFIG: RateLimitConfig = resil_core::valid!(
    RateLimitConfig::builder()
        .max_requests(60)
        .time_window(Duration::from_secs(60))
        .burst_size(10)
        .build()
);
const NOW: Instant = Instant::from_nanos(1 << 42);

/// Admits until it is refused; how many that were, and when it says to come back.
fn drain<L: Limit>(limit: &L, state: &mut L::State, now: Instant) -> (u32, RetryAt) {
    for admitted in 0..1_000 {
        if let Err(refused) = limit.try_acquire(state, 1, now) {
            return (admitted, refused.retry());
        }
    }
    panic!("no end");
}

#[test]
fn a_clock_that_stands_still_admits_the_burst_and_no_more() {
    fn frozen<L: Limit + Clone>(limit: &L) {
        let mut state = L::FRESH;
        let (admitted, retry) = drain(limit, &mut state, NOW);
        assert_eq!(admitted, 10);
        assert!(matches!(retry, RetryAt::At(at) if at > NOW), "who waits until {retry:?} spins");
        // However long one asks, and whatever one gives back and takes again.
        let mut limiter = Limiter::from_parts(limit.clone(), state);
        for _ in 0..10_000 {
            assert!(limiter.try_acquire(1, NOW).is_err());
        }
        limiter.reset();
        let charge = limiter.try_acquire(4, NOW).unwrap();
        limiter.refund(charge, NOW);
        assert_eq!(limiter.available(NOW), 10);
    }
    frozen(&TokenBucket::new(CONFIG));
    frozen(&StrictBucket::new(CONFIG).unwrap());
    frozen(&RateLimit::new(CONFIG));

    let mut breaker = CircuitBreaker::new(CircuitBreakerConfig::DEFAULT);
    for _ in 0..5 {
        let permit = breaker.try_acquire(0, NOW).unwrap();
        breaker.record(permit, Outcome::Failure(FailureClass::Timeout), 0, NOW);
    }
    for _ in 0..10_000 {
        assert!(breaker.try_acquire(0, NOW).is_err(), "no probe before its time");
    }
    assert_eq!(breaker.state(NOW), State::Open);
}

#[test]
fn a_snapshot_that_is_replayed_gives_what_it_had_and_no_more() {
    fn replayed<L>(limit: &L)
    where
        L: Limit + Persist<State = <L as Limit>::State>,
        <L as Limit>::State: core::fmt::Debug,
    {
        for spent in [0, 3, 10] {
            let mut state = L::FRESH;
            if spent > 0 && limit.try_acquire(&mut state, spent, NOW).is_err() {
                continue;
            }
            let had = limit.available(&state, NOW);
            let mut bytes = vec![0; L::LEN];
            limit.save(&state, NOW, &mut bytes).unwrap();
            for restart in [Instant::EPOCH, NOW, NOW.saturating_add(Duration::from_secs(86_400))] {
                let mut replay = limit.restore(&bytes, restart).unwrap();
                assert!(drain(limit, &mut replay, restart).0 <= had, "{spent} were spent");
            }
        }
    }
    replayed(&TokenBucket::new(CONFIG));
    replayed(&StrictBucket::new(CONFIG).unwrap());
    replayed(&RateLimit::new(CONFIG));
    replayed(&WarmUp::new(CONFIG, Duration::from_secs(60)).unwrap());

    fn budget<P>(policy: &P)
    where
        P: BudgetPolicy + Persist<State = <P as BudgetPolicy>::State>,
    {
        let extras = |state: &mut <P as BudgetPolicy>::State, now| {
            (0..1_000).take_while(|_| policy.try_withdraw(state, Extra::Hedge, now).is_ok()).count()
        };
        let (mut state, mut bytes) = (P::FRESH, vec![0; P::LEN]);
        policy.try_withdraw(&mut state, Extra::Hedge, NOW).unwrap();
        policy.save(&state, NOW, &mut bytes).unwrap();
        let had = extras(&mut state, NOW);
        let mut replay = policy.restore(&bytes, Instant::EPOCH).unwrap();
        assert_eq!(extras(&mut replay, Instant::EPOCH), had);
    }
    budget(&TokenBudget::AWS);
    budget(&RatioBudget::DEFAULT);
}
