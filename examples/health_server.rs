//! How is this node, over HTTP: the probes of Kubernetes and the JSON of a health endpoint.
//!
//! `cargo run -p resil-examples --features axum --example health_server [ADDRESS:PORT]`, and then
//!
//! ```text
//! curl -i localhost:8080/livez
//! curl 'localhost:8080/readyz?verbose'
//! curl -s localhost:8080/health | jq
//! ```
//!
//! The node has a disk, a peer that is down behind a breaker, a cache that it can do without, and an
//! archive that never answers. So it is alive, as no restart would help, and not ready.

use core::future::pending;
use core::time::Duration;
use std::net::TcpStream;

use resil_std::CircuitBreaker;
use resil_std::core::circuit_breaker::CircuitBreakerConfig;
use resil_std::core::health::{Criticality, Groups};
use resil_std::core::valid;
use resil_std::health::{Check, HealthChecker, http};
use tokio::net::TcpListener;

const PEER: CircuitBreakerConfig =
    valid!(CircuitBreakerConfig::builder().failure_threshold(3).build());

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let app = http::router(&checker()?);
    let listener = TcpListener::bind(&address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).with_graceful_shutdown(interrupted()).await?;
    Ok(())
}

/// What this node depends on. Only the disk is inside of it, so only that counts for liveness.
fn checker() -> anyhow::Result<HealthChecker> {
    let checker = HealthChecker::new();
    checker.register(Check::sync("disk", || std::fs::metadata(".").map(|_| ())))?;
    let peer = peer_that_is_down();
    // An open breaker does its work: degraded at most.
    checker.register(Check::sync("peer-7", move || peer.state()).groups(Groups::READINESS))?;
    checker.register(
        Check::sync("cache", || TcpStream::connect("127.0.0.1:1").map(|_| ()))
            .groups(Groups::READINESS)
            .criticality(Criticality::Optional),
    )?;
    checker.register(
        Check::new("archive", pending::<bool>)
            .groups(Groups::READINESS.with(Groups::STARTUP))
            .timeout(Duration::from_secs(2)),
    )?;
    Ok(checker)
}

/// A breaker that has seen three calls fail.
fn peer_that_is_down() -> CircuitBreaker {
    let breaker = CircuitBreaker::new("peer-7", PEER);
    for _ in 0..3 {
        let refused = breaker.call_blocking(|| TcpStream::connect("127.0.0.1:1").map(|_| ()));
        println!(
            "peer-7: {}",
            refused.map_or_else(|error| error.to_string(), |()| "up".to_owned())
        );
    }
    breaker
}

async fn interrupted() {
    if let Err(error) = tokio::signal::ctrl_c().await {
        eprintln!("no signal ends this: {error}");
        pending::<()>().await;
    }
}
