//! The machines that calls share, side by side.

use super::budget::Budget;
use super::gate::Gate;
use super::hedge::Hedging;

/// The machines that calls share, handed to every step of a call: what attempts pass, what extra ones
/// are paid from, when to hedge.
///
/// [`Layers`] is the one to use; implement it for machines that are kept in another way.
pub trait Gates<P, U> {
    /// What every attempt has to pass.
    type Attempt: Gate<Permit = P>;
    /// What extra attempts are paid from.
    type Budget: Budget<Charge = U>;
    /// When to hedge.
    type Hedge: Hedging;

    /// What every attempt has to pass.
    fn attempt(&mut self) -> &mut Self::Attempt;
    /// What extra attempts are paid from.
    fn budget(&mut self) -> &mut Self::Budget;
    /// When to hedge.
    fn hedge(&mut self) -> &mut Self::Hedge;
}

/// Gates, budget and hedging side by side; what is left out is `()`.
///
/// Of references it only borrows: make one for each step, and two calls to one peer can be under way.
#[derive(Debug, Default)]
pub struct Layers<G = (), B = (), H = ()> {
    attempt: G,
    budget: B,
    hedge: H,
}

impl<G: Gate> Layers<G> {
    /// `attempt`, without a budget and without hedging.
    pub const fn new(attempt: G) -> Self {
        Self { attempt, budget: (), hedge: () }
    }
}

impl<G, B, H> Layers<G, B, H> {
    /// The same, with a budget.
    pub fn with_budget<U: Budget>(self, budget: U) -> Layers<G, U, H> {
        Layers { attempt: self.attempt, budget, hedge: self.hedge }
    }

    /// The same, with hedging.
    pub fn with_hedge<D: Hedging>(self, hedge: D) -> Layers<G, B, D> {
        Layers { attempt: self.attempt, budget: self.budget, hedge }
    }
}

impl<G: Gate, B: Budget, H: Hedging> Gates<G::Permit, B::Charge> for Layers<G, B, H> {
    type Attempt = G;
    type Budget = B;
    type Hedge = H;

    #[inline]
    fn attempt(&mut self) -> &mut G {
        &mut self.attempt
    }

    #[inline]
    fn budget(&mut self) -> &mut B {
        &mut self.budget
    }

    #[inline]
    fn hedge(&mut self) -> &mut H {
        &mut self.hedge
    }
}
