//! What services behind layers have to be for others.

use core::convert::Infallible;
use core::error::Error as _;
use core::time::Duration;

use resil_std::adaptive::ConcurrencyLimiter;
use resil_std::core::ResilienceError;
use resil_std::core::adaptive::Aimd;
use resil_std::core::bulkhead::BulkheadConfig;
use resil_std::core::call::{CallPolicy, PeerPolicy};
use resil_std::core::circuit_breaker::CircuitBreakerConfig;
use resil_std::core::rate_limit::{RateLimitConfig, TokenBucket};
use resil_std::core::retry::RetryPolicy;
use resil_std::core::retry::budget::TokenBudget;
use resil_std::tower::{
    AdaptiveLayer, BulkheadLayer, CircuitBreakerLayer, KeyedRateLimitLayer, OperationLayer,
    PeerLayer, RateLimitLayer, RetryLayer, TimeoutLayer,
};
use resil_std::{BoxedError, Bulkhead, CircuitBreaker, Peer, RateLimiter};
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, service_fn};

use super::limiter;

/// What hyper and axum want of a service, and a task of a call.
fn fits<S>(service: S) -> S
where
    S: Service<u32, Response = u32, Error = ResilienceError<Infallible>, Future: Send + 'static>
        + Clone
        + Send
        + Sync
        + 'static,
{
    service
}

#[tokio::test(start_paused = true)]
async fn every_layer_in_one_stack_has_one_type_of_error() {
    let call = CallPolicy::new(RetryPolicy::DEFAULT);
    let policy = PeerPolicy::new(
        call,
        CircuitBreakerConfig::DEFAULT,
        TokenBucket::new(RateLimitConfig::DEFAULT),
    );
    let service = ServiceBuilder::new()
        .layer(RateLimitLayer::new(limiter(9)))
        .layer(KeyedRateLimitLayer::new(RateLimiter::default(), |number: &u32| *number))
        .layer(BulkheadLayer::new(Bulkhead::new("store", BulkheadConfig::DEFAULT)))
        .layer(AdaptiveLayer::new(ConcurrencyLimiter::new("work", Aimd::DEFAULT)))
        .layer(PeerLayer::new(Peer::new("peer", policy)))
        .layer(RetryLayer::with_budget("store", call, TokenBudget::DEFAULT))
        .layer(CircuitBreakerLayer::new(CircuitBreaker::new("b", CircuitBreakerConfig::DEFAULT)))
        .layer(TimeoutLayer::new(Duration::from_secs(1)))
        .layer(OperationLayer)
        .service(service_fn(async |number: u32| Ok::<_, Infallible>(number)));
    let service = fits(service);
    assert_eq!(service.clone().oneshot(7).await.unwrap(), 7);
    assert_eq!(tokio::spawn(service.oneshot(8)).await.unwrap().unwrap(), 8);
}

#[tokio::test(start_paused = true)]
async fn towers_own_middleware_fits_inside_and_outside() {
    let service = ServiceBuilder::new()
        .layer(tower::timeout::TimeoutLayer::new(Duration::from_secs(9)))
        .layer(RetryLayer::with_budget(
            "store",
            CallPolicy::new(RetryPolicy::DEFAULT),
            TokenBudget::DEFAULT,
        ))
        .layer(OperationLayer)
        .map_err(BoxedError)
        .layer(tower::timeout::TimeoutLayer::new(Duration::from_secs(1)))
        .service(service_fn(async |_: u32| core::future::pending::<Result<(), BoxError>>().await));
    let error = service.oneshot(7).await.unwrap_err();
    let error = error.downcast::<ResilienceError<BoxedError>>().unwrap();
    assert_eq!(error.code().name(), "RETRY_EXHAUSTED");
    let own = error.operation_error().unwrap();
    assert!(own.0.is::<tower::timeout::error::Elapsed>());
    assert_eq!(error.source().unwrap().to_string(), own.to_string());
}
