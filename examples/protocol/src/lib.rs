//! What the nodes of the mesh agree on, on Linux and on a microcontroller.
//!
//! | module | what it is |
//! |---|---|
//! | [`message`] | what nodes say to each other |
//! | [`serial`] | how that goes over a UART: addressed, framed, checked |
//! | [`control`] | what the supervisor and a firmware node say, over a second UART |
//! | [`record`] | what a node writes down for the supervisor |
//! | [`settings`] | the numbers and the policies that hold for every node |
//!
//! Over TCP and pipes the frames start with their length instead; they carry the same postcard.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod control;
pub mod message;
pub mod record;
pub mod serial;
pub mod settings;
