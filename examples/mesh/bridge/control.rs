//! The UART to the supervisor, which nobody disturbs: orders go in, notes come out.

use super::cable::ZeroEnded;
use anyhow::Context;
use futures_util::StreamExt;
use mesh_protocol::control::{Note, Order};
use mesh_protocol::serial::{Deframer, LONGEST, encode};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_util::codec::FramedRead;

/// Gives the firmware an order.
pub(super) async fn give(
    uart: &mut (impl AsyncWrite + Unpin),
    order: &Order,
) -> anyhow::Result<()> {
    let mut buffer = [0; LONGEST];
    let frame = encode(order, &mut buffer)?;
    uart.write_all(frame).await.with_context(|| format!("the firmware does not hear {order:?}"))
}

/// What the firmware tells.
#[derive(Debug)]
pub(super) struct Notes<R> {
    frames: FramedRead<R, ZeroEnded>,
    deframer: Deframer<LONGEST>,
}

impl<R: AsyncRead + Unpin> Notes<R> {
    pub(super) fn of(uart: R) -> Self {
        Self { frames: FramedRead::new(uart, ZeroEnded), deframer: Deframer::new() }
    }

    /// The next note, or that there are no more. Nothing is lost where the future is dropped.
    pub(super) async fn next(&mut self) -> Option<Note> {
        loop {
            let frame = self.frames.next().await?.ok()?;
            // A frame ends with its only zero, so it holds one note at most.
            if let Some(note) = frame.iter().find_map(|&byte| self.deframer.push(byte)) {
                return Some(note);
            }
        }
    }

    /// Frames that were no notes.
    pub(super) fn damaged(&self) -> u32 {
        self.deframer.damaged()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::duplex;

    #[tokio::test]
    async fn notes_arrive_in_order_after_the_rest_of_a_frame_that_a_reset_cut() {
        let (mut firmware, ours) = duplex(4096);
        let mut buffer = [0; LONGEST];
        let whole = encode(&Note::Issued(1), &mut buffer).unwrap().to_vec();
        // The note that a reset cut short, and the next that so becomes its end.
        firmware.write_all(&whole[..2]).await.unwrap();
        for number in 2..5 {
            let frame = encode(&Note::Issued(number), &mut buffer).unwrap();
            firmware.write_all(frame).await.unwrap();
        }
        drop(firmware);
        let mut notes = Notes::of(ours);
        assert_eq!(notes.next().await, Some(Note::Issued(3)));
        assert_eq!(notes.next().await, Some(Note::Issued(4)));
        assert_eq!(notes.next().await, None);
        assert_eq!(notes.damaged(), 1);
    }
}
