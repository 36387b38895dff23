//! Every decision of core, called with values that the optimiser knows nothing about: any policy that
//! was built, any state, any time. It must not panic, use a float, or divide a wide number.
//!
//! What divides on purpose is in `surroundings.rs`: building a policy, and reading a wait as a
//! `Duration`, which keeps seconds and nanoseconds apart. Here policies are constants and waits are
//! instants.
//!
//! Each function stays by itself (`inline(never)`): in one piece it takes minutes to optimise.
#![no_std]
#![no_main]

mod breaker;
mod call;
mod chaos;
mod events;
mod health;
mod kept;
mod limits;
mod load;
mod retry;
mod times;

use breaker::{BY_CALLS, BY_TIME, breaker, ejection};
use call::{call, driven, with_all};
use chaos::{SKEW, SPLIT, chaos, wrong_clocks};
use core::hint::black_box;
use core::time::Duration;
use events::events;
use health::{TASKS, health, heartbeat, watchdog};
use kept::{every_machine, kept, reboot};
use limits::{LOGGED, STRICT, WARMING, agree, classes, limit, owes, peers};
use load::{adaptive, bulkhead, throttle};
use negatives as _;
use resil_core::adaptive::{Aimd, Gradient};
use resil_core::backoff::Backoff;
use resil_core::bulkhead::BulkheadConfig;
use resil_core::call::{BudgetedPolicy, CallPolicy, HedgedPolicy, PeerPolicy};
use resil_core::chaos::ChaosPolicy;
use resil_core::circuit_breaker::ejection::EjectionConfig;
use resil_core::circuit_breaker::{CircuitBreakerConfig, CircuitBreakerState};
use resil_core::health::HeartbeatConfig;
use resil_core::hedge::HedgePolicy;
use resil_core::rate_limit::{AllOf, PerRequest, RateLimit, RateLimitConfig, TokenBucket};
use resil_core::retry::budget::{RatioBudget, TokenBudget};
use resil_core::retry::{Retry, RetryPolicy, Suspended};
use resil_core::throttle::AdaptiveThrottle;
use resil_core::{Instant, Rejected};
use retry::{budget, deadline, hedge, outcomes, retry};
use times::{TICKS, ticks, time_passes};

const RATE: RateLimitConfig = RateLimitConfig::DEFAULT;
const PEER: PeerPolicy = PeerPolicy::new(
    CallPolicy::new(RetryPolicy::DEFAULT),
    CircuitBreakerConfig::DEFAULT,
    TokenBucket::new(RATE),
);

/// Where the firmware starts.
#[unsafe(no_mangle)]
pub extern "C" fn _start() -> ! {
    loop {
        call(&black_box(PEER));
        driven(&black_box(BudgetedPolicy::new(PEER, TokenBudget::AWS)));
        driven(&black_box(HedgedPolicy::new(PEER, TokenBudget::AWS, HedgePolicy::DEFAULT)));
        health();
        heartbeat(&black_box(HeartbeatConfig::DEFAULT));
        watchdog(&black_box(TASKS));
        time_passes();
        deadline();
        hedge(&black_box(HedgePolicy::DEFAULT));
        budget(&black_box(TokenBudget::AWS));
        budget(&black_box(RatioBudget::DEFAULT));
        outcomes();
        retry(&black_box(RetryPolicy::DEFAULT));
        breaker(&black_box(CircuitBreakerConfig::DEFAULT));
        breaker(&black_box(BY_CALLS));
        breaker(&black_box(BY_TIME));
        ejection(black_box(EjectionConfig::DEFAULT));
        limit(&black_box(TokenBucket::new(RATE)));
        limit(&black_box(STRICT));
        limit(&black_box(RateLimit::new(RATE)));
        limit(&black_box(LOGGED));
        peers::<TokenBucket>(TokenBucket::new(RATE));
        peers::<RateLimit>(RateLimit::new(RATE));
        events();
        chaos(&black_box(ChaosPolicy::DEFAULT));
        wrong_clocks(&black_box(SKEW), &black_box(SPLIT));
        ticks(&black_box(TICKS));
        reboot(&black_box(CircuitBreakerConfig::DEFAULT), CircuitBreakerState::new());
        let retry = black_box(Retry::start(&RetryPolicy::DEFAULT, any_now()));
        let wait = black_box(None);
        reboot(&black_box(RetryPolicy::DEFAULT), Suspended { retry, wait });
        reboot(&black_box(Backoff::DEFAULT), Backoff::DEFAULT.delays());
        bulkhead(&black_box(BulkheadConfig::DEFAULT));
        adaptive(&black_box(Aimd::DEFAULT));
        adaptive(&black_box(Gradient::DEFAULT));
        throttle(&black_box(AdaptiveThrottle::DEFAULT));
        limit(&black_box(WARMING));
        limit(&black_box(AllOf::new(PerRequest::new(TokenBucket::new(RATE)), STRICT)));
        owes(&black_box(TokenBucket::new(RATE)));
        owes(&black_box(STRICT));
        agree(&black_box(TokenBucket::new(RATE)), &black_box(WARMING));
        classes(black_box(TokenBucket::new(RATE)));
        kept(&black_box(TokenBucket::new(RATE)));
        kept(&black_box(STRICT));
        kept(&black_box(WARMING));
        kept(&black_box(RateLimit::new(RATE)));
        kept(&black_box(LOGGED));
        every_machine();
        with_all(&black_box(CallPolicy::new(RetryPolicy::DEFAULT)));
    }
}

fn any_now() -> Instant {
    Instant::from_nanos(black_box(0))
}

fn any_duration() -> Duration {
    black_box(Duration::ZERO)
}

fn refused(rejected: Rejected) {
    black_box(rejected.code().number());
    black_box(rejected.code().name());
    black_box(rejected.retry());
}

const SECOND: Duration = Duration::from_secs(1);
