//! The table of peers: nobody's state changes because of others, and looking tells what asking does.

use core::time::Duration;
use resil_core::rate_limit::{
    KeyedHash, Limiter, Pinned, RateLimitConfig, RateLimiter, Slot, TokenBucket, WhenFull,
};
use resil_core::{Instant, valid};

/// Ten a second, five at once.
const CONFIG: RateLimitConfig = valid!(
    RateLimitConfig::builder()
        .max_requests(10)
        .time_window(Duration::from_secs(1))
        .burst_size(5)
        .build()
);

type Table<const N: usize> =
    RateLimiter<u8, TokenBucket, [Slot<u8, TokenBucket>; N], [Pinned<u8, TokenBucket>; 4]>;

fn table<const N: usize>(refuse: bool) -> Table<N> {
    let when_full = if refuse { WhenFull::Refuse } else { WhenFull::Share };
    RateLimiter::new(TokenBucket::new(CONFIG), KeyedHash::from_seed(0x5eed)).when_full(when_full)
}

fn at(nanos: u64) -> Instant {
    Instant::from_nanos(nanos)
}

/// What happens.
#[derive(Clone, Debug)]
pub enum Op {
    /// Time passes.
    Step(u64),
    /// A peer asks for so much.
    Check(u8, u32),
    /// One of the charges is given back.
    Refund(usize),
    /// A peer is forgotten.
    Reset(u8),
    /// A peer gets a limit of its own, with this burst.
    Pin(u8, u32),
    /// And loses it.
    Unpin(u8),
}

/// Whoever has a slot is limited exactly as by a limiter of its own, whatever others do. Nobody has the id 255.
///
/// # Panics
///
/// Where it does not hold.
pub fn a_residents_state_never_changes_because_of_others(ops: &[Op], refuse: bool) {
    const RESIDENT: u8 = 255;
    let mut peers = table::<16>(refuse);
    let mut alone = Limiter::new(TokenBucket::new(CONFIG));
    let mut charges = Vec::new();
    let mut now = 0;
    peers.check(&RESIDENT, 5, at(now)).unwrap();
    alone.try_acquire(5, at(now)).unwrap();
    for op in ops.iter().cloned() {
        match op {
            Op::Step(by) => now += by,
            Op::Check(id, cost) => charges.extend(peers.check(&id, cost, at(now)).ok()),
            Op::Refund(back) if back < charges.len() => {
                peers.refund(charges.swap_remove(back), at(now));
            }
            Op::Refund(_) => {}
            Op::Reset(id) => {
                peers.reset(&id);
            }
            Op::Pin(id, burst) => {
                let config = RateLimitConfig::builder().burst_size(burst).build().unwrap();
                let _ = peers.set_limit(id, config, at(now));
            }
            Op::Unpin(id) => {
                peers.remove_limit(&id, at(now));
            }
        }
        assert_eq!(peers.available(&RESIDENT, at(now)), alone.available(at(now)));
        // It stays a resident for as long as it owes something.
        let cost = 5 - alone.available(at(now));
        if cost == 0 {
            peers.check(&RESIDENT, 5, at(now)).unwrap();
            alone.try_acquire(5, at(now)).unwrap();
        }
    }
}

/// Asking is what checking answers, and a refused newcomer leaves no trace.
///
/// # Panics
///
/// Where it does not hold.
pub fn peek_tells_what_check_does(ops: &[Op], refuse: bool) {
    let mut peers = table::<8>(refuse);
    let mut now = 0;
    for op in ops.iter().cloned() {
        match op {
            Op::Step(by) => now += by,
            Op::Check(id, cost) => {
                let (before, said) = (peers.len(), peers.peek(&id, cost, at(now)));
                let fits = peers.available(&id, at(now));
                let did = peers.check(&id, cost, at(now)).map(drop);
                assert_eq!(said, did);
                assert_eq!(did.is_ok(), cost <= fits);
                assert!(did.is_ok() || peers.len() == before);
            }
            _ => {}
        }
    }
}
