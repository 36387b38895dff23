//! What becomes of requests when Redis is killed, stands still or cannot be reached.

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::sync::Arc;
use std::time::Instant;

use resil_std::core::circuit_breaker::CircuitBreakerConfig;
use resil_std::core::circuit_breaker::State;
use resil_std::redis::{Client, SharedLimiter, Source};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::server::Server;
use crate::{PATIENCE, per_second, until_shared};

/// What a node does not wait longer for.
const TIMEOUT: Duration = Duration::from_millis(100);

const NODES: u32 = 4;
const RATE: u32 = 200;
const BURST: u32 = 20;

/// A node that soon asks again.
fn node(client: Client) -> SharedLimiter<String> {
    let breaker = CircuitBreakerConfig::builder().timeout(Duration::from_millis(200)).build();
    SharedLimiter::builder(client, per_second(RATE, BURST), NODES)
        .timeout(TIMEOUT)
        .breaker(breaker.unwrap())
        .build()
        .unwrap()
}

/// One request: when it was made and answered, where it was decided, and whether it was admitted.
#[derive(Clone, Copy)]
struct Answered {
    asked: Instant,
    answered: Instant,
    source: Source,
    is_admitted: bool,
}

async fn ask(node: &SharedLimiter<String>) -> Answered {
    let asked = Instant::now();
    let answer = node.check(&"peer-7".to_owned(), 1).await;
    let (source, is_admitted) = match answer {
        Ok(source) => (source, true),
        Err(refused) => (refused.decided(), false),
    };
    Answered { asked, answered: Instant::now(), source, is_admitted }
}

/// How many were admitted, and the seconds in which they were.
fn admitted(all: &[Answered], source: Option<Source>) -> (f64, f64) {
    let counts = |one: &&Answered| one.is_admitted && source.is_none_or(|is| one.source == is);
    let admitted: Vec<_> = all.iter().filter(counts).collect();
    let first = admitted.iter().map(|one| one.asked).min().unwrap();
    let last = admitted.iter().map(|one| one.answered).max().unwrap();
    // The server's clock is slewed against ours by less than a thousandth.
    (admitted.len() as f64, last.duration_since(first).as_secs_f64() * 1.001)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_killed_under_load_loses_no_request_and_admits_no_more_than_the_bound() {
    let mut server = Server::start();
    let nodes: Vec<_> = (0..NODES).map(|_| node(server.client())).collect();
    let is_over = Arc::new(AtomicBool::new(false));
    let load = |node: &SharedLimiter<String>| {
        let (node, is_over) = (node.clone(), Arc::clone(&is_over));
        tokio::spawn(async move {
            let mut answers = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                answers.push(ask(&node).await);
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            answers
        })
    };
    let tasks: Vec<_> =
        nodes.iter().flat_map(|node| [load(node), load(node), load(node)]).collect();

    let losses = 2_u32;
    for _ in 0..losses {
        tokio::time::sleep(Duration::from_millis(500)).await;
        server.kill();
        tokio::time::sleep(Duration::from_millis(500)).await;
        server.restart();
        for node in &nodes {
            until_shared(node).await;
        }
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    is_over.store(true, Ordering::Relaxed);
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.expect("each request is answered"));
    }

    let (rate, burst) = (f64::from(RATE), f64::from(BURST));
    let (shared, seconds) = admitted(&all, Some(Source::Shared));
    let shared_bound = f64::from(1 + losses) * burst + rate * seconds;
    println!("{} asked; shared {shared} of at most {shared_bound:.0}", all.len());
    assert!(shared <= shared_bound);
    let (local, seconds) = admitted(&all, Some(Source::Local));
    let local_bound = burst + rate * seconds; // the shares of all nodes are a burst
    println!("local {local} of at most {local_bound:.0}");
    assert!(local <= local_bound);
    let (total, seconds) = admitted(&all, None);
    let bound = f64::from(1 + losses) * burst + burst + 2.0 * rate * seconds;
    println!("in all {total} of at most {bound:.0}");
    assert!(total <= bound);
}

#[tokio::test]
async fn a_redis_that_stands_still_is_cut_off_by_the_timeout_and_then_by_the_breaker() {
    let server = Server::start();
    let node = node(server.client());
    until_shared(&node).await;
    server.halt();
    let mut asked = 0;
    while node.state() == State::Closed {
        // That it is answered at all is the point: Redis will not.
        let one = ask(&node).await;
        assert_eq!(one.source, Source::Local);
        let waited = one.answered.duration_since(one.asked);
        assert!(waited >= TIMEOUT && waited < PATIENCE, "{waited:?}");
        asked += 1;
    }
    assert_eq!(asked, 5, "as many as the breaker takes to open");
    assert_eq!(ask(&node).await.source, Source::Local);
    server.resume();
    until_shared(&node).await;
    assert_eq!(node.state(), State::Closed);
}

#[tokio::test]
async fn a_node_starts_and_decides_while_redis_is_away_and_finds_it_later() {
    let mut server = Server::start();
    server.kill();
    let node = node(server.client());
    assert_eq!(ask(&node).await.source, Source::Local);
    server.restart();
    until_shared(&node).await;
}

#[tokio::test]
async fn a_replica_grants_nothing_and_is_asked_again_once_it_leads() {
    let server = Server::start();
    let node = node(server.client());
    until_shared(&node).await;
    server.ask::<()>("REPLICAOF", &["127.0.0.1", "1"]);
    while node.state() == State::Closed {
        let one = ask(&node).await;
        assert!(one.source == Source::Local || !one.is_admitted);
    }
    server.ask::<()>("REPLICAOF", &["NO", "ONE"]);
    until_shared(&node).await;
}

/// A wire to the server at `port`; all that go through it fall silent when told, and stay open.
async fn wire(port: u16) -> (Client, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}/", listener.local_addr().unwrap());
    let (silence, is_silent) = watch::channel(false);
    tokio::spawn(async move {
        loop {
            let (mut here, _) = listener.accept().await.unwrap();
            let mut is_silent = is_silent.clone();
            is_silent.mark_unchanged();
            tokio::spawn(async move {
                let mut there = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut here, &mut there) => {}
                    _ = is_silent.changed() => core::future::pending().await,
                }
            });
        }
    });
    (Client::open(url).unwrap(), silence)
}

#[tokio::test]
async fn a_connection_that_fell_silent_is_replaced() {
    let server = Server::start();
    let (client, silence) = wire(server.port()).await;
    let node = node(client);
    until_shared(&node).await;
    silence.send(true).unwrap();
    assert_eq!(ask(&node).await.source, Source::Local);
    until_shared(&node).await;
}
