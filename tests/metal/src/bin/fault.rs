//! Faults, to see that QEMU ends with a status of its own.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use metal as _;

#[entry]
fn main() -> ! {
    cortex_m::asm::udf()
}
