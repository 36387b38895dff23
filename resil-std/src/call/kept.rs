//! What is remembered of a peer: behind a lock, and beside it what a call that succeeds at once needs.

use std::sync::Arc;

use resil_core::call::{First, Pipeline, Request};
use resil_core::circuit_breaker::Glance;
use resil_core::deadline::Deadline;
use resil_core::{Clock, Instant};

use crate::sync::{ArcSwapOption, AtomicU32, AtomicU64, Mutex, MutexGuard, Ordering, lock};

/// Where the word is not here but in the state: whoever has the lock has taken it. The bucket that is
/// this number is asked for under the lock, and that is all.
const TAKEN: u64 = u64::MAX;

/// A peer: its state, and the policy in force.
///
/// The lock guards both, so that no step sees a new policy with the state that an old one has left. The
/// glance is written under the lock. The [word](Pipeline::word) is a part of the state that lies here
/// while the lock is free, for calls that begin at a glance: who takes the lock takes it away, and what
/// they found they can no longer exchange.
///
/// Every policy has a word of its own, so that a number that was found under one policy is never
/// exchanged under another one, to which it means something else.
pub(super) struct Kept<L: Pipeline> {
    glance: AtomicU32,
    /// The policy at first. It lies here, and costs nothing to find.
    first: Lent<L>,
    /// The policy that has taken its place: that of the state, for whoever does not have the lock.
    later: ArcSwapOption<Lent<L>>,
    locked: Mutex<Locked<L>>,
}

/// A policy, and the word of the state while it is in force.
pub(super) struct Lent<L> {
    word: AtomicU64,
    policy: Arc<L>,
}

struct Locked<L: Pipeline> {
    state: L::State,
    /// The policy that has taken the place of the first one.
    later: Option<Arc<Lent<L>>>,
}

/// A peer, locked.
pub(super) struct Held<'a, L: Pipeline> {
    kept: &'a Kept<L>,
    locked: MutexGuard<'a, Locked<L>>,
}

impl<L: Pipeline> Kept<L> {
    /// A peer of which nothing is known.
    pub(super) fn fresh(policy: &Arc<L>) -> Self {
        let mut state = L::FRESH;
        let word = AtomicU64::new(L::word(&mut state).map_or(TAKEN, |word| *word));
        Self {
            glance: AtomicU32::new(policy.glance(&state).into_raw()),
            first: Lent { word, policy: Arc::clone(policy) },
            later: ArcSwapOption::empty(),
            locked: Mutex::new(Locked { state, later: None }),
        }
    }

    /// A panic while the lock was held cannot have left the state half-changed by core, which does not
    /// panic; whoever changes it in [`apply`](super::Handle::apply) answers for that.
    pub(super) fn lock(&self) -> Held<'_, L> {
        let mut locked = lock(&self.locked);
        let Locked { state, later } = &mut *locked;
        if let Some(word) = L::word(state) {
            let lent = later.as_deref().unwrap_or(&self.first);
            let found = lent.word.swap(TAKEN, Ordering::AcqRel);
            if found != TAKEN {
                *word = found;
            }
        }
        Held { kept: self, locked }
    }

    /// The policy in force.
    pub(super) fn policy(&self) -> Arc<L> {
        Arc::clone(&lock(&self.locked).later.as_deref().unwrap_or(&self.first).policy)
    }

    /// Begins a call without the lock, where core says how, and under the first policy. The clock is read
    /// once, and only if the word is there.
    ///
    /// # Errors
    ///
    /// It does not begin so; and what the clock said, if it was read.
    #[inline(always)]
    pub(super) fn begin(
        &self,
        request: &Request,
        deadline: Deadline,
        clock: &impl Clock,
    ) -> Result<First<L::Permit>, Option<Instant>> {
        self.begin_by(&self.first, request, deadline, clock)
    }

    /// [`begin`](Self::begin) under the policy that has taken the place of the first one.
    ///
    /// # Errors
    ///
    /// As there.
    pub(super) fn begin_later(
        &self,
        request: &Request,
        deadline: Deadline,
        clock: &impl Clock,
    ) -> Result<First<L::Permit>, Option<Instant>> {
        match &*self.later.load() {
            Some(later) => self.begin_by(later, request, deadline, clock),
            None => Err(None),
        }
    }

    #[inline(always)]
    fn begin_by(
        &self,
        lent: &Lent<L>,
        request: &Request,
        deadline: Deadline,
        clock: &impl Clock,
    ) -> Result<First<L::Permit>, Option<Instant>> {
        let mut found = lent.word.load(Ordering::Acquire);
        if found == TAKEN {
            return Err(None);
        }
        let now = clock.now();
        loop {
            let glance = self.glance();
            let begun = lent.policy.begin_at_a_glance(glance, found, request, deadline, now);
            let Some((first, made)) = begun else { return Err(Some(now)) };
            let exchanged =
                lent.word.compare_exchange_weak(found, made, Ordering::AcqRel, Ordering::Acquire);
            match exchanged {
                Ok(_) => return Ok(first),
                Err(TAKEN) => return Err(Some(now)),
                Err(other) => found = other,
            }
        }
    }

    /// Whether the success of an attempt is told by this.
    #[inline(always)]
    pub(super) fn succeed(&self, first: &First<L::Permit>) -> bool {
        L::succeed_at_a_glance(self.glance(), first)
    }

    #[inline(always)]
    fn glance(&self) -> Glance {
        Glance::from_raw(self.glance.load(Ordering::Acquire))
    }
}

impl<L: Pipeline> Held<'_, L> {
    /// The policy in force, and the state.
    pub(super) fn parts(&mut self) -> (&L, &mut L::State) {
        let Locked { state, later } = &mut *self.locked;
        (&later.as_deref().unwrap_or(&self.kept.first).policy, state)
    }

    /// Puts another policy in force, and returns what was in its place, to be dropped with the lock free.
    pub(super) fn replace(&mut self, policy: &Arc<L>, state: L::State) -> Option<Arc<Lent<L>>> {
        let later = Lent { word: AtomicU64::new(TAKEN), policy: Arc::clone(policy) };
        let later = Some(Arc::new(later));
        self.locked.state = state;
        // The word of the old one is taken, and stays so.
        self.kept.later.store(later.clone());
        core::mem::replace(&mut self.locked.later, later)
    }
}

/// The glance is brought up to date, and then the word comes back, before the lock is free.
impl<L: Pipeline> Drop for Held<'_, L> {
    fn drop(&mut self) {
        let Locked { state, later } = &mut *self.locked;
        let lent = later.as_deref().unwrap_or(&self.kept.first);
        let glance = lent.policy.glance(state).into_raw();
        // A store where nothing changes would take the word from the caches of all who read it.
        if self.kept.glance.load(Ordering::Relaxed) != glance {
            self.kept.glance.store(glance, Ordering::Release);
        }
        if let Some(word) = L::word(state) {
            lent.word.store(*word, Ordering::Release);
        }
    }
}
