//! The connection, and what becomes of one that no longer answers.

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::sync::Arc;

use ::redis::aio::{ConnectionManager, ConnectionManagerConfig};
use ::redis::{Client, ErrorKind, RedisError, RedisResult};
use tokio::sync::watch;

/// How long a connection may take to be made, in the background. Some round trips, over TLS too.
const CONNECTING: Duration = Duration::from_secs(2);

/// A connection that all share: requests wait in it for their replies, not for each other.
///
/// The connection manager replaces one that broke, but keeps one that is silent, such as to a machine
/// that is off, until TCP gives up, which takes a quarter of an hour; and one to a server whose name
/// has come to stand for another. [`renew`](Self::renew) is for these.
pub(super) struct Link {
    client: Client,
    current: watch::Sender<Option<ConnectionManager>>,
    is_renewing: AtomicBool,
}

impl Link {
    pub(super) fn new(client: Client) -> Self {
        let (current, is_renewing) = (watch::Sender::new(None), AtomicBool::new(false));
        Self { client, current, is_renewing }
    }

    /// The connection in use. The first one is waited for, as long as whoever asks has patience.
    pub(super) async fn connection(self: &Arc<Self>) -> RedisResult<ConnectionManager> {
        let mut current = self.current.subscribe();
        if current.borrow().is_none() {
            self.renew();
        }
        let first = current.wait_for(Option::is_some).await.ok().and_then(|first| first.clone());
        first.ok_or_else(|| RedisError::from((ErrorKind::ClientError, "there is no connection")))
    }

    /// Makes a connection in the background, which takes the place of the one in use once it stands.
    /// One at a time.
    pub(super) fn renew(self: &Arc<Self>) {
        if self.is_renewing.swap(true, Ordering::AcqRel) {
            return;
        }
        let renewal = Renewal(Arc::clone(self));
        tokio::spawn(async move {
            let Renewal(link) = &renewal;
            // One attempt: when to try again is the breaker's business. Whoever waits for a reply times it.
            let config = ConnectionManagerConfig::new()
                .set_number_of_retries(0)
                .set_connection_timeout(CONNECTING);
            let client = link.client.clone();
            if let Ok(fresh) = ConnectionManager::new_with_config(client, config).await {
                link.current.send_replace(Some(fresh));
            }
        });
    }
}

/// The one renewal under way, until it ends, however it ends: with its runtime too.
struct Renewal(Arc<Link>);

impl Drop for Renewal {
    fn drop(&mut self) {
        self.0.is_renewing.store(false, Ordering::Release);
    }
}
