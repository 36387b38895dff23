//! Saving and restoring.

use crate::breaker::{BY_CALLS, BY_TIME};
use crate::{RATE, any_now};
use core::hint::black_box;
use resil_core::adaptive::ConcurrencyLimit;
use resil_core::adaptive::{Aimd, Gradient};
use resil_core::call::{CallPolicy, PeerPolicy, PeerState};
use resil_core::circuit_breaker::ejection::{EjectionConfig, EjectionState};
use resil_core::circuit_breaker::{CircuitBreakerConfig, CircuitBreakerState};
use resil_core::health::{Hysteresis, HysteresisState};
use resil_core::hedge::{HedgePolicy, HedgeState};
use resil_core::rate_limit::{Limit, TokenBucket};
use resil_core::retry::RetryPolicy;
use resil_core::retry::budget::BudgetPolicy;
use resil_core::retry::budget::{RatioBudget, TokenBudget};
use resil_core::snapshot::Persist;
use resil_core::throttle::{AdaptiveThrottle, ThrottleState};

/// Saving and restoring: any state, and any bytes.
#[inline(never)]
pub(crate) fn reboot<P: Persist>(policy: &P, state: P::State) {
    let mut flash = black_box([0; 192]);
    if let Ok(written) = policy.save(&black_box(state), any_now(), &mut flash) {
        black_box(written);
    }
    black_box(
        policy
            .restore(black_box(flash.get(..black_box(150)).unwrap_or_default()), any_now())
            .is_ok(),
    );
}

/// A limit over a reboot.
#[inline(never)]
pub(crate) fn kept<L: Limit + Persist<State = <L as Limit>::State>>(limit: &L) {
    let mut bytes = black_box([0; 1_024]);
    let state = black_box(<L as Limit>::FRESH);
    let written = limit.save(&state, any_now(), &mut bytes).unwrap_or(0);
    let saved = bytes.get(..written).unwrap_or_default();
    black_box(limit.restore(black_box(saved), any_now()).is_ok());
}

/// The machines that nothing else here saves.
#[inline(never)]
pub(crate) fn every_machine() {
    reboot(&black_box(BY_CALLS), CircuitBreakerState::new());
    reboot(&black_box(BY_TIME), CircuitBreakerState::new());
    reboot(&black_box(EjectionConfig::DEFAULT), EjectionState::new());
    reboot(&black_box(Aimd::DEFAULT), Aimd::DEFAULT.start());
    reboot(&black_box(Gradient::DEFAULT), Gradient::DEFAULT.start());
    reboot(&black_box(AdaptiveThrottle::DEFAULT), ThrottleState::new());
    reboot(&black_box(TokenBudget::AWS), TokenBudget::FRESH);
    reboot(&black_box(RatioBudget::DEFAULT), RatioBudget::FRESH);
    reboot(&black_box(HedgePolicy::DEFAULT), HedgeState::FRESH);
    reboot(&black_box(Hysteresis::KUBERNETES), HysteresisState::new());
    reboot(
        &black_box(PeerPolicy::new(
            CallPolicy::new(RetryPolicy::DEFAULT),
            CircuitBreakerConfig::DEFAULT,
            TokenBucket::new(RATE),
        )),
        PeerState::FRESH,
    );
}
