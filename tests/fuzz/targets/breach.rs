//! A claim that is wrong, for `run` to see that a finding is found: that a breaker never opens.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use resil_core::circuit_breaker::{CircuitBreaker, CircuitBreakerConfig, State};
use resil_core::outcome::FailureClass;
use resil_core::{Instant, Outcome};

#[derive(Debug, Arbitrary)]
enum Ends {
    Well,
    Badly,
}

fuzz_target!(|calls: Vec<Ends>| {
    let mut breaker = CircuitBreaker::new(CircuitBreakerConfig::DEFAULT);
    for ends in calls {
        let Ok(permit) = breaker.try_acquire(0, Instant::EPOCH) else { break };
        let outcome = match ends {
            Ends::Well => Outcome::Success,
            Ends::Badly => Outcome::Failure(FailureClass::Transient),
        };
        breaker.record(permit, outcome, 0, Instant::EPOCH);
        assert_eq!(breaker.state(Instant::EPOCH), State::Closed, "a breaker opens");
    }
});
