use core::time::Duration;

use proptest::prelude::*;
use resil_core::rate_limit::{self as machine, RateLimitConfig, TokenBucket};
use tokio::task::yield_now;

use super::*;
use crate::clock::MockClock;

/// One token per 10 ms, so many at once.
fn bucket(burst: u32) -> TokenBucket {
    let config = RateLimitConfig::builder()
        .max_requests(100)
        .time_window(Duration::from_secs(1))
        .burst_size(burst);
    TokenBucket::new(config.build().unwrap())
}

fn mocked(burst: u32) -> (Limiter<TokenBucket, MockClock>, MockClock) {
    let clock = MockClock::new(Instant::from_nanos(5));
    (Limiter::with_clock(bucket(burst), clock.clone()), clock)
}

#[derive(Clone, Debug)]
enum Op {
    Step(u64),
    Check(u32),
    Contended(u32),
    Reserve(u32, u64),
    Charge(u32),
    Refund(usize),
    Reset,
    Reconfigure(u32, u32, Carry),
}

fn op() -> impl Strategy<Value = Op> {
    let carry = prop_oneof![Just(Carry::Spent), Just(Carry::Share)];
    prop_oneof![
        3 => (0..50_000_000_u64).prop_map(Op::Step),
        8 => (0_u32..8).prop_map(Op::Check),
        2 => (0_u32..8).prop_map(Op::Contended),
        2 => (0_u32..8, 0..90_000_000_u64).prop_map(|(tokens, wait)| Op::Reserve(tokens, wait)),
        1 => (0_u32..8).prop_map(Op::Charge),
        3 => (0_usize..6).prop_map(Op::Refund),
        1 => Just(Op::Reset),
        2 => (1_u32..300, 1_u32..12, carry).prop_map(|(rate, burst, carry)| Op::Reconfigure(rate, burst, carry)),
    ]
}

proptest! {
    /// With one owner it answers as core's limiter does, before another limit is in force and after.
    #[test]
    fn a_limiter_under_another_limit_answers_as_cores(ops in prop::collection::vec(op(), 1..120)) {
        let (limiter, clock) = mocked(5);
        let mut core = machine::Limiter::new(bucket(5));
        let mut charges = Vec::new();
        for op in ops {
            let now = clock.now();
            match op {
                Op::Step(nanos) => clock.advance(Duration::from_nanos(nanos)),
                Op::Check(tokens) | Op::Contended(tokens) => {
                    prop_assert_eq!(limiter.peek(tokens), core.peek(tokens, now));
                    let is_contended = matches!(op, Op::Contended(_));
                    let mine = if is_contended { limiter.check_contended(tokens) } else { limiter.check(tokens) };
                    let its = core.try_acquire(tokens, now);
                    prop_assert_eq!(mine.as_ref().err(), its.as_ref().err());
                    charges.extend(mine.ok().zip(its.ok()));
                }
                Op::Reserve(tokens, wait) => {
                    let latest = now.saturating_add(Duration::from_nanos(wait));
                    let (mine, its) = (limiter.reserve(tokens, latest), core.reserve(tokens, latest, now));
                    prop_assert_eq!(mine.as_ref().err(), its.as_ref().err());
                    if let (Ok(mine), Ok(its)) = (mine, its) {
                        prop_assert_eq!(mine.at(), its.at());
                        charges.push((mine.into_charge(), its.into_charge()));
                    }
                }
                Op::Charge(tokens) => prop_assert_eq!(limiter.charge(tokens), core.charge(tokens, now)),
                Op::Refund(back) if back < charges.len() => {
                    let (mine, its) = charges.swap_remove(back);
                    limiter.refund(mine);
                    core.refund(its, now);
                }
                Op::Refund(_) => {}
                Op::Reset => {
                    limiter.reset();
                    core.reset();
                }
                Op::Reconfigure(rate, burst, carry) => {
                    let config = RateLimitConfig::builder().max_requests(rate).burst_size(burst);
                    let config = config.time_window(Duration::from_secs(1)).build().unwrap();
                    limiter.reconfigure(TokenBucket::new(config), carry);
                    core.reconfigure_with(TokenBucket::new(config), carry, now);
                    prop_assert_eq!(limiter.config(), config);
                }
            }
            prop_assert_eq!(limiter.available(), core.available(clock.now()));
        }
    }
}

#[test]
fn threads_that_ask_while_a_limit_is_put_in_force_lose_and_mint_nothing() {
    for round in 0..200 {
        let (limiter, _) = mocked(10_000);
        let admitted: u32 = std::thread::scope(|scope| {
            let ask = |by_adding: bool| {
                let one = || if by_adding { limiter.check_contended(1) } else { limiter.check(1) };
                (0..500).map(|_| u32::from(one().is_ok())).sum::<u32>()
            };
            let threads = [false, false, true].map(|by_adding| scope.spawn(move || ask(by_adding)));
            limiter.reconfigure(bucket(9_000), Carry::Spent);
            threads.map(|thread| thread.join().unwrap()).iter().sum()
        });
        // By adding it may be refused once, in the instant between; what that added is nobody's.
        assert!((1_499..=1_500).contains(&admitted), "{round}: {admitted}");
        assert_eq!(limiter.available(), 9_000 - admitted, "{round}");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_goes_on_at_once_under_a_larger_limit() {
    let limiter = Limiter::new(bucket(2));
    limiter.check(2).unwrap();
    let waits = limiter.clone();
    let waits = tokio::spawn(async move { waits.until_ready(2).await });
    yield_now().await;
    let started = tokio::time::Instant::now();
    assert!(limiter.check(1).is_err());
    limiter.reconfigure(bucket(4), Carry::Spent);
    assert!(waits.await.unwrap().is_ok());
    assert_eq!(started.elapsed(), Duration::ZERO);
    assert_eq!(limiter.available(), 0);
    assert_eq!(limiter.until_ready(1).await.map(drop), Ok(()), "it goes on");
    assert_eq!(started.elapsed(), Duration::from_millis(10));
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_more_than_another_limit_can_hold_is_told() {
    let limiter = Limiter::new(bucket(5));
    limiter.check(5).unwrap();
    let waits = limiter.clone();
    let waits = tokio::spawn(async move { waits.until_ready(5).await.map(drop) });
    yield_now().await;
    limiter.reconfigure(bucket(3), Carry::Share);
    let refused = waits.await.unwrap().unwrap_err();
    assert_eq!(refused.code(), resil_core::ErrorCode::RateLimitCostExceedsBurst);
}
