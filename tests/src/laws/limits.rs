//! Every rate limit, and the table of peers.

use super::kept::Kept;
use super::{Known, Look, Subject, Wait};
use core::fmt::Debug;
use core::time::Duration;
use resil_core::rate_limit::{
    AllOf, Charge, ExactLog, KeyedHash, Limit, Limiter, PeerCharge, PerRequest, Pinned, RateLimit,
    RateLimitConfig, RateLimiter, Slot, StrictBucket, TokenBucket, WarmUp,
};
use resil_core::snapshot::Persist;
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
/// What sub-windows count leaves after the window and one of them, and a step of another is waited for.
const SPAN: Duration = Duration::from_millis(1_200);
const LOGGED: RateLimit<ExactLog<10>> = valid!(RateLimit::with_exact_log(TEN));

/// Any limit.
#[derive(Debug)]
pub struct OfLimit<L> {
    limit: L,
    wait: Wait,
    horizon: Duration,
    bound: Duration,
}

const fn exact<L>(limit: L, horizon: Duration, bound: Duration) -> OfLimit<L> {
    OfLimit { limit, wait: Wait::Exact, horizon, bound }
}

// A step delays a request by "one refill and the time of its own tokens": here it asks for one.

/// Tokens that come back one by one.
pub const TOKEN_BUCKET: OfLimit<TokenBucket> =
    exact(TOKENS, REFILL.saturating_add(TOKEN), REFILL.saturating_mul(2));
/// The one that is within the maximum in any window.
pub const STRICT_BUCKET: OfLimit<StrictBucket> =
    exact(STRICT, STRICT_REFILL.saturating_add(STRICT_TOKEN), STRICT_REFILL.saturating_mul(2));
/// A bucket and a window of sub-windows.
pub const SUB_WINDOWS: OfLimit<RateLimit> =
    exact(RateLimit::new(TEN), SPAN, SPAN.saturating_mul(2));
/// A bucket and a window that is exact.
pub const EXACT_LOG: OfLimit<RateLimit<ExactLog<10>>> =
    exact(LOGGED, MILLI.saturating_mul(1_125), SECOND.saturating_mul(2));
/// Less after a pause.
pub const WARM_UP: OfLimit<WarmUp> =
    exact(WARMING, REFILL.saturating_add(COLD_TOKEN), REFILL.saturating_mul(2));
/// "The next instant at which an answer of the limit underneath changes."
pub const PER_REQUEST: OfLimit<PerRequest<TokenBucket>> = OfLimit {
    limit: PerRequest::new(TOKENS),
    wait: Wait::MayHide,
    horizon: REFILL.saturating_add(TOKEN),
    bound: REFILL.saturating_mul(2),
};
/// "The next instant at which an answer of either changes; that of both may not."
pub const ALL_OF: OfLimit<AllOf<TokenBucket, StrictBucket>> = OfLimit {
    limit: AllOf::new(TOKENS, STRICT),
    wait: Wait::MayHide,
    horizon: STRICT_REFILL.saturating_add(STRICT_TOKEN),
    bound: STRICT_REFILL.saturating_mul(2),
};

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

    fn answers(&self, machine: &Limiter<L>, now: Instant) -> impl Look + use<L> {
        let is_fresh = self.limit.is_fresh(machine.as_state(), now);
        let passes = [0, 1, 2, 4, 5].map(|cost| machine.peek(cost, now).is_ok());
        (machine.available(now), is_fresh, passes)
    }

    fn gradual(&self, machine: &Limiter<L>, now: Instant) -> impl Look + use<L> {
        [1, 4, 5].map(|cost| machine.peek(cost, now))
    }

    fn next_deadline(&self, machine: &Limiter<L>, now: Instant) -> Option<Instant> {
        machine.next_deadline(now)
    }
}

/// A table of eight slots and one place for a limit of its own.
pub type Table = RateLimiter<
    u32,
    TokenBucket,
    [Slot<u32, TokenBucket>; 8],
    [Pinned<u32, TokenBucket>; 1],
    KeyedHash,
>;

const PEERS: u32 = 12;

/// Twelve peers, of which eight have a slot and one may have a limit of its own.
#[derive(Debug)]
pub struct OfPeers;

impl Subject for OfPeers {
    type Machine = Table;
    type Held = PeerCharge<resil_core::rate_limit::BucketCharge>;

    /// "An overflow bucket that nobody shares at the time is one too."
    fn known(&self) -> Known {
        Known {
            wait: Wait::MayHide,
            capacity: Some(4),
            horizon: REFILL.saturating_add(TOKEN),
            bound: REFILL.saturating_mul(2),
        }
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

    fn answers(&self, machine: &Table, now: Instant) -> impl Look + use<> {
        core::array::from_fn::<_, { PEERS as usize }, _>(|id| machine.available(&(id as u32), now))
    }

    fn gradual(&self, machine: &Table, now: Instant) -> impl Look + use<> {
        ([0, 1, 2].map(|id| machine.peek(&id, 4, now)), machine.len())
    }

    fn next_deadline(&self, machine: &Table, now: Instant) -> Option<Instant> {
        machine.next_deadline(now)
    }
}

impl<L> Kept for OfLimit<L>
where
    L: Limit + Persist<State = <L as Limit>::State> + Clone,
    <L as Limit>::State: Debug,
{
    type Policy = L;

    fn policy(&self) -> &L {
        &self.limit
    }

    fn state<'m>(&self, machine: &'m Limiter<L>) -> &'m <L as Limit>::State {
        machine.as_state()
    }

    fn with_state(&self, state: <L as Limit>::State) -> Limiter<L> {
        Limiter::from_parts(self.limit.clone(), state)
    }
}
