//! So many requests in a time, for all clones of a service together, or for each peer.

mod keyed;

use resil_core::outcome::Rejected;
use resil_core::rate_limit::{Bucket, TokenBucket};
use resil_core::{Clock, ResilienceError};

use super::classify::was_refused;
use super::gate::{Asked, Gate, GateLayer, Gated, Reserved, Settle};
use super::in_line::InLine;
use crate::clock::{Sleep, SystemClock};
use crate::rate_limit::{Charge, Limiter};

pub use keyed::{KeyedRateLimit, KeyedRateLimitLayer, KeyedResponseFuture};

/// Lets requests pass as a [`Limiter`] does. In `poll_ready` they wait in its line, first come, first
/// served; or, with [`shed`](GateLayer::shed), `call` refuses them.
///
/// `poll_ready` takes the tokens. They are given back, less what has been refilled since, where the service
/// is dropped without a call, and where a layer further in refuses. A call that was made has spent them,
/// however it ended.
///
/// ```
/// use core::time::Duration;
/// use resil_std::core::rate_limit::{RateLimitConfig, TokenBucket};
/// use resil_std::core::valid;
/// use resil_std::rate_limit::Limiter;
/// use resil_std::tower::{OperationLayer, RateLimitLayer};
/// use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
///
/// const OUTBOUND: TokenBucket =
///     TokenBucket::new(valid!(RateLimitConfig::builder().max_requests(60).burst_size(2).build()));
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn core::error::Error>> {
/// let mut service = ServiceBuilder::new()
///     .layer(RateLimitLayer::new(Limiter::new(OUTBOUND)))
///     .layer(OperationLayer)
///     .service(service_fn(async |name: &'static str| Ok::<_, std::io::Error>(name)));
///
/// let start = tokio::time::Instant::now();
/// for _ in 0..4 {
///     service.ready().await?.call("hello").await?;
/// }
/// assert_eq!(start.elapsed().as_secs(), 2, "two at once, and one more each second");
/// # Ok(())
/// # }
/// ```
///
/// # What is ready and not called
///
/// A service that is ready holds tokens that were taken when it became so. Those who keep many services
/// ready and call them all at once send as many more than the bucket holds.
///
/// # Cost
///
/// That of the limiter. A wait in `poll_ready` is on the heap, which is the only allocation.
pub type RateLimitLayer<L = TokenBucket, T = SystemClock> = GateLayer<RateLimitGate<L, T>>;

/// A service behind a [`RateLimitLayer`].
pub type RateLimit<S, L = TokenBucket, T = SystemClock> = Gated<S, RateLimitGate<L, T>>;

/// The gate of a [`RateLimitLayer`].
#[derive(Debug)]
pub struct RateLimitGate<L = TokenBucket, T = SystemClock> {
    limiter: Limiter<L, T>,
    tokens: u32,
    waits: bool,
}

impl<L, T> GateLayer<RateLimitGate<L, T>> {
    /// One token a request, and those for whom there is none wait.
    #[must_use]
    pub const fn new(limiter: Limiter<L, T>) -> Self {
        Self::of(RateLimitGate { limiter, tokens: 1, waits: true })
    }

    /// So many tokens a request.
    #[must_use]
    pub fn tokens(mut self, tokens: u32) -> Self {
        self.gate.tokens = tokens;
        self
    }

    /// Refuses those for whom there is none, with the instant at which to come back.
    ///
    /// ```
    /// use resil_std::core::ErrorCode;
    /// use resil_std::core::rate_limit::{RateLimitConfig, TokenBucket};
    /// use resil_std::rate_limit::Limiter;
    /// use resil_std::tower::{OperationLayer, RateLimitLayer};
    /// use tower::{ServiceBuilder, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn core::error::Error>> {
    /// let config = RateLimitConfig::builder().burst_size(1).build()?;
    /// let service = ServiceBuilder::new()
    ///     .layer(RateLimitLayer::new(Limiter::new(TokenBucket::new(config))).shed())
    ///     .layer(OperationLayer)
    ///     .service(service_fn(async |name: &'static str| Ok::<_, std::io::Error>(name)));
    ///
    /// service.clone().oneshot("hello").await?;
    /// let refused = service.clone().oneshot("hello").await.unwrap_err();
    /// assert_eq!(refused.code(), ErrorCode::RateLimitExceeded);
    /// assert!(refused.retry_at().is_some());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn shed(mut self) -> Self {
        self.gate.waits = false;
        self
    }
}

impl<L, T> Gate for RateLimitGate<L, T>
where
    L: Bucket + Send + Sync + 'static,
    T: Sleep + Send + Sync + 'static,
{
    type Reserved = Tokens<L, T>;
    type Turn = InLine<Tokens<L, T>>;

    fn ask(&self) -> Asked<Tokens<L, T>, Self::Turn> {
        if !self.waits {
            return self.ask_now().map_or_else(Asked::Refused, Asked::Reserved);
        }
        match self.limiter.settled_at_once(self.tokens) {
            Some(Ok(charge)) => Asked::Reserved(self.taken(charge)),
            Some(Err(rejected)) => Asked::Refused(rejected),
            None => {
                let gate = self.clone();
                Asked::Waits(InLine::new(async move {
                    let charge = gate.limiter.until_ready(gate.tokens).await?;
                    Ok(gate.taken(charge))
                }))
            }
        }
    }

    fn ask_now(&self) -> Result<Tokens<L, T>, Rejected> {
        self.limiter.check(self.tokens).map(|charge| self.taken(charge))
    }
}

impl<L: Bucket, T: Clock> RateLimitGate<L, T> {
    fn taken(&self, charge: Charge) -> Tokens<L, T> {
        Tokens(Some((self.limiter.clone(), charge)))
    }
}

/// Tokens that were taken; given back when this is dropped.
#[derive(Debug)]
pub struct Tokens<L: Bucket, T: Clock>(Option<(Limiter<L, T>, Charge)>);

impl<L: Bucket, T: Clock> Reserved for Tokens<L, T> {
    type Permit = Spent<L, T>;

    fn begin(mut self) -> Result<Spent<L, T>, Rejected> {
        Ok(Spent(self.0.take()))
    }
}

impl<L: Bucket, T: Clock> Drop for Tokens<L, T> {
    fn drop(&mut self) {
        if let Some((limiter, charge)) = self.0.take() {
            limiter.refund(charge);
        }
    }
}

/// Tokens of a call that has begun.
#[derive(Debug)]
pub struct Spent<L, T>(Option<(Limiter<L, T>, Charge)>);

impl<L: Bucket, T: Clock, E> Settle<E> for Spent<L, T> {
    fn settle<V>(self, result: &Result<V, ResilienceError<E>>) {
        if was_refused(result)
            && let Some((limiter, charge)) = self.0
        {
            limiter.refund(charge);
        }
    }
}

impl<L, T> Clone for RateLimitGate<L, T> {
    fn clone(&self) -> Self {
        Self { limiter: self.limiter.clone(), tokens: self.tokens, waits: self.waits }
    }
}
