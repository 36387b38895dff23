//! What a bulkhead remembers and lends.

/// What a bulkhead remembers: how many permits are out, and since which reset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct BulkheadState {
    pub(super) held: u16,
    pub(super) epoch: u16,
}

const _: () = assert!(size_of::<BulkheadState>() <= 4);

impl BulkheadState {
    /// Nothing is held.
    #[must_use]
    pub const fn new() -> Self {
        Self { held: 0, epoch: 0 }
    }

    /// Permits that are out.
    #[must_use]
    #[inline]
    pub const fn held(&self) -> u16 {
        self.held
    }
}

/// Leave to make one call, to be told back with `record`.
///
/// Neither `Clone` nor `Copy`: it settles once. One that is dropped without being told back holds its
/// place until a reset, so adapters wrap it in a guard. It is good only for the bulkhead that issued
/// it, another one cannot tell; and for 65,535 of its resets, after which its epoch comes round again.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "a permit is lent: tell it back with `record`"]
pub struct Permit {
    pub(super) weight: u16,
    pub(super) epoch: u16,
}

const _: () = assert!(size_of::<Permit>() <= 4);

impl Permit {
    /// How many permits of the bulkhead it stands for.
    #[must_use]
    #[inline]
    pub const fn weight(&self) -> u16 {
        self.weight
    }
}

/// What telling a permit back changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Recorded {
    /// Its weight is available again.
    Released,
    /// It is from before a reset: nothing changed.
    Stale,
}
