//! Settings that do not hold are refused when they are built, never clamped.
//!
//! Every policy has a `const` builder whose `build()` returns a [`ConfigError`] that names the
//! setting. In a `const` or `static`, [`valid!`](crate::valid) turns that error into a failure to
//! compile, so a firmware's policies are checked before it is flashed.

use crate::error::ErrorCode;

/// A setting that does not hold, and the rule it breaks.
///
/// ```
/// use core::time::Duration;
/// use resil_core::retry::RetryPolicy;
///
/// let error = RetryPolicy::builder()
///     .initial_delay(Duration::from_secs(10))
///     .max_delay(Duration::from_secs(1))
///     .build()
///     .unwrap_err();
/// assert_eq!(error.setting(), "max_delay");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[error("{message}")]
pub struct ConfigError {
    setting: &'static str,
    message: &'static str,
}

impl ConfigError {
    /// An error about `setting`; `message` is a whole sentence that names it.
    ///
    /// For policies of your own and for the settings of adapters.
    #[must_use]
    pub const fn new(setting: &'static str, message: &'static str) -> Self {
        Self { setting, message }
    }

    /// The name of the setting, as its builder method is called.
    #[must_use]
    pub const fn setting(&self) -> &'static str {
        self.setting
    }

    /// The rule that is broken, as a sentence.
    #[must_use]
    pub const fn message(&self) -> &'static str {
        self.message
    }

    /// Always [`ErrorCode::ConfigurationInvalid`].
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        ErrorCode::ConfigurationInvalid
    }
}

/// Takes the value out of a `Result<_, ConfigError>` at compile time; an error fails the build.
///
/// ```
/// use resil_core::{circuit_breaker::CircuitBreakerConfig, valid};
///
/// const BREAKER: CircuitBreakerConfig =
///     valid!(CircuitBreakerConfig::builder().failure_threshold(3).build());
/// ```
///
/// ```compile_fail,E0080
/// use resil_core::{circuit_breaker::CircuitBreakerConfig, valid};
///
/// // "failure_threshold must be at least 1"
/// const BREAKER: CircuitBreakerConfig =
///     valid!(CircuitBreakerConfig::builder().failure_threshold(0).build());
/// ```
#[macro_export]
macro_rules! valid {
    ($result:expr) => {
        // The only panic of the crate, and the compiler is the only one to run it.
        const {
            match $result {
                Ok(value) => value,
                Err(error) => ::core::panic!("{}", error.message()),
            }
        }
    };
}
