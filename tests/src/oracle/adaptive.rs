//! AIMD and Gradient2 as their authors write them: in floating point, over the results one by one.

/// Additive increase, multiplicative decrease.
#[derive(Clone, Debug)]
pub struct Aimd {
    /// Lowest and highest.
    pub bounds: (f64, f64),
    /// By what a loss multiplies.
    pub decrease: f64,
    /// How much of the limit must be in use.
    pub utilisation: f64,
    /// The limit: a whole number.
    pub limit: f64,
    successes: f64,
    cuts: u64,
}

impl Aimd {
    /// One that begins with `limit`.
    #[must_use]
    pub const fn new(bounds: (f64, f64), decrease: f64, utilisation: f64, limit: f64) -> Self {
        Self { bounds, decrease, utilisation, limit, successes: 0.0, cuts: 0 }
    }

    /// How many cuts there were; a call carries the number of when it started.
    #[must_use]
    pub const fn cuts(&self) -> u64 {
        self.cuts
    }

    /// A call ended that started when `in_flight` were out, it included, and after `cuts` cuts.
    pub fn result(&mut self, is_loss: bool, in_flight: f64, cuts: u64) {
        if cuts != self.cuts {
            return;
        }
        if is_loss {
            self.cuts += 1;
            self.successes = 0.0;
            let less = (self.limit * self.decrease + 1e-9).floor().min(self.limit - 1.0);
            self.limit = less.max(self.bounds.0);
        } else if in_flight >= self.utilisation * self.limit - 1e-9 {
            self.successes += 1.0;
            if self.successes >= self.limit {
                self.successes = 0.0;
                self.limit = (self.limit + 1.0).min(self.bounds.1);
            }
        }
    }
}

/// Netflix's Gradient2 behind its windows, without a probe; times in nanoseconds.
#[derive(Clone, Debug)]
pub struct Gradient {
    /// Lowest and highest.
    pub bounds: (f64, f64),
    /// How much slower than usual is no queue.
    pub tolerance: f64,
    /// How much of the way one window goes.
    pub smoothing: f64,
    /// What may queue.
    pub queue: f64,
    /// Windows that the usual latency is averaged over.
    pub long_window: f64,
    /// How long a window is, and of how many results.
    pub window: (u64, usize),
    /// The limit, with its fraction.
    pub limit: f64,
    long: f64,
    learned: f64,
    began: u64,
    latencies: Vec<f64>,
    drops: usize,
    in_flight: f64,
}

impl Gradient {
    /// Netflix's settings, beginning with `limit`, for windows of this length and of so many results.
    #[must_use]
    pub const fn new(bounds: (f64, f64), limit: f64, window: (u64, usize)) -> Self {
        Self {
            bounds,
            tolerance: 1.5,
            smoothing: 0.2,
            queue: 4.0,
            long_window: 600.0,
            window,
            limit,
            long: 0.0,
            learned: 0.0,
            began: 0,
            latencies: Vec::new(),
            drops: 0,
            in_flight: 0.0,
        }
    }

    /// A call ended that started when `in_flight` were out, it included; no latency is a drop.
    pub fn result(&mut self, latency: Option<u64>, in_flight: u16, now: u64) {
        if self.latencies.is_empty() && self.drops == 0 {
            self.began = now;
        }
        match latency {
            Some(nanos) => self.latencies.push(nanos as f64),
            None => self.drops += 1,
        }
        self.in_flight = self.in_flight.max(in_flight.into());
        let is_full = self.latencies.len() + self.drops >= self.window.1;
        if is_full && now >= self.began + self.window.0 {
            let limit = self.next_limit();
            self.limit = limit.clamp(self.bounds.0, self.bounds.1);
            self.latencies.clear();
            self.drops = 0;
            self.in_flight = 0.0;
        }
    }

    fn next_limit(&mut self) -> f64 {
        if self.drops > 0 {
            return self.limit * (1.0 - self.smoothing / 2.0);
        }
        let short = self.latencies.iter().sum::<f64>() / self.latencies.len() as f64;
        let part = if self.learned < 10.0 {
            self.learned += 1.0;
            1.0 / self.learned
        } else {
            2.0 / (self.long_window + 1.0)
        };
        let long = self.long * (1.0 - part) + short * part;
        self.long = if long / short > 2.0 { long * 0.95 } else { long };
        if self.in_flight < self.limit / 2.0 {
            return self.limit;
        }
        let gradient = (self.tolerance * long / short).clamp(0.5, 1.0);
        let target = self.limit * gradient + self.queue;
        self.limit * (1.0 - self.smoothing) + target * self.smoothing
    }
}
