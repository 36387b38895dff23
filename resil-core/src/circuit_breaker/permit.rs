//! Leave to make one call, and what telling it back changed.

use super::state::Transition;
use crate::time::Instant;
use core::num::NonZero;

/// Leave to make one call, to be told back with `record`.
///
/// Neither `Clone` nor `Copy`: it settles once. One that is dropped without being told back does no
/// harm while closed; while half-open it blocks a probe slot until its lease ends, so adapters wrap
/// it in a guard that records [`Outcome::Abandoned`](crate::Outcome::Abandoned). It is good only for
/// the breaker that issued it, another one cannot tell; and for 65,535 of its transitions, after
/// which its epoch comes round again.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "a permit is lent: tell it back with `record`"]
pub struct Permit {
    pub(super) issued_at: Instant,
    /// The epoch, whether it is a probe, and a bit that is always set. Two words in all, so that a permit
    /// is handed over in registers, and an `Option` of one is no larger.
    kind: NonZero<u32>,
}

const _: () = assert!(size_of::<Option<Permit>>() <= 16);

const PROBE: u32 = 1 << 16;
const SET: u32 = 1 << 17;

impl Permit {
    #[inline]
    pub(super) const fn new(issued_at: Instant, epoch: u16, is_probe: bool) -> Self {
        let probe = if is_probe { PROBE } else { 0 };
        let kind = match NonZero::new(SET | probe | epoch as u32) {
            Some(kind) => kind,
            None => NonZero::<u32>::MIN, // `SET` is set
        };
        Self { issued_at, kind }
    }

    /// Of which epoch it is.
    #[inline]
    pub(super) const fn epoch(&self) -> u16 {
        self.kind.get() as u16
    }

    /// Whether the call decides if the breaker closes: a good moment for something cheap to lose.
    #[must_use]
    #[inline]
    pub const fn is_probe(&self) -> bool {
        self.kind.get() & PROBE != 0
    }

    /// When it was issued.
    #[must_use]
    #[inline]
    pub const fn issued_at(&self) -> Instant {
        self.issued_at
    }
}

/// What telling a permit back changed.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Recorded {
    /// The outcome was counted; the state is what it was.
    Counted,
    /// The outcome was counted and the state changed.
    Transition(Transition),
    /// The outcome was counted and would have changed the state, but the breaker is set to
    /// [`MetricsOnly`](super::State::MetricsOnly): this is the transition that did not happen. The
    /// counts start again.
    Detected(Transition),
    /// The permit is back and no counter of successes or failures moved: the outcome was ignored,
    /// abandoned or a [local](crate::outcome::FailureClass::Local) failure, or the breaker is
    /// disabled.
    Released,
    /// The permit is from before the last transition, or its lease has ended: how the call ended
    /// changed nothing.
    Stale,
}

impl Recorded {
    /// The transition that the outcome caused.
    #[must_use]
    #[inline]
    pub const fn transition(self) -> Option<Transition> {
        match self {
            Self::Transition(transition) => Some(transition),
            Self::Counted | Self::Detected(_) | Self::Released | Self::Stale => None,
        }
    }

    /// The transition that the outcome would have caused, had the breaker not been set to
    /// [`MetricsOnly`](super::State::MetricsOnly).
    #[must_use]
    #[inline]
    pub const fn detected(self) -> Option<Transition> {
        match self {
            Self::Detected(transition) => Some(transition),
            Self::Counted | Self::Transition(_) | Self::Released | Self::Stale => None,
        }
    }

    pub(super) const fn counted(transition: Option<Transition>) -> Self {
        match transition {
            Some(transition) => Self::Transition(transition),
            None => Self::Counted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permit_tells_its_epoch_and_whether_it_is_a_probe() {
        for epoch in [0, 1, u16::MAX] {
            for is_probe in [false, true] {
                let permit = Permit::new(Instant::EPOCH, epoch, is_probe);
                assert_eq!((permit.epoch(), permit.is_probe()), (epoch, is_probe));
            }
        }
    }
}
