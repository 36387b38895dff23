//! A machine behind a lock, and a glance at it beside the lock.

use core::ops::{Deref, DerefMut};

use resil_core::circuit_breaker::{
    CircuitBreaker, CircuitBreakerConfig, Glance, Permit, Recorded, State, Transition, Window,
};
use resil_core::event::EventKind;
use resil_core::outcome::{Classify, Outcome, Rejected};
use resil_core::{Clock, Instant};

use super::TARGET;
use crate::log;
use crate::sync::{AtomicU32, Mutex, MutexGuard, Ordering, lock};

type Machine<W> = CircuitBreaker<CircuitBreakerConfig<W>, W>;

/// What the handles of one breaker share.
pub(super) struct Shared<C, T, W: Window> {
    /// Core's [`Glance`]: written under the lock and read without.
    glance: AtomicU32,
    clock: T,
    classifier: C,
    machine: Mutex<Machine<W>>,
    name: Box<str>,
}

impl<C, T, W: Window> Shared<C, T, W> {
    pub(super) fn new(
        name: Box<str>,
        config: CircuitBreakerConfig<W>,
        classifier: C,
        clock: T,
    ) -> Self {
        let machine = Machine::new(config);
        let glance = AtomicU32::new(machine.glance().into_raw());
        Self { glance, clock, classifier, machine: Mutex::new(machine), name }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What the classifier makes of `result`.
    #[inline]
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

    /// A panic elsewhere while the lock was held cannot have left the machine half-changed: core
    /// does not panic, and nothing else runs under the lock but the clock, before the machine.
    pub(super) fn machine(&self) -> Held<'_, W> {
        Held { machine: lock(&self.machine), glance: &self.glance }
    }

    #[inline]
    fn glance(&self) -> Glance {
        Glance::from_raw(self.glance.load(Ordering::Acquire))
    }
}

impl<C, T: Clock, W: Window> Shared<C, T, W> {
    #[inline]
    pub(super) fn try_acquire(&self) -> Result<Permit, Rejected> {
        match self.try_acquire_at_a_glance() {
            Some(permit) => Ok(permit),
            None => self.try_acquire_locked(),
        }
    }

    #[inline]
    pub(super) fn try_acquire_at_a_glance(&self) -> Option<Permit> {
        self.glance().try_acquire(self.clock.now())
    }

    #[inline(never)]
    pub(super) fn try_acquire_locked(&self) -> Result<Permit, Rejected> {
        self.decide(|machine, now| (machine.try_acquire(entropy, now), None))
            .inspect_err(|rejected| self.log_refusal(*rejected))
    }

    /// A permit that nothing was done with is told back, and one taken from now on, in one step: no other
    /// probe comes between. Where calls pass freely, the old one holds nothing.
    #[cfg(feature = "tower")]
    pub(super) fn renew(&self, permit: Permit) -> Result<Permit, Rejected> {
        if let Some(renewed) = self.try_acquire_at_a_glance() {
            return Ok(renewed);
        }
        let renew = |machine: &mut Machine<W>, now| {
            let recorded = machine.record(permit, Outcome::Ignored, entropy, now);
            (machine.try_acquire(entropy, now), recorded.transition())
        };
        self.decide(renew).inspect_err(|rejected| self.log_refusal(*rejected))
    }

    pub(super) fn record(&self, permit: Permit, outcome: Outcome) -> Recorded {
        match self.record_at_a_glance(&permit, outcome) {
            Some(recorded) => recorded,
            None => self.record_locked(permit, outcome),
        }
    }

    #[inline]
    pub(super) fn record_at_a_glance(&self, permit: &Permit, outcome: Outcome) -> Option<Recorded> {
        self.glance().record(permit, outcome)
    }

    #[inline(never)]
    pub(super) fn record_locked(&self, permit: Permit, outcome: Outcome) -> Recorded {
        let recorded = self.decide(|machine, now| {
            let recorded = machine.record(permit, outcome, entropy, now);
            (recorded, recorded.transition())
        });
        if let Some(detected) = recorded.detected() {
            self.log_detected(detected);
        }
        recorded
    }

    pub(super) fn look<R>(&self, look: impl FnOnce(&Machine<W>, Instant) -> R) -> R {
        let machine = self.machine();
        look(&machine, self.clock.now())
    }

    /// Has the machine decide, and then, with the lock free again, logs what that changed.
    pub(super) fn decide<R>(
        &self,
        decide: impl FnOnce(&mut Machine<W>, Instant) -> (R, Option<Transition>),
    ) -> R {
        let mut machine = self.machine();
        // Read under the lock, so that the machine sees time in order.
        let now = self.clock.now();
        let due = [machine.poll(entropy, now), machine.poll(entropy, now)];
        let (decision, caused) = decide(&mut machine, now);
        drop(machine);
        for transition in due.into_iter().chain([caused]).flatten() {
            self.log(transition);
        }
        decision
    }

    #[cold]
    fn log(&self, transition: Transition) {
        let kind = EventKind::of_transition(transition);
        #[cfg(feature = "metrics")]
        crate::metrics::breaker_moved(self.name(), transition);
        let Transition { from, to } = transition;
        let (breaker, from, name) = (self.name(), from.name(), to.name());
        match to {
            State::Open | State::ForcedOpen => {
                log::at!(warn, TARGET, kind; breaker, from, to = name, "transition");
            }
            // Closed, half-open, and whatever else lets calls pass.
            _ => {
                log::at!(info, TARGET, kind; breaker, from, to = name, "transition");
            }
        }
    }

    #[cold]
    fn log_detected(&self, detected: Transition) {
        let kind = EventKind::of_transition(detected);
        let Transition { from, to } = detected;
        let (breaker, from, to) = (self.name(), from.name(), to.name());
        log::at!(warn, TARGET, kind; breaker, from, to, "transition detected, not made");
    }

    fn log_refusal(&self, rejected: Rejected) {
        let kind = EventKind::of_refusal(rejected);
        let (breaker, code) = (self.name(), rejected.code().name());
        log::at!(debug, TARGET, kind; breaker, code, "refused");
    }
}

/// The machine, locked. The glance is brought up to date before the lock is free.
pub(super) struct Held<'a, W: Window> {
    machine: MutexGuard<'a, Machine<W>>,
    glance: &'a AtomicU32,
}

impl<W: Window> Deref for Held<'_, W> {
    type Target = Machine<W>;

    fn deref(&self) -> &Machine<W> {
        &self.machine
    }
}

impl<W: Window> DerefMut for Held<'_, W> {
    fn deref_mut(&mut self) -> &mut Machine<W> {
        &mut self.machine
    }
}

impl<W: Window> Drop for Held<'_, W> {
    #[inline]
    fn drop(&mut self) {
        let glance = self.machine.glance().into_raw();
        // A store where nothing changes would take the word from the caches of all who read it.
        if self.glance.load(Ordering::Relaxed) != glance {
            self.glance.store(glance, Ordering::Release);
        }
    }
}

/// Drawn from only when a breaker opens whose open time has jitter.
fn entropy() -> u32 {
    rand::random()
}
