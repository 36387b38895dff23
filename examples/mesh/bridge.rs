//! The bridge of a firmware node: to the supervisor and to the peers it is a node like any other, and
//! behind it is an emulated microcontroller with two UARTs.
//!
//! | file | what it is |
//! |---|---|
//! | [`machine`], [`qmp`] | QEMU: started, reset, switched off |
//! | [`cable`] | the UART that leads to other nodes, frame by frame; [`mod@line`] is what disturbs it |
//! | [`links`] | its datagrams as TCP connections, and back |
//! | [`control`] | the UART to the supervisor; [`notebook`] makes reports of what it tells |

mod cable;
mod control;
mod line;
mod links;
mod machine;
mod notebook;
mod qmp;

use crate::cli::BridgeArguments;
use crate::orphan::die_with_parent;
use crate::settings;
use crate::wire::{Command, Frames, NodeId, Report, Word};
use anyhow::{Context, bail};
use cable::Cable;
use control::{Notes, give};
use core::net::Ipv4Addr;
use futures_util::{SinkExt, StreamExt};
use machine::{Machine, Wires};
use mesh_protocol::control::{Note, Order};
use notebook::Notebook;
use qmp::Qmp;
use resil_core::Clock;
use resil_core::chaos::Stream;
use resil_std::clock::SystemClock;
use std::process::ExitCode;
use tokio::io::{AsyncRead, AsyncWrite, split, stdin, stdout};
use tokio::net::{TcpListener, UnixStream};
use tokio::task::spawn_local;
use tokio::time::{interval, timeout};
use tokio_util::codec::{FramedRead, FramedWrite};

type Commands<C> = FramedRead<C, Frames<Command, Word>>;
type Words<W> = FramedWrite<W, Frames<Command, Word>>;

/// The bridge's process. It ends when told to, and when the supervisor is gone; QEMU ends with it.
pub(crate) async fn main(arguments: BridgeArguments) -> ExitCode {
    let (id, board) = (arguments.id, arguments.board.name());
    if let Err(error) = run(arguments).await {
        eprintln!("node {id} ({board}): {error:#}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

async fn run(arguments: BridgeArguments) -> anyhow::Result<()> {
    die_with_parent()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no port")?;
    let (mut machine, wires) = Machine::start(&arguments).await?;
    let pid = machine.pid;
    let commands = FramedRead::new(stdin(), Frames::of_control());
    let words = FramedWrite::new(stdout(), Frames::of_control());
    let served = tokio::select! {
        how = machine.ended() => bail!(how?),
        served = serve((arguments.id, pid), listener, wires, commands, words) => served,
    };
    // Where QEMU has just ended, what happened to its wires is not the reason but the effect.
    if let (Err(_), Ok(how)) =
        (&served, timeout(settings::CLEAN_UP_WITHIN / 4, machine.ended()).await)
    {
        bail!(how?);
    }
    machine.switch_off().await?;
    served
}

/// Serves the supervisor and the peers from the firmware at the other end of these wires.
async fn serve(
    (node, emulator): (NodeId, u32),
    listener: TcpListener,
    Wires { link, control, qmp }: Wires,
    mut commands: Commands<impl AsyncRead + Unpin>,
    mut words: Words<impl AsyncWrite + Unpin>,
) -> anyhow::Result<()> {
    let port = listener.local_addr()?.port();
    let (read, mut orders) = split(control);
    let mut notes = Notes::of(read);
    let up =
        timeout(settings::START_WITHIN, notes.next()).await.context("the firmware is silent")?;
    let Some(Note::Up { at, .. }) = up else { bail!("the firmware begins with {up:?}") };
    let book = Notebook::new(at, now());
    words.send(Word::Listening { port, at: now(), emulator: Some(emulator) }).await?;

    let Some(start) = commands.next().await.transpose()? else { return Ok(()) };
    let Command::Start { neighbours, seed, protected } = start else {
        bail!("expected to be told to start, got {start:?}");
    };
    let cable = Cable::new(node, link, seed)?;
    spawn_local(cable.links.clone().accept(listener));
    let peers = neighbours.iter().map(|&(peer, _)| peer).collect();
    neighbours.into_iter().for_each(|(peer, port)| cable.links.moved(peer, port));
    let start = Order::Start { node, neighbours: peers, seed, protected };
    give(&mut orders, &start).await?;
    let bridge = Bridge { qmp, cable, orders, start, book, words, told_to_reset: false, boots: 1 };
    bridge.obey(commands, notes).await
}

/// The present, on the one clock of this process.
fn now() -> u64 {
    SystemClock.now().as_nanos()
}

/// A bridge whose firmware has begun.
#[derive(Debug)]
struct Bridge<O, W> {
    qmp: Qmp<UnixStream>,
    cable: Cable,
    orders: O,
    /// What the firmware is told whenever it has booted.
    start: Order,
    book: Notebook,
    words: Words<W>,
    told_to_reset: bool,
    boots: u32,
}

impl<O: AsyncWrite + Unpin, W: AsyncWrite + Unpin> Bridge<O, W> {
    /// Carries and reports until told to stop or left alone.
    async fn obey(
        mut self,
        mut commands: Commands<impl AsyncRead + Unpin>,
        mut notes: Notes<impl AsyncRead + Unpin>,
    ) -> anyhow::Result<()> {
        let mut report = interval(settings::REPORT_EVERY);
        loop {
            tokio::select! {
                command = commands.next() => match command.transpose()? {
                    // The supervisor is gone.
                    None => return Ok(()),
                    Some(command) => self.follow(command).await?,
                },
                note = notes.next() => match note.context("the firmware hung up")? {
                    Note::Up { at, restored, starved } => {
                        self.booted(at, restored, starved.map(|task| task.as_str().to_owned())).await?;
                    }
                    Note::Done => break,
                    note => self.book.add(note),
                },
                _ = report.tick() => self.report().await?,
            }
        }
        self.report().await?;
        // A boot may leave one frame unfinished.
        if notes.damaged() > self.boots {
            bail!("{} notes of the firmware were damaged", notes.damaged());
        }
        Ok(self.words.send(Word::Done).await?)
    }

    async fn follow(&mut self, command: Command) -> anyhow::Result<()> {
        match command {
            Command::Stop => give(&mut self.orders, &Order::Stop).await,
            Command::ServiceTime(time) => give(&mut self.orders, &Order::ServiceTime(time)).await,
            Command::Moved { node, port } => {
                self.cable.links.moved(node, port);
                Ok(())
            }
            Command::Noise(noise) => self.cable.each(|line| line.set_noise(noise)),
            Command::Cut(is_cut) => self.cable.each(|line| {
                line.set_cut(is_cut);
                Ok(())
            }),
            Command::Reset => {
                self.told_to_reset = true;
                self.qmp.system_reset().await
            }
            Command::Start { .. } | Command::Flood { .. } | Command::Calm => {
                bail!("firmware is not told that: {command:?}")
            }
        }
    }

    /// The firmware has booted, again.
    async fn booted(
        &mut self,
        at: u64,
        restored: bool,
        starved: Option<String>,
    ) -> anyhow::Result<()> {
        // Until it hears its order to start it says the same again.
        if self.book.is_empty() && !self.told_to_reset {
            return Ok(());
        }
        self.report().await?;
        self.boots += 1;
        self.cable.links.clear();
        let was_told = core::mem::take(&mut self.told_to_reset);
        self.book = Notebook::new(at, now());
        self.words.send(Word::Reset { at: now(), was_told, restored, starved }).await?;
        // Its second life has a load of its own.
        if let Order::Start { seed, .. } = &mut self.start {
            *seed = Stream::new(*seed).next();
        }
        give(&mut self.orders, &self.start).await
    }

    async fn report(&mut self) -> anyhow::Result<()> {
        let report = Report { line: self.cable.counts(), ..self.book.take() };
        Ok(self.words.send(Word::Report(report)).await?)
    }
}

#[cfg(test)]
mod tests;
