//! The rule that ejects peers.
#![no_std]
#![no_main]

use core::hint::black_box;
use footprint::{Owned, any_now, at};
use resil_core::circuit_breaker::ejection::{Blame, EjectionConfig, EjectionState, Spared};
use resil_core::outcome::FailureClass;
use resil_core::{Instant, Outcome};

static POLICY: EjectionConfig = EjectionConfig::DEFAULT;
static STATE: Owned<EjectionState> = Owned::new(EjectionState::new());

#[inline(never)]
fn record(peer: usize, outcome: Outcome, now: Instant) -> Blame {
    STATE.with(|state| black_box(&POLICY).record(state, peer, outcome, now))
}

#[inline(never)]
fn eject(peer: usize, now: Instant) -> Result<(), Spared> {
    STATE.with(|state| black_box(&POLICY).try_eject(state, peer, now))
}

#[inline(never)]
fn readmit(peer: usize) {
    STATE.with(|state| black_box(&POLICY).readmit(state, peer));
}

footprint::firmware!(
    || {
        black_box(record(black_box(0), black_box(Outcome::Success), any_now()));
        black_box(eject(black_box(0), any_now()).is_ok());
        readmit(black_box(0));
    },
    |bench| {
        let (success, failure) =
            black_box((Outcome::Success, Outcome::Failure(FailureClass::Timeout)));
        let (peer, now) = (black_box(7), at(1_000));
        for peer in 0..peer {
            record(peer, success, now);
        }
        bench.case("record", || record(peer, failure, now));
        bench.case("eject", || eject(peer, now)).unwrap();
        bench.case("readmit", || readmit(peer));
    }
);
