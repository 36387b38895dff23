//! The same scripts through the drivers of resil-embassy, on its mock clock, and of resil-std, on a clock
//! that the script sets.
//!
//! A driver polls by itself and shows less than core: which attempts begin and until when, whether it
//! waits, how the call ends, what is left of the peer. That is held against what core decided, event by
//! event, and core's decisions against the script.

use super::beside::check;
use super::mock;
use super::played::Through;
use core::cell::{Cell, RefCell};
use core::future::{Future, poll_fn};
use core::marker::PhantomData;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use resil_core::call::{
    Bound, CallPolicy, HedgedPolicy, Layers, PeerGate, PeerPolicy, Pipeline, Ticket,
};
use resil_core::outcome::Classification;
use resil_core::rate_limit::{Limit, TokenBucket};
use resil_core::retry::budget::{BudgetPolicy, TokenBudget, TokenBudgetState};
use resil_core::{Clock, Instant, ResilienceError};
use resil_std::clock::Sleep;
use resil_tests::vectors::beside::{Subject, Timeline};
use resil_tests::vectors::direct::call::{Peer, Policy, result};
use resil_tests::vectors::{ORIGIN, load, millis};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

#[test]
pub(super) fn call_through_the_driver_of_embassy() {
    check::<mock::Driver, Driven<OnEmbassy>>("call", &load("call"), Through::ItsAdapter);
}

#[test]
pub(super) fn call_through_the_driver_of_std() {
    check::<Told, Driven<OnStd>>("call", &load("call"), Through::ItsAdapter);
}

fn no_entropy() -> u32 {
    panic!("drew entropy")
}

/// An error says itself what it means.
type ByItself = fn(&Classification) -> Classification;

/// A peer with a budget and without hedging.
struct Budgeted {
    peer: PeerPolicy<TokenBucket, ByItself>,
    budget: TokenBudget,
}

type PeerState = <PeerPolicy<TokenBucket, ByItself> as Pipeline>::State;

impl Pipeline for Budgeted {
    type State = (PeerState, TokenBudgetState);
    type Permit = <PeerPolicy<TokenBucket, ByItself> as Pipeline>::Permit;
    type Charge = <TokenBudget as BudgetPolicy>::Charge;
    type Classifier = ByItself;
    type Gates<'a> = Layers<PeerGate<'a>, Bound<'a, TokenBudget, TokenBudgetState>>;

    const FRESH: Self::State = (PeerState::FRESH, TokenBudget::FRESH);

    fn call(&self) -> &CallPolicy<ByItself> {
        self.peer.call()
    }

    fn gates<'a>(&'a self, (peer, budget): &'a mut Self::State) -> Self::Gates<'a> {
        self.peer.gates(peer).with_budget(Bound::new(&self.budget, budget))
    }
}

type Ending = Result<(), ResilienceError<Classification>>;
type Running = Pin<Box<dyn Future<Output = Ending>>>;

/// What the driver has begun and nobody has asked for yet, and how attempts are to end.
#[derive(Default)]
struct Radio {
    begun: VecDeque<String>,
    ends: HashMap<u32, Result<(), Classification>>,
}

/// A peer of an adapter.
struct Adapted {
    /// Starts a call.
    start: Box<dyn Fn() -> Running>,
    /// Looks at it.
    look: Box<dyn Fn() -> String>,
}

/// Core, and beside it the driver of an adapter.
struct Driven<A> {
    core: Peer,
    adapter: PhantomData<A>,
    peer: Adapted,
    radio: Rc<RefCell<Radio>>,
    call: Option<Running>,
    ending: Option<Ending>,
}

impl<A: Adapter> Subject for Driven<A> {
    type Policy = Policy;

    fn new(policy: &Policy, now: Instant) -> Self {
        let call = CallPolicy::new(policy.call().retry().classify((|error| *error) as ByItself));
        let call = match policy.call().attempt_timeout() {
            Some(timeout) => call.with_attempt_timeout(timeout).unwrap(),
            None => call,
        };
        let peer = policy.peer();
        let peer = PeerPolicy::new(call, *peer.breaker(), peer.limit().clone());
        let (core, radio) = (Peer::new(policy, now), Rc::default());
        let peer = if policy.hedge_after.is_some() {
            let hedged = HedgedPolicy::new(peer, policy.budget(), policy.hedge());
            A::adapt(hedged, HedgedPolicy::peer, |state| &state.peer, &radio, now)
        } else {
            let budgeted = Budgeted { peer, budget: policy.budget() };
            A::adapt(budgeted, |policy| &policy.peer, |state| &state.0, &radio, now)
        };
        let call = Some((peer.start)());
        Self { core, adapter: PhantomData, peer, radio, call, ending: None }
    }

    fn apply(&mut self, event: &[&str], now: Instant, start: Instant) -> String {
        let decided = self.core.apply(event, now, start);
        match event {
            ["start"] => {
                self.call = Some((self.peer.start)());
                self.ending = None;
                *self.radio.borrow_mut() = Radio::default();
            }
            ["abandon"] => self.call = None,
            ["poll"] => {
                self.poll();
                assert_eq!(self.say(&decided), decided);
            }
            ["look"] => assert_eq!((self.peer.look)(), decided),
            [end, attempt, hint @ ..] if decided == "counted" => {
                let end = result(end, hint.get(1).copied());
                self.radio.borrow_mut().ends.insert(attempt.parse().unwrap(), end);
                self.poll();
                assert!(self.radio.borrow().ends.is_empty(), "nobody listened to {attempt}");
            }
            _ => {}
        }
        decided
    }
}

impl<A> Driven<A> {
    fn poll(&mut self) {
        if let Some(call) = &mut self.call
            && let Poll::Ready(ending) = call.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        {
            self.call = None;
            self.ending = Some(ending);
        }
    }

    /// What the driver does, in core's words. Until when it waits it does not say.
    fn say(&self, decided: &str) -> String {
        if let Some(begun) = self.radio.borrow_mut().begun.pop_front() {
            return begun;
        }
        match (&self.call, &self.ending) {
            (Some(_), _) if decided.starts_with("wait") => decided.to_owned(),
            (Some(_), _) => "wait".to_owned(),
            (None, Some(Ok(()))) => "done".to_owned(),
            (None, Some(Err(error))) => format!("failed {}", error.code()),
            (None, None) => "abandoned".to_owned(),
        }
    }
}

/// Makes a peer with these layers.
trait Adapter {
    fn adapt<L>(
        policy: L,
        peer_policy: fn(&L) -> &PeerPolicy<TokenBucket, ByItself>,
        peer_state: fn(&L::State) -> &PeerState,
        radio: &Rc<RefCell<Radio>>,
        start: Instant,
    ) -> Adapted
    where
        L: Pipeline<Classifier = ByItself> + 'static;
}

/// What is begun is noted, and ends as the script says.
fn attempt(
    radio: &Rc<RefCell<Radio>>,
    ticket: &Ticket,
    start: Instant,
) -> impl Future<Output = Result<(), Classification>> + use<> {
    let kind = if ticket.is_hedge() { "hedge" } else { "attempt" };
    let number = ticket.number();
    let until = ticket.deadline().map(|at| format!(" until {}", millis(at, start)));
    let begun = format!("{kind} {number}{}", until.unwrap_or_default());
    radio.borrow_mut().begun.push_back(begun);
    let radio = Rc::clone(radio);
    poll_fn(move |_| match radio.borrow_mut().ends.remove(&number) {
        Some(end) => Poll::Ready(end),
        None => Poll::Pending,
    })
}

fn look(policy: &PeerPolicy<TokenBucket, ByItself>, state: &PeerState, now: Instant) -> String {
    let breaker = policy.breaker().state(&state.breaker, now);
    format!("{breaker}, {} available", policy.limit().available(&state.limit, now))
}

struct OnEmbassy;

impl Adapter for OnEmbassy {
    fn adapt<L>(
        policy: L,
        peer_policy: fn(&L) -> &PeerPolicy<TokenBucket, ByItself>,
        peer_state: fn(&L::State) -> &PeerState,
        radio: &Rc<RefCell<Radio>>,
        start: Instant,
    ) -> Adapted
    where
        L: Pipeline<Classifier = ByItself> + 'static,
    {
        type Shared<L> = resil_embassy::Peer<NoopRawMutex, L>;
        let peer: &'static Shared<L> = Box::leak(Box::new(Shared::new("peer", policy, no_entropy)));
        let radio = Rc::clone(radio);
        let call = move || -> Running {
            let radio = Rc::clone(&radio);
            Box::pin(peer.handle().call_each(move |ticket, _| attempt(&radio, ticket, start)))
        };
        let look = move || {
            let looked = peer.handle();
            looked.apply(|policy, state, now| look(peer_policy(policy), peer_state(state), now))
        };
        Adapted { start: Box::new(call), look: Box::new(look) }
    }
}

struct OnStd;

impl Adapter for OnStd {
    fn adapt<L>(
        policy: L,
        peer_policy: fn(&L) -> &PeerPolicy<TokenBucket, ByItself>,
        peer_state: fn(&L::State) -> &PeerState,
        radio: &Rc<RefCell<Radio>>,
        start: Instant,
    ) -> Adapted
    where
        L: Pipeline<Classifier = ByItself> + 'static,
    {
        let peer = resil_std::Peer::with("peer", policy, Told);
        let (radio, looked) = (Rc::clone(radio), peer.clone());
        let call = move || -> Running {
            let (radio, peer) = (Rc::clone(&radio), peer.clone());
            let each = move |ticket: &Ticket, _: &_| attempt(&radio, ticket, start);
            Box::pin(async move { peer.handle().call_each(each).await })
        };
        let look = move || {
            let looked = looked.handle();
            looked.apply(|policy, state, now| look(peer_policy(policy), peer_state(state), now))
        };
        Adapted { start: Box::new(call), look: Box::new(look) }
    }
}

thread_local! {
    static TOLD: Cell<Instant> = const { Cell::new(ORIGIN) };
}

/// The clock of a thread, which shows what it is told.
#[derive(Clone, Copy)]
struct Told;

impl Clock for Told {
    fn now(&self) -> Instant {
        TOLD.get()
    }
}

/// Nobody is woken: whoever plays a script polls.
impl Sleep for Told {
    async fn sleep_until(&self, deadline: Instant) {
        poll_fn(|_| if deadline.is_reached(TOLD.get()) { Poll::Ready(()) } else { Poll::Pending })
            .await;
    }

    fn block_until(&self, deadline: Instant) {
        panic!("nobody blocks until {deadline:?}");
    }
}

impl Timeline for Told {
    const NAME: &'static str = "resil-std, at instants that it is told";
    // Whoever sleeps by a clock that steps back sleeps longer by that: see `resil_std::clock::Sleep`.
    const CAN_STEP_BACK: bool = false;
    const RESOLUTION: u64 = 1;

    fn begin() -> Self {
        TOLD.set(ORIGIN);
        Self
    }

    fn now(&self) -> Instant {
        TOLD.get()
    }

    fn move_to(&mut self, instant: Instant) {
        TOLD.set(instant);
    }
}
