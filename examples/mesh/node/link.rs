//! A node's link to one peer: a connection that is made when needed, and what guards it.

use super::connection::Connection;
use super::journal::{Journal, now};
use super::protection::{Guard, PeerError};
use crate::settings;
use crate::wire::{Answer, Attempts, End, NodeId};
use core::cell::Cell;
use core::time::Duration;
use resil_core::error::{ErrorCode, NetworkError, RateLimitError};
use resil_core::{Instant, Rejected, RetryAt};
use std::rc::Rc;
use tokio::sync::Mutex;
use tokio::time::timeout;

/// What a node knows about one neighbour.
#[derive(Debug)]
pub(super) struct Link {
    from: NodeId,
    pub(super) peer: NodeId,
    port: Cell<u16>,
    /// Locked while connecting, so that requests which find no connection make one between them.
    connection: Mutex<Option<Rc<Connection>>>,
    /// The instant before which the peer asked not to be asked again.
    not_before: Cell<Instant>,
    pub(super) guard: Guard,
    journal: Rc<Journal>,
}

impl Link {
    pub(super) fn new(
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
            not_before: Cell::new(Instant::EPOCH),
            guard,
            journal,
        }
    }

    /// The peer was started again, with another port.
    pub(super) fn moved(&self, port: u16) {
        self.port.set(port);
    }

    /// Sends one request to the peer: retried, under its breaker, and not before it wants one.
    pub(super) async fn request(&self) -> (End, Attempts) {
        let attempts = Cell::new(Attempts::default());
        let attempt = || async {
            self.heed()?;
            self.guard.attempt(|| self.attempt(&attempts)).await
        };
        let end = self.guard.retry(attempt).await;
        let attempts = attempts.get();
        self.journal.count(|counts| counts.retries += u64::from(attempts.made.saturating_sub(1)));
        (end, attempts)
    }

    /// Refuses for the peer while the time that it has named is not there.
    fn heed(&self) -> Result<(), RateLimitError> {
        let not_before = self.not_before.get();
        if not_before.is_reached(now()) {
            return Ok(());
        }
        self.journal.count(|counts| counts.held += 1);
        let retry = RetryAt::At(not_before);
        Err(RateLimitError::new(Rejected::new(ErrorCode::RateLimitExceeded, retry)))
    }

    /// Tries once, within the time of one attempt.
    async fn attempt(&self, attempts: &Cell<Attempts>) -> Result<(), PeerError> {
        let Attempts { made, wasted } = attempts.get();
        // Wasted until it is known to have brought something.
        attempts.set(Attempts { made: made + 1, wasted: wasted + 1 });
        let answer = match timeout(settings::ATTEMPT_TIMEOUT, self.exchange()).await {
            Ok(answer) => answer?,
            Err(_) => return Err(NetworkError::timeout().with_peer(self.peer).into()),
        };
        attempts.set(Attempts { made: made + 1, wasted });
        answer.map_err(|refusal| {
            if let Some(wait) = refusal.retry_after() {
                self.hold(wait);
            }
            refusal.into()
        })
    }

    /// Obeys the peer: nothing goes out to it for as long as it said, within reason.
    fn hold(&self, wait: Duration) {
        self.not_before.set(now().saturating_add(wait.min(settings::LONGEST_HOLD)));
    }

    /// Sends one request, without asking the breaker and without heeding what the peer said.
    pub(super) async fn exchange(&self) -> Result<Answer, NetworkError> {
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
        let mut tries = 0_u64;
        let connect = || {
            tries += 1;
            // Read at each try: the peer may have come back with another port.
            Connection::open(self.port.get(), self.from, &self.journal)
        };
        let connected = self.guard.connect(connect).await;
        self.journal.count(|counts| counts.reconnects += tries.saturating_sub(1));
        let connection = Rc::new(connected?);
        *slot = Some(connection.clone());
        Ok(connection)
    }
}
