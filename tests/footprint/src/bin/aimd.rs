//! A limit that grows by one and shrinks by a factor.
#![no_std]
#![no_main]

use resil_core::adaptive::Aimd;

footprint::adaptive!(Aimd = Aimd::DEFAULT);
