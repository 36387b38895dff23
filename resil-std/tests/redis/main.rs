//! The shared quota against a real Redis, which each test starts for itself.
//!
//! `cargo test -p resil-std --features redis --test redis`
//!
//! Time is real here: the server's clock decides, and a server that is killed or stopped takes what time it
//! takes. What is asserted are bounds, computed from the instants that were recorded, and that
//! something comes to pass at all.

#![cfg(unix)] // signals stop and kill the server

mod arithmetic;
mod events;
mod outage;
mod semantics;
mod server;

use core::time::Duration;
use std::time::Instant;

use resil_std::core::rate_limit::RateLimitConfig;
use resil_std::redis::{SharedLimiter, Source};
use server::Server;

/// Longer than anything takes on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(20);

/// So many requests a second.
fn per_second(requests: u32, burst: u32) -> RateLimitConfig {
    RateLimitConfig::builder()
        .max_requests(requests)
        .time_window(Duration::from_secs(1))
        .burst_size(burst)
        .build()
        .unwrap()
}

/// One of `nodes` nodes, as patient with Redis as the machine may be slow.
fn node(server: &Server, quota: RateLimitConfig, nodes: u32) -> SharedLimiter<String> {
    let builder = SharedLimiter::builder(server.client(), quota, nodes);
    builder.timeout(PATIENCE).build().unwrap()
}

/// Asks until Redis decides again.
async fn until_shared(limiter: &SharedLimiter<String>) {
    let started = Instant::now();
    let peer = "somebody else".to_owned();
    while limiter.check(&peer, 1).await.unwrap_or_else(|refused| refused.decided()) == Source::Local
    {
        assert!(started.elapsed() < PATIENCE, "Redis is there and is not asked");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
