//! Stellaris LM3S6965 (Cortex-M3): PL011 UARTs, SysTick as the clock, a general-purpose timer for
//! alarms. 12.5 MHz after a reset.

mod time;

use super::cmsdk_watchdog::CmsdkWatchdog;
use super::{DefaultHandler, Vector, unmask};
use crate::register::Register;
use crate::uart::Uart;

/// The board, as QEMU calls it.
pub const NAME: &str = "lm3s6965evb";
const CLOCK_HZ: u32 = 12_500_000;

/// The line to other nodes.
pub static LINK: Uart = Uart::on(Port(register(0x4000_c000)));
/// The line to whoever gives orders.
pub static CONTROL: Uart = Uart::on(Port(register(0x4000_d000)));

const RUN_CLOCKS: Register = register(0x400f_e104); // RCGC1
const WATCHDOG_CLOCK: Register = register(0x400f_e100); // RCGC0

const INTERRUPT_LINK: usize = 5;
const INTERRUPT_CONTROL: usize = 6;
const INTERRUPT_ALARM: usize = 19;

const fn register(address: usize) -> Register {
    // SAFETY: the addresses in this file are those of the LM3S6965's data sheet.
    unsafe { Register::at(address) }
}

/// cortex-m-rt puts it behind the vectors of the processor.
#[unsafe(link_section = ".vector_table.interrupts")]
#[unsafe(no_mangle)]
static __INTERRUPTS: [Vector; 44] = {
    let mut vectors: [Vector; 44] = [DefaultHandler; 44];
    vectors[INTERRUPT_LINK] = on_link;
    vectors[INTERRUPT_CONTROL] = on_control;
    vectors[INTERRUPT_ALARM] = time::on_alarm;
    vectors
};

/// Sets the board up.
///
/// # Panics
///
/// The second time.
pub fn init() {
    let core = cortex_m::Peripherals::take().expect("the board is set up once");
    RUN_CLOCKS.write(1 << 16 | 0b11); // timer 0, UART 0 and UART 1
    WATCHDOG_CLOCK.write(1 << 3);
    Port(register(0x4000_c000)).init();
    Port(register(0x4000_d000)).init();
    time::init(core.SYST);
    unmask(&[INTERRUPT_LINK, INTERRUPT_CONTROL, INTERRUPT_ALARM]);
}

unsafe extern "C" fn on_link() {
    LINK.on_interrupt();
}

unsafe extern "C" fn on_control() {
    CONTROL.on_interrupt();
}

/// A PL011.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Port(Register);

/// Interrupts: received, a byte alone for a while, room to send.
const PORT_INTERRUPTS: u32 = 1 << 4 | 1 << 6 | 1 << 5;

impl Port {
    fn init(self) {
        self.0.offset(0x30).write(0); // CTL: off
        self.0.offset(0x24).write(6); // IBRD: 12.5 MHz / (16 · 115200) = 6.78
        self.0.offset(0x28).write(50); // FBRD
        self.0.offset(0x2c).write(0b111_0000); // LCRH: 8 bits, FIFOs
        self.0.offset(0x38).write(PORT_INTERRUPTS); // IM
        self.0.offset(0x30).write(0b11_0000_0001); // CTL: receive, send, on
    }

    pub(crate) fn is_writable(self) -> bool {
        self.0.offset(0x18).read() & 1 << 5 == 0 // FR.TXFF
    }

    pub(crate) fn write(self, byte: u8) {
        self.0.write(byte.into()); // DR
    }

    pub(crate) fn read(self) -> Option<u8> {
        let is_empty = self.0.offset(0x18).read() & 1 << 4 != 0; // FR.RXFE
        (!is_empty).then(|| self.0.read() as u8) // DR: the status is above the byte
    }

    pub(crate) fn acknowledge(self) {
        self.0.offset(0x44).write(PORT_INTERRUPTS); // ICR
    }
}

/// The board's watchdog.
pub mod watchdog {
    use super::{CLOCK_HZ, CmsdkWatchdog, register};

    const WATCHDOG: CmsdkWatchdog = CmsdkWatchdog::at(register(0x4000_0000));

    /// Resets the board four seconds after it was last fed: an emulator may have to wait for its processor.
    pub fn start() {
        WATCHDOG.start(CLOCK_HZ * 2);
    }

    /// The four seconds begin anew.
    pub fn feed() {
        WATCHDOG.feed();
    }
}
