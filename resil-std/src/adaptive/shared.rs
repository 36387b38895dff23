//! The machine behind its lock, and the line before it.

use resil_core::adaptive::{ConcurrencyLimit, ConcurrencyLimiter, Permit, Recorded};
use resil_core::error::ErrorCode;
use resil_core::event::EventKind;
use resil_core::outcome::{Classify, Outcome, Rejected, RetryAt};
use resil_core::{Clock, Instant};

use super::TARGET;
use crate::line::Line;
use crate::log;
use crate::sync::{Mutex, lock};

type Machine<L> = ConcurrencyLimiter<L>;

/// What the handles of one limiter share.
pub(super) struct Shared<L: ConcurrencyLimit, C, T> {
    pub(super) name: Box<str>,
    pub(super) clock: T,
    pub(super) line: Line,
    classifier: C,
    machine: Mutex<Machine<L>>,
}

/// What the first in line gets.
pub(super) enum Turn {
    Taken(Permit),
    /// When somebody gives back, or at the instant from which on the answer may be another.
    WhenFreed(Option<Instant>),
}

impl<L: ConcurrencyLimit, C, T> Shared<L, C, T> {
    pub(super) fn new(name: Box<str>, policy: L, classifier: C, clock: T) -> Self {
        let machine = Mutex::new(Machine::new(policy));
        Self { name, clock, line: Line::new(), classifier, machine }
    }

    /// What the classifier makes of `result`.
    pub(super) fn outcome<V, E>(&self, result: &Result<V, E>) -> Outcome
    where
        C: Classify<E>,
    {
        match result {
            Ok(_) => Outcome::Success,
            Err(error) => self.classifier.classify(error).outcome(),
        }
    }

    #[cfg(feature = "tower")]
    pub(super) const fn classifier(&self) -> &C {
        &self.classifier
    }

    #[cold]
    fn log_moved(&self, recorded: Recorded) {
        let Recorded::Limit { from, to } = recorded else { return };
        let kind = EventKind::of_limit(from, to);
        let limit = &*self.name;
        log::event!(TARGET, kind, limit, from, to);
    }

    #[cold]
    fn refused(&self, rejected: Rejected) -> Rejected {
        let (limit, code) = (&*self.name, rejected.code().name());
        log::event!(TARGET, EventKind::LoadShed, limit, code);
        rejected
    }
}

impl<L: ConcurrencyLimit, C, T: Clock> Shared<L, C, T> {
    pub(super) fn try_acquire(&self) -> Result<Permit, Rejected> {
        let answer = match self.line.look().is_empty() {
            true => self.decide(|machine, now| machine.try_acquire(entropy, now)),
            false => Err(others_wait()),
        };
        answer.map_err(|rejected| self.refused(rejected))
    }

    /// A permit for who would wait, where nobody does and there is room.
    pub(super) fn passes(&self) -> Option<Permit> {
        if !self.line.look().is_empty() {
            return None;
        }
        self.decide(|machine, now| machine.try_acquire(entropy, now)).ok()
    }

    /// Takes for whoever is first, or says what to wait for.
    pub(super) fn take_as_head(&self) -> Result<Turn, Rejected> {
        self.decide(|machine, now| match machine.try_acquire(entropy, now) {
            Ok(permit) => Ok(Turn::Taken(permit)),
            Err(rejected) if rejected.retry() == RetryAt::Never => Err(rejected),
            Err(_) => Ok(Turn::WhenFreed(machine.next_deadline(now))),
        })
    }

    pub(super) fn record(&self, permit: Permit, outcome: Outcome) -> Recorded {
        let recorded = self.change(|machine, now| machine.record(permit, outcome, entropy, now));
        self.log_moved(recorded);
        recorded
    }

    /// A permit that nothing was done with is told back, and one taken from `now` on, in one step: nobody
    /// comes between.
    #[cfg(feature = "tower")]
    pub(super) fn renew(&self, permit: Permit) -> Result<Permit, Rejected> {
        let renewed = self.decide(|machine, now| {
            machine.record(permit, Outcome::Ignored, entropy, now);
            machine.try_acquire(entropy, now)
        });
        renewed.map_err(|rejected| self.refused(rejected))
    }

    pub(super) fn look<R>(&self, look: impl FnOnce(&Machine<L>, Instant) -> R) -> R {
        self.decide(|machine, now| look(machine, now))
    }

    /// A change that may make room: whoever is first in line is told if it has.
    pub(super) fn change<R>(&self, change: impl FnOnce(&mut Machine<L>, Instant) -> R) -> R {
        let (changed, has_room) =
            self.decide(|machine, now| (change(machine, now), machine.peek(now).is_ok()));
        if has_room {
            self.line.free();
        }
        changed
    }

    /// Puts another policy in force. Whoever is first looks again, room or not: the instant at which the
    /// answer changes by itself is another.
    pub(super) fn reconfigure(&self, policy: L) {
        self.decide(|machine, now| machine.reconfigure(policy, now));
        let limit = &*self.name;
        log::event!(TARGET, EventKind::ConfigurationChanged, limit);
        self.line.free();
    }

    /// One decision under the lock. Core does not panic, and nothing else runs under it but the clock,
    /// before the machine.
    fn decide<R>(&self, decide: impl FnOnce(&mut Machine<L>, Instant) -> R) -> R {
        let mut machine = lock(&self.machine);
        let now = self.clock.now();
        decide(&mut machine, now)
    }
}

/// What is there is for those who wait.
fn others_wait() -> Rejected {
    Rejected::new(ErrorCode::LoadShed, RetryAt::Unknown)
}

/// Drawn from only when a probe of the baseline ends.
fn entropy() -> u32 {
    rand::random()
}
