//! The board that was chosen. Each has the same items:
//!
//! - `NAME`, and `LINK` and `CONTROL`: UART 0 and UART 1;
//! - `init()`, once, before anything else: clocks, UARTs, interrupts. embassy's time runs from here;
//! - `watchdog::{start, feed}`: the board's own watchdog.

#[cfg(feature = "lm3s6965evb")]
mod lm3s6965evb;
#[cfg(feature = "lm3s6965evb")]
pub use lm3s6965evb::*;

#[cfg(feature = "mps2-an386")]
mod mps2_an386;
#[cfg(feature = "mps2-an386")]
pub use mps2_an386::*;

#[cfg(feature = "microbit")]
mod microbit;
#[cfg(feature = "microbit")]
pub use microbit::*;

#[cfg(feature = "node")]
mod cmsdk_watchdog;

/// An entry of the vector table.
type Vector = unsafe extern "C" fn();

unsafe extern "C" {
    /// cortex-m-rt's: whatever interrupt is not expected ends here.
    fn DefaultHandler();
}

/// Lets these interrupts through.
fn unmask(interrupts: &[usize]) {
    let mask = interrupts.iter().fold(0, |mask, interrupt| mask | 1 << interrupt);
    // SAFETY: their handlers are in the vector table, and no critical section relies on their being
    // masked: it masks all of them.
    unsafe { (*cortex_m::peripheral::NVIC::PTR).iser[0].write(mask) };
}
