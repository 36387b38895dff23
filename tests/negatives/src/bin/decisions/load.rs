//! Bulkheads, adaptive limits, throttles.

use crate::{any_now, refused};
use core::hint::black_box;
use resil_core::Outcome;
use resil_core::adaptive::{ConcurrencyLimit, ConcurrencyLimiter};
use resil_core::bulkhead::{Bulkhead, BulkheadConfig, BulkheadState};
use resil_core::call::Priority;
use resil_core::throttle::{AdaptiveThrottle, ThrottleState, Throttler};

#[inline(never)]
pub(crate) fn bulkhead(config: &BulkheadConfig) {
    let mut state = black_box(BulkheadState::new());
    let priority = black_box(Priority::Low);
    match black_box(config.try_acquire(&mut state, black_box(1), priority, any_now())) {
        Ok(permit) => {
            black_box(config.record(&mut state, permit, black_box(Outcome::Success), any_now()));
        }
        Err(rejected) => refused(rejected),
    }
    black_box(config.peek(&state, black_box(1), priority, any_now()).is_ok());
    black_box(config.available(&state, priority));
    black_box(config.next_deadline(&state, any_now()));
    black_box(config.is_fresh(&state));
    black_box(config.inherit(config, &state, any_now()));
    config.reset(&mut state);

    let mut bulkhead = Bulkhead::from_parts(config, state);
    if let Ok(permit) = bulkhead.try_acquire(black_box(1), priority, any_now()) {
        black_box(bulkhead.record(permit, Outcome::Success, any_now()));
    }
    bulkhead.reconfigure(config, any_now());
    black_box(bulkhead.held());
}

#[inline(never)]
pub(crate) fn adaptive<L: ConcurrencyLimit>(policy: &L) {
    let mut state = black_box(policy.start());
    match black_box(policy.try_acquire(&mut state, black_box(0_u32), any_now())) {
        Ok(permit) => {
            let outcome = black_box(Outcome::Success);
            black_box(policy.record(&mut state, permit, outcome, black_box(0_u32), any_now()));
        }
        Err(rejected) => refused(rejected),
    }
    black_box(policy.peek(&state, any_now()).is_ok());
    black_box(policy.limit(&state, any_now()));
    black_box(policy.in_flight(&state));
    black_box(policy.available(&state, any_now()));
    black_box(policy.next_deadline(&state, any_now()));
    black_box(policy.is_fresh(&state));
    let mut state = black_box(policy.inherit(policy, &state, any_now()));
    policy.reset(&mut state);

    let mut limiter = ConcurrencyLimiter::from_parts(policy, state);
    if let Ok(permit) = limiter.try_acquire(black_box(0_u32), any_now()) {
        black_box(limiter.record(permit, Outcome::Abandoned, black_box(0_u32), any_now()));
    }
    limiter.reconfigure(policy, any_now());
    black_box(limiter.limit(any_now()));
}

#[inline(never)]
pub(crate) fn throttle(policy: &AdaptiveThrottle) {
    let mut state = black_box(ThrottleState::new());
    match black_box(policy.try_acquire(&mut state, black_box(0_u32), any_now())) {
        Ok(permit) => {
            black_box(policy.record(&mut state, permit, black_box(Outcome::Success), any_now()));
        }
        Err(rejected) => refused(rejected),
    }
    black_box(policy.reject_share(&state, any_now()));
    black_box((policy.requests(&state, any_now()), policy.accepts(&state, any_now())));
    black_box(policy.next_deadline(&state, any_now()));
    black_box(policy.is_fresh(&state, any_now()));
    black_box(policy.inherit(policy, &state, any_now()));
    policy.reset(&mut state);

    let mut throttler = Throttler::from_parts(policy, state);
    if let Ok(permit) = throttler.try_acquire(black_box(0_u32), any_now()) {
        black_box(throttler.record(permit, Outcome::Success, any_now()));
    }
    throttler.reconfigure(policy, any_now());
}
