//! A circuit breaker that judges its last 64 calls.
#![no_std]
#![no_main]

use resil_core::circuit_breaker::CountWindow;

footprint::breaker!(
    CountWindow<2> = valid!(
        CircuitBreakerConfig::builder()
            .success_rate(Ratio::percent(50), 10)
            .count_window(50)
            .slow_calls(Duration::from_secs(1), Ratio::percent(50))
            .build()
    )
);
