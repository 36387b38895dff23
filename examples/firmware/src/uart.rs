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
        self.received.read(buffer).await
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
        while let Some(byte) = self.port.read() {
            // Where there is no more room the byte is lost, as with an overrun on the line.
            let _ = self.received.try_write(&[byte]);
        }
        if self.port.is_writable() {
            self.writer.wake();
        }
    }
}
