//! Errors with stable codes.

mod code;

pub use code::{ErrorCode, Family, UnknownName, UnknownNumber};

/// x
#[derive(Debug)]
pub struct ResilienceError<E>(E);
