//! Gates, a budget and a hedge that do as they are told and remember everything.

use alloc::rc::Rc;
use core::cell::RefCell;
use core::time::Duration;
use resil_core::call::{Budget, End, Extra, Gate, Hedging, Request};
use resil_core::hedge::HedgeDecision;
use resil_core::outcome::{FailureClass, Rejected, RetryAt, RetryHint};
use resil_core::{ErrorCode, Instant, Outcome};

/// What has happened, in order, as words.
pub type Log = Rc<RefCell<Vec<String>>>;

/// A gate that lends numbered permits, unless it was told to refuse.
#[derive(Debug)]
pub struct Spy {
    /// What it is called in the log.
    pub name: &'static str,
    /// What it says instead of lending.
    pub refuses: Option<Rejected>,
    /// Permits that are out.
    pub out: Vec<u32>,
    issued: u32,
    log: Log,
}

impl Spy {
    /// One that lends.
    #[must_use]
    pub fn new(name: &'static str, log: &Log) -> Self {
        Self { name, refuses: None, out: Vec::new(), issued: 0, log: Rc::clone(log) }
    }
}

impl Gate for Spy {
    type Permit = u32;
    type Report = ();

    fn try_acquire(
        &mut self,
        request: &Request,
        _: &mut impl FnMut() -> u32,
        _: Instant,
    ) -> Result<u32, Rejected> {
        if let Some(rejected) = self.refuses {
            self.log.borrow_mut().push(format!("{} refuses", self.name));
            return Err(rejected);
        }
        self.issued += 1;
        self.out.push(self.issued);
        let elsewhere = if request.elsewhere { " elsewhere" } else { "" };
        self.log.borrow_mut().push(format!("{} lends {}{elsewhere}", self.name, self.issued));
        Ok(self.issued)
    }

    fn settle(&mut self, permit: u32, end: End, _: &mut impl FnMut() -> u32, _: Instant) {
        let place = self.out.iter().position(|&out| out == permit);
        self.out.remove(place.expect("a permit is told back once"));
        let end = match end {
            End::Unused => "unused".to_owned(),
            End::Attempted(outcome) => word(outcome).to_owned(),
        };
        self.log.borrow_mut().push(format!("{} gets {permit} back: {end}", self.name));
    }
}

/// The word for an outcome.
#[must_use]
pub const fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Success => "success",
        Outcome::Failure(FailureClass::Timeout) => "timeout",
        Outcome::Failure(_) => "failure",
        Outcome::Ignored => "ignored",
        Outcome::Abandoned => "abandoned",
    }
}

/// A budget of so many extra attempts.
#[derive(Debug)]
pub struct Purse {
    /// How many more it pays.
    pub left: u32,
    /// Charges that are neither settled nor refunded.
    pub out: u32,
    /// Calls that began.
    pub begun: u32,
    /// How attempts ended, paid for or not.
    pub settled: Vec<Outcome>,
}

impl Purse {
    /// One that pays so many.
    #[must_use]
    pub const fn of(left: u32) -> Self {
        Self { left, out: 0, begun: 0, settled: Vec::new() }
    }
}

/// What an extra attempt has cost.
#[derive(Debug)]
pub struct Coin;

impl Budget for Purse {
    type Charge = Coin;

    fn begin(&mut self, _: Instant) {
        self.begun += 1;
    }

    fn try_withdraw(&mut self, _: Extra, _: Instant) -> Result<Coin, Rejected> {
        if self.left == 0 {
            return Err(Rejected::new(ErrorCode::RetryFailed, RetryAt::Unknown));
        }
        self.left -= 1;
        self.out += 1;
        Ok(Coin)
    }

    fn settle(&mut self, charge: Option<Coin>, outcome: Outcome, _: Instant) {
        self.out -= u32::from(charge.is_some());
        self.settled.push(outcome);
    }

    fn refund(&mut self, Coin: Coin, _: Instant) {
        self.out -= 1;
        self.left += 1;
    }
}

/// One hedge after a fixed time.
#[derive(Clone, Debug)]
pub struct After {
    /// After how long; `None`: never.
    pub delay: Option<Duration>,
    /// Whether a failure starts it at once.
    pub early: bool,
    /// The latencies that were recorded.
    pub latencies: Vec<Duration>,
}

impl After {
    /// One such.
    #[must_use]
    pub const fn new(delay: Option<Duration>, early: bool) -> Self {
        Self { delay, early, latencies: Vec::new() }
    }
}

impl Hedging for After {
    fn due(&self, sent: u8, since: Instant) -> Option<Instant> {
        self.delay.filter(|_| sent == 0).map(|delay| since.saturating_add(delay))
    }

    fn on_failure(&self, _: u8, class: FailureClass, hint: RetryHint, _: Instant) -> HedgeDecision {
        let is_plain = class.is_retryable() && hint == RetryHint::None;
        if self.early && is_plain { HedgeDecision::Now } else { HedgeDecision::Stop }
    }

    fn record_latency(&mut self, since: Instant, now: Instant) {
        self.latencies.push(now.saturating_since(since));
    }
}
