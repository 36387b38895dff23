//! A server of axum and hyper that sheds load by layers, and clients that survive it by layers: over real
//! sockets on loopback, in virtual time.

use core::convert::Infallible;
use core::net::SocketAddr;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use axum::Router;
use axum::error_handling::HandleErrorLayer;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use resil_std::clock::Sleep;
use resil_std::core::bulkhead::BulkheadConfig;
use resil_std::core::call::{CallPolicy, PeerPolicy};
use resil_std::core::circuit_breaker::CircuitBreakerConfig;
use resil_std::core::outcome::{Classification, FailureClass};
use resil_std::core::rate_limit::{RateLimitConfig, TokenBucket};
use resil_std::core::retry::RetryPolicy;
use resil_std::core::{Clock, Instant, ResilienceError};
use resil_std::http::{self, HttpError};
use resil_std::rate_limit::Limiter;
use resil_std::tower::{BulkheadLayer, OperationLayer, PeerLayer, RateLimitLayer};
use resil_std::{Bulkhead, Peer, SystemClock};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::{ServiceBuilder, ServiceExt, service_fn};

const CLIENTS: usize = 20;
const PERMITS: u16 = 3;

/// What the server refuses, as an answer.
async fn shed(error: ResilienceError<Infallible>) -> Response {
    match error.refusal() {
        Some(rejected) => http::refusal(rejected, SystemClock.now()).into_response(),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// How many requests run at once, and the most that ever did.
#[derive(Clone, Default)]
struct Running(Arc<(AtomicUsize, AtomicUsize)>);

impl Running {
    async fn work(&self) -> &'static str {
        let (running, most) = &*self.0;
        most.fetch_max(running.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
        SystemClock.sleep_until(after(SystemClock.now(), 200)).await;
        running.fetch_sub(1, Ordering::Relaxed);
        "done"
    }

    fn most(&self) -> usize {
        self.0.1.load(Ordering::Relaxed)
    }
}

fn after(at: Instant, millis: u64) -> Instant {
    at.saturating_add(Duration::from_millis(millis))
}

/// Eight requests at once and one a second, of which three run at a time.
async fn serve(running: Running, bulkhead: Bulkhead) -> SocketAddr {
    let quota = RateLimitConfig::builder()
        .max_requests(1)
        .time_window(Duration::from_secs(1))
        .burst_size(8)
        .build();
    let layers = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(shed))
        .layer(RateLimitLayer::new(Limiter::new(TokenBucket::new(quota.unwrap()))).shed())
        .layer(BulkheadLayer::new(bulkhead).shed())
        .layer(OperationLayer);
    let work = get(async move || running.work().await);
    let app = Router::new().route("/", work).layer(layers);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// What a client saw: when it had an answer, and which.
#[derive(Clone, Copy, Debug)]
struct Answer {
    at: Instant,
    status: StatusCode,
    retry_after: Option<u64>,
}

type Seen = Arc<Mutex<BTreeMap<usize, Vec<Answer>>>>;

/// How a request fails: by an answer, or without one.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Answer(#[from] HttpError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

fn classify(failed: &Failed) -> Classification {
    match failed {
        Failed::Answer(error) => error.classification(),
        Failed::Io(_) => FailureClass::Transient.into(),
    }
}

/// One request on a connection of its own.
async fn request(server: SocketAddr, client: usize, seen: Seen) -> Result<String, Failed> {
    let (status, headers, body) = exchange(server).await?;
    let retry_after = headers.get("retry-after").map(|value| value.to_str().unwrap());
    let retry_after = retry_after.map(|seconds| seconds.parse().unwrap());
    let answer = Answer { at: SystemClock.now(), status, retry_after };
    seen.lock().unwrap().entry(client).or_default().push(answer);
    http::check(status, &headers, SystemTime::now())?;
    Ok(body)
}

async fn exchange(server: SocketAddr) -> std::io::Result<(StatusCode, HeaderMap, String)> {
    let mut stream = TcpStream::connect(server).await?;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a status line");
    let status = StatusCode::from_bytes(status.as_bytes()).expect("a status");
    let headers = lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("the name of a header");
        (name, HeaderValue::from_str(value).expect("its value"))
    });
    // What the wall clock says is no time of the test.
    let headers = headers.filter(|(name, _)| name != "date").collect();
    Ok((status, headers, body.to_owned()))
}

#[tokio::test(start_paused = true)]
async fn a_server_sheds_load_and_clients_come_back_when_it_says_so() {
    let (running, seen) = (Running::default(), Seen::default());
    let permits = BulkheadConfig::builder().max_concurrent(PERMITS).build().unwrap();
    let bulkhead = Bulkhead::new("work", permits);
    let server = serve(running.clone(), bulkhead.clone()).await;

    let retry = RetryPolicy::builder()
        .max_attempts(60)
        .initial_delay(Duration::from_millis(200))
        .max_delay(Duration::from_secs(1)) // so that they are more than there are tokens
        .build()
        .unwrap()
        .classify(classify);
    let breaker = CircuitBreakerConfig::builder().failure_threshold(1_000).build().unwrap();
    let own = RateLimitConfig::builder().max_requests(1_000).burst_size(1_000).build().unwrap();
    let policy = PeerPolicy::new(CallPolicy::new(retry), breaker, TokenBucket::new(own));
    let peer = Peer::new("server", policy);

    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let seen = Arc::clone(&seen);
            let service = ServiceBuilder::new()
                .layer(PeerLayer::new(peer.clone()))
                .layer(OperationLayer)
                .service(service_fn(move |(): ()| request(server, client, Arc::clone(&seen))));
            tokio::spawn(service.oneshot(()))
        })
        .collect();
    for client in clients {
        assert_eq!(client.await.unwrap().expect("every client gets through"), "done");
    }

    let seen = seen.lock().unwrap();
    let statuses: Vec<_> = seen.values().flatten().map(|answer| answer.status.as_u16()).collect();
    let with = |status| statuses.iter().filter(|&&seen| seen == status).count();
    assert_eq!(with(200), CLIENTS);
    assert!(with(429) > 0, "beyond the quota: {statuses:?}");
    assert!(with(503) > 0, "beyond the permits: {statuses:?}");
    assert_eq!(with(200) + with(429) + with(503), statuses.len());
    assert!(running.most() <= usize::from(PERMITS), "{}", running.most());
    assert_eq!(bulkhead.held(), 0);

    for answers in seen.values() {
        for pair in answers.windows(2) {
            let wait = Duration::from_secs(pair[0].retry_after.unwrap_or(0));
            assert_eq!(
                pair[0].retry_after.is_some(),
                pair[0].status == StatusCode::TOO_MANY_REQUESTS
            );
            assert!(pair[1].at >= pair[0].at.saturating_add(wait), "{pair:?}");
        }
    }
}
