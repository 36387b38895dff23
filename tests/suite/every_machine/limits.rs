//! Every rate limit, and the table of peers.

use super::{Known, Subject, Wait, every_law};
use core::time::Duration;
use resil_core::rate_limit::{
    AllOf, Charge, ExactLog, KeyedHash, Limit, Limiter, PeerCharge, PerRequest, Pinned, RateLimit,
    RateLimitConfig, RateLimiter, Slot, StrictBucket, TokenBucket, WarmUp,
};
use resil_core::{Instant, Outcome, valid};

const SECOND: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);

/// Ten a second, four at once: a token takes 100 ms, and all four 400 ms.
const TEN: RateLimitConfig =
    valid!(RateLimitConfig::builder().max_requests(10).time_window(SECOND).burst_size(4).build());
const TOKEN: Duration = MILLI.saturating_mul(100);
const REFILL: Duration = TOKEN.saturating_mul(4);
const TOKENS: TokenBucket = TokenBucket::new(TEN);
/// Refills at (10 - 4) a second.
const STRICT: StrictBucket = valid!(StrictBucket::new(TEN));
const STRICT_TOKEN: Duration = Duration::from_nanos(166_666_667);
const STRICT_REFILL: Duration = STRICT_TOKEN.saturating_mul(4);
/// A third of the rate when cold.
const WARMING: WarmUp = valid!(WarmUp::new(TEN, Duration::from_secs(2)));
const COLD_TOKEN: Duration = TOKEN.saturating_mul(3);
/// What sub-windows count leaves after the window and one of them; and the present one may have begun
/// nearly a whole one before the clock stepped back.
const SPAN: Duration = Duration::from_millis(1_200);
const LOGGED: RateLimit<ExactLog<10>> = valid!(RateLimit::with_exact_log(TEN));

struct OfLimit<L> {
    limit: L,
    wait: Wait,
    horizon: Duration,
    bound: Duration,
}

const fn exact<L>(limit: L, horizon: Duration, bound: Duration) -> OfLimit<L> {
    OfLimit { limit, wait: Wait::Exact, horizon, bound }
}

impl<L: Limit + Clone> Subject for OfLimit<L> {
    type Machine = Limiter<L>;
    type Held = Charge<L::Charge>;

    fn known(&self) -> Known {
        let Self { wait, horizon, bound, .. } = *self;
        Known { wait, capacity: Some(4), horizon, bound }
    }

    fn fresh(&self, _: Instant) -> Limiter<L> {
        Limiter::new(self.limit.clone())
    }

    fn ask(&self, machine: &mut Limiter<L>, entropy: u32, now: Instant) -> Option<Self::Held> {
        let cost = if entropy == u32::MAX { 1 } else { 1 + entropy % 5 };
        machine.try_acquire(cost, now).ok()
    }

    fn tell(&self, machine: &mut Limiter<L>, held: Self::Held, outcome: Outcome, now: Instant) {
        if outcome == Outcome::Abandoned {
            machine.refund(held, now);
        }
    }

    fn other(&self, machine: &mut Limiter<L>, choice: u64, now: Instant) {
        match choice % 4 {
            0 => machine.reset(),
            1 => machine.reconfigure(self.limit.clone(), now),
            _ => drop(machine.try_acquire(0, now)),
        }
    }

    fn settle_clock(&self, machine: &mut Limiter<L>, now: Instant) {
        let mut state = machine.as_state().clone();
        self.limit.reanchor(&mut state, now);
        *machine = Limiter::from_parts(self.limit.clone(), state);
    }

    fn answers(&self, machine: &Limiter<L>, now: Instant) -> String {
        let is_fresh = self.limit.is_fresh(machine.as_state(), now);
        let passes = [0, 1, 2, 4, 5].map(|cost| machine.peek(cost, now).is_ok());
        format!("{} {is_fresh} {passes:?}", machine.available(now))
    }

    fn gradual(&self, machine: &Limiter<L>, now: Instant) -> String {
        format!("{:?}", [1, 4, 5].map(|cost| machine.peek(cost, now)))
    }

    fn next_deadline(&self, machine: &Limiter<L>, now: Instant) -> Option<Instant> {
        machine.next_deadline(now)
    }
}

type Table = RateLimiter<
    u32,
    TokenBucket,
    [Slot<u32, TokenBucket>; 8],
    [Pinned<u32, TokenBucket>; 1],
    KeyedHash,
>;

const PEERS: u32 = 12;

/// Twelve peers, of which eight have a slot and one may have a limit of its own.
struct OfPeers;

impl Subject for OfPeers {
    type Machine = Table;
    type Held = PeerCharge<resil_core::rate_limit::BucketCharge>;

    /// "An overflow bucket that nobody shares at the time is one too."
    fn known(&self) -> Known {
        Known { wait: Wait::MayHide, capacity: Some(4), horizon: REFILL + TOKEN, bound: 2 * REFILL }
    }

    fn fresh(&self, _: Instant) -> Table {
        RateLimiter::new(TOKENS, KeyedHash::from_seed(7))
    }

    fn ask(&self, machine: &mut Table, entropy: u32, now: Instant) -> Option<Self::Held> {
        let (id, cost) =
            if entropy == u32::MAX { (0, 1) } else { (entropy % PEERS, 1 + entropy / 16 % 4) };
        machine.check(&id, cost, now).ok()
    }

    fn tell(&self, machine: &mut Table, held: Self::Held, outcome: Outcome, now: Instant) {
        if outcome == Outcome::Abandoned {
            machine.refund(held, now);
        }
    }

    fn other(&self, machine: &mut Table, choice: u64, now: Instant) {
        let id = (choice >> 8) as u32 % PEERS;
        match choice % 16 {
            0 => machine.reset_all(),
            1..4 => drop(machine.reset(&id)),
            4..8 => drop(machine.set_limit(id, TEN, now)),
            8..12 => drop(machine.remove_limit(&id, now)),
            _ => drop(machine.check(&id, 0, now)),
        }
    }

    fn settle_clock(&self, machine: &mut Table, now: Instant) {
        for id in 0..PEERS {
            // A refusal takes nothing, and brings back what a step has left too far ahead.
            let _ = machine.check(&id, 4, now).map(|charge| machine.refund(charge, now));
        }
    }

    fn answers(&self, machine: &Table, now: Instant) -> String {
        let each: Vec<_> = (0..PEERS).map(|id| machine.available(&id, now)).collect();
        format!("{each:?}")
    }

    fn gradual(&self, machine: &Table, now: Instant) -> String {
        format!("{:?} {}", [0, 1, 2].map(|id| machine.peek(&id, 4, now)), machine.len())
    }

    fn next_deadline(&self, machine: &Table, now: Instant) -> Option<Instant> {
        machine.next_deadline(now)
    }
}

// A step delays a request by "one refill and the time of its own tokens": here it asks for one.
every_law! {
    token_bucket: exact(TOKENS, REFILL + TOKEN, 2 * REFILL);
    strict_bucket: exact(STRICT, STRICT_REFILL + STRICT_TOKEN, 2 * STRICT_REFILL);
    sub_windows: exact(RateLimit::new(TEN), SPAN, 2 * SPAN);
    exact_log: exact(LOGGED, SECOND, 2 * SECOND);
    warm_up: exact(WARMING, REFILL + COLD_TOKEN, 2 * REFILL);
    // "The next instant at which an answer of the limit underneath changes."
    per_request: OfLimit {
        limit: PerRequest::new(TOKENS),
        wait: Wait::MayHide,
        horizon: REFILL + TOKEN,
        bound: 2 * REFILL,
    };
    // "The next instant at which an answer of either changes; that of both may not."
    all_of: OfLimit {
        limit: AllOf::new(TOKENS, STRICT),
        wait: Wait::MayHide,
        horizon: STRICT_REFILL + STRICT_TOKEN,
        bound: 2 * STRICT_REFILL,
    };
    table_of_peers: OfPeers;
}
