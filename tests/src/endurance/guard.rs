//! What a call of a node has to pass, watched: the machines of the core, and beside each what checks it.

use super::laws;
use super::plant::{Checks, Plant};
use super::policy::refill;
use super::watch::{PeerWatch, Spending, signed};
use resil_core::bulkhead::{self, BulkheadConfig, BulkheadState};
use resil_core::call::{Bound, Budget, End, Extra, Gate, PeerGate, PeerState, Request};
use resil_core::circuit_breaker::ejection::{EjectionState, Ruling};
use resil_core::circuit_breaker::{self, CircuitBreakerState, State, Transition};
use resil_core::health::{HeartbeatState, HeartbeatStatus};
use resil_core::rate_limit::{BucketCharge, Limit, TokenBucket};
use resil_core::retry::budget::{BudgetPolicy, RatioBudget, RatioBudgetState, RatioCharge};
use resil_core::{ErrorCode, Instant, Outcome, Rejected};

/// Peers that a node calls.
pub(super) const PEERS: usize = 4;

/// A peer as a node sees it.
#[derive(Clone, Debug)]
pub(super) struct Neighbour {
    pub(super) state: PeerState,
    pub(super) heartbeat: HeartbeatState,
}

impl Neighbour {
    pub(super) fn new() -> Self {
        Self { state: PeerState::FRESH, heartbeat: HeartbeatState::new() }
    }
}

/// Breakers and limits of all peers, and what the node has out: an attempt is made at the peer that the
/// call is for, an extra one at the next that may be called.
#[derive(Debug)]
pub(super) struct Guard<'a> {
    pub(super) checks: &'a Checks,
    pub(super) peers: &'a mut [Neighbour; PEERS],
    pub(super) watch: &'a mut [PeerWatch; PEERS],
    pub(super) calls: &'a mut BulkheadState,
    pub(super) ejection: &'a mut EjectionState,
    /// Attempts of the node, and of this call, that are out.
    pub(super) outstanding: &'a mut u16,
    pub(super) own: &'a mut u16,
    pub(super) home: usize,
}

/// Leave to make an attempt at a peer.
#[derive(Debug)]
pub(super) struct Leave {
    pub(super) peer: usize,
    permits: ((circuit_breaker::Permit, BucketCharge), bulkhead::Permit),
}

type Gates<'a> = (PeerGate<'a>, Bound<'a, BulkheadConfig, BulkheadState>);

impl Guard<'_> {
    fn gates(&mut self, peer: usize) -> Gates<'_> {
        let policies = self.checks.policies;
        let calls = Bound::new(&policies.calls, self.calls);
        (policies.peer.gate(&mut self.peers[peer].state), calls)
    }

    fn choose(&self, request: &Request, now: Instant) -> usize {
        if !request.elsewhere {
            return self.home;
        }
        let policies = self.checks.policies;
        let others = (1..PEERS).map(|step| (self.home + step) % PEERS);
        let mut may_be_called = others.filter(|peer| {
            let peer = &self.peers[*peer];
            let status = policies.heartbeat.status(&peer.heartbeat, now);
            let breaker = policies.peer.breaker().peek(&peer.state.breaker, now);
            status != HeartbeatStatus::Suspected && breaker.is_ok()
        });
        may_be_called.next().unwrap_or((self.home + 1) % PEERS)
    }

    /// Applies what time has made due, so that it is seen.
    fn catch_up(&mut self, peer: usize, entropy: &mut impl FnMut() -> u32, now: Instant) {
        for _ in 0..2 {
            let breaker = &mut self.peers[peer].state.breaker;
            match self.checks.policies.peer.breaker().poll(breaker, &mut *entropy, now) {
                Some(transition) => self.changed(peer, transition, now),
                None => return,
            }
        }
    }

    /// A breaker has changed.
    fn changed(&mut self, peer: usize, transition: Transition, now: Instant) {
        let policies = self.checks.policies;
        let (state, watch) = (&mut self.peers[peer].state, &mut self.watch[peer].breaker);
        match transition.to {
            State::Open if transition.from == State::Closed => watch.opened(now),
            State::Open => watch.opened_again(now),
            State::HalfOpen => {
                self.checks.hold(laws::open_breaker_stays_open(watch, now));
                watch.half_opened();
            }
            _ => watch.closed(),
        }
        if self.checks.has(Plant::StuckBreaker) && transition.to == State::Open {
            policies.peer.breaker().force_open(&mut state.breaker, now);
            return;
        }
        let breaker = Bound::new(policies.peer.breaker(), &mut state.breaker);
        if self.checks.has(Plant::GreedyEjection) {
            let forced = Transition { to: State::ForcedOpen, ..transition };
            let transition = if transition.to == State::Open { forced } else { transition };
            policies.ejection.rule(self.ejection, peer, transition, breaker, now);
        } else if let Ruling::Spared(_) =
            policies.ejection.rule(self.ejection, peer, transition, breaker, now)
        {
            watch.closed();
        }
        let ejected = policies.ejection.ejected(self.ejection);
        self.checks.hold(laws::enough_peers_stay(ejected, PEERS as u32, policies));
    }

    /// The laws that an attempt which was let through could break.
    fn admitted(&mut self, peer: usize, now: Instant) {
        let checks = self.checks;
        let PeerWatch { breaker, level } = &mut self.watch[peer];
        checks.hold(laws::open_breaker_admits_nobody(breaker, now));
        checks.hold(laws::one_probe_at_a_time(breaker, now));
        breaker.admitted(now);

        let limit = checks.policies.peer.limit().config();
        level.spend(refill(limit).0);
        checks.hold(laws::limit_is_kept(level, limit));
        if checks.now_and_then(Plant::ForgivingBucket) {
            self.peers[peer].state.limit = TokenBucket::FRESH;
        }

        *self.outstanding += 1;
        *self.own += 1;
        checks.hold(laws::held_is_outstanding(self.calls.held(), *self.outstanding));
        checks.hold(laws::two_attempts_at_a_time(*self.own));
    }
}

impl Gate for Guard<'_> {
    type Permit = Leave;
    type Report = ();

    fn try_acquire(
        &mut self,
        request: &Request,
        entropy: &mut impl FnMut() -> u32,
        now: Instant,
    ) -> Result<Leave, Rejected> {
        let peer = self.choose(request, now);
        self.catch_up(peer, entropy, now);
        self.watch[peer].level.pass(now);
        self.watch[peer].breaker.pass(now);
        let mut asked = self.gates(peer).try_acquire(request, entropy, now);
        if let Err(rejected) = &asked
            && (rejected.code() == ErrorCode::CircuitBreakerOpen
                && self.checks.now_and_then(Plant::LeakyBreaker)
                || rejected.code() == ErrorCode::CircuitBreakerHalfOpen
                    && self.checks.has(Plant::ForgottenProbe))
        {
            self.peers[peer].state.breaker = CircuitBreakerState::new();
            asked = self.gates(peer).try_acquire(request, entropy, now);
        }
        let permits = asked?;
        self.admitted(peer, now);
        Ok(Leave { peer, permits })
    }

    fn settle(
        &mut self,
        Leave { peer, permits }: Leave,
        end: End,
        entropy: &mut impl FnMut() -> u32,
        now: Instant,
    ) {
        self.watch[peer].breaker.pass(now);
        if permits.0.0.is_probe() {
            self.watch[peer].breaker.probed(permits.0.0.issued_at());
        }
        *self.outstanding -= 1;
        *self.own -= 1;
        if self.checks.now_and_then(Plant::LeakedPermit) {
            return;
        }
        let ((recorded, ()), _) = self.gates(peer).settle(permits, end, entropy, now);
        self.checks.policies.ejection.record(self.ejection, peer, end.outcome(), now);
        if let Some(transition) = recorded.transition() {
            self.changed(peer, transition, now);
        }
        self.checks.hold(laws::held_is_outstanding(self.calls.held(), *self.outstanding));
    }
}

/// What extra attempts of a node are paid from.
#[derive(Debug)]
pub(super) struct Purse<'a> {
    pub(super) checks: &'a Checks,
    pub(super) budget: Bound<'a, RatioBudget, RatioBudgetState>,
    pub(super) spending: &'a mut Spending,
}

/// What an extra attempt has cost, and when.
#[derive(Debug)]
pub(super) struct Paid {
    charge: RatioCharge,
    at: i64,
}

impl Purse<'_> {
    fn window(&self) -> i64 {
        self.checks.policies.budget.window().as_nanos() as i64
    }
}

impl Budget for Purse<'_> {
    type Charge = Paid;

    fn begin(&mut self, now: Instant) {
        self.spending.call(self.window(), now);
        self.budget.begin(now);
    }

    fn try_withdraw(&mut self, extra: Extra, now: Instant) -> Result<Paid, Rejected> {
        self.spending.pass(self.window(), now);
        let asked = self.budget.try_withdraw(extra, now);
        let charge = if self.checks.has(Plant::GenerousBudget) {
            asked.or_else(|_| {
                self.budget.policy.try_withdraw(&mut RatioBudget::FRESH.clone(), extra, now)
            })?
        } else {
            asked?
        };
        self.spending.extra(self.window(), now);
        self.checks.hold(laws::extras_within_budget(self.spending, self.checks.policies, now));
        Ok(Paid { charge, at: signed(now) })
    }

    fn settle(&mut self, charge: Option<Paid>, outcome: Outcome, now: Instant) {
        self.budget.settle(charge.map(|paid| paid.charge), outcome, now);
    }

    fn refund(&mut self, paid: Paid, now: Instant) {
        self.spending.refund(paid.at, self.window(), now);
        self.budget.refund(paid.charge, now);
    }
}
