//! Circuit breakers, and the rule that ejects peers.

use crate::any_now;
use core::hint::black_box;
use core::time::Duration;
use resil_core::call::Bound;
use resil_core::circuit_breaker::ejection::{Ejection, EjectionConfig};
use resil_core::circuit_breaker::{
    CircuitBreaker, CircuitBreakerConfig, CircuitBreakerState, CountWindow, Recorded, TimeWindow,
    Window,
};
use resil_core::{Outcome, Ratio, valid};

pub(crate) const BY_CALLS: CircuitBreakerConfig<CountWindow<2>> = valid!(
    CircuitBreakerConfig::builder()
        .success_rate(Ratio::percent(50), 10)
        .count_window(50)
        .slow_calls(Duration::from_secs(1), Ratio::percent(50))
        .build()
);

pub(crate) const BY_TIME: CircuitBreakerConfig<TimeWindow<10>> =
    valid!(CircuitBreakerConfig::builder().time_window(Duration::from_secs(60)).build());

pub(crate) const BREAKER: CircuitBreakerConfig = CircuitBreakerConfig::DEFAULT;

#[inline(never)]
pub(crate) fn breaker<W: Window>(config: &CircuitBreakerConfig<W>) {
    let mut state = black_box(CircuitBreakerState::new());
    black_box(config.poll(&mut state, black_box(0_u32), any_now()));
    if let Ok(permit) = black_box(config.try_acquire(&mut state, black_box(0_u32), any_now())) {
        let recorded: Recorded = config.record(
            &mut state,
            permit,
            black_box(Outcome::Success),
            black_box(0_u32),
            any_now(),
        );
        black_box(recorded.transition());
    }
    black_box(config.state(&state, any_now()));
    black_box(config.peek(&state, any_now()).is_ok());
    black_box(config.retry_at(&state, any_now()));
    black_box(config.next_deadline(&state, any_now()));
    black_box(config.failures(&state));
    black_box(config.probes_in_flight(&state, any_now()));
    black_box(config.is_fresh(&state, any_now()));
    black_box(config.counts(&state, any_now()));
    black_box(config.force_open(&mut state, any_now()));
    black_box(config.disable(&mut state, any_now()));
    black_box(config.metrics_only(&mut state, any_now()));
    state = black_box(config.opened(black_box(0_u32), any_now()));
    black_box(config.spare(&mut state, any_now()));
    state = black_box(config.inherit(config, &state, any_now()));
    black_box(config.reset(&mut state, any_now()));

    let mut machine = CircuitBreaker::from_parts(config, black_box(state));
    if let Ok(permit) = black_box(machine.try_acquire(black_box(0_u32), any_now())) {
        black_box(machine.record(
            permit,
            black_box(Outcome::Abandoned),
            black_box(0_u32),
            any_now(),
        ));
    }
    black_box(machine.state(any_now()));
}

/// Every decision about whose fault it is, and what it does to a breaker.
#[inline(never)]
pub(crate) fn ejection(config: EjectionConfig) {
    let (mut rule, mut peer) = (Ejection::new(config), black_box(CircuitBreakerState::new()));
    rule.join(black_box(0));
    black_box(rule.record(black_box(0), black_box(Outcome::Success), any_now()));
    if let Some(transition) = BREAKER.force_open(&mut peer, any_now()) {
        let bound = Bound::new(&BREAKER, &mut peer);
        black_box(rule.rule(black_box(0), black_box(transition), bound, any_now()));
    }
    black_box(rule.try_eject(black_box(0), any_now()).is_ok());
    black_box(rule.blame(any_now()));
    black_box((rule.peers(), rule.ejected(), rule.is_ejected(black_box(0))));
    black_box(rule.next_deadline(any_now()));
    rule.readmit(black_box(0));
    rule.leave(black_box(0));
    rule.reconfigure(config, any_now());
}
