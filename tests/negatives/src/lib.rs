//! What the firmwares share: a panic that cannot be linked.
#![no_std]

unsafe extern "C" {
    /// Defined nowhere. A firmware in which a panic can be reached does not link, and the linker
    /// names the function that can.
    fn a_panic_can_be_reached() -> !;
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    // Safety: never run. Where it could be, there is no program.
    unsafe { a_panic_can_be_reached() }
}
