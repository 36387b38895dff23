//! Additive increase, multiplicative decrease: how TCP finds its window.

mod config;
mod decide;

pub use config::{Aimd, AimdBuilder};
pub use decide::AimdState;
