//! A token bucket.
#![no_std]
#![no_main]

use resil_core::rate_limit::TokenBucket;

footprint::limit!(TokenBucket = TokenBucket::new(RATE));
