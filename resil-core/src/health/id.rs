//! What addresses a check, and why one is not registered or not found.

use crate::config::ConfigError;
use crate::error::ErrorCode;

/// Addresses one registered check of the registry that returned it, for as long as it is registered.
///
/// Ids of two registries must not be mixed: nothing can tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct CheckId {
    pub(super) slot: u16,
    pub(super) generation: u32,
}

/// Why a check was not registered. Nothing has changed.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum RegisterError {
    /// All slots are taken.
    #[error("the registry has room for {capacity} checks, and all are registered")]
    Full {
        /// How many checks there is room for.
        capacity: usize,
    },
    /// A check of this name is registered.
    #[error("a check of this name is registered already")]
    DuplicateName,
    /// The time to live, or another setting, does not hold.
    #[error(transparent)]
    Invalid(#[from] ConfigError),
}

impl RegisterError {
    /// Always [`ErrorCode::ConfigurationInvalid`].
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        ErrorCode::ConfigurationInvalid
    }
}

/// No check is registered under this id, or no longer. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[error("no check is registered under this id")]
pub struct UnknownCheck;

/// Why a check does not depend on another one. Nothing has changed.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum DependencyError {
    /// One of the two is not registered, or no longer.
    #[error(transparent)]
    Unknown(#[from] UnknownCheck),
    /// The other one depends on it already, over however many others, or is itself: neither could be
    /// the cause.
    #[error("checks must not depend on each other in a circle")]
    Cycle,
    /// It depends on as many others as there is room for.
    #[error("a check depends on at most {capacity} others")]
    Full {
        /// How many others there is room for.
        capacity: usize,
    },
}

impl DependencyError {
    /// Always [`ErrorCode::ConfigurationInvalid`].
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        ErrorCode::ConfigurationInvalid
    }
}
