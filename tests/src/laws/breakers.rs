//! Circuit breakers with every window, and the rule that ejects peers.

use super::kept::Kept;
use super::{Known, Look, Subject, Wait, outcome};
use core::fmt::Debug;
use core::time::Duration;
use resil_core::backoff::Jitter;
use resil_core::circuit_breaker::ejection::{Ejection, EjectionConfig, EjectionState};
use resil_core::circuit_breaker::{
    CircuitBreaker, CircuitBreakerConfig, CircuitBreakerState, Consecutive, CountWindow, Permit,
    State, TimeWindow, Window,
};
use resil_core::{Instant, Outcome, Ratio, valid};

const SECOND: Duration = Duration::from_secs(1);

const IN_A_ROW: CircuitBreakerConfig = valid!(
    CircuitBreakerConfig::builder()
        .failure_threshold(2)
        .timeout(SECOND)
        .probes(2)
        .jitter(Jitter::Equal)
        .build()
);
const OF_CALLS: CircuitBreakerConfig<CountWindow<1>> = valid!(
    CircuitBreakerConfig::builder()
        .failure_threshold(3)
        .timeout(SECOND)
        .success_rate(Ratio::percent(50), 4)
        .count_window(10)
        .slow_calls(Duration::from_millis(100), Ratio::percent(50))
        .build()
);
const OVER_TIME: CircuitBreakerConfig<TimeWindow<4>> = valid!(
    CircuitBreakerConfig::builder()
        .failure_threshold(3)
        .timeout(SECOND)
        .time_window(SECOND)
        .build()
);

/// A breaker under any policy.
#[derive(Debug)]
pub struct OfBreaker<W: Window>(pub CircuitBreakerConfig<W>);

/// It counts failures in a row.
pub const FAILURES_IN_A_ROW: OfBreaker<Consecutive> = OfBreaker(IN_A_ROW);
/// It judges its last ten calls.
pub const OF_TEN_CALLS: OfBreaker<CountWindow<1>> = OfBreaker(OF_CALLS);
/// It judges its last second.
pub const OF_A_SECOND: OfBreaker<TimeWindow<4>> = OfBreaker(OVER_TIME);

impl<W: Window> Subject for OfBreaker<W> {
    type Machine = CircuitBreaker<CircuitBreakerConfig<W>, W>;
    type Held = Permit;

    fn known(&self) -> Known {
        let (lease, open) = (self.0.lease(), self.0.max_timeout());
        let (horizon, bound) = (lease.max(open), lease + open);
        Known { wait: Wait::Exact, capacity: None, horizon, bound }
    }

    fn fresh(&self, _: Instant) -> Self::Machine {
        CircuitBreaker::new(self.0)
    }

    fn ask(&self, machine: &mut Self::Machine, entropy: u32, now: Instant) -> Option<Permit> {
        machine.try_acquire(entropy, now).ok()
    }

    fn tell(&self, machine: &mut Self::Machine, permit: Permit, outcome: Outcome, now: Instant) {
        machine.record(permit, outcome, u32::MAX, now);
    }

    fn other(&self, machine: &mut Self::Machine, choice: u64, now: Instant) {
        match choice % 16 {
            0 => drop(machine.reset(now)),
            1 => drop(machine.force_open(now)),
            2 => drop(machine.disable(now)),
            3 => drop(machine.metrics_only(now)),
            4 => machine.reconfigure(self.0, now),
            _ => drop(machine.poll(choice as u32, now)),
        }
    }

    /// "After the clock stepped back it counts from `now`; `poll` makes that stay."
    fn settle_clock(&self, machine: &mut Self::Machine, now: Instant) {
        machine.poll(7_u32, now);
    }

    fn mend(&self, machine: &mut Self::Machine, now: Instant) {
        if machine.state(now) == State::ForcedOpen {
            machine.reset(now);
        }
    }

    fn answers(&self, machine: &Self::Machine, now: Instant) -> impl Look + use<W> {
        let probes = machine.probes_in_flight(now);
        (machine.state(now), probes, machine.retry_at(now))
    }

    fn gradual(&self, machine: &Self::Machine, now: Instant) -> impl Look + use<W> {
        (machine.failures(), machine.counts(now), machine.is_fresh(now))
    }

    fn next_deadline(&self, machine: &Self::Machine, now: Instant) -> Option<Instant> {
        machine.next_deadline(now)
    }
}

const RULE: EjectionConfig = valid!(EjectionConfig::builder().window(SECOND).build());
const PEERS: usize = 8;
/// As many as the rule can know.
const ROOM: usize = 32;

/// The rule for eight peers.
#[derive(Debug)]
pub struct OfEjection;

impl Subject for OfEjection {
    type Machine = Ejection;
    type Held = usize;

    fn known(&self) -> Known {
        let capacity = Some(RULE.limit(PEERS as u32));
        Known { wait: Wait::MayHide, capacity, horizon: SECOND, bound: 2 * SECOND }
    }

    fn fresh(&self, _: Instant) -> Ejection {
        let mut rule = Ejection::new(RULE);
        (0..PEERS).for_each(|peer| rule.join(peer));
        rule
    }

    fn ask(&self, rule: &mut Ejection, _: u32, now: Instant) -> Option<usize> {
        let peer = (0..PEERS).find(|peer| !rule.is_ejected(*peer))?;
        rule.try_eject(peer, now).ok().map(|()| peer)
    }

    fn tell(&self, rule: &mut Ejection, peer: usize, _: Outcome, _: Instant) {
        rule.readmit(peer);
    }

    fn other(&self, rule: &mut Ejection, choice: u64, now: Instant) {
        let peer = (choice >> 8) as usize % PEERS;
        match choice % 16 {
            0 => rule.leave(peer),
            1 => rule.join(peer),
            2 => rule.reconfigure(RULE, now),
            _ => drop(rule.record(peer, outcome(choice >> 32), now)),
        }
    }

    /// Being told does; what is ignored says nothing else.
    fn settle_clock(&self, rule: &mut Ejection, now: Instant) {
        rule.record(0, Outcome::Ignored, now);
    }

    /// Those that were ejected are mended; a snapshot may know of others than the eight.
    fn mend(&self, rule: &mut Ejection, _: Instant) {
        (0..ROOM)
            .filter(|peer| rule.is_ejected(*peer))
            .collect::<Vec<_>>()
            .into_iter()
            .for_each(|peer| rule.readmit(peer));
    }

    fn answers(&self, rule: &Ejection, now: Instant) -> impl Look + use<> {
        (rule.blame(now), rule.peers(), rule.ejected())
    }

    fn next_deadline(&self, rule: &Ejection, now: Instant) -> Option<Instant> {
        rule.next_deadline(now)
    }
}

impl<W: Window> Kept for OfBreaker<W>
where
    W::Stats: Debug,
{
    type Policy = CircuitBreakerConfig<W>;

    fn policy(&self) -> &Self::Policy {
        &self.0
    }

    fn state<'m>(&self, machine: &'m Self::Machine) -> &'m CircuitBreakerState<W::Stats> {
        machine.as_state()
    }

    fn with_state(&self, state: CircuitBreakerState<W::Stats>) -> Self::Machine {
        CircuitBreaker::from_parts(self.0, state)
    }
}

impl Kept for OfEjection {
    type Policy = EjectionConfig;

    fn policy(&self) -> &EjectionConfig {
        &RULE
    }

    /// Its snapshot may know of other peers than the eight.
    fn capacity(&self, rule: &Ejection) -> Option<u32> {
        let mut all = rule.clone();
        (0..PEERS).for_each(|peer| all.join(peer));
        Some(RULE.limit(all.peers()))
    }

    fn state<'m>(&self, machine: &'m Ejection) -> &'m EjectionState {
        machine.as_state()
    }

    fn with_state(&self, state: EjectionState) -> Ejection {
        Ejection::from_parts(RULE, state)
    }
}
