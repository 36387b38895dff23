//! The UART, with a ring of bytes on either side of its interrupt.

use super::LINE;
use core::cell::RefCell;
use critical_section::Mutex;
use heapless::Deque;

/// Bytes received that nobody has read: two of the longest frames, and what comes meanwhile.
const RECEIVED: usize = 1024;
/// Bytes that wait to be sent: what one turn of the loop has to say.
const OUTGOING: usize = 2048;

struct Rings {
    received: Deque<u8, RECEIVED>,
    lost: u32,
    outgoing: Deque<u8, OUTGOING>,
    is_sending: bool,
}

static RINGS: Mutex<RefCell<Rings>> = Mutex::new(RefCell::new(Rings {
    received: Deque::new(),
    lost: 0,
    outgoing: Deque::new(),
    is_sending: false,
}));

fn rings<T>(f: impl FnOnce(&mut Rings) -> T) -> T {
    critical_section::with(|token| f(&mut RINGS.borrow_ref_mut(token)))
}

/// The line to other nodes.
#[derive(Debug)]
pub struct Line(());

pub(super) fn init() -> Line {
    LINE.offset(0x50c).write(24); // PSELTXD
    LINE.offset(0x514).write(25); // PSELRXD
    LINE.offset(0x524).write(0x1000_0000); // BAUDRATE: 1 Mbaud
    LINE.offset(0x500).write(4); // ENABLE
    LINE.offset(0x304).write(1 << 2 | 1 << 7); // INTENSET: received, sent
    LINE.offset(0x000).write(1); // STARTRX
    LINE.offset(0x008).write(1); // STARTTX
    Line(())
}

impl Line {
    /// The next byte that was received.
    pub fn receive(&mut self) -> Option<u8> {
        rings(|rings| rings.received.pop_front())
    }

    /// Whether one is there.
    #[must_use]
    pub fn has_received(&self) -> bool {
        rings(|rings| !rings.received.is_empty())
    }

    /// Sends `frame`, all of it or, where the line is too slow, nothing; says which.
    #[must_use]
    pub fn send(&mut self, frame: &[u8]) -> bool {
        rings(|rings| {
            let has_room = rings.outgoing.capacity() - rings.outgoing.len() >= frame.len();
            if has_room {
                rings.outgoing.extend(frame.iter().copied());
                rings.go_on();
            }
            has_room
        })
    }

    /// Whether a quarter of the room for what is to be sent is taken.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        rings(|rings| rings.outgoing.len() >= OUTGOING / 4)
    }

    /// Bytes that were received and found no room.
    #[must_use]
    pub fn lost(&self) -> u32 {
        rings(|rings| rings.lost)
    }
}

impl Rings {
    /// Sends the next byte, if none is on its way.
    fn go_on(&mut self) {
        if !self.is_sending
            && let Some(byte) = self.outgoing.pop_front()
        {
            self.is_sending = true;
            LINE.offset(0x51c).write(byte.into()); // TXD
        }
    }
}

pub(super) unsafe extern "C" fn on_interrupt() {
    let (received, sent) = (LINE.offset(0x108), LINE.offset(0x11c)); // RXDRDY, TXDRDY
    rings(|rings| {
        // The UART keeps six bytes, and says of each anew that it is there.
        while received.read() != 0 {
            received.write(0);
            let byte = LINE.offset(0x518).read() as u8; // RXD
            rings.lost += u32::from(rings.received.push_back(byte).is_err());
        }
        if sent.read() != 0 {
            sent.write(0);
            rings.is_sending = false;
            rings.go_on();
        }
    });
}
