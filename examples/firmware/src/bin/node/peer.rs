//! What a node knows about one neighbour, and how it asks it.

use core::cell::{Cell, RefCell};
use core::time::Duration;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::semaphore::{FairSemaphore, Semaphore};
use embassy_sync::signal::Signal;
use mesh_protocol::message::NodeId;
use mesh_protocol::record::{Attempts, End};
use mesh_protocol::serial::Body;
use mesh_protocol::settings::SLOTS;
use resil_core::error::{ErrorCode, NetworkError};
use resil_core::health::{Beat, Heartbeat, HeartbeatConfig, HeartbeatStatus};
use resil_core::text::Text;
use resil_core::valid;
use resil_embassy::timeout;

use crate::journal::now;
use crate::link::Answer;
use crate::node::Node;
use crate::protection::{Guard, PeerError};

/// How long a peer gets to accept a connection.
const CONNECT_WITHIN: Duration = Duration::from_millis(40);

/// How a request ends that was not sent because the peer has named a time to come back.
const HELD: u16 = ErrorCode::RateLimitExceeded.number();

/// Whatever comes from a peer shows that it is there.
static HEARTBEAT: HeartbeatConfig = valid!(
    HeartbeatConfig::builder()
        .interval(Duration::from_millis(500))
        .acceptable_pause(Duration::from_millis(1500))
        .build()
);

/// A neighbour.
pub(crate) struct Peer {
    pub(crate) id: NodeId,
    pub(crate) guard: Guard,
    is_connected: Cell<bool>,
    /// Held while connecting, so that requests which find no connection make one between them.
    connecting: FairSemaphore<NoopRawMutex, SLOTS>,
    connected: Signal<NoopRawMutex, bool>,
    heartbeat: RefCell<Heartbeat<&'static HeartbeatConfig>>,
}

impl Peer {
    pub(crate) fn new(id: NodeId, guard: Guard) -> Self {
        let mut heartbeat = Heartbeat::new(&HEARTBEAT);
        heartbeat.expect(now());
        Self {
            id,
            guard,
            is_connected: Cell::new(false),
            connecting: FairSemaphore::new(1),
            connected: Signal::new(),
            heartbeat: RefCell::new(heartbeat),
        }
    }

    /// Something has come from it.
    pub(crate) fn heard(&self) {
        if self.heartbeat.borrow_mut().record(now()) == Beat::Recovered {
            defmt::info!("node {=u8} is heard again", self.id);
        }
    }

    /// Whether it has been heard of lately.
    pub(crate) fn is_heard(&self) -> bool {
        self.heartbeat.borrow().status(now()) != HeartbeatStatus::Suspected
    }

    /// It has accepted the connection.
    pub(crate) fn accepted(&self) {
        self.is_connected.set(true);
        self.connected.signal(true);
    }

    /// It has no connection, or has closed it.
    pub(crate) fn closed(&self) {
        self.is_connected.set(false);
        self.connected.signal(false);
    }

    /// Sends one request to the peer: retried, under its breaker, and not before it wants one.
    pub(crate) async fn request(&self, node: &Node) -> (End, Attempts) {
        let attempts = Cell::new(Attempts::default());
        let end = self.guard.call(node, || self.attempt(node, &attempts)).await;
        let attempts = attempts.get();
        node.journal.count(|counts| {
            counts.retries += u64::from(attempts.made.saturating_sub(1));
            counts.held += u64::from(end == End::Refused(HELD) && attempts.made == 0);
        });
        (end, attempts)
    }

    /// Tries once; what is not over in time is dropped.
    async fn attempt(&self, node: &Node, attempts: &Cell<Attempts>) -> Result<(), PeerError> {
        let Attempts { made, wasted } = attempts.get();
        // Wasted until it is known to have brought something.
        attempts.set(Attempts { made: made + 1, wasted: wasted + 1 });
        let answer = self.exchange(node).await.map_err(PeerError::Network)?;
        attempts.set(Attempts { made: made + 1, wasted });
        answer.map_err(|refusal| {
            if let Some(wait) = refusal.wait {
                self.guard.hold(wait);
            }
            PeerError::Answered(refusal.number)
        })
    }

    /// Sends one request, without asking the breaker and without heeding what the peer said.
    async fn exchange(&self, node: &Node) -> Result<Answer, NetworkError> {
        self.connect(node).await?;
        node.link.ask(self.id).await
    }

    /// Connects unless there is a connection.
    pub(crate) async fn connect(&self, node: &Node) -> Result<(), NetworkError> {
        if self.is_connected.get() {
            return Ok(());
        }
        let _alone = self.connecting.acquire(1).await.expect("each slot can wait");
        if self.is_connected.get() {
            return Ok(());
        }
        let mut tries = Tries { node, made: 0 };
        let connect = || {
            tries.made += 1;
            self.connect_once(node)
        };
        self.guard.connect(connect).await
    }

    async fn connect_once(&self, node: &Node) -> Result<(), NetworkError> {
        self.connected.reset();
        node.link.send(self.id, || Body::Connect).await;
        match timeout(CONNECT_WITHIN, self.connected.wait()).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(NetworkError::connection_failed()),
            Err(_) => Err(NetworkError::timeout()),
        }
    }
}

/// How often a connection has been tried, counted even when the request gives up meanwhile.
struct Tries<'a> {
    node: &'a Node,
    made: u64,
}

impl Drop for Tries<'_> {
    fn drop(&mut self) {
        let again = self.made.saturating_sub(1);
        self.node.journal.count(|counts| counts.reconnects += again);
    }
}

/// What stands for a peer in the log.
pub(crate) fn name(id: NodeId) -> Text<8> {
    Text::display(&format_args!("node-{id}"))
}
