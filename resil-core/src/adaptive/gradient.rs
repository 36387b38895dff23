//! The gradient of latency: slower than usual means that calls queue.

mod builder;
mod config;
mod decide;
mod estimate;
mod persist;
mod state;

pub use builder::GradientBuilder;
pub use config::Gradient;
pub use state::GradientState;
