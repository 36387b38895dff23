//! Faults on purpose.

use crate::{SECOND, any_now};
use core::hint::black_box;
use resil_core::Clock;
use resil_core::Entropy;
use resil_core::chaos::{Chaos, ChaosPolicy, ChaosState, Partition, Skew, SkewedClock, Stream};
use resil_core::valid;

pub(crate) const SKEW: Skew = {
    let drifting = valid!(Skew::NONE.ahead(SECOND).behind(SECOND).drift(-50));
    match drifting.corrected_every(SECOND) {
        Ok(skew) => skew,
        Err(_) => drifting,
    }
};

pub(crate) const SPLIT: Partition = valid!(Partition::new(1, SECOND, 500_000, 3));

#[inline(never)]
pub(crate) fn chaos(policy: &ChaosPolicy) {
    let mut stream = black_box(Stream::new(black_box(0)));
    black_box(policy.fault(&mut stream).until(any_now()));
    black_box(stream.fork(black_box(0)).draw());
    let mut state = black_box(ChaosState::new(stream));
    black_box(policy.inject(&mut state).is_some());
    black_box(state.in_burst());
    black_box(Chaos::from_parts(policy, state).inject().is_some());
}

#[inline(never)]
pub(crate) fn wrong_clocks(skew: &Skew, split: &Partition) {
    black_box(skew.show(any_now()));
    black_box(SkewedClock::new(any_now(), *skew).now());
    black_box(split.is_cut(black_box(1), black_box(2), any_now()));
    black_box(split.group(black_box(1), any_now()));
    black_box(split.next_deadline(any_now()));
}
