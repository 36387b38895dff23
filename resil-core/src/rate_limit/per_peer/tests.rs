//! The table by example, with ids that all lie in one set.

use super::*;
use crate::error::ErrorCode;
use crate::outcome::RetryAt;
use crate::rate_limit::TokenBucket;

/// Every id lies in the same set, so that eight of them fill it.
#[derive(Clone, Debug)]
struct OneSet;

struct Zero;

impl core::hash::Hasher for Zero {
    fn finish(&self) -> u64 {
        0
    }

    fn write(&mut self, _: &[u8]) {}
}

impl BuildHasher for OneSet {
    type Hasher = Zero;

    fn build_hasher(&self) -> Zero {
        Zero
    }
}

type Table = RateLimiter<
    u64,
    TokenBucket,
    [Slot<u64, TokenBucket>; 16],
    [Pinned<u64, TokenBucket>; 2],
    OneSet,
>;

const NOW: Instant = Instant::from_nanos(1_000);

/// Ten at once and then one per 600 ms, eight ids with one request each.
fn full() -> Table {
    let mut table = Table::new(TokenBucket::new(RateLimitConfig::DEFAULT), OneSet);
    for id in 0..8 {
        table.check(&id, 1, NOW).unwrap();
    }
    table
}

fn place_of(table: &Table, id: u64) -> Option<Place> {
    table.place_of(table.peer(0, &id))
}

fn later(millis: u64) -> Instant {
    Instant::from_nanos(1_000 + millis * 1_000_000)
}

#[test]
fn newcomers_share_the_overflow_bucket_and_residents_do_not() {
    let mut table = full();
    assert_eq!((table.len(), table.is_empty()), (8, false));
    assert!(!table.shard.is_empty());
    let empty = Table::new(TokenBucket::new(RateLimitConfig::DEFAULT), OneSet);
    assert!(empty.is_empty() && empty.shard.is_empty());
    let admitted = (100..200).filter(|id| table.check(id, 1, NOW).is_ok()).count();
    assert_eq!(admitted, 10, "one bucket for all of them");
    assert_eq!(table.available(&777, NOW), 0);
    for id in 0..8 {
        assert_eq!(table.available(&id, NOW), 9);
    }
}

#[test]
fn newcomers_are_refused_on_request() {
    let mut table = full().when_full(WhenFull::Refuse);
    let refused = table.check(&100, 1, NOW).unwrap_err();
    assert_eq!(refused, Rejected::new(ErrorCode::RateLimitTableFull, RetryAt::Unknown));
    assert_eq!(table.peek(&100, 1, NOW), Err(refused));
    assert!(table.check(&100, 0, NOW).is_ok());
    let never = table.check(&100, 11, NOW).unwrap_err();
    assert_eq!(never.code(), ErrorCode::RateLimitCostExceedsBurst);
    assert!(table.check(&3, 1, NOW).is_ok());
}

#[test]
fn only_what_equals_fresh_is_evicted_pitfall_100() {
    let mut table = full();
    assert!(table.check(&100, 1, NOW).is_ok(), "by the bucket that newcomers share");
    assert!((0..8).all(|id| table.available(&id, NOW) == 9), "nobody made room, or was forgiven");
    table.check(&5, 1, NOW).unwrap();
    assert!(table.check(&100, 1, later(600)).is_ok(), "seven slots are as good as fresh");
    assert!(table.check(&101, 10, later(600)).is_ok());
    assert_eq!(table.available(&5, later(600)), 9, "the one that is not stays");
    assert_eq!(table.available(&101, later(600)), 0);
}

#[test]
fn overflow_debt_is_not_carried_into_a_slot() {
    let mut table = full();
    assert!(table.check(&100, 10, NOW).is_ok());
    assert!(table.check(&100, 1, NOW).is_err());
    assert!(table.reset(&0));
    assert!(table.check(&100, 10, NOW).is_ok());
}

#[test]
fn a_charge_of_an_earlier_owner_is_not_refunded_pitfall_32() {
    let mut table = full();
    let early = table.check(&3, 4, NOW).unwrap();
    table.reset(&3);
    table.check(&3, 10, NOW).unwrap();
    table.refund(early, NOW);
    assert_eq!(table.available(&3, NOW), 0);
    let shared = table.check(&100, 2, NOW).unwrap();
    table.refund(shared, NOW);
    assert_eq!(table.available(&100, NOW), 10);
}

#[test]
fn a_refused_newcomer_takes_no_slot() {
    let mut table = Table::new(TokenBucket::new(RateLimitConfig::DEFAULT), OneSet);
    assert!(table.check(&1, 11, NOW).is_err());
    assert!(table.is_empty());
}

#[test]
fn every_slot_is_used_and_counts_are_checked() {
    let limit = TokenBucket::new(RateLimitConfig::DEFAULT);
    for (slots, ok) in [(0, false), (4, false), (8, true), (12, false), (64, true)] {
        let storage: std::vec::Vec<Slot<u64, TokenBucket>> =
            core::iter::repeat_with(|| Slot::EMPTY).take(slots).collect();
        let none: [Pinned<u64, TokenBucket>; 0] = [];
        let table =
            RateLimiter::with_storage(limit.clone(), storage, none, KeyedHash::from_seed(1));
        assert_eq!(table.is_ok(), ok, "{slots}");
        if let Ok(mut table) = table {
            for id in 0..10_000 {
                let _ = table.check(&id, 1, NOW);
            }
            assert_eq!(table.len(), slots);
        }
    }
}

#[test]
fn a_limit_of_ones_own_keeps_what_was_spent() {
    let mut table = full();
    let config = |burst| RateLimitConfig::builder().burst_size(burst).build().unwrap();
    table.check(&3, 6, NOW).unwrap(); // 7 of 10 spent
    table.set_limit(3, config(20), NOW).unwrap();
    assert_eq!(table.get_limit(&3).burst_size(), 20);
    assert_eq!(table.available(&3, NOW), 13);
    table.set_limit(3, config(8), NOW).unwrap();
    assert_eq!(table.available(&3, NOW), 1);
    assert!(table.remove_limit(&3, NOW));
    assert!(!table.remove_limit(&3, NOW));
    assert_eq!(table.available(&3, NOW), 3);
    assert_eq!(table.get_limit(&3).burst_size(), 10);
}

#[test]
fn pinned_entries_run_out_with_an_error_and_nothing_half_done() {
    let mut table = full();
    let config = RateLimitConfig::builder().burst_size(2).build().unwrap();
    table.set_limit(100, config, NOW).unwrap();
    table.set_limit(101, config, NOW).unwrap();
    assert_eq!(table.set_limit(3, config, NOW), Err(SetLimitError::TableFull));
    assert_eq!(table.available(&3, NOW), 9);
    table.set_limit(101, RateLimitConfig::DEFAULT, NOW).unwrap();
    assert_eq!(table.get_limit(&101), &RateLimitConfig::DEFAULT);
    table.check(&100, 2, NOW).unwrap();
    table.reset_all();
    assert_eq!(table.available(&100, NOW), 2, "the limit is kept");
}

#[test]
fn a_clock_that_steps_back_keeps_no_slot_from_newcomers_for_long_pitfall_65() {
    let mut table = Table::new(TokenBucket::new(RateLimitConfig::DEFAULT), OneSet);
    let day = later(86_400_000);
    for id in 0..8 {
        table.check(&id, 10, day).unwrap(); // and they are never heard of again
    }
    assert!(table.check(&100, 1, NOW).is_ok(), "from the overflow bucket");
    assert_eq!(place_of(&table, 100), None);
    let refilled = later(6_000);
    assert!(table.check(&100, 1, refilled).is_ok());
    assert!(place_of(&table, 100).is_some(), "one refill after the step the slots are fresh");
}

#[test]
fn a_cost_of_zero_takes_no_slot() {
    let mut table = full();
    assert!(table.check(&100, 0, later(600)).is_ok());
    assert_eq!(place_of(&table, 100), None);
    assert!(place_of(&table, 0).is_some(), "nobody has lost his slot to it");
}

#[test]
fn a_limit_that_is_set_over_and_over_refills_all_the_same_pitfall_47() {
    let mut table: RateLimiter<u64> =
        RateLimiter::new(RateLimit::new(RateLimitConfig::DEFAULT), KeyedHash::from_seed(1));
    let config = |max| RateLimitConfig::builder().max_requests(max).build().unwrap();
    // Every 100 ms, a sixth of a token's time and a six-hundredth of the window.
    let mut admitted = 0;
    for step in 0..3_000 {
        let now = later(step * 100);
        table.set_limit(7, config(100 + step as u32 % 2), now).unwrap();
        admitted += u32::from(table.check(&7, 1, now).is_ok());
    }
    // Five minutes; ten elevenths of the quota are the law of ten sub-windows.
    assert!((450..=10 + 5 * 101).contains(&admitted), "{admitted}");
}

#[test]
fn a_deadline_is_the_earliest_of_all() {
    let mut table = full();
    assert_eq!(table.next_deadline(NOW), Some(later(600)));
    assert_eq!(table.next_deadline(later(600)), None);
    table.check(&100, 1, later(300)).unwrap();
    assert_eq!(table.next_deadline(later(600)), Some(later(900)));
}

#[test]
fn what_a_peer_has_cost_is_charged_to_its_slot_or_to_the_newcomers() {
    let mut table = full();
    assert_eq!(table.charge(&3, 12, NOW).excess(), 0); // 13 of 10 spent
    assert_eq!(table.charge(&3, 8, NOW).excess(), 1, "20 are the most that can be owed");
    assert_eq!(table.available(&3, later(6_000)), 0);
    assert_eq!(table.available(&3, later(12_000)), 10);
    assert_eq!(table.charge(&100, 4, NOW).excess(), 0);
    assert_eq!(table.available(&101, NOW), 6, "of the overflow bucket");
    assert_eq!(table.charge(&100, 4, later(600)).excess(), 0);
    assert!(place_of(&table, 100).is_some(), "a slot was as good as fresh");
    assert_eq!(table.available(&100, later(600)), 6);

    let mut table = full().when_full(WhenFull::Refuse);
    assert_eq!(table.charge(&100, 4, NOW).excess(), 4);
    assert_eq!(table.charge(&100, 0, later(600)).excess(), 0);
    assert_eq!(place_of(&table, 100), None);
}

#[test]
fn a_class_takes_no_room_in_a_slot() {
    assert_eq!(size_of::<Slot<[u8; 32], TokenBucket>>(), 48);
}

#[test]
fn a_table_is_empty_until_somebody_has_a_slot_or_a_limit_of_his_own() {
    let mut table = Table::new(TokenBucket::new(RateLimitConfig::DEFAULT), OneSet);
    assert!(table.is_empty() && table.shard.is_empty());
    table.check(&7, 1, NOW).unwrap();
    assert!(!table.is_empty() && !table.shard.is_empty());
    table.reset_all();
    assert!(table.is_empty() && table.shard.is_empty());
    table.set_limit(7, RateLimitConfig::DEFAULT, NOW).unwrap();
    assert!(!table.is_empty());
}
