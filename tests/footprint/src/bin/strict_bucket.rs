//! A bucket that admits no more than the maximum in any window.
#![no_std]
#![no_main]

use resil_core::rate_limit::StrictBucket;

footprint::limit!(StrictBucket = valid!(StrictBucket::new(RATE)));
