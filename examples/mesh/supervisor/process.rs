//! One node's process: started, spoken to, killed, and always reaped.

use crate::settings;
use crate::wire::{Command, FrameError, Frames, NodeId, Word};
use anyhow::Context;
use core::time::Duration;
use futures_util::{SinkExt, StreamExt};
use std::ffi::OsString;
use std::process::Stdio;
use tokio::process::{Child, ChildStdin};
use tokio::sync::mpsc;
use tokio::task::spawn_local;
use tokio::time::{Instant, timeout};
use tokio_util::codec::{FramedRead, FramedWrite};
use tracing::Level;

/// A word from a process, or the end of its words.
#[derive(Debug)]
pub(crate) struct Heard {
    /// Which process, in the order of starting.
    pub(crate) process: usize,
    pub(crate) node: NodeId,
    pub(crate) at: Instant,
    /// `None` once nothing more will come.
    pub(crate) word: Option<Result<Word, FrameError>>,
}

/// A node's process.
#[derive(Debug)]
pub(crate) struct Process {
    node: NodeId,
    pub(crate) pid: u32,
    /// The process that it started itself, which it ends before it ends.
    pub(crate) emulator: Option<u32>,
    child: Child,
    commands: Option<FramedWrite<ChildStdin, Frames<Word, Command>>>,
}

impl Process {
    /// Starts a node, which is this program in another role; its words go to `ears`.
    pub(crate) fn start(
        node: NodeId,
        role: Vec<OsString>,
        number: usize,
        log: Option<Level>,
        ears: mpsc::UnboundedSender<Heard>,
    ) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("where is this program?")?;
        let mut command = tokio::process::Command::new(program);
        command.args(role);
        if let Some(level) = log {
            command.arg("--log").arg(level.as_str());
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        // A group of its own: Ctrl-C in the terminal reaches the supervisor, which stops the nodes.
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command.spawn().with_context(|| format!("node {node} does not start"))?;
        let pid = child.id().context("it ended at once")?;
        let stdin = child.stdin.take().context("no stdin")?;
        let stdout = child.stdout.take().context("no stdout")?;
        let mut words = FramedRead::new(stdout, Frames::<Word, Command>::of_control());
        spawn_local(async move {
            loop {
                let word = words.next().await;
                let over = !matches!(word, Some(Ok(_)));
                let nobody =
                    ears.send(Heard { process: number, node, at: Instant::now(), word }).is_err();
                if over || nobody {
                    break;
                }
            }
        });
        let commands = FramedWrite::new(stdin, Frames::of_control());
        Ok(Self { node, pid, emulator: None, child, commands: Some(commands) })
    }

    /// Tells the node something.
    pub(crate) async fn tell(&mut self, command: Command) -> anyhow::Result<()> {
        let node = self.node;
        let commands = self.commands.as_mut().context("it was told to end")?;
        commands.send(command).await.with_context(|| format!("node {node} does not listen"))
    }

    /// Kills the process (SIGKILL) and reaps it. Does nothing where it has ended already.
    ///
    /// One that has a process of its own gets a moment to end that one first: nobody else can reap it.
    pub(crate) async fn kill(&mut self) {
        if self.emulator.is_some() {
            self.commands = None;
            let _ = timeout(settings::CLEAN_UP_WITHIN, self.child.wait()).await;
        }
        // The only error is that it has ended; it is reaped either way.
        let _ = self.child.kill().await;
    }

    /// Waits until the process ends by itself and reaps it.
    pub(crate) async fn ended(&mut self, within: Duration) -> anyhow::Result<()> {
        let node = self.node;
        let status = timeout(within, self.child.wait())
            .await
            .with_context(|| format!("node {node} does not end"))??;
        anyhow::ensure!(status.success(), "node {node} ended with {status}");
        Ok(())
    }

    /// Whether a process with this number exists.
    #[cfg(unix)]
    pub(crate) fn exists(pid: u32) -> bool {
        let Ok(pid) = i32::try_from(pid) else { return false };
        // Signal none: asks only whether there is somebody to send it to.
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None)
            != Err(nix::errno::Errno::ESRCH)
    }

    /// Every process is waited for, and so has ended.
    #[cfg(not(unix))]
    pub(crate) fn exists(_: u32) -> bool {
        false
    }
}
