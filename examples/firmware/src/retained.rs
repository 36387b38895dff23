//! Memory that a reset leaves as it is.
//!
//! There are two banks. What is kept is written to the older one and marked when it is there, so a
//! reset in the middle of that leaves the other one. After power comes on they hold anything: whoever
//! reads checks.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicBool, Ordering, compiler_fence};

/// Bytes that a bank holds.
pub const ROOM: usize = 3584;

/// Marks a bank that has been written.
const WRITTEN: u32 = 0x5e11_f00d;

#[repr(C)]
struct Bank {
    mark: u32,
    /// Which of the two is newer.
    number: u32,
    len: u32,
    bytes: [u8; ROOM],
}

impl Bank {
    fn age(&self) -> Option<u32> {
        (self.mark == WRITTEN).then_some(self.number)
    }
}

struct Banks(UnsafeCell<MaybeUninit<[Bank; 2]>>);

// SAFETY: `Retained::take` gives it to one owner.
unsafe impl Sync for Banks {}

/// The start-up code does not touch this section.
#[unsafe(link_section = ".uninit.retained")]
static BANKS: Banks = Banks(UnsafeCell::new(MaybeUninit::uninit()));

/// The memory's one owner.
pub struct Retained(&'static mut [Bank; 2]);

impl Retained {
    /// The memory; there is one.
    #[must_use]
    pub fn take() -> Option<Self> {
        static IS_TAKEN: AtomicBool = AtomicBool::new(false);
        let is_taken = critical_section::with(|_| {
            let is_taken = IS_TAKEN.load(Ordering::Relaxed);
            IS_TAKEN.store(true, Ordering::Relaxed);
            is_taken
        });
        // SAFETY: it is given away once, and any bytes are integers.
        (!is_taken).then(|| Self(unsafe { &mut *BANKS.0.get().cast() }))
    }

    /// The bytes that were kept last, whatever they are.
    #[must_use]
    pub fn read(&self) -> &[u8] {
        let newest = self.0.iter().max_by_key(|bank| bank.age());
        let written = newest.filter(|bank| bank.age().is_some());
        written.map_or(&[], |bank| &bank.bytes[..(bank.len as usize).min(ROOM)])
    }

    /// Keeps what `write` writes, of which it says how much that is.
    pub fn keep(&mut self, write: impl FnOnce(&mut [u8; ROOM]) -> usize) {
        let [first, second] = &mut *self.0;
        let newest = first.age().max(second.age());
        let bank = if first.age() < second.age() { first } else { second };
        bank.mark = 0;
        compiler_fence(Ordering::SeqCst);
        bank.len = write(&mut bank.bytes).min(ROOM) as u32;
        bank.number = newest.unwrap_or(0).saturating_add(1);
        compiler_fence(Ordering::SeqCst);
        bank.mark = WRITTEN;
    }
}
