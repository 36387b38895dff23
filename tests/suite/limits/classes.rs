//! Classes of peers in one table, with ids that all meet in one set.

use core::hash::{BuildHasher, Hasher};
use core::time::Duration;
use proptest::prelude::*;
use resil_core::rate_limit::{
    Carry, Class, KeyedHash, Limiter, Pinned, RateLimitConfig, RateLimiter, Slot, TokenBucket,
    WhenFull,
};
use resil_core::snapshot::Persist;
use resil_core::{ErrorCode, Instant};

const MS: u64 = 1_000_000;

const SLOTS: u64 = 8;

#[derive(Clone, Debug)]
struct OneSet;

struct Zero;

impl Hasher for Zero {
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

/// A token every so many milliseconds.
fn bucket(token: u64, burst: u32) -> TokenBucket {
    let config = RateLimitConfig::builder()
        .max_requests(1)
        .time_window(Duration::from_millis(token))
        .burst_size(burst);
    TokenBucket::new(config.build().unwrap())
}

/// Token times and bursts of the three classes: unknown, light clients, validators. A unit of their
/// buckets is not as long in one as in another, so that a state under the wrong limit is found out.
const CLASSES: [(u64, u32); 3] = [(160, 2), (100, 5), (10, 20)];

type Table = RateLimiter<
    u64,
    TokenBucket,
    [Slot<u64, TokenBucket>; SLOTS as usize],
    [Pinned<u64, TokenBucket>; 2],
    OneSet,
    [Class<TokenBucket>; 2],
>;

fn table() -> Table {
    let [unknown, light, validator] = CLASSES.map(|(token, burst)| bucket(token, burst));
    RateLimiter::new(unknown, OneSet).with_classes([Class::new(light), Class::new(validator)])
}

fn at(millis: u64) -> Instant {
    Instant::from_nanos(millis * MS)
}

#[test]
fn a_flood_of_one_class_spends_nobody_elses_overflow() {
    let mut peers = table();
    let admitted = (0..10_000).filter(|id| peers.check_in(0, id, 1, at(0)).is_ok()).count();
    assert_eq!(admitted, 8 + 2, "each slot once, and the overflow bucket of the unknown");
    assert_eq!(peers.available_in(2, &77, at(0)), 20);
    assert!(peers.check_in(2, &77, 20, at(0)).is_ok());
    assert!(peers.check_in(2, &78, 1, at(0)).is_err(), "validators share theirs");
    assert_eq!(peers.available_in(1, &77, at(0)), 5);
    let mut strict = table().when_full(WhenFull::Refuse);
    assert!((0..8).all(|id| strict.check_in(0, &id, 1, at(0)).is_ok()));
    let refused = strict.check_in(2, &77, 1, at(0)).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::RateLimitTableFull);
    assert_eq!(strict.peek_in(2, &77, 1, at(0)), Err(refused));
    let never = strict.check_in(1, &77, 6, at(0)).unwrap_err();
    assert_eq!(never.code(), ErrorCode::RateLimitCostExceedsBurst, "of its own class");
}

#[test]
fn an_id_in_two_classes_is_two_peers_and_a_class_that_is_not_there_is_the_first() {
    let mut peers = table();
    peers.check_in(1, &7, 5, at(0)).unwrap();
    assert_eq!(peers.available_in(1, &7, at(0)), 0);
    assert_eq!(peers.available_in(2, &7, at(0)), 20);
    peers.check_in(9, &7, 2, at(0)).unwrap();
    assert_eq!(peers.available(&7, at(0)), 0);
    assert_eq!(peers.len(), 2);
    assert!(peers.reset(&7));
    assert_eq!([0, 1, 2].map(|class| peers.available_in(class, &7, at(0))), [2, 5, 20]);
}

#[test]
fn a_limit_of_ones_own_goes_before_any_class() {
    let mut peers = table();
    peers.check_in(2, &7, 15, at(0)).unwrap();
    let own = RateLimitConfig::builder().burst_size(30).build().unwrap();
    peers.set_limit(7, own, at(0)).unwrap();
    assert_eq!([0, 1, 2].map(|class| peers.available_in(class, &7, at(0))), [15; 3]);
    assert!(peers.remove_limit(&7, at(0)));
    assert_eq!(peers.available(&7, at(0)), 0, "15 of 2");
}

#[test]
fn a_class_gets_another_limit_while_it_is_used() {
    for (carry, slot, overflow) in [(Carry::Spent, 7, 6), (Carry::Share, 4, 2)] {
        let mut peers = table();
        let early = peers.check_in(1, &0, 3, at(0)).unwrap();
        assert!((1..8).all(|id| peers.check_in(0, &id, 1, at(0)).is_ok()));
        peers.check_in(1, &99, 4, at(0)).unwrap(); // from the overflow bucket
        assert!(peers.set_class(1, bucket(100, 10), carry, at(0)));
        assert_eq!(peers.available_in(1, &0, at(0)), slot);
        assert_eq!(peers.available_in(1, &99, at(0)), overflow);
        assert_eq!(peers.available_in(0, &1, at(0)), 1, "another class");
        peers.refund(early, at(0));
        assert_eq!(peers.available_in(1, &0, at(0)), slot, "a charge from before");
        assert!(!peers.set_class(3, bucket(100, 10), carry, at(0)));
    }
}

/// Charges alone, and no check, have to free the slots that a step back has left too far ahead.
#[test]
fn charges_after_a_step_back_find_slots_again_pitfall_65() {
    let mut peers = table();
    for id in 0..SLOTS {
        assert_eq!(peers.charge(&id, 2, at(1_000_000)).excess(), 0);
    }
    // The clock steps back by 1,000 s. A refill is 320 ms, and all have paid after one.
    assert_eq!(peers.charge(&99, 1, at(0)).excess(), 0, "from the overflow bucket");
    assert_eq!(peers.charge(&99, 1, at(321)).excess(), 0);
    assert_eq!(peers.entries(at(321)).filter(|entry| entry.id == Some(&99)).count(), 1);
}

#[test]
fn a_reboot_forgives_nobody_in_any_class() {
    let mut peers = table();
    let own = RateLimitConfig::builder().burst_size(9).build().unwrap();
    peers.set_limit(50, own, at(1_000)).unwrap();
    peers.check(&50, 4, at(1_000)).unwrap();
    for id in 0..7 {
        peers.check_in(1, &id, 3, at(1_000)).unwrap();
    }
    peers.check_in(2, &7, 20, at(1_000)).unwrap();
    peers.check_in(2, &8, 6, at(1_000)).unwrap(); // from the overflow bucket
    let kept: Vec<_> = peers
        .entries(at(1_000))
        .map(|entry| {
            let mut bytes = [0; TokenBucket::LEN];
            entry.limit.save(entry.state, at(1_000), &mut bytes).unwrap();
            (entry.id.copied(), entry.class, bytes)
        })
        .collect();
    assert_eq!(kept.len(), 10);

    let mut after = table();
    after.set_limit(50, own, at(0)).unwrap();
    for (id, class, bytes) in &kept {
        let limit = after.limit_of(*class, &id.unwrap_or(u64::MAX));
        let state = limit.restore(bytes, at(0)).unwrap();
        assert!(after.adopt(*id, *class, state, at(0)));
    }
    for later in [0, 100, 1_000, 10_000] {
        for (class, id) in [(0, 50), (1, 3), (2, 7), (2, 8), (0, 9)] {
            let before = peers.available_in(class, &id, at(1_000 + later));
            assert_eq!(after.available_in(class, &id, at(later)), before, "{class} {id} {later}");
        }
    }
    let state = || TokenBucket::new(own).restore(&kept[0].2, at(0));
    assert!(!after.adopt(Some(99), 1, state().unwrap(), at(0)), "no slot");
    assert!(!after.adopt(Some(3), 1, state().unwrap(), at(0)), "it owes already");
    assert!(!after.adopt(None, 3, state().unwrap(), at(0)), "no such class");
    assert_eq!(after.entries(at(60_000)).count(), 0);
}

/// Whoever comes first must not take the last slot that somebody else could have.
#[test]
fn everyone_in_a_full_table_finds_a_slot_after_a_reboot() {
    type Full =
        RateLimiter<u64, TokenBucket, [Slot<u64, TokenBucket>; 64], [Pinned<u64, TokenBucket>; 0]>;
    for seed in 0..500_u128 {
        let new = || Full::new(bucket(160, 2), KeyedHash::from_seed(seed));
        let mut peers = new();
        for id in 0..500 {
            let _full = peers.check(&id, 1, at(0));
        }
        assert_eq!(peers.len(), 64);
        let mut after = new();
        for entry in peers.entries(at(0)) {
            let state = entry.state.clone();
            assert!(after.adopt(entry.id.copied(), entry.class, state, at(0)), "seed {seed}");
        }
        assert_eq!(after.len(), 64);
    }
}

#[derive(Clone, Debug)]
enum Op {
    Step(u64),
    Check(u8, u64, u32),
    Refund(usize),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        2 => (0_u64..600).prop_map(Op::Step),
        10 => (0_u8..3, 0_u64..30, 0_u32..6).prop_map(|(class, id, cost)| Op::Check(class, id, cost)),
        1 => (0_usize..6).prop_map(Op::Refund),
    ]
}

proptest! {
    /// In all: a slot's worth of the largest for each slot, and each class once. In a class: a slot's
    /// worth for each slot, and its overflow.
    #[test]
    fn what_is_admitted_is_bounded_whoever_asks_in_whichever_class(
        ops in prop::collection::vec(op(), 1..300),
    ) {
        let mut peers = table();
        let mut admitted = [0_u64; 3];
        let start = 1_000_000;
        let mut now = start;
        for op in ops {
            match op {
                Op::Step(millis) => now += millis,
                Op::Check(class, id, cost) => {
                    let said = peers.peek_in(class, &id, cost, at(now));
                    let fits = peers.available_in(class, &id, at(now));
                    let did = peers.check_in(class, &id, cost, at(now)).map(drop);
                    prop_assert_eq!(said, did);
                    prop_assert_eq!(did.is_ok(), cost <= fits);
                    if did.is_ok() {
                        admitted[usize::from(class)] += u64::from(cost);
                    }
                }
                Op::Refund(_) => {}
            }
            let most = CLASSES.map(|(token, burst)| u64::from(burst) + (now - start) / token);
            for class in 0..3 {
                prop_assert!(admitted[class] <= (SLOTS + 1) * most[class]);
            }
            let largest = 20 + (now - start) / 10;
            prop_assert!(admitted.iter().sum::<u64>() <= SLOTS * largest + most.iter().sum::<u64>());
        }
    }

    /// Whoever has a slot is limited exactly as by a limiter of its own.
    #[test]
    fn a_resident_of_a_class_never_changes_because_of_others(
        ops in prop::collection::vec(op(), 1..200), class in 0_u8..3,
    ) {
        const RESIDENT: u64 = 1_000;
        let (token, burst) = CLASSES[usize::from(class)];
        let (mut peers, mut alone) = (table(), Limiter::new(bucket(token, burst)));
        let mut charges = Vec::new();
        let mut now = 1_000_000;
        for op in ops {
            // It stays a resident for as long as it owes something.
            if alone.available(at(now)) == burst {
                peers.check_in(class, &RESIDENT, burst, at(now)).unwrap();
                alone.try_acquire(burst, at(now)).unwrap();
                if peers.available_in(class, &RESIDENT, at(now)) != 0 {
                    break;
                }
            }
            match op {
                Op::Step(millis) => now += millis.min(token * u64::from(burst) / 2),
                Op::Check(class, id, cost) => charges.extend(peers.check_in(class, &id, cost, at(now)).ok()),
                Op::Refund(back) if back < charges.len() => peers.refund(charges.swap_remove(back), at(now)),
                Op::Refund(_) => {}
            }
            prop_assert_eq!(peers.available_in(class, &RESIDENT, at(now)), alone.available(at(now)));
        }
    }
}
