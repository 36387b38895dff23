//! A client over HTTP that comes back when the server says so.
//!
//! `cargo run -p resil-examples --features axum,reqwest --example http_client`
//!
//! The server is on loopback and behaves as a busy one: 503 with `Retry-After`, 429 with a date, then
//! an answer. The client is `reqwest`, with a breaker of the server's and a retry around it.

use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::{Router, routing::get};
use resil_std::circuit_breaker::CircuitBreaker;
use resil_std::core::circuit_breaker::CircuitBreakerConfig;
use resil_std::core::outcome::{Classification, FailureClass};
use resil_std::core::retry::RetryPolicy;
use resil_std::core::valid;
use resil_std::http::{self, HttpError};
use resil_std::retry::Retry;
use tokio::net::TcpListener;

const POLICY: RetryPolicy = valid!(
    RetryPolicy::builder()
        .max_attempts(5)
        .initial_delay(Duration::from_millis(100))
        .max_retry_after(Duration::from_secs(10)) // what a server asks for beyond that is not believed
        .deadline(Duration::from_secs(30))
        .build()
);

/// How a request fails: by an answer, or without one.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Answer(#[from] HttpError),
    #[error(transparent)]
    Client(#[from] reqwest::Error),
}

impl Error {
    fn classification(&self) -> Classification {
        match self {
            Self::Answer(error) => error.classification(),
            Self::Client(error) if error.is_timeout() => FailureClass::Timeout.into(),
            // A request that could not be built cannot be sent the next time either.
            Self::Client(error) if error.is_builder() => FailureClass::Fatal.into(),
            Self::Client(_) => FailureClass::Transient.into(),
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let url = serve().await?;
    let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).build()?;
    let breaker = CircuitBreaker::with_classifier(
        "server",
        CircuitBreakerConfig::DEFAULT,
        Error::classification,
    );
    let policy = POLICY.classify(Error::classification);

    let start = Instant::now();
    let fetch = async |path: &str| {
        let attempt = || breaker.call(|| request(&client, format!("{url}{path}"), start));
        Retry::new(&policy, "fetch").call_guarded(attempt).await
    };
    println!("/busy: {}", fetch("/busy").await?);
    match fetch("/absent").await {
        Ok(body) => println!("/absent: {body}"),
        // An answer: asked for once, and the breaker counts nothing.
        Err(error) => {
            let error = anyhow::Error::from(error);
            println!("/absent: {error:#}; the breaker is {}", breaker.state().name());
        }
    }
    Ok(())
}

async fn request(client: &reqwest::Client, url: String, start: Instant) -> Result<String, Error> {
    let response = client.get(url).send().await?;
    println!("{:>5.1} s: {}", start.elapsed().as_secs_f32(), response.status());
    http::check(response.status(), response.headers(), SystemTime::now())?;
    Ok(response.text().await?)
}

/// A server that is busy for the first two requests; where it listens.
async fn serve() -> anyhow::Result<String> {
    let asked = Arc::new(AtomicU32::new(0));
    let busy = async move || match asked.fetch_add(1, Ordering::Relaxed) {
        0 => (StatusCode::SERVICE_UNAVAILABLE, retry_after(HeaderValue::from(1)), "busy"),
        1 => (StatusCode::TOO_MANY_REQUESTS, retry_after(in_two_seconds()), "slower"),
        _ => (StatusCode::OK, HeaderMap::new(), "hello"),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let app = Router::new().route("/busy", get(busy));
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(url)
}

fn retry_after(value: HeaderValue) -> HeaderMap {
    HeaderMap::from_iter([(header::RETRY_AFTER, value)])
}

fn in_two_seconds() -> HeaderValue {
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(2));
    HeaderValue::try_from(date).unwrap_or(HeaderValue::from_static("2"))
}
