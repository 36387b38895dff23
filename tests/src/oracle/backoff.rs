//! Backoff: the documented formulas, in exact fractions.

use super::{Ratio, exact};
use num_bigint::BigInt;

/// No delay needs a higher power: 1.01^4460 is above 2^64, and 1.01 is the smallest base but 1.
const HIGHEST_POWER: u32 = 4_460;

/// `min(initial · base^attempt, max)`; `base` is 1, or 1.01 or more. Not in lowest terms: reducing
/// numbers of 60,000 bits takes longer than everything else.
#[must_use]
pub fn exponential(attempt: u32, initial: u64, base: (u16, u16), max: u64) -> Ratio {
    let power = attempt.min(HIGHEST_POWER);
    let (above, below) = (BigInt::from(base.0).pow(power), BigInt::from(base.1).pow(power));
    let (above, cap) = (above * initial, &below * max);
    Ratio::new_raw(above.min(cap), below)
}

/// `min(initial · (attempt + 1), max)`.
#[must_use]
pub fn linear(attempt: u32, initial: u64, max: u64) -> Ratio {
    (exact(initial) * exact(u64::from(attempt) + 1)).min(exact(max))
}

/// Whether `delay` is as near to `value` as promised: off by less than 1 ns up to 2^50 ns, by less
/// than 2^-48 of the value above.
#[must_use]
pub fn is_precise(delay: u64, value: &Ratio) -> bool {
    // Everything times the denominator, so that it is whole.
    let (value, nanosecond) = (value.numer(), value.denom());
    let delay = nanosecond * delay;
    let error = if delay > *value { &delay - value } else { value - &delay };
    if *value <= nanosecond << 50 { error < *nanosecond } else { error << 48 < *value }
}
