//! How a call begins, and how it ends that succeeds at once.

use resil_core::call::{Call, First, Pipeline, Step, Transitions};
use resil_core::event::EventKind;
use resil_core::{Clock, Instant};

use super::TARGET;
use super::handle::Handle;
use super::run::entropy;
use crate::log;

/// How a call begins.
pub(super) enum Beginning<L: Pipeline> {
    /// With its first attempt alone.
    Alone(First<L::Permit>),
    /// As it must, where there is more to it.
    Begun(Begun<L>),
}

/// A call that is more than its first attempt, its first step, and what that changed about the breaker.
pub(crate) struct Begun<L: Pipeline> {
    pub(super) call: Call<L::Permit, L::Charge>,
    pub(super) step: Step,
    pub(super) transitions: Transitions,
    pub(super) max_attempts: u32,
    /// When.
    pub(super) at: Instant,
}

/// A call that is its first attempt and no more, for a function that is not in line: put together only
/// where that is called, so that till then all of it may be in registers.
pub(super) struct Alone<'a, L: Pipeline, T> {
    pub(super) handle: Handle<'a, L, T>,
    pub(super) first: First<L::Permit>,
}

impl<L: Pipeline, T: Clock> Alone<'_, L, T> {
    /// It has succeeded. The clock is read only if a layer wants to know when.
    #[inline(never)]
    fn succeed(self) {
        let Self { handle, first } = self;
        let mut held = handle.kept.lock();
        let (policy, state) = held.parts();
        let now = if policy.needs_end(state) { handle.clock.now() } else { first.started_at() };
        let transitions = policy.succeed(first, state, &mut entropy, now);
        drop(held);
        handle.log_transitions(transitions);
    }
}

impl<L: Pipeline, T: Clock> Handle<'_, L, T> {
    /// Begins without the lock, where core says how. Not if somebody [hears](log::hears_successes) of what
    /// goes well: nothing is said of it.
    ///
    /// # Errors
    ///
    /// It does not begin so, and the instant of that, if the clock was read.
    #[inline(always)]
    pub(super) fn begin_at_a_glance(&self) -> Result<First<L::Permit>, Option<Instant>> {
        if !L::HAS_GLANCE {
            return Err(None);
        }
        self.kept.begin(&self.request, self.deadline, self.clock)
    }

    /// [`begin_at_a_glance`](Self::begin_at_a_glance) once the first policy is no longer in force.
    ///
    /// # Errors
    ///
    /// As there. What was `read` before comes back.
    #[inline(always)]
    pub(super) fn begin_later(
        &self,
        read: Option<Instant>,
    ) -> Result<First<L::Permit>, Option<Instant>> {
        if !L::HAS_GLANCE || read.is_some() {
            return Err(read);
        }
        self.kept.begin_later(&self.request, self.deadline, self.clock)
    }

    /// Begins with the first attempt alone, by one reading of the clock, or as it must, where there is more
    /// to it. Of the former nothing is said. What was [read](Self::begin_at_a_glance) before will do:
    /// machines are right where time is told a little late.
    ///
    /// It takes the handle by value, for else that has to lie in memory.
    #[inline(never)]
    pub(super) fn begin(self, read: Option<Instant>) -> Beginning<L> {
        let mut held = self.kept.lock();
        let now = read.unwrap_or_else(|| self.clock.now());
        let (policy, state) = held.parts();
        let Self { request, deadline, .. } = self;
        let max_attempts = policy.call().retry().max_attempts();
        let (begun, transitions) = policy.begin(&request, deadline, state, &mut entropy, now);
        let (call, step) = match begun {
            // Whoever listens may panic, and a call would have to give back what this has.
            Ok(first) if transitions.iter().all(Option::is_none) => return Beginning::Alone(first),
            Ok(first) => {
                let (call, ticket) = policy.go_on(first, request, deadline);
                (call, Step::Attempt(ticket))
            }
            Err(why) => policy.not_admitted(why, request, deadline, state, &mut entropy, now),
        };
        Beginning::Begun(Begun { call, step, transitions, max_attempts, at: now })
    }

    /// Begins with a step, by one reading of the clock.
    #[inline(never)]
    pub(crate) fn start(self) -> Begun<L> {
        let (mut held, now) = self.at_present();
        let (policy, state) = held.parts();
        let mut call = policy.start(self.request, self.deadline, now);
        let (step, transitions) = policy.step(&mut call, None, state, &mut entropy, now);
        let max_attempts = policy.call().retry().max_attempts();
        Begun { call, step, transitions, max_attempts, at: now }
    }

    /// The first attempt has succeeded, and that was the call.
    #[inline(always)]
    pub(super) fn succeed(&self, first: First<L::Permit>) {
        if !self.kept.succeed(&first) {
            Alone { handle: self.copied(), first }.succeed();
        }
    }

    #[inline]
    pub(super) fn log_transitions(&self, transitions: Transitions) {
        if log::is_on() {
            self.log_each(transitions);
        }
    }

    #[cold]
    fn log_each(&self, transitions: Transitions) {
        for transition in transitions.into_iter().flatten() {
            let Self { name: peer, index, .. } = *self;
            let (from, to) = (transition.from.name(), transition.to.name());
            #[cfg(feature = "metrics")]
            if index.is_none() {
                crate::metrics::breaker_moved(peer, transition);
            }
            log::event!(TARGET, EventKind::of_transition(transition), peer, index, from, to);
        }
    }
}
