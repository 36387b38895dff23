//! The peers that are layers of tower.

use crate::measure::{Contender, Kind};
use crate::peers::BURST;
use crate::resil::BUCKET;
use crate::{contender, operation, ready};
use core::future::{Ready, poll_fn};
use core::hint::black_box;
use core::time::Duration;
use resil_core::call::CallPolicy;
use resil_core::retry::RetryPolicy;
use resil_core::retry::budget::TokenBudget;
use resil_std::rate_limit::Limiter;
use resil_std::tower::{OperationLayer, RateLimitLayer};
use std::sync::Arc;
use tower::limit::RateLimit;
use tower::limit::rate::Rate;
use tower::retry::budget::{Budget as _, TpsBudget};
use tower::retry::{Policy, Retry};
use tower::{Layer, Service, service_fn};
use tower_resilience_circuitbreaker::CircuitBreakerLayer;
use tower_resilience_ratelimiter::RateLimiterLayer;
use tower_resilience_retry::RetryLayer;

/// Makes a service ready, and calls it.
fn served<S: Service<()>>(service: &mut S) -> bool {
    let call = async {
        poll_fn(|context| service.poll_ready(context)).await?;
        service.call(()).await
    };
    ready(call).is_some_and(|answer| answer.is_ok())
}

/// A stack of layers around what everybody calls.
fn stack<S: Service<()> + 'static>(
    name: &'static str,
    kind: Kind,
    layers: impl FnOnce() -> S,
) -> Contender {
    // tower's limit makes a timer at once, for when it is reached.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime");
    let mut stack = {
        let _entered = runtime.enter();
        layers()
    };
    contender(name, kind, move || {
        let _timers = &runtime;
        served(black_box(&mut stack))
    })
}

/// A limit: tower's belongs to one service, resil's to all of its clones.
pub(crate) fn limits() -> [Contender; 2] {
    let limiter = || Limiter::new(BUCKET);
    [
        stack("resil", Kind::Resil, || {
            let inner = OperationLayer.layer(service_fn(async |(): ()| operation()));
            RateLimitLayer::new(limiter()).layer(inner)
        }),
        stack("tower", Kind::Peer, || {
            let rate = Rate::new(BURST.into(), Duration::from_secs(1));
            RateLimit::new(service_fn(async |(): ()| operation()), rate)
        }),
    ]
}

/// Three attempts, as long as a budget pays.
#[derive(Clone)]
struct Attempts {
    left: u32,
    budget: Arc<TpsBudget>,
}

impl<V, E> Policy<(), V, E> for Attempts {
    type Future = Ready<()>;

    fn retry(&mut self, (): &mut (), result: &mut Result<V, E>) -> Option<Ready<()>> {
        if result.is_ok() {
            self.budget.deposit();
            return None;
        }
        if self.left == 0 || !self.budget.withdraw() {
            return None;
        }
        self.left -= 1;
        Some(core::future::ready(()))
    }

    fn clone_request(&mut self, (): &()) -> Option<()> {
        Some(())
    }
}

/// A retry with a budget.
pub(crate) fn retries() -> [Contender; 2] {
    [
        stack("resil", Kind::Resil, || {
            let inner = OperationLayer.layer(service_fn(async |(): ()| operation()));
            let call = CallPolicy::new(RetryPolicy::DEFAULT);
            resil_std::tower::RetryLayer::with_budget("call", call, TokenBudget::DEFAULT)
                .layer(inner)
        }),
        stack("tower", Kind::Peer, || {
            let attempts = Attempts { left: 2, budget: Arc::default() };
            Retry::new(attempts, service_fn(async |(): ()| operation()))
        }),
    ]
}

/// One family of crates: layers of tower.
pub(crate) fn tower_resilience() -> Contender {
    let limit = RateLimiterLayer::burst(1_000_000_000, BURST as usize).build().expect("valid");
    let breaker = CircuitBreakerLayer::builder().consecutive_failures(5).build().expect("valid");
    let retry = RetryLayer::builder()
        .max_attempts(3)
        .exponential_backoff(Duration::from_millis(100))
        .build();
    let guarded = limit.layer(service_fn(async |(): ()| operation()));
    let mut stack = retry.layer(breaker.layer(guarded));
    contender("tower-resilience", Kind::Peer, move || {
        let stack = black_box(&mut stack);
        served(stack)
    })
}
