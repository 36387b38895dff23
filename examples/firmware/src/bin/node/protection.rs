//! The side that asks: which call is made, and what is tried again.
//!
//! Without resil no breaker is asked, and whatever fails is tried again at once; everything else is
//! the same code.

use core::cell::Cell;
use core::future::Future;
use core::time::Duration;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use mesh_protocol::message::NodeId;
use mesh_protocol::record::{BreakerState, End};
use mesh_protocol::settings;
use resil_core::call::{self, Bound, CallPolicy, Gate, Layers, Pipeline, Request};
use resil_core::circuit_breaker::{
    CircuitBreakerConfig, CircuitBreakerState, Permit, State, Transition,
};
use resil_core::error::{Cause, NetworkError, ResilienceError};
use resil_core::outcome::{Classification, FailureClass};
use resil_core::retry::RetryPolicy;
use resil_core::snapshot::{Persist, SnapshotError};
use resil_core::text::Text;
use resil_core::{ErrorCode, Instant, Rejected, RetryAt, valid};
use resil_embassy::{Peer, retry_with_policy};

use crate::entropy::draw;
use crate::node::Node;
use crate::snapshot::Save;

/// How a request to a peer can end badly, once it has been sent.
#[derive(Debug)]
pub(crate) enum PeerError {
    /// There was no answer.
    Network(NetworkError),
    /// The peer's answer is an error, with this number.
    Answered(u16),
}

/// What an error says about the peer.
fn classify(error: &PeerError) -> Classification {
    match error {
        PeerError::Network(error) if error.code() == ErrorCode::NetworkTimeout => {
            FailureClass::Timeout.into()
        }
        PeerError::Network(_) => FailureClass::Transient.into(),
        // Whoever answers is there; and it has said when to come back.
        PeerError::Answered(_) => Classification::Ignored,
    }
}

type Classifier = fn(&PeerError) -> Classification;

/// What an attempt at a neighbour passes: the time before which it does not want to be asked, then its
/// breaker.
struct Neighbour {
    call: CallPolicy<Classifier>,
}

/// What is remembered of a neighbour.
struct Known {
    not_before: Instant,
    breaker: CircuitBreakerState,
}

/// Refuses until the time that the neighbour has named.
struct Hold(Instant);

impl Gate for Hold {
    type Permit = ();
    type Report = ();

    fn try_acquire(
        &mut self,
        _: &Request,
        _: &mut impl FnMut() -> u32,
        now: Instant,
    ) -> Result<(), Rejected> {
        let refusal = Rejected::new(ErrorCode::RateLimitExceeded, RetryAt::At(self.0));
        if self.0.is_reached(now) { Ok(()) } else { Err(refusal) }
    }

    fn settle(&mut self, (): (), _: call::End, _: &mut impl FnMut() -> u32, _: Instant) {}
}

impl Pipeline for Neighbour {
    type State = Known;
    type Permit = ((), Permit);
    type Charge = ();
    type Classifier = Classifier;
    type Gates<'a> = Layers<(Hold, Bound<'a, CircuitBreakerConfig, CircuitBreakerState>)>;

    const FRESH: Known = Known { not_before: Instant::EPOCH, breaker: CircuitBreakerState::new() };

    fn call(&self) -> &CallPolicy<Classifier> {
        &self.call
    }

    fn gates<'a>(&'a self, known: &'a mut Known) -> Self::Gates<'a> {
        Layers::new((Hold(known.not_before), Bound::new(&BREAKER, &mut known.breaker)))
    }

    fn poll_breaker(
        &self,
        known: &mut Known,
        entropy: &mut impl FnMut() -> u32,
        now: Instant,
    ) -> Option<Transition> {
        BREAKER.poll(&mut known.breaker, entropy, now)
    }

    fn breaker_state(&self, known: &Known, now: Instant) -> Option<State> {
        Some(BREAKER.state(&known.breaker, now))
    }
}

/// What stands between a node and one of its peers.
pub(crate) struct Guard {
    id: NodeId,
    is_protected: bool,
    peer: Peer<NoopRawMutex, Neighbour>,
    /// The state that was last told.
    seen: Cell<BreakerState>,
    connect: &'static RetryPolicy,
}

static BREAKER: CircuitBreakerConfig = settings::BREAKER;
static CONNECT: RetryPolicy = settings::CONNECT_RETRY;
static NAIVE: RetryPolicy = settings::NAIVE_RETRY;

const REQUEST: CallPolicy<Classifier> = valid!(
    CallPolicy::new(settings::REQUEST_RETRY.classify(classify as Classifier))
        .with_attempt_timeout(settings::ATTEMPT_TIMEOUT)
);
const NAIVE_REQUEST: CallPolicy<Classifier> = valid!(
    CallPolicy::new(settings::NAIVE_RETRY.classify(classify as Classifier))
        .with_attempt_timeout(settings::ATTEMPT_TIMEOUT)
);

impl Guard {
    /// `name` stands for the peer in the log.
    pub(crate) fn new(is_protected: bool, id: NodeId, name: &'static Text<8>) -> Self {
        let (call, connect) =
            if is_protected { (REQUEST, &CONNECT) } else { (NAIVE_REQUEST, &NAIVE) };
        let peer = Peer::new(name.as_str(), Neighbour { call }, draw);
        if !is_protected {
            peer.handle().apply(|_, known, now| BREAKER.disable(&mut known.breaker, now));
        }
        Self { id, is_protected, peer, seen: Cell::new(BreakerState::Closed), connect }
    }

    /// Sends a request by `exchange`, again and again, under the breaker, as the policy says.
    pub(crate) async fn call<Fut>(&self, node: &Node, mut exchange: impl FnMut() -> Fut) -> End
    where
        Fut: Future<Output = Result<(), PeerError>>,
    {
        let attempt = || {
            let exchange = exchange();
            async {
                self.note(node).await;
                exchange.await
            }
        };
        let result = self.peer.call(attempt).await;
        self.note(node).await;
        end(&result)
    }

    /// Nothing goes out to the peer for this long, as it said, within reason.
    pub(crate) fn hold(&self, wait: Duration) {
        let wait = wait.min(settings::LONGEST_HOLD);
        self.peer.handle().apply(|_, known, now| known.not_before = now.saturating_add(wait));
    }

    /// Tries to connect again and again, as the policy says.
    pub(crate) async fn connect<Fut>(
        &self,
        connect: impl FnMut() -> Fut,
    ) -> Result<(), NetworkError>
    where
        Fut: Future<Output = Result<(), NetworkError>>,
    {
        let connected = retry_with_policy(connect, self.connect, "connect", draw).await;
        connected.map_err(|error| {
            error.into_operation_error().unwrap_or_else(NetworkError::connection_failed)
        })
    }

    /// Hands what writes its breaker to `keep`.
    pub(crate) fn save(&self, keep: impl FnOnce(Save<'_>)) {
        if self.is_protected {
            let peer = self.peer.handle();
            keep(&mut |to| peer.apply(|_, known, now| BREAKER.save(&known.breaker, now, to)));
        }
    }

    /// Takes over what its breaker was in the life before.
    pub(crate) fn restore(&self, bytes: &[u8]) -> Result<(), SnapshotError> {
        if !self.is_protected {
            return Ok(());
        }
        self.peer.handle().apply(|_, known, now| {
            known.breaker = BREAKER.restore(bytes, now)?;
            Ok(())
        })
    }

    /// Whether the peer is in reach, as far as its breaker knows.
    pub(crate) fn is_in_reach(&self) -> bool {
        self.state() == State::Closed
    }

    fn state(&self) -> State {
        self.peer.handle().apply(|_, known, now| BREAKER.state(&known.breaker, now))
    }

    /// Tells a change of the breaker's state. One that time brings is seen when the next call makes it
    /// real.
    async fn note(&self, node: &Node) {
        let to = match self.state() {
            State::HalfOpen => BreakerState::HalfOpen,
            State::Open | State::ForcedOpen => BreakerState::Open,
            // Closed, and whatever else lets calls pass.
            _ => BreakerState::Closed,
        };
        if self.seen.replace(to) != to {
            node.keep();
            node.journal.breaker(self.id, to).await;
        }
    }
}

/// Which of the three ways a request ended in.
fn end(result: &Result<(), ResilienceError<PeerError>>) -> End {
    let Err(error) = result else { return End::Ok };
    match error.cause() {
        Cause::Operation(PeerError::Answered(number)) => End::Refused(*number),
        Cause::RateLimit(_) | Cause::CircuitBreakerOpen(_) => End::Refused(error.code().number()),
        _ => End::Failed(error.code().number()),
    }
}
