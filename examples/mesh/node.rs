//! One node: a process that serves its peers and asks them, as the supervisor says over its pipes.

mod connection;
mod health;
mod journal;

mod link;
mod load;
mod protection;
mod server;

use crate::orphan::die_with_parent;
use crate::settings;
use crate::wire::{Command, Frames, NodeId, Word};
use anyhow::{Context, bail};
use core::net::Ipv4Addr;
use futures_util::{SinkExt, StreamExt};
use journal::{Journal, now};
use link::Link;
use protection::{Admission, Guard};
use server::Server;
use std::process::ExitCode;
use std::rc::Rc;
use tokio::io::{Stdin, Stdout, stdin, stdout};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::{Instant, interval, sleep};
use tokio_util::codec::{FramedRead, FramedWrite};

type Commands = FramedRead<Stdin, Frames<Command, Word>>;
type Words = FramedWrite<Stdout, Frames<Command, Word>>;

/// A node that has been told to start.
#[derive(Debug)]
struct Node {
    seed: u64,
    links: Vec<Rc<Link>>,
    slots: Semaphore,
    server: Rc<Server>,
    journal: Rc<Journal>,
}

/// The node's process. It ends when told to, and when the supervisor is gone.
pub(crate) async fn main(id: NodeId) -> ExitCode {
    if let Err(error) = run(id).await {
        eprintln!("node {id}: {error:#}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

async fn run(id: NodeId) -> anyhow::Result<()> {
    die_with_parent()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no port")?;
    let port = listener.local_addr()?.port();
    let mut commands = FramedRead::new(stdin(), Frames::of_control());
    let mut words = FramedWrite::new(stdout(), Frames::of_control());
    words.send(Word::Listening { port, at: now().as_nanos(), emulator: None }).await?;
    let (neighbours, seed, protected) = match commands.next().await {
        Some(Ok(Command::Start { neighbours, seed, protected })) => (neighbours, seed, protected),
        None => return Ok(()),
        other => bail!("expected to be told to start, got {other:?}"),
    };

    let journal = Rc::new(Journal::default());
    let server = Server::start(listener, Admission::new(protected)?, seed, journal.clone());
    let link = |peer: (NodeId, u16)| {
        let guard = Guard::new(protected, peer.0, journal.clone());
        Rc::new(Link::new(id, peer, guard, journal.clone()))
    };
    let links = neighbours.into_iter().map(link).collect();
    let slots = Semaphore::new(settings::SLOTS);
    let node = Rc::new(Node { seed, links, slots, server, journal });
    if protected {
        let checker = health::checker(&node)?;
        spawn_local(health::watch(node.clone(), checker));
    }
    node.obey(commands, words).await
}

impl Node {
    /// Works and reports until told to stop or left alone.
    async fn obey(self: Rc<Self>, mut commands: Commands, mut words: Words) -> anyhow::Result<()> {
        let work = spawn_local(load::orderly(self.clone(), self.seed)).abort_handle();
        let mut floods: Vec<AbortHandle> = Vec::new();
        let mut report = interval(settings::REPORT_EVERY);
        loop {
            let command = tokio::select! {
                command = commands.next() => command,
                _ = report.tick() => {
                    words.send(Word::Report(self.journal.take())).await?;
                    continue;
                }
            };
            match command.transpose()? {
                // The supervisor is gone.
                None => return Ok(()),
                Some(Command::Stop) => break,
                Some(Command::Flood { targets }) => floods.extend(self.clone().flood(&targets)),
                Some(Command::Calm) => floods.drain(..).for_each(|flood| flood.abort()),
                Some(Command::ServiceTime(time)) => self.server.set_service_time(time),
                Some(Command::Moved { node, port }) => {
                    self.links
                        .iter()
                        .filter(|link| link.peer == node)
                        .for_each(|link| link.moved(port));
                }
                Some(Command::Start { .. }) => bail!("told to start twice"),
                Some(command @ (Command::Noise(_) | Command::Cut(_) | Command::Reset)) => {
                    bail!("only firmware is told that: {command:?}")
                }
            }
        }
        work.abort();
        floods.iter().for_each(AbortHandle::abort);
        self.settle().await?;
        words.send(Word::Report(self.journal.take())).await?;
        words.send(Word::Done).await?;
        Ok(())
    }

    fn flood(self: Rc<Self>, targets: &[(NodeId, u32)]) -> Vec<AbortHandle> {
        let flood = |&(target, rate): &(NodeId, u32)| {
            let link = self.links.iter().find(|link| link.peer == target)?;
            let seed = self.seed ^ u64::from(target);
            let flood = load::flood(self.clone(), link.clone(), rate, seed);
            Some(spawn_local(flood).abort_handle())
        };
        targets.iter().filter_map(flood).collect()
    }

    /// Waits until every request has ended, which each does by itself.
    async fn settle(&self) -> anyhow::Result<()> {
        let begun = Instant::now();
        while self.journal.out() > 0 {
            if begun.elapsed() > settings::SETTLE_WITHIN {
                bail!("{} requests do not end", self.journal.out());
            }
            sleep(settings::SETTLE_CHECK).await;
        }
        Ok(())
    }
}
