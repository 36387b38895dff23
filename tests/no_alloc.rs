//! No decision touches the heap, nor does making, printing or dropping what it answers, nor the drivers on
//! embassy, tokio and threads.
//!
//! The allocator of this binary counts what a thread allocates while it is being watched. The crate
//! cannot name `alloc`, so this guards against a dependency that does.

#![allow(unsafe_code, reason = "a global allocator is an unsafe trait")]

#[path = "no_alloc/bytes.rs"]
mod bytes;
#[path = "no_alloc/call.rs"]
mod call;
#[path = "no_alloc/health.rs"]
mod health;
#[path = "no_alloc/machines.rs"]
mod machines;
#[path = "no_alloc/shared.rs"]
mod shared;
#[path = "no_alloc/statics.rs"]
mod statics;

use core::alloc::{GlobalAlloc, Layout};
use core::cell::Cell;
use core::time::Duration;
use resil_core::Instant;
use std::alloc::System;

/// Counts, and leaves the work to the system's.
struct Counting;

thread_local! {
    static WATCHED: Cell<bool> = const { Cell::new(false) };
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// Safety: every call goes to `System` unchanged; counting neither allocates nor panics.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if WATCHED.get() {
            COUNT.set(COUNT.get().wrapping_add(1));
        }
        // Safety: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // Safety: as above; what is freed came from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// How often `work` allocated.
fn allocations(work: impl FnOnce()) -> usize {
    COUNT.set(0);
    WATCHED.set(true);
    work();
    WATCHED.set(false);
    COUNT.get()
}

/// Times and numbers that go everywhere, the same in every run.
struct Walk(u64);

impl Walk {
    fn next(&mut self) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 20
    }

    /// Mostly forward by up to 4 s, and back now and then.
    fn step(&mut self, now: Instant) -> Instant {
        let by = Duration::from_nanos(self.next() & 0xFFFF_FFFF);
        if self.next().is_multiple_of(16) { now.saturating_sub(by) } else { now.saturating_add(by) }
    }
}

const STEPS: u32 = 10_000;

#[test]
fn an_allocation_is_seen() {
    assert_eq!(allocations(|| drop(core::hint::black_box(Box::new(7)))), 1);
    assert_eq!(allocations(|| ()), 0);
}
