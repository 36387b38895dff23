//! The shared breaker under embassy's mock time.

mod mock_time;

use core::cell::Cell;
use core::future::pending;
use core::pin::{Pin, pin};
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use mock_time::{advance, at_zero, poll_once, run};
use resil_embassy::CircuitBreaker;
use resil_embassy::clock::sleep_until;
use resil_embassy::core::backoff::Jitter;
use resil_embassy::core::circuit_breaker::{CircuitBreakerConfig, Recorded, State};
use resil_embassy::core::outcome::{Classification, FailureClass, RetryAt};
use resil_embassy::core::{ErrorCode, Instant, valid};

const SECOND: Duration = Duration::from_secs(1);

static TWO_FAILURES: CircuitBreakerConfig = valid!(
    CircuitBreakerConfig::builder().failure_threshold(2).timeout(Duration::from_secs(10)).build()
);

type Breaker = CircuitBreaker<CriticalSectionRawMutex>;

fn breaker() -> Breaker {
    CircuitBreaker::new("peer", &TWO_FAILURES, || panic!("no jitter, so nothing to draw"))
}

fn fail(breaker: &Breaker) -> ErrorCode {
    run(breaker.call(async || Err::<(), _>("down")), SECOND).unwrap_err().code()
}

fn opened() -> Breaker {
    let breaker = breaker();
    assert_eq!(breaker.name(), "peer");
    fail(&breaker);
    fail(&breaker);
    assert_eq!(breaker.state(), State::Open);
    breaker
}

#[test]
fn it_opens_refuses_probes_and_closes() {
    let _turn = at_zero();
    let breaker = opened();
    assert_eq!(breaker.retry_at(), Some(RetryAt::At(Instant::from_nanos(10_000_000_000))));
    advance(Duration::from_micros(9_999_999));
    assert_eq!(fail(&breaker), ErrorCode::CircuitBreakerOpen);
    advance(Duration::from_micros(1));
    assert_eq!(breaker.state(), State::HalfOpen);
    assert_eq!(run(breaker.call(async || Ok::<_, ()>(7)), SECOND), Ok(7));
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn an_open_breaker_does_not_touch_the_operation_pitfall_23() {
    let _turn = at_zero();
    let breaker = opened();
    let touched = Cell::new(false);
    let refused = run(
        breaker.call(|| {
            touched.set(true);
            async { Ok::<_, ()>(()) }
        }),
        SECOND,
    );
    assert!(refused.is_err());
    assert!(!touched.get());
}

#[test]
fn a_refusal_says_when_to_come_back_and_the_wait_ends_there() {
    let _turn = at_zero();
    let breaker = opened();
    let refused = breaker.try_acquire().unwrap_err();
    let RetryAt::At(at) = refused.retry() else { panic!("an open breaker knows when") };
    run(sleep_until(at), Duration::from_millis(1));
    assert!(breaker.try_acquire().is_ok());
}

#[test]
fn a_dropped_call_gives_its_probe_slot_back_pitfall_1() {
    let _turn = at_zero();
    let breaker = opened();
    advance(Duration::from_secs(10));
    {
        let mut hung = pin!(breaker.call(async || pending::<Result<(), ()>>().await));
        assert!(poll_once(hung.as_mut()).is_pending());
        let taken = breaker.try_acquire().unwrap_err();
        assert_eq!(taken.code(), ErrorCode::CircuitBreakerHalfOpen);
    }
    assert_eq!(breaker.state(), State::HalfOpen, "an abandoned probe is no verdict");
    assert!(breaker.try_acquire().is_ok(), "and its slot is free");
}

#[test]
fn a_dropped_guard_is_abandoned_and_a_told_one_is_told_once() {
    let _turn = at_zero();
    let breaker = breaker();
    drop(breaker.try_acquire().unwrap());
    assert_eq!(breaker.try_acquire().unwrap().failure(FailureClass::Timeout), Recorded::Counted);
    assert_eq!(breaker.state(), State::Closed, "one failure and one abandonment are not two");
    let last = breaker.try_acquire().unwrap().failure(FailureClass::Timeout);
    assert!(last.transition().is_some_and(|transition| transition.to == State::Open));
}

#[test]
fn half_open_admits_one_of_many_tasks_pitfall_8() {
    let _turn = at_zero();
    let breaker = opened();
    advance(Duration::from_secs(10));
    let running = Cell::new(0);
    let mut calls: Vec<Pin<Box<_>>> = (0..100)
        .map(|_| {
            Box::pin(breaker.call(async || {
                running.set(running.get() + 1);
                pending::<Result<(), ()>>().await
            }))
        })
        .collect();
    for call in &mut calls {
        let _ = poll_once(call.as_mut());
    }
    assert_eq!(running.get(), 1);
}

#[test]
fn a_result_from_before_the_transition_is_stale_pitfall_25() {
    let _turn = at_zero();
    let breaker = breaker();
    let early = breaker.try_acquire().unwrap();
    fail(&breaker);
    fail(&breaker);
    assert_eq!(early.success(), Recorded::Stale);
    assert_eq!(breaker.state(), State::Open);
}

#[test]
fn what_the_classifier_ignores_moves_no_counter() {
    let _turn = at_zero();
    let ignore = |_: &&str| Classification::Ignored;
    let breaker = CircuitBreaker::<CriticalSectionRawMutex, _, _>::with_classifier(
        "peer",
        &TWO_FAILURES,
        || 0,
        ignore,
    );
    for _ in 0..10 {
        let failed = run(breaker.call(async || Err::<(), _>("not found")), SECOND);
        assert_eq!(failed.unwrap_err().into_operation_error(), Some("not found"));
    }
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn it_can_be_forced_and_let_go() {
    let _turn = at_zero();
    let breaker = breaker();
    breaker.force_open();
    assert_eq!(
        (breaker.state(), fail(&breaker)),
        (State::ForcedOpen, ErrorCode::CircuitBreakerOpen)
    );
    breaker.disable();
    for _ in 0..5 {
        assert_eq!(fail(&breaker), ErrorCode::OperationFailed);
    }
    assert_eq!(breaker.state(), State::Disabled);
    breaker.reset();
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn jitter_is_drawn_from_the_function_that_was_given() {
    static DRAWS: AtomicU32 = AtomicU32::new(0);
    fn draw() -> u32 {
        DRAWS.fetch_add(1, Ordering::Relaxed)
    }
    static JITTERED: CircuitBreakerConfig =
        valid!(CircuitBreakerConfig::builder().failure_threshold(1).jitter(Jitter::Equal).build());
    let _turn = at_zero();
    let breaker = CircuitBreaker::<CriticalSectionRawMutex>::new("peer", &JITTERED, draw);
    fail(&breaker);
    assert_eq!(DRAWS.load(Ordering::Relaxed), 1);
    fail(&breaker); // refused: nothing opens, so nothing is drawn
    assert_eq!(DRAWS.load(Ordering::Relaxed), 1);
}
