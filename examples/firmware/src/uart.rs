//! A UART for tasks, on whatever the board has for one.

use core::future::poll_fn;
use core::task::Poll;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::pipe::Pipe;
use embassy_sync::waitqueue::AtomicWaker;

use crate::board::Port;

/// Bytes that wait for a task to read them: two of the longest frames.
const RECEIVED: usize = 1024;

/// A UART. One task reads it, one writes it.
pub struct Uart {
    port: Port,
    received: Pipe<CriticalSectionRawMutex, RECEIVED>,
    writer: AtomicWaker,
}

impl Uart {
    pub(crate) const fn on(port: Port) -> Self {
        Self { port, received: Pipe::new(), writer: AtomicWaker::new() }
    }

    /// Waits for bytes, and gives as many as there are room for and have come.
    ///
    /// Dropping the future loses none.
    pub async fn read(&self, buffer: &mut [u8]) -> usize {
        let len = self.received.read(buffer).await;
        // What the interrupt had no room for.
        critical_section::with(|_| self.receive());
        len
    }

    /// Writes `bytes`, as fast as the line takes them.
    pub async fn write(&self, bytes: &[u8]) {
        for &byte in bytes {
            self.until_writable().await;
            self.port.write(byte);
        }
    }

    async fn until_writable(&self) {
        poll_fn(|context| {
            if self.port.is_writable() {
                return Poll::Ready(());
            }
            self.writer.register(context.waker());
            // The interrupt may have been faster than the waker.
            if self.port.is_writable() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// The interrupt's handler.
    pub(crate) fn on_interrupt(&self) {
        self.port.acknowledge();
        self.receive();
        if self.port.is_writable() {
            self.writer.wake();
        }
    }

    /// Takes what has come, as long as there is room. The rest stays with the port: a sender that is
    /// held back waits, and any other one overruns it.
    fn receive(&self) {
        while self.received.free_capacity() > 0 {
            let Some(byte) = self.port.read() else { return };
            let _ = self.received.try_write(&[byte]);
        }
    }
}
