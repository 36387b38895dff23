//! Adaptive concurrency: how many calls may run at once, found out while they run.

mod aimd;
mod gate;
mod gradient;
mod limit;
mod machine;
mod permit;

pub use aimd::{Aimd, AimdBuilder, AimdState};
pub use gradient::{Gradient, GradientBuilder, GradientState};
pub use limit::ConcurrencyLimit;
pub use machine::ConcurrencyLimiter;
pub use permit::{Permit, Recorded};
