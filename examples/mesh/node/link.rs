//! A node's link to one peer: a connection that is made when needed, and the peer's breaker.

use super::connection::{Answer, Connection};
use super::journal::Journal;
use crate::protection::NetworkError;
use crate::protection::{Guard, PeerError, now_nanos};
use crate::settings;
use crate::wire::{Attempts, End, NodeId};
use core::cell::Cell;
use core::time::Duration;
use std::rc::Rc;
use tokio::sync::Mutex;
use tokio::time::timeout;

/// What a node knows about one neighbour.
#[derive(Debug)]
pub(crate) struct Link {
    from: NodeId,
    pub(crate) peer: NodeId,
    port: Cell<u16>,
    /// Locked while connecting, so that requests which find no connection make one between them.
    connection: Mutex<Option<Rc<Connection>>>,
    /// The instant before which the peer asked not to be asked again.
    not_before: Cell<u64>,
    pub(crate) guard: Guard,
    journal: Rc<Journal>,
}

impl Link {
    pub(crate) fn new(
        from: NodeId,
        (peer, port): (NodeId, u16),
        guard: Guard,
        journal: Rc<Journal>,
    ) -> Self {
        Self {
            from,
            peer,
            port: Cell::new(port),
            connection: Mutex::new(None),
            not_before: Cell::new(0),
            guard,
            journal,
        }
    }

    /// The peer was started again, with another port.
    pub(crate) fn moved(&self, port: u16) {
        self.port.set(port);
    }

    /// Sends one request to the peer, under its breaker and with retries.
    pub(crate) async fn request(&self) -> (End, Attempts) {
        let attempts = Cell::new(Attempts::default());
        let end = self.guard.call(|| self.attempt(&attempts)).await;
        let attempts = attempts.get();
        self.journal.count(|counts| counts.retries += u64::from(attempts.made.saturating_sub(1)));
        (end, attempts)
    }

    /// Tries once, within the time of one attempt.
    async fn attempt(&self, attempts: &Cell<Attempts>) -> Result<(), PeerError> {
        if now_nanos() < self.not_before.get() {
            self.journal.count(|counts| counts.held += 1);
            return Err(PeerError::Held);
        }
        let before = attempts.get();
        // Wasted until it is known to have brought something.
        attempts.set(Attempts { made: before.made + 1, wasted: before.wasted + 1 });
        let answer = match timeout(settings::ATTEMPT_TIMEOUT, self.exchange()).await {
            Ok(answer) => answer?,
            Err(_) => return Err(NetworkError::timeout().into()),
        };
        attempts.set(Attempts { made: before.made + 1, wasted: before.wasted });
        answer.map_err(|refusal| {
            if let Some(wait) = refusal.retry_after() {
                self.hold(wait);
            }
            PeerError::Answered(refusal)
        })
    }

    /// Obeys the peer: nothing goes out to it for as long as it said.
    fn hold(&self, wait: Duration) {
        let wait = u64::try_from(wait.min(settings::LONGEST_HOLD).as_nanos()).unwrap_or(u64::MAX);
        self.not_before.set(now_nanos().saturating_add(wait));
    }

    /// Sends one request without asking the breaker and without heeding what the peer said before.
    pub(crate) async fn exchange(&self) -> Result<Answer, NetworkError> {
        let connection = self.connection().await?;
        connection.ask().await
    }

    /// The connection, made now if there is none.
    async fn connection(&self) -> Result<Rc<Connection>, NetworkError> {
        let mut slot = self.connection.lock().await;
        if let Some(connection) = slot.as_ref().filter(|connection| !connection.is_broken()) {
            return Ok(connection.clone());
        }
        *slot = None;
        let tries = Cell::new(0_u64);
        let connect = || {
            tries.set(tries.get() + 1);
            // Read at each try: the peer may have come back with another port.
            Connection::open(self.port.get(), self.from, &self.journal)
        };
        let connected = self.guard.connect(connect).await;
        self.journal.count(|counts| counts.reconnects += tries.get() - 1);
        let connection = Rc::new(connected?);
        *slot = Some(connection.clone());
        Ok(connection)
    }
}
