//! Calls of several attempts, and their errors.

use super::{STEPS, Walk, allocations};
use core::fmt::Write;
use core::time::Duration;
use resil_core::backoff::Jitter;
use resil_core::call::{Call, CallPolicy, Layers, Request, Step, Verdict};
use resil_core::circuit_breaker::{CircuitBreaker, CircuitBreakerConfig};
use resil_core::hedge::{Hedge, HedgePolicy};
use resil_core::outcome::{Classification, FailureClass, RetryHint};
use resil_core::rate_limit::{Limiter, RateLimitConfig, TokenBucket};
use resil_core::retry::budget::{RetryBudget, TokenBudget};
use resil_core::retry::{Next, Retry, RetryPolicy};
use resil_core::text::Text;
use resil_core::{ErrorCode, Instant, Rejected, ResilienceError, RetryAt};

#[test]
fn retries_and_their_errors_never_allocate() {
    let mut printed = Text::<200>::new();
    let count = allocations(|| {
        let builder = RetryPolicy::builder().max_attempts(5).max_refusal_waits(2);
        let builder = builder.deadline(Duration::from_secs(90)).jitter(Jitter::Decorrelated);
        let policy = builder.build().unwrap();
        let (mut walk, mut now) = (Walk(4), Instant::EPOCH);
        for _ in 0..STEPS / 10 {
            let mut retry = Retry::start(&policy, now);
            loop {
                let entropy = walk.next() as u32;
                let hint = RetryHint::After(Duration::from_secs(walk.next() % 8));
                let failure = Classification::Failure(FailureClass::Throttled, hint);
                let refusal = Rejected::new(ErrorCode::RateLimitExceeded, RetryAt::At(now));
                if let Next::Stop(refused) = retry.refused(&policy, refusal, entropy, now) {
                    let error: ResilienceError<u8> = retry.refusal_error(refused, Some(1));
                    let _ = error.wire(now);
                }
                match retry.record(&policy, failure, entropy, now) {
                    Next::Wait(wait) => now = wait.until(),
                    Next::Stop(stop) => {
                        let error = retry.error(stop, 1_u8).with_detail("peer", "node-3");
                        printed = Text::new();
                        let _ = write!(printed, "{error}");
                        let _ = error.wire(now);
                        break;
                    }
                }
            }
        }
    });
    assert_eq!(count, 0);
    assert!(printed.as_str().contains("peer=node-3"), "{printed}");
}

#[test]
fn the_composed_call_never_allocates() {
    let mut ends = [0_u32; 3];
    let count = allocations(|| {
        let retry = RetryPolicy::builder().deadline(Duration::from_secs(60)).build().unwrap();
        let policy = CallPolicy::new(retry).with_attempt_timeout(Duration::from_secs(9)).unwrap();
        let hedging =
            HedgePolicy::builder().fallback_delay(Duration::from_secs(1)).build().unwrap();
        let mut breaker = CircuitBreaker::new(CircuitBreakerConfig::DEFAULT);
        let mut limit = Limiter::new(TokenBucket::new(RateLimitConfig::DEFAULT));
        let mut tokens = RetryBudget::new(TokenBudget::AWS);
        let mut hedge = Hedge::new(hedging);
        let (mut walk, mut now) = (Walk(9), Instant::from_nanos(1 << 40));
        for _ in 0..STEPS / 10 {
            let mut call = Call::start(&policy, Request::ONE, now);
            for _ in 0..64 {
                let entropy = walk.next() as u32;
                let draw = || entropy;
                let mut gates = Layers::new((&mut breaker, &mut limit))
                    .with_budget(&mut tokens)
                    .with_hedge(&mut hedge);
                match call.poll(&policy, &mut gates, draw, now) {
                    Step::Attempt(ticket) => match walk.next() % 4 {
                        0 => call.abandon(&policy, &mut gates, draw, now),
                        1 => drop(ticket),
                        lot => {
                            let lost =
                                Classification::Failure(FailureClass::Timeout, RetryHint::None);
                            let result = if lot == 2 { Ok(()) } else { Err(lost) };
                            now = now.saturating_add(Duration::from_millis(walk.next() % 256));
                            let _ = call.finish(&policy, ticket, result, &mut gates, draw, now);
                        }
                    },
                    Step::Wait { until, .. } => now = until.unwrap_or(now),
                    Step::Done(verdict) => {
                        ends[match verdict {
                            Verdict::Success => 0,
                            Verdict::Abandoned => 1,
                            _ => 2,
                        }] += 1;
                        let _ = call.error::<u8>(verdict, Some(1));
                        break;
                    }
                }
            }
            now = now.saturating_add(Duration::from_secs(2));
        }
    });
    assert_eq!(count, 0);
    assert!(ends.iter().all(|count| *count > 0), "{ends:?}");
}
