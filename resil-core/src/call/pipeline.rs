//! What a driver needs to know of the layers that a call passes.

use super::gate::Request;
use super::layers::Gates;
use super::machine::Call;
use super::policy::CallPolicy;
use super::step::{Step, Ticket};
use crate::circuit_breaker::{State, Transition};
use crate::deadline::Deadline;
use crate::outcome::Classification;
use crate::time::Instant;
use core::fmt::Debug;

/// The policies of all layers that a call passes, and the kind of state that they decide about.
///
/// A driver keeps the state where calls share it (a cell, a mutex) and takes [steps](Self::step) with
/// it; whoever implements this says what there is. [`PeerPolicy`](super::PeerPolicy) is a breaker and a
/// limit, [`HedgedPolicy`](super::HedgedPolicy) has a budget and hedging besides.
///
/// ```
/// use resil_core::call::{CallPolicy, Layers, Pipeline, Bound};
/// use resil_core::outcome::EveryError;
/// use resil_core::rate_limit::{BucketCharge, BucketState, Limit, TokenBucket};
///
/// /// A limit and nothing else.
/// struct Quota { call: CallPolicy, limit: TokenBucket }
///
/// impl Pipeline for Quota {
///     type State = BucketState;
///     type Permit = BucketCharge;
///     type Charge = ();
///     type Classifier = EveryError;
///     type Gates<'a> = Layers<Bound<'a, TokenBucket, BucketState>>;
///     const FRESH: BucketState = TokenBucket::FRESH;
///
///     fn call(&self) -> &CallPolicy {
///         &self.call
///     }
///
///     fn gates<'a>(&'a self, state: &'a mut BucketState) -> Self::Gates<'a> {
///         Layers::new(Bound::new(&self.limit, state))
///     }
/// }
/// ```
pub trait Pipeline {
    /// What calls share.
    type State;
    /// What the gates lend for an attempt.
    type Permit: Debug;
    /// What the budget charges for an extra attempt.
    type Charge: Debug;
    /// Says what an operation's errors mean.
    type Classifier;
    /// The layers of one step.
    type Gates<'a>: Gates<Self::Permit, Self::Charge>
    where
        Self: 'a;

    /// The state of a peer that nothing is known of.
    const FRESH: Self::State;

    /// How calls go on.
    fn call(&self) -> &CallPolicy<Self::Classifier>;

    /// The layers, borrowed for a step.
    fn gates<'a>(&'a self, state: &'a mut Self::State) -> Self::Gates<'a>;

    /// Applies one transition of the breaker that time has made due, and returns it. Where there is a
    /// breaker it is [`CircuitBreakerConfig::poll`](crate::circuit_breaker::CircuitBreakerConfig::poll).
    fn poll_breaker(
        &self,
        _state: &mut Self::State,
        _entropy: &mut impl FnMut() -> u32,
        _now: Instant,
    ) -> Option<Transition> {
        None
    }

    /// The state of the breaker, where there is one.
    fn breaker_state(&self, _state: &Self::State, _now: Instant) -> Option<State> {
        None
    }

    /// A call whose first attempt is to start `now`, over at `deadline` or when its policy says so.
    fn start(
        &self,
        request: Request,
        deadline: Deadline,
        now: Instant,
    ) -> Call<Self::Permit, Self::Charge> {
        Call::start(self.call(), request, now).within(deadline)
    }

    /// What a driver does each time it comes by: tells how an attempt `ended`, if one did, and asks
    /// what comes next. Attempts that are no longer [in flight](Call::is_in_flight) afterwards are to be
    /// stopped.
    ///
    /// Also what that changed about the breaker, in order, for the log.
    fn step(
        &self,
        call: &mut Call<Self::Permit, Self::Charge>,
        ended: Option<Ended>,
        state: &mut Self::State,
        entropy: &mut impl FnMut() -> u32,
        now: Instant,
    ) -> (Step, Transitions) {
        observe(self, state, entropy, now, |gates, entropy| {
            if let Some(Ended { ticket, result }) = ended {
                call.finish(self.call(), ticket, result, gates, &mut *entropy, now);
            }
            call.poll(self.call(), gates, entropy, now)
        })
    }

    /// [`Call::abandon`], and what it changed about the breaker.
    fn abandon(
        &self,
        call: &mut Call<Self::Permit, Self::Charge>,
        state: &mut Self::State,
        entropy: &mut impl FnMut() -> u32,
        now: Instant,
    ) -> Transitions {
        let abandon = |gates: &mut Self::Gates<'_>, entropy: &mut _| {
            call.abandon(self.call(), gates, entropy, now);
        };
        observe(self, state, entropy, now, abandon).1
    }
}

/// A pipeline whose policies can be put in force over a state that others have left.
///
/// [`PeerPolicy`](super::PeerPolicy) and [`HedgedPolicy`](super::HedgedPolicy) are.
///
/// ```
/// use resil_core::call::{CallPolicy, HedgedPolicy, Inherit, PeerPolicy, Pipeline};
/// use resil_core::circuit_breaker::{CircuitBreakerConfig, State};
/// use resil_core::hedge::HedgePolicy;
/// use resil_core::rate_limit::{RateLimitConfig, TokenBucket};
/// use resil_core::retry::budget::TokenBudget;
/// use resil_core::{ConfigError, Instant};
///
/// let policy = |threshold| {
///     let breaker = CircuitBreakerConfig::builder().failure_threshold(threshold).build()?;
///     let limit = TokenBucket::new(RateLimitConfig::DEFAULT);
///     let peer = PeerPolicy::new(CallPolicy::default(), breaker, limit);
///     Ok::<_, ConfigError>(HedgedPolicy::new(peer, TokenBudget::DEFAULT, HedgePolicy::DEFAULT))
/// };
/// let (old, new, now) = (policy(5)?, policy(7)?, Instant::EPOCH);
/// let mut state = <HedgedPolicy as Pipeline>::FRESH;
/// old.peer().breaker().force_open(&mut state.peer.breaker, now);
///
/// let state = new.inherit(&old, &state, now);
/// assert_eq!(new.breaker_state(&state, now), Some(State::ForcedOpen));
/// # Ok::<(), ConfigError>(())
/// ```
pub trait Inherit: Pipeline {
    /// What `state`, decided about by `old` so far, is under these policies. Permits and charges that
    /// are out are told back as ever.
    #[must_use]
    fn inherit(&self, old: &Self, state: &Self::State, now: Instant) -> Self::State;
}

/// How an attempt ended.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "tell it with the next step"]
pub struct Ended {
    /// Which attempt.
    pub ticket: Ticket,
    /// What the [classifier](crate::retry::RetryPolicy::classifier) makes of its error.
    pub result: Result<(), Classification>,
}

/// Transitions of a breaker, in order: two that time made due, and one that a step caused.
pub type Transitions = [Option<Transition>; 3];

/// Decides, and says what became of the breaker.
#[inline]
fn observe<L, R, E>(
    pipeline: &L,
    state: &mut L::State,
    entropy: &mut E,
    now: Instant,
    decide: impl FnOnce(&mut L::Gates<'_>, &mut E) -> R,
) -> (R, Transitions)
where
    L: Pipeline + ?Sized,
    E: FnMut() -> u32,
{
    let first = pipeline.poll_breaker(state, entropy, now);
    let second = first.and_then(|_| pipeline.poll_breaker(state, entropy, now));
    let before = pipeline.breaker_state(state, now);
    let decided = decide(&mut pipeline.gates(state), entropy);
    let after = pipeline.breaker_state(state, now);
    (decided, [first, second, transition(before, after)])
}

fn transition(before: Option<State>, after: Option<State>) -> Option<Transition> {
    let (from, to) = (before?, after?);
    if from == to { None } else { Some(Transition { from, to }) }
}

/// A pipeline that lies elsewhere: in flash.
impl<L: Pipeline> Pipeline for &L {
    type State = L::State;
    type Permit = L::Permit;
    type Charge = L::Charge;
    type Classifier = L::Classifier;
    type Gates<'a>
        = L::Gates<'a>
    where
        Self: 'a;

    const FRESH: L::State = L::FRESH;

    fn call(&self) -> &CallPolicy<L::Classifier> {
        (**self).call()
    }

    fn gates<'a>(&'a self, state: &'a mut L::State) -> L::Gates<'a> {
        (**self).gates(state)
    }

    fn poll_breaker(
        &self,
        state: &mut L::State,
        entropy: &mut impl FnMut() -> u32,
        now: Instant,
    ) -> Option<Transition> {
        (**self).poll_breaker(state, entropy, now)
    }

    fn breaker_state(&self, state: &L::State, now: Instant) -> Option<State> {
        (**self).breaker_state(state, now)
    }
}
