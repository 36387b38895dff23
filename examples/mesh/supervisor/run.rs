//! One run: start the nodes, take them through the phases, stop them, keep what they reported.

use super::firmware::Firmware;
use super::process::{Heard, Process};
use super::progress::Progress;
use super::record::{Life, Record};
use super::schedule::{Event, Phase, Schedule};
use crate::cli::{Mode, Plan};
use crate::settings;
use crate::wire::{Command, FrameError, NodeId, Word};
use anyhow::{Context, bail};
use core::time::Duration;
use std::collections::HashMap;
use std::ffi::OsString;
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, interval_at, sleep_until, timeout_at};
use tracing::Level;

/// All processes that were ever started, so that none is forgotten.
#[derive(Debug)]
pub(crate) struct Mesh {
    log: Option<Level>,
    firmware: Firmware,
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
    /// How many processes were started, and which life each of those is in that have begun.
    started: usize,
    lives: Vec<usize>,
    mouth: mpsc::UnboundedSender<Heard>,
    ears: mpsc::UnboundedReceiver<Heard>,
    ports: HashMap<NodeId, u16>,
}

impl Mesh {
    /// Nothing started yet; the nodes will log at this level.
    pub(crate) fn new(log: Option<Level>) -> Self {
        Self { log, firmware: Firmware::default(), alive: HashMap::new(), pids: Vec::new() }
    }

    /// Gets ready what the plan's firmware nodes take.
    pub(crate) async fn prepare(&mut self, plan: &Plan) -> anyhow::Result<()> {
        self.firmware = Firmware::prepare(plan).await?;
        Ok(())
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
        let (started, lives) = (0, Vec::new());
        let mut run = Run { mesh: self, plan, record, began, started, lives, mouth, ears, ports };
        run.start().await?;
        let mut every = interval_at(run.began + settings::SHOW_EVERY, settings::SHOW_EVERY);
        for (at, event) in schedule.events() {
            run.listen_until(at, &mut every, progress).await?;
            progress.enter(at, event);
            run.enact(event).await?;
        }
        run.listen_until(schedule.duration, &mut every, progress).await?;
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
        for node in 0..self.plan.everybody() {
            self.spawn(node)?;
        }
        let mut listening = HashMap::new();
        while listening.len() < usize::from(self.plan.everybody()) {
            let (node, seen) = self.next_listening().await?;
            listening.insert(node, seen);
        }
        self.began = Instant::now();
        for node in 0..self.plan.everybody() {
            self.begin(node, listening[&node]).await?;
        }
        for node in self.plan.firmware_nodes() {
            self.process(node)?.tell(Command::Noise(settings::LINE_NOISE)).await?;
        }
        Ok(())
    }

    fn spawn(&mut self, node: NodeId) -> anyhow::Result<()> {
        let role = self.role(node)?;
        let (log, mouth) = (self.mesh.log, self.mouth.clone());
        let process = Process::start(node, role, self.started, log, mouth)?;
        self.started += 1;
        self.mesh.pids.push(process.pid);
        self.mesh.alive.insert(node, process);
        Ok(())
    }

    /// What the process of a node is told to be.
    fn role(&self, node: NodeId) -> anyhow::Result<Vec<OsString>> {
        let id = node.to_string().into();
        let Some(board) = self.plan.board(node) else { return Ok(vec!["node".into(), id]) };
        let firmware = &self.mesh.firmware;
        let [qemu, elf] = [firmware.qemu.as_path(), firmware.elf(board)?].map(OsString::from);
        let options = ["--board".into(), board.name().into(), "--qemu".into(), qemu];
        Ok(["bridge".into(), id].into_iter().chain(options).chain(["--elf".into(), elf]).collect())
    }

    /// Waits for a node that was started to say that it listens.
    async fn next_listening(&mut self) -> anyhow::Result<(NodeId, Seen)> {
        let deadline = Instant::now() + settings::START_WITHIN;
        loop {
            let heard =
                timeout_at(deadline, self.ears.recv()).await.context("a node does not start")?;
            let Heard { process, node, at, word } = heard.context("nobody speaks")?;
            if let Some(Ok(Word::Listening { port, at: shown, emulator })) = word {
                self.ports.insert(node, port);
                self.process(node)?.emulator = emulator;
                self.mesh.pids.extend(emulator);
                return Ok((node, Seen { shown, at }));
            }
            self.note(process, node, word)?;
        }
    }

    /// Tells a node that listens to begin.
    async fn begin(&mut self, node: NodeId, seen: Seen) -> anyhow::Result<()> {
        let neighbours = self.plan.neighbours(node);
        let ports = neighbours.iter().map(|peer| (*peer, self.ports[peer])).collect();
        // Each process has its own load, the same in both runs.
        let seed = self.plan.seed.wrapping_mul(1 << 16) + self.lives.len() as u64;
        let protected = self.record.mode == Mode::With;
        self.process(node)?.tell(Command::Start { neighbours: ports, seed, protected }).await?;
        let began = self.began.elapsed();
        self.lives.push(self.record.lives.len());
        self.record.lives.push(Life::new(node, neighbours, seen.zero(self.began), began));
        Ok(())
    }

    async fn enact(&mut self, event: Event) -> anyhow::Result<()> {
        let firmware = self.record.schedule.firmware.context("no firmware has a role");
        let (node, command) = match event {
            Event::Phase(phase) => return self.enter(phase).await,
            Event::Reset => (firmware?.reset, Command::Reset),
            Event::Cut => (firmware?.cut, Command::Cut(true)),
            Event::Mend => (firmware?.cut, Command::Cut(false)),
        };
        self.process(node)?.tell(command).await
    }

    async fn enter(&mut self, phase: Phase) -> anyhow::Result<()> {
        let Schedule { flooder, killed, slow, .. } = self.record.schedule;
        match phase {
            Phase::WarmUp => {}
            Phase::Flood => {
                let schedule = &self.record.schedule;
                let target = |&node: &NodeId| (node, schedule.flood_rate(node));
                let targets = schedule.flooded.iter().map(target).collect();
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
        for neighbour in self.plan.neighbours(node) {
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
                Some(Heard { process, node, word, .. }) = self.ears.recv() => self.note(process, node, word)?,
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
            let Heard { process, node, word, .. } = heard.context("nobody speaks")?;
            self.note(process, node, word)?;
        }
        for process in self.mesh.alive.values_mut() {
            process.ended(settings::STOP_WITHIN).await?;
        }
        self.mesh.alive.clear();
        Ok(())
    }

    fn note(
        &mut self,
        process: usize,
        node: NodeId,
        word: Option<Result<Word, FrameError>>,
    ) -> anyhow::Result<()> {
        let lives = &mut self.record.lives;
        let life = self.lives.get(process).and_then(|&life| lives.get_mut(life));
        let Some(life) = life else { bail!("node {node} broke down as it started: {word:?}") };
        match word {
            Some(Ok(Word::Report(report))) => life.add(report),
            Some(Ok(Word::Done)) => life.done = true,
            Some(Ok(Word::Reset { at, was_told: true, restored, .. })) => {
                let next = life.reset(at, restored);
                self.lives[process] = lives.len();
                lives.push(next);
            }
            Some(Ok(Word::Reset { starved, .. })) => {
                bail!("node {node} was reset, which nobody wanted; starved task: {starved:?}")
            }
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
