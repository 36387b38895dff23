//! What a driver needs to know of the layers that a call passes.

use super::first::{self, First, NotAdmitted};
use super::gate::Request;
use super::layers::Gates;
use super::machine::Call;
use super::policy::CallPolicy;
use super::step::{Step, Ticket};
use crate::circuit_breaker::{Glance, State, Transition};
use crate::deadline::Deadline;
use crate::outcome::Classification;
use crate::time::Instant;
use core::fmt::Debug;

/// The policies of all layers that a call passes, and the kind of state that they decide about.
///
/// A driver keeps the state where calls share it (a cell, a mutex) and takes [steps](Self::step) with
/// it; whoever implements this says what there is. [`PeerPolicy`](super::PeerPolicy) is a breaker and a
/// limit, [`BudgetedPolicy`](super::BudgetedPolicy) has a budget besides, and
/// [`HedgedPolicy`](super::HedgedPolicy) a budget and hedging.
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

    /// Whether a call can begin and succeed [at a glance](Self::begin_at_a_glance).
    const HAS_GLANCE: bool = false;

    /// What can be answered without the state, until that changes.
    #[inline]
    fn glance(&self, _state: &Self::State) -> Glance {
        Glance::NONE
    }

    /// The word of the state that a call [at a glance](Self::begin_at_a_glance) changes.
    #[inline]
    fn word(_state: &mut Self::State) -> Option<&mut u64> {
        None
    }

    /// [`begin`](Self::begin) for a driver that keeps the state behind a lock, and beside it, in atomics,
    /// its [glance](Self::glance) and its [word](Self::word). The attempt, and the word that takes the
    /// place of `word`; all else stays as it is. `None` decides nothing: `begin` has to be asked.
    ///
    /// Load the word, then the glance, and exchange the word: the attempt starts where that has not changed
    /// meanwhile. Whoever takes the lock takes the word away, and before he lets go stores the glance
    /// and then the word.
    #[inline]
    fn begin_at_a_glance(
        &self,
        _glance: Glance,
        _word: u64,
        _request: &Request,
        _deadline: Deadline,
        _now: Instant,
    ) -> Option<(First<Self::Permit>, u64)> {
        None
    }

    /// Whether the success of an attempt changes nothing, so that it is told by this. Else it has to be
    /// told with [`succeed`](Self::succeed).
    #[inline]
    fn succeed_at_a_glance(_glance: Glance, _first: &First<Self::Permit>) -> bool {
        false
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

    /// Begins a call whose first attempt starts `now`, without a [`Call`]: [`start`](Self::start) and the
    /// first [step](Self::step) in one, and much less, for a driver that finds out whether it succeeds at
    /// once. Also what that changed about the breaker.
    ///
    /// ```
    /// use resil_core::call::{CallPolicy, PeerPolicy, Pipeline, Request, Step};
    /// use resil_core::circuit_breaker::CircuitBreakerConfig;
    /// use resil_core::deadline::Deadline;
    /// use resil_core::rate_limit::{RateLimitConfig, TokenBucket};
    /// use resil_core::Instant;
    ///
    /// let limit = TokenBucket::new(RateLimitConfig::DEFAULT);
    /// let peer = PeerPolicy::new(CallPolicy::default(), CircuitBreakerConfig::DEFAULT, limit);
    /// let (mut state, mut rng, now) = (<PeerPolicy as Pipeline>::FRESH, || 4, Instant::EPOCH);
    /// # let answer: Result<u8, &str> = Ok(7);
    ///
    /// let (begun, _) = peer.begin(&Request::ONE, Deadline::NONE, &mut state, &mut rng, now);
    /// match begun {
    ///     Ok(first) => match answer {
    ///         Ok(_) => {
    ///             // A clock is read for it only if that makes a difference.
    ///             assert!(!peer.needs_end(&mut state));
    ///             peer.succeed(first, &mut state, &mut rng, now);
    ///         }
    ///         Err(_) => {
    ///             let (mut call, ticket) = peer.go_on(first, Request::ONE, Deadline::NONE);
    ///             // ... tell it with a step, and go on as told
    /// #           drop((call, ticket));
    ///         }
    ///     },
    ///     Err(not) => {
    ///         let (mut call, step) =
    ///             peer.not_admitted(not, Request::ONE, Deadline::NONE, &mut state, &mut rng, now);
    ///         // ... go on as told
    /// #       drop((call, step));
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Why it does not begin so; say it at once, with [`not_admitted`](Self::not_admitted).
    #[inline]
    fn begin(
        &self,
        request: &Request,
        deadline: Deadline,
        state: &mut Self::State,
        entropy: &mut impl FnMut() -> u32,
        now: Instant,
    ) -> (Result<First<Self::Permit>, NotAdmitted>, Transitions) {
        observe(self, state, entropy, now, |gates, entropy| {
            First::begin(request, deadline, gates, entropy, now)
        })
    }

    /// Whether it matters when a first attempt that has succeeded ended. Where it does not,
    /// [`succeed`](Self::succeed) may be told the instant at which it started.
    #[inline]
    fn needs_end(&self, state: &mut Self::State) -> bool {
        first::needs_end(&mut self.gates(state))
    }

    /// The first attempt has succeeded, and the call is over. Also what that changed about the breaker.
    #[inline]
    fn succeed(
        &self,
        first: First<Self::Permit>,
        state: &mut Self::State,
        entropy: &mut impl FnMut() -> u32,
        now: Instant,
    ) -> Transitions {
        observe(self, state, entropy, now, |gates, entropy| first.succeed(gates, entropy, now)).1
    }

    /// The call that began with this attempt, which is in flight. The request and the deadline are to be
    /// as they were.
    fn go_on(
        &self,
        first: First<Self::Permit>,
        request: Request,
        deadline: Deadline,
    ) -> (Call<Self::Permit, Self::Charge>, Ticket) {
        first.go_on(self.call(), request, deadline)
    }

    /// The call that did not begin with an attempt at once, and what it does instead. All is to be as it
    /// was when it was to [begin](Self::begin): the state, the request, the deadline, the instant.
    fn not_admitted(
        &self,
        why: NotAdmitted,
        request: Request,
        deadline: Deadline,
        state: &mut Self::State,
        entropy: &mut impl FnMut() -> u32,
        now: Instant,
    ) -> (Call<Self::Permit, Self::Charge>, Step) {
        let call = self.start(request, deadline, now);
        why.step(call, self.call(), &mut self.gates(state), entropy, now)
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

    const HAS_GLANCE: bool = L::HAS_GLANCE;

    #[inline]
    fn glance(&self, state: &L::State) -> Glance {
        (**self).glance(state)
    }

    #[inline]
    fn word(state: &mut L::State) -> Option<&mut u64> {
        L::word(state)
    }

    #[inline]
    fn begin_at_a_glance(
        &self,
        glance: Glance,
        word: u64,
        request: &Request,
        deadline: Deadline,
        now: Instant,
    ) -> Option<(First<L::Permit>, u64)> {
        (**self).begin_at_a_glance(glance, word, request, deadline, now)
    }

    #[inline]
    fn succeed_at_a_glance(glance: Glance, first: &First<L::Permit>) -> bool {
        L::succeed_at_a_glance(glance, first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::PeerPolicy;
    use crate::circuit_breaker::CircuitBreakerConfig;
    use crate::outcome::FailureClass;
    use crate::rate_limit::{RateLimitConfig, TokenBucket};
    use crate::retry::RetryPolicy;
    use core::time::Duration;
    use std::format;
    use std::string::String;
    use std::vec::Vec;

    const PEER: PeerPolicy = PeerPolicy::new(
        CallPolicy::new(RetryPolicy::DEFAULT),
        crate::valid!(CircuitBreakerConfig::builder().failure_threshold(1).build()),
        TokenBucket::new(RateLimitConfig::DEFAULT),
    );

    /// What a pipeline says in a history that asks everything, and says something else each time.
    fn says<L: Pipeline>(pipeline: L) -> Vec<String> {
        let (mut state, mut rng, now) = (L::FRESH, || 4, Instant::from_nanos(1_000));
        let later = now.saturating_add(Duration::from_secs(60));
        let mut said = Vec::new();
        let (glance, word) = (pipeline.glance(&state), L::word(&mut state).copied());
        said.push(format!("{} {glance:?} {word:?}", L::HAS_GLANCE));
        let word = word.unwrap_or_default();
        let begun = |glance, deadline| {
            pipeline.begin_at_a_glance(glance, word, &Request::ONE, deadline, now)
        };
        let started = begun(glance, Deadline::NONE);
        said.push(format!("{started:?} {:?}", begun(Glance::NONE, Deadline::NONE)));
        said.push(format!("{:?}", begun(glance, Deadline::at(now))));
        let (first, _) = started.unwrap();
        let told = [glance, Glance::NONE].map(|glance| L::succeed_at_a_glance(glance, &first));
        said.push(format!("{told:?} {}", pipeline.needs_end(&mut state)));

        let (mut call, ticket) = pipeline.go_on(first, Request::ONE, Deadline::NONE);
        let ended = Ended { ticket, result: Err(FailureClass::Transient.into()) };
        let (_, transitions) = pipeline.step(&mut call, Some(ended), &mut state, &mut rng, now);
        said.push(format!("{transitions:?} {}", pipeline.needs_end(&mut state)));
        said.push(format!("{:?}", [now, later].map(|now| pipeline.breaker_state(&state, now))));
        let polled = [now, later].map(|now| pipeline.poll_breaker(&mut state, &mut rng, now));
        said.push(format!("{polled:?} {:?}", pipeline.glance(&state)));
        said
    }

    #[test]
    fn a_pipeline_that_lies_elsewhere_is_that_pipeline() {
        assert_eq!(says::<&PeerPolicy>(&PEER), says(PEER));
    }

    #[test]
    fn a_peer_begins_at_a_glance_and_says_when_an_end_matters() {
        let said = says(PEER);
        assert!(said[1].starts_with("Some(") && said[1].ends_with(" None"), "{}", said[1]);
        assert_eq!(said[2], "None", "the deadline has come");
        assert_eq!(said[3], "[true, false] false", "closed, and nothing to measure");
        assert!(said[4].contains("Closed") && said[4].ends_with(" true"), "{}", said[4]);
        assert_eq!(said[5], "[Some(Open), Some(HalfOpen)]");
        assert!(said[6].starts_with("[None, Some("), "{}", said[6]);
    }
}
