//! What strangers send and what a flash holds: any bytes are refused or read, in the room there is.

use super::{Walk, allocations};
use core::fmt::Write;
use core::hint::black_box;
use mesh_protocol::serial::{Datagram, Deframer, LONGEST};
use resil_core::Instant;
use resil_core::call::{CallPolicy, PeerPolicy};
use resil_core::circuit_breaker::CircuitBreakerConfig;
use resil_core::deadline::WireContext;
use resil_core::error::{ErrorCode, WireError};
use resil_core::rate_limit::{RateLimit, RateLimitConfig, TokenBucket};
use resil_core::retry::RetryPolicy;
use resil_core::snapshot::Persist;
use resil_core::text::Text;

/// Bytes that are noise, or an error in which some are another byte.
fn bytes<'b>(walk: &mut Walk, room: &'b mut [u8; LONGEST]) -> &'b [u8] {
    let length = walk.next() as usize % LONGEST;
    if walk.next().is_multiple_of(4) {
        room.iter_mut().for_each(|byte| *byte = walk.next() as u8);
        return &room[..length];
    }
    let error: WireError = WireError::new(ErrorCode::LoadShed, "try another node")
        .with_detail("load", 97u8)
        .with_detail("peer", "node-3");
    let length = postcard::to_slice(&error, room).expect("it fits").len();
    for _ in 0..walk.next() % 4 {
        room[walk.next() as usize % length] = walk.next() as u8;
    }
    &room[..length]
}

const PEER: PeerPolicy = PeerPolicy::new(
    CallPolicy::new(RetryPolicy::DEFAULT),
    CircuitBreakerConfig::DEFAULT,
    TokenBucket::new(RateLimitConfig::DEFAULT),
);

#[test]
fn no_bytes_from_a_peer_panic_or_allocate() {
    let (mut walk, mut room, mut read) = (Walk(7), [0; LONGEST], [0_u32; 3]);
    let limit = RateLimit::new(RateLimitConfig::DEFAULT);
    let mut deframer = Deframer::<LONGEST>::new();
    let count = allocations(|| {
        for _ in 0..20_000 {
            let bytes = bytes(&mut walk, &mut room);
            if let Ok(error) = postcard::from_bytes::<WireError>(bytes) {
                read[0] += 1;
                let mut shown = Text::<200>::new();
                let _ = write!(shown, "{error}");
                black_box((shown, error.hint(), error.code().is_ok()));
            }
            read[1] += u32::from(WireContext::decode(&bytes[..bytes.len().min(6)]).is_ok());
            read[2] +=
                bytes.iter().filter_map(|&byte| deframer.push::<Datagram>(byte)).count() as u32;
            let now = Instant::from_nanos(walk.next());
            let _ =
                black_box((limit.restore(bytes, now).is_ok(), PEER.restore(bytes, now).is_ok()));
        }
    });
    assert_eq!(count, 0);
    assert!(read[0] > 1_000 && read[0] < 19_000, "bytes of both kinds: {read:?}");
}
