//! The watchdog that both boards have: Luminary took ARM's.
//!
//! It counts down. At zero it raises an interrupt and starts again; at zero for the second time it
//! resets the board.

use crate::register::Register;

/// Interrupt, which also starts it, and reset.
const ENABLED: u32 = 0b11;
/// The key to its registers.
const UNLOCK: u32 = 0x1acc_e551;

#[derive(Clone, Copy)]
pub(super) struct CmsdkWatchdog(Register);

impl CmsdkWatchdog {
    /// The watchdog whose registers begin there.
    pub(super) const fn at(base: Register) -> Self {
        Self(base)
    }

    /// Resets the board unless it is fed at least every `cycles` of its clock, in twice that time.
    pub(super) fn start(self, cycles: u32) {
        self.0.offset(0xc00).write(UNLOCK);
        self.0.write(cycles);
        self.0.offset(0x8).write(ENABLED);
    }

    /// It begins anew.
    pub(super) fn feed(self) {
        self.0.offset(0xc).write(1);
    }
}
