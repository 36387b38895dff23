//! A circuit breaker that judges its last minute.
#![no_std]
#![no_main]

use resil_core::circuit_breaker::TimeWindow;

footprint::breaker!(
    TimeWindow<10> = valid!(
        CircuitBreakerConfig::builder()
            .success_rate(Ratio::percent(50), 10)
            .time_window(Duration::from_secs(60))
            .build()
    )
);
