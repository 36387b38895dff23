//! A circuit breaker that counts failures in a row.
#![no_std]
#![no_main]

use resil_core::circuit_breaker::Consecutive;

footprint::breaker!(Consecutive = CircuitBreakerConfig::DEFAULT);
