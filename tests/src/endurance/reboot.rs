//! What a node saves when it dies, and what becomes of it when it is back.

use super::frame;
use super::guard::PEERS;
use super::laws::{self, Remembered};
use super::node::Node;
use super::plant::{Checks, Plant};
use super::policy::Policies;
use super::watch::signed;
use resil_core::Instant;
use resil_core::call::{PeerPolicy, PeerState};
use resil_core::circuit_breaker::State;
use resil_core::circuit_breaker::ejection::EjectionConfig;
use resil_core::hedge::HedgePolicy;
use resil_core::rate_limit::TokenBucket;
use resil_core::retry::budget::RatioBudget;
use resil_core::snapshot::{Persist, SnapshotError};

/// What survives: bytes.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    peers: [[u8; PeerPolicy::<TokenBucket>::LEN]; PEERS],
    budget: [u8; RatioBudget::LEN],
    ejection: [u8; EjectionConfig::<1>::LEN],
    hedge: [u8; HedgePolicy::LEN],
    askers: Vec<(Option<u32>, u8, [u8; TokenBucket::LEN])>,
}

impl Snapshot {
    fn of(node: &Node, policies: &Policies, now: Instant) -> Result<Self, SnapshotError> {
        let mut snapshot = Self {
            peers: [[0; PeerPolicy::<TokenBucket>::LEN]; PEERS],
            budget: [0; RatioBudget::LEN],
            ejection: [0; EjectionConfig::<1>::LEN],
            hedge: [0; HedgePolicy::LEN],
            askers: Vec::new(),
        };
        for (peer, bytes) in node.peers.iter().zip(&mut snapshot.peers) {
            policies.peer.save(&peer.state, now, bytes)?;
        }
        policies.budget.save(&node.budget, now, &mut snapshot.budget)?;
        policies.ejection.save(&node.ejection, now, &mut snapshot.ejection)?;
        policies.hedge.save(&node.hedge, now, &mut snapshot.hedge)?;
        for entry in node.table.entries(now) {
            let mut bytes = [0; TokenBucket::LEN];
            entry.limit.save(entry.state, now, &mut bytes)?;
            snapshot.askers.push((entry.id.copied(), entry.class, bytes));
        }
        Ok(snapshot)
    }

    fn restore(
        &self,
        node: &mut Node,
        policies: &Policies,
        now: Instant,
    ) -> Result<bool, SnapshotError> {
        for (peer, bytes) in node.peers.iter_mut().zip(&self.peers) {
            peer.state = policies.peer.restore(bytes, now)?;
        }
        node.budget = policies.budget.restore(&self.budget, now)?;
        node.ejection = policies.ejection.restore(&self.ejection, now)?;
        node.hedge = policies.hedge.restore(&self.hedge, now)?;
        let mut is_complete = true;
        for (id, class, bytes) in &self.askers {
            let limit = if *class == 0 { &policies.stranger } else { &policies.member };
            is_complete &= node.table.adopt(*id, *class, limit.restore(bytes, now)?, now);
        }
        Ok(is_complete)
    }
}

/// How a node comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reboot {
    FromSnapshot,
    Blank,
    Damaged,
}

/// A node starts again, with a clock that began `shows` ago. Whether what it found was used.
pub(super) fn reboot(
    node: &mut Node,
    checks: &Checks,
    how: Reboot,
    drawn: u64,
    shows: Instant,
    now: Instant,
) -> bool {
    // It was saved in the moment it died, and its clock has stood since.
    let policies = checks.policies;
    let then = node.clock.show(node.down_since.unwrap_or(now));
    let saved = Snapshot::of(node, policies, then).expect("there is room for a snapshot");
    let before: [Remembered; PEERS] =
        core::array::from_fn(|peer| node.remembers(policies, peer, then));
    let mut accounts = node.accounts.clone();
    node.reborn(policies, shows, now);
    match how {
        Reboot::Blank => false,
        Reboot::Damaged => {
            let mut damaged = saved;
            for bytes in &mut damaged.peers {
                frame::corrupt(bytes, drawn);
            }
            let mut victim = Node::new(policies, drawn, node.clock.clone(), now);
            let restored = damaged.restore(&mut victim, policies, shows);
            let is_refused = restored.is_err() && !checks.has(Plant::TrustedSnapshot);
            checks.hold(laws::damage_is_found(is_refused, &damaged));
            false
        }
        Reboot::FromSnapshot => {
            let restored = saved.restore(node, policies, shows);
            let window = policies.budget.window().as_nanos() as i64;
            accounts.pass_all(window, then);
            accounts.shift(signed(shows) - signed(then), window);
            node.accounts = accounts;
            if checks.has(Plant::BlankSnapshot) {
                node.peers.iter_mut().for_each(|peer| peer.state = PeerState::FRESH);
            }
            checks.hold(laws::snapshot_is_whole(restored));
            for (peer, before) in before.into_iter().enumerate() {
                let after = node.remembers(policies, peer, shows);
                checks.hold(laws::snapshot_is_faithful(&saved, before, after));
                let watch = &mut node.accounts.peers[peer].breaker;
                watch.pass(shows);
                if before.breaker == State::HalfOpen {
                    checks.hold(laws::open_breaker_stays_open(watch, shows));
                    watch.half_opened();
                }
            }
            true
        }
    }
}
