//! The bridge's TCP side between a stand-in for the firmware and a peer.

use super::super::cable::{Cable, ZeroEnded};
use super::*;
use crate::wire::Noise;
use core::time::Duration;
use mesh_protocol::serial::{Deframer, LONGEST, encode};
use resil_core::ErrorCode;
use resil_core::error::WireError;
use tokio::io::{AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf, duplex, split};
use tokio::task::LocalSet;
use tokio::time::Instant;

const FIRMWARE: NodeId = 5;
const PEER: NodeId = 1;

/// Stands in for the firmware: says and hears datagrams on a wire of its own.
struct Firmware {
    frames: FramedRead<ReadHalf<DuplexStream>, ZeroEnded>,
    deframer: Deframer<LONGEST>,
    write: WriteHalf<DuplexStream>,
}

impl Firmware {
    async fn says(&mut self, body: Body) {
        let mut buffer = [0; LONGEST];
        let frame = encode(&Datagram { from: FIRMWARE, to: PEER, body }, &mut buffer).unwrap();
        self.write.write_all(frame).await.unwrap();
    }

    async fn hears(&mut self) -> Body {
        loop {
            let frame = self.frames.next().await.unwrap().unwrap();
            let heard = frame.iter().find_map(|&byte| self.deframer.push::<Datagram>(byte));
            if let Some(Datagram { from, to, body }) = heard {
                assert_eq!((from, to), (PEER, FIRMWARE));
                return body;
            }
        }
    }
}

/// A peer on Linux, at one end of a connection.
struct Peer {
    read: FramedRead<OwnedReadHalf, Frames<Message, Message>>,
    write: FramedWrite<OwnedWriteHalf, Frames<Message, Message>>,
}

impl Peer {
    fn of(stream: TcpStream) -> Self {
        let (read, write) = stream.into_split();
        let read = FramedRead::new(read, Frames::of_peers());
        Self { read, write: FramedWrite::new(write, Frames::of_peers()) }
    }

    /// Connects as a node does.
    async fn connect(port: u16) -> Self {
        let mut peer = Self::of(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap());
        peer.write.send(Message::Hello { from: PEER }).await.unwrap();
        peer
    }

    async fn says(&mut self, message: Message) {
        self.write.send(message).await.unwrap();
    }

    /// What it hears next; nothing once the connection has ended.
    async fn hears(&mut self) -> Option<Message> {
        self.read.next().await?.ok()
    }
}

/// A bridge between a stand-in for the firmware and a peer's listener, and where itself listens.
async fn bridge() -> (Cable, Firmware, TcpListener, u16) {
    let (ours, firmware) = duplex(4096);
    let cable = Cable::new(FIRMWARE, ours, 1).unwrap();
    let (read, write) = split(firmware);
    let frames = FramedRead::new(read, ZeroEnded);
    let firmware = Firmware { frames, deframer: Deframer::new(), write };
    let peer = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    cable.links.moved(PEER, peer.local_addr().unwrap().port());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    spawn_local(cable.links.clone().accept(listener));
    (cable, firmware, peer, port)
}

fn request(id: u64) -> Body {
    Body::Message(Message::Request { id })
}

#[tokio::test]
async fn firmware_connects_asks_and_is_answered() {
    LocalSet::new()
        .run_until(async {
            let (_cable, mut firmware, listener, _) = bridge().await;
            firmware.says(Body::Connect).await;
            let mut peer = Peer::of(listener.accept().await.unwrap().0);
            assert_eq!(peer.hears().await, Some(Message::Hello { from: FIRMWARE }));
            assert_eq!(firmware.hears().await, Body::Accept);
            firmware.says(request(7)).await;
            assert_eq!(peer.hears().await, Some(Message::Request { id: 7 }));
            let refusal = WireError::new(ErrorCode::RateLimitExceeded, "short of tokens");
            let reply = Message::Reply { id: 7, answer: Err(refusal.into()) };
            peer.says(reply.clone()).await;
            assert_eq!(firmware.hears().await, Body::Message(reply));
            drop(peer);
            assert_eq!(firmware.hears().await, Body::Close, "its connection broke");
            firmware.says(request(8)).await;
            assert_eq!(firmware.hears().await, Body::Close, "and it has no other");
        })
        .await;
}

#[tokio::test]
async fn a_peer_that_is_not_there_is_closed_at_once() {
    LocalSet::new()
        .run_until(async {
            let (_cable, mut firmware, listener, _) = bridge().await;
            drop(listener);
            firmware.says(Body::Connect).await;
            assert_eq!(firmware.hears().await, Body::Close);
        })
        .await;
}

#[tokio::test]
async fn a_reply_finds_the_connection_of_its_request_and_no_other() {
    LocalSet::new()
        .run_until(async {
            let (_cable, mut firmware, _listener, port) = bridge().await;
            let mut first = Peer::connect(port).await;
            assert_eq!(firmware.hears().await, Body::Connect);
            first.says(Message::Request { id: 0 }).await;
            let Body::Message(Message::Request { id: old }) = firmware.hears().await else {
                panic!("no request")
            };
            drop(first);
            // The peer counts from 0 again on its next connection.
            let mut second = Peer::connect(port).await;
            assert_eq!(firmware.hears().await, Body::Connect);
            second.says(Message::Request { id: 0 }).await;
            let Body::Message(Message::Request { id: new }) = firmware.hears().await else {
                panic!("no request")
            };
            let refusal = WireError::new(ErrorCode::RateLimitExceeded, "of the first");
            let late = Message::Reply { id: old, answer: Err(refusal.into()) };
            firmware.says(Body::Message(late)).await;
            firmware.says(Body::Message(Message::Reply { id: new, answer: Ok(()) })).await;
            assert_eq!(second.hears().await, Some(Message::Reply { id: 0, answer: Ok(()) }));
        })
        .await;
}

#[tokio::test]
async fn firmware_that_closes_ends_what_the_peer_asks_on_and_not_what_it_asks_on_itself() {
    LocalSet::new()
        .run_until(async {
            let (_cable, mut firmware, listener, port) = bridge().await;
            firmware.says(Body::Connect).await;
            let mut asked = Peer::of(listener.accept().await.unwrap().0);
            assert_eq!(firmware.hears().await, Body::Accept);
            let mut asking = Peer::connect(port).await;
            assert_eq!(firmware.hears().await, Body::Connect);
            firmware.says(Body::Close).await;
            assert_eq!(asking.hears().await, None);
            firmware.says(request(3)).await;
            assert_eq!(asked.hears().await, Some(Message::Hello { from: FIRMWARE }));
            assert_eq!(asked.hears().await, Some(Message::Request { id: 3 }));
        })
        .await;
}

#[tokio::test]
async fn a_reset_ends_every_connection() {
    LocalSet::new()
        .run_until(async {
            let (cable, mut firmware, listener, port) = bridge().await;
            firmware.says(Body::Connect).await;
            let mut asked = Peer::of(listener.accept().await.unwrap().0);
            assert_eq!(firmware.hears().await, Body::Accept);
            let mut asking = Peer::connect(port).await;
            assert_eq!(firmware.hears().await, Body::Connect);
            cable.links.clear();
            assert_eq!(asked.hears().await, Some(Message::Hello { from: FIRMWARE }));
            assert_eq!((asked.hears().await, asking.hears().await), (None, None));
        })
        .await;
}

#[tokio::test]
async fn nothing_passes_a_cut_wire_in_either_direction_and_both_work_after_it() {
    LocalSet::new()
        .run_until(async {
            let (cable, mut firmware, listener, port) = bridge().await;
            let cut = |is_cut| {
                cable.each(|line| {
                    line.set_cut(is_cut);
                    Ok(())
                })
            };
            cut(true).unwrap();
            firmware.says(Body::Connect).await;
            let mut asking = Peer::connect(port).await;
            asking.says(Message::Request { id: 0 }).await;
            // Two datagrams to the firmware and one from it: only the wire counts them.
            while cable.counts().cut < 3 {
                tokio::task::yield_now().await;
            }
            cut(false).unwrap();
            firmware.says(Body::Connect).await;
            let _peer = listener.accept().await.unwrap();
            assert_eq!(firmware.hears().await, Body::Accept, "the first that it hears");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn late_frames_come_later_and_in_order() {
    LocalSet::new()
        .run_until(async {
            let (cable, mut firmware, _listener, port) = bridge().await;
            let longest = Duration::from_secs(9);
            let noise = Noise { delayed: 1_000_000, longest, ..Noise::default() };
            cable.each(|line| line.set_noise(noise)).unwrap();
            let begun = Instant::now();
            let mut asking = Peer::connect(port).await;
            for id in 0..5 {
                asking.says(Message::Request { id }).await;
            }
            assert_eq!(firmware.hears().await, Body::Connect);
            let mut heard = Vec::new();
            for _ in 0..5 {
                let Body::Message(Message::Request { id }) = firmware.hears().await else {
                    panic!("no request")
                };
                heard.push(id);
            }
            assert!(heard.is_sorted(), "{heard:?}");
            assert!(begun.elapsed() > Duration::ZERO && begun.elapsed() <= longest * 6);
            assert_eq!(cable.counts().delayed, 6);
        })
        .await;
}
