//! What a limiter answers while Redis is there.

use core::time::Duration;
use std::time::Instant;

use resil_std::SystemClock;
use resil_std::clock::Sleep;
use resil_std::core::circuit_breaker::State;
use resil_std::core::rate_limit::RateLimitConfig;
use resil_std::core::{ErrorCode, RetryAt};
use resil_std::redis::{SharedLimiter, Source};

use crate::server::Server;
use crate::{PATIENCE, node, per_second};

/// Refills so slowly that a test sees none of it.
fn slow(burst: u32) -> RateLimitConfig {
    let builder = RateLimitConfig::builder().max_requests(1).burst_size(burst);
    builder.time_window(Duration::from_secs(24 * 60 * 60)).build().unwrap()
}

#[tokio::test]
async fn two_nodes_spend_one_burst() {
    let server = Server::start();
    let nodes = [node(&server, slow(10), 2), node(&server, slow(10), 2)];
    let peer = "peer-7".to_owned();
    for turn in 0..10 {
        assert_eq!(nodes[turn % 2].check(&peer, 1).await, Ok(Source::Shared));
    }
    for node in &nodes {
        let refused = node.check(&peer, 1).await.unwrap_err();
        assert_eq!(refused.decided(), Source::Shared);
        assert_eq!(refused.rejected().code(), ErrorCode::RateLimitExceeded);
        assert!(matches!(refused.rejected().retry(), RetryAt::At(_)));
        assert_eq!(refused.to_string(), refused.rejected().to_string());
        let refused = node.allow(&peer, 1).await.unwrap_err();
        assert_eq!(refused.code(), ErrorCode::RateLimitExceeded);
        assert_eq!(node.check(&"another".to_owned(), 5).await, Ok(Source::Shared));
    }
}

#[tokio::test]
async fn nothing_always_passes_and_too_much_never() {
    let server = Server::start();
    let node = node(&server, slow(3), 1);
    let peer = "peer-7".to_owned();
    let refused = node.check(&peer, 4).await.unwrap_err();
    assert_eq!(refused.rejected().code(), ErrorCode::RateLimitCostExceedsBurst);
    assert_eq!(refused.rejected().retry(), RetryAt::Never);
    assert_eq!(node.check(&peer, 0).await, Ok(Source::Shared));
    assert_eq!(server.ask::<u32>("DBSIZE", &[]), 0, "neither asks Redis");
    assert_eq!(node.check(&peer, 3).await, Ok(Source::Shared));
    assert_eq!(node.check(&peer, 0).await, Ok(Source::Shared));
}

#[tokio::test]
async fn a_refused_request_passes_at_the_instant_it_was_told() {
    let server = Server::start();
    let node = node(&server, per_second(20, 1), 1);
    let peer = "peer-7".to_owned();
    assert_eq!(node.check(&peer, 1).await, Ok(Source::Shared));
    for _ in 0..10 {
        let refused = node.check(&peer, 1).await.unwrap_err();
        let RetryAt::At(at) = refused.rejected().retry() else { panic!("{refused:?}") };
        SystemClock.sleep_until(at).await;
        assert_eq!(node.check(&peer, 1).await, Ok(Source::Shared));
    }
}

#[tokio::test]
async fn a_key_goes_when_its_bucket_is_full_again() {
    let server = Server::start();
    let node = node(&server, per_second(100, 50), 1); // full again after at most 0.5 s
    for peer in 0..200 {
        assert_eq!(node.check(&format!("peer-{peer}"), 50).await, Ok(Source::Shared));
    }
    // How long they stay was set when they were written.
    for key in server.ask::<Vec<String>>("KEYS", &["*"]) {
        let left: i64 = server.ask("PTTL", &[&key]);
        assert!((-2..=1002).contains(&left), "{key} stays for {left} ms");
    }
    let started = Instant::now();
    while !server.ask::<Vec<String>>("KEYS", &["*"]).is_empty() {
        assert!(started.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_script_that_redis_forgot_is_loaded_again() {
    let server = Server::start();
    let node = node(&server, slow(2), 1);
    let peer = "peer-7".to_owned();
    assert_eq!(node.check(&peer, 1).await, Ok(Source::Shared));
    server.ask::<()>("SCRIPT", &["FLUSH"]);
    assert_eq!(node.check(&peer, 1).await, Ok(Source::Shared));
    assert!(node.check(&peer, 1).await.is_err());
}

#[tokio::test]
async fn a_key_that_holds_something_else_is_left_alone_and_opens_no_breaker() {
    let server = Server::start();
    let node = node(&server, slow(3), 1);
    let key = |id| format!("resil:1/86400000000000ns/3:={id}");
    server.ask::<()>("SET", &[&key("text"), "not eight bytes"]);
    server.ask::<()>("RPUSH", &[&key("list"), "x"]);
    for id in ["text", "list"] {
        for _ in 0..3 {
            assert_eq!(node.check(&id.to_owned(), 1).await, Ok(Source::Local));
        }
        let refused = node.check(&id.to_owned(), 1).await.unwrap_err();
        assert_eq!(refused.decided(), Source::Local);
    }
    assert_eq!(node.state(), State::Closed);
    assert_eq!(server.ask::<String>("GET", &[&key("text")]), "not eight bytes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_of_many_nodes_never_exceed_the_bucket() {
    const NODES: u32 = 4;
    let (rate, burst) = (500, 20);
    let server = Server::start();
    let started = Instant::now();
    let tasks: Vec<_> = (0..NODES)
        .map(|_| node(&server, per_second(rate, burst), NODES))
        .flat_map(|node| [(); 8].map(|()| node.clone()))
        .map(|node: SharedLimiter<String>| {
            tokio::spawn(async move {
                let (peer, mut admitted) = ("peer-7".to_owned(), 0_u32);
                for _ in 0..200 {
                    match node.check(&peer, 1).await {
                        Ok(source) => {
                            assert_eq!(source, Source::Shared);
                            admitted += 1;
                        }
                        Err(refused) => assert_eq!(refused.decided(), Source::Shared),
                    }
                }
                admitted
            })
        })
        .collect();
    let mut admitted = 0;
    for task in tasks {
        admitted += task.await.unwrap();
    }
    // The server's clock is slewed against ours by less than a thousandth.
    let bound = f64::from(burst) + f64::from(rate) * (started.elapsed().as_secs_f64() * 1.001);
    println!("{admitted} admitted of 6400, at most {bound:.1}");
    assert!(admitted >= burst && f64::from(admitted) <= bound, "{admitted} of {bound}");
}
