//! What two calls share: a breaker, a limit where there is one, a bulkhead, a purse; and defects that they
//! could have.

use core::time::Duration;
use resil_core::bulkhead::{self, BulkheadConfig, BulkheadState};
use resil_core::call::{Bound, Budget, End, Extra, Gate, Hedging, Priority, Request};
use resil_core::circuit_breaker::{self, CircuitBreakerConfig, CircuitBreakerState};
use resil_core::hedge::HedgeDecision;
use resil_core::outcome::{FailureClass, Outcome, Rejected, RetryAt, RetryHint};
use resil_core::rate_limit::{BucketCharge, BucketState, Limit, RateLimitConfig, TokenBucket};
use resil_core::{ErrorCode, Instant, valid};

/// Two failures in a row, for 2 ns; no lease ends while an attempt is alive.
pub(super) const BREAKER: CircuitBreakerConfig = valid!(
    CircuitBreakerConfig::builder()
        .failure_threshold(2)
        .timeout(Duration::from_nanos(2))
        .max_timeout(Duration::from_nanos(2))
        .lease(Duration::from_nanos(4))
        .abandon_counts_after(None)
        .build()
);
/// Two attempts at once, of both calls together.
pub(super) const BULKHEAD: BulkheadConfig =
    valid!(BulkheadConfig::builder().max_concurrent(2).build());

/// An attempt every 2 ns, of both calls together, and two at once.
pub(in crate::worlds) const LIMIT: TokenBucket = TokenBucket::new(valid!(
    RateLimitConfig::builder()
        .max_requests(1)
        .time_window(Duration::from_nanos(INTERVAL))
        .burst_size(2)
        .build()
));
pub(super) const INTERVAL: u64 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::worlds) enum Planted {
    /// What the breaker has lent is kept where the bulkhead refuses.
    RefusalKeepsTheProbe,
    /// An attempt that is abandoned is not told back.
    AbandonedIsKept,
    /// The bulkhead lets everybody in.
    NoBulkhead,
    /// Where the bulkhead refuses, the token of the limit is spent.
    RefusalKeepsTheToken,
}

/// Of the breaker, of the limit and of the bulkhead, in the order in which they are asked.
type Limited = (circuit_breaker::Permit, BucketCharge, bulkhead::Permit);

#[derive(Debug)]
pub(super) enum Permits {
    Unlimited((circuit_breaker::Permit, bulkhead::Permit)),
    Limited(Limited),
}

type Breaker<'a> = Bound<'a, CircuitBreakerConfig, CircuitBreakerState>;
type Bulkhead<'a> = Bound<'a, BulkheadConfig, BulkheadState>;

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) breaker: CircuitBreakerState,
    pub(super) bulkhead: BulkheadState,
    pub(super) limit: Option<BucketState>,
    /// Permits of all of them that are out.
    pub(super) out: usize,
    /// All of the bulkhead, while somebody else has it.
    pub(super) crowd: Option<bulkhead::Permit>,
    pub(super) planted: Option<Planted>,
}

impl Shared {
    pub(super) fn new(is_limited: bool, planted: Option<Planted>) -> Self {
        let (breaker, bulkhead) = (CircuitBreakerState::new(), BulkheadState::new());
        let limit = is_limited.then_some(BucketState::FRESH);
        Self { breaker, bulkhead, limit, out: 0, crowd: None, planted }
    }

    /// Tokens that are there, if there is a limit.
    pub(super) fn tokens(&self, now: Instant) -> Option<u32> {
        Some(LIMIT.available(self.limit.as_ref()?, now))
    }

    /// Somebody else comes, or goes.
    pub(super) fn crowd(&mut self) {
        let (all, now) = (BULKHEAD.max_concurrent(), Instant::EPOCH);
        match self.crowd.take() {
            Some(permit) => {
                let _ = BULKHEAD.record(&mut self.bulkhead, permit, Outcome::Success, now);
            }
            None => {
                let permit = BULKHEAD.try_acquire(&mut self.bulkhead, all, Priority::Normal, now);
                self.crowd = Some(permit.expect("nothing is held"));
            }
        }
    }

    fn gates(&mut self) -> (Breaker<'_>, Bulkhead<'_>) {
        (Bound::new(&BREAKER, &mut self.breaker), Bound::new(&BULKHEAD, &mut self.bulkhead))
    }

    fn acquire(
        &mut self,
        request: &Request,
        entropy: &mut impl FnMut() -> u32,
        now: Instant,
    ) -> Result<Permits, Rejected> {
        let Some(limit) = &mut self.limit else {
            return self.gates().try_acquire(request, entropy, now).map(Permits::Unlimited);
        };
        let breaker: Breaker<'_> = Bound::new(&BREAKER, &mut self.breaker);
        let bulkhead: Bulkhead<'_> = Bound::new(&BULKHEAD, &mut self.bulkhead);
        let mut gates = (breaker, Bound::new(&LIMIT, limit), bulkhead);
        gates.try_acquire(request, entropy, now).map(Permits::Limited)
    }

    /// Permits of the breaker in a text, of the present or of before.
    pub(super) fn present(&self, text: &str) -> String {
        let mut shape =
            text.replace(&format!("epoch: {}, is_probe", self.epoch()), "present, is_probe");
        while let Some(at) =
            shape.find(", epoch: ").filter(|at| shape[*at..].contains(", is_probe"))
        {
            let Some(length) = shape[at + 9..].find(", is_probe") else { break };
            if shape[at + 9..at + 9 + length].chars().all(|c| c.is_ascii_digit()) {
                shape.replace_range(at..at + 9 + length, ", of before");
            } else {
                shape.replace_range(at..at + 9, ", its epoch ");
            }
        }
        shape
    }

    fn epoch(&self) -> String {
        let text = format!("{:?}", self.breaker);
        let digits = text.split("epoch: ").nth(1).unwrap_or_default();
        digits.chars().take_while(char::is_ascii_digit).collect()
    }

    /// The limit as it is at `now`: its tokens, and when the next one comes.
    fn limit_at(&self, now: Instant) -> String {
        let Some(limit) = &self.limit else { return String::new() };
        let next = LIMIT.next_deadline(limit, now).map(|at| at.saturating_since(now).as_nanos());
        format!("{} {next:?}", LIMIT.available(limit, now))
    }

    pub(super) fn shape(&self, now: Instant) -> String {
        // How often it has opened makes no difference: its open time does not grow.
        let text = format!("{:?}", self.breaker).replace(&format!("epoch: {}", self.epoch()), "");
        let (counts, _) = text.split_once(", openings").unwrap_or((&text, ""));
        let (held, is_crowded) = (self.bulkhead.held(), self.crowd.is_some());
        format!("{counts} {held} {} {is_crowded} {}", self.out, self.limit_at(now))
    }
}

impl Gate for Shared {
    type Permit = Permits;
    type Report = ();

    fn try_acquire(
        &mut self,
        request: &Request,
        entropy: &mut impl FnMut() -> u32,
        now: Instant,
    ) -> Result<Permits, Rejected> {
        match self.planted {
            Some(Planted::RefusalKeepsTheProbe) => {
                let permit = BREAKER.try_acquire(&mut self.breaker, 0, now)?;
                let (_, mut bulkhead) = self.gates();
                let held = bulkhead.try_acquire(request, entropy, now)?;
                self.out += 1;
                return Ok(Permits::Unlimited((permit, held)));
            }
            Some(Planted::NoBulkhead) => {
                let permit = BREAKER.try_acquire(&mut self.breaker, 0, now)?;
                let held =
                    BULKHEAD.try_acquire(&mut BulkheadState::new(), 1, request.priority, now)?;
                self.out += 1;
                return Ok(Permits::Unlimited((permit, held)));
            }
            Some(Planted::RefusalKeepsTheToken) => {
                let crowded = self.bulkhead.held() >= BULKHEAD.max_concurrent();
                if let Some(limit) = self.limit.as_mut().filter(|_| crowded) {
                    let _spent = LIMIT.try_acquire(limit, 1, now);
                }
            }
            _ => {}
        }
        let permits = self.acquire(request, entropy, now)?;
        self.out += 1;
        Ok(permits)
    }

    fn settle(
        &mut self,
        permits: Permits,
        end: End,
        entropy: &mut impl FnMut() -> u32,
        now: Instant,
    ) {
        let is_abandoned = end == End::Attempted(Outcome::Abandoned);
        if is_abandoned && self.planted == Some(Planted::AbandonedIsKept) {
            return;
        }
        self.out -= 1;
        match permits {
            Permits::Unlimited(permits) => {
                self.gates().settle(permits, end, entropy, now);
            }
            Permits::Limited((probe, charge, held)) => {
                if let Some(limit) = &mut self.limit {
                    Bound::new(&LIMIT, limit).settle(charge, end, entropy, now);
                }
                self.gates().settle((probe, held), end, entropy, now);
            }
        }
    }
}

/// A budget of so many extra attempts; what was made is paid back when it succeeds.
#[derive(Debug)]
pub(super) struct Purse {
    pub(super) all: u8,
    pub(super) left: u8,
    /// Coins of attempts that are due or in flight.
    pub(super) out: u8,
}

/// What an extra attempt costs.
#[derive(Debug)]
pub(super) struct Coin;

impl Purse {
    pub(super) const fn of(all: u8) -> Self {
        Self { all, left: all, out: 0 }
    }
}

impl Budget for Purse {
    type Charge = Coin;

    fn begin(&mut self, _: Instant) {}

    fn try_withdraw(&mut self, _: Extra, _: Instant) -> Result<Coin, Rejected> {
        let refused = Rejected::new(ErrorCode::RetryFailed, RetryAt::Unknown);
        self.left = self.left.checked_sub(1).ok_or(refused)?;
        self.out += 1;
        Ok(Coin)
    }

    fn settle(&mut self, coin: Option<Coin>, outcome: Outcome, _: Instant) {
        self.out -= u8::from(coin.is_some());
        if outcome == Outcome::Success {
            self.left = self.all - self.out;
        }
    }

    fn refund(&mut self, Coin: Coin, _: Instant) {
        self.out -= 1;
        self.left += 1;
    }
}

/// One hedge a call, after a fixed time, or at once where the first attempt fails.
#[derive(Debug)]
pub(super) struct Hedge {
    pub(super) after: Option<u64>,
}

impl Hedging for Hedge {
    fn due(&self, sent: u8, since: Instant) -> Option<Instant> {
        let after = self.after.filter(|_| sent == 0)?;
        Some(since.saturating_add(Duration::from_nanos(after)))
    }

    fn on_failure(
        &self,
        sent: u8,
        class: FailureClass,
        hint: RetryHint,
        _: Instant,
    ) -> HedgeDecision {
        let is_plain = sent == 0 && class.is_retryable() && hint == RetryHint::None;
        if is_plain { HedgeDecision::Now } else { HedgeDecision::Stop }
    }

    fn record_latency(&mut self, _: Instant, _: Instant) {}
}
