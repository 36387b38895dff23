//! The bucket, its policy and its line, and what is decided where they meet.

use resil_core::error::ErrorCode;
use resil_core::event::EventKind;
use resil_core::outcome::{Rejected, RetryAt};
use resil_core::rate_limit::{Bucket, BucketCharge, BucketState, PlainStep, Step};
use resil_core::{Clock, Instant};
use tracing::level_filters::LevelFilter;

use super::super::TARGET;
use super::Charge;
use super::cell::BucketCell;
use super::changed::Changed;
use crate::line::Line;
use crate::log;
use crate::sync::{Mutex, lock};

/// What the handles of one limiter share.
pub(super) struct Shared<L, T> {
    pub(super) bucket: BucketCell,
    pub(super) line: Line,
    /// The first limit.
    pub(super) limit: L,
    pub(super) clock: T,
    /// What was put in its place, with the bucket: then the one in the atomic is gone. Held by whoever gives
    /// back, resets or puts another limit in force, so that nothing is given back to a bucket that it was
    /// not taken from.
    pub(super) changed: Mutex<Option<Box<Changed<L>>>>,
}

impl<L, T> Shared<L, T> {
    pub(super) fn new(limit: L, clock: T) -> Self {
        let bucket = BucketCell::new(BucketState::FRESH);
        Self { bucket, line: Line::new(), limit, clock, changed: Mutex::new(None) }
    }
}

/// What the first in line gets. Being told to wait on is not being admitted.
pub(super) enum Turn {
    Taken(Charge),
    NotBefore(Instant),
}

impl<L: Bucket, T: Clock> Shared<L, T> {
    /// Core's decision, by compare-exchange. In line is what is plain, and wins its exchange at once.
    #[inline(always)]
    pub(super) fn take<const IS_TOLD: bool>(
        &self,
        tokens: u32,
        now: Instant,
    ) -> Result<BucketCharge, Rejected> {
        let (bucket, found) = (self.limit.as_bucket(), self.bucket.load());
        match bucket.plain_step(&found, tokens, now) {
            PlainStep::Admitted(charge, made) => {
                if self.bucket.exchange(&found, made).is_ok() {
                    return Ok(charge);
                }
            }
            PlainStep::Refused(rejected) => return Err(told::<IS_TOLD>(rejected, tokens, now)),
            PlainStep::Rare => {}
        }
        self.take_on::<IS_TOLD>(tokens, now)
    }

    /// [`take`](Self::take) until it is decided, and from a bucket that is elsewhere.
    #[cold]
    #[inline(never)]
    fn take_on<const IS_TOLD: bool>(
        &self,
        tokens: u32,
        mut now: Instant,
    ) -> Result<BucketCharge, Rejected> {
        let bucket = self.limit.as_bucket();
        let mut found = self.bucket.load();
        let rejected = loop {
            if found.is_gone()
                && let Some(answer) = self.take_changed(tokens)
            {
                match answer {
                    Ok(charge) => return Ok(charge),
                    Err(rejected) => break rejected,
                }
            }
            match bucket.plain_step(&found, tokens, now) {
                PlainStep::Admitted(charge, made) => match self.bucket.exchange(&found, made) {
                    Ok(()) => return Ok(charge),
                    Err(other) => found = other,
                },
                PlainStep::Refused(rejected) => break rejected,
                PlainStep::Rare => match self.refuse_rarely(found, tokens, now) {
                    Some(rejected) => break rejected,
                    None => {
                        found = self.bucket.load();
                        now = self.clock.now();
                    }
                },
            }
        };
        Err(told::<IS_TOLD>(rejected, tokens, now))
    }

    /// [`take`](Self::take) by adding to the bucket, where there is plenty in it.
    #[inline(always)]
    pub(super) fn take_contended(
        &self,
        tokens: u32,
        now: Instant,
    ) -> Result<BucketCharge, Rejected> {
        let bucket = self.limit.as_bucket();
        if !bucket.has_plenty(&self.bucket.load(), tokens, now) {
            return self.take::<true>(tokens, now);
        }
        let found = self.bucket.add(bucket.units(tokens));
        bucket
            .added(&found, tokens, now)
            .ok_or_else(|| told::<true>(self.refusal_in_line(tokens, now), tokens, now))
    }

    /// A refusal that is not plain; `None` where it is to be asked again.
    ///
    /// It may be one that moves the bucket back: the clock has stepped back, or `now` was read so long
    /// ago that others have been admitted a refill later. So it is decided anew on a time that is
    /// read after the state, and is not earlier than theirs.
    #[cold]
    fn refuse_rarely(&self, found: BucketState, tokens: u32, now: Instant) -> Option<Rejected> {
        let bucket = self.limit.as_bucket();
        let step = bucket.step(&found, tokens, now);
        if step.store.is_none_or(|made| made == found) {
            return step.outcome.err();
        }
        let found = self.bucket.load();
        if found.is_gone() && lock(&self.changed).is_some() {
            return None;
        }
        let Step { outcome, store } = bucket.step(&found, tokens, self.clock.now());
        let rejected = outcome.err()?;
        match store {
            Some(made) => self.bucket.exchange(&found, made).ok().map(|()| rejected),
            None => Some(rejected),
        }
    }

    /// The refusal of who does not wait while others do.
    #[cold]
    pub(super) fn refusal_in_line(&self, tokens: u32, now: Instant) -> Rejected {
        let answer = self.look(|limit, state, _| limit.peek(state, tokens, now));
        answer.err().unwrap_or_else(others_wait)
    }

    /// Looks at the bucket by the limit in force. The clock is read after the state was.
    pub(super) fn look<R>(&self, look: impl Fn(&L, &BucketState, Instant) -> R) -> R {
        let found = self.bucket.load();
        if found.is_gone()
            && let Some(seen) = self.at_changed(|limit, state, now| look(limit, state, now))
        {
            return seen;
        }
        look(&self.limit, &found, self.clock.now())
    }

    /// Applies `transition` by the limit in force, which answers and says whether what it has made of the
    /// state stands. The clock is read after the state was.
    pub(super) fn update<R>(
        &self,
        transition: impl Fn(&L, &mut BucketState, Instant) -> (R, bool),
    ) -> R {
        self.bucket.update(|found| {
            if found.is_gone()
                && let Some((answer, _)) = self.at_changed(&transition)
            {
                return (answer, None);
            }
            let mut made = found.clone();
            let (answer, stands) = transition(&self.limit, &mut made, self.clock.now());
            (answer, stands.then_some(made))
        })
    }

    /// The answer to who would wait, where there is nothing to wait for.
    pub(super) fn settled_at_once(&self, tokens: u32) -> Option<Result<Charge, Rejected>> {
        let glimpse = self.line.look();
        if !glimpse.lets_pass(tokens) {
            let rejected = self.refusal_in_line(tokens, self.clock.now());
            return (rejected.retry() == RetryAt::Never).then_some(Err(rejected));
        }
        match self.take::<false>(tokens, self.clock.now()) {
            Ok(taken) => Some(Ok(Charge { taken, generation: glimpse.generation() })),
            Err(rejected) if rejected.retry() == RetryAt::Never => Some(Err(rejected)),
            Err(_) => None,
        }
    }

    /// Takes for whoever is first, or says until when to sleep.
    pub(super) fn take_as_head(&self, tokens: u32) -> Result<Turn, Rejected> {
        let generation = self.line.look().generation();
        match self.take::<false>(tokens, self.clock.now()) {
            Ok(taken) => Ok(Turn::Taken(Charge { taken, generation })),
            Err(rejected) => match rejected.retry() {
                RetryAt::At(at) => Ok(Turn::NotBefore(at)),
                RetryAt::Unknown | RetryAt::Never => Err(rejected),
            },
        }
    }

    pub(super) fn refund(&self, charge: Charge) {
        let mut changed = lock(&self.changed);
        if charge.generation != self.line.look().generation() {
            return;
        }
        match changed.as_deref_mut() {
            Some(Changed { limit, state }) => limit.refund(state, charge.taken, self.clock.now()),
            None => {
                let bucket = self.limit.as_bucket();
                self.bucket.update(|state| {
                    // Read after the state: an earlier time would give back what has been refilled since.
                    ((), Some(bucket.refunded(state, &charge.taken, self.clock.now())))
                });
            }
        }
        drop(changed);
        self.line.free();
    }

    pub(super) fn reset(&self) {
        let mut changed = lock(&self.changed);
        // In this order: who asks in between gets a charge of the old generation, which is not given
        // back, and never one of the new generation whose tokens were forgotten.
        match changed.as_deref_mut() {
            Some(changed) => changed.state = BucketState::FRESH,
            None => drop(self.bucket.replace(BucketState::FRESH)),
        }
        self.line.next_generation();
        drop(changed);
        self.line.free();
    }
}

/// The refusal, which is logged if that is asked for.
#[inline(always)]
pub(super) fn told<const IS_TOLD: bool>(rejected: Rejected, tokens: u32, now: Instant) -> Rejected {
    if IS_TOLD && (cfg!(feature = "metrics") || LevelFilter::current() >= LevelFilter::DEBUG) {
        // In parts, so that the refusal itself need not lie in memory.
        log_refusal(rejected.code(), rejected.retry(), tokens, now);
    }
    rejected
}

#[cold]
fn log_refusal(code: ErrorCode, retry: RetryAt, tokens: u32, now: Instant) {
    let kind = EventKind::of_refusal(Rejected::new(code, retry));
    let (code, retry_after) = (code.name(), retry.wait_from(now));
    log::at!(debug, TARGET, kind; _, tokens, code, ?retry_after, "refused");
}

/// What is there is for those who wait.
pub(super) fn others_wait() -> Rejected {
    Rejected::new(ErrorCode::RateLimitExceeded, RetryAt::Unknown)
}
