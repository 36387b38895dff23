//! Whoever waits or calls goes away: after no poll, one, two, until it is done. Nothing is left behind.

use core::time::Duration;

use resil_std::adaptive::ConcurrencyLimiter;
use resil_std::clock::Sleep;
use resil_std::core::adaptive::Aimd;
use resil_std::core::bulkhead::BulkheadConfig;
use resil_std::core::call::{CallPolicy, PeerPolicy};
use resil_std::core::circuit_breaker::{CircuitBreakerConfig, State};
use resil_std::core::rate_limit::{Limit, RateLimitConfig, TokenBucket};
use resil_std::core::retry::RetryPolicy;
use resil_std::core::retry::budget::TokenBudget;
use resil_std::core::{Clock, ResilienceError};
use resil_std::tower::{
    AdaptiveLayer, BulkheadLayer, CircuitBreakerLayer, OperationLayer, PeerLayer, RateLimitLayer,
    RetryLayer, TimeoutLayer,
};
use resil_std::{Bulkhead, CircuitBreaker, Peer, SystemClock};
use std::sync::Arc;
use tokio::time::advance;
use tower::{Layer, Service, ServiceExt};

use super::limiter;
use super::paused_time::drop_after;

const STEP: Duration = Duration::from_millis(30);

async fn sleep(millis: u64) {
    let until = SystemClock.now().saturating_add(Duration::from_millis(millis));
    SystemClock.sleep_until(until).await;
}

/// A service that takes a while and fails, behind `layer`; and what is there as long as a call runs.
fn slow<L>(layer: L) -> (L::Service, Arc<()>)
where
    L: Layer<resil_std::tower::Operation<Slow>>,
{
    let alive = Arc::new(());
    (layer.layer(OperationLayer.layer(Slow(Arc::clone(&alive)))), alive)
}

#[derive(Clone)]
struct Slow(Arc<()>);

impl Service<()> for Slow {
    type Response = ();
    type Error = &'static str;
    type Future = core::pin::Pin<Box<dyn Future<Output = Result<(), &'static str>> + Send>>;

    fn poll_ready(
        &mut self,
        _: &mut core::task::Context<'_>,
    ) -> core::task::Poll<Result<(), &'static str>> {
        core::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        let alive = Arc::clone(&self.0);
        Box::pin(async move {
            let _alive = alive;
            sleep(100).await;
            Err("no route")
        })
    }
}

/// Drops a call through what `fresh` makes after every number of polls, and has `check` look at what is left:
/// with whether it was done.
async fn at_every_point<S, M>(
    fresh: impl AsyncFn() -> ((S, Arc<()>), M),
    check: impl AsyncFn(M, bool),
) where
    S: Service<(), Error = ResilienceError<&'static str>>,
{
    for polls in 0..1_000 {
        let ((service, alive), machine) = fresh().await;
        let done = drop_after(polls, service.oneshot(()), STEP).await.is_some();
        assert_eq!(Arc::strong_count(&alive), 1, "a call or a service is left");
        check(machine, done).await;
        if done {
            assert!(polls >= 4, "over before anything could be dropped");
            return;
        }
    }
    panic!("not done after a thousand polls");
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_has_its_token_unless_the_call_was_made_pitfall_18() {
    let fresh = async || {
        let limiter = limiter(1);
        limiter.allow(1).unwrap();
        (slow(RateLimitLayer::new(limiter.clone())), limiter)
    };
    at_every_point(fresh, async |limiter, _| {
        advance(Duration::from_secs(2)).await;
        assert_eq!(limiter.available(), 1, "one is there, and nobody is in line");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_bulkhead_has_its_permit_and_its_place_pitfall_18() {
    let fresh = async || {
        let one = BulkheadConfig::builder().max_concurrent(1).build().unwrap();
        let bulkhead = Bulkhead::new("store", one);
        let held = bulkhead.try_acquire(1, Default::default()).unwrap();
        tokio::spawn(async move {
            sleep(100).await;
            drop(held);
        });
        (slow(BulkheadLayer::new(bulkhead.clone())), bulkhead)
    };
    at_every_point(fresh, async |bulkhead, _| {
        sleep(200).await;
        assert_eq!((bulkhead.held(), bulkhead.waiting()), (0, 0));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_adaptive_limit_has_its_room_pitfall_18() {
    let fresh = async || {
        let policy = Aimd::builder().initial_limit(1).build().unwrap();
        let limiter = ConcurrencyLimiter::new("work", policy);
        let held = limiter.try_acquire().unwrap();
        tokio::spawn(async move {
            sleep(100).await;
            held.ignore();
        });
        (slow(AdaptiveLayer::new(limiter.clone())), limiter)
    };
    at_every_point(fresh, async |limiter, _| {
        sleep(200).await;
        assert_eq!(limiter.in_flight(), 0);
        limiter.try_acquire().unwrap().ignore(); // nobody is in line
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_breaker_has_its_probe_and_counts_only_what_it_was_told_pitfalls_1_18() {
    let fresh = async || {
        let config = CircuitBreakerConfig::builder().failure_threshold(1).probes(1);
        let breaker = CircuitBreaker::new("peer", config.build().unwrap());
        breaker.call(async || Err::<(), _>(())).await.unwrap_err();
        advance(Duration::from_secs(61)).await;
        (slow(CircuitBreakerLayer::new(breaker.clone())), breaker)
    };
    at_every_point(fresh, async |breaker, done| {
        if done {
            assert_eq!(breaker.state(), State::Open);
        } else {
            assert_eq!(breaker.state(), State::HalfOpen);
            drop(breaker.try_acquire().unwrap());
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_timeout_ends_the_call_with_it() {
    let fresh = async || (slow(TimeoutLayer::new(Duration::from_millis(90))), ());
    at_every_point(fresh, async |(), _| ()).await;
}

fn attempts() -> CallPolicy {
    CallPolicy::new(RetryPolicy::builder().max_attempts(3).build().unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_is_not_made_is_not_paid_for() {
    const CAPACITY: u32 = 8;
    let fresh = async || {
        let budget = TokenBudget::builder().capacity(CAPACITY).retry_cost(1).build().unwrap();
        let layer = RetryLayer::with_budget("store", attempts(), budget);
        (slow(layer.clone()), layer)
    };
    at_every_point(fresh, async |layer, done| {
        let left = layer
            .peer()
            .handle()
            .apply(|policy, state, _| policy.budget().millitokens(state) / 1_000);
        assert!(left >= CAPACITY - 2 && (!done || left == CAPACITY - 2), "{left}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_composed_call_gives_everything_back() {
    let fresh = async || {
        let limit = RateLimitConfig::builder()
            .max_requests(1)
            .time_window(Duration::from_secs(3_600))
            .burst_size(9)
            .build()
            .unwrap();
        let breaker = CircuitBreakerConfig::builder().failure_threshold(9).build().unwrap();
        let policy = PeerPolicy::new(attempts(), breaker, TokenBucket::new(limit));
        let peer = Peer::new("store", policy);
        (slow(PeerLayer::new(peer.clone())), peer)
    };
    at_every_point(fresh, async |peer, done| {
        let (failures, left) = peer.handle().apply(|policy, peer, now| {
            (policy.breaker().failures(&peer.breaker), policy.limit().available(&peer.limit, now))
        });
        // Of the attempts that began, each has spent a token, and one of them may not have ended.
        let begun = 9 - left;
        assert!(u32::from(failures) == begun || u32::from(failures) + 1 == begun && !done);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_stack_of_layers_leaves_nothing_behind() {
    let fresh = async || {
        let limiter = limiter(2);
        limiter.allow(2).unwrap();
        let one = BulkheadConfig::builder().max_concurrent(1).build().unwrap();
        let bulkhead = Bulkhead::new("store", one);
        let work = ConcurrencyLimiter::new("work", Aimd::DEFAULT);
        let config = CircuitBreakerConfig::builder().failure_threshold(9).build().unwrap();
        let breaker = CircuitBreaker::new("peer", config);
        let layers = (
            RateLimitLayer::new(limiter.clone()),
            BulkheadLayer::new(bulkhead.clone()),
            AdaptiveLayer::new(work.clone()),
            CircuitBreakerLayer::new(breaker),
            TimeoutLayer::new(Duration::from_secs(1)),
        );
        (slow(layers), (limiter, bulkhead, work))
    };
    at_every_point(fresh, async |(limiter, bulkhead, work), _| {
        assert_eq!((bulkhead.held(), bulkhead.waiting(), work.in_flight()), (0, 0, 0));
        advance(Duration::from_secs(3)).await;
        assert_eq!(limiter.available(), 2);
    })
    .await;
}

/// The story that is cut short above is one that ends by itself.
#[tokio::test(start_paused = true)]
async fn the_slow_service_fails_after_its_time() {
    let layer = tower::layer::util::Identity::new();
    let (service, alive) = slow(layer);
    assert_eq!(service.oneshot(()).await, Err(ResilienceError::operation("no route")));
    assert_eq!(Arc::strong_count(&alive), 1);
}
