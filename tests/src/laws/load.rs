//! How many at once: bulkhead, adaptive limits, throttle.

use super::kept::Kept;
use super::{Known, Look, Subject, Wait};
use core::fmt::Debug;
use core::time::Duration;
use resil_core::adaptive::{self, Aimd, ConcurrencyLimit, ConcurrencyLimiter, Gradient};
use resil_core::bulkhead::{self, Bulkhead, BulkheadConfig};
use resil_core::call::Priority;
use resil_core::snapshot::Persist;
use resil_core::throttle::{self, AdaptiveThrottle, ThrottleState, Throttler};
use resil_core::{Instant, Outcome, valid};

const SECOND: Duration = Duration::from_secs(1);

const FOUR: BulkheadConfig =
    valid!(BulkheadConfig::builder().max_concurrent(4).high_reserve(1).low_reserve(1).build());

/// Four permits.
#[derive(Debug)]
pub struct OfBulkhead;

impl Subject for OfBulkhead {
    type Machine = Bulkhead;
    type Held = bulkhead::Permit;

    /// Time is nothing to it: with everything told back it passes at once.
    fn known(&self) -> Known {
        let (horizon, bound) = (Duration::ZERO, Duration::ZERO);
        Known { wait: Wait::Exact, capacity: Some(4), horizon, bound }
    }

    fn fresh(&self, _: Instant) -> Bulkhead {
        Bulkhead::new(FOUR)
    }

    fn ask(&self, machine: &mut Bulkhead, entropy: u32, now: Instant) -> Option<bulkhead::Permit> {
        let weight = if entropy == u32::MAX { 1 } else { 1 + (entropy % 3) as u16 };
        let priorities = [Priority::Low, Priority::Normal, Priority::High];
        machine.try_acquire(weight, priorities[entropy as usize / 4 % 3], now).ok()
    }

    fn tell(&self, machine: &mut Bulkhead, held: bulkhead::Permit, outcome: Outcome, now: Instant) {
        machine.record(held, outcome, now);
    }

    fn other(&self, machine: &mut Bulkhead, choice: u64, now: Instant) {
        if choice.is_multiple_of(4) { machine.reset() } else { machine.reconfigure(FOUR, now) }
    }

    fn answers(&self, machine: &Bulkhead, _: Instant) -> impl Look + use<> {
        (machine.held(), machine.available(Priority::Low))
    }

    fn next_deadline(&self, machine: &Bulkhead, now: Instant) -> Option<Instant> {
        machine.next_deadline(now)
    }
}

const LOSSES: Aimd = valid!(
    Aimd::builder().initial_limit(3).max_limit(6).timeout(Duration::from_millis(200)).build()
);
/// Probes every second, and closes a window in a tenth of one.
const LATENCY: Gradient = valid!(
    Gradient::builder()
        .initial_limit(4)
        .min_limit(2)
        .max_limit(8)
        .window(Duration::from_millis(100))
        .min_samples(2)
        .probe_interval(Some(SECOND))
        .probe_limit(2)
        .build()
);

/// A limit that adapts.
#[derive(Debug)]
pub struct OfLimit<L> {
    policy: L,
    most: u32,
}

/// By losses.
pub const AIMD: OfLimit<Aimd> = OfLimit { policy: LOSSES, most: 6 };
/// By latency.
pub const GRADIENT: OfLimit<Gradient> = OfLimit { policy: LATENCY, most: 8 };

impl<L: ConcurrencyLimit + Clone> Subject for OfLimit<L>
where
    L::State: Clone,
{
    type Machine = ConcurrencyLimiter<L>;
    type Held = adaptive::Permit;

    /// No limit is below one, so with everything told back it passes at once. A probe that is due may
    /// find the limit as low as it sets it.
    fn known(&self) -> Known {
        let (horizon, bound) = (Duration::ZERO, SECOND);
        Known { wait: Wait::MayHide, capacity: Some(self.most), horizon, bound }
    }

    fn fresh(&self, _: Instant) -> Self::Machine {
        ConcurrencyLimiter::new(self.policy.clone())
    }

    fn ask(
        &self,
        machine: &mut Self::Machine,
        entropy: u32,
        now: Instant,
    ) -> Option<adaptive::Permit> {
        machine.try_acquire(entropy, now).ok()
    }

    fn tell(
        &self,
        machine: &mut Self::Machine,
        held: adaptive::Permit,
        outcome: Outcome,
        now: Instant,
    ) {
        machine.record(held, outcome, 7_u32, now);
    }

    fn other(&self, machine: &mut Self::Machine, choice: u64, now: Instant) {
        match choice % 8 {
            0 => machine.reset(),
            1 => machine.reconfigure(self.policy.clone(), now),
            _ => self.settle_clock(machine, now),
        }
    }

    /// The next call does.
    fn settle_clock(&self, machine: &mut Self::Machine, now: Instant) {
        if let Some(permit) = self.ask(machine, 7, now) {
            self.tell(machine, permit, Outcome::Ignored, now);
        }
    }

    fn answers(&self, machine: &Self::Machine, now: Instant) -> impl Look + use<L> {
        let (limit, in_flight) = (machine.limit(now), machine.in_flight());
        (limit, in_flight, machine.available(now), machine.peek(now))
    }

    fn next_deadline(&self, machine: &Self::Machine, now: Instant) -> Option<Instant> {
        machine.next_deadline(now)
    }
}

const WINDOW: Duration = Duration::from_secs(2);
const POLITE: AdaptiveThrottle =
    valid!(AdaptiveThrottle::builder().window(WINDOW).min_requests(3).build());

/// What a peer would not accept.
#[derive(Debug)]
pub struct OfThrottle;

impl Subject for OfThrottle {
    type Machine = Throttler;
    type Held = throttle::Permit;

    /// Some calls always pass: those for which the dice fall high. "A request that was taken off the
    /// count leaves too, and changes nothing."
    fn known(&self) -> Known {
        let (horizon, bound) = (Duration::ZERO, WINDOW);
        Known { wait: Wait::MayHide, capacity: None, horizon, bound }
    }

    fn fresh(&self, _: Instant) -> Throttler {
        Throttler::new(POLITE)
    }

    fn ask(&self, machine: &mut Throttler, entropy: u32, now: Instant) -> Option<throttle::Permit> {
        machine.try_acquire(entropy, now).ok()
    }

    fn tell(
        &self,
        machine: &mut Throttler,
        held: throttle::Permit,
        outcome: Outcome,
        now: Instant,
    ) {
        machine.record(held, outcome, now);
    }

    fn other(&self, machine: &mut Throttler, choice: u64, now: Instant) {
        if choice.is_multiple_of(4) { machine.reset() } else { machine.reconfigure(POLITE, now) }
    }

    /// The next request does; that it is ignored takes it off the count.
    fn settle_clock(&self, machine: &mut Throttler, now: Instant) {
        if let Some(permit) = self.ask(machine, u32::MAX, now) {
            self.tell(machine, permit, Outcome::Ignored, now);
        }
    }

    fn answers(&self, machine: &Throttler, now: Instant) -> impl Look + use<> {
        (machine.requests(now), machine.accepts(now))
    }

    fn gradual(&self, machine: &Throttler, now: Instant) -> impl Look + use<> {
        (machine.reject_share(now), machine.is_fresh(now))
    }

    fn next_deadline(&self, machine: &Throttler, now: Instant) -> Option<Instant> {
        machine.next_deadline(now)
    }
}

impl<L> Kept for OfLimit<L>
where
    L: ConcurrencyLimit + Persist<State = <L as ConcurrencyLimit>::State> + Clone,
    <L as ConcurrencyLimit>::State: Clone + Debug,
{
    type Policy = L;

    fn policy(&self) -> &L {
        &self.policy
    }

    fn state<'m>(&self, machine: &'m Self::Machine) -> &'m <L as ConcurrencyLimit>::State {
        machine.as_state()
    }

    fn with_state(&self, state: <L as ConcurrencyLimit>::State) -> Self::Machine {
        ConcurrencyLimiter::from_parts(self.policy.clone(), state)
    }
}

impl Kept for OfThrottle {
    type Policy = AdaptiveThrottle;

    fn policy(&self) -> &AdaptiveThrottle {
        &POLITE
    }

    fn state<'m>(&self, machine: &'m Throttler) -> &'m ThrottleState {
        machine.as_state()
    }

    fn with_state(&self, state: ThrottleState) -> Throttler {
        Throttler::from_parts(POLITE, state)
    }
}
