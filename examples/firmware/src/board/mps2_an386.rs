//! ARM MPS2 with image AN386 (Cortex-M4F): CMSDK UARTs, the counter of the FPGA's I/O block as the
//! clock, a CMSDK dual timer for alarms. 25 MHz.

mod time;

use super::cmsdk_watchdog::CmsdkWatchdog;
use super::{DefaultHandler, Vector, unmask};
use crate::register::Register;
use crate::uart::Uart;
use cortex_m_rt::exception;

/// The board, as QEMU calls it.
pub const NAME: &str = "mps2-an386";
const CLOCK_HZ: u32 = 25_000_000;

/// The line to other nodes.
pub static LINK: Uart = Uart::on(Port(register(0x4000_4000)));
/// The line to whoever gives orders.
pub static CONTROL: Uart = Uart::on(Port(register(0x4000_5000)));

const INTERRUPT_LINK: [usize; 2] = [0, 1]; // received, sent
const INTERRUPT_CONTROL: [usize; 2] = [2, 3];
const INTERRUPT_ALARM: usize = 10;

const fn register(address: usize) -> Register {
    // SAFETY: the addresses in this file are those of ARM's application note 386.
    unsafe { Register::at(address) }
}

/// cortex-m-rt puts it behind the vectors of the processor.
#[unsafe(link_section = ".vector_table.interrupts")]
#[unsafe(no_mangle)]
static __INTERRUPTS: [Vector; 32] = {
    let mut vectors: [Vector; 32] = [DefaultHandler; 32];
    vectors[INTERRUPT_LINK[0]] = on_link;
    vectors[INTERRUPT_LINK[1]] = on_link;
    vectors[INTERRUPT_CONTROL[0]] = on_control;
    vectors[INTERRUPT_CONTROL[1]] = on_control;
    vectors[INTERRUPT_ALARM] = time::on_alarm;
    vectors
};

/// Sets the board up.
pub fn init() {
    Port(register(0x4000_4000)).init();
    Port(register(0x4000_5000)).init();
    time::init();
    unmask(&INTERRUPT_LINK);
    unmask(&INTERRUPT_CONTROL);
    unmask(&[INTERRUPT_ALARM]);
}

unsafe extern "C" fn on_link() {
    LINK.on_interrupt();
}

unsafe extern "C" fn on_control() {
    CONTROL.on_interrupt();
}

/// Half of the watchdog's time is over, and the gate that has closed does not open again: wait for the
/// rest.
#[exception]
unsafe fn NonMaskableInt() -> ! {
    loop {
        cortex_m::asm::nop();
    }
}

/// A CMSDK UART.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Port(Register);

impl Port {
    fn init(self) {
        self.0.offset(0x10).write(CLOCK_HZ / 115_200); // BAUDDIV
        self.0.offset(0x08).write(0b1111); // CTRL: send and receive, and their interrupts
    }

    pub(crate) fn is_writable(self) -> bool {
        self.0.offset(0x04).read() & 0b01 == 0 // STATE.TXFULL
    }

    pub(crate) fn write(self, byte: u8) {
        self.0.write(byte.into()); // DATA
    }

    pub(crate) fn read(self) -> Option<u8> {
        let is_full = self.0.offset(0x04).read() & 0b10 != 0; // STATE.RXFULL
        is_full.then(|| self.0.read() as u8) // DATA: 8 bits of it
    }

    pub(crate) fn acknowledge(self) {
        self.0.offset(0x0c).write(0b11); // INTCLEAR: both
    }
}

/// The board's watchdog.
pub mod watchdog {
    use super::{CLOCK_HZ, CmsdkWatchdog, register};

    const WATCHDOG: CmsdkWatchdog = CmsdkWatchdog::at(register(0x4000_8000));

    /// Resets the board four seconds after it was last fed: an emulator may have to wait for its processor.
    pub fn start() {
        WATCHDOG.start(CLOCK_HZ * 2);
    }

    /// The four seconds begin anew.
    pub fn feed() {
        WATCHDOG.feed();
    }
}
