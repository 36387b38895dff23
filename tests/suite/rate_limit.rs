//! What is promised of rate limits, one by one, and the pitfalls that have a plain example.

use core::time::Duration;
use resil_core::rate_limit::{
    BucketState, ExactLog, Limit, Limiter, RateLimit, RateLimitConfig, StrictBucket, SubWindows,
    TokenBucket,
};
use resil_core::{ErrorCode, Instant, RetryAt, valid};

const SECOND: u64 = 1_000_000_000;

/// Ten a second, five at once.
const CONFIG: RateLimitConfig = valid!(
    RateLimitConfig::builder()
        .max_requests(10)
        .time_window(Duration::from_secs(1))
        .burst_size(5)
        .build()
);
const BUCKET: TokenBucket = TokenBucket::new(CONFIG);
const STRICT: StrictBucket = valid!(StrictBucket::new(CONFIG));
const LIMIT: RateLimit = RateLimit::new(CONFIG);
const EXACT: RateLimit<ExactLog<10>> = valid!(RateLimit::with_exact_log(CONFIG));

fn at(nanos: u64) -> Instant {
    Instant::from_nanos(nanos)
}

/// Asks for one as often as `every` nanoseconds and counts what passes.
fn greedy<L: Limit>(limit: L, from: u64, to: u64, every: usize) -> Vec<u64> {
    let mut limiter = Limiter::new(limit);
    (from..to).step_by(every).filter(|now| limiter.try_acquire(1, at(*now)).is_ok()).collect()
}

fn most_in_a_window(admitted: &[u64], window: u64) -> usize {
    let in_window =
        |last: &u64| admitted.iter().filter(|t| **t <= *last && last - **t < window).count();
    admitted.iter().map(in_window).max().unwrap_or(0)
}

#[test]
fn every_limit_has_the_size_it_promises() {
    assert_eq!(size_of::<BucketState>(), 8);
    assert_eq!(size_of::<<StrictBucket as Limit>::State>(), 8);
    assert_eq!(size_of::<<RateLimit as Limit>::State>(), 64);
    assert_eq!(size_of::<<RateLimit<SubWindows<3>> as Limit>::State>(), 40);
    assert_eq!(size_of::<<RateLimit<ExactLog<10>> as Limit>::State>(), 96);
}

#[test]
fn a_fresh_limit_is_full() {
    fn fresh<L: Limit>(limit: L) -> u32 {
        Limiter::new(limit).available(Instant::EPOCH)
    }
    assert_eq!([fresh(&BUCKET), fresh(&STRICT), fresh(&LIMIT), fresh(&EXACT)], [5; 4]);
}

#[test]
fn a_cost_of_zero_is_allowed_and_changes_nothing() {
    fn zero<L: Limit<State: PartialEq>>(limit: L) {
        let mut limiter = Limiter::new(limit);
        let spent = limiter.available(at(7));
        limiter.try_acquire(spent, at(7)).unwrap();
        let before = limiter.as_state().clone();
        for now in [0, 7, SECOND, u64::MAX] {
            assert!(limiter.try_acquire(0, at(now)).is_ok());
            assert!(limiter.peek(0, at(now)).is_ok());
        }
        assert!(*limiter.as_state() == before);
    }
    zero(&BUCKET);
    zero(&STRICT);
    zero(&LIMIT);
    zero(&EXACT);
}

#[test]
fn a_denied_request_reserves_and_writes_nothing_pitfall_54() {
    fn denied<L: Limit<State: PartialEq>>(limit: L) {
        let mut limiter = Limiter::new(limit);
        limiter.try_acquire(5, at(7)).unwrap();
        let before = limiter.as_state().clone();
        for now in [7, 8, 1_000, SECOND / 20] {
            for cost in [1, 5, 6, u32::MAX] {
                assert!(limiter.try_acquire(cost, at(now)).is_err());
            }
        }
        assert!(*limiter.as_state() == before);
    }
    denied(&BUCKET);
    denied(&STRICT);
    denied(&LIMIT);
    denied(&EXACT);
}

#[test]
fn a_cost_above_the_capacity_is_never_and_arms_no_timer_pitfalls_41_60() {
    fn never<L: Limit>(limit: L) {
        let mut limiter = Limiter::new(limit);
        for cost in [6, u32::MAX] {
            let refused = limiter.try_acquire(cost, at(7)).unwrap_err();
            assert_eq!(refused.code(), ErrorCode::RateLimitCostExceedsBurst);
            assert_eq!(refused.retry(), RetryAt::Never);
        }
        assert_eq!(limiter.next_deadline(at(7)), None);
    }
    never(&BUCKET);
    never(&STRICT);
    never(&LIMIT);
    never(&EXACT);
}

#[test]
fn a_burst_above_the_maximum_is_valid_and_the_window_rules() {
    let config = RateLimitConfig::builder().max_requests(2).build().unwrap();
    let mut limiter = Limiter::new(RateLimit::new(config));
    limiter.try_acquire(2, at(0)).unwrap();
    let refused = limiter.try_acquire(1, at(0)).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::RateLimitQuotaExhausted);
    assert_eq!(limiter.limit().capacity(), 2);
}

#[test]
fn the_long_run_rate_of_a_bucket_is_exact() {
    // 3 a second: a token takes a third of a nanosecond more than 333,333,333 ns.
    let config = RateLimitConfig::builder()
        .max_requests(3)
        .time_window(Duration::from_secs(1))
        .burst_size(1)
        .build()
        .unwrap();
    let mut limiter = Limiter::new(TokenBucket::new(config));
    let mut now = Instant::EPOCH;
    let requests = 1_000_000_u64;
    for _ in 0..requests {
        now = match limiter.try_acquire(1, now) {
            Ok(_) => match limiter.peek(1, now).unwrap_err().retry() {
                RetryAt::At(next) => next,
                other => panic!("{other:?}"),
            },
            Err(refused) => panic!("{refused:?}"),
        };
    }
    // Each instant is the next whole nanosecond, and with a burst of one that much is lost.
    let exact = requests * SECOND / 3;
    assert!(now.as_nanos() - exact <= requests, "{} late", now.as_nanos() - exact);

    // With room for a second token nothing is.
    let config = RateLimitConfig::builder()
        .max_requests(3)
        .time_window(Duration::from_secs(1))
        .burst_size(2)
        .build()
        .unwrap();
    let mut limiter = Limiter::new(TokenBucket::new(config));
    let (mut now, mut admitted) = (Instant::EPOCH, 0);
    while admitted < requests {
        match limiter.try_acquire(1, now) {
            Ok(_) => admitted += 1,
            Err(refused) => match refused.retry() {
                RetryAt::At(next) => now = next,
                other => panic!("{other:?}"),
            },
        }
    }
    let exact = (requests - 2) * SECOND / 3;
    assert!(now.as_nanos().abs_diff(exact) <= 1, "off by {}", now.as_nanos().abs_diff(exact));
}

#[test]
fn the_ring_gets_at_least_k_of_k_plus_one_in_the_long_run() {
    fn per_window<const K: usize>() -> f64 {
        let config = RateLimitConfig::builder()
            .max_requests(60)
            .time_window(Duration::from_nanos(6_000))
            .burst_size(60)
            .build()
            .unwrap();
        let limit = RateLimit::<SubWindows<K>>::with_sub_windows(config);
        let admitted = greedy(limit, 0, 600_000, 1);
        assert!(most_in_a_window(&admitted[..500], 6_000) <= 60);
        admitted.len() as f64 / 100.0
    }
    assert!(per_window::<1>() >= 60.0 * 0.5);
    assert!(per_window::<3>() >= 60.0 * 0.75);
    assert!(per_window::<10>() >= 60.0 * 10.0 / 11.0);
}

#[test]
fn no_window_sees_a_double_burst_at_its_edge_pitfall_37() {
    // A greedy caller that starts just before what would be the edge of a fixed window.
    for start in [0, 1, SECOND / 2, SECOND - 1_000_000, SECOND - 1] {
        let to = start + 5 * SECOND;
        let strict = greedy(&STRICT, start, to, 1_000_003);
        let ring = greedy(&LIMIT, start, to, 1_000_003);
        let exact = greedy(&EXACT, start, to, 1_000_003);
        for admitted in [&strict, &ring, &exact] {
            assert!(most_in_a_window(admitted, SECOND) <= 10);
        }
        assert!(exact.len() >= 49, "and the log gives all there is: {}", exact.len());
        assert!(ring.len() >= 45, "the ring ten parts in eleven: {}", ring.len());
        assert!(strict.len() >= 29, "the strict bucket what it refills: {}", strict.len());
        // The plain bucket promises burst and rate, which is more than the maximum.
        let bucket = greedy(&BUCKET, start, to, 1_000_003);
        assert!((11..=15).contains(&most_in_a_window(&bucket, SECOND)));
    }
}

#[test]
fn a_pause_gives_everything_back_pitfalls_38_40() {
    fn after_a_pause<L: Limit>(limit: L) {
        let mut limiter = Limiter::new(limit);
        limiter.try_acquire(5, at(0)).unwrap();
        for pause in [2 * SECOND, 3_600 * SECOND, 1 << 62] {
            assert_eq!((0..100).filter(|_| limiter.try_acquire(1, at(pause)).is_ok()).count(), 5);
        }
    }
    after_a_pause(&BUCKET);
    after_a_pause(&STRICT);
    after_a_pause(&LIMIT);
    after_a_pause(&EXACT);
}

#[test]
fn waits_round_up_so_that_obeying_them_keeps_the_rate_pitfall_39() {
    let config = RateLimitConfig::builder()
        .max_requests(7)
        .time_window(Duration::from_nanos(100))
        .burst_size(1)
        .build()
        .unwrap();
    let mut limiter = Limiter::new(TokenBucket::new(config));
    let mut now = Instant::EPOCH;
    let mut admitted = 0;
    while now < at(100_000) {
        limiter.try_acquire(1, now).unwrap();
        admitted += 1;
        let RetryAt::At(next) = limiter.peek(1, now).unwrap_err().retry() else { panic!() };
        now = next;
    }
    assert!(admitted <= 7_001, "{admitted}");
}

#[test]
fn a_due_token_is_there_at_every_rate_pitfalls_42_49() {
    // Irregular steps; after a token's time rounded up there is always a token.
    for max in 1..200 {
        let config = RateLimitConfig::builder()
            .max_requests(max)
            .time_window(Duration::from_nanos(1_000_003))
            .burst_size(2)
            .build()
            .unwrap();
        let mut limiter = Limiter::new(TokenBucket::new(config));
        limiter.try_acquire(2, at(17)).unwrap();
        let mut now = 17;
        for step in 0..50 {
            now += 1_000_003_u64.div_ceil(max.into()) + 1 + step % 3;
            assert!(limiter.try_acquire(1, at(now)).is_ok(), "{max} {step}");
        }
    }
}

#[test]
fn a_cheap_caller_delays_a_dear_one_no_longer_than_it_spends_pitfall_58() {
    // Documented: requests do not queue here. Once the cheap caller pauses for a refill, it passes.
    let mut limiter = Limiter::new(&BUCKET);
    limiter.try_acquire(5, at(0)).unwrap();
    for tenth in 1..=20 {
        limiter.try_acquire(1, at(tenth * SECOND / 10)).unwrap();
        assert!(limiter.peek(5, at(tenth * SECOND / 10)).is_err());
    }
    assert!(limiter.try_acquire(5, at(2 * SECOND + SECOND / 2)).is_ok());
}

#[test]
fn a_wait_is_no_longer_than_a_whole_refill_pitfall_66() {
    let mut limiter = Limiter::new(&BUCKET);
    limiter.try_acquire(5, at(1 << 60)).unwrap();
    for cost in 1..=5 {
        let refused = limiter.peek(cost, at(1 << 60)).unwrap_err();
        let wait = refused.retry().wait_from(at(1 << 60)).unwrap();
        assert_eq!(wait, Duration::from_millis(100 * u64::from(cost)));
    }
}

#[test]
fn tokens_are_capped_after_the_spending_is_taken_off_pitfall_67() {
    let mut limiter = Limiter::new(&BUCKET);
    // Full for ever so long; then five spent, and after one token's time exactly one is back.
    limiter.try_acquire(5, at(100 * SECOND)).unwrap();
    assert_eq!(limiter.available(at(100 * SECOND + SECOND / 10)), 1);
    assert_eq!(limiter.available(at(100 * SECOND + SECOND / 2)), 5);
    assert_eq!(limiter.available(at(100 * SECOND + SECOND)), 5);
}

#[test]
fn suspend_is_a_jump_or_nothing_and_both_are_right_pitfall_69() {
    // A clock that runs during suspend refills, one that stands still does not; neither mints.
    let mut runs = Limiter::new(&LIMIT);
    let mut stands = runs.clone();
    runs.try_acquire(5, at(SECOND)).unwrap();
    stands.try_acquire(5, at(SECOND)).unwrap();
    assert_eq!(runs.available(at(3_601 * SECOND)), 5);
    assert_eq!(stands.available(at(SECOND + 1)), 0);
}

#[test]
fn a_step_back_delays_by_at_most_one_refill_or_window_pitfall_65() {
    fn longest_wait<L: Limit>(limit: L, back: u64) -> u64 {
        let mut limiter = Limiter::new(limit);
        limiter.try_acquire(5, at(1_000 * SECOND)).unwrap();
        let now = at(1_000 * SECOND - back);
        let refused = limiter.try_acquire(1, now).unwrap_err();
        let wait = refused.retry().wait_from(now).unwrap();
        wait.as_nanos() as u64
    }
    // A refill takes half a second, a window one; the strict bucket refills at half the rate.
    for back in [1, SECOND / 10, SECOND, 999 * SECOND] {
        let bucket_due = SECOND / 10 + back;
        assert!(longest_wait(&BUCKET, back) <= bucket_due.min(SECOND), "{back}");
        assert!(longest_wait(&STRICT, back) <= (SECOND / 5 + back).min(2 * SECOND), "{back}");
        assert!(longest_wait(&EXACT, back) <= bucket_due.min(SECOND), "{back}");
        assert!(longest_wait(&LIMIT, back) <= bucket_due.min(SECOND), "{back}");
    }
}

#[test]
fn alternating_timestamps_mint_nothing_pitfall_51() {
    fn alternate<L: Limit>(limit: L) -> usize {
        let mut limiter = Limiter::new(limit);
        let clock = [at(10 * SECOND), at(10 * SECOND - 1_000_000)];
        (0..10_000).filter(|turn| limiter.try_acquire(1, clock[turn % 2]).is_ok()).count()
    }
    assert_eq!([alternate(&STRICT), alternate(&LIMIT), alternate(&EXACT)], [5; 3]);
    assert_eq!(alternate(&BUCKET), 5);
}

#[test]
fn beyond_2_to_the_63_everything_is_empty_and_nothing_is_full() {
    fn beyond<L: Limit>(limit: L) {
        let mut limiter = Limiter::new(limit);
        for now in [(1 << 63) + 1, u64::MAX] {
            assert!(limiter.try_acquire(1, at(now)).is_err());
            assert_eq!(limiter.available(at(now)), 0);
            assert_eq!(limiter.next_deadline(at(now)), None);
        }
        assert_eq!(limiter.available(at(1 << 62)), 5);
    }
    beyond(&BUCKET);
    beyond(&STRICT);
    beyond(&LIMIT);
    beyond(&EXACT);
}

#[test]
fn a_limit_keeps_its_law_through_years_of_jumps() {
    let year = 365 * 24 * 3_600 * SECOND;
    let mut limiter = Limiter::new(&LIMIT);
    for now in [0, 250 * year, 100 * year, 290 * year, 1] {
        let admitted = (0..100).filter(|_| limiter.try_acquire(1, at(now)).is_ok()).count();
        assert!(admitted == 5 || admitted == 0, "{admitted}");
    }
}

#[test]
fn a_refund_lifts_no_limit_above_full() {
    fn refund<L: Limit>(limit: L) {
        let mut limiter = Limiter::new(limit);
        let charge = limiter.try_acquire(5, at(0)).unwrap();
        limiter.refund(charge, at(100 * SECOND));
        let now = at(100 * SECOND);
        assert_eq!((0..100).filter(|_| limiter.try_acquire(1, now).is_ok()).count(), 5);
    }
    refund(&BUCKET);
    refund(&STRICT);
    refund(&LIMIT);
    refund(&EXACT);
}
