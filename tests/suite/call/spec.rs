//! What the documentation of the call says, case by case.

use super::bench::{Bench, TRANSIENT, ms, retry, s, wait};
use core::time::Duration;
use resil_core::ErrorCode;
use resil_core::call::{Call, CallPolicy, Finished, Request, Step, Verdict};
use resil_core::outcome::{FailureClass, Rejected, RetryAt};
use resil_core::retry::Stop;

#[test]
fn a_success_ends_the_call() {
    let mut bench = Bench::of(retry());
    let ticket = bench.attempt(s(0));
    assert_eq!(bench.poll(s(0)), Step::Wait { until: None, in_flight: 1 });
    assert_eq!(bench.finish(ticket, Ok(()), s(1)), Finished::Counted);
    assert_eq!(bench.verdict(s(1)), Verdict::Success);
    assert!(bench.call.error::<()>(Verdict::Success, None).is_none());
    bench.nothing_is_out();
}

#[test]
fn failures_are_tried_again_until_the_attempts_are_used() {
    let mut bench = Bench::of(retry());
    for (start, next) in [(0, 1), (1, 3)] {
        let ticket = bench.attempt(s(start));
        bench.finish(ticket, Err(TRANSIENT), s(start));
        assert_eq!(bench.poll(s(start)), wait(s(next), 0));
    }
    let ticket = bench.attempt(s(3));
    assert_eq!(ticket.number(), 3);
    bench.finish(ticket, Err(TRANSIENT), s(3));
    let verdict = bench.verdict(s(3));
    assert_eq!(verdict, Verdict::Failed(Stop::Exhausted));
    let error = bench.call.error(verdict, Some("lost")).unwrap();
    assert_eq!(error.to_string(), "RETRY_EXHAUSTED: all attempts failed (attempts=3)");
    assert_eq!(bench.purse.left, 8, "two retries were paid for");
    bench.nothing_is_out();
}

#[test]
fn a_budget_that_is_spent_ends_the_call_pitfall_89() {
    let mut bench = Bench::of(retry());
    bench.purse.left = 1;
    let ticket = bench.attempt(s(0));
    bench.finish(ticket, Err(TRANSIENT), s(0));
    let ticket = bench.attempt(s(1));
    bench.finish(ticket, Err(TRANSIENT), s(1));
    let verdict = bench.verdict(s(1));
    assert_eq!(verdict, Verdict::Failed(Stop::Budget));
    let error = bench.call.error(verdict, Some("lost")).unwrap();
    assert_eq!(error.code(), ErrorCode::RetryFailed);
    assert_eq!(error.to_string(), "RETRY_FAILED: the budget for retries is spent (attempts=2)");
}

#[test]
fn the_budget_is_charged_when_the_retry_is_decided_pitfall_93() {
    let mut bench = Bench::of(retry());
    let ticket = bench.attempt(s(0));
    bench.finish(ticket, Err(TRANSIENT), s(0));
    assert_eq!((bench.purse.left, bench.purse.out), (9, 1), "it waits, and is paid for");
    bench.abandon(s(0));
    assert_eq!((bench.purse.left, bench.purse.out), (10, 0), "and gets its money back");
}

#[test]
fn own_refusals_consume_neither_attempts_nor_budget_pitfall_95() {
    let busy = Rejected::new(ErrorCode::RateLimitExceeded, RetryAt::At(s(4)));
    let mut bench = Bench::of(retry().deadline(Duration::from_secs(60)).max_refusal_waits(2));
    bench.gate.refuses = Some(busy);
    assert_eq!(bench.poll(s(0)), wait(s(4), 0));
    bench.gate.refuses = None;
    let ticket = bench.attempt(s(4));
    assert_eq!((ticket.number(), bench.purse.left), (1, 10));
    bench.finish(ticket, Err(TRANSIENT), s(4));
    assert_eq!(bench.poll(s(4)), wait(s(5), 0), "the first delay: it was the first attempt");
}

#[test]
fn a_breaker_that_is_open_ends_the_call_at_once_pitfall_95() {
    let open = Rejected::new(ErrorCode::CircuitBreakerOpen, RetryAt::At(s(9)));
    let mut bench = Bench::of(retry().deadline(Duration::from_secs(60)).max_refusal_waits(2));
    let ticket = bench.attempt(s(0));
    bench.finish(ticket, Err(TRANSIENT), s(0));
    bench.gate.refuses = Some(open);
    let verdict = bench.verdict(s(1));
    let error = bench.call.error(verdict, Some("lost")).unwrap();
    assert_eq!(error.code(), ErrorCode::CircuitBreakerOpen);
    assert_eq!(bench.purse.left, 10, "the retry was not made");
    bench.nothing_is_out();
}

#[test]
fn an_attempt_times_out_whoever_makes_it() {
    let policy = CallPolicy::new(retry().build().unwrap());
    let mut bench = Bench::new(policy.with_attempt_timeout(Duration::from_secs(2)).unwrap());
    let ticket = bench.attempt(s(0));
    assert_eq!(ticket.deadline(), Some(s(2)));
    assert_eq!(bench.poll(s(1)), wait(s(2), 1));
    assert_eq!(bench.poll(s(2)), wait(s(3), 0), "timed out; the next one in a second");
    assert_eq!(bench.finish(ticket, Ok(()), s(2)), Finished::Stale);
    assert!(bench.log.borrow().contains(&"gate gets 1 back: timeout".to_owned()));
}

#[test]
fn an_answer_that_comes_late_counts_if_nobody_has_given_up() {
    let policy = CallPolicy::new(retry().build().unwrap());
    let mut bench = Bench::new(policy.with_attempt_timeout(Duration::from_secs(2)).unwrap());
    let ticket = bench.attempt(s(0));
    assert_eq!(bench.finish(ticket, Ok(()), s(3)), Finished::Counted);
    assert_eq!(bench.verdict(s(3)), Verdict::Success);
}

#[test]
fn attempts_that_all_time_out_are_exhausted_all_the_same() {
    let policy = CallPolicy::new(retry().max_attempts(2).build().unwrap());
    let mut bench = Bench::new(policy.with_attempt_timeout(Duration::from_secs(2)).unwrap());
    let _first = bench.attempt(s(0));
    assert_eq!(bench.poll(s(2)), wait(s(3), 0));
    let _second = bench.attempt(s(3));
    let verdict = bench.verdict(s(5));
    assert_eq!(verdict, Verdict::Failed(Stop::Exhausted));
    let error = bench.call.error::<&str>(verdict, None).unwrap();
    assert_eq!(error.code(), ErrorCode::RetryExhausted);
}

#[test]
fn the_deadline_ends_attempts_and_waits() {
    let mut bench = Bench::of(retry().deadline(Duration::from_secs(5)));
    let ticket = bench.attempt(s(0));
    assert_eq!(ticket.deadline(), Some(s(5)));
    let verdict = bench.verdict(s(5));
    assert_eq!(verdict, Verdict::Deadline { refusal: None });
    let error = bench.call.error::<&str>(verdict, None).unwrap();
    assert_eq!(error.code(), ErrorCode::DeadlineExceeded);
    bench.nothing_is_out();

    // One attempt timed out, and then nobody polled in time for the next.
    let policy = CallPolicy::new(retry().deadline(Duration::from_secs(5)).build().unwrap());
    let mut bench = Bench::new(policy.with_attempt_timeout(Duration::from_secs(1)).unwrap());
    let _first = bench.attempt(s(0));
    assert_eq!(bench.poll(s(1)), wait(s(2), 0));
    let verdict = bench.verdict(s(6));
    let error = bench.call.error::<&str>(verdict, None).unwrap();
    assert_eq!(error.code(), ErrorCode::RetryFailed);

    // The one that was cut short counts: it was made.
    let mut bench = Bench::of(retry().deadline(Duration::from_secs(5)));
    let ticket = bench.attempt(s(0));
    bench.finish(ticket, Err(TRANSIENT), s(0));
    let _second = bench.attempt(s(1));
    let verdict = bench.verdict(s(5));
    let error = bench.call.error(verdict, Some("lost")).unwrap();
    assert_eq!(error.code(), ErrorCode::RetryFailed);
    assert_eq!(error.operation_error(), Some(&"lost"));
    assert!(error.to_string().contains("attempts=2"), "{error}");

    let mut bench = Bench::of(retry().deadline(Duration::from_secs(5)));
    let ticket = bench.attempt(s(0));
    bench.finish(ticket, Err(TRANSIENT), s(4));
    let verdict = bench.verdict(s(4));
    assert_eq!(verdict, Verdict::Failed(Stop::Deadline), "the wait would end there");
}

#[test]
fn a_hedge_starts_beside_the_first_attempt_and_the_faster_one_wins() {
    let mut bench = Bench::of(retry()).hedging(Duration::from_millis(200), false);
    let slow = bench.attempt(s(0));
    assert_eq!(bench.poll(ms(199)), wait(ms(200), 1));
    let hedge = bench.attempt(ms(200));
    assert_eq!((hedge.number(), hedge.is_hedge()), (2, true));
    assert_eq!(bench.poll(ms(300)), Step::Wait { until: None, in_flight: 2 }, "two at most");
    bench.finish(hedge, Ok(()), ms(300));
    assert_eq!(bench.verdict(ms(300)), Verdict::Success);
    let both = [300, 100].map(Duration::from_millis);
    assert_eq!(bench.hedge.latencies, both, "the slower one belongs to the picture");
    assert_eq!(bench.finish(slow, Ok(()), ms(400)), Finished::Stale);
    bench.nothing_is_out();
    let log = bench.log.borrow();
    assert_eq!(
        log[..],
        [
            "gate lends 1",
            "gate lends 2 elsewhere",
            "gate gets 2 back: success",
            "gate gets 1 back: abandoned",
        ]
    );
}

#[test]
fn a_failure_beside_another_attempt_waits_for_it() {
    let mut bench = Bench::of(retry()).hedging(Duration::from_millis(200), false);
    let slow = bench.attempt(s(0));
    let hedge = bench.attempt(ms(200));
    bench.finish(hedge, Err(TRANSIENT), ms(300));
    assert_eq!(bench.poll(ms(300)), Step::Wait { until: None, in_flight: 1 });
    bench.finish(slow, Err(TRANSIENT), ms(400));
    assert_eq!(bench.poll(ms(400)), wait(ms(2_400), 0), "two have failed: the second delay");
}

#[test]
fn a_failure_fires_the_hedge_early_pitfall_97() {
    let mut bench = Bench::of(retry()).hedging(Duration::from_secs(1), true);
    let first = bench.attempt(s(0));
    bench.finish(first, Err(TRANSIENT), ms(10));
    let hedge = bench.attempt(ms(10));
    assert!(hedge.is_hedge());
    bench.finish(hedge, Err(TRANSIENT), ms(20));
    assert_eq!(bench.poll(ms(20)), wait(ms(2_020), 0), "one hedge a call");
}

#[test]
fn hedges_count_as_attempts_and_are_paid_for() {
    let mut bench = Bench::of(retry().max_attempts(1)).hedging(Duration::from_millis(1), true);
    let first = bench.attempt(s(0));
    assert_eq!(bench.poll(s(1)), Step::Wait { until: None, in_flight: 1 }, "one attempt is all");
    bench.finish(first, Err(TRANSIENT), s(1));
    assert_eq!(bench.verdict(s(1)), Verdict::Failed(Stop::Exhausted));

    let mut bench = Bench::of(retry()).hedging(Duration::from_millis(1), true);
    bench.purse.left = 0;
    let _first = bench.attempt(s(0));
    assert_eq!(bench.poll(s(1)), Step::Wait { until: None, in_flight: 1 }, "nobody pays");

    let mut bench = Bench::of(retry()).hedging(Duration::from_millis(1), true);
    let (_first, left) = (bench.attempt(s(0)), bench.purse.left);
    let _hedge = bench.attempt(s(1));
    assert_eq!((bench.purse.left, bench.purse.out), (left - 1, 1), "paid for once");
}

#[test]
fn a_refused_hedge_ends_nothing_and_costs_nothing() {
    let mut bench = Bench::of(retry()).hedging(Duration::from_millis(1), false);
    let first = bench.attempt(s(0));
    bench.gate.refuses = Some(Rejected::new(ErrorCode::CircuitBreakerOpen, RetryAt::Unknown));
    assert_eq!(bench.poll(s(1)), Step::Wait { until: None, in_flight: 1 });
    assert_eq!(bench.purse.left, 10);
    bench.finish(first, Ok(()), s(2));
    assert_eq!(bench.verdict(s(2)), Verdict::Success);
}

#[test]
fn a_fatal_error_beside_another_attempt_ends_the_call() {
    let mut bench = Bench::of(retry()).hedging(Duration::from_millis(1), false);
    let first = bench.attempt(s(0));
    let hedge = bench.attempt(s(1));
    bench.finish(hedge, Err(FailureClass::Fatal.into()), s(2));
    assert_eq!(bench.verdict(s(2)), Verdict::Failed(Stop::Fatal));
    assert_eq!(bench.finish(first, Ok(()), s(3)), Finished::Stale);
    bench.nothing_is_out();
}

#[test]
fn whoever_goes_away_leaves_nothing_behind() {
    let mut bench = Bench::of(retry()).hedging(Duration::from_millis(1), false);
    let _first = bench.attempt(s(0));
    let _hedge = bench.attempt(s(1));
    bench.abandon(s(2));
    bench.nothing_is_out();
    assert_eq!(bench.verdict(s(3)), Verdict::Abandoned);
    assert!(bench.call.error::<()>(Verdict::Abandoned, None).is_none());
}

#[test]
fn a_clock_that_steps_back_makes_nothing_take_longer() {
    let policy = CallPolicy::new(retry().deadline(Duration::from_secs(9)).build().unwrap());
    let mut bench = Bench::new(policy.with_attempt_timeout(Duration::from_secs(2)).unwrap());
    bench.call = Call::start(&policy, Request::ONE, s(100));
    let _first = bench.attempt(s(100));
    assert_eq!(bench.poll(s(10)), wait(s(12), 1), "one attempt timeout from here");
    assert_eq!(bench.poll(s(12)), wait(s(13), 0));
    assert_eq!(bench.poll(s(1)), wait(s(2), 0), "one delay from here");
    let _second = bench.attempt(s(2));
    assert_eq!(bench.poll(s(4)), wait(s(6), 0));
    let _third = bench.attempt(s(6));
    assert_eq!(bench.verdict(s(10)), Verdict::Deadline { refusal: None }, "9 s from 1 s");
}
