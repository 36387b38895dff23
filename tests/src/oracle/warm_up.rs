//! Guava's `SmoothWarmingUp` as a closed formula, in floating point as there.
//!
//! `RateLimiter.create(rate, warmupPeriod)` gives out stored permits at intervals that fall in a straight
//! line from `k · T` to `T`, such that giving them out takes the warm-up: `P = 2W / (T + k · T)` of them
//! (`maxPermits - thresholdPermits` there). Solved for the permits that are out after a time of use.

/// A limiter that warms up; times in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct Guava {
    /// The interval when warm, T.
    pub interval: f64,
    /// How much longer it is when cold, k.
    pub cold_factor: f64,
    /// The time of use after which it is warm, W.
    pub warm_up: f64,
}

impl Guava {
    /// Permits given out in the first `used` nanoseconds of use.
    #[must_use]
    pub fn permits(&self, used: f64) -> f64 {
        let Self { interval, cold_factor: k, warm_up } = *self;
        let stored = 2.0 * warm_up / (interval + k * interval);
        let ramp = used.clamp(0.0, warm_up);
        let falling = (k * k - (k * k - 1.0) * ramp / warm_up).sqrt();
        let on_ramp = stored * (k - falling) / (k - 1.0);
        on_ramp + (used - warm_up).max(0.0) / interval
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Adds up the intervals of Guava's own formula, one small part of a permit after the other.
    #[test]
    fn the_formula_is_the_sum_of_guavas_intervals() {
        let guava = Guava { interval: 100.0, cold_factor: 3.0, warm_up: 4_000.0 };
        let stored = 2.0 * guava.warm_up / (100.0 + 300.0);
        let (mut used, part) = (0.0, 1.0 / 4_096.0);
        for given in 1..=(40 * 4_096) {
            let permits = f64::from(given) * part;
            let left = (stored - permits + part / 2.0).max(0.0);
            used += part * (100.0 + 200.0 * left / stored);
            assert!((guava.permits(used) - permits).abs() < 0.01, "{permits} in {used}");
        }
    }
}
