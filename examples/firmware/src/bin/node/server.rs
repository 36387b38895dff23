//! The side of a node that serves: it routes each message by its sender's limit to one worker.

use core::cell::{Cell, RefCell};
use core::time::Duration;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::channel::Channel;
use mesh_protocol::message::{Message, NodeId};
use mesh_protocol::serial::Body;
use mesh_protocol::settings::SERVICE_TIME;
use resil_core::Instant;
use resil_core::error::{ErrorCode, WireError};
use resil_embassy::clock::sleep_until;

use crate::admission::Admission;
use crate::journal::now;
use crate::node::Node;
use crate::watchdog::{self, Task};

/// Requests that wait to be served; half a second of work at the least.
const QUEUE: usize = 128;

/// What a node serves with.
pub(crate) struct Server {
    pub(crate) admission: Admission,
    work: Channel<NoopRawMutex, Job, QUEUE>,
    service_time: Cell<Duration>,
    waiting: Cell<u32>,
    /// Who has connected: a bit for each id.
    connected: RefCell<[u32; 8]>,
}

/// A request that was let in.
struct Job {
    from: NodeId,
    id: u64,
    arrived: Instant,
}

impl Server {
    pub(crate) fn new(admission: Admission) -> Self {
        Self {
            admission,
            work: Channel::new(),
            service_time: Cell::new(SERVICE_TIME),
            waiting: Cell::new(0),
            connected: RefCell::new([0; 8]),
        }
    }

    /// How long a request that came now would wait.
    pub(crate) fn backlog(&self) -> Duration {
        self.service_time.get().saturating_mul(self.waiting.get())
    }

    /// Takes this long for each request from now on.
    pub(crate) fn set_service_time(&self, time: Duration) {
        self.service_time.set(time);
    }

    /// Somebody asks on a connection from now on.
    pub(crate) fn connected(&self, who: NodeId) {
        self.connected.borrow_mut()[usize::from(who / 32)] |= 1 << (who % 32);
    }

    fn is_connected(&self, who: NodeId) -> bool {
        self.connected.borrow()[usize::from(who / 32)] & 1 << (who % 32) != 0
    }
}

impl Node {
    /// Lets a request through to the worker, or answers with the limiter's refusal.
    pub(crate) async fn route(&self, from: NodeId, id: u64) {
        // It was connected to this node before a reset, say; it is to begin anew.
        if !self.server.is_connected(from) {
            return self.link.send(from, || Body::Close).await;
        }
        let refusal = match self.server.admission.admit(from) {
            Ok(at) => {
                self.journal.admitted(from, at).await;
                if self.server.work.try_send(Job { from, id, arrived: now() }).is_ok() {
                    self.server.waiting.set(self.server.waiting.get() + 1);
                    return;
                }
                WireError::new(ErrorCode::LoadShed, "the queue is full")
            }
            Err(refusal) => {
                self.journal.count(|counts| counts.limited += 1);
                refusal
            }
        };
        self.link.refuse(from, || reply(id, Err(refusal)));
    }
}

fn reply(id: u64, answer: Result<(), WireError>) -> Body {
    Body::Message(Message::Reply { id, answer })
}

/// The one worker: a request at a time, in the order in which they came.
#[embassy_executor::task]
pub(crate) async fn serve(node: &'static Node) {
    let server = &node.server;
    let mut free_at = now();
    loop {
        let job = watchdog::alive_while(Task::Serve, server.work.receive()).await;
        // From the arrival, not from now: waking up late costs no capacity.
        free_at = free_at.max(job.arrived).saturating_add(server.service_time.get());
        watchdog::alive_while(Task::Serve, sleep_until(free_at)).await;
        server.waiting.set(server.waiting.get() - 1);
        node.journal.count(|counts| counts.served += 1);
        node.link.send(job.from, || reply(job.id, Ok(()))).await;
    }
}
