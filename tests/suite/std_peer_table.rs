//! resil-std's table of peers: threads at once, ids chosen to collide, and core's answers.

use core::hash::{BuildHasher, Hasher};
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::sync::Barrier;
use std::thread;

use proptest::prelude::*;
use resil_core::rate_limit::{
    self as machine, Carry, Class, Limit as _, Limiter, Pinned, RateLimitConfig, Slot, TokenBucket,
    WhenFull,
};
use resil_core::{ErrorCode, Instant};
use resil_std::clock::MockClock;
use resil_std::rate_limit::RateLimiter;

const SECOND: u64 = 1_000_000_000;
const THREADS: u64 = 4;

/// An id is its own hash, so that a test can choose what collides.
#[derive(Clone, Debug)]
struct Itself;

#[derive(Default)]
struct Last(u64);

impl Hasher for Last {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("ids are numbers");
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

impl BuildHasher for Itself {
    type Hasher = Last;

    fn build_hasher(&self) -> Last {
        Last(0)
    }
}

/// Everybody has the same hash: the same shard, the same one set, the same tag.
#[derive(Clone, Debug)]
struct AllAlike;

struct Seven;

impl Hasher for Seven {
    fn finish(&self) -> u64 {
        7
    }

    fn write(&mut self, _: &[u8]) {}
}

impl BuildHasher for AllAlike {
    type Hasher = Seven;

    fn build_hasher(&self) -> Seven {
        Seven
    }
}

/// So many at once, and one in 100 ms.
fn bucket(burst: u32) -> TokenBucket {
    let config = RateLimitConfig::builder().max_requests(10).time_window(Duration::from_secs(1));
    TokenBucket::new(config.burst_size(burst).build().unwrap())
}

type Table<H> = RateLimiter<u64, TokenBucket, MockClock, H>;

fn table<H: BuildHasher>(slots: usize, hasher: H) -> (Table<H>, MockClock) {
    let clock = MockClock::new(Instant::from_nanos(SECOND));
    let builder = RateLimiter::builder(bucket(10)).slots(slots).pinned(2).hasher(hasher);
    (builder.clock(clock.clone()).build().unwrap(), clock)
}

/// Runs `work` on several threads at once and sums what each returns.
fn on_threads(work: impl Fn(u64) -> usize + Sync) -> usize {
    let start = Barrier::new(THREADS as usize);
    let run = |thread| {
        start.wait();
        work(thread)
    };
    thread::scope(|scope| {
        let run = &run;
        let threads: Vec<_> = (0..THREADS).map(|n| scope.spawn(move || run(n))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

#[test]
fn ids_of_one_hash_are_admitted_a_slots_worth_each_and_one_between_the_others() {
    let (limiter, _) = table(8 * 1024, AllAlike);
    let admitted = on_threads(|_| {
        let ask = |n: u64| limiter.allow(&(n % 40), 1).is_ok();
        (0..4_000).filter(|n| ask(*n)).count()
    });
    assert_eq!(admitted, (8 + 1) * 10, "the set has eight slots");
    assert_eq!(limiter.len(), 8);
    let left: u32 = (0..40).map(|id| limiter.available(&id)).sum();
    assert_eq!(left, 0);
}

#[test]
fn ids_that_differ_only_where_no_slot_is_picked_by_are_told_apart() {
    // The same shard, sets and tag: all but the bits between them are equal.
    let (limiter, _) = table(8 * 1024, Itself);
    let ids: Vec<u64> = (0..8).map(|n| 0xabcd_0000_1234_0077 | n << 8).collect();
    for id in &ids {
        assert!(limiter.allow(id, 10).is_ok(), "{id:x} has a bucket of its own");
        assert!(limiter.allow(id, 1).is_err());
    }
    assert!(limiter.reset(&ids[3]));
    let left: Vec<_> = ids.iter().map(|id| limiter.available(id)).collect();
    assert_eq!(left, [0, 0, 0, 10, 0, 0, 0, 0]);
}

#[test]
fn whatever_ids_threads_invent_slots_and_one_are_the_most() {
    for slots in [8, 64, 1024] {
        let (limiter, _) = table(slots, resil_std::rate_limit::RandomHash::new());
        let admitted = on_threads(|thread| {
            // Half of the ids are everybody's, half are the thread's own.
            let id =
                |n: u64| if n.is_multiple_of(2) { n } else { n * THREADS + thread + (1 << 40) };
            (0..50_000).filter(|n| limiter.allow(&id(n % 5_000), 1).is_ok()).count()
        });
        assert!(admitted <= (slots + 1) * 10, "{admitted} with {slots} slots");
        assert!(admitted >= slots * 9, "{admitted} with {slots} slots");
    }
}

#[test]
fn a_resident_keeps_to_the_nanosecond_what_it_has_while_others_flood_its_sets() {
    let (limiter, clock) = table(64, AllAlike);
    let (resident, done) = (u64::MAX, AtomicBool::new(false));
    let mut alone = Limiter::new(bucket(10));
    limiter.allow(&resident, 10).unwrap();
    alone.try_acquire(10, Instant::from_nanos(SECOND)).unwrap();
    thread::scope(|scope| {
        for thread in 1..THREADS {
            let (limiter, done) = (&limiter, &done);
            scope.spawn(move || {
                for id in (thread << 32).. {
                    let _ = limiter.allow(&id, 1);
                    if done.load(Ordering::Relaxed) {
                        break;
                    }
                }
            });
        }
        for step in 0..5_000 {
            let now = Instant::from_nanos(SECOND + step * 30_000_000);
            clock.set(now);
            assert_eq!(limiter.available(&resident), alone.available(now), "{step}");
            let mine = limiter.allow(&resident, 1).is_ok();
            assert_eq!(mine, alone.try_acquire(1, now).is_ok(), "{step}");
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_limit_of_ones_own_that_comes_and_goes_loses_nothing_of_what_threads_spend() {
    let (limiter, _) = table(64, AllAlike);
    let own = RateLimitConfig::builder().max_requests(10).time_window(Duration::from_secs(1));
    let own = own.burst_size(10).build().unwrap();
    for id in 0..20 {
        limiter.reset_all();
        let admitted = on_threads(|thread| {
            if thread == 0 {
                for _ in 0..200 {
                    limiter.set_limit(id, own).unwrap();
                    assert!(limiter.remove_limit(&id));
                }
            }
            (0..300).filter(|_| limiter.allow(&id, 1).is_ok()).count()
        });
        assert_eq!(admitted, 10);
    }
}

#[test]
fn a_flood_of_one_class_leaves_the_overflow_bucket_of_another() {
    let builder = RateLimiter::builder(bucket(2)).classes([bucket(5), bucket(20)]).slots(64);
    let builder = builder.hasher(AllAlike).clock(MockClock::default());
    let limiter: Table<AllAlike> = builder.build().unwrap();
    let admitted = on_threads(|thread| {
        (0..2_000).filter(|n| limiter.allow(&(n + thread * 2_000), 1).is_ok()).count()
    });
    // A slot each while there are any, and some of those twice; and one bucket for all others.
    assert_eq!(admitted, 8 + 2);
    assert_eq!(limiter.available_in(0, &77_777), 0);
    assert!(limiter.allow_in(2, &77_777, 20).is_ok());
    assert!(limiter.check_in(2, &77_778, 1).is_err(), "validators share theirs");
    assert_eq!(limiter.available_in(1, &77_777), 5);
    assert_eq!(limiter.peek_in(9, &77_777, 1).unwrap_err().code(), ErrorCode::RateLimitExceeded);
}

#[test]
fn a_limit_that_all_are_given_over_and_over_loses_and_mints_nothing_of_what_threads_spend() {
    let builder = RateLimiter::builder(bucket(10)).classes([bucket(5)]).slots(1024);
    let builder = builder.hasher(Itself).clock(MockClock::default());
    let limiter: Table<Itself> = builder.build().unwrap();
    let spread = |id: u64| id.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for round in 0..5 {
        limiter.reset_all();
        let admitted = on_threads(|thread| {
            if thread == 0 {
                for _ in 0..50 {
                    assert!(limiter.set_class(0, bucket(10), Carry::Spent));
                    assert!(limiter.set_class(1, bucket(5), Carry::Share));
                }
            }
            let ask = |n: u64| limiter.allow_in((n % 2) as u8, &spread(n / 2 % 40), 1).is_ok();
            (0..4_000).filter(|n| ask(*n)).count()
        });
        assert_eq!(admitted, 40 * (10 + 5), "{round}");
    }
}

/// Whoever is in a slot, whoever shares the overflow bucket, and newcomers.
#[test]
fn a_smaller_limit_for_a_class_is_in_force_for_all_of_it_at_once() {
    let (limiter, _) = table(8, AllAlike);
    (0..8).for_each(|id| limiter.allow(&id, 1).unwrap());
    limiter.allow(&99, 4).unwrap(); // from the overflow bucket
    let early = limiter.check(&0, 1).unwrap();
    limiter.set_limit(100, *bucket(30).config()).unwrap();

    assert!(!limiter.set_class(1, bucket(5), Carry::Spent), "there is none");
    assert!(limiter.set_class(0, bucket(5), Carry::Spent));
    assert_eq!([0, 1, 99].map(|id| limiter.available(&id)), [3, 4, 1]);
    assert_eq!(limiter.available(&100), 30, "it has a limit of its own");
    assert_eq!(limiter.get_limit(&0), *bucket(5).config());
    limiter.refund(early);
    assert_eq!(limiter.available(&0), 3, "a charge from before");

    assert!(limiter.remove_limit(&100));
    assert_eq!(limiter.get_limit(&100), *bucket(5).config());
    assert_eq!(limiter.available(&100), 1, "from the overflow bucket");
    let too_much = limiter.check(&0, 6).unwrap_err();
    assert_eq!(too_much.code(), ErrorCode::RateLimitCostExceedsBurst);
}

#[test]
fn a_full_table_that_refuses_judges_by_the_limit_in_force() {
    let builder = RateLimiter::builder(bucket(10)).slots(8).when_full(WhenFull::Refuse);
    let limiter = builder.hasher(AllAlike).clock(MockClock::default()).build().unwrap();
    (0..8_u64).for_each(|id| limiter.allow(&id, 1).unwrap());
    let codes = || {
        [limiter.check(&9, 6), limiter.peek(&9, 6).map(|()| unreachable!())]
            .map(|answer| answer.unwrap_err().code())
    };
    assert_eq!(codes(), [ErrorCode::RateLimitTableFull; 2]);
    assert!(limiter.set_class(0, bucket(5), Carry::Spent));
    assert_eq!(codes(), [ErrorCode::RateLimitCostExceedsBurst; 2]);
}

#[test]
fn a_look_at_a_full_table_tells_who_will_be_refused_and_that_nothing_costs_nothing() {
    let builder = RateLimiter::builder(bucket(2)).slots(64).when_full(WhenFull::Refuse);
    let builder = builder.hasher(AllAlike).clock(MockClock::default());
    let limiter: Table<AllAlike> = builder.build().unwrap();
    (0..8).for_each(|id| limiter.allow(&id, 1).unwrap());
    assert_eq!(limiter.peek(&9, 1).unwrap_err().code(), ErrorCode::RateLimitTableFull);
    assert_eq!((limiter.peek(&9, 0), limiter.peek(&7, 1)), (Ok(()), Ok(())));
}

#[test]
fn more_classes_than_numbers_are_an_error_that_names_them() {
    let builder = RateLimiter::<u64, _>::builder(bucket(1));
    let error = builder.classes((0..256).map(|_| bucket(1))).build().unwrap_err();
    assert_eq!(error.setting(), "classes");
}

#[derive(Clone, Debug)]
enum Op {
    Step(u64),
    Check(u8, u64, u32),
    Refund(usize),
    Reset(u64),
    ResetAll,
    Pin(u64, u32),
    Unpin(u64),
    SetClass(u8, u32, Carry),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => (0..SECOND / 2).prop_map(Op::Step),
        16 => (0_u8..4, 0_u64..14, 0_u32..6).prop_map(|(class, id, cost)| Op::Check(class, id, cost)),
        2 => (0_usize..6).prop_map(Op::Refund),
        1 => (0_u64..14).prop_map(Op::Reset),
        1 => Just(Op::ResetAll),
        2 => (0_u64..14, 1_u32..9).prop_map(|(id, burst)| Op::Pin(id, burst)),
        2 => (0_u64..14).prop_map(Op::Unpin),
        1 => (0_u8..4, 1_u32..9, prop_oneof![Just(Carry::Spent), Just(Carry::Share)])
            .prop_map(|(class, burst, carry)| Op::SetClass(class, burst, carry)),
    ]
}

proptest! {
    /// With one owner the table in shards answers as core's does, whatever is asked of it.
    #[test]
    fn shards_answer_as_cores_table(
        ops in prop::collection::vec(op(), 1..150), refuse in any::<bool>(),
    ) {
        let when_full = if refuse { WhenFull::Refuse } else { WhenFull::Share };
        let clock = MockClock::new(Instant::from_nanos(SECOND));
        let builder = RateLimiter::builder(bucket(4)).classes([bucket(2), bucket(6)]).slots(8);
        let builder = builder.pinned(2).hasher(Itself).when_full(when_full).clock(clock.clone());
        let shared: Table<Itself> = builder.build().unwrap();
        let slots: [Slot<u64, TokenBucket>; 8] = [const { Slot::EMPTY }; 8];
        let pinned: [Pinned<u64, TokenBucket>; 2] = [const { Pinned::EMPTY }; 2];
        let core = machine::RateLimiter::with_storage(bucket(4), slots, pinned, Itself);
        let core = core.unwrap().when_full(when_full);
        let mut core = core.with_classes([Class::new(bucket(2)), Class::new(bucket(6))]);
        let mut charges = Vec::new();
        let mut now = Instant::from_nanos(SECOND);
        for op in ops {
            match op {
                Op::Step(by) => {
                    now = now.saturating_add(Duration::from_nanos(by));
                    clock.set(now);
                }
                Op::Check(class, id, cost) => {
                    prop_assert_eq!(shared.peek_in(class, &id, cost), core.peek_in(class, &id, cost, now));
                    let (mine, its) = (shared.check_in(class, &id, cost), core.check_in(class, &id, cost, now));
                    prop_assert_eq!(&mine, &its);
                    charges.extend(mine.ok().zip(its.ok()));
                }
                Op::Refund(back) if back < charges.len() => {
                    let (mine, its) = charges.swap_remove(back);
                    shared.refund(mine);
                    core.refund(its, now);
                }
                Op::Refund(_) => {}
                Op::Reset(id) => prop_assert_eq!(shared.reset(&id), core.reset(&id)),
                Op::ResetAll => {
                    shared.reset_all();
                    core.reset_all();
                }
                Op::Pin(id, burst) => {
                    let config = RateLimitConfig::builder().burst_size(burst).build().unwrap();
                    prop_assert_eq!(shared.set_limit(id, config), core.set_limit(id, config, now));
                }
                Op::Unpin(id) => prop_assert_eq!(shared.remove_limit(&id), core.remove_limit(&id, now)),
                Op::SetClass(class, burst, carry) => {
                    let (mine, its) = (bucket(burst), bucket(burst));
                    prop_assert_eq!(shared.set_class(class, mine, carry), core.set_class(class, its, carry, now));
                }
            }
            prop_assert_eq!(shared.len(), core.len());
            for id in 0..14 {
                prop_assert_eq!(shared.get_limit(&id), *core.get_limit(&id));
                for class in 0..3 {
                    prop_assert_eq!(shared.get_limit_in(class, &id), *core.limit_of(class, &id).config());
                    let (mine, its) = (shared.available_in(class, &id), core.available_in(class, &id, now));
                    prop_assert_eq!(mine, its, "{} in {}", id, class);
                }
            }
        }
    }
}
