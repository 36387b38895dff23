//! The emulated machine: QEMU as a child process, its two UARTs and its control as sockets.
//!
//! The sockets have names that end with the process which listens on them (Linux's abstract ones), so
//! there is no file to be left behind, however this process ends.

use super::qmp::Qmp;
use crate::cli::BridgeArguments;
use crate::settings;
use anyhow::{Context, bail};
use nix::sys::socket::{setsockopt, sockopt::SndBuf};
use std::collections::VecDeque;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::SocketAddr;
use std::process::{ExitStatus, Stdio};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::process::{Child, ChildStderr, Command};
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::timeout;

/// What firmware exits with after a panic, and after a hard fault.
const PANICKED: i32 = 101;
const FAULTED: i32 = 102;

/// What the kernel keeps for a firmware that does not read, in bytes: as little as it can, like a wire.
const LINK_BUFFER: usize = 1;

/// The last lines of QEMU's that are kept, for the message when it ends.
const LAST_LINES: usize = 8;

/// A running QEMU.
#[derive(Debug)]
pub(super) struct Machine {
    child: Child,
    pub(super) pid: u32,
    said: JoinHandle<String>,
}

/// The wires of a machine.
#[derive(Debug)]
pub(super) struct Wires {
    /// To other nodes.
    pub(super) link: UnixStream,
    /// To the supervisor.
    pub(super) control: UnixStream,
    /// To QEMU itself.
    pub(super) qmp: Qmp<UnixStream>,
}

impl Machine {
    /// Starts QEMU with the firmware.
    pub(super) async fn start(arguments: &BridgeArguments) -> anyhow::Result<(Self, Wires)> {
        let sockets = [Socket::listen("link")?, Socket::listen("control")?, Socket::listen("qmp")?];
        let mut child = command(arguments, &sockets)?.spawn().context("QEMU does not start")?;
        let pid = child.id().context("QEMU ended at once")?;
        let said = spawn_local(last_lines(child.stderr.take().context("no stderr")?));
        let connected = async {
            let [link, control, qmp] = &sockets;
            let (link, control) = (link.accept().await?, control.accept().await?);
            setsockopt(&link, SndBuf, &LINK_BUFFER).context("the wire's buffer")?;
            let qmp = Qmp::open(qmp.accept().await?).await?;
            anyhow::Ok(Wires { link, control, qmp })
        };
        let connected = tokio::select! {
            connected = timeout(settings::START_WITHIN, connected) => connected,
            status = child.wait() => bail!(how(status?, &said.await?)),
        };
        let wires = connected.context("QEMU does not connect")??;
        Ok((Self { child, pid, said }, wires))
    }

    /// Waits until QEMU ends, which it does only when something goes wrong; says what.
    pub(super) async fn ended(&mut self) -> anyhow::Result<String> {
        let status = self.child.wait().await?;
        Ok(how(status, &(&mut self.said).await?))
    }

    /// Switches the machine off, and reaps it.
    pub(super) async fn switch_off(mut self) -> anyhow::Result<()> {
        self.child.kill().await.context("QEMU does not end")
    }
}

/// How QEMU ended, which is how the firmware ended.
fn how(status: ExitStatus, said: &str) -> String {
    match status.code() {
        Some(PANICKED) => format!("the firmware panicked{said}"),
        Some(FAULTED) => format!("the firmware had a hard fault{said}"),
        _ => format!("QEMU ended with {status}{said}"),
    }
}

/// The last lines that QEMU says until its end.
async fn last_lines(said: ChildStderr) -> String {
    let mut lines = BufReader::new(said).lines();
    let mut last = VecDeque::new();
    while let Ok(Some(line)) = lines.next_line().await {
        if last.len() == LAST_LINES {
            last.pop_front();
        }
        last.push_back(format!("\n  {line}"));
    }
    last.into_iter().collect()
}

/// A socket that QEMU connects to, and what it calls it.
#[derive(Debug)]
struct Socket {
    role: &'static str,
    name: String,
    listener: UnixListener,
}

impl Socket {
    fn listen(role: &'static str) -> anyhow::Result<Self> {
        let name = format!("resil-mesh-{}-{role}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name)?;
        let listener = std::os::unix::net::UnixListener::bind_addr(&address)
            .with_context(|| format!("no socket {name}"))?;
        listener.set_nonblocking(true)?;
        Ok(Self { role, name, listener: UnixListener::from_std(listener)? })
    }

    fn chardev(&self) -> String {
        format!("socket,id={},path={},abstract=on", self.role, self.name)
    }

    async fn accept(&self) -> anyhow::Result<UnixStream> {
        Ok(self.listener.accept().await?.0)
    }
}

/// QEMU's command line. It is this program that becomes QEMU, after it has seen to it that it dies with
/// its parent.
fn command(arguments: &BridgeArguments, sockets: &[Socket; 3]) -> anyhow::Result<Command> {
    let program = std::env::current_exe().context("where is this program?")?;
    let mut command = Command::new(program);
    command.arg("machine").arg(std::process::id().to_string()).arg(&arguments.qemu);
    command.args(["-M", arguments.board.name(), "-display", "none", "-monitor", "none"]);
    for socket in sockets {
        command.arg("-chardev").arg(socket.chardev());
    }
    let [link, control, qmp] = sockets;
    command.args(["-serial", &format!("chardev:{}", link.role)]);
    command.args(["-serial", &format!("chardev:{}", control.role)]);
    command.args(["-mon", &format!("chardev={},mode=control", qmp.role)]);
    command.args(["-semihosting-config", "enable=on,target=native,arg=node"]);
    command.arg("-kernel").arg(&arguments.elf);
    // Its log is in defmt's frames, on stdout.
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    Ok(command)
}
