//! A mesh of a thousand nodes and more under every fault there is, on one virtual clock.
//!
//! Every node calls four others through all machines of the core: retry, budget, hedging, a breaker and
//! a limit for each peer, a bulkhead, ejection, heartbeats; and lets the others in through a table of
//! peers and a bulkhead. It has a clock of its own. For half a minute nodes, links and clocks fail as a
//! seed says; then all has to be well again. Whatever happens, the laws of this module hold: each is a
//! function that is asked whenever it could break. The machines are checked against sums and lists that
//! share no code with them.
//!
//! The same seed gives the same world, to the nanosecond and the bit.

mod calls;
mod clock;
mod event;
mod faults;
mod frame;
mod guard;
mod laws;
mod network;
mod node;
mod outcome;
mod plant;
mod policy;
mod reboot;
mod watch;
mod world;

pub use faults::{CLASSES, Class};
pub use laws::Breach;
pub use outcome::{Fallen, Second, Survived};
pub use plant::Plant;
pub use policy::{GUARDED, Policies, UNGUARDED};

/// Lets a world run.
///
/// # Errors
///
/// The first law that does not hold.
pub fn survive(
    seed: u64,
    nodes: usize,
    policies: &'static Policies,
    plant: Plant,
) -> Result<Survived, Fallen> {
    world::World::new(seed, nodes, policies, plant).run()
}
