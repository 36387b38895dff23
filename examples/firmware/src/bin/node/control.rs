//! Orders from the supervisor, and notes to it.

use embassy_futures::select::{Either, select};
use embassy_time::Timer;
use mesh_protocol::control::{Note, Order};
use mesh_protocol::serial::{Deframer, LONGEST, encode};
use resil_core::Clock;
use resil_core::text::Text;
use resil_embassy::EmbassyClock;
use resil_firmware::board;

/// Says that the node is up until it is told to start.
pub(crate) async fn wait_for_start(restored: bool, starved: Option<Text<24>>) -> Order {
    let mut orders = Deframer::<LONGEST>::new();
    loop {
        let at = EmbassyClock.now().as_nanos();
        tell(&Note::Up { at, restored, starved: starved.clone() }).await;
        if let Either::First(order) = select(next(&mut orders), Timer::after_millis(100)).await {
            return order;
        }
    }
}

async fn next(orders: &mut Deframer<LONGEST>) -> Order {
    let mut byte = [0];
    loop {
        board::CONTROL.read(&mut byte).await;
        if let Some(order) = orders.push(byte[0]) {
            return order;
        }
    }
}

async fn tell(note: &Note) {
    let mut frame = [0; LONGEST];
    match encode(note, &mut frame) {
        Ok(frame) => board::CONTROL.write(frame).await,
        Err(error) => defmt::error!("a note is lost: {}", defmt::Display2Format(&error)),
    }
}
