//! Which mutant is alive: the one whose number the environment names. Put into core by tests/mutants.

extern crate std;

use core::ffi::{CStr, c_char, c_int, c_void};
use core::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering::Relaxed};

/// No mutant, and nobody has asked the environment yet.
const UNKNOWN: u32 = u32::MAX;
/// No mutant; who meets one says so.
const RECORDING: u32 = u32::MAX - 1;

static ALIVE: AtomicU32 = AtomicU32::new(UNKNOWN);
static SEEN: [AtomicU64; 1024] = [const { AtomicU64::new(0) }; 1024];
static FILE: AtomicI32 = AtomicI32::new(-1);

/// The mutant that is alive, if its number is from `low` to `high`, else 0; always 0 in constants.
#[inline]
#[must_use]
pub const fn pick(low: u32, high: u32) -> u32 {
    core::intrinsics::const_eval_select((low, high), none, look)
}

const fn none(_: u32, _: u32) -> u32 {
    0
}

#[inline]
fn look(low: u32, high: u32) -> u32 {
    let alive = ALIVE.load(Relaxed);
    if alive >= low && alive <= high {
        alive
    } else if alive >= RECORDING {
        first_look(low, high)
    } else {
        0
    }
}

#[cold]
fn first_look(low: u32, high: u32) -> u32 {
    if ALIVE.load(Relaxed) == UNKNOWN {
        ALIVE.store(asked(), Relaxed);
        return look(low, high);
    }
    for number in low..=high {
        let (word, bit) = ((number / 64) as usize, 1_u64 << (number % 64));
        if SEEN[word].fetch_or(bit, Relaxed) & bit == 0 {
            write_down(number);
        }
    }
    0
}

// Of the C library, for a test may count what is allocated or look at who holds a lock.
unsafe extern "C" {
    fn getenv(name: *const c_char) -> *const c_char;
    fn open(path: *const c_char, flags: c_int, ...) -> c_int;
    fn write(file: c_int, bytes: *const c_void, length: usize) -> isize;
}

fn variable(name: &CStr) -> Option<&'static CStr> {
    let value = unsafe { getenv(name.as_ptr()) };
    (!value.is_null()).then(|| unsafe { CStr::from_ptr(value) })
}

/// `SCHEMATA_REACHED` is a file to record in, `SCHEMATA_MUTANT` the number of the mutant that is to live.
fn asked() -> u32 {
    if let Some(path) = variable(c"SCHEMATA_REACHED") {
        let (write_only, append) = (0o1, 0o2000);
        let file = unsafe { open(path.as_ptr(), write_only | append) };
        assert!(file >= 0, "there is nothing to record in");
        FILE.store(file, Relaxed);
        return RECORDING;
    }
    let digits = variable(c"SCHEMATA_MUTANT").map_or(&[][..], CStr::to_bytes);
    digits.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0'))
}

fn write_down(number: u32) {
    let bytes = number.to_ne_bytes();
    unsafe { write(FILE.load(Relaxed), bytes.as_ptr().cast(), bytes.len()) };
}
