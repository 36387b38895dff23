//! A circuit breaker that remembers everything and is in no hurry.
//!
//! Permits are numbers that are never reused, probes are a list, and time is exact. It decides the
//! same as the core's, except for jitter: where the open time is random it says between which two
//! instants the deadline lies, and takes the one that the core drew.

use super::Ratio;
use num_bigint::BigInt;

/// The settings, in nanoseconds.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Failures in a row that open.
    pub failure_threshold: u16,
    /// Successes that close.
    pub success_threshold: u16,
    /// Probes out at the same time.
    pub probes: u8,
    /// The first open time.
    pub timeout: u64,
    /// By how much each opening is longer than the one before.
    pub multiplier: (u16, u16),
    /// The longest open time.
    pub max_timeout: u64,
    /// Whether an open time is drawn from its upper half.
    pub jitter: bool,
    /// How long probes are waited for.
    pub lease: u64,
    /// How long an abandoned call has to run to count as a failure.
    pub abandon_counts_after: Option<u64>,
}

impl Policy {
    /// `timeout · multiplier^(openings - 1)`, at most `max_timeout`, rounded down.
    #[must_use]
    pub fn open_time(&self, openings: u64) -> u64 {
        let step = Ratio::new(BigInt::from(self.multiplier.0), BigInt::from(self.multiplier.1));
        let longest = super::exact(self.max_timeout);
        let mut time = super::exact(self.timeout);
        for _ in 1..openings {
            time *= &step;
            if time >= longest {
                return self.max_timeout;
            }
        }
        u64::try_from(time.to_integer()).expect("below max_timeout")
    }
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Well.
    Success,
    /// Badly.
    Failure,
    /// In a way that says nothing.
    Ignored,
    /// Without anybody looking.
    Abandoned,
}

/// What the breaker is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Counting failures; the openings before are forgotten at `forget_at`.
    Closed {
        /// Failures in a row.
        failures: u64,
        /// When the open time is back at its first value.
        forget_at: Option<u64>,
    },
    /// Refusing.
    Open {
        /// The earliest end there can be: all of it but for jitter.
        at_least: u64,
        /// The end, or the latest there can be.
        until: u64,
    },
    /// Probing.
    HalfOpen {
        /// The permits that are out.
        out: Vec<u64>,
        /// When they count as lost.
        lease: u64,
        /// Probes that went well.
        successes: u64,
        /// Probes that were abandoned.
        abandoned: u64,
    },
    /// Refusing, by order.
    ForcedOpen,
    /// Admitting, by order.
    Disabled,
}

/// What asking gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A permit with this number.
    Admitted(u64),
    /// Open until then.
    Open(u64),
    /// Every probe slot is taken.
    ProbesOut,
    /// Forced open.
    Forced,
}

/// What telling a permit back did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Moved a counter.
    Counted,
    /// Moved a counter and changed the mode.
    Changed,
    /// Gave the permit back.
    Released,
    /// Nothing.
    Stale,
}

/// A permit and when it was given.
#[derive(Clone, Copy, Debug)]
struct Given {
    number: u64,
    at: u64,
}

/// The model.
#[derive(Clone, Debug)]
pub struct Breaker {
    policy: Policy,
    mode: Mode,
    openings: u64,
    /// Every permit that was given since the mode last changed.
    current: Vec<Given>,
    permits: u64,
}

impl Breaker {
    /// Closed, with nothing seen.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        let mode = Mode::Closed { failures: 0, forget_at: None };
        Self { policy, mode, openings: 0, current: Vec::new(), permits: 0 }
    }

    /// What it is, after `catch_up`.
    #[must_use]
    pub fn mode(&self) -> &Mode {
        &self.mode
    }

    /// A copy that has caught up with `now`.
    #[must_use]
    pub fn at(&self, now: u64) -> Self {
        let mut later = self.clone();
        while later.catch_up(now) {}
        later
    }

    /// Fixes the end of an open time that was drawn; false if it cannot be that.
    pub fn drew(&mut self, end: u64) -> bool {
        let Mode::Open { at_least, until } = &mut self.mode else { return false };
        let possible = (*at_least..=*until).contains(&end);
        (*at_least, *until) = (end, end);
        possible
    }

    /// Does one thing that time has made due; whether there was one that changed the mode.
    pub fn catch_up(&mut self, now: u64) -> bool {
        self.clamp(now);
        match self.mode {
            Mode::Closed { failures, forget_at: Some(at) } if now >= at => {
                self.openings = 0;
                self.mode = Mode::Closed { failures, forget_at: None };
                false
            }
            Mode::Open { until, .. } if now >= until => {
                self.half_open();
                true
            }
            Mode::HalfOpen { ref out, lease, .. } if !out.is_empty() && now >= lease => {
                self.open(lease);
                true
            }
            _ => false,
        }
    }

    /// A clock that stepped back leaves nothing further ahead than it ever is.
    fn clamp(&mut self, now: u64) {
        let longest = self.policy.open_time(self.openings);
        match &mut self.mode {
            Mode::Closed { forget_at: Some(at), .. } => {
                *at = (*at).min(now.saturating_add(longest));
            }
            Mode::Open { at_least, until } => {
                *until = (*until).min(now.saturating_add(longest));
                *at_least = (*at_least).min(*until);
            }
            Mode::HalfOpen { lease, .. } => {
                *lease = (*lease).min(now.saturating_add(self.policy.lease));
            }
            Mode::Closed { .. } | Mode::ForcedOpen | Mode::Disabled => {}
        }
    }

    /// Asks for a permit.
    pub fn ask(&mut self, now: u64) -> Answer {
        while self.catch_up(now) {}
        let number = self.permits + 1;
        match &mut self.mode {
            Mode::Open { until, .. } => return Answer::Open(*until),
            Mode::ForcedOpen => return Answer::Forced,
            Mode::HalfOpen { out, .. } if out.len() >= self.policy.probes.into() => {
                return Answer::ProbesOut;
            }
            Mode::HalfOpen { out, lease, .. } => {
                out.push(number);
                *lease = now.saturating_add(self.policy.lease);
            }
            Mode::Closed { .. } | Mode::Disabled => {}
        }
        self.permits = number;
        self.current.push(Given { number, at: now });
        Answer::Admitted(number)
    }

    /// Tells permit `number` back.
    pub fn tell(&mut self, number: u64, outcome: Outcome, now: u64) -> Told {
        let Some(given) = self.current.iter().copied().find(|given| given.number == number) else {
            return Told::Stale;
        };
        if self.catch_up(now) {
            return Told::Stale;
        }
        self.current.retain(|given| given.number != number);
        if let Mode::HalfOpen { out, .. } = &mut self.mode {
            out.retain(|&probe| probe != number);
        }
        let ran_for = now.saturating_sub(given.at);
        match &mut self.mode {
            Mode::Closed { failures, .. } => match outcome {
                Outcome::Success => {
                    *failures = 0;
                    Told::Counted
                }
                Outcome::Failure => self.failure(now),
                Outcome::Abandoned
                    if self.policy.abandon_counts_after.is_some_and(|enough| ran_for >= enough) =>
                {
                    self.failure(now)
                }
                Outcome::Ignored | Outcome::Abandoned => Told::Released,
            },
            Mode::HalfOpen { successes, abandoned, .. } => match outcome {
                Outcome::Success => {
                    *successes += 1;
                    if *successes < self.policy.success_threshold.into() {
                        return Told::Counted;
                    }
                    self.close(now);
                    Told::Changed
                }
                Outcome::Failure => {
                    self.open(now);
                    Told::Changed
                }
                Outcome::Abandoned => {
                    *abandoned += 1;
                    if *abandoned < 3 * u64::from(self.policy.probes) {
                        return Told::Released;
                    }
                    self.open(now);
                    Told::Changed
                }
                Outcome::Ignored => Told::Released,
            },
            Mode::Disabled => Told::Released,
            Mode::Open { .. } | Mode::ForcedOpen => panic!("no permit is given in {:?}", self.mode),
        }
    }

    /// Forces the mode: open, disabled, or closed with nothing seen.
    pub fn force(&mut self, mode: Mode) {
        self.openings = 0;
        self.enter(mode);
    }

    fn failure(&mut self, now: u64) -> Told {
        let open_time = self.policy.open_time(self.openings);
        let Mode::Closed { failures, forget_at } = &mut self.mode else { panic!("not closed") };
        *failures += 1;
        if *failures >= self.policy.failure_threshold.into() {
            self.open(now);
            return Told::Changed;
        }
        if let Some(at) = forget_at {
            *at = now.saturating_add(open_time);
        }
        Told::Counted
    }

    fn open(&mut self, since: u64) {
        self.openings += 1;
        let longest = self.policy.open_time(self.openings);
        let shortest = if self.policy.jitter { longest / 2 } else { longest };
        self.enter(Mode::Open {
            at_least: since.saturating_add(shortest),
            until: since.saturating_add(longest),
        });
    }

    fn half_open(&mut self) {
        self.enter(Mode::HalfOpen { out: Vec::new(), lease: 0, successes: 0, abandoned: 0 });
    }

    fn close(&mut self, now: u64) {
        let quiet = self.policy.open_time(self.openings);
        self.enter(Mode::Closed { failures: 0, forget_at: Some(now.saturating_add(quiet)) });
    }

    fn enter(&mut self, mode: Mode) {
        self.mode = mode;
        self.current.clear();
    }
}
