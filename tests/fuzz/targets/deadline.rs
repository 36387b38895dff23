//! Deadlines from the wire: bytes have one meaning, and no hop makes a deadline later.
#![no_main]

use arbitrary::{Arbitrary, Result, Unstructured};
use fuzz::many;
use libfuzzer_sys::fuzz_target;
use resil_core::Instant;
use resil_core::deadline::{Deadline, WireContext};
use resil_tests::laws::deadline::{
    Hop, TICK, a_deadline_never_moves_later_and_a_hop_costs_at_most_a_tick,
    an_attempt_ends_with_the_earlier_of_two, any_bytes_are_a_context_or_an_error,
};
use std::time::Duration;

#[derive(Debug, Arbitrary)]
enum Input<'a> {
    Bytes(&'a [u8], Duration, u64),
    Attempt(u16, u16, u16),
    Hops(Hops),
}

#[derive(Debug)]
struct Hops(u64, Vec<Hop>);

impl<'a> Arbitrary<'a> for Hops {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let timeout = if u.ratio(9, 10)? { u.int_in_range(0..=40 * TICK)? } else { u64::MAX };
        let hops = many(u, |u| {
            let clock = u.arbitrary::<u64>()? / 2;
            let grant = if u.arbitrary()? { u.int_in_range(0..=20 * TICK)? } else { u64::MAX };
            let attempt = if u.ratio(3, 4)? { u.int_in_range(0..=3)? } else { u32::MAX };
            Ok((clock, u.int_in_range(0..=3 * TICK)?, grant, attempt, u.arbitrary()?))
        })?;
        Ok(Self(timeout, hops))
    }
}

fn bytes(bytes: &[u8], longest: Duration, now: u64) {
    any_bytes_are_a_context_or_an_error(bytes);
    let Ok(wire) = WireContext::decode(bytes) else { return };
    let now = Instant::from_nanos(now);
    let (context, granted) = (wire.received(longest, now), Deadline::after(now, longest));
    assert_eq!(context.deadline().min(granted), context.deadline(), "no more than is granted");
    let mut room = [0; 16];
    let sent = postcard::to_slice(&wire, &mut room).expect("it is bounded");
    assert_eq!(postcard::from_bytes(sent), Ok(wire));
}

fuzz_target!(|input: Input| {
    match input {
        Input::Bytes(all, longest, now) => bytes(all, longest, now),
        Input::Attempt(deadline, timeout, now) => {
            an_attempt_ends_with_the_earlier_of_two(deadline.into(), timeout.into(), now.into());
        }
        Input::Hops(Hops(timeout, hops)) => {
            a_deadline_never_moves_later_and_a_hop_costs_at_most_a_tick(timeout, &hops);
        }
    }
});
