//! The layers of tower: what `poll_ready` reserves, who is woken, and what is left behind.

mod adaptive;
mod breaker;
mod bulkhead;
mod cancel;
#[path = "../paused_time/mod.rs"]
mod paused_time;
mod peer;
mod rate_limit;
mod stack;

use core::future::{Future, Ready, ready};
use core::pin::pin;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::sync::Arc;

use paused_time::{Woken, poll_once};
use resil_std::core::rate_limit::{RateLimitConfig, TokenBucket};
use resil_std::core::{Instant, ResilienceError};
use resil_std::rate_limit::Limiter;
use resil_std::tower::{Operation, OperationLayer};
use tower::{BoxError, Layer, Service};
use tower_test::mock::{Handle, Mock, SendResponse};

type Request = &'static str;
type Mocked = Operation<Mock<Request, Request>>;
type Error = ResilienceError<BoxError>;

/// A service behind `layer` that answers what a test says, and panics where it is called without having
/// been ready.
fn behind<L: Layer<Mocked>>(layer: L) -> (L::Service, Handle<Request, Request>) {
    let (mock, handle) = tower_test::mock::pair();
    (layer.layer(OperationLayer.layer(mock)), handle)
}

fn poll_ready<S, Q>(service: &mut S, waker: &Waker) -> Poll<Result<(), S::Error>>
where
    S: Service<Q>,
{
    service.poll_ready(&mut Context::from_waker(waker))
}

/// Whether it is ready; the error of its service is none that a test expects.
fn is_ready<S: Service<Request, Error = Error>>(service: &mut S) -> bool {
    match poll_ready(service, Waker::noop()) {
        Poll::Ready(answer) => {
            answer.unwrap();
            true
        }
        Poll::Pending => false,
    }
}

/// The same for a task whose wake-ups are counted.
fn is_ready_for<S: Service<Request, Error = Error>>(service: &mut S, task: &Arc<Woken>) -> bool {
    poll_ready(service, &Waker::from(Arc::clone(task))).map(Result::unwrap).is_ready()
}

/// What a future that is over came to.
fn now<F: Future>(future: F) -> F::Output {
    match poll_once(pin!(future)) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it is not over"),
    }
}

/// A service that answers at once, and how often it and its clones were asked to be ready, and called.
#[derive(Clone, Debug, Default)]
struct Watched {
    polls: Arc<AtomicUsize>,
    calls: Arc<AtomicUsize>,
}

impl Watched {
    fn touched(&self) -> (usize, usize) {
        (self.polls.load(Ordering::Relaxed), self.calls.load(Ordering::Relaxed))
    }

    /// This one behind `layer`.
    fn behind<L: Layer<Operation<Self>>>(&self, layer: L) -> L::Service {
        layer.layer(OperationLayer.layer(self.clone()))
    }
}

impl Service<Request> for Watched {
    type Response = Request;
    type Error = BoxError;
    type Future = Ready<Result<Request, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.polls.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        self.calls.fetch_add(1, Ordering::Relaxed);
        ready(Ok(request))
    }
}

/// Two clones wait, one goes away, the other is admitted once `admit` has made room, and it is called: until
/// then nothing has touched the service behind them.
async fn waits_without_touching_what_is_behind<S>(
    watched: &Watched,
    mut service: S,
    admit: impl AsyncFnOnce(),
) where
    S: Service<Request, Response = Request, Error = Error> + Clone,
{
    let mut goes_away = service.clone();
    for _ in 0..3 {
        assert!(!is_ready(&mut goes_away) && !is_ready(&mut service));
        assert_eq!(watched.touched(), (0, 0), "it waits at the gate");
    }
    drop(goes_away);
    admit().await;
    assert_eq!(watched.touched(), (0, 0), "there is room, and nobody has asked again");
    assert!(is_ready(&mut service));
    assert_eq!(watched.touched(), (1, 0), "it is admitted, and not called");
    assert_eq!(service.call("admitted").await.unwrap(), "admitted");
    assert_eq!(watched.touched(), (1, 1));
}

/// The request that is before the service.
async fn next(handle: &mut Handle<Request, Request>) -> SendResponse<Request> {
    handle.next_request().await.unwrap().1
}

/// One token each second, so many at once.
fn limiter(burst: u32) -> Limiter {
    let config = RateLimitConfig::builder()
        .max_requests(60)
        .time_window(Duration::from_secs(60))
        .burst_size(burst)
        .build();
    Limiter::new(TokenBucket::new(config.unwrap()))
}

fn later(at: Instant, millis: u64) -> Instant {
    at.saturating_add(Duration::from_millis(millis))
}
