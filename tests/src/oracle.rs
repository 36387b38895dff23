//! Reference models, one per machine.

pub mod adaptive;
pub mod backoff;
pub mod breaker;
pub mod breaker_windows;
pub mod budget;
pub mod call;
pub mod health;
pub mod heartbeat;
pub mod rate_limit;
pub mod retry;
pub mod throttle;
pub mod warm_up;

use num_bigint::BigInt;

/// An exact fraction of any size.
pub type Ratio = num_rational::Ratio<BigInt>;

/// `nanos` as an exact fraction.
#[must_use]
pub fn exact(nanos: u64) -> Ratio {
    Ratio::from_integer(BigInt::from(nanos))
}
