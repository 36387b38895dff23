//! Akka's and Pekko's φ accrual failure detector, in floating point as they have it.

/// φ of a silence: `PhiAccrualFailureDetector.phi`. All in one unit of time.
#[must_use]
pub fn phi(silence: f64, mean: f64, deviation: f64) -> f64 {
    let y = (silence - mean) / deviation;
    let e = (-y * (1.5976 + 0.070_566 * y * y)).exp();
    if silence > mean { -(e / (1.0 + e)).log10() } else { -(1.0 - 1.0 / (1.0 + e)).log10() }
}

/// The silence at which φ reaches `threshold`, by halving.
#[must_use]
pub fn silence_at(threshold: f64, mean: f64, deviation: f64) -> f64 {
    let (mut low, mut high) = (mean - 20.0 * deviation, mean + 20.0 * deviation);
    for _ in 0..200 {
        let middle = f64::midpoint(low, high);
        if phi(middle, mean, deviation) < threshold { low = middle } else { high = middle }
    }
    high
}

/// A mean and a variance in which each sample weighs `weight`, from Pekko's first estimate on.
#[derive(Clone, Copy, Debug)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// The variance.
    pub variance: f64,
}

impl Estimate {
    /// That of a peer that has been heard once.
    #[must_use]
    pub fn first(interval: f64) -> Self {
        Self { mean: interval, variance: (interval / 4.0).powi(2) }
    }

    /// One interval more: the weighted sums of x and of squares about the mean.
    pub fn learn(&mut self, interval: f64, weight: f64) {
        let mean = (1.0 - weight) * self.mean + weight * interval;
        let squares =
            (1.0 - weight) * (self.variance + self.mean.powi(2)) + weight * interval.powi(2);
        *self = Self { mean, variance: squares - mean.powi(2) };
    }
}

/// The `sample` last intervals, each as good as the other: what Pekko keeps.
#[derive(Clone, Debug)]
pub struct History(Vec<f64>);

impl History {
    /// Pekko's first two samples.
    #[must_use]
    pub fn first(interval: f64) -> Self {
        Self(vec![interval * 0.75, interval * 1.25])
    }

    /// One interval more, of 1000 that are kept.
    pub fn learn(&mut self, interval: f64) {
        if self.0.len() == 1_000 {
            self.0.remove(0);
        }
        self.0.push(interval);
    }

    /// Mean and standard deviation.
    #[must_use]
    pub fn estimate(&self) -> (f64, f64) {
        let count = f64::from(u32::try_from(self.0.len()).expect("at most 1000"));
        let mean = self.0.iter().sum::<f64>() / count;
        let squares = self.0.iter().map(|x| x * x).sum::<f64>() / count;
        (mean, (squares - mean * mean).max(0.0).sqrt())
    }
}
