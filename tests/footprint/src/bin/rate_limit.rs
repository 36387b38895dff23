//! A token bucket and a sliding window.
#![no_std]
#![no_main]

use resil_core::rate_limit::RateLimit;

footprint::limit!(RateLimit = RateLimit::new(RATE));
