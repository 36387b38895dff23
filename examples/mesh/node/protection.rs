//! Where resil comes in: who is let in, which call is made, and what is tried again.
//!
//! The only file that knows whether resil is on. Off means that no limiter and no breaker is asked,
//! and that whatever fails is tried again at once; everything else is the same code.

use super::journal::{Journal, now};
use crate::settings;
use crate::wire::{BreakerMoved, BreakerState, End, NodeId};
use core::cell::Cell;
use core::sync::atomic::{AtomicU64, Ordering};
use resil_core::circuit_breaker::State;
use resil_core::error::{Cause, ErrorCode, NetworkError, ResilienceError, WireError};
use resil_core::outcome::{Classification, FailureClass};
use resil_core::rate_limit::RateLimit;
use resil_core::retry::RetryPolicy;
use resil_core::{Clock, Instant};
use resil_std::circuit_breaker::CircuitBreaker;
use resil_std::clock::SystemClock;
use resil_std::rate_limit::RateLimiter;
use resil_std::retry::Retry;
use std::rc::Rc;
use std::sync::Arc;

/// How a request to a peer can end badly, once it has been sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum PeerError {
    /// There was no answer.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The peer's answer is an error.
    #[error(transparent)]
    Answered(#[from] Box<WireError>),
}

/// What an error says about the peer, for breaker and retry alike.
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

/// The breaker of one peer.
pub(super) type PeerBreaker = CircuitBreaker<Classifier>;

/// The side that serves: a limit for each sender.
#[derive(Debug)]
pub(super) struct Admission {
    limiter: Option<RateLimiter<NodeId, RateLimit, ReadClock>>,
    clock: ReadClock,
}

impl Admission {
    pub(super) fn new(protected: bool) -> anyhow::Result<Self> {
        let clock = ReadClock::default();
        let limit = RateLimit::new(settings::LIMIT);
        let limiter = RateLimiter::<NodeId, _>::builder(limit).clock(clock.clone()).build()?;
        Ok(Self { limiter: protected.then_some(limiter), clock })
    }

    /// Lets a message in, at the instant with which that was decided, or says why not and when.
    pub(super) fn admit(&self, sender: NodeId) -> Result<Instant, Box<WireError>> {
        let Some(limiter) = &self.limiter else { return Ok(self.clock.now()) };
        match limiter.allow(&sender, 1) {
            Ok(()) => Ok(self.clock.last()),
            Err(error) => {
                let error = ResilienceError::<PeerError>::from(error).with_detail("sender", sender);
                Err(error.wire(self.clock.last()).into())
            }
        }
    }
}

/// The system's clock, which remembers its last reading: what a machine decided with can be logged.
#[derive(Clone, Debug, Default)]
struct ReadClock(Arc<AtomicU64>);

impl ReadClock {
    fn last(&self) -> Instant {
        Instant::from_nanos(self.0.load(Ordering::Relaxed))
    }
}

impl Clock for ReadClock {
    fn now(&self) -> Instant {
        let now = SystemClock.now();
        self.0.store(now.as_nanos(), Ordering::Relaxed);
        now
    }
}

/// The side that asks: what stands between a node and one of its peers.
#[derive(Debug)]
pub(super) struct Guard {
    peer: NodeId,
    breaker: Option<PeerBreaker>,
    /// The state that was last written down.
    seen: Cell<BreakerState>,
    request: RetryPolicy<Classifier>,
    connect: RetryPolicy,
    journal: Rc<Journal>,
}

impl Guard {
    pub(super) fn new(protected: bool, peer: NodeId, journal: Rc<Journal>) -> Self {
        let breaker = protected.then(|| {
            let name = format!("node-{peer}");
            CircuitBreaker::with_classifier(name, settings::BREAKER, classify as Classifier)
        });
        let (request, connect) = if protected {
            (settings::REQUEST_RETRY, settings::CONNECT_RETRY)
        } else {
            (settings::NAIVE_RETRY, settings::NAIVE_RETRY)
        };
        let request = request.classify(classify as Classifier);
        Self { peer, breaker, seen: Cell::new(BreakerState::Closed), request, connect, journal }
    }

    /// Tries a request again and again, as the policy says.
    pub(super) async fn retry<Fut>(&self, attempt: impl FnMut() -> Fut) -> End
    where
        Fut: Future<Output = Result<(), ResilienceError<PeerError>>>,
    {
        end(&Retry::new(&self.request, "request").call_guarded(attempt).await)
    }

    /// Makes one attempt under the breaker.
    pub(super) async fn attempt<Fut>(
        &self,
        exchange: impl FnOnce() -> Fut,
    ) -> Result<(), ResilienceError<PeerError>>
    where
        Fut: Future<Output = Result<(), PeerError>>,
    {
        let Some(breaker) = &self.breaker else {
            return exchange().await.map_err(ResilienceError::operation);
        };
        self.note(breaker.state());
        let result = breaker.call(exchange).await;
        self.note(breaker.state());
        result
    }

    /// Tries to connect again and again, as the policy says.
    pub(super) async fn connect<T, Fut>(
        &self,
        connect: impl FnMut() -> Fut,
    ) -> Result<T, NetworkError>
    where
        Fut: Future<Output = Result<T, NetworkError>>,
    {
        let connected = Retry::new(&self.connect, "connect").call(connect).await;
        connected.map_err(|error| {
            error.into_operation_error().unwrap_or_else(NetworkError::connection_failed)
        })
    }

    /// The breaker, for the health check.
    pub(super) fn breaker(&self) -> Option<PeerBreaker> {
        self.breaker.clone()
    }

    /// Writes a change of the breaker's state down. A change that time brings is seen when the next
    /// call makes it real.
    fn note(&self, state: State) {
        let to = match state {
            State::HalfOpen => BreakerState::HalfOpen,
            State::Open | State::ForcedOpen => BreakerState::Open,
            // Closed, and whatever else lets calls pass.
            _ => BreakerState::Closed,
        };
        if self.seen.replace(to) != to {
            self.journal.breaker(BreakerMoved { peer: self.peer, to, at: now().as_nanos() });
        }
    }
}

/// Which of the three ways a request ended in.
fn end(result: &Result<(), ResilienceError<PeerError>>) -> End {
    let Err(error) = result else { return End::Ok };
    match error.cause() {
        Cause::Operation(PeerError::Answered(refusal)) => End::Refused(refusal.number()),
        Cause::RateLimit(_) | Cause::CircuitBreakerOpen(_) => End::Refused(error.code().number()),
        _ => End::Failed(error.code().number()),
    }
}
