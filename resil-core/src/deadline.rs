//! Deadlines: absolute inside, remaining on the wire.
//!
//! A caller that has gone needs no answer. A [`Deadline`] says until when one is wanted: a number that
//! every step can be asked against, that only gets earlier on its way in, and that a peer is told as
//! the time that *remains*, since clocks differ.
//!
//! [`CallContext`] goes with a call: the deadline, which attempt it is, and whether it is a hedge. Its
//! [wire form](WireContext) is 6 bytes.
//!
//! # When not to use it
//!
//! - As the only timeout. A deadline bounds the call; an attempt needs a
//!   [timeout of its own](Deadline::attempt), or the first one may use all the time there is.
//! - For periodic work, which is late rather than dead.
//! - For what must be finished once it has begun: ask before it begins.
//!
//! # Laws
//!
//! - Over any number of hops a deadline never moves later, except by the time that messages are under
//!   way, which nobody can measure: what remains is rounded down to whole ticks.
//! - What a peer says is not trusted: [`received`](WireContext::received) takes at most as much time
//!   as the receiver grants anyone, and gives a call without a deadline that much.
//! - A deadline is past when `now >= deadline`; [`Deadline::NONE`] never is.
//! - Nothing here divides. A tick is 2^20 ns (1.048576 ms), so that a Cortex-M0 shifts where
//!   milliseconds would make it divide 64 bits; a hop costs at most one tick.
//!
//! # Clocks that step back
//!
//! A deadline knows no longest time, so it can not tell a step. Whoever keeps one over steps clamps it
//! with the longest he grants, as the [retry](crate::retry) does:
//! `deadline.min(Deadline::after(now, longest))`.
//!
//! # A timeline
//!
//! ```
//! use core::time::Duration;
//! use resil_core::Instant;
//! use resil_core::deadline::{CallContext, Deadline, WireContext};
//!
//! let ms = Duration::from_millis;
//! let at = |millis| Instant::from_duration(ms(millis));
//!
//! // 0 ms: a call that may take a second; its second attempt starts at 400 ms.
//! let call = CallContext::new(Deadline::after(at(0), ms(1_000)));
//! let bytes = call.child(2, false).wire(at(400)).encode();
//!
//! // Another node, another clock, which shows 70,000 ms. 600 ms remain, in whole ticks: 599.786 ms.
//! let received = WireContext::decode(&bytes)?.received(Duration::from_secs(30), at(70_000));
//! let remaining = received.deadline().remaining(at(70_000)).unwrap();
//! assert!(remaining <= ms(600) && remaining > ms(598));
//! assert!(received.is_retry(), "so it does not retry itself");
//!
//! // It gives what it calls 200 ms a try, and less where less is left.
//! let deadline = received.deadline();
//! assert_eq!(deadline.attempt(ms(200), at(70_000)), Deadline::at(at(70_200)));
//! assert_eq!(deadline.attempt(ms(200), at(70_500)), deadline);
//! assert!(deadline.is_past(at(70_600)));
//! # Ok::<(), resil_core::deadline::ContextError>(())
//! ```

mod wire;

pub use wire::{ContextError, WIRE_CONTEXT, WireContext};

use crate::error::ErrorCode;
use crate::outcome::{Rejected, RetryAt};
use crate::time::Instant;
use core::num::NonZeroU8;
use core::time::Duration;

/// Until when an answer is wanted. 8 bytes.
///
/// Of two deadlines the earlier one rules ([`min`](Self::min)); the latest of all is [`NONE`](Self::NONE).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Deadline(Instant);

impl Deadline {
    /// No deadline.
    pub const NONE: Self = Self(Instant::MAX);

    /// `timeout` from `now`; none where that is further away than time goes.
    #[must_use]
    #[inline]
    pub const fn after(now: Instant, timeout: Duration) -> Self {
        Self(now.saturating_add(timeout))
    }

    /// At this instant; none at [`Instant::MAX`].
    #[must_use]
    #[inline]
    pub const fn at(instant: Instant) -> Self {
        Self(instant)
    }

    /// When it is; `None` where there is none.
    #[must_use]
    #[inline]
    pub const fn instant(self) -> Option<Instant> {
        if self.0.as_nanos() == u64::MAX { None } else { Some(self.0) }
    }

    /// Whether it has come.
    #[must_use]
    #[inline]
    pub const fn is_past(self, now: Instant) -> bool {
        match self.instant() {
            Some(instant) => instant.is_reached(now),
            None => false,
        }
    }

    /// Refuses what comes too late to be worth the work.
    ///
    /// # Errors
    ///
    /// `DEADLINE_EXCEEDED`, never to be repeated, when it [is past](Self::is_past).
    #[inline]
    pub const fn check(self, now: Instant) -> Result<(), Rejected> {
        if self.is_past(now) {
            Err(Rejected::new(ErrorCode::DeadlineExceeded, RetryAt::Never))
        } else {
            Ok(())
        }
    }

    /// How much time is left: zero when it is past, `None` where there is none.
    ///
    /// A `Duration` keeps seconds apart, so making one divides; on a small core compare instants.
    #[must_use]
    pub const fn remaining(self, now: Instant) -> Option<Duration> {
        match self.instant() {
            Some(instant) => Some(instant.saturating_since(now)),
            None => None,
        }
    }

    /// The earlier of two.
    #[must_use]
    #[inline]
    pub const fn min(self, other: Self) -> Self {
        Self(self.0.min(other.0))
    }

    /// The deadline of an attempt that starts `now` and may take `timeout`: the earlier of the two.
    #[must_use]
    #[inline]
    pub const fn attempt(self, timeout: Duration, now: Instant) -> Self {
        self.min(Self::after(now, timeout))
    }

    /// `timeout`, or what is left where that is less.
    #[must_use]
    pub const fn clamp(self, timeout: Duration, now: Instant) -> Duration {
        match self.remaining(now) {
            Some(left) if left.as_nanos() < timeout.as_nanos() => left,
            _ => timeout,
        }
    }

    /// When its answers change: the deadline itself, while it is ahead.
    #[must_use]
    #[inline]
    pub const fn next_deadline(self, now: Instant) -> Option<Instant> {
        if self.is_past(now) { None } else { self.instant() }
    }
}

impl Default for Deadline {
    fn default() -> Self {
        Self::NONE
    }
}

/// What a call carries with it.
///
/// Amplification multiplies: three layers that try three times each are 27 calls. Only one layer
/// should retry, and whoever finds [`is_retry`](Self::is_retry) or [`is_hedge`](Self::is_hedge) knows
/// that another one does already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct CallContext {
    deadline: Deadline,
    attempt: NonZeroU8,
    hedge: bool,
}

impl CallContext {
    /// The first attempt of a call.
    #[must_use]
    pub const fn new(deadline: Deadline) -> Self {
        Self { deadline, attempt: NonZeroU8::MIN, hedge: false }
    }

    /// What our attempt number `attempt` at a call that serves this one carries: what came in, and
    /// our own retries added. 0 counts as 1, and the sum ends at 255.
    #[must_use]
    pub const fn child(self, attempt: u32, is_hedge: bool) -> Self {
        let retries = attempt.saturating_sub(1);
        let retries = if retries > u8::MAX as u32 { u8::MAX } else { retries as u8 };
        Self {
            deadline: self.deadline,
            attempt: self.attempt.saturating_add(retries),
            hedge: self.hedge || is_hedge,
        }
    }

    /// The same with a deadline that is no later than `deadline`.
    #[must_use]
    pub const fn until(self, deadline: Deadline) -> Self {
        Self { deadline: self.deadline.min(deadline), ..self }
    }

    /// Until when an answer is wanted.
    #[must_use]
    #[inline]
    pub const fn deadline(self) -> Deadline {
        self.deadline
    }

    /// Which attempt it is, from 1, those of the layers above included.
    #[must_use]
    pub const fn attempt(self) -> u8 {
        self.attempt.get()
    }

    /// Whether somebody above has tried before.
    #[must_use]
    pub const fn is_retry(self) -> bool {
        self.attempt.get() > 1
    }

    /// Whether somebody above has another attempt under way.
    #[must_use]
    pub const fn is_hedge(self) -> bool {
        self.hedge
    }

    /// The form that crosses the wire at `now`.
    #[must_use]
    pub const fn wire(self, now: Instant) -> WireContext {
        WireContext::of(self, now)
    }
}

impl Default for CallContext {
    fn default() -> Self {
        Self::new(Deadline::NONE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    #[test]
    fn at_the_deadline_it_is_past() {
        let deadline = Deadline::at(at(10));
        assert_eq!([9, 10, 11].map(|now| deadline.is_past(at(now))), [false, true, true]);
        assert_eq!([9, 10].map(|now| deadline.next_deadline(at(now))), [Some(at(10)), None]);
        assert_eq!(deadline.remaining(at(11)), Some(Duration::ZERO));
        assert!(deadline.check(at(9)).is_ok());
        let late = deadline.check(at(10)).unwrap_err();
        assert_eq!((late.code(), late.retry()), (ErrorCode::DeadlineExceeded, RetryAt::Never));
    }

    #[test]
    fn none_never_comes_and_is_the_latest() {
        assert_eq!(Deadline::after(at(1), Duration::MAX), Deadline::NONE);
        assert!(!Deadline::NONE.is_past(Instant::MAX));
        assert_eq!(Deadline::NONE.remaining(at(0)), None);
        assert_eq!(Deadline::NONE.next_deadline(at(0)), None);
        assert_eq!(Deadline::NONE.min(Deadline::at(at(3))), Deadline::at(at(3)));
        assert_eq!(Deadline::default(), Deadline::NONE);
    }

    #[test]
    fn a_try_has_its_timeout_or_what_is_left() {
        let (deadline, timeout) = (Deadline::at(at(100)), Duration::from_nanos(30));
        for (now, end, length) in [(0, 30, 30), (70, 100, 30), (80, 100, 20), (100, 100, 0)] {
            assert_eq!(deadline.attempt(timeout, at(now)), Deadline::at(at(end)), "{now}");
            assert_eq!(deadline.clamp(timeout, at(now)), Duration::from_nanos(length), "{now}");
        }
        assert_eq!(Deadline::NONE.clamp(timeout, at(80)), timeout);
    }

    #[test]
    fn retries_of_all_layers_add_up() {
        let first = CallContext::default();
        assert!(!first.is_retry() && !first.is_hedge());
        assert_eq!((first.child(0, false), first.child(1, false)), (first, first));
        let third = first.child(2, true).child(2, false);
        assert_eq!((third.attempt(), third.is_retry(), third.is_hedge()), (3, true, true));
        assert_eq!(third.child(u32::MAX, false).attempt(), 255);
        assert_eq!(third.until(Deadline::at(at(5))).until(Deadline::at(at(9))).deadline().0, at(5));
    }
}
