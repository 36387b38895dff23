//! resil-std's breaker: threads, cancellation, panics, callbacks.

use core::time::Duration;
use std::sync::{Arc, Barrier, OnceLock};
use std::thread;

use resil_std::circuit_breaker::{CircuitBreaker, Guard};
use resil_std::clock::MockClock;
use resil_std::core::ErrorCode;
use resil_std::core::backoff::Jitter;
use resil_std::core::circuit_breaker::{CircuitBreakerConfig, CircuitBreakerConfigBuilder, State};
use resil_std::core::outcome::{Classification, EveryError, FailureClass};
use tokio::time::timeout;

const SECOND: Duration = Duration::from_secs(1);

/// Opens at the second failure, for 10 s.
fn quick() -> CircuitBreakerConfigBuilder {
    CircuitBreakerConfig::builder().failure_threshold(2).timeout(10 * SECOND)
}

fn with_clock(config: CircuitBreakerConfig) -> (CircuitBreaker<EveryError, MockClock>, MockClock) {
    let clock = MockClock::default();
    (CircuitBreaker::with("peer", config, EveryError, clock.clone()), clock)
}

#[test]
fn handles_and_guards_cross_threads() {
    fn shareable<T: Send + Sync + 'static>() {}
    shareable::<CircuitBreaker>();
    shareable::<Guard>();
}

#[tokio::test(start_paused = true)]
async fn the_whole_circle_in_paused_time() {
    let breaker = CircuitBreaker::new("peer", quick().build().unwrap());
    for _ in 0..2 {
        breaker.call(async || Err::<(), _>("down")).await.unwrap_err();
    }
    assert_eq!(breaker.state(), State::Open);
    tokio::time::advance(10 * SECOND - Duration::from_millis(1)).await;
    let refused = breaker.call(async || Ok::<_, ()>(())).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::CircuitBreakerOpen);
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(breaker.state(), State::HalfOpen);
    assert!(breaker.call(async || Ok::<_, ()>(())).await.is_ok());
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn the_whole_circle_with_blocking_calls() {
    let (breaker, clock) = with_clock(quick().build().unwrap());
    for _ in 0..2 {
        let error = breaker.call_blocking(|| Err::<(), _>("down")).unwrap_err();
        assert_eq!(error.into_operation_error(), Some("down"));
    }
    assert_eq!(breaker.state(), State::Open);
    clock.advance(10 * SECOND - Duration::from_nanos(1));
    let refused = breaker.call_blocking(|| Ok::<_, ()>(())).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::CircuitBreakerOpen);
    clock.advance(Duration::from_nanos(1));
    assert_eq!(breaker.state(), State::HalfOpen);
    assert!(breaker.call_blocking(|| Ok::<_, ()>(())).is_ok());
    assert_eq!(breaker.state(), State::Closed);
}

#[tokio::test]
async fn an_error_that_is_not_expected_is_passed_through_and_moves_no_counter() {
    let classify = |error: &&str| match *error {
        "not found" => Classification::Ignored,
        _ => FailureClass::Transient.into(),
    };
    let breaker = CircuitBreaker::with_classifier("peer", quick().build().unwrap(), classify);
    breaker.call_blocking(|| Err::<(), _>("down")).unwrap_err();
    for _ in 0..9 {
        let error = breaker.call(async || Err::<(), _>("not found")).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::OperationFailed);
        assert_eq!(error.into_operation_error(), Some("not found"));
        breaker.call_blocking(|| Err::<(), _>("not found")).unwrap_err();
    }
    assert_eq!(breaker.state(), State::Closed, "not counted");
    breaker.call_blocking(|| Err::<(), _>("down")).unwrap_err();
    assert_eq!(breaker.state(), State::Open, "not cleared");
}

#[test]
fn a_reset_closes_an_open_breaker() {
    let (breaker, _) = with_clock(quick().build().unwrap());
    for _ in 0..2 {
        breaker.call_blocking(|| Err::<(), _>("down")).unwrap_err();
    }
    assert_eq!(breaker.state(), State::Open);
    breaker.reset();
    assert_eq!(breaker.state(), State::Closed);
    breaker.call_blocking(|| Err::<(), _>("down")).unwrap_err();
    assert_eq!(breaker.state(), State::Closed, "the former failures are forgotten");
}

#[test]
fn half_open_admits_exactly_k_probes_from_many_threads_pitfall_8() {
    const THREADS: usize = 8;
    const ASKS: usize = 1_250;
    for probes in [1, 3] {
        let (breaker, clock) = with_clock(quick().probes(probes).build().unwrap());
        for _ in 0..2 {
            breaker.try_acquire().unwrap().failure(FailureClass::Transient);
        }
        clock.advance(10 * SECOND);
        let start = Barrier::new(THREADS);
        let ask = || {
            start.wait();
            (0..ASKS).filter_map(|_| breaker.try_acquire().ok()).collect::<Vec<_>>()
        };
        let granted = thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(ask)).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        assert_eq!(granted.len(), usize::from(probes), "of {} that asked", THREADS * ASKS);
    }
}

#[test]
fn a_storm_of_threads_loses_no_permit() {
    let (breaker, clock) = with_clock(quick().probes(2).success_threshold(2).build().unwrap());
    thread::scope(|scope| {
        for seed in 0..8_usize {
            let (breaker, clock) = (breaker.clone(), clock.clone());
            scope.spawn(move || {
                for turn in 0..2_000 {
                    clock.advance(Duration::from_millis(7));
                    let Ok(guard) = breaker.try_acquire() else { continue };
                    match (seed + turn) % 4 {
                        0 => drop(guard.success()),
                        1 => drop(guard.failure(FailureClass::Timeout)),
                        2 => drop(guard.ignore()),
                        _ => drop(guard),
                    }
                }
            });
        }
    });
    // Whatever has happened: one open time later probes pass, and successes close it.
    clock.advance(10 * SECOND);
    for _ in 0..2 {
        breaker.try_acquire().unwrap().success();
    }
    assert_eq!(breaker.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_around_a_probe_frees_its_slot_pitfall_2() {
    let breaker = CircuitBreaker::new("peer", quick().build().unwrap());
    for _ in 0..2 {
        breaker.call(async || Err::<(), _>("down")).await.unwrap_err();
    }
    tokio::time::advance(10 * SECOND).await;
    let hangs = breaker.call(async || core::future::pending::<Result<(), ()>>().await);
    assert!(timeout(SECOND, hangs).await.is_err());
    assert_eq!(breaker.state(), State::HalfOpen);
    assert!(breaker.call(async || Ok::<_, ()>(())).await.is_ok());
    assert_eq!(breaker.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_hangs_behind_an_outer_timeout_opens_the_breaker() {
    let config = quick().abandon_counts_after(Some(5 * SECOND)).build().unwrap();
    let breaker = CircuitBreaker::new("peer", config);
    let give_up_after = async |patience| {
        let hangs = breaker.call(async || core::future::pending::<Result<(), ()>>().await);
        timeout(patience, hangs).await.unwrap_err();
    };
    for _ in 0..10 {
        give_up_after(4 * SECOND).await;
    }
    assert_eq!(breaker.state(), State::Closed, "callers that lose interest say nothing");
    for _ in 0..2 {
        give_up_after(5 * SECOND).await;
    }
    assert_eq!(breaker.state(), State::Open);
}

#[tokio::test]
async fn a_task_that_panics_is_a_failure_and_the_breaker_goes_on_pitfall_111() {
    let breaker = CircuitBreaker::new("peer", quick().build().unwrap());
    for _ in 0..2 {
        let breaker = breaker.clone();
        let task = tokio::spawn(async move {
            let dies = async || -> Result<(), ()> {
                tokio::task::yield_now().await;
                panic!("the operation has a bug")
            };
            breaker.call(dies).await
        });
        assert!(task.await.unwrap_err().is_panic());
    }
    assert_eq!(breaker.state(), State::Open);
    breaker.reset();
    assert!(breaker.call(async || Ok::<_, ()>(())).await.is_ok());
}

#[tokio::test]
async fn every_outcome_settles_a_probe_exactly_once_pitfall_3() {
    let classify = |error: &&str| match *error {
        "not found" => Classification::Ignored,
        _ => FailureClass::Transient.into(),
    };
    let config = quick().build().unwrap();
    let clock = MockClock::default();
    let breaker = CircuitBreaker::with("peer", config, classify, clock.clone());
    let state_after = |result: Result<(), &'static str>| {
        breaker.reset();
        for _ in 0..2 {
            breaker.try_acquire().unwrap().failure(FailureClass::Transient);
        }
        clock.advance(10 * SECOND);
        let _ = breaker.call_blocking(|| result);
        breaker.state()
    };
    assert_eq!(state_after(Ok(())), State::Closed);
    assert_eq!(state_after(Err("down")), State::Open);
    assert_eq!(state_after(Err("not found")), State::HalfOpen);
    assert!(breaker.try_acquire().is_ok(), "and its slot is free");
}

#[test]
fn a_classifier_may_use_the_breaker_pitfall_108() {
    let own: Arc<OnceLock<Box<dyn Fn() -> State + Send + Sync>>> = Arc::default();
    let looks = Arc::clone(&own);
    let classify = move |_: &()| looks.get().is_some_and(|state| state() == State::Closed);
    let breaker = CircuitBreaker::with_classifier("peer", CircuitBreakerConfig::DEFAULT, classify);
    let itself = breaker.clone();
    assert!(own.set(Box::new(move || itself.state())).is_ok());
    assert!(breaker.call_blocking(|| Err::<(), _>(())).is_err());
}

#[test]
fn nodes_whose_breakers_open_together_come_back_at_different_times() {
    let clock = MockClock::default();
    let config = quick().failure_threshold(1).jitter(Jitter::Equal).build().unwrap();
    let opens = |_| {
        let breaker = CircuitBreaker::with("peer", config, EveryError, clock.clone());
        breaker.try_acquire().unwrap().failure(FailureClass::Transient);
        breaker.try_acquire().unwrap_err().retry()
    };
    let first = opens(0);
    assert!((1..9).map(opens).any(|other| other != first), "or a chance of one in 2^200");
}
