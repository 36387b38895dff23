//! The UART that leads to other nodes: a frame at a time, each way past what disturbs it.

use super::line::{Fate, Line};
use super::links::Links;
use crate::wire::{Datagram, LineCounts, NodeId};
use core::cell::RefCell;
use futures_util::StreamExt;
use mesh_protocol::serial::{Deframer, LONGEST, encode};
use resil_core::chaos::Stream;
use std::rc::Rc;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::sync::mpsc;
use tokio::task::spawn_local;
use tokio::time::sleep;
use tokio_util::bytes::BytesMut;
use tokio_util::codec::{Decoder, FramedRead};

/// Datagrams that wait for the firmware to read; beyond them peers wait, one after the other. It is few,
/// because whoever asks too much is to wait in its own queue and not in everybody's.
const WAITING: usize = 4;

/// Numbers of the two directions, of which each has a seed of its own.
const FROM_FIRMWARE: u64 = 0;
const TO_FIRMWARE: u64 = 1;

/// Frames as they are on the wire, each with the zero at its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct ZeroEnded;

impl Decoder for ZeroEnded {
    type Item = BytesMut;
    type Error = std::io::Error;

    fn decode(&mut self, bytes: &mut BytesMut) -> Result<Option<BytesMut>, std::io::Error> {
        let end = bytes.iter().position(|&byte| byte == 0).map(|zero| zero + 1);
        // One that is too long is nobody's: it is handed on in pieces, so that it takes no more room.
        let end = end.or_else(|| (bytes.len() > LONGEST).then_some(bytes.len()));
        Ok(end.map(|end| bytes.split_to(end)))
    }
}

/// The wire, and the connections behind it.
#[derive(Debug)]
pub(super) struct Cable {
    pub(super) links: Rc<Links>,
    lines: [Rc<RefCell<Line>>; 2],
}

impl Cable {
    /// Carries frames between the firmware of `node` and its connections, as tasks of this thread.
    pub(super) fn new<S>(node: NodeId, uart: S, seed: u64) -> anyhow::Result<Self>
    where
        S: AsyncRead + AsyncWrite + 'static,
    {
        let seeds = Stream::new(seed);
        let line =
            |direction| anyhow::Ok(Rc::new(RefCell::new(Line::new(seeds.fork(direction).next())?)));
        let lines = [line(FROM_FIRMWARE)?, line(TO_FIRMWARE)?];
        let (to_firmware, waiting) = mpsc::channel(WAITING);
        let links = Links::new(node, to_firmware);
        let (read, write) = split(uart);
        spawn_local(carry_out(read, lines[0].clone(), links.clone()));
        spawn_local(carry_in(write, lines[1].clone(), waiting));
        Ok(Self { links, lines })
    }

    /// Does something to both directions.
    pub(super) fn each(
        &self,
        mut act: impl FnMut(&mut Line) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.lines.iter().try_for_each(|line| act(&mut line.borrow_mut()))
    }

    /// What became of the frames so far, in both directions.
    pub(super) fn counts(&self) -> LineCounts {
        let mut sum = LineCounts::default();
        self.lines.iter().for_each(|line| sum += line.borrow().counts());
        sum
    }
}

/// From the firmware to its connections. It never waits for a peer.
async fn carry_out<S: AsyncRead>(read: ReadHalf<S>, line: Rc<RefCell<Line>>, links: Rc<Links>) {
    let mut frames = FramedRead::new(read, ZeroEnded);
    let mut deframer = Deframer::<LONGEST>::new();
    while let Some(Ok(mut frame)) = frames.next().await {
        let fate = line.borrow_mut().pass(&mut frame);
        let Fate::Arrives { after } = fate else { continue };
        if !after.is_zero() {
            sleep(after).await;
        }
        for &byte in &frame {
            if let Some(datagram) = deframer.push::<Datagram>(byte) {
                links.hear(datagram);
            }
        }
    }
}

/// From its connections to the firmware.
async fn carry_in<S: AsyncWrite>(
    mut write: WriteHalf<S>,
    line: Rc<RefCell<Line>>,
    mut waiting: mpsc::Receiver<Datagram>,
) {
    let mut buffer = [0; LONGEST];
    while let Some(datagram) = waiting.recv().await {
        // What is too long for the wire, which no node says, is lost on it.
        let Ok(frame) = encode(&datagram, &mut buffer) else { continue };
        let fate = line.borrow_mut().pass(frame);
        let Fate::Arrives { after } = fate else { continue };
        if !after.is_zero() {
            sleep(after).await;
        }
        if write.write_all(frame).await.is_err() {
            break;
        }
    }
}
