//! How a call begins, and how it ends that succeeds at once.

use resil_core::call::{Call, First, Pipeline, Step, Transitions};
use resil_core::event::EventKind;
use resil_core::{Clock, Instant};

use super::TARGET;
use super::handle::Handle;
use super::run::entropy;
use crate::log;

/// A call that is more than its first attempt, its first step, and what that changed about the breaker.
pub(super) struct Begun<P, U> {
    pub(super) call: Call<P, U>,
    pub(super) step: Step,
    pub(super) transitions: Transitions,
    pub(super) max_attempts: u32,
    /// When.
    pub(super) at: Instant,
}

impl<L: Pipeline, T: Clock> Handle<'_, L, T> {
    /// Begins with the first attempt and nothing else, unless somebody hears of all that goes well, or
    /// wants to know which attempt it is. Else with a step.
    #[inline(always)]
    pub(super) fn begin_with(
        &self,
        nothing_else: bool,
    ) -> Result<First<L::Permit>, Begun<L::Permit, L::Charge>> {
        if nothing_else && !log::hears_successes() { self.begin() } else { Err(self.start()) }
    }

    /// Begins with the first attempt and nothing else, by one reading of the clock; without the lock, where
    /// core says how. Or begins as it must, where there is more to it.
    #[inline(always)]
    fn begin(&self) -> Result<First<L::Permit>, Begun<L::Permit, L::Charge>> {
        if L::HAS_GLANCE
            && let Some(first) = self.kept.begin(&self.request, self.deadline, self.clock.now())
        {
            return Ok(first);
        }
        self.begin_locked()
    }

    #[inline(never)]
    fn begin_locked(&self) -> Result<First<L::Permit>, Begun<L::Permit, L::Charge>> {
        let (mut held, now) = self.at_present();
        let (policy, state) = held.parts();
        let Self { request, deadline, .. } = *self;
        let max_attempts = policy.call().retry().max_attempts();
        let (begun, transitions) = policy.begin(&request, deadline, state, &mut entropy, now);
        match begun {
            // Whoever listens may panic, and a call would have to give back what this has.
            Ok(first) if transitions.iter().all(Option::is_none) => Ok(first),
            Ok(first) => {
                let (call, ticket) = policy.go_on(first, request);
                Err(Begun { call, step: Step::Attempt(ticket), transitions, max_attempts, at: now })
            }
            Err(why) => {
                let (call, step) =
                    policy.not_admitted(why, request, deadline, state, &mut entropy, now);
                Err(Begun { call, step, transitions, max_attempts, at: now })
            }
        }
    }

    /// Begins with a step.
    #[inline(never)]
    fn start(&self) -> Begun<L::Permit, L::Charge> {
        let (mut held, now) = self.at_present();
        let (policy, state) = held.parts();
        let mut call = policy.start(self.request, self.deadline, now);
        let (step, transitions) = policy.step(&mut call, None, state, &mut entropy, now);
        let max_attempts = policy.call().retry().max_attempts();
        Begun { call, step, transitions, max_attempts, at: now }
    }

    /// The first attempt has succeeded, and that was the call. Where the lock has to be taken, the clock is
    /// read only if a layer wants to know.
    #[inline(always)]
    pub(super) fn succeed(&self, first: First<L::Permit>) {
        if !self.kept.succeed(&first) {
            self.succeed_locked(first);
        }
    }

    #[inline(never)]
    fn succeed_locked(&self, first: First<L::Permit>) {
        let mut held = self.kept.lock();
        let (policy, state) = held.parts();
        let now = if policy.needs_end(state) { self.clock.now() } else { first.started_at() };
        let transitions = policy.succeed(first, state, &mut entropy, now);
        drop(held);
        self.log_transitions(transitions);
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
