//! A node of the mesh as firmware.
#![no_std]
#![no_main]

mod control;

use embassy_executor::Spawner;
use resil_firmware::{board, executor::Executor};
use static_cell::StaticCell;

#[cortex_m_rt::entry]
fn main() -> ! {
    static EXECUTOR: StaticCell<Executor> = StaticCell::new();
    board::init();
    EXECUTOR
        .init(Executor::new())
        .run(|spawner| spawner.spawn(start(spawner).expect("it is spawned once")))
}

#[embassy_executor::task]
async fn start(_spawner: Spawner) {
    defmt::info!("up on {=str}", board::NAME);
    let order = control::wait_for_start(false, None).await;
    defmt::info!("{}", order);
}
