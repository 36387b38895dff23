//! Instants and ticks.

use crate::{any_duration, any_now};
use core::hint::black_box;
use resil_core::time::{TickCounter, TickRate};
use resil_core::{Instant, time, valid};

#[inline(never)]
pub(crate) fn time_passes() {
    let (a, b) = (any_now(), any_now());
    black_box(a.saturating_add(any_duration()));
    black_box(a.saturating_sub(any_duration()));
    black_box(a.is_reached(b));
    black_box(Instant::from_duration(any_duration()));
    black_box(time::earliest(black_box(Some(a)), black_box(Some(b))));
}

pub(crate) const TICKS: TickRate = valid!(TickRate::new(32_768));

#[inline(never)]
pub(crate) fn ticks(rate: &TickRate) {
    let mut counter = black_box(TickCounter::from_ticks(rate, black_box(0)));
    black_box(counter.widen(black_box(0)));
    black_box((counter.last(), counter.ticks(), counter.next_deadline()));
    black_box(rate.instant_at(black_box(0)));
    black_box(rate.tick_at(any_now()));
}
