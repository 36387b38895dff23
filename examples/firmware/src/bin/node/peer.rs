//! What a node knows about one neighbour, and how it asks it.

use core::cell::{Cell, RefCell};
use core::time::Duration;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::semaphore::{FairSemaphore, Semaphore};
use embassy_sync::signal::Signal;
use embassy_time::with_timeout;
use mesh_protocol::message::NodeId;
use mesh_protocol::record::{Attempts, End};
use mesh_protocol::serial::Body;
use mesh_protocol::settings::{ATTEMPT_TIMEOUT, LONGEST_HOLD, SLOTS};
use resil_core::error::{ErrorCode, NetworkError, RateLimitError, WireError};
use resil_core::health::{Beat, Heartbeat, HeartbeatConfig, HeartbeatStatus};
use resil_core::outcome::RetryHint;
use resil_core::text::Text;
use resil_core::{Instant, Rejected, RetryAt, valid};

use crate::journal::now;
use crate::node::Node;
use crate::protection::{Guard, PeerError};

/// How long a peer gets to accept a connection.
const CONNECT_WITHIN: embassy_time::Duration = embassy_time::Duration::from_millis(40);

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
    /// The instant before which the peer asked not to be asked again.
    not_before: Cell<Instant>,
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
            not_before: Cell::new(Instant::EPOCH),
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
        let attempt = || async {
            self.heed(node)?;
            self.guard.attempt(node, || self.attempt(node, &attempts)).await
        };
        let end = self.guard.retry(attempt).await;
        let attempts = attempts.get();
        node.journal.count(|counts| counts.retries += u64::from(attempts.made.saturating_sub(1)));
        (end, attempts)
    }

    /// Refuses for the peer while the time that it has named is not there.
    fn heed(&self, node: &Node) -> Result<(), RateLimitError> {
        let not_before = self.not_before.get();
        if not_before.is_reached(now()) {
            return Ok(());
        }
        node.journal.count(|counts| counts.held += 1);
        let retry = RetryAt::At(not_before);
        Err(RateLimitError::new(Rejected::new(ErrorCode::RateLimitExceeded, retry)))
    }

    /// Tries once, within the time of one attempt.
    async fn attempt(&self, node: &Node, attempts: &Cell<Attempts>) -> Result<(), PeerError> {
        let Attempts { made, wasted } = attempts.get();
        // Wasted until it is known to have brought something.
        attempts.set(Attempts { made: made + 1, wasted: wasted + 1 });
        let timeout = ATTEMPT_TIMEOUT.try_into().expect("a timeout is short");
        let Ok(answer) = with_timeout(timeout, self.exchange(node)).await else {
            return Err(PeerError::Network(NetworkError::timeout().with_peer(self.id)));
        };
        let answer = answer.map_err(PeerError::Network)?;
        attempts.set(Attempts { made: made + 1, wasted });
        answer.map_err(|refusal| {
            self.hold(&refusal);
            PeerError::Answered(refusal.number())
        })
    }

    /// Obeys the peer: nothing goes out to it for as long as it said, within reason.
    fn hold(&self, refusal: &WireError) {
        defmt::debug!("node {=u8} refuses: {}", self.id, refusal);
        if let RetryHint::After(wait) = refusal.hint() {
            self.not_before.set(now().saturating_add(wait.min(LONGEST_HOLD)));
        }
    }

    /// Sends one request, without asking the breaker and without heeding what the peer said.
    async fn exchange(&self, node: &Node) -> Result<Result<(), WireError>, NetworkError> {
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
        node.link.send(self.id, Body::Connect).await;
        match with_timeout(CONNECT_WITHIN, self.connected.wait()).await {
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
