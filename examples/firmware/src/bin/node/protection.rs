//! Where resil comes in: who is let in, which call is made, and what is tried again.
//!
//! The only file that knows whether resil is on. Off means that no limiter and no breaker is asked,
//! and that whatever fails is tried again at once; everything else is the same code.

use core::cell::{Cell, RefCell};
use core::future::Future;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use mesh_protocol::message::NodeId;
use mesh_protocol::record::{BreakerState, End};
use mesh_protocol::settings;
use resil_core::circuit_breaker::{CircuitBreakerConfig, State};
use resil_core::error::{Cause, NetworkError, RateLimitError, ResilienceError, WireError};
use resil_core::event::EventKind;
use resil_core::outcome::{Classification, FailureClass};
use resil_core::rate_limit::{KeyedHash, Pinned, RateLimit, RateLimiter, Slot};
use resil_core::retry::RetryPolicy;
use resil_core::snapshot::{Persist, SnapshotError};
use resil_core::text::Text;
use resil_core::{ErrorCode, Instant};
use resil_embassy::{CircuitBreaker, retry_with_policy};

use crate::entropy::draw;
use crate::journal::now;
use crate::node::Node;

/// Senders that have a limit of their own; others share one.
const SENDERS: usize = 32;

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

/// The same for a retry, around a breaker: its refusal is the answer, and is not tried again.
fn classify_guarded(error: &ResilienceError<PeerError>) -> Classification {
    error.operation_error().map_or(Classification::Ignored, classify)
}

type Senders = RateLimiter<
    NodeId,
    RateLimit,
    [Slot<NodeId, RateLimit>; SENDERS],
    [Pinned<NodeId, RateLimit>; 0],
>;

/// The side that serves: a limit for each sender.
pub(crate) struct Admission {
    senders: Option<RefCell<Senders>>,
}

impl Admission {
    pub(crate) fn new(protected: bool) -> Self {
        let seed = (0..4).fold(0, |seed, _| seed << 32 | u128::from(draw()));
        let limit = RateLimit::new(settings::LIMIT);
        let senders =
            protected.then(|| RefCell::new(Senders::new(limit, KeyedHash::from_seed(seed))));
        Self { senders }
    }

    /// Lets a message in, at the instant with which that was decided, or says why not and when.
    pub(crate) fn admit(&self, sender: NodeId) -> Result<Instant, WireError> {
        let now = now();
        let Some(senders) = &self.senders else { return Ok(now) };
        let answer = senders.borrow_mut().check(&sender, 1, now);
        answer.map(|_| now).map_err(|rejected| {
            let event = EventKind::of_refusal(rejected).number();
            defmt::debug!("[{=u16}] node {=u8}: {}", event, sender, rejected);
            let error = ResilienceError::<PeerError>::from(RateLimitError::new(rejected));
            error.with_detail("sender", sender).wire(now)
        })
    }
}

impl Admission {
    /// Hands everyone who owes something to `each`, with what writes it.
    pub(crate) fn save(&self, mut each: impl FnMut(Option<NodeId>, Save<'_>)) {
        let (Some(senders), now) = (&self.senders, now()) else { return };
        for entry in senders.borrow().entries(now) {
            each(entry.id.copied(), &mut |to| entry.limit.save(entry.state, now, to));
        }
    }

    /// Takes over what a sender owed in the life before.
    pub(crate) fn restore(&self, id: Option<NodeId>, bytes: &[u8]) -> Result<(), SnapshotError> {
        let (Some(senders), now) = (&self.senders, now()) else { return Ok(()) };
        let state = RateLimit::new(settings::LIMIT).restore(bytes, now)?;
        // A sender that finds no slot shares the common one, which is kept too.
        let _ = senders.borrow_mut().adopt(id, 0, state, now);
        Ok(())
    }
}

/// Writes the snapshot of one machine.
pub(crate) type Save<'a> = &'a mut dyn FnMut(&mut [u8]) -> Result<usize, SnapshotError>;

type Breaker =
    CircuitBreaker<NoopRawMutex, fn(&PeerError) -> Classification, &'static CircuitBreakerConfig>;

/// The side that asks: what stands between a node and one of its peers.
pub(crate) struct Guard {
    peer: NodeId,
    breaker: Option<Breaker>,
    /// The state that was last told.
    seen: Cell<BreakerState>,
    request: RetryPolicy<fn(&ResilienceError<PeerError>) -> Classification>,
    connect: &'static RetryPolicy,
}

static BREAKER: CircuitBreakerConfig = settings::BREAKER;
static CONNECT: RetryPolicy = settings::CONNECT_RETRY;
static NAIVE: RetryPolicy = settings::NAIVE_RETRY;

impl Guard {
    /// `name` stands for the peer in the log.
    pub(crate) fn new(protected: bool, peer: NodeId, name: &'static Text<8>) -> Self {
        let classifier = classify as fn(&PeerError) -> Classification;
        let breaker = || CircuitBreaker::with_classifier(name.as_str(), &BREAKER, draw, classifier);
        let (request, connect) = if protected {
            (settings::REQUEST_RETRY, &CONNECT)
        } else {
            (settings::NAIVE_RETRY, &NAIVE)
        };
        Self {
            peer,
            breaker: protected.then(breaker),
            seen: Cell::new(BreakerState::Closed),
            request: request.classify(classify_guarded),
            connect,
        }
    }

    /// Tries a request again and again, as the policy says.
    pub(crate) async fn retry<Fut>(&self, attempt: impl FnMut() -> Fut) -> End
    where
        Fut: Future<Output = Result<(), ResilienceError<PeerError>>>,
    {
        end(&retry_with_policy(attempt, &self.request, "request", draw).await)
    }

    /// Makes one attempt under the breaker.
    pub(crate) async fn attempt<Fut>(
        &self,
        node: &Node,
        exchange: impl FnOnce() -> Fut,
    ) -> Result<(), ResilienceError<PeerError>>
    where
        Fut: Future<Output = Result<(), PeerError>>,
    {
        let Some(breaker) = &self.breaker else {
            return exchange().await.map_err(ResilienceError::operation);
        };
        self.note(node).await;
        let result = breaker.call(exchange).await;
        self.note(node).await;
        result
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
        if let Some(breaker) = &self.breaker {
            keep(&mut |to| breaker.save(to));
        }
    }

    /// Takes over what its breaker was in the life before.
    pub(crate) fn restore(&self, bytes: &[u8]) -> Result<(), SnapshotError> {
        self.breaker.as_ref().map_or(Ok(()), |breaker| breaker.restore(bytes))
    }

    /// Whether the peer is in reach, as far as its breaker knows.
    pub(crate) fn is_in_reach(&self) -> bool {
        self.breaker.as_ref().is_none_or(|breaker| breaker.state() == State::Closed)
    }

    /// Tells a change of the breaker's state. One that time brings is seen when the next call makes it
    /// real.
    async fn note(&self, node: &Node) {
        let Some(breaker) = &self.breaker else { return };
        let to = match breaker.state() {
            State::HalfOpen => BreakerState::HalfOpen,
            State::Open | State::ForcedOpen => BreakerState::Open,
            // Closed, and whatever else lets calls pass.
            _ => BreakerState::Closed,
        };
        if self.seen.replace(to) != to {
            node.keep();
            node.journal.breaker(self.peer, to).await;
        }
    }
}

/// Which of the three ways a request ended in.
fn end(result: &Result<(), ResilienceError<ResilienceError<PeerError>>>) -> End {
    let Err(error) = result else { return End::Ok };
    let Cause::Operation(guarded) = error.cause() else {
        return End::Failed(error.code().number());
    };
    match guarded.cause() {
        Cause::Operation(PeerError::Answered(number)) => End::Refused(*number),
        Cause::RateLimit(_) | Cause::CircuitBreakerOpen(_) => End::Refused(guarded.code().number()),
        _ => End::Failed(guarded.code().number()),
    }
}
