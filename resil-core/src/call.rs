//! The composed call: every layer in one state machine.

mod bound;
mod budget;
mod end;
mod gate;
mod hedge;
mod layers;
mod machine;
mod peer;
mod policy;
mod start;
mod step;

pub use bound::Bound;
pub use budget::{Budget, Extra};
pub use gate::{End, Gate, Priority, Request};
pub use hedge::Hedge;
pub use layers::{Gates, Layers};
pub use machine::Call;
pub use peer::{PeerGate, PeerPolicy, PeerState};
pub use policy::CallPolicy;
pub use step::{Finished, Step, Ticket, Verdict};
