//! What the suite compares the machines with: slow, obviously right models in exact fractions.
//!
//! An oracle is written from SPEC alone and shares no code with the core. It may allocate, divide
//! and loop as long as it likes; it must be plain enough to be believed by reading it.

pub mod oracle;
pub mod vectors;
