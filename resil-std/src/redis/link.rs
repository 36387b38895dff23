//! The connection, and what becomes of one that no longer answers.

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ::redis::aio::{ConnectionManager, ConnectionManagerConfig};
use ::redis::{Client, RedisResult};

/// How long a connection that is made in the background may take. Some round trips, over TLS too.
const CONNECTING: Duration = Duration::from_secs(2);

/// A connection that all share: requests wait in it for their replies, not for each other.
///
/// The connection manager replaces one that broke, but keeps one that is silent, such as to a machine
/// that is off, until TCP gives up, which takes a quarter of an hour; and one to a server whose name
/// has come to stand for another. [`renew`](Self::renew) is for these.
pub(super) struct Link {
    client: Client,
    manager: Mutex<Option<ConnectionManager>>,
    is_renewing: AtomicBool,
}

impl Link {
    pub(super) const fn new(client: Client) -> Self {
        Self { client, manager: Mutex::new(None), is_renewing: AtomicBool::new(false) }
    }

    /// The connection in use; the first one is made by whoever asks it something.
    pub(super) fn connection(&self) -> RedisResult<ConnectionManager> {
        let mut manager = self.manager();
        if let Some(manager) = &*manager {
            return Ok(manager.clone());
        }
        let first = ConnectionManager::new_lazy_with_config(self.client.clone(), config())?;
        Ok(manager.insert(first).clone())
    }

    /// Makes a connection in the background, which takes the place of the one in use once it stands.
    /// One at a time.
    pub(super) fn renew(self: &Arc<Self>) {
        if self.is_renewing.swap(true, Ordering::AcqRel) {
            return;
        }
        let link = Arc::clone(self);
        tokio::spawn(async move {
            let client = link.client.clone();
            if let Ok(fresh) = ConnectionManager::new_with_config(client, config()).await {
                *link.manager() = Some(fresh);
            }
            link.is_renewing.store(false, Ordering::Release);
        });
    }

    /// What is under the lock is one value, whole after any panic.
    fn manager(&self) -> MutexGuard<'_, Option<ConnectionManager>> {
        self.manager.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One attempt to connect: when to try again is the breaker's business. Replies are timed by whoever
/// waits for them.
fn config() -> ConnectionManagerConfig {
    ConnectionManagerConfig::new()
        .set_number_of_retries(0)
        .set_connection_timeout(Some(CONNECTING))
        .set_response_timeout(None)
}
