//! What bounds a call: budgets, hedging, deadlines; and the partition that tests it.

use super::kept::Kept;
use super::{Known, Look, Subject, Wait, outcome};
use core::fmt::Debug;
use core::time::Duration;
use resil_core::call::{Budget, Extra};
use resil_core::chaos::Partition;
use resil_core::deadline::Deadline;
use resil_core::hedge::{Hedge, HedgePolicy, HedgeState};
use resil_core::outcome::FailureClass;
use resil_core::retry::budget::{
    BudgetCharge, BudgetPolicy, RatioBudget, RetryBudget, TokenBudget,
};
use resil_core::snapshot::Persist;
use resil_core::{Instant, Outcome, Ratio, valid};

const SECOND: Duration = Duration::from_secs(1);
const RETRY: Extra = Extra::Retry(FailureClass::Transient);
/// Two retries of 14 each.
const TOKENS: TokenBudget = valid!(TokenBudget::builder().capacity(30).build());
const SHARE: RatioBudget =
    valid!(RatioBudget::builder().ratio(Ratio::percent(50)).minimum(3).window(SECOND).build());

/// A budget.
#[derive(Debug)]
pub struct OfBudget<P> {
    policy: P,
    capacity: Option<u32>,
    bound: Duration,
}

/// A bucket of tokens.
pub const TOKEN_BUDGET: OfBudget<TokenBudget> =
    OfBudget { policy: TOKENS, capacity: Some(2), bound: Duration::ZERO };
/// A share of the calls. After a step back nothing is counted "for longer than a window and a half".
pub const RATIO_BUDGET: OfBudget<RatioBudget> =
    OfBudget { policy: SHARE, capacity: None, bound: Duration::from_millis(1_500) };

impl<P: BudgetPolicy + Clone> Subject for OfBudget<P>
where
    P::State: Clone,
{
    type Machine = RetryBudget<P>;
    type Held = BudgetCharge<P::Charge>;

    fn known(&self) -> Known {
        let Self { capacity, bound, .. } = *self;
        Known { wait: Wait::Exact, capacity, horizon: bound, bound }
    }

    fn fresh(&self, _: Instant) -> Self::Machine {
        RetryBudget::new(self.policy.clone())
    }

    fn ask(&self, machine: &mut Self::Machine, entropy: u32, now: Instant) -> Option<Self::Held> {
        let extras = [RETRY, Extra::Retry(FailureClass::Throttled), Extra::Hedge];
        let extra = if entropy == u32::MAX { RETRY } else { extras[entropy as usize % 3] };
        machine.try_withdraw(extra, now).ok()
    }

    fn tell(&self, machine: &mut Self::Machine, held: Self::Held, outcome: Outcome, now: Instant) {
        match outcome {
            Outcome::Abandoned => machine.refund(held, now),
            outcome => machine.settle(Some(held), outcome, now),
        }
    }

    fn other(&self, machine: &mut Self::Machine, choice: u64, now: Instant) {
        match choice % 16 {
            0 => machine.reset(),
            1 => machine.reconfigure(self.policy.clone(), now),
            2..9 => machine.begin(now),
            _ => machine.settle(None, outcome(choice >> 32), now),
        }
    }

    /// Asking does, and what was charged for it is given back.
    fn settle_clock(&self, machine: &mut Self::Machine, now: Instant) {
        if let Some(charge) = self.ask(machine, u32::MAX, now) {
            machine.refund(charge, now);
        }
    }

    /// "Refills with successes only", where it does not with time.
    fn mend(&self, machine: &mut Self::Machine, now: Instant) {
        for _ in 0..14 {
            machine.begin(now);
            machine.settle(None, Outcome::Success, now);
        }
    }

    fn answers(&self, machine: &Self::Machine, now: Instant) -> impl Look + use<P> {
        machine.peek(RETRY, now)
    }

    fn next_deadline(&self, machine: &Self::Machine, now: Instant) -> Option<Instant> {
        machine.next_deadline(now)
    }
}

const HEDGE: HedgePolicy = valid!(
    HedgePolicy::builder()
        .fallback_delay(SECOND)
        .min_samples(3)
        .max_delay(Duration::from_secs(2))
        .build()
);

/// When to hedge.
#[derive(Debug)]
pub struct OfHedge;

impl Subject for OfHedge {
    type Machine = Hedge;
    type Held = Instant;

    fn known(&self) -> Known {
        let (horizon, bound) = (Duration::ZERO, 2 * SECOND);
        Known { wait: Wait::Exact, capacity: None, horizon, bound }
    }

    fn fresh(&self, _: Instant) -> Hedge {
        Hedge::new(HEDGE)
    }

    /// A call hedges, and not at once.
    fn ask(&self, machine: &mut Hedge, _: u32, now: Instant) -> Option<Instant> {
        assert_eq!(machine.due(1, now).filter(|due| *due <= now), None);
        machine.delay().map(|_| now)
    }

    fn tell(&self, machine: &mut Hedge, since: Instant, _: Outcome, now: Instant) {
        machine.record_latency(since, now);
    }

    fn other(&self, machine: &mut Hedge, choice: u64, now: Instant) {
        if choice.is_multiple_of(16) { machine.reset() } else { machine.reconfigure(HEDGE, now) }
    }

    fn answers(&self, machine: &Hedge, _: Instant) -> impl Look + use<> {
        (machine.delay(), machine.as_state().samples())
    }

    fn next_deadline(&self, _: &Hedge, _: Instant) -> Option<Instant> {
        None
    }
}

/// A call that has a second each time it is made.
#[derive(Debug)]
pub struct OfDeadline;

impl Subject for OfDeadline {
    type Machine = Deadline;
    type Held = ();

    fn known(&self) -> Known {
        Known { wait: Wait::Exact, capacity: None, horizon: Duration::ZERO, bound: SECOND }
    }

    fn fresh(&self, now: Instant) -> Deadline {
        Deadline::after(now, SECOND)
    }

    fn ask(&self, machine: &mut Deadline, _: u32, now: Instant) -> Option<()> {
        machine.check(now).ok()
    }

    fn tell(&self, _: &mut Deadline, (): (), _: Outcome, _: Instant) {}

    fn other(&self, machine: &mut Deadline, choice: u64, now: Instant) {
        *machine = machine.attempt(Duration::from_nanos(choice >> 32), now);
        if choice.is_multiple_of(2) {
            self.mend(machine, now);
        }
    }

    fn mend(&self, machine: &mut Deadline, now: Instant) {
        *machine = Deadline::after(now, SECOND);
    }

    fn answers(&self, machine: &Deadline, now: Instant) -> impl Look + use<> {
        (machine.is_past(now), machine.check(now))
    }

    fn gradual(&self, machine: &Deadline, now: Instant) -> impl Look + use<> {
        (machine.remaining(now), machine.clamp(SECOND, now))
    }

    fn next_deadline(&self, machine: &Deadline, now: Instant) -> Option<Instant> {
        machine.next_deadline(now)
    }
}

const SPLIT: Partition = valid!(Partition::new(1, SECOND, 500_000, 3));

/// Nodes that do not always hear each other.
#[derive(Debug)]
pub struct OfPartition;

impl Subject for OfPartition {
    type Machine = Partition;
    type Held = ();

    /// The next window may cut as the last did.
    fn known(&self) -> Known {
        Known { wait: Wait::MayHide, capacity: None, horizon: Duration::ZERO, bound: SECOND }
    }

    fn fresh(&self, _: Instant) -> Partition {
        SPLIT
    }

    fn ask(&self, machine: &mut Partition, _: u32, now: Instant) -> Option<()> {
        (!machine.is_cut(1, 1, now)).then_some(())
    }

    fn tell(&self, _: &mut Partition, (): (), _: Outcome, _: Instant) {}

    fn answers(&self, machine: &Partition, now: Instant) -> impl Look + use<> {
        [0, 1, 2, 3].map(|node| machine.group(node, now))
    }

    fn next_deadline(&self, machine: &Partition, now: Instant) -> Option<Instant> {
        machine.next_deadline(now)
    }
}

impl<P> Kept for OfBudget<P>
where
    P: BudgetPolicy + Persist<State = <P as BudgetPolicy>::State> + Clone,
    <P as BudgetPolicy>::State: Clone + Debug,
{
    type Policy = P;

    fn policy(&self) -> &P {
        &self.policy
    }

    fn state<'m>(&self, machine: &'m RetryBudget<P>) -> &'m <P as BudgetPolicy>::State {
        machine.as_state()
    }

    fn with_state(&self, state: <P as BudgetPolicy>::State) -> RetryBudget<P> {
        RetryBudget::from_parts(self.policy.clone(), state)
    }
}

impl Kept for OfHedge {
    type Policy = HedgePolicy;

    fn policy(&self) -> &HedgePolicy {
        &HEDGE
    }

    fn state<'m>(&self, machine: &'m Hedge) -> &'m HedgeState {
        machine.as_state()
    }

    fn with_state(&self, state: HedgeState) -> Hedge {
        Hedge::from_parts(HEDGE, state)
    }
}
