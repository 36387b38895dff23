//! embassy's executor for a thread that sleeps with WFI.
//!
//! The one that embassy has for a Cortex-M sleeps with WFE, which QEMU takes for a mere yield: the
//! guest then spins on a whole core of the host. WFI stops it until an interrupt is pending.

use core::marker::PhantomData;
use core::sync::atomic::{AtomicBool, Ordering};
use cortex_m::{asm, interrupt};
use embassy_executor::{Spawner, raw};

/// A task wants to be polled.
static IS_PENDING: AtomicBool = AtomicBool::new(false);

#[unsafe(export_name = "__pender")]
fn pend(_: *mut ()) {
    IS_PENDING.store(true, Ordering::Release);
}

/// Runs the tasks of the thread; there is one.
pub struct Executor {
    inner: raw::Executor,
    /// It stays on its thread.
    not_send: PhantomData<*mut ()>,
}

impl Executor {
    /// An executor without tasks.
    #[must_use]
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self { inner: raw::Executor::new(core::ptr::null_mut()), not_send: PhantomData }
    }

    /// Runs what `spawn` spawns, and what that spawns, for ever.
    pub fn run(&'static mut self, spawn: impl FnOnce(Spawner)) -> ! {
        spawn(self.inner.spawner());
        loop {
            IS_PENDING.store(false, Ordering::Release);
            // SAFETY: it lives for ever, and is polled nowhere else.
            unsafe { self.inner.poll() };
            sleep();
        }
    }
}

/// Sleeps until a task wants to be polled.
fn sleep() {
    // With interrupts masked a pending one still ends the WFI, but its handler runs only after they are
    // let through: no wake-up falls between the look and the sleep.
    interrupt::disable();
    while !IS_PENDING.load(Ordering::Acquire) {
        asm::dsb();
        asm::wfi();
        // SAFETY: this is not within a critical section.
        unsafe { interrupt::enable() };
        asm::isb();
        interrupt::disable();
    }
    // SAFETY: as above.
    unsafe { interrupt::enable() };
}
