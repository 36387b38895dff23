//! One limit for each of many peers: time, bytes and a flood, beside the peers of the field, in one run.
//!
//! `cargo bench -p resil-tests --bench keyed` prints the tables (some minutes). Read the ratios, not the
//! nanoseconds. Everybody gets the same ids in the same order and a clock that costs nothing; every batch
//! checks that all of it was admitted. The peers grow as they like but for moka, whose point is that it
//! does not; resil has eight slots for seven ids.
//!
//! `cargo bench -p resil-tests --bench keyed -- 1000000 32` runs one size of one kind of id, and
//! `-- flood` the flood alone. `--brief` leaves out resil's other forms, and `--lines` prints a line for each
//! contender, for `tests/benches/report`; `--count` is for valgrind, see `tests/benches/count`.

#![allow(unsafe_code, reason = "a global allocator is an unsafe trait")]

mod contenders;
mod flood;
mod heap;
mod ids;
mod rounds;

use ids::{Distribution, Id};

const SIZES: [usize; 3] = [1_000, 100_000, 1_000_000];

fn main() {
    let numbers: Vec<usize> = std::env::args().filter_map(|word| word.parse().ok()).collect();
    let (size, width) = (numbers.first().copied(), numbers.get(1).copied());
    if std::env::args().any(|word| word == "flood") {
        return flood::run();
    }
    if std::env::args().any(|word| word == "--count") {
        let (mut contenders, _) = contenders::all::<[u8; 32]>(SIZES[0]);
        let numbers = ids::sequence(SIZES[0], Distribution::Uniform);
        return rounds::count("keyed, 1000 ids of 32 bytes", &mut contenders, &numbers);
    }
    for size in SIZES.into_iter().filter(|one| size.is_none_or(|size| size == *one)) {
        if width.is_none_or(|width| width == 8) {
            table::<u64>(size, "u64");
        }
        if width.is_none_or(|width| width == 32) {
            table::<[u8; 32]>(size, "32 bytes");
        }
    }
    if size.is_none() {
        flood::run();
    }
}

/// The times of all contenders over so many ids of one kind, and their bytes.
fn table<K: Id>(size: usize, kind: &str) {
    let (mut contenders, notes) = contenders::all::<K>(size);
    for distribution in [Distribution::Uniform, Distribution::Zipf] {
        let title = format!("{size} ids of {kind}, {distribution:?}");
        rounds::run(&title, &mut contenders, &ids::sequence(size, distribution));
    }
    if !std::env::args().any(|word| word == "--lines") {
        println!("{notes}");
    }
}
