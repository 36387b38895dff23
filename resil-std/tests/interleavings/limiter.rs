//! The limiter: exchange, refund, reset, and the line.

use core::time::Duration;
use std::sync::Arc;

use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;
use resil_std::core::rate_limit::{BucketState, Carry, RateLimitConfig, TokenBucket};
use resil_std::core::{Clock, Instant};
use resil_std::rate_limit::Limiter;

use crate::{Hand, block_on, give_up, model};

/// Nanoseconds in which a token comes.
const TOKEN: u64 = 10;

fn bucket(burst: u32) -> TokenBucket {
    let config = RateLimitConfig::builder()
        .max_requests(1)
        .time_window(Duration::from_nanos(TOKEN))
        .burst_size(burst);
    TokenBucket::new(config.build().unwrap())
}

fn limiter(burst: u32) -> (Limiter<TokenBucket, Hand>, Hand) {
    let clock = Hand::new(100 * TOKEN);
    (Limiter::with_clock(bucket(burst), clock.clone()), clock)
}

/// How many of three threads are admitted by `ask`, where two can be.
fn admitted(ask: impl Fn() -> bool + Send + Sync + 'static) -> usize {
    let ask = Arc::new(ask);
    let threads = [(); 2].map(|()| {
        let ask = Arc::clone(&ask);
        thread::spawn(move || ask())
    });
    let here = ask();
    threads.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum::<usize>()
        + usize::from(here)
}

#[test]
fn as_many_are_admitted_as_there_are_tokens() {
    model(|| {
        let (limiter, _) = limiter(2);
        assert_eq!(admitted(move || limiter.check(1).is_ok()), 2);
    });
}

#[test]
#[should_panic = "2"]
fn a_load_and_a_store_would_admit_too_many() {
    model(|| {
        let (bucket, word) = (bucket(2), AtomicU64::new(0));
        let ask = move || {
            let found = BucketState::from_raw(word.load(Ordering::Acquire));
            let step = bucket.step(&found, 1, Instant::from_nanos(100 * TOKEN));
            if let Some(made) = step.store {
                word.store(made.into_raw(), Ordering::Release);
            }
            step.outcome.is_ok()
        };
        assert_eq!(admitted(ask), 2);
    });
}

/// A bucket of eight of which one is missing.
fn begun() -> Limiter<TokenBucket, Hand> {
    let (limiter, _) = limiter(8);
    limiter.check(1).unwrap();
    limiter
}

#[test]
fn by_adding_as_many_are_admitted_as_there_are_tokens() {
    model(|| {
        let limiter = begun();
        let rest = limiter.clone();
        assert_eq!(admitted(move || limiter.check_contended(1).is_ok()), 3);
        assert_eq!(rest.available(), 4);
    });
}

#[test]
fn adding_admits_no_more_than_there_are_tokens_where_others_take_half_of_them_pitfall_65() {
    model(|| {
        let limiter = begun();
        let others = limiter.clone();
        let takes = thread::spawn(move || others.check(5).is_ok());
        // Three are admitted, or are refused and lost.
        let added = limiter.check_contended(3).is_ok();
        let taken = takes.join().unwrap();
        assert!(!(added && taken), "eight of seven");
        assert!(added || taken);
    });
}

#[test]
fn adding_beside_what_is_given_back_mints_nothing() {
    model(|| {
        let (limiter, _) = limiter(8);
        let taken = limiter.check(2).unwrap();
        let others = limiter.clone();
        let gives_back = thread::spawn(move || others.refund(taken));
        let added = limiter.check_contended(1).is_ok();
        gives_back.join().unwrap();
        assert!(added);
        assert_eq!(limiter.available(), 7);
    });
}

#[test]
#[should_panic = "more than it holds"]
fn adding_to_a_full_bucket_would_mint() {
    model(|| {
        let (bucket, now) = (bucket(2), Instant::from_nanos(100 * TOKEN));
        let word = AtomicU64::new(0);
        let ask = move || {
            let found = BucketState::from_raw(word.fetch_add(bucket.units(1), Ordering::AcqRel));
            bucket.step(&found, 1, now).outcome.is_ok()
        };
        assert!(admitted(ask) <= 2, "more than it holds");
    });
}

#[test]
fn what_is_given_back_is_there_once_pitfalls_55_57_64() {
    model(|| {
        let (limiter, _) = limiter(3);
        let others = limiter.clone();
        let gives_back = thread::spawn(move || others.refund(others.check(2).unwrap()));
        let taken = limiter.check(1).is_ok();
        gives_back.join().unwrap();
        assert!(taken, "three are enough for both");
        assert_eq!(limiter.available(), 2);
    });
}

#[test]
fn what_was_taken_before_a_reset_is_not_given_back_after_it() {
    model(|| {
        let (limiter, _) = limiter(3);
        let early = limiter.check(3).unwrap();
        let others = limiter.clone();
        let gives_back = thread::spawn(move || others.refund(early));
        limiter.reset();
        let late = limiter.check(3);
        gives_back.join().unwrap();
        assert!(late.is_ok());
        assert_eq!(limiter.available(), 0, "three since the reset, of three");
    });
}

#[test]
fn what_is_taken_while_another_resets_is_never_given_back_twice() {
    model(|| {
        let (limiter, _) = limiter(3);
        let others = limiter.clone();
        let takes = thread::spawn(move || others.check(3));
        limiter.reset();
        let taken = takes.join().unwrap().unwrap();
        let spent = limiter.available();
        limiter.refund(taken);
        let back = limiter.available();
        // Before the reset it is forgotten, and after it comes back, or not where they crossed.
        assert!(spent == 3 || spent == 0);
        assert!(back == 3 || (spent == 0 && back == 0));
    });
}

#[test]
fn what_is_taken_while_another_limit_is_put_in_force_is_spent_once() {
    model(|| {
        let (limiter, _) = limiter(3);
        let taken = limiter.check(1).unwrap();
        let others = limiter.clone();
        let takes = thread::spawn(move || {
            let taken = others.check(1);
            // Of the old limit or of the new one: either there is one left.
            assert!(taken.is_ok());
            others.refund(others.check(1).unwrap());
        });
        limiter.reconfigure(bucket(4), Carry::Spent);
        limiter.refund(taken); // from before
        takes.join().unwrap();
        // The one that was given back may have been taken before, and given back after.
        let left = limiter.available();
        assert!(left == 2 || left == 1, "{left}");
    });
}

#[test]
fn by_adding_too_nothing_is_minted_while_another_limit_is_put_in_force() {
    model(|| {
        let (limiter, others) = {
            let limiter = begun();
            (limiter.clone(), limiter)
        };
        let adds = thread::spawn(move || usize::from(others.check_contended(1).is_ok()));
        limiter.reconfigure(bucket(8), Carry::Spent);
        let taken = adds.join().unwrap() + usize::from(limiter.check_contended(1).is_ok());
        assert_eq!(limiter.available() as usize, 7 - taken);
    });
}

/// One thread asks at once and another three tokens of time later; then there is none left.
fn nothing_is_left(ask: impl Fn() -> bool + Send + Sync + 'static, clock: &Hand) {
    let ask = Arc::new(ask);
    let others = Arc::clone(&ask);
    let oversleeps = thread::spawn(move || others());
    clock.advance(3 * TOKEN);
    let now = ask();
    oversleeps.join().unwrap();
    // Either has got the token of the later instant.
    let again = ask();
    assert!(!(now && again), "two at one instant");
}

#[test]
fn a_thread_that_oversleeps_with_its_reading_of_the_clock_mints_nothing_pitfall_65() {
    model(|| {
        let (limiter, clock) = limiter(1);
        nothing_is_left(move || limiter.check(1).is_ok(), &clock);
    });
}

#[test]
#[should_panic = "two at one instant"]
fn moving_the_bucket_back_by_an_old_reading_would_mint() {
    model(|| {
        let clock = Hand::new(100 * TOKEN);
        let (bucket, word, reads) = (bucket(1), AtomicU64::new(0), clock.clone());
        let ask = move || {
            let now = reads.now();
            let mut found = word.load(Ordering::Acquire);
            loop {
                let step = bucket.step(&BucketState::from_raw(found), 1, now);
                let Some(made) = step.store else { return step.outcome.is_ok() };
                let (to, or) = (Ordering::AcqRel, Ordering::Acquire);
                match word.compare_exchange(found, made.into_raw(), to, or) {
                    Ok(_) => return step.outcome.is_ok(),
                    Err(other) => found = other,
                }
            }
        };
        nothing_is_left(ask, &clock);
    });
}

#[test]
fn tokens_that_come_back_are_heard_of_by_whoever_waits() {
    model(|| {
        let (limiter, _) = limiter(1);
        let taken = limiter.check(1).unwrap();
        let waits = limiter.clone();
        let waits = thread::spawn(move || block_on(waits.until_ready(1)).is_ok());
        limiter.refund(taken);
        assert!(waits.join().unwrap());
        assert_eq!(limiter.available(), 0);
    });
}

#[test]
fn a_wake_up_is_not_lost_when_the_first_in_line_goes_away_pitfall_16() {
    model(|| {
        let (limiter, _) = limiter(1);
        let taken = limiter.check(1).unwrap();
        let goes = limiter.clone();
        let goes = thread::spawn(move || give_up(goes.until_ready(1)).is_some());
        let stays = limiter.clone();
        let stays = thread::spawn(move || block_on(stays.until_ready(1)).is_ok());
        limiter.refund(taken);
        // Whoever would go may have been served; then it takes another token to end the wait.
        if goes.join().unwrap() {
            limiter.reset();
        }
        assert!(stays.join().unwrap());
        assert!(limiter.available() <= 1);
        limiter.reset();
        assert!(limiter.check(1).is_ok(), "the line is empty");
    });
}

/// One gives up waiting beside a reset, and after both there is a token for the next.
fn the_line_goes_on(gives_up: impl Fn(&Limiter<TokenBucket, Hand>) + Send + Sync + 'static) {
    let gives_up = Arc::new(gives_up);
    model(move || {
        let (limiter, _) = limiter(1);
        limiter.check(1).unwrap();
        let (others, gives_up) = (limiter.clone(), Arc::clone(&gives_up));
        let goes = thread::spawn(move || gives_up(&others));
        limiter.reset();
        goes.join().unwrap();
        limiter.reset();
        assert!(give_up(limiter.until_ready(1)).is_some(), "nobody is next");
    });
}

#[test]
fn whoever_is_next_goes_on_when_the_first_in_line_has_gone_away() {
    the_line_goes_on(|limiter| _ = give_up(limiter.until_ready(1)));
}

#[test]
#[should_panic = "nobody is next"]
fn a_first_in_line_that_kept_its_turn_would_stop_the_line() {
    the_line_goes_on(|limiter| {
        let mut waits = Box::pin(limiter.until_ready(1));
        let _ = give_up(waits.as_mut());
        core::mem::forget(waits);
    });
}
