//! A machine behind a lock, and beside the lock what can be known and told without it.

use core::ops::{Deref, DerefMut};

use resil_core::circuit_breaker::{
    CircuitBreaker, CircuitBreakerConfig, Generation, Glance, Heard, Permit, Recorded, State,
    SubWindow, Transition, Window,
};
use resil_core::event::EventKind;
use resil_core::outcome::{Classify, Outcome, Rejected};
use resil_core::{Clock, Instant};

use super::TARGET;
use super::published::Published;
use super::told::Told;
use crate::log;
use crate::sync::{Mutex, MutexGuard, lock};

type Machine<W> = CircuitBreaker<CircuitBreakerConfig<W>, W>;

/// The machine, and what was told to it that it does not know yet.
struct Locked<W: Window> {
    machine: Machine<W>,
    /// The word that was taken away from [`Told`], from then until all that were late in it have withdrawn.
    taken: u64,
}

/// What the handles of one breaker share. What each success writes is far from what each call reads: where
/// it adds up, a machine lies between that is longer than a cache line.
#[repr(C)]
pub(super) struct Shared<C, T, W: Window> {
    told: Told,
    locked: Mutex<Locked<W>>,
    published: Published,
    clock: T,
    classifier: C,
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
        let (generation, sub_window) = (Generation::FIRST, machine.sub_window());
        let published = Published::new(machine.glance(), generation, sub_window);
        let told = Told::new();
        if sub_window != SubWindow::NONE {
            told.open(generation);
        }
        let locked = Mutex::new(Locked { machine, taken: Generation::CLOSED });
        Self { told, locked, published, clock, classifier, name }
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
        self.machine_after(None)
    }

    /// The machine, after a success that was late has withdrawn. Whoever else is late in what was told has
    /// found so already, and is on its way here: it is waited for.
    fn machine_after(&self, mut late: Option<Generation>) -> Held<'_, W> {
        let Self { told, published, .. } = self;
        let mut locked = lock(&self.locked);
        loop {
            if let Some(word) = told.take() {
                locked.taken = word;
            }
            if let Some(late) = late.take() {
                locked.taken = late.withdraw(locked.taken);
                told.has_withdrawn();
            }
            let generation = published.generation();
            if let Some(successes) = generation.successes(locked.taken) {
                locked.taken = Generation::CLOSED;
                locked.machine.add_successes(successes);
                return Held { locked, published, told, generation };
            }
            locked = told.wait(locked);
        }
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
        self.published.glance().try_acquire(self.clock.now())
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
        let renew = |machine: &mut Held<'_, W>, now| {
            let recorded = machine.record(permit, Outcome::Ignored, entropy, now);
            (machine.try_acquire(entropy, now), recorded.transition())
        };
        self.decide(renew).inspect_err(|rejected| self.log_refusal(*rejected))
    }

    #[inline]
    pub(super) fn record(&self, permit: Permit, outcome: Outcome) -> Recorded {
        match self.record_at_a_glance(&permit, outcome) {
            Some(recorded) => recorded,
            None => self.record_locked(permit, outcome),
        }
    }

    /// What can be recorded with little code.
    #[inline(always)]
    pub(super) fn record_at_a_glance(&self, permit: &Permit, outcome: Outcome) -> Option<Recorded> {
        if !W::ADDS_UP {
            return self.published.glance().record(permit, outcome);
        }
        let adding = Glance::adding(permit, outcome)?;
        let (glance, generation) = self.published.look();
        if glance == adding { self.add(permit, generation) } else { None }
    }

    /// Tells a success that adds up, at a look of this generation. Between looking and adding, others may
    /// have begun the next sub-window: then it is one of that, as if the clock had been read only then.
    #[inline(always)]
    fn add(&self, permit: &Permit, generation: Generation) -> Option<Recorded> {
        if !self.published.sub_window().has(permit, self.clock.now()) {
            return None;
        }
        match self.told.add(generation) {
            Heard::Yes => {}
            Heard::Many => self.count_told(),
            Heard::No => return None,
            Heard::Late => return self.withdraw(generation),
        }
        Some(Recorded::Counted)
    }

    /// It was added to what others have told, and is to be recorded under the lock.
    #[cold]
    fn withdraw(&self, late: Generation) -> Option<Recorded> {
        drop(self.machine_after(Some(late)));
        None
    }

    /// Who takes the lock counts them.
    #[cold]
    fn count_told(&self) {
        drop(self.machine());
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
        decide: impl FnOnce(&mut Held<'_, W>, Instant) -> (R, Option<Transition>),
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

/// The machine, locked, which knows of all successes that were told. What is published is brought up to
/// date before the lock is free.
pub(super) struct Held<'a, W: Window> {
    locked: MutexGuard<'a, Locked<W>>,
    published: &'a Published,
    told: &'a Told,
    generation: Generation,
}

impl<W: Window> Held<'_, W> {
    /// Goes on under another policy.
    pub(super) fn reconfigure(&mut self, config: CircuitBreakerConfig<W>, now: Instant) {
        self.locked.machine.reconfigure(config, now);
        self.generation = self.generation.next();
    }
}

impl<W: Window> Deref for Held<'_, W> {
    type Target = Machine<W>;

    fn deref(&self) -> &Machine<W> {
        &self.locked.machine
    }
}

impl<W: Window> DerefMut for Held<'_, W> {
    fn deref_mut(&mut self) -> &mut Machine<W> {
        &mut self.locked.machine
    }
}

impl<W: Window> Drop for Held<'_, W> {
    #[inline]
    fn drop(&mut self) {
        let machine = &self.locked.machine;
        let (glance, sub_window) = (machine.glance(), machine.sub_window());
        if glance.has_moved_since(self.published.glance()) {
            self.generation = self.generation.next();
        }
        self.published.renew(glance, self.generation, sub_window);
        if sub_window != SubWindow::NONE {
            self.told.open(self.generation);
        }
    }
}

/// Drawn from only when a breaker opens whose open time has jitter.
fn entropy() -> u32 {
    rand::random()
}

#[cfg(all(test, not(loom)))]
mod tests;
