//! A limit that follows latency.
#![no_std]
#![no_main]

use resil_core::adaptive::Gradient;

footprint::adaptive!(Gradient = Gradient::DEFAULT);
