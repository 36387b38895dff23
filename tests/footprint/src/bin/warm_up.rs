//! A bucket that admits less after a pause.
#![no_std]
#![no_main]

use core::time::Duration;
use resil_core::rate_limit::WarmUp;

footprint::limit!(WarmUp = valid!(WarmUp::new(RATE, Duration::from_secs(10))));
