//! A quota that changes while it is used.

use crate::rate_limit_laws::{at, config};
use proptest::prelude::*;
use resil_core::rate_limit::{
    Carry, ExactLog, Limit, Limiter, RateLimit, StrictBucket, SubWindows, TokenBucket,
};
use resil_core::{Instant, RetryAt};
use resil_tests::oracle::exact;
use resil_tests::oracle::rate_limit::Quota;

/// Whole token times, so that there is nothing to round but the share.
fn quota() -> impl Strategy<Value = Quota> {
    (1_u32..=12, 1_u64..1_000_000, 1_u32..=40).prop_map(|(max, token, burst)| Quota {
        max,
        window: u64::from(max) * token,
        burst,
    })
}

/// When all of the bucket is there again.
fn full_at(limit: &TokenBucket, state: &<TokenBucket as Limit>::State, now: u64) -> u64 {
    match limit.peek(state, limit.capacity(), at(now)).map_err(|refused| refused.retry()) {
        Ok(()) => now,
        Err(RetryAt::At(opens)) => opens.as_nanos(),
        Err(other) => panic!("{other:?}"),
    }
}

/// What a limit has left before and after it changes there and back.
fn there_and_back<L: Limit>(
    [old, new]: [&L; 2],
    spent: u32,
    carry: Carry,
    now: Instant,
) -> [u32; 3] {
    let mut state = L::FRESH;
    let spent = spent.min(old.available(&state, now));
    old.try_acquire(&mut state, spent, now).unwrap();
    let there = new.carry(old, &state, carry, now);
    let back = old.carry(new, &there, carry, now);
    [old.available(&state, now), new.available(&there, now), old.available(&back, now)]
}

proptest! {
    #![proptest_config(crate::cases(300))]

    #[test]
    fn a_bucket_keeps_its_share_or_what_it_owes(
        old in quota(), new in quota(), spent in 0_u32..40, start in 0_u64..1 << 40,
    ) {
        let spent = spent.min(old.burst);
        let [from, to] = [old, new].map(|quota| TokenBucket::new(config(quota)));
        let mut state = TokenBucket::FRESH;
        from.try_acquire(&mut state, spent, at(start)).unwrap();

        let share = to.rescale(&from, &state, at(start));
        let waits = exact(full_at(&to, &share, start) - start);
        let due = exact(spent.into()) / exact(old.burst.into()) * exact(new.burst.into()) / new.rate();
        // A unit of either bucket, and where the clock stands between two units.
        let grain = exact(2) + old.rate() / new.rate();
        prop_assert!(waits >= &due - exact(1) && waits <= due + grain, "not the share");

        let kept = to.inherit(&from, &state, at(start));
        let owed = exact(spent.min(new.burst).into()) / new.rate();
        prop_assert_eq!(exact(full_at(&to, &kept, start) - start), owed);
    }

    /// Whatever the limit, and as often as it is done: nothing is gained.
    #[test]
    fn there_and_back_mints_nothing_pitfall_47(
        old in quota(), new in quota(), spent in 0_u32..40, start in 0_u64..1 << 40,
    ) {
        let [from, to] = [old, new].map(config);
        let now = at(start);
        let buckets = [from, to].map(TokenBucket::new);
        let limits = [from, to].map(RateLimit::<SubWindows<4>>::with_sub_windows);
        let logs = [from, to].map(|config| RateLimit::<ExactLog<12>>::with_exact_log(config).unwrap());
        let mut all = vec![
            there_and_back([&buckets[0], &buckets[1]], spent, Carry::Share, now),
            there_and_back([&limits[0], &limits[1]], spent, Carry::Share, now),
            there_and_back([&logs[0], &logs[1]], spent, Carry::Share, now),
        ];
        if let (Ok(from), Ok(to)) = (StrictBucket::new(from), StrictBucket::new(to)) {
            all.push(there_and_back([&from, &to], spent, Carry::Share, now));
        }
        for [before, _, back] in all {
            prop_assert!(back <= before, "{back} of {before}");
        }
    }

    /// A limiter whose rate changes all the time admits no more than the higher one allows, but for
    /// the 1 ns by which a bucket can be early each time.
    #[test]
    fn a_rate_that_keeps_changing_is_never_more_than_the_higher(
        old in quota(), new in quota(), waits in prop::collection::vec(0_u64..2_000_000, 1..60),
    ) {
        let new = Quota { burst: old.burst, ..new };
        let quotas = [old, new].map(|quota| TokenBucket::new(config(quota)));
        for carry in [Carry::Spent, Carry::Share] {
            let mut limiter = Limiter::new(quotas[0].clone());
            let (mut now, mut admitted) = (0, 0_u64);
            for (index, wait) in waits.iter().enumerate() {
                now += wait;
                limiter.reconfigure_with(quotas[index % 2].clone(), carry, at(now));
                let fits = limiter.available(at(now));
                limiter.try_acquire(fits, at(now)).unwrap();
                admitted += u64::from(fits);
            }
            let time = exact(now) + exact(1 + waits.len() as u64);
            let most = exact(old.burst.into()) + old.rate().max(new.rate()) * time;
            prop_assert!(exact(admitted) <= most);
        }
    }
}
