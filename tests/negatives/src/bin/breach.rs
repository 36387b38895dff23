//! One breach of each promise, to see that the check would find it.
#![no_std]
#![no_main]

use core::hint::black_box;
use negatives as _;

/// Where the firmware starts.
#[unsafe(no_mangle)]
pub extern "C" fn _start() -> ! {
    loop {
        #[cfg(feature = "breach-panic")]
        black_box([1, 2, 3][black_box(1_usize)]);
        #[cfg(feature = "breach-float")]
        black_box(black_box(1.5_f32) * black_box(2.5_f32));
        #[cfg(feature = "breach-division")]
        black_box(black_box(7_u64).checked_div(black_box(3_u64)));
    }
}
