//! How deep the stack has been: cortex-m-rt fills it with a pattern before anything runs.

/// What cortex-m-rt's feature `paint-stack` fills it with.
const PAINT: u32 = 0xcccc_cccc;

unsafe extern "C" {
    static _stack_start: u32; // the highest address
    static _stack_end: u32;
}

/// Bytes that the stack took at most so far, and bytes that there are for it.
#[must_use]
pub fn stack_used() -> (usize, usize) {
    let (top, mut at) = (&raw const _stack_start, &raw const _stack_end);
    let room = top as usize - at as usize;
    // SAFETY: all from the end of the stack to its start is RAM; what is in use is only looked at.
    while at < top && unsafe { at.read_volatile() } == PAINT {
        at = at.wrapping_add(1);
    }
    (top as usize - at as usize, room)
}
