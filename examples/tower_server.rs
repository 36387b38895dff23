//! A server that sheds load by layers of tower, and clients that survive it.
//!
//! `cargo run -p resil-examples --features tower --example tower_server`
//!
//! The server is axum's, on loopback. Of each client it takes so many requests a second, and answers the
//! others with 429 and `Retry-After`; it works at as many at once as it can do in time, which it finds out
//! itself, and answers the others with 503. Three polite clients go through the composed call: they come
//! back when the server says so, and stay away while it is down. A rude one sends whatever it can.
//!
//! It takes some seconds and exits with 0 only if the polite ones got all their answers, the rude one was
//! kept to its quota, and the server was well when the flood was over.

use core::convert::Infallible;
use core::fmt;
use core::net::SocketAddr;
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use anyhow::{Result, ensure};
use axum::Router;
use axum::body::Body;
use axum::error_handling::HandleErrorLayer;
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use resil_std::adaptive::ConcurrencyLimiter;
use resil_std::core::adaptive::Aimd;
use resil_std::core::call::{CallPolicy, PeerPolicy};
use resil_std::core::circuit_breaker::CircuitBreakerConfig;
use resil_std::core::outcome::{Classification, FailureClass};
use resil_std::core::rate_limit::{RateLimitConfig, TokenBucket};
use resil_std::core::retry::RetryPolicy;
use resil_std::core::{Clock, ResilienceError, valid};
use resil_std::http::{self, HttpError};
use resil_std::tower::{AdaptiveLayer, KeyedRateLimitLayer, OperationLayer, PeerLayer};
use resil_std::{Peer, RateLimiter, SystemClock};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tower::{ServiceBuilder, ServiceExt, service_fn};

/// What a client may send: ten a second, ten at once.
const QUOTA: RateLimitConfig = valid!(
    RateLimitConfig::builder()
        .max_requests(10)
        .time_window(Duration::from_secs(1))
        .burst_size(10)
        .build()
);
/// How much the server works at, to begin with; slower than half a second is too much.
const WORK: Aimd = valid!(
    Aimd::builder()
        .min_limit(1)
        .initial_limit(4)
        .max_limit(16)
        .timeout(Duration::from_millis(500))
        .build()
);
const RETRY: RetryPolicy = valid!(
    RetryPolicy::builder()
        .max_attempts(50)
        .initial_delay(Duration::from_millis(20))
        .max_delay(Duration::from_millis(200))
        .max_retry_after(Duration::from_secs(5)) // what a server asks for beyond that is not believed
        .deadline(Duration::from_secs(30))
        .build()
);
const BREAKER: CircuitBreakerConfig = valid!(
    CircuitBreakerConfig::builder()
        .failure_threshold(20)
        .timeout(Duration::from_millis(250))
        .build()
);
/// What a polite client keeps itself to: what it knows of the server's quota.
const OWN: TokenBucket = TokenBucket::new(valid!(
    RateLimitConfig::builder()
        .max_requests(10)
        .time_window(Duration::from_secs(1))
        .burst_size(5)
        .build()
));

const POLITE: [&str; 3] = ["ada", "ben", "cleo"];
const REQUESTS: u32 = 20;
const FLOOD: Duration = Duration::from_secs(3);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let worked = Arc::new(AtomicU32::new(0));
    let work = ConcurrencyLimiter::new("work", WORK);
    let server = serve(&work, &worked).await?;
    println!("The server listens on http://{server}, and begins with {} at once.", work.limit());

    let started = Instant::now();
    let rude = tokio::spawn(flood(server));
    let polite = POLITE.map(|name| tokio::spawn(ask(server, name)));
    for (name, client) in POLITE.into_iter().zip(polite) {
        let tally = client.await??;
        println!("{name:8} {tally}");
        ensure!(tally.ok == REQUESTS, "{name} did not get all answers");
    }
    let rude = rude.await??;
    let took = started.elapsed().as_secs_f64();
    println!("{:8} {rude}", "rude");
    let quota = 10.0 * (1.0 + took.ceil());
    ensure!(f64::from(rude.ok) <= quota, "the rude one got more than {quota:.0} answers");
    ensure!(rude.throttled > 0, "nobody told the rude one to come back later");

    // The flood is over: whoever comes is served at once.
    let client = reqwest::Client::new();
    let response = get_once(&client, server, "late").await?;
    println!("late     {}; the server works at up to {} at once", response.status(), work.limit());
    ensure!(response.status() == StatusCode::OK, "the server has not recovered");
    ensure!(work.in_flight() == 0, "something is left of the flood");
    println!("{} requests were worked at, in {took:.1} s", worked.load(Ordering::Relaxed));
    Ok(())
}

/// A server behind its layers; where it listens.
async fn serve(work: &ConcurrencyLimiter, worked: &Arc<AtomicU32>) -> Result<SocketAddr> {
    let layers = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(shed))
        .layer(KeyedRateLimitLayer::new(RateLimiter::new(QUOTA), client_of))
        .layer(AdaptiveLayer::new(work.clone()).shed())
        .layer(OperationLayer);
    let worked = Arc::clone(worked);
    let handler = async move || {
        worked.fetch_add(1, Ordering::Relaxed);
        sleep(Duration::from_millis(60)).await;
        "done"
    };
    let app = Router::new().route("/", get(handler)).layer(layers);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(address)
}

/// Whose request it is. A real server knows by who has authenticated.
fn client_of(request: &Request<Body>) -> String {
    let name = request.headers().get("x-client").and_then(|name| name.to_str().ok());
    name.unwrap_or("unknown").to_owned()
}

/// What the layers refuse, as an answer.
async fn shed(error: ResilienceError<Infallible>) -> Response {
    match error.refusal() {
        Some(rejected) => http::refusal(rejected, SystemClock.now()).into_response(),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// What a client saw.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    ok: u32,
    throttled: u32,
    shed: u32,
}

impl Tally {
    fn count(&mut self, status: StatusCode) {
        match status {
            StatusCode::OK => self.ok += 1,
            StatusCode::TOO_MANY_REQUESTS => self.throttled += 1,
            _ => self.shed += 1,
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ok, throttled, shed } = self;
        write!(f, "{ok:4} answered  {throttled:5} × 429  {shed:5} × 503")
    }
}

/// How a request fails: by an answer, or without one.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Answer(#[from] HttpError),
    #[error(transparent)]
    Client(#[from] reqwest::Error),
}

fn classify(error: &Error) -> Classification {
    match error {
        Error::Answer(error) => error.classification(),
        Error::Client(_) => FailureClass::Transient.into(),
    }
}

async fn get_once(
    client: &reqwest::Client,
    server: SocketAddr,
    name: &str,
) -> reqwest::Result<reqwest::Response> {
    client.get(format!("http://{server}/")).header("x-client", name).send().await
}

/// A polite client: every request goes through the composed call, and when that says that it is no use, the
/// client does something else until it says otherwise.
async fn ask(server: SocketAddr, name: &'static str) -> Result<Tally> {
    let (client, tally) = (reqwest::Client::new(), Arc::new(Mutex::new(Tally::default())));
    let seen = Arc::clone(&tally);
    let request = service_fn(move |(): ()| {
        let (client, seen) = (client.clone(), Arc::clone(&seen));
        async move {
            let response = get_once(&client, server, name).await?;
            seen.lock().unwrap_or_else(PoisonError::into_inner).count(response.status());
            http::check(response.status(), response.headers(), SystemTime::now())?;
            Ok::<_, Error>(response.text().await?)
        }
    });
    let policy = CallPolicy::new(RETRY.classify(classify as fn(&Error) -> Classification));
    let peer = Peer::new(name, PeerPolicy::new(policy, BREAKER, OWN));
    let service =
        ServiceBuilder::new().layer(PeerLayer::new(peer)).layer(OperationLayer).service(request);

    let mut answered = 0;
    while answered < REQUESTS {
        match service.clone().oneshot(()).await {
            Ok(_) => answered += 1,
            Err(error) => match error.retry_after(SystemClock.now()) {
                Some(wait) => sleep(wait).await,
                None => return Err(error.into()),
            },
        }
    }
    Ok(*tally.lock().unwrap_or_else(PoisonError::into_inner))
}

/// A rude client: fifty at once, again and again.
async fn flood(server: SocketAddr) -> Result<Tally> {
    let (client, started, mut tally) = (reqwest::Client::new(), Instant::now(), Tally::default());
    while started.elapsed() < FLOOD {
        let mut batch = JoinSet::new();
        for _ in 0..50 {
            let client = client.clone();
            batch.spawn(async move { get_once(&client, server, "rude").await });
        }
        while let Some(response) = batch.join_next().await {
            tally.count(response??.status());
        }
        sleep(Duration::from_millis(10)).await;
    }
    Ok(tally)
}
