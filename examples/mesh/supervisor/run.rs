//! One run: start the nodes, take them through the phases, stop them, keep what they reported.

use super::process::{Heard, Process};
use super::progress::Progress;
use super::record::{Life, Record};
use super::schedule::{Phase, Schedule};
use crate::cli::{Mode, Plan};
use crate::settings;
use crate::wire::{Command, FrameError, NodeId, Word};
use anyhow::{Context, bail};
use core::time::Duration;
use std::collections::HashMap;
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, interval_at, sleep_until, timeout_at};
use tracing::Level;

/// All processes that were ever started, so that none is forgotten.
#[derive(Debug)]
pub(crate) struct Mesh {
    log: Option<Level>,
    alive: HashMap<NodeId, Process>,
    pids: Vec<u32>,
}

/// A run that is going on.
#[derive(Debug)]
struct Run<'a> {
    mesh: &'a mut Mesh,
    plan: &'a Plan,
    record: Record,
    began: Instant,
    started: usize,
    mouth: mpsc::UnboundedSender<Heard>,
    ears: mpsc::UnboundedReceiver<Heard>,
    ports: HashMap<NodeId, u16>,
}

impl Mesh {
    /// Nothing started yet; the nodes will log at this level.
    pub(crate) fn new(log: Option<Level>) -> Self {
        Self { log, alive: HashMap::new(), pids: Vec::new() }
    }

    /// Takes a new set of nodes through the schedule.
    pub(crate) async fn run(
        &mut self,
        plan: &Plan,
        mode: Mode,
        schedule: &Schedule,
        progress: &mut Progress,
    ) -> anyhow::Result<Record> {
        let (mouth, ears) = mpsc::unbounded_channel();
        let record = Record { mode, schedule: schedule.clone(), lives: Vec::new() };
        let (began, ports) = (Instant::now(), HashMap::new());
        let mut run = Run { mesh: self, plan, record, began, started: 0, mouth, ears, ports };
        run.start().await?;
        let mut every = interval_at(run.began + settings::SHOW_EVERY, settings::SHOW_EVERY);
        for phase in Phase::ALL {
            progress.enter(phase);
            run.enter(phase).await?;
            run.listen_until(schedule.span(phase).1, &mut every, progress).await?;
        }
        run.stop().await?;
        Ok(run.record)
    }

    /// Kills what is still there and reaps it.
    pub(crate) async fn kill_all(&mut self) {
        for process in self.alive.values_mut() {
            process.kill().await;
        }
        self.alive.clear();
    }

    /// Says how many of the processes that were ever started still exist.
    pub(crate) fn left_behind(&self) -> LeftBehind {
        let left = self.pids.iter().filter(|&&pid| Process::exists(pid)).count();
        LeftBehind { started: self.pids.len(), left }
    }
}

/// How many processes were started, and how many of them still exist.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LeftBehind {
    pub(crate) started: usize,
    pub(crate) left: usize,
}

impl core::fmt::Display for LeftBehind {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} of {} processes left behind", self.left, self.started)
    }
}

impl Run<'_> {
    /// Starts every node, and the run's clock once all of them listen.
    async fn start(&mut self) -> anyhow::Result<()> {
        for node in 0..self.plan.nodes {
            self.spawn(node)?;
        }
        let mut listening = HashMap::new();
        while listening.len() < usize::from(self.plan.nodes) {
            let (node, seen) = self.next_listening().await?;
            listening.insert(node, seen);
        }
        self.began = Instant::now();
        for node in 0..self.plan.nodes {
            self.begin(node, listening[&node]).await?;
        }
        Ok(())
    }

    fn spawn(&mut self, node: NodeId) -> anyhow::Result<()> {
        let process = Process::start(node, self.started, self.mesh.log, self.mouth.clone())?;
        self.started += 1;
        self.mesh.pids.push(process.pid);
        self.mesh.alive.insert(node, process);
        Ok(())
    }

    /// Waits for a node that was started to say that it listens.
    async fn next_listening(&mut self) -> anyhow::Result<(NodeId, Seen)> {
        let deadline = Instant::now() + settings::START_WITHIN;
        loop {
            let heard =
                timeout_at(deadline, self.ears.recv()).await.context("a node does not start")?;
            let Heard { life, node, at, word } = heard.context("nobody speaks")?;
            if let Some(Ok(Word::Listening { port, at: shown })) = word {
                self.ports.insert(node, port);
                return Ok((node, Seen { shown, at }));
            }
            self.note(life, node, word)?;
        }
    }

    /// Tells a node that listens to begin.
    async fn begin(&mut self, node: NodeId, seen: Seen) -> anyhow::Result<()> {
        let neighbours = self.plan.topology.neighbours(node, self.plan.nodes);
        let ports = neighbours.iter().map(|peer| (*peer, self.ports[peer])).collect();
        // Each life has its own load, the same in both runs.
        let seed = self.plan.seed.wrapping_mul(1 << 16) + self.record.lives.len() as u64;
        let protected = self.record.mode == Mode::With;
        self.process(node)?.tell(Command::Start { neighbours: ports, seed, protected }).await?;
        let began = self.began.elapsed();
        self.record.lives.push(Life::new(node, neighbours, seen.zero(self.began), began));
        Ok(())
    }

    async fn enter(&mut self, phase: Phase) -> anyhow::Result<()> {
        let Schedule { flooder, killed, slow, .. } = self.record.schedule;
        match phase {
            Phase::WarmUp => {}
            Phase::Flood => {
                let targets = self.record.schedule.flooded.clone();
                self.process(flooder)?.tell(Command::Flood { targets }).await?;
            }
            Phase::Killed => {
                self.process(flooder)?.tell(Command::Calm).await?;
                self.kill(killed).await;
            }
            Phase::Restarted => self.restart(killed).await?,
            Phase::Slow => {
                let time = settings::SLOW_SERVICE_TIME;
                self.process(slow)?.tell(Command::ServiceTime(time)).await?;
            }
            Phase::Recovery => {
                self.process(slow)?.tell(Command::ServiceTime(settings::SERVICE_TIME)).await?;
            }
        }
        Ok(())
    }

    async fn kill(&mut self, node: NodeId) {
        if let Some(process) = self.mesh.alive.get_mut(&node) {
            process.kill().await;
        }
        self.mesh.alive.remove(&node);
        let now = self.began.elapsed();
        self.record.lives.iter_mut().filter(|life| life.node == node).for_each(|life| {
            life.killed = Some(now);
        });
    }

    async fn restart(&mut self, node: NodeId) -> anyhow::Result<()> {
        self.spawn(node)?;
        let (_, seen) = self.next_listening().await?;
        self.begin(node, seen).await?;
        let port = self.ports[&node];
        for neighbour in self.plan.topology.neighbours(node, self.plan.nodes) {
            self.process(neighbour)?.tell(Command::Moved { node, port }).await?;
        }
        Ok(())
    }

    /// Notes what the nodes say until `end`, and shows `every` so often how it goes.
    async fn listen_until(
        &mut self,
        end: Duration,
        every: &mut Interval,
        progress: &Progress,
    ) -> anyhow::Result<()> {
        let end = self.began + end;
        loop {
            tokio::select! {
                biased;
                _ = every.tick() => progress.show(&self.record, self.began.elapsed()),
                () = sleep_until(end) => return Ok(()),
                Some(Heard { life, node, word, .. }) = self.ears.recv() => self.note(life, node, word)?,
            }
        }
    }

    /// Lets what is out end, and takes the last reports.
    async fn stop(&mut self) -> anyhow::Result<()> {
        for process in self.mesh.alive.values_mut() {
            process.tell(Command::Stop).await?;
        }
        let deadline = Instant::now() + settings::STOP_WITHIN;
        while self.record.survivors().any(|life| !life.done) {
            let heard =
                timeout_at(deadline, self.ears.recv()).await.context("a node does not stop")?;
            let Heard { life, node, word, .. } = heard.context("nobody speaks")?;
            self.note(life, node, word)?;
        }
        for process in self.mesh.alive.values_mut() {
            process.ended(settings::STOP_WITHIN).await?;
        }
        self.mesh.alive.clear();
        Ok(())
    }

    fn note(
        &mut self,
        life: usize,
        node: NodeId,
        word: Option<Result<Word, FrameError>>,
    ) -> anyhow::Result<()> {
        let Some(life) = self.record.lives.get_mut(life) else {
            bail!("node {node} broke down as it started: {word:?}");
        };
        match word {
            Some(Ok(Word::Report(report))) => life.add(report),
            Some(Ok(Word::Done)) => life.done = true,
            // What was in the pipe when it was killed may end in the middle of a frame.
            _ if life.killed.is_some() || life.done => {}
            None => bail!("node {node} ended, which it was not told to"),
            Some(Ok(Word::Listening { .. })) => bail!("node {node} started twice"),
            Some(Err(error)) => bail!("node {node} is not understood: {error}"),
        }
        Ok(())
    }

    fn process(&mut self, node: NodeId) -> anyhow::Result<&mut Process> {
        self.mesh.alive.get_mut(&node).with_context(|| format!("node {node} is not running"))
    }
}

/// What a process showed on its clock, and when that was heard.
#[derive(Clone, Copy, Debug)]
struct Seen {
    shown: u64,
    at: Instant,
}

impl Seen {
    /// What the process's clock showed at `began`; both clocks run at the same pace.
    fn zero(self, began: Instant) -> i64 {
        let after = self.at.saturating_duration_since(began).as_nanos() as i64;
        let before = began.saturating_duration_since(self.at).as_nanos() as i64;
        self.shown as i64 - after + before
    }
}
