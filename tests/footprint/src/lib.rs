//! What the firmwares share: state in a static, inputs that the optimiser knows nothing about, and the
//! bench that a decision is measured on.
#![no_std]

mod adaptive;
mod bench;
mod breaker;
mod budget;
mod limit;

pub use bench::{Bench, exit};

use core::cell::UnsafeCell;
use core::hint::black_box;
use resil_core::Instant;

#[cfg(not(feature = "run"))]
use negatives as _;
#[cfg(feature = "run")]
use panic_semihosting as _;

/// The firmware of one machine: `decide` makes each of its decisions, over and over; `measure` makes
/// them one by one on a bench.
#[macro_export]
macro_rules! firmware {
    ($decide:expr, $measure:expr) => {
        #[cortex_m_rt::entry]
        fn main() -> ! {
            let (decide, measure): (fn(), fn(&mut $crate::Bench)) = ($decide, $measure);
            if cfg!(feature = "run") {
                measure(&mut $crate::Bench::begin());
                $crate::exit()
            }
            loop {
                decide();
            }
        }
    };
}

/// State in a static, as firmware without tasks keeps it.
pub struct Owned<T>(UnsafeCell<T>);

// Safety: these firmwares have one thread and no interrupts.
unsafe impl<T> Sync for Owned<T> {}

impl<T> Owned<T> {
    /// Starts as `value`.
    pub const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// Changes it.
    #[inline(always)]
    pub fn with<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        // Safety: nobody else has it: no other thread, and no `change` here reaches the same static.
        change(unsafe { &mut *self.0.get() })
    }
}

/// Any instant. Not inlined, so that what every firmware has is not counted for a machine.
#[inline(never)]
pub fn any_now() -> Instant {
    Instant::from_nanos(black_box(0))
}

/// Any random bits.
#[inline(never)]
pub fn any_entropy() -> u32 {
    black_box(7)
}

/// The instant `millis` after the start, though the optimiser does not know.
pub fn at(millis: u64) -> Instant {
    Instant::from_nanos(black_box(millis.saturating_mul(1_000_000)))
}
