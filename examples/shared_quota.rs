//! Two nodes share a quota through Redis, which is killed and comes back empty.
//!
//! `cargo run -p resil-examples --features redis --example shared_quota`
//!
//! It starts a `redis-server` of its own, on a free port, and exits with 0 only if each node was granted
//! what the documentation says.

use core::time::Duration;
use std::env;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use resil_std::core::circuit_breaker::CircuitBreakerConfig;
use resil_std::core::rate_limit::RateLimitConfig;
use resil_std::core::valid;
use resil_std::redis::{Client, SharedLimiter, Source};
use tokio::time::{Instant, sleep};

/// Ten at once for each peer, on both nodes together; refilled too slowly to be seen here.
const QUOTA: RateLimitConfig = valid!(
    RateLimitConfig::builder()
        .max_requests(10)
        .time_window(Duration::from_secs(3600))
        .burst_size(10)
        .build()
);
/// Redis is taken for down at once, and asked again soon.
const REDIS: CircuitBreakerConfig = valid!(
    CircuitBreakerConfig::builder()
        .failure_threshold(1)
        .timeout(Duration::from_millis(200))
        .build()
);
const NODES: u32 = 2;
/// Longer than Redis takes to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

type Node = SharedLimiter<&'static str>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let mut server = Server::start(port)?;
    let client = Client::open(format!("redis://127.0.0.1:{port}/"))?;
    let node = || Node::builder(client.clone(), QUOTA, NODES).breaker(REDIS).build();
    let nodes = [node()?, node()?];
    settle(&nodes, Source::Shared).await?;

    println!("A peer asks 8 times on each of two nodes. Together they may grant it 10.");
    report("Redis is there", &nodes, Source::Shared, [8, 2]).await?;

    server.kill()?;
    settle(&nodes, Source::Local).await?;
    report("Redis was killed: each node grants its half", &nodes, Source::Local, [5, 5]).await?;

    server = Server::start(port)?;
    settle(&nodes, Source::Shared).await?;
    report("Redis is back, empty: that is a full bucket", &nodes, Source::Shared, [8, 2]).await?;
    server.kill()
}

/// Asks on each node in turn, and says what each granted.
async fn report(what: &str, nodes: &[Node; 2], from: Source, expected: [u32; 2]) -> Result<()> {
    let mut granted = [0; 2];
    for (node, granted) in nodes.iter().zip(&mut granted) {
        for _ in 0..8 {
            let answer = node.check(&"peer-7", 1).await;
            *granted += u32::from(answer.is_ok());
            ensure!(decided(answer) == from, "{what}, and was not decided there");
        }
    }
    println!("{what:45}  {from:?}: {} + {} granted", granted[0], granted[1]);
    ensure!(granted == expected, "{what}: {expected:?} should have been granted");
    Ok(())
}

/// Waits until all nodes have noticed where decisions are made, with another peer's requests.
async fn settle(nodes: &[Node; 2], source: Source) -> Result<()> {
    let started = Instant::now();
    for node in nodes {
        while decided(node.check(&"somebody else", 1).await) != source {
            ensure!(started.elapsed() < PATIENCE, "the nodes do not notice what became of Redis");
            sleep(Duration::from_millis(50)).await;
        }
    }
    Ok(())
}

fn decided(answer: Result<Source, resil_std::redis::Refused>) -> Source {
    answer.unwrap_or_else(|refused| refused.decided())
}

/// A Redis that keeps nothing on disk, and ends with this program.
struct Server(Child);

impl Server {
    fn start(port: u16) -> Result<Self> {
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        command.arg("--port").arg(port.to_string()).arg("--dir").arg(env::temp_dir());
        match command.stdin(Stdio::null()).stdout(Stdio::null()).spawn() {
            Ok(child) => Ok(Self(child)),
            Err(error) if error.kind() == ErrorKind::NotFound => bail!(
                "this example needs redis-server 6.2 or later; \
                 get it with `apt-get install redis-server` or `brew install redis`"
            ),
            Err(error) => Err(error).context("redis-server does not start"),
        }
    }

    /// Without a chance to save anything.
    fn kill(&mut self) -> Result<()> {
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already where all went well.
        let _ = self.kill();
    }
}
