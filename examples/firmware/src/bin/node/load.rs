//! What a node asks of others: its ordinary work. It has so many requests out at a time, as with a
//! pool of connections; the others wait for their turn, as long as they have patience.

use core::cell::{Cell, RefCell};
use core::future::poll_fn;
use core::task::Poll;
use embassy_sync::waitqueue::MultiWakerRegistration;
use embassy_time::{Duration, Instant, Timer};
use heapless::Deque;
use mesh_protocol::record::{Attempts, End, Kind};
use mesh_protocol::settings::{self, PATIENCE};
use resil_core::error::ErrorCode;
use resil_embassy::clock::sleep_until;

use crate::entropy;
use crate::journal::{Ticket, now};
use crate::node::Node;
use crate::watchdog::{self, Task};

/// Requests that wait for their turn: as many as come while patience lasts, and room to spare.
const WAITING: usize = 128;

/// The requests that wait for their turn, the oldest first.
pub(crate) struct Load {
    waiting: RefCell<Deque<Ticket, WAITING>>,
    /// The slots that are free.
    free: RefCell<MultiWakerRegistration<{ settings::SLOTS }>>,
    is_stopped: Cell<bool>,
}

impl Load {
    pub(crate) const fn new() -> Self {
        Self {
            waiting: RefCell::new(Deque::new()),
            free: RefCell::new(MultiWakerRegistration::new()),
            is_stopped: Cell::new(false),
        }
    }

    /// Issues nothing more.
    pub(crate) fn stop(&self) {
        self.is_stopped.set(true);
    }

    /// The request waits for its turn, if there is room for it.
    fn push(&self, ticket: Ticket) -> Result<(), Ticket> {
        self.waiting.borrow_mut().push_back(ticket)?;
        self.free.borrow_mut().wake();
        Ok(())
    }

    /// Waits for the next request.
    async fn next(&self) -> Ticket {
        poll_fn(|context| match self.waiting.borrow_mut().pop_front() {
            Some(ticket) => Poll::Ready(ticket),
            None => {
                self.free.borrow_mut().register(context.waker());
                Poll::Pending
            }
        })
        .await
    }

    /// The oldest request that waits, if its patience is over.
    fn impatient(&self) -> Option<Ticket> {
        let mut waiting = self.waiting.borrow_mut();
        let oldest = waiting.front()?.issued_at;
        if oldest.saturating_add(PATIENCE).is_reached(now()) { waiting.pop_front() } else { None }
    }
}

/// Requests to random neighbours at random moments, at a steady rate whatever the answers.
#[embassy_executor::task]
pub(crate) async fn issue(node: &'static Node) {
    let neighbours = node.peers.len() as u32;
    let mean = 1_000_000 / settings::orderly_rate(neighbours);
    sleep_until(now().saturating_add(watchdog::splay(entropy::draw()))).await;
    let mut at = Instant::now();
    loop {
        at += Duration::from_micros(entropy::below(2 * mean).into());
        watchdog::alive_while(Task::Issue, Timer::at(at)).await;
        if node.load.is_stopped.get() {
            break;
        }
        let peer = node.peers[entropy::below(neighbours) as usize].id;
        let ticket = node.journal.issue(Kind::Orderly, peer).await;
        if let Err(ticket) = node.load.push(ticket) {
            let end = End::Failed(ErrorCode::BulkheadFull.number());
            node.journal.end(ticket, end, Attempts::default()).await;
        }
    }
    watchdog::retire(Task::Issue);
}

/// Sends one request after another; there are as many of these as slots.
#[embassy_executor::task(pool_size = settings::SLOTS)]
pub(crate) async fn ask(node: &'static Node) {
    loop {
        let ticket = node.load.next().await;
        let peer = node.peer(ticket.peer).expect("requests go to neighbours");
        let (end, attempts) = peer.request(node).await;
        node.journal.end(ticket, end, attempts).await;
    }
}

/// Ends requests that have waited too long.
#[embassy_executor::task]
pub(crate) async fn expire(node: &'static Node) {
    loop {
        while let Some(ticket) = node.load.impatient() {
            let end = End::Failed(ErrorCode::DeadlineExceeded.number());
            node.journal.end(ticket, end, Attempts::default()).await;
        }
        let oldest = node.load.waiting.borrow().front().map(|ticket| ticket.issued_at);
        let next = oldest.unwrap_or_else(now).saturating_add(PATIENCE);
        watchdog::alive_while(Task::Expire, sleep_until(next)).await;
    }
}

/// Tells the counts, ten times a second.
#[embassy_executor::task]
pub(crate) async fn report(node: &'static Node) {
    loop {
        node.journal.report().await;
        Timer::after_millis(100).await;
    }
}
