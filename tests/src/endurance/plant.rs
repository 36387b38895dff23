//! Defects to plant, to see that the laws are worth something.

use super::laws::{Breach, Law};
use super::policy::{Policies, STUBBORN};
use core::cell::{Cell, RefCell};
use resil_core::call::CallPolicy;

/// A defect of a machine or of the world that is planted on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plant {
    /// None: the machines as they are.
    Nothing,
    /// Now and then a permit of the bulkhead is not given back.
    LeakedPermit,
    /// Now and then an open breaker lets a call through.
    LeakyBreaker,
    /// Now and then a breaker forgets that its probe is out.
    ForgottenProbe,
    /// A breaker that opened stays open.
    StuckBreaker,
    /// Now and then a bucket is full again.
    ForgivingBucket,
    /// The budget pays for every extra attempt.
    GenerousBudget,
    /// Who was refused by the table is forgotten, and so comes back as somebody new.
    ForgivingTable,
    /// As many peers are ejected as fail.
    GreedyEjection,
    /// More attempts than the policy has.
    StubbornRetry,
    /// Now and then nobody wakes a call.
    LostTimer,
    /// Now and then a call ends twice.
    DoubleEnd,
    /// What comes out of a snapshot is as new.
    BlankSnapshot,
    /// A damaged snapshot is not looked at before it is used.
    TrustedSnapshot,
    /// Something is drawn that no seed decides.
    TrueChance,
}

/// What every decision is checked with.
#[derive(Debug)]
pub(super) struct Checks {
    pub(super) policies: &'static Policies,
    pub(super) plant: Plant,
    first: RefCell<Option<Breach>>,
    is_broken: Cell<bool>,
    turns: Cell<u64>,
}

impl Checks {
    pub(super) fn new(policies: &'static Policies, plant: Plant) -> Self {
        let (first, is_broken) = (RefCell::new(None), Cell::new(false));
        Self { policies, plant, first, is_broken, turns: Cell::new(0) }
    }

    /// Keeps the first law that does not hold.
    pub(super) fn hold(&self, law: Law) {
        if let Err(breach) = law {
            self.is_broken.set(true);
            self.first.borrow_mut().get_or_insert(breach);
        }
    }

    /// The first law that does not hold. Asked after every event, so it is cheap where all do.
    pub(super) fn breach_if_broken(&self) -> Option<Breach> {
        if self.is_broken.get() { self.first.borrow().clone() } else { None }
    }

    /// How calls go on.
    pub(super) fn call_policy(&self) -> &'static CallPolicy {
        if self.has(Plant::StubbornRetry) { &STUBBORN } else { self.policies.peer.call() }
    }

    pub(super) fn has(&self, plant: Plant) -> bool {
        self.plant == plant
    }

    /// Whether the defect is planted, and shows this time: one time in sixteen.
    pub(super) fn now_and_then(&self, plant: Plant) -> bool {
        if self.plant != plant {
            return false;
        }
        self.turns.set(self.turns.get() + 1);
        self.turns.get().is_multiple_of(16)
    }
}
