//! A 32-bit register of the chip.

/// A register at a fixed address.
#[derive(Clone, Copy, Debug)]
pub struct Register(usize);

impl Register {
    /// The register at `address`.
    ///
    /// # Safety
    ///
    /// There is a register on this board, which may be read and written at any time and has no part in
    /// Rust's memory.
    #[must_use]
    pub const unsafe fn at(address: usize) -> Self {
        Self(address)
    }

    /// The register `offset` bytes further, in the same block.
    #[must_use]
    pub(crate) const fn offset(self, offset: usize) -> Self {
        Self(self.0 + offset)
    }

    /// Reads it.
    #[must_use]
    pub fn read(self) -> u32 {
        // SAFETY: promised to `at`.
        unsafe { (self.0 as *const u32).read_volatile() }
    }

    /// Writes it.
    pub fn write(self, value: u32) {
        // SAFETY: promised to `at`.
        unsafe { (self.0 as *mut u32).write_volatile(value) }
    }
}
