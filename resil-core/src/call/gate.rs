//! What an attempt has to pass, and what it leaves behind.

use crate::outcome::{Outcome, Rejected};
use crate::time::Instant;
use core::fmt::Debug;

/// What an attempt asks for. Each gate reads what concerns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Request {
    /// What a rate limit charges: requests, or bytes. Default 1.
    pub cost: u32,
    /// How many permits of a bulkhead it takes. Default 1.
    pub weight: u16,
    /// Who goes first where there is not enough for all.
    pub priority: Priority,
    /// Whether another peer than the last attempt's would be better: the call says so for hedges and
    /// retries. A gate over several peers reads it; its permit tells which one it chose.
    pub elsewhere: bool,
}

impl Request {
    /// One request of normal priority.
    pub const ONE: Self = Self { cost: 1, weight: 1, priority: Priority::Normal, elsewhere: false };
}

impl Default for Request {
    fn default() -> Self {
        Self::ONE
    }
}

/// Who goes first where there is not enough for all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Priority {
    /// Can wait, or be dropped: gossip, prefetching.
    Low,
    /// Everything else.
    #[default]
    Normal,
    /// What keeps the node alive: membership, health, control.
    High,
}

/// How a permit is told back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum End {
    /// The attempt was made, and ended like this.
    Attempted(Outcome),
    /// A gate further in refused: nothing was tried. What was taken is given back, and counts nowhere.
    Unused,
}

impl End {
    /// How it looks to a gate that gives everything back that says nothing: an attempt that was never
    /// made says nothing about the peer, like an [ignored](Outcome::Ignored) one.
    #[must_use]
    #[inline]
    pub const fn outcome(self) -> Outcome {
        match self {
            Self::Attempted(outcome) => outcome,
            Self::Unused => Outcome::Ignored,
        }
    }
}

/// A machine that an attempt has to pass: a breaker, a limit, a bulkhead.
///
/// Gates compose: `(breaker, limit, bulkhead)` is a gate that asks them in this order, and when one
/// refuses gives back what the ones before have lent. `()` is open. A reference to a gate is a gate.
pub trait Gate {
    /// What a passed attempt holds until it ends.
    type Permit: Debug;

    /// What telling it back changed.
    type Report: Debug;

    /// Asks to make an attempt. Entropy is drawn only where the answer depends on it: for a jittered
    /// time, or to refuse a share.
    ///
    /// # Errors
    ///
    /// The refusal; then nothing is held.
    fn try_acquire(
        &mut self,
        request: &Request,
        entropy: &mut impl FnMut() -> u32,
        now: Instant,
    ) -> Result<Self::Permit, Rejected>;

    /// Tells it back.
    fn settle(
        &mut self,
        permit: Self::Permit,
        end: End,
        entropy: &mut impl FnMut() -> u32,
        now: Instant,
    ) -> Self::Report;

    /// Whether it matters to this gate, as it stands, when an attempt that has succeeded ended. Where it
    /// does not, `settle` may be given the instant at which the attempt started, and a clock needs not be
    /// read for it.
    #[inline]
    fn needs_end(&self) -> bool {
        true
    }
}

impl Gate for () {
    type Permit = ();
    type Report = ();

    fn try_acquire(
        &mut self,
        _: &Request,
        _: &mut impl FnMut() -> u32,
        _: Instant,
    ) -> Result<(), Rejected> {
        Ok(())
    }

    fn settle(&mut self, (): (), _: End, _: &mut impl FnMut() -> u32, _: Instant) {}

    #[inline]
    fn needs_end(&self) -> bool {
        false
    }
}

impl<A: Gate, B: Gate> Gate for (A, B) {
    type Permit = (A::Permit, B::Permit);
    type Report = (A::Report, B::Report);

    #[inline]
    fn try_acquire(
        &mut self,
        request: &Request,
        entropy: &mut impl FnMut() -> u32,
        now: Instant,
    ) -> Result<Self::Permit, Rejected> {
        let outer = self.0.try_acquire(request, entropy, now)?;
        match self.1.try_acquire(request, entropy, now) {
            Ok(inner) => Ok((outer, inner)),
            Err(rejected) => {
                self.0.settle(outer, End::Unused, entropy, now);
                Err(rejected)
            }
        }
    }

    #[inline]
    fn settle(
        &mut self,
        (outer, inner): Self::Permit,
        end: End,
        entropy: &mut impl FnMut() -> u32,
        now: Instant,
    ) -> Self::Report {
        let inner = self.1.settle(inner, end, entropy, now);
        (self.0.settle(outer, end, entropy, now), inner)
    }

    #[inline]
    fn needs_end(&self) -> bool {
        self.0.needs_end() || self.1.needs_end()
    }
}

/// Longer ones are pairs of pairs.
impl<A: Gate, B: Gate, C: Gate> Gate for (A, B, C) {
    type Permit = (A::Permit, B::Permit, C::Permit);
    type Report = (A::Report, B::Report, C::Report);

    #[inline]
    fn try_acquire(
        &mut self,
        request: &Request,
        entropy: &mut impl FnMut() -> u32,
        now: Instant,
    ) -> Result<Self::Permit, Rejected> {
        let (a, b, c) = self;
        let (a, (b, c)) = (a, (b, c)).try_acquire(request, entropy, now)?;
        Ok((a, b, c))
    }

    #[inline]
    fn settle(
        &mut self,
        (outer, middle, inner): Self::Permit,
        end: End,
        entropy: &mut impl FnMut() -> u32,
        now: Instant,
    ) -> Self::Report {
        let (a, b, c) = self;
        let permit = (outer, (middle, inner));
        let (a, (b, c)) = (a, (b, c)).settle(permit, end, entropy, now);
        (a, b, c)
    }

    #[inline]
    fn needs_end(&self) -> bool {
        self.0.needs_end() || self.1.needs_end() || self.2.needs_end()
    }
}

impl<G: Gate> Gate for &mut G {
    type Permit = G::Permit;
    type Report = G::Report;

    #[inline]
    fn try_acquire(
        &mut self,
        request: &Request,
        entropy: &mut impl FnMut() -> u32,
        now: Instant,
    ) -> Result<G::Permit, Rejected> {
        (**self).try_acquire(request, entropy, now)
    }

    #[inline]
    fn settle(
        &mut self,
        permit: G::Permit,
        end: End,
        entropy: &mut impl FnMut() -> u32,
        now: Instant,
    ) -> G::Report {
        (**self).settle(permit, end, entropy, now)
    }

    #[inline]
    fn needs_end(&self) -> bool {
        (**self).needs_end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bulkhead::{Bulkhead, BulkheadConfig};
    use crate::call::hedge::Hedging;
    use crate::call::{Budget, Extra, Layers};
    use crate::hedge::{Hedge, HedgePolicy};

    /// To whom the end matters, or does not.
    struct Reads(bool);

    impl Gate for Reads {
        type Permit = ();
        type Report = ();

        fn try_acquire(
            &mut self,
            _: &Request,
            _: &mut impl FnMut() -> u32,
            _: Instant,
        ) -> Result<(), Rejected> {
            Ok(())
        }

        fn settle(&mut self, (): (), _: End, _: &mut impl FnMut() -> u32, _: Instant) {}

        fn needs_end(&self) -> bool {
            self.0
        }
    }

    impl Budget for Reads {
        type Charge = ();

        fn begin(&mut self, _: Instant) {}

        fn try_withdraw(&mut self, _: Extra, _: Instant) -> Result<(), Rejected> {
            Ok(())
        }

        fn settle(&mut self, _: Option<()>, _: Outcome, _: Instant) {}

        fn refund(&mut self, (): (), _: Instant) {}

        fn needs_end(&self) -> bool {
            self.0
        }
    }

    /// A budget that says nothing about it.
    struct Silent;

    impl Budget for Silent {
        type Charge = ();

        fn begin(&mut self, _: Instant) {}

        fn try_withdraw(&mut self, _: Extra, _: Instant) -> Result<(), Rejected> {
            Ok(())
        }

        fn settle(&mut self, _: Option<()>, _: Outcome, _: Instant) {}

        fn refund(&mut self, (): (), _: Instant) {}
    }

    #[test]
    fn the_end_matters_to_gates_if_it_matters_to_one_of_them() {
        for bits in 0..8_u8 {
            let [a, b, c] = [1, 2, 4].map(|bit| bits & bit != 0);
            assert_eq!(Gate::needs_end(&(Reads(a), Reads(b))), a || b, "{bits}");
            assert_eq!(Gate::needs_end(&(Reads(a), Reads(b), Reads(c))), bits != 0, "{bits}");
            assert_eq!(Gate::needs_end(&&mut Reads(a)), a, "{bits}");
            assert_eq!(Budget::needs_end(&&mut Reads(a)), a, "{bits}");
        }
        let silent = Bulkhead::new(BulkheadConfig::DEFAULT);
        assert!(Gate::needs_end(&silent) && Budget::needs_end(&Silent), "to be on the safe side");
        assert!(!Gate::needs_end(&()) && !Budget::needs_end(&()));
    }

    #[test]
    fn the_end_matters_to_a_call_if_it_matters_to_one_of_its_layers() {
        fn needs_end<G: Gate, B: Budget, H: Hedging>(mut layers: Layers<G, B, H>) -> bool {
            crate::call::first::needs_end(&mut layers)
        }
        for (attempt, budget) in [(false, false), (false, true), (true, false), (true, true)] {
            let layers = || Layers::new(Reads(attempt)).with_budget(Reads(budget));
            assert_eq!(needs_end(layers()), attempt || budget);
            assert!(needs_end(layers().with_hedge(&mut Hedge::new(HedgePolicy::DEFAULT))));
        }
    }
}
