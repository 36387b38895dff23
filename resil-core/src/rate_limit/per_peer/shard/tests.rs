//! A part of a table by example: which slots a hash names, and which shard.

use super::*;
use crate::rate_limit::{RateLimitConfig, TokenBucket};
use std::boxed::Box;
use std::vec;
use std::vec::Vec;

const LIMIT: TokenBucket = TokenBucket::new(RateLimitConfig::DEFAULT); // 10 at once
const NOW: Instant = Instant::from_nanos(1_000);

type Tagged = Shard<u64, TokenBucket, Box<[Slot<u64, TokenBucket>]>, Box<[u64]>>;

/// Four sets of eight.
fn shard() -> Tagged {
    let slots = (0..32).map(|_| Slot::EMPTY).collect::<Box<[_]>>();
    Shard::new(slots, vec![0; 4].into_boxed_slice(), 100).unwrap()
}

/// The hash that names these two of four sets.
const fn hash(first: u64, second: u64) -> u64 {
    (second << 62) | (first << 30)
}

fn check(shard: &mut Tagged, id: u64, hash: u64, cost: u32) -> Option<Result<Place, Rejected>> {
    let asked = shard.check(Peer { class: 0, id: &id, hash }, cost, NOW, |_| &LIMIT)?;
    Some(asked.map(|charge| charge.place))
}

#[test]
fn each_half_of_a_hash_names_a_set_and_all_sets_are_named() {
    let shard = shard();
    for (first, second) in (0..4).flat_map(|first| (0..4).map(move |second| (first, second))) {
        for rest in [0, (1 << 30) - 1] {
            let sets = shard.sets(hash(first, second) | rest | (rest << 32));
            assert_eq!(sets, [first as usize * 8, second as usize * 8]);
        }
    }
}

#[test]
fn a_newcomer_gets_the_first_free_slot_of_the_emptier_set_and_of_the_first_on_a_tie() {
    let mut shard = shard();
    let taken = (0..17).map(|id| check(&mut shard, id, hash(1, 3), 1)).collect::<Vec<_>>();
    let expected = (0..8).flat_map(|index| [8 + index, 24 + index]);
    let expected = expected.map(|index| Some(Ok(Place::Slot(100 + index)))).chain([None]);
    assert_eq!(taken, expected.collect::<Vec<_>>());
    assert!(check(&mut shard, 99, hash(3, 2), 1) == Some(Ok(Place::Slot(116))), "24.. are full");
}

#[test]
fn a_resident_is_found_at_once_and_charged_as_ever() {
    let mut shard = shard();
    let (id, hash) = (7, hash(1, 2) | 0x5a);
    let peer = Peer { class: 0, id: &id, hash };
    assert!(shard.check_resident(peer, 1, NOW, &LIMIT).is_none(), "a stranger");
    assert_eq!(check(&mut shard, id, hash, 4), Some(Ok(Place::Slot(108))));
    let charge = shard.check_resident(peer, 4, NOW, &LIMIT).unwrap().unwrap();
    assert_eq!(charge.place, Place::Slot(108));
    assert!(shard.check_resident(peer, 4, NOW, &LIMIT).unwrap().is_err(), "2 are left");
    let other = Peer { id: &8, ..peer };
    assert!(shard.check_resident(other, 1, NOW, &LIMIT).is_none(), "of the same hash");
}

#[test]
fn shards_are_picked_evenly_and_by_bits_that_pick_no_set() {
    let mut met = [0; 8];
    for middle in 0..1_024_u64 {
        met[shard_of(middle << 38, 8)] += 1;
        assert_eq!(shard_of(middle << 38, 8), shard_of((middle << 38) | (0x7f << 56) | 0xff, 8));
    }
    assert_eq!(met, [128; 8]);
    assert_eq!([0, 1, 2].map(|shards| shard_of(u64::MAX, shards)), [0, 0, 1]);
}

#[test]
fn a_resident_of_either_set_is_found_at_once() {
    let mut shard = shard();
    for (id, place) in [(7, 108), (8, 116)] {
        let hash = hash(1, 2) | id;
        assert_eq!(check(&mut shard, id, hash, 1), Some(Ok(Place::Slot(place))));
        let peer = Peer { class: 0, id: &id, hash };
        let charge = shard.check_resident(peer, 1, NOW, &LIMIT).unwrap().unwrap();
        assert_eq!(charge.place, Place::Slot(place));
    }
}

#[test]
fn a_peer_is_found_again_in_every_set_of_a_large_shard() {
    let slots = (0..1_024).map(|_| Slot::EMPTY).collect::<Box<[_]>>();
    let mut shard: Tagged = Shard::new(slots, vec![0; 128].into_boxed_slice(), 0).unwrap();
    for set in 0..128 {
        let hash = (set << 57) | (set << 25) | 0x5a;
        let place = Some(Ok(Place::Slot(set as usize * 8)));
        assert_eq!(check(&mut shard, set, hash, 1), place, "a newcomer");
        assert_eq!(check(&mut shard, set, hash, 1), place, "a resident");
    }
}
