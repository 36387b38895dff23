//! What the suite compares the machines with: slow, obviously right models in exact fractions.
//!
//! An oracle is written from the documented laws alone and shares no code with the core. It may allocate, divide
//! and loop as long as it likes; it must be plain enough to be believed by reading it.
//!
//! The vectors, and the machines that they are played to, need an allocator and no `std`: firmware plays
//! them as well.
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

#[cfg(feature = "std")]
pub mod endurance;
#[cfg(feature = "std")]
pub mod laws;
#[cfg(feature = "std")]
pub mod oracle;
#[cfg(feature = "std")]
pub mod spies;
pub mod vectors;

/// The READMEs, whose examples run as tests.
#[cfg(doctest)]
mod readmes {
    #[doc = include_str!("../../README.md")]
    struct Root;
    #[doc = include_str!("../../resil-core/README.md")]
    struct Core;
    #[doc = include_str!("../../resil-std/README.md")]
    struct Std;
}
