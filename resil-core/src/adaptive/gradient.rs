//! The gradient of latency: slower than usual means that calls queue.

mod config;
mod decide;
mod estimate;
mod persist;
mod state;

pub use config::{Gradient, GradientBuilder};
pub use state::GradientState;
