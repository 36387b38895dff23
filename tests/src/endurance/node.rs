//! One node: the machines of the core, what checks them, and what it keeps over a reboot.

use super::clock::NodeClock;
use super::faults::Class;
use super::guard::{Guard, Neighbour, PEERS, Purse};
use super::laws::{self, Remembered};
use super::plant::{Checks, Plant};
use super::policy::{Policies, ROOM, refill};
use super::watch::Accounts;
use core::time::Duration;
use resil_core::bulkhead::{self, BulkheadState};
use resil_core::call::{Bound, Layers, Priority};
use resil_core::circuit_breaker::ejection::EjectionState;
use resil_core::hedge::{HedgePolicy, HedgeState};
use resil_core::rate_limit::{
    Class as Kind, KeyedHash, Limit as _, Pinned, Place, RateLimiter, Slot, TokenBucket,
};
use resil_core::retry::budget::{BudgetPolicy, RatioBudget, RatioBudgetState};
use resil_core::{Instant, Outcome, Rejected};

/// Places in the table of those who ask.
const SLOTS: usize = 16;

type Limit = &'static TokenBucket;
pub(super) type Table = RateLimiter<
    u32,
    Limit,
    [Slot<u32, Limit>; SLOTS],
    [Pinned<u32, Limit>; 0],
    KeyedHash,
    [Kind<Limit>; 1],
>;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    /// The neighbour of this number.
    Member(usize),
    /// Somebody unknown who comes again and again.
    Spent(usize),
    /// Somebody whom nobody has seen before.
    Stranger,
}

/// A node.
#[derive(Debug)]
pub(super) struct Node {
    // What it remembers.
    pub(super) peers: [Neighbour; PEERS],
    pub(super) budget: RatioBudgetState,
    pub(super) hedge: HedgeState,
    pub(super) ejection: EjectionState,
    pub(super) table: Table,
    /// The seed of its hash, which is kept over a reboot.
    hash: u64,
    // What is under way.
    pub(super) calls: BulkheadState,
    work: BulkheadState,
    working: [Option<bulkhead::Permit>; ROOM],
    /// Until when it has work.
    pub(super) busy_until: Instant,
    // What checks it.
    pub(super) accounts: Accounts,
    /// Attempts that it has out.
    pub(super) outstanding: u16,
    /// Requests that it has taken in.
    taken_in: u16,
    // What happens to it.
    pub(super) clock: NodeClock,
    pub(super) life: u32,
    /// Since when it is down, if it is.
    pub(super) down_since: Option<Instant>,
    pub(super) still_until: Instant,
    pub(super) still_by: Class,
    pub(super) stood_still: Duration,
    pub(super) steps_back: u32,
}

impl Node {
    /// A node that has just started and knows nothing but its peers.
    pub(super) fn new(
        policies: &'static Policies,
        hash: u64,
        clock: NodeClock,
        now: Instant,
    ) -> Self {
        let table = RateLimiter::new(&policies.stranger, KeyedHash::from_seed(hash.into()));
        let mut node = Self {
            peers: core::array::from_fn(|_| Neighbour::new()),
            budget: RatioBudget::FRESH,
            hedge: HedgeState::FRESH,
            ejection: EjectionState::new(),
            table: table.with_classes([Kind::new(&policies.member)]),
            hash,
            calls: BulkheadState::new(),
            work: BulkheadState::new(),
            working: [const { None }; ROOM],
            busy_until: now,
            accounts: Accounts::default(),
            outstanding: 0,
            taken_in: 0,
            clock,
            life: 0,
            down_since: None,
            still_until: Instant::EPOCH,
            still_by: Class::Suspend,
            stood_still: Duration::ZERO,
            steps_back: 0,
        };
        let local = node.clock.show(now);
        for (peer, neighbour) in node.peers.iter_mut().enumerate() {
            policies.ejection.join(&mut node.ejection, peer);
            policies.heartbeat.expect(&mut neighbour.heartbeat, local);
        }
        node
    }

    /// Another life after a reboot; what has happened to the node is not forgotten by those who count.
    pub(super) fn reborn(&mut self, policies: &'static Policies, shows: Instant, now: Instant) {
        let fresh = Self::new(policies, self.hash, NodeClock::new(0, shows, now), now);
        let old = core::mem::replace(self, fresh);
        self.life = old.life + 1;
        self.still_until = old.still_until;
        self.still_by = old.still_by;
        self.stood_still = old.stood_still;
        self.steps_back = old.steps_back;
    }

    /// What a call passes whose peer is `home`; `own` counts its attempts.
    pub(super) fn layers<'a>(
        &'a mut self,
        checks: &'a Checks,
        home: usize,
        own: &'a mut u16,
    ) -> Layers<Guard<'a>, Purse<'a>, Bound<'a, HedgePolicy, HedgeState>> {
        let guard = Guard {
            checks,
            peers: &mut self.peers,
            watch: &mut self.accounts.peers,
            calls: &mut self.calls,
            ejection: &mut self.ejection,
            outstanding: &mut self.outstanding,
            own,
            home,
        };
        let budget = Bound::new(&checks.policies.budget, &mut self.budget);
        let purse = Purse { checks, budget, spending: &mut self.accounts.spending };
        let hedge = Bound::new(&checks.policies.hedge, &mut self.hedge);
        Layers::new(guard).with_budget(purse).with_hedge(hedge)
    }

    /// Takes in a request, and says at which place; `None` of one that is lost for want of memory.
    pub(super) fn take_in(
        &mut self,
        checks: &Checks,
        id: u32,
        asker: Asker,
        now: Instant,
    ) -> Result<Option<usize>, Rejected> {
        self.check_asker(checks, id, asker, now)?;
        let permit = checks.policies.work.try_acquire(&mut self.work, 1, Priority::Normal, now)?;
        let place = self.working.iter().position(Option::is_none);
        match place {
            Some(place) => {
                self.working[place] = Some(permit);
                self.taken_in += 1;
            }
            None => {
                checks.policies.work.record(&mut self.work, permit, Outcome::Abandoned, now);
            }
        }
        checks.hold(laws::held_is_outstanding(self.work.held(), self.taken_in));
        Ok(place)
    }

    /// Asks the table.
    fn check_asker(
        &mut self,
        checks: &Checks,
        id: u32,
        asker: Asker,
        now: Instant,
    ) -> Result<(), Rejected> {
        let (class, limit) = match asker {
            Asker::Member(_) => (1, &checks.policies.member),
            Asker::Spent(_) | Asker::Stranger => (0, &checks.policies.stranger),
        };
        self.accounts.pass(now);
        let asked = self.table.check_in(class as u8, &id, 1, now);
        checks.hold(laws::table_is_bounded(self.table.len(), SLOTS));
        let charge = asked.inspect_err(|_| {
            if checks.has(Plant::ForgivingTable) {
                self.table.reset(&id);
            }
        })?;

        let refill = refill(limit.config()).0;
        let accounts = &mut self.accounts;
        let account = match (charge.place(), asker) {
            (Place::Overflow(_), _) => Some(&mut accounts.shared[class]),
            (_, Asker::Member(number)) => Some(&mut accounts.members[number]),
            (_, Asker::Spent(number)) => Some(&mut accounts.spent[number]),
            (_, Asker::Stranger) => None,
        };
        if let Some(account) = account {
            account.spend(refill);
            checks.hold(laws::limit_is_kept(account, limit.config()));
        }
        if class == 0 {
            accounts.strangers.spend(refill / (SLOTS as u64 + 1));
            checks.hold(laws::limit_is_kept(&accounts.strangers, limit.config()));
        }
        Ok(())
    }

    /// A request at a place is done.
    pub(super) fn let_go(&mut self, checks: &Checks, place: usize, now: Instant) {
        let Some(permit) = self.working[place].take() else { return };
        self.taken_in -= 1;
        checks.policies.work.record(&mut self.work, permit, Outcome::Success, now);
        checks.hold(laws::held_is_outstanding(self.work.held(), self.taken_in));
    }

    /// What the machines of a peer answer.
    pub(super) fn remembers(&self, policies: &Policies, peer: usize, now: Instant) -> Remembered {
        let state = &self.peers[peer].state;
        Remembered {
            breaker: policies.peer.breaker().state(&state.breaker, now),
            tokens: policies.peer.limit().available(&state.limit, now),
        }
    }
}
