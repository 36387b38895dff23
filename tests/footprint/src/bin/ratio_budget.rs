//! A retry budget that is a share of the calls.
#![no_std]
#![no_main]

use resil_core::retry::budget::RatioBudget;

footprint::budget!(RatioBudget = RatioBudget::DEFAULT);
