//! The composed call: every layer in one state machine.

mod gate;

pub use gate::{Bound, Budget, End, Extra, Gate, Priority, Request};
