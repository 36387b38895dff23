//! Frames on a UART: noise is dropped and counted, and whatever it was, the next good frame arrives.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mesh_protocol::control::{Note, Order};
use mesh_protocol::message::Message;
use mesh_protocol::serial::{Body, Datagram, Deframer, LONGEST, encode};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Feeds the noise, and sends back what it was taken for.
fn hear<T: DeserializeOwned + Serialize + PartialEq + core::fmt::Debug>(noise: &[u8]) {
    let mut deframer = Deframer::<LONGEST>::new();
    for &byte in noise {
        let Some(heard) = deframer.push::<T>(byte) else { continue };
        assert_eq!(byte, 0, "a frame ends with a zero");
        let mut room = [0; 2 * LONGEST];
        let frame = encode(&heard, &mut room).expect("it fitted into a frame").to_vec();
        assert_eq!(frame.iter().position(|&byte| byte == 0), Some(frame.len() - 1));
        let mut again = Deframer::<{ 2 * LONGEST }>::new();
        let heard_again: Vec<T> = frame.iter().filter_map(|&byte| again.push(byte)).collect();
        assert_eq!((heard_again, again.damaged()), (vec![heard], 0));
    }
    let zeros = noise.iter().filter(|&&byte| byte == 0).count();
    assert!(deframer.damaged() as usize <= zeros, "at most one a frame");
}

fuzz_target!(|noise: &[u8]| {
    hear::<Datagram>(noise);
    hear::<Order>(noise);
    hear::<Note>(noise);

    // After any noise and a zero the next frame arrives.
    let sent = Datagram { from: 1, to: 2, body: Body::Message(Message::Request { id: 7 }) };
    let mut room = [0; LONGEST];
    let frame = encode(&sent, &mut room).expect("it is short");
    let mut deframer = Deframer::<LONGEST>::new();
    for &byte in noise {
        let _: Option<Datagram> = deframer.push(byte);
    }
    let _: Option<Datagram> = deframer.push(0);
    let last = frame.iter().filter_map(|&byte| deframer.push::<Datagram>(byte)).last();
    assert_eq!(last, Some(sent));
});
