//! What the firmwares of this package share: the boards, and how a firmware ends.
//!
//! | module | what it is |
//! |---|---|
//! | [`alone`] | two nodes without a supervisor: what they do when, and whether it went as it should |
//! | [`board`] | UARTs, time, watchdog and vectors of the board that was chosen |
//! | [`exit`] | panics, hard faults and the end of a run as exit statuses |
//! | [`log`] | core's events on defmt |
//! | [`mode`] | what the arguments say |
//! | [`retained`] | memory that outlives a reset |
//! | `executor` | embassy's executor, asleep while there is nothing to do |
//! | `uart` | a UART for tasks |
#![no_std]

use defmt_semihosting as _;

pub mod alone;
pub mod board;
#[cfg(feature = "node")]
pub mod executor;
pub mod exit;
pub mod log;
pub mod mode;
pub mod register;
pub mod retained;
#[cfg(feature = "node")]
pub mod uart;
