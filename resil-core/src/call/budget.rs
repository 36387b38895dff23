//! What extra attempts are paid from.

use crate::outcome::{FailureClass, Outcome, Rejected};
use crate::time::Instant;
use core::fmt::Debug;

/// What an extra attempt is for, and so what it costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Extra {
    /// Another attempt, after a failure of this class.
    Retry(FailureClass),
    /// A second attempt while the first is still out.
    Hedge,
}

/// What extra attempts are paid from, whoever makes them.
///
/// The call tells it of every call that begins and of every attempt that ends, and asks it before
/// every attempt but the first. `()` pays for everything.
pub trait Budget {
    /// What an extra attempt has cost.
    type Charge: Debug;

    /// A call begins: its first attempt needs no leave.
    fn begin(&mut self, now: Instant);

    /// Asks for an extra attempt. Charged here, when it is decided, and not when it starts: attempts
    /// that wait in backoff are already paid for.
    ///
    /// # Errors
    ///
    /// The refusal; then nothing is charged.
    fn try_withdraw(&mut self, extra: Extra, now: Instant) -> Result<Self::Charge, Rejected>;

    /// An attempt has ended; `charge` is what it has cost, where it was an extra one.
    fn settle(&mut self, charge: Option<Self::Charge>, outcome: Outcome, now: Instant);

    /// An extra attempt was paid for and not made.
    fn refund(&mut self, charge: Self::Charge, now: Instant);

    /// Whether it matters when an attempt that has succeeded and was no extra one ended, as in
    /// [`Gate::needs_end`](super::Gate::needs_end).
    #[inline]
    fn needs_end(&self) -> bool {
        true
    }
}

impl Budget for () {
    type Charge = ();

    fn begin(&mut self, _: Instant) {}

    fn try_withdraw(&mut self, _: Extra, _: Instant) -> Result<(), Rejected> {
        Ok(())
    }

    fn settle(&mut self, _: Option<()>, _: Outcome, _: Instant) {}

    fn refund(&mut self, (): (), _: Instant) {}

    #[inline]
    fn needs_end(&self) -> bool {
        false
    }
}

impl<B: Budget> Budget for &mut B {
    type Charge = B::Charge;

    fn begin(&mut self, now: Instant) {
        (**self).begin(now);
    }

    fn try_withdraw(&mut self, extra: Extra, now: Instant) -> Result<B::Charge, Rejected> {
        (**self).try_withdraw(extra, now)
    }

    fn settle(&mut self, charge: Option<B::Charge>, outcome: Outcome, now: Instant) {
        (**self).settle(charge, outcome, now);
    }

    fn refund(&mut self, charge: B::Charge, now: Instant) {
        (**self).refund(charge, now);
    }

    #[inline]
    fn needs_end(&self) -> bool {
        (**self).needs_end()
    }
}
