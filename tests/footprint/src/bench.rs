//! Counts the instructions of a decision and finds how deep its stack goes.

use core::arch::asm;
use core::hint::black_box;
use core::ptr;
use core::sync::atomic::{Ordering, compiler_fence};
use cortex_m::peripheral::{SYST, syst::SystClkSource};
use cortex_m_semihosting::debug::{self, EXIT_SUCCESS};
use cortex_m_semihosting::hprintln;

/// What QEMU's `-icount shift=10` makes of an instruction, and a tick of this board's SysTick.
const INSTRUCTION_NS: u32 = 1_024;
const TICK_NS: u32 = 80;

/// How far below the stack pointer is looked.
const STACK: usize = 4_096;
const PAINT: u32 = 0x5ea1_ed00;

/// Measures one decision after the other.
pub struct Bench {
    timer: SYST,
    /// Ticks between two looks at the timer with nothing between.
    nothing: u32,
}

impl Bench {
    /// Nothing else uses the SysTick.
    pub fn begin() -> Self {
        // Safety: called once, and nothing else takes the peripherals.
        let mut timer = unsafe { cortex_m::Peripherals::steal() }.SYST;
        timer.set_clock_source(SystClkSource::Core);
        timer.set_reload(0xff_ffff);
        timer.clear_current();
        timer.enable_counter();
        while SYST::get_current() == 0 {} // it loads at its first tick
        let mut bench = Self { timer, nothing: 0 };
        bench.nothing = bench.count(|| ()).1;
        bench
    }

    /// Makes a decision and prints what it took: instructions, from the call to its return, and bytes
    /// of stack below the caller's frame. Leave in `decide` nothing but a call of a function that is
    /// never inlined.
    #[inline(always)]
    pub fn case<T>(&mut self, name: &str, decide: impl FnOnce() -> T) -> T {
        let sp = stack_pointer();
        paint(sp);
        let (result, ticks) = self.count(decide);
        let depth = depth(sp);
        let ns = ticks.saturating_sub(self.nothing).saturating_mul(TICK_NS);
        let instructions = (ns + INSTRUCTION_NS / 2) / INSTRUCTION_NS;
        hprintln!("{}\t{}\t{}", name, instructions, depth);
        result
    }

    #[inline(always)]
    fn count<T>(&mut self, decide: impl FnOnce() -> T) -> (T, u32) {
        compiler_fence(Ordering::SeqCst);
        let before = SYST::get_current();
        compiler_fence(Ordering::SeqCst);
        let result = decide();
        compiler_fence(Ordering::SeqCst);
        let after = SYST::get_current();
        compiler_fence(Ordering::SeqCst);
        assert!(!self.timer.has_wrapped(), "longer than the timer");
        // Used, so that it is made; only here, so that handing it on is not counted.
        (black_box(result), before.wrapping_sub(after))
    }
}

/// Ends the run well.
pub fn exit() -> ! {
    loop {
        debug::exit(EXIT_SUCCESS);
    }
}

#[inline(always)]
fn stack_pointer() -> usize {
    let sp;
    // Safety: reads a register.
    unsafe { asm!("mov {}, sp", out(reg) sp, options(nomem, nostack, preserves_flags)) };
    sp
}

/// Paints what lies below `sp`. Inlined, like `depth`: a call of its own would leave traces there.
#[inline(always)]
fn paint(sp: usize) {
    for address in (sp - STACK..sp).step_by(4) {
        // Safety: below the stack pointer is nothing, and the stack is longer than this.
        unsafe { ptr::with_exposed_provenance_mut::<u32>(address).write_volatile(PAINT) };
    }
}

/// How far below `sp` something else than paint is.
#[inline(always)]
fn depth(sp: usize) -> usize {
    let mut lowest = sp - STACK;
    // Safety: as above.
    while lowest < sp
        && unsafe { ptr::with_exposed_provenance::<u32>(lowest).read_volatile() } == PAINT
    {
        lowest += 4;
    }
    assert!(lowest > sp - STACK, "deeper than was painted");
    sp - lowest
}
