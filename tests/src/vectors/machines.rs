//! What the words of a vector file mean to a machine, whatever drives it.

use super::millis;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use core::time::Duration;
use resil_core::call::Priority;
use resil_core::circuit_breaker::{Recorded, State};
use resil_core::health::{Boot, ChannelError, CheckStatus, HealthStatus, Probe, Starved};
use resil_core::outcome::{FailureClass, Rejected, RetryAt};
use resil_core::{Instant, Outcome, bulkhead};

/// `refused CODE`, and `until T` or `for ever` where that is known.
#[must_use]
pub fn refused(rejected: Rejected, start: Instant) -> String {
    let code = rejected.code();
    match rejected.retry() {
        RetryAt::At(at) => format!("refused {code} until {}", millis(at, start)),
        RetryAt::Unknown => format!("refused {code}"),
        RetryAt::Never => format!("refused {code} for ever"),
    }
}

/// How a call ended.
///
/// # Panics
///
/// If no call ends like that.
#[must_use]
pub fn outcome(word: &str) -> Outcome {
    Outcome::Failure(match word {
        "success" => return Outcome::Success,
        "ignored" => return Outcome::Ignored,
        "abandoned" => return Outcome::Abandoned,
        "transient" => FailureClass::Transient,
        "throttled" => FailureClass::Throttled,
        "timeout" => FailureClass::Timeout,
        "local" => FailureClass::Local,
        "fatal" => FailureClass::Fatal,
        _ => panic!("no call ends with {word}"),
    })
}

/// A breaker, driven directly or by an adapter.
pub trait Breaker {
    /// Asks, and keeps the permit under `name`.
    fn ask(&mut self, name: &str) -> Result<(), Rejected>;
    /// Tells the permit called `name` back; `None` where there is none.
    fn tell(&mut self, name: &str, outcome: Outcome) -> Option<Recorded>;
    /// Drops the permit called `name`, if there is one.
    fn abandon(&mut self, name: &str);
    /// The state.
    fn state(&self) -> State;
    /// When to come back.
    fn retry_at(&self) -> Option<RetryAt>;
    /// Closes it.
    fn reset(&mut self);
    /// Opens it.
    fn force_open(&mut self);
    /// Disables it.
    fn disable(&mut self);
    /// Lets it only count.
    fn metrics_only(&mut self);
}

/// One event at a breaker.
///
/// # Panics
///
/// If there is no such event.
pub fn breaker(breaker: &mut impl Breaker, event: &[&str], start: Instant) -> String {
    let outcome = match event {
        ["ask", name] => {
            return match breaker.ask(name) {
                Ok(()) => "admitted".to_owned(),
                Err(rejected) => refused(rejected, start),
            };
        }
        // So many ask at once.
        ["herd", count] => {
            let count = count.parse().unwrap_or_else(|error| panic!("{count}: {error}"));
            let admitted = (0..count).filter(|n: &u32| breaker.ask(&format!("herd{n}")).is_ok());
            return format!("{} admitted", admitted.count());
        }
        ["abandon", name] => {
            breaker.abandon(name);
            return look(breaker, start);
        }
        ["look"] => return look(breaker, start),
        ["reset"] => {
            breaker.reset();
            return breaker.state().to_string();
        }
        ["force_open"] => {
            breaker.force_open();
            return breaker.state().to_string();
        }
        ["disable"] => {
            breaker.disable();
            return breaker.state().to_string();
        }
        ["metrics_only"] => {
            breaker.metrics_only();
            return breaker.state().to_string();
        }
        ["success", _] => Outcome::Success,
        ["failure", _] => Outcome::Failure(FailureClass::Transient),
        ["timeout", _] => Outcome::Failure(FailureClass::Timeout),
        ["local", _] => Outcome::Failure(FailureClass::Local),
        ["ignore", _] => Outcome::Ignored,
        _ => panic!("a breaker knows no event {event:?}"),
    };
    match breaker.tell(event[1], outcome) {
        None => "nothing to tell".to_owned(),
        Some(recorded) => told(recorded),
    }
}

/// What telling a permit back changed.
///
/// # Panics
///
/// If it is something that the vectors have no word for.
#[must_use]
pub fn told(recorded: Recorded) -> String {
    match recorded {
        Recorded::Counted => "counted".to_owned(),
        Recorded::Released => "released".to_owned(),
        Recorded::Stale => "stale".to_owned(),
        Recorded::Transition(transition) => transition.to_string(),
        Recorded::Detected(transition) => format!("detected {transition}"),
        other => panic!("{other:?} has no word"),
    }
}

fn look(breaker: &impl Breaker, start: Instant) -> String {
    let state = breaker.state();
    match breaker.retry_at() {
        Some(RetryAt::At(at)) => format!("{state} until {}", millis(at, start)),
        Some(RetryAt::Unknown | RetryAt::Never) => format!("{state} refusing"),
        None => format!("{state} admitting"),
    }
}

/// A limiter, driven directly or by an adapter.
pub trait Limiter {
    /// Asks for `cost`, and keeps the charge under `name`.
    fn ask(&mut self, name: &str, cost: u32) -> Result<(), Rejected>;
    /// What asking would give.
    fn peek(&self, cost: u32) -> Result<(), Rejected>;
    /// Gives the charge called `name` back, if there is one.
    fn refund(&mut self, name: &str);
    /// The largest cost that passes.
    fn available(&self) -> u32;
    /// Forgets everything.
    fn reset(&mut self);
}

/// One event at a limiter.
///
/// # Panics
///
/// If there is no such event.
pub fn limiter(limiter: &mut impl Limiter, event: &[&str], start: Instant) -> String {
    let cost = |cost: &str| cost.parse().unwrap_or_else(|error| panic!("cost {cost}: {error}"));
    let answer = |answer: Result<(), Rejected>| match answer {
        Ok(()) => "admitted".to_owned(),
        Err(rejected) => refused(rejected, start),
    };
    match event {
        ["ask", name] => answer(limiter.ask(name, 1)),
        ["ask", name, "cost", tokens] => answer(limiter.ask(name, cost(tokens))),
        ["peek", tokens] => answer(limiter.peek(cost(tokens))),
        ["available"] => limiter.available().to_string(),
        ["refund", name] => {
            limiter.refund(name);
            format!("{} available", limiter.available())
        }
        ["reset"] => {
            limiter.reset();
            format!("{} available", limiter.available())
        }
        _ => panic!("a limiter knows no event {event:?}"),
    }
}

/// A registry of checks, driven directly or by an adapter.
pub trait Health {
    /// Registers a check whose results count for `ttl`.
    fn register(&mut self, name: &str, ttl: Duration);
    /// Takes it out.
    fn unregister(&mut self, name: &str);
    /// Has the check find `status`.
    fn record(&mut self, name: &str, status: HealthStatus);
    /// How the check is.
    fn check(&self, name: &str) -> CheckStatus;
    /// How the node is.
    fn status(&self, probe: Probe) -> HealthStatus;
}

/// One event at a registry of checks.
///
/// # Panics
///
/// If there is no such event.
pub fn health(health: &mut impl Health, event: &[&str]) -> String {
    match event {
        ["register", name, ttl] => {
            let ttl = ttl.parse().unwrap_or_else(|error| panic!("ttl {ttl}: {error}"));
            health.register(name, Duration::from_millis(ttl));
            "registered".to_owned()
        }
        ["unregister", name] => {
            health.unregister(name);
            "unregistered".to_owned()
        }
        ["record", name, status] => {
            let status = status.parse().unwrap_or_else(|error| panic!("{status}: {error}"));
            health.record(name, status);
            health.check(name).to_string()
        }
        ["check", name] => health.check(name).to_string(),
        ["overall"] => health.status(Probe::Overall).to_string(),
        ["startup"] => health.status(Probe::Startup).to_string(),
        ["readiness"] => health.status(Probe::Readiness).to_string(),
        ["liveness"] => health.status(Probe::Liveness).to_string(),
        _ => panic!("a registry knows no event {event:?}"),
    }
}

/// A bulkhead, driven directly or by an adapter.
pub trait Bulkhead {
    /// Asks, and keeps the permit under `name`.
    fn ask(&mut self, name: &str, weight: u16, priority: Priority) -> Result<(), Rejected>;
    /// Tells the permit called `name` back.
    fn tell(&mut self, name: &str, outcome: Outcome) -> bulkhead::Recorded;
    /// The largest weight that passes.
    fn available(&self, priority: Priority) -> u16;
    /// Permits that are out.
    fn held(&self) -> u16;
    /// Forgets what is held.
    fn reset(&mut self);
    /// Puts a policy of so many permits in force.
    fn resize(&mut self, permits: u16);
}

/// One event at a bulkhead.
///
/// # Panics
///
/// If there is no such event.
pub fn bulkhead(machine: &mut impl Bulkhead, event: &[&str], start: Instant) -> String {
    match *event {
        ["ask", name, importance, weight] => {
            let weight = weight.parse().unwrap_or_else(|error| panic!("{weight}: {error}"));
            match machine.ask(name, weight, priority(importance)) {
                Ok(()) => "admitted".to_owned(),
                Err(rejected) => refused(rejected, start),
            }
        }
        ["available", importance] => machine.available(priority(importance)).to_string(),
        ["capacity", permits] => {
            machine.resize(permits.parse().unwrap_or_else(|error| panic!("{permits}: {error}")));
            format!("{} held", machine.held())
        }
        ["reset"] => {
            machine.reset();
            format!("{} held", machine.held())
        }
        [ended, name] => match machine.tell(name, outcome(ended)) {
            bulkhead::Recorded::Released => format!("{} held", machine.held()),
            bulkhead::Recorded::Stale => "stale".to_owned(),
        },
        _ => panic!("a bulkhead knows no event {event:?}"),
    }
}

fn priority(word: &str) -> Priority {
    match word {
        "low" => Priority::Low,
        "normal" => Priority::Normal,
        "high" => Priority::High,
        _ => panic!("no priority is called {word}"),
    }
}

/// The gate in front of a hardware watchdog, driven directly or by an adapter.
pub trait Watchdog {
    /// A task is alive.
    fn check_in(&mut self, channel: u8) -> Result<(), ChannelError>;
    /// A task sleeps on purpose.
    fn suspend(&mut self, channel: u8) -> Result<(), ChannelError>;
    /// A task goes on.
    fn resume(&mut self, channel: u8) -> Result<(), ChannelError>;
    /// Asks to feed the hardware.
    fn feed(&mut self) -> Result<(), Starved>;
    /// When feeding is next forbidden.
    fn next_deadline(&self) -> Option<Instant>;
    /// Begins anew without a restart.
    fn reset(&mut self);
    /// Resets in a row.
    fn resets(&self) -> u8;
    /// Restarts, with what was kept, and says what had starved.
    fn boot(&mut self, boot: Boot) -> Option<u8>;
}

/// One event at the gate in front of a hardware watchdog.
///
/// # Panics
///
/// If there is no such event.
pub fn watchdog(watchdog: &mut impl Watchdog, event: &[&str], start: Instant) -> String {
    let starved = |starved: Starved| {
        format!("starved by {} since {}", starved.channel(), millis(starved.since(), start))
    };
    let told = |result, word: &str| match result {
        Ok(()) => word.to_owned(),
        Err(ChannelError::Starved(cause)) => starved(cause),
        Err(ChannelError::Unknown) => "no such channel".to_owned(),
    };
    let channel = |word: &str| word.parse().unwrap_or_else(|error| panic!("{word}: {error}"));
    match event {
        ["check_in", word] => told(watchdog.check_in(channel(word)), "in time"),
        ["suspend", word] => told(watchdog.suspend(channel(word)), "suspended"),
        ["resume", word] => told(watchdog.resume(channel(word)), "resumed"),
        ["feed"] => watchdog.feed().map_or_else(starved, |()| "fed".to_owned()),
        ["deadline"] => watchdog.next_deadline().map_or("never".to_owned(), |at| millis(at, start)),
        ["reset"] => {
            watchdog.reset();
            "reset".to_owned()
        }
        ["resets"] => watchdog.resets().to_string(),
        ["boot", reason] => {
            let boot = if *reason == "watchdog" { Boot::Watchdog } else { Boot::Other };
            match watchdog.boot(boot) {
                Some(channel) => format!("because of {channel}"),
                None => "for no known cause".to_owned(),
            }
        }
        _ => panic!("a watchdog knows no event {event:?}"),
    }
}
