//! The machines as layers of [tower](https://docs.rs/tower), for servers and clients made of services.
//!
//! | layer | of | in `poll_ready` |
//! |---|---|---|
//! | [`RateLimitLayer`] | a [`Limiter`](crate::rate_limit::Limiter) | waits in line, or refuses; reserves tokens |
//! | [`KeyedRateLimitLayer`] | a [`RateLimiter`](crate::RateLimiter) | |
//! | [`CircuitBreakerLayer`] | a [`CircuitBreaker`](crate::CircuitBreaker) | refuses; reserves a probe |
//! | [`BulkheadLayer`] | a [`Bulkhead`](crate::Bulkhead) | waits in the queue, or refuses; reserves permits |
//! | [`AdaptiveLayer`] | a [`ConcurrencyLimiter`](crate::adaptive::ConcurrencyLimiter) | waits in line, or refuses; reserves room |
//! | [`TimeoutLayer`] | | |
//! | [`RetryLayer`] | a policy and a budget | is always ready |
//! | [`PeerLayer`] | a [`Peer`](crate::Peer), or another pipeline: the composed call | is always ready |
//! | [`OperationLayer`] | | |
//!
//! Each is a layer around a machine that lives elsewhere as well: clone the handle, look at it, share it
//! with code that knows no tower. Nothing is decided here.
//!
//! ```
//! use core::time::Duration;
//! use resil_std::core::adaptive::Aimd;
//! use resil_std::core::circuit_breaker::CircuitBreakerConfig;
//! use resil_std::core::error::{Cause, ResilienceError};
//! use resil_std::core::valid;
//! use resil_std::CircuitBreaker;
//! use resil_std::adaptive::ConcurrencyLimiter;
//! use resil_std::tower::{AdaptiveLayer, CircuitBreakerLayer, OperationLayer, TimeoutLayer};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! const WORK: Aimd = valid!(Aimd::builder().initial_limit(20).build());
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let breaker = CircuitBreaker::new("store", CircuitBreakerConfig::DEFAULT);
//! let service = ServiceBuilder::new()
//!     .layer(AdaptiveLayer::new(ConcurrencyLimiter::new("store", WORK)).shed())
//!     .layer(CircuitBreakerLayer::new(breaker.clone()))
//!     .layer(TimeoutLayer::new(Duration::from_secs(2)))
//!     .layer(OperationLayer) // always the innermost
//!     .service(service_fn(async |key: u32| Ok::<_, std::io::Error>(key)));
//!
//! breaker.force_open();
//! match service.oneshot(7).await {
//!     Ok(value) => println!("{value}"),
//!     Err(error) => match error.cause() {
//!         Cause::Operation(_own) => unreachable!("it was not called"),
//!         Cause::CircuitBreakerOpen(refused) => println!("down until {:?}", refused.retry()),
//!         _ => println!("{error}"),
//!     },
//! }
//! # }
//! ```
//!
//! # Errors
//!
//! Every layer has the error [`ResilienceError<E>`](resil_core::ResilienceError), and wants the same of the
//! service inside; `E` is the operation's own error, and [`OperationLayer`] is where it comes in. So however
//! many layers there are, the type is one, and says whether the operation failed, who refused, and when to
//! come back. Where the service inside has a boxed error, map it to a [`BoxedError`](crate::BoxedError) first.
//!
//! # In axum
//!
//! A route of axum does not fail, so what a layer refuses has to become an answer: `HandleErrorLayer`, outside
//! of them, does that. The layers of `Router::layer` guard the routes that were added before it: health and
//! metrics come after it, or a node that sheds load is taken for a dead one.
//!
//! ```
//! # #[cfg(not(feature = "http"))]
//! # fn main() {}
//! # #[cfg(feature = "http")]
//! # mod with_http {
//! use core::convert::Infallible;
//! use axum::error_handling::HandleErrorLayer;
//! use axum::http::{Request, StatusCode};
//! use axum::response::{IntoResponse, Response};
//! use axum::{Router, body::Body, routing::get};
//! use resil_std::core::rate_limit::RateLimitConfig;
//! use resil_std::core::{Clock, ResilienceError};
//! use resil_std::tower::{KeyedRateLimitLayer, OperationLayer};
//! use resil_std::{RateLimiter, SystemClock, http};
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! /// Feature `http`: 429 or 503, with `Retry-After`.
//! async fn refused(error: ResilienceError<Infallible>) -> Response {
//!     match error.refusal() {
//!         Some(refusal) => http::refusal(refusal, SystemClock.now()).into_response(),
//!         None => StatusCode::GATEWAY_TIMEOUT.into_response(), // a timeout layer's
//!     }
//! }
//!
//! /// Whose request it is. A real server knows by who has authenticated.
//! fn client_of(request: &Request<Body>) -> String {
//!     let name = request.headers().get("x-client").and_then(|name| name.to_str().ok());
//!     name.unwrap_or_default().to_owned()
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # pub async fn main() -> Result<(), Box<dyn core::error::Error>> {
//! let quota = RateLimitConfig::builder().burst_size(1).build()?;
//! let layers = ServiceBuilder::new()
//!     .layer(HandleErrorLayer::new(refused))
//!     .layer(KeyedRateLimitLayer::new(RateLimiter::new(quota), client_of))
//!     .layer(OperationLayer);
//! let app: Router = Router::new()
//!     .route("/work", get(async || "done"))
//!     .layer(layers)
//!     .route("/livez", get(async || "ok")); // not limited
//!
//! let ask = |path| app.clone().oneshot(Request::get(path).body(Body::empty()).unwrap());
//! assert_eq!(ask("/work").await?.status(), StatusCode::OK);
//! assert_eq!(ask("/work").await?.status(), StatusCode::TOO_MANY_REQUESTS);
//! assert_eq!(ask("/livez").await?.status(), StatusCode::OK);
//! # Ok(())
//! # }
//! # }
//! # #[cfg(feature = "http")]
//! # fn main() { with_http::main().unwrap() }
//! ```
//!
//! A handler of axum cannot fail either: to a breaker, a 500 is a success like any other answer, and only a
//! timeout of a layer further in counts. Where a status is to count, make an error of the answer, innermost,
//! and hand it on as it was, outermost:
//!
//! ```
//! # use core::convert::Infallible;
//! # use axum::error_handling::HandleErrorLayer;
//! # use axum::http::{Request, StatusCode};
//! # use axum::response::{IntoResponse, Response};
//! # use axum::{Router, body::Body, routing::get};
//! # use resil_std::CircuitBreaker;
//! # use resil_std::core::ResilienceError;
//! # use resil_std::core::circuit_breaker::CircuitBreakerConfig;
//! # use resil_std::core::error::Cause;
//! # use resil_std::tower::{CircuitBreakerLayer, OperationLayer};
//! # use tower::{ServiceBuilder, ServiceExt};
//! /// An answer that says that this node has failed.
//! #[derive(Debug)]
//! struct Failed(Response);
//!
//! impl From<Infallible> for Failed {
//!     fn from(never: Infallible) -> Self {
//!         match never {} // `map_result` asks for it
//!     }
//! }
//!
//! fn by_status(answer: Result<Response, Infallible>) -> Result<Response, Failed> {
//!     match answer {
//!         Ok(answer) if answer.status().is_server_error() => Err(Failed(answer)),
//!         Ok(answer) => Ok(answer),
//!         Err(never) => Err(never.into()),
//!     }
//! }
//!
//! async fn as_answer(error: ResilienceError<Failed>) -> Response {
//!     match error.into_cause() {
//!         Cause::Operation(Failed(answer)) => answer,
//!         _ => StatusCode::SERVICE_UNAVAILABLE.into_response(), // or `http::refusal`, as above
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn core::error::Error>> {
//! # let config = CircuitBreakerConfig::builder().failure_threshold(1).build()?;
//! let layers = ServiceBuilder::new()
//!     .layer(HandleErrorLayer::new(as_answer))
//!     .layer(CircuitBreakerLayer::new(CircuitBreaker::new("store", config)))
//!     .layer(OperationLayer)
//!     .map_result(by_status);
//! # let handler = get(async || StatusCode::INTERNAL_SERVER_ERROR);
//! let app: Router = Router::new().route("/", handler).layer(layers);
//!
//! let ask = || app.clone().oneshot(Request::get("/").body(Body::empty()).unwrap());
//! assert_eq!(ask().await?.status(), StatusCode::INTERNAL_SERVER_ERROR); // the breaker opens
//! assert_eq!(ask().await?.status(), StatusCode::SERVICE_UNAVAILABLE);
//! # Ok(())
//! # }
//! ```
//!
//! The address of a client is in the extensions of its request, once the router is served with
//! `into_make_service_with_connect_info::<SocketAddr>()`: `ConnectInfo<SocketAddr>`.
//!
//! A [`PeerLayer`] and a [`RetryLayer`] clone the request for each attempt, which an axum `Request` cannot be:
//! they are for clients, whose request is a small value from which the operation makes its own.
//!
//! # Laws
//!
//! - What `poll_ready` reserves belongs to that one service. Dropping the service gives it back; a clone
//!   starts with nothing; `call` uses it up.
//! - A refusal is the answer of `call`, with the inner service untouched. `poll_ready` fails only where the
//!   inner service's does, for by tower's contract a service whose `poll_ready` fails is thrown away.
//! - The gate comes first: as long as a request waits there, the inner service is neither polled nor called.
//! - Whoever waits in `poll_ready` waits in the line of the machine, together with those who know no tower,
//!   and is woken when it is their turn. Nothing polls, and nothing wakes itself.
//! - Dropping the future of a call ends the call and then gives back what it held.
//! - What time means to a machine (a latency, a slow call, a deadline) begins with `call`, not with
//!   `poll_ready`.
//! - `call` without `poll_ready` before it does not panic here: it asks, does not wait, and hands the request
//!   on. What the innermost service makes of that is its own affair.
//!
//! # The order
//!
//! From outside in: rate limit, bulkhead or adaptive limit, retry, breaker, timeout, operation. A limit
//! inside of a retry counts attempts, outside of it calls. Or take a [`PeerLayer`], which has core's order
//! and asks for everything or nothing.
//!
//! # When not to use it
//!
//! Where the call is one closure: the machines themselves say more, and cost less.

mod adaptive;
mod bulkhead;
mod circuit_breaker;
mod classify;
pub mod gate;
mod in_line;
mod operation;
mod peer;
mod rate_limit;
mod retry;
mod timeout;

pub use adaptive::{Adaptive, AdaptiveGate, AdaptiveLayer};
pub use bulkhead::{BulkheadGate, BulkheadLayer, Bulkheaded};
pub use circuit_breaker::{CircuitBreakerGate, CircuitBreakerLayer, CircuitBroken};
pub use operation::{Operation, OperationFuture, OperationLayer};
pub use peer::{PeerFuture, PeerLayer, PeerService};
pub use rate_limit::{
    KeyedRateLimit, KeyedRateLimitLayer, KeyedResponseFuture, RateLimit, RateLimitGate,
    RateLimitLayer,
};
pub use retry::{Retries, Retry, RetryLayer};
pub use timeout::{Timeout, TimeoutFuture, TimeoutLayer};
