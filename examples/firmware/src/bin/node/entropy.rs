//! The node's dice. A device would seed them with noise from its hardware; here the supervisor's seed
//! makes each node different and a run repeatable.

use core::cell::RefCell;
use embassy_sync::blocking_mutex::CriticalSectionMutex;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

static DICE: CriticalSectionMutex<RefCell<Option<SmallRng>>> =
    CriticalSectionMutex::new(RefCell::new(None));

/// Throws other numbers than the other nodes do.
pub(crate) fn seed(seed: u64) {
    DICE.lock(|dice| *dice.borrow_mut() = Some(SmallRng::seed_from_u64(seed)));
}

/// 32 random bits.
///
/// # Panics
///
/// Before [`seed`]: the same numbers in every node would be worse.
pub(crate) fn draw() -> u32 {
    DICE.lock(|dice| dice.borrow_mut().as_mut().expect("seeded at the start").next_u32())
}

/// A number below `bound`, each as likely as the others but for a billionth.
pub(crate) fn below(bound: u32) -> u32 {
    ((u64::from(draw()) * u64::from(bound)) >> 32) as u32
}
