//! Corners of the call: what happens at once, out of order, at the end of time, and in other hands.

use super::bench::{Bench, TRANSIENT, ms, retry, s, wait};
use core::time::Duration;
use resil_core::call::{Call, CallPolicy, Finished, Request, Step, Verdict};
use resil_core::outcome::{Classification, FailureClass, Rejected, RetryAt, RetryHint};
use resil_core::retry::{RetryPolicy, Stop};
use resil_core::{ErrorCode, Instant};

const FULL: Rejected = Rejected::new(ErrorCode::BulkheadFull, RetryAt::Unknown);

fn told(hint: RetryHint) -> Result<(), Classification> {
    Err(Classification::Failure(FailureClass::Transient, hint))
}

#[test]
fn an_early_hedge_that_a_gate_refuses_ends_nothing() {
    for early in [false, true] {
        let mut bench = Bench::of(retry()).hedging(Duration::from_secs(9), early);
        let first = bench.attempt(s(0));
        bench.finish(first, Err(TRANSIENT), s(0));
        bench.gate.refuses = Some(FULL);
        assert_eq!(bench.poll(s(0)), wait(s(1), 0), "as without hedging");
        assert_eq!((bench.purse.left, bench.purse.out), (9, 1), "the retry is paid for, no hedge");
        bench.gate.refuses = None;
        let second = bench.attempt(s(1));
        assert_eq!((second.number(), second.is_hedge()), (2, false));
        bench.finish(second, Ok(()), s(1));
        assert_eq!(bench.verdict(s(1)), Verdict::Success);
    }
}

#[test]
fn an_early_hedge_that_a_gate_refuses_leaves_the_attempts_counted_right() {
    let retry = retry().max_attempts(2).deadline(Duration::from_secs(60));
    let mut bench = Bench::of(retry).hedging(Duration::from_secs(9), true);
    let first = bench.attempt(s(0));
    bench.finish(first, Err(TRANSIENT), s(0));
    bench.gate.refuses = Some(FULL);
    assert_eq!(bench.poll(s(0)), wait(s(1), 0));
    bench.gate.refuses = None;
    let second = bench.attempt(s(1));
    bench.finish(second, Err(TRANSIENT), s(1));
    let verdict = bench.verdict(s(1));
    assert_eq!(verdict, Verdict::Failed(Stop::Exhausted));
    let error = bench.call.error(verdict, Some("lost")).unwrap();
    assert!(error.to_string().contains("attempts=2"), "{error}");
    bench.nothing_is_out();
}

#[test]
fn an_early_hedge_that_a_gate_refuses_after_the_deadline_ends_with_it() {
    let mut bench =
        Bench::of(retry().deadline(Duration::from_secs(5))).hedging(Duration::from_secs(9), true);
    let first = bench.attempt(s(0));
    bench.finish(first, Err(TRANSIENT), s(4));
    bench.gate.refuses = Some(FULL);
    assert_eq!(bench.verdict(s(4)), Verdict::Failed(Stop::Deadline), "no time for a retry");
    bench.nothing_is_out();
}

/// Two attempts of which the hedge fails first, at 1 s, and is told something.
fn told_beside(hint: RetryHint, deadline: u64) -> (Bench, resil_core::call::Ticket) {
    let retry = retry().deadline(Duration::from_secs(deadline));
    let mut bench = Bench::of(retry).hedging(Duration::from_millis(200), false);
    let first = bench.attempt(s(0));
    let hedge = bench.attempt(ms(200));
    bench.finish(hedge, told(hint), s(1));
    assert!(matches!(bench.poll(s(1)), Step::Wait { in_flight: 1, .. }), "the other may succeed");
    (bench, first)
}

#[test]
fn a_hint_given_beside_another_attempt_is_kept_pitfall_97() {
    let (mut bench, first) = told_beside(RetryHint::After(Duration::from_secs(9)), 60);
    bench.finish(first, Err(TRANSIENT), s(2));
    assert_eq!(bench.poll(s(2)), wait(s(10), 0), "9 s after 1 s");

    let (mut bench, first) = told_beside(RetryHint::After(Duration::from_secs(9)), 60);
    bench.finish(first, told(RetryHint::After(Duration::from_secs(20))), s(2));
    assert_eq!(bench.poll(s(2)), wait(s(22), 0), "the longer one");

    let (mut bench, first) = told_beside(RetryHint::After(Duration::from_secs(9)), 60);
    bench.finish(first, Err(TRANSIENT), s(20));
    assert_eq!(bench.poll(s(20)), wait(s(22), 0), "it is over: the second delay");

    let (mut bench, first) = told_beside(RetryHint::After(Duration::from_secs(9)), 8);
    bench.finish(first, Err(TRANSIENT), s(2));
    assert_eq!(bench.verdict(s(2)), Verdict::Failed(Stop::Deadline), "beyond the deadline");
}

#[test]
fn never_said_beside_another_attempt_stops_when_that_fails_too() {
    let (mut bench, first) = told_beside(RetryHint::Never, 60);
    bench.finish(first, Err(TRANSIENT), s(2));
    assert_eq!(bench.verdict(s(2)), Verdict::Failed(Stop::Never));
    bench.nothing_is_out();

    let (mut bench, first) = told_beside(RetryHint::Never, 60);
    bench.finish(first, Ok(()), s(2));
    assert_eq!(bench.verdict(s(2)), Verdict::Success);
}

#[test]
fn a_step_back_makes_a_hint_beside_another_attempt_no_longer() {
    let retry = retry().max_retry_after(Duration::from_secs(600));
    let mut bench = Bench::of(retry).hedging(Duration::from_millis(200), false);
    bench.call = Call::start(&bench.policy, Request::ONE, s(100));
    let first = bench.attempt(s(100));
    let hedge = bench.attempt(s(101));
    bench.finish(hedge, told(RetryHint::After(Duration::from_secs(9))), s(101));
    bench.finish(first, Err(TRANSIENT), s(50));
    assert_eq!(bench.poll(s(50)), wait(s(59), 0), "9 s, and not 60");
}

#[test]
fn a_hint_is_for_one_round() {
    let (mut bench, first) = told_beside(RetryHint::After(Duration::from_secs(3)), 60);
    bench.finish(first, Err(TRANSIENT), s(1));
    assert_eq!(bench.poll(s(1)), wait(s(4), 0));
    let third = bench.attempt(s(4));
    bench.finish(third, Err(TRANSIENT), s(4));
    assert_eq!(bench.verdict(s(4)), Verdict::Failed(Stop::Exhausted));
}

#[test]
fn two_attempts_that_time_out_at_once_are_two_failures_and_one_retry() {
    let policy = CallPolicy::new(retry().max_attempts(4).build().unwrap());
    let policy = policy.with_attempt_timeout(Duration::from_secs(2)).unwrap();
    let mut bench = Bench::new(policy).hedging(Duration::from_millis(200), true);
    let first = bench.attempt(s(0));
    let hedge = bench.attempt(ms(200));
    assert_eq!(bench.poll(s(5)), wait(s(7), 0), "the second delay");
    assert_eq!((bench.purse.left, bench.purse.out), (8, 1), "a hedge and one retry");
    let timed_out = bench.log.borrow().iter().filter(|line| line.ends_with("timeout")).count();
    assert_eq!((timed_out, bench.gate.out.len()), (2, 0));
    assert_eq!(bench.finish(first, Ok(()), s(5)), Finished::Stale);
    assert_eq!(bench.finish(hedge, Err(TRANSIENT), s(5)), Finished::Stale);
    assert_eq!(bench.poll(s(5)), wait(s(7), 0), "what is stale changes nothing");
}

#[test]
fn a_hedge_comes_when_it_was_said_to_whatever_others_measure_meanwhile() {
    let mut bench = Bench::of(retry()).hedging(Duration::from_secs(2), false);
    let _first = bench.attempt(s(0));
    assert_eq!(bench.poll(ms(500)), wait(s(2), 1));
    bench.hedge.delay = Some(Duration::from_millis(1));
    assert_eq!(bench.poll(ms(600)), wait(s(2), 1), "the estimate moves, the hedge does not");
    bench.hedge.delay = None;
    assert_eq!(bench.poll(ms(700)), wait(s(2), 1));
    let hedge = bench.attempt(s(2));
    assert!(hedge.is_hedge());
}

#[test]
fn a_hedge_after_a_step_back_is_as_far_away_as_at_first() {
    let mut bench = Bench::of(retry()).hedging(Duration::from_secs(2), false);
    bench.call = Call::start(&bench.policy, Request::ONE, s(100));
    let _first = bench.attempt(s(100));
    assert_eq!(bench.poll(s(50)), wait(s(52), 1));
    assert_eq!(bench.poll(s(51)), wait(s(52), 1), "once");
}

#[test]
fn a_refusal_that_names_the_present_does_not_spin() {
    let retry = retry().deadline(Duration::from_secs(5)).max_refusal_waits(u32::MAX);
    let mut bench = Bench::of(retry);
    for at in [s(0), s(1), s(2)] {
        bench.gate.refuses = Some(Rejected::new(ErrorCode::RateLimitExceeded, RetryAt::At(at)));
        let next = at.saturating_add(Duration::from_nanos(1));
        assert_eq!(bench.poll(at), wait(next, 0));
        assert_eq!(bench.poll(at), wait(next, 0), "and asks nobody before");
    }
    let last = Instant::from_nanos(s(5).as_nanos() - 1);
    assert!(matches!(bench.verdict(last), Verdict::Refused(refused) if refused.after_waiting()));
}

/// The number is all that a ticket says: see its documentation.
#[test]
fn a_ticket_of_another_call_ends_the_attempt_of_its_number_and_settles_it_once() {
    let (mut one, mut other) = (Bench::of(retry()), Bench::of(retry()));
    let (mine, theirs) = (one.attempt(s(0)), other.attempt(s(0)));
    assert_eq!(one.finish(theirs, Ok(()), s(1)), Finished::Counted);
    one.nothing_is_out();
    assert_eq!(one.finish(mine, Err(TRANSIENT), s(2)), Finished::Stale);
    assert_eq!(one.verdict(s(2)), Verdict::Success);
    assert_eq!(other.gate.out.len(), 1, "the other call is as it was");
}

#[test]
fn a_deadline_that_comes_at_an_instant_has_come_at_it() {
    let nano = Duration::from_nanos(1);
    for (finish, expected) in
        [(true, Verdict::Success), (false, Verdict::Deadline { refusal: None })]
    {
        let mut bench = Bench::of(retry().deadline(Duration::from_secs(5)));
        let ticket = bench.attempt(s(0));
        assert_eq!(bench.poll(s(5).saturating_sub(nano)), wait(s(5), 1));
        if finish {
            bench.finish(ticket, Ok(()), s(5));
        }
        assert_eq!(bench.verdict(s(5)), expected, "what was answered is not thrown away");
        bench.nothing_is_out();
    }
    // A retry that would start 1 ns before the deadline waits, one that would start at it does not.
    for (failed_at, goes_on) in [(s(4).saturating_sub(nano), true), (s(4), false)] {
        let mut bench = Bench::of(retry().deadline(Duration::from_secs(5)));
        let ticket = bench.attempt(s(0));
        bench.finish(ticket, Err(TRANSIENT), failed_at);
        assert_eq!(matches!(bench.poll(failed_at), Step::Wait { .. }), goes_on);
    }
    // An attempt is not started at it: first, retry, or early hedge.
    let mut bench = Bench::of(retry().deadline(Duration::from_secs(5)));
    assert_eq!(bench.verdict(s(5)), Verdict::Deadline { refusal: None });
    let mut bench =
        Bench::of(retry().deadline(Duration::from_secs(5))).hedging(Duration::from_secs(1), true);
    let ticket = bench.attempt(s(0));
    bench.finish(ticket, Err(TRANSIENT), ms(500));
    assert_eq!(bench.verdict(s(5)), Verdict::Deadline { refusal: None });
    bench.nothing_is_out();
}

#[test]
fn five_hundred_years_at_every_phase_end_the_call_or_go_on_at_once() {
    let years = Duration::from_secs(500 * 31_557_600);
    let later = Instant::EPOCH.saturating_add(years);
    let bench = || {
        let policy = CallPolicy::new(retry().deadline(Duration::from_secs(9)).build().unwrap());
        Bench::new(policy.with_attempt_timeout(Duration::from_secs(2)).unwrap())
            .hedging(Duration::from_millis(100), false)
    };
    for phase in 0..4 {
        for now in [later, Instant::MAX] {
            let mut bench = bench();
            if phase > 0 {
                let first = bench.attempt(s(0));
                match phase {
                    2 => drop(bench.attempt(s(1))),
                    3 => drop(bench.finish(first, Err(TRANSIENT), s(0))),
                    _ => {}
                }
            }
            assert_eq!(bench.verdict(now), Verdict::Deadline { refusal: None }, "phase {phase}");
            bench.nothing_is_out();
        }
        // And without a deadline, at the end of time and back again.
        let mut bench = bench();
        let policy = CallPolicy::new(retry().build().unwrap());
        bench.policy = policy.with_attempt_timeout(Duration::MAX).unwrap();
        bench.call = Call::start(&bench.policy, Request::ONE, Instant::MAX);
        let first = bench.attempt(Instant::MAX);
        assert_eq!(first.deadline(), None);
        bench.finish(first, Err(TRANSIENT), Instant::MAX);
        let second = bench.attempt(Instant::MAX);
        assert_eq!(second.number(), 2, "no wait is longer than time");
        bench.finish(second, Err(TRANSIENT), s(0));
        assert_eq!(bench.poll(s(0)), wait(s(2), 0));
    }
}

#[test]
fn attempts_without_number_and_timeouts_without_end_are_as_they_say() {
    let retry = RetryPolicy::builder()
        .max_attempts(u32::MAX)
        .initial_delay(Duration::from_nanos(1))
        .max_delay(Duration::from_nanos(1))
        .jitter(resil_core::backoff::Jitter::None);
    let policy = CallPolicy::new(retry.build().unwrap());
    let mut bench = Bench::new(policy.with_attempt_timeout(Duration::MAX).unwrap());
    bench.purse.left = 1_000;
    for number in 1..=1_001 {
        let now = Instant::from_nanos(number);
        let ticket = bench.attempt(now);
        assert_eq!((ticket.deadline(), u64::from(ticket.number())), (None, number));
        assert_eq!(bench.poll(now), Step::Wait { until: None, in_flight: 1 });
        bench.finish(ticket, Err(TRANSIENT), now);
    }
    assert_eq!(bench.verdict(s(1)), Verdict::Failed(Stop::Budget), "the budget ends it");
    bench.nothing_is_out();
}
