//! What stands around a call: a retry that has nothing to do, and a permit to make it.

use crate::measure::{Contender, Kind};
use crate::{contender, passed};
use backon::Retryable as _;
use core::convert::Infallible;
use core::future::{Future, Ready, ready};
use core::hint::black_box;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use resil_core::bulkhead::BulkheadConfig;
use resil_core::call::Priority;
use resil_core::retry::RetryPolicy;
use resil_std::{Bulkhead, retry_with_policy};
use std::sync::Arc;
use tower::Service;
use tower::limit::ConcurrencyLimit;

/// What a future comes to that has nothing to wait for.
#[inline(always)]
fn at_once<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}

async fn works() -> Result<bool, &'static str> {
    black_box(Ok(true))
}

/// An operation that succeeds at once, under a policy that would retry it three times.
pub(crate) fn retry() -> Vec<Contender> {
    const POLICY: RetryPolicy = RetryPolicy::DEFAULT;
    let pauses = tokio_retry2::strategy::ExponentialBackoff::from_millis(100).take(2);
    let tried = || async { works().await.map_err(tokio_retry2::RetryError::transient) };
    vec![
        contender("empty loop", Kind::Loop, |n| passed(n, || black_box(true)) == n),
        contender("bare await", Kind::Floor, |n| {
            passed(n, || at_once(works()).unwrap_or(false)) == n
        }),
        contender("resil", Kind::Resil, |n| {
            passed(n, || {
                at_once(retry_with_policy(works, black_box(&POLICY), "bench")).unwrap_or(false)
            }) == n
        }),
        contender("backon", Kind::Peer, |n| {
            passed(n, || {
                at_once(works.retry(backon::ExponentialBuilder::default()).into_future())
                    .unwrap_or(false)
            }) == n
        }),
        contender("tokio-retry2", Kind::Peer, move |n| {
            passed(n, || {
                at_once(tokio_retry2::Retry::spawn(pauses.clone(), tried)).unwrap_or(false)
            }) == n
        }),
    ]
}

/// A service that answers at once.
struct Answers;

impl Service<()> for Answers {
    type Response = bool;
    type Error = Infallible;
    type Future = Ready<Result<bool, Infallible>>;

    #[inline]
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, (): ()) -> Self::Future {
        ready(black_box(Ok(true)))
    }
}

#[inline(always)]
fn served<S: Service<(), Response = bool>>(service: &mut S) -> bool {
    let is_ready = service.poll_ready(&mut Context::from_waker(Waker::noop())).is_ready();
    is_ready && at_once(service.call(())).unwrap_or(false)
}

/// A permit to run beside others, taken and given back.
pub(crate) fn permit() -> Vec<Contender> {
    let bulkhead = Bulkhead::new("peer", BulkheadConfig::DEFAULT);
    let semaphore = Arc::new(tokio::sync::Semaphore::new(10));
    let mut tower = ConcurrencyLimit::new(Answers, 10);
    vec![
        contender("empty loop", Kind::Loop, |n| passed(n, || black_box(true)) == n),
        contender("resil", Kind::Resil, move |n| {
            passed(n, || black_box(&bulkhead).try_acquire(1, Priority::Normal).is_ok()) == n
        }),
        contender("tokio's semaphore", Kind::Peer, move |n| {
            passed(n, || Arc::clone(black_box(&semaphore)).try_acquire_owned().is_ok()) == n
        }),
        contender("tower, with a call", Kind::Peer, move |n| {
            passed(n, || served(black_box(&mut tower))) == n
        }),
    ]
}
