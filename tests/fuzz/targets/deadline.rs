//! Deadlines from the wire: bytes have one meaning, and no hop makes a deadline later.
#![no_main]

use arbitrary::Arbitrary;
use core::time::Duration;
use libfuzzer_sys::fuzz_target;
use resil_core::Instant;
use resil_core::deadline::{CallContext, Deadline, WireContext};

#[derive(Debug, Arbitrary)]
enum Input<'a> {
    Bytes(&'a [u8], u64, Duration),
    Hops(u64, Vec<Hop>),
}

/// What a node's clock shows, how long it works, how long it grants, which attempt it makes.
#[derive(Debug, Arbitrary)]
struct Hop {
    clock: u64,
    work: u32,
    grant: Duration,
    attempt: u32,
    hedge: bool,
}

fn bytes(bytes: &[u8], now: u64, longest: Duration) {
    let Ok(wire) = WireContext::decode(bytes) else { return };
    assert_eq!(wire.encode(), bytes, "one meaning, one form");
    let now = Instant::from_nanos(now);
    let context = wire.received(longest, now);
    let granted = Deadline::after(now, longest);
    assert!(context.deadline().min(granted) == context.deadline(), "no more than is granted");
    assert!(context.attempt() > 0);
    let mut room = [0; 16];
    let sent = postcard::to_slice(&wire, &mut room).expect("it is bounded");
    assert_eq!(postcard::from_bytes(sent), Ok(wire));
}

/// By nobody's clock: what remains is never more than remained, less the time that was worked.
fn hops(timeout: u64, hops: &[Hop]) {
    let mut context =
        CallContext::new(Deadline::after(Instant::EPOCH, Duration::from_nanos(timeout)));
    let mut now = Instant::EPOCH;
    for hop in hops.iter().take(12) {
        let left = context.deadline().remaining(now);
        let sent = context.child(hop.attempt, hop.hedge).wire(now).encode();
        now = Instant::from_nanos(hop.clock >> 1);
        let before = context;
        context = WireContext::decode(&sent).expect("our own").received(hop.grant, now);
        let then = context.deadline().remaining(now);
        let bound = left.map_or(hop.grant, |left| left.min(hop.grant));
        assert!(then.is_none() && left.is_none() || then.is_some_and(|then| then <= bound));
        assert!(context.attempt() >= before.attempt());
        assert!(context.is_hedge() >= before.is_hedge());
        now = now.saturating_add(Duration::from_nanos(hop.work.into()));
    }
}

fuzz_target!(|input: Input| {
    match input {
        Input::Bytes(all, now, longest) => bytes(all, now, longest),
        Input::Hops(timeout, all) => hops(timeout, &all),
    }
});
