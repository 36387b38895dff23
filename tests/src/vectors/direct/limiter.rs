//! A limit with its one peer.

use super::lending::Lending;
use crate::vectors::policies::{LimitKind, LimitPolicy};
use crate::vectors::{Engine, Script, machines, replay};
use alloc::string::String;
use resil_core::rate_limit::{Charge, Limit, Limiter, RateLimit, StrictBucket, TokenBucket};
use resil_core::{Clock, Instant, Rejected};

/// The trace of a script of `token_bucket.toml`, `token_bucket_ns.toml` or `rate_limit.toml`.
///
/// # Panics
///
/// If the script says what no limiter understands.
#[must_use]
pub fn limiter(script: &Script<LimitPolicy>) -> String {
    fn play<L: Limit>(script: &Script<LimitPolicy>, limit: L) -> String {
        replay(script, &mut Lending::<_, Charge<L::Charge>>::new(Limiter::new(limit)))
    }
    let config = script.policy.build().unwrap();
    match script.policy.kind {
        LimitKind::TokenBucket => play(script, TokenBucket::new(config)),
        LimitKind::RateLimit => play(script, RateLimit::<_>::new(config)),
        LimitKind::StrictBucket => play(script, StrictBucket::new(config).unwrap()),
    }
}

impl<L: Limit> Engine for Lending<Limiter<L>, Charge<L::Charge>> {
    fn now(&self) -> Instant {
        self.clock.now()
    }

    fn move_to(&mut self, instant: Instant) {
        self.clock.set(instant);
    }

    fn apply(&mut self, event: &[&str], start: Instant) -> String {
        machines::limiter(self, event, start)
    }
}

impl<L: Limit> machines::Limiter for Lending<Limiter<L>, Charge<L::Charge>> {
    fn ask(&mut self, name: &str, cost: u32) -> Result<(), Rejected> {
        let charge = self.machine.try_acquire(cost, self.clock.now())?;
        self.keep(name, charge);
        Ok(())
    }

    fn peek(&self, cost: u32) -> Result<(), Rejected> {
        self.machine.peek(cost, self.clock.now())
    }

    fn refund(&mut self, name: &str) {
        if let Some(charge) = self.take(name) {
            self.machine.refund(charge, self.clock.now());
        }
    }

    fn available(&self) -> u32 {
        self.machine.available(self.clock.now())
    }

    fn reset(&mut self) {
        self.machine.reset();
    }
}
