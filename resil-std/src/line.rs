//! Those who wait for their turn at a limit.

use core::fmt;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;

use tokio::sync::{Mutex, MutexGuard, Notify};

use crate::sync::{AtomicU64, Ordering};

/// One more generation, in the upper half of [`Line::word`]; the lower half counts who waits.
const GENERATION: u64 = 1 << 32;

/// A first-come, first-served line, and the generation of the bucket that it is for.
///
/// The two share a word because whoever asks without waiting needs both, and for one load.
pub(crate) struct Line {
    word: AtomicU64,
    /// Held by whoever is first. Tokio's mutex is fair, and a waiter that goes away passes it on.
    head: Mutex<()>,
    /// Tokens have come back before their time.
    freed: Notify,
}

/// What a look at the line tells.
#[derive(Clone, Copy)]
pub(crate) struct Glimpse(u64);

impl Glimpse {
    /// Whether who does not wait may take so much: all while nobody waits, and else nothing.
    #[inline]
    pub(crate) const fn lets_pass(self, tokens: u32) -> bool {
        self.is_empty() || tokens == 0
    }

    /// Whether nobody waits.
    #[inline]
    pub(crate) const fn is_empty(self) -> bool {
        self.0 as u32 == 0
    }

    /// How often the bucket has been reset.
    #[inline]
    pub(crate) const fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

/// A place in the line, until it is dropped. Newcomers see it before anything else is done.
pub(crate) struct Place<'a>(&'a Line);

/// The first place.
pub(crate) struct Head<'a> {
    // Declared first, so that the next one is first before the place is given up.
    _turn: MutexGuard<'a, ()>,
    _place: Place<'a>,
}

impl Line {
    pub(crate) fn new() -> Self {
        Self { word: AtomicU64::new(0), head: Mutex::new(()), freed: Notify::new() }
    }

    #[inline]
    pub(crate) fn look(&self) -> Glimpse {
        Glimpse(self.word.load(Ordering::Acquire))
    }

    fn join(&self) -> Place<'_> {
        self.word.fetch_add(1, Ordering::AcqRel);
        Place(self)
    }

    /// Waits to be first.
    pub(crate) async fn wait(&self) -> Head<'_> {
        let place = self.join();
        Head { _turn: self.head.lock().await, _place: place }
    }

    /// [`wait`](Self::wait) for a thread.
    pub(crate) fn wait_blocking(&self) -> Head<'_> {
        let place = self.join();
        Head { _turn: self.head.blocking_lock(), _place: place }
    }

    /// Ends when tokens come back early, counted from this call on and not from the first poll.
    ///
    /// Of a look at the bucket after this and a change of it before [`free`](Self::free), one sees the
    /// other: both exchange the word in between, and whichever does so second knows of the first.
    pub(crate) fn freed(&self) -> impl Future<Output = ()> {
        let freed = self.freed.notified();
        self.word.fetch_add(0, Ordering::AcqRel);
        freed
    }

    /// Tells whoever is first that tokens have come back early.
    pub(crate) fn free(&self) {
        let found = Glimpse(self.word.fetch_add(0, Ordering::AcqRel));
        if !found.is_empty() {
            self.freed.notify_waiters();
        }
    }

    /// From here on, what was taken before is not given back.
    pub(crate) fn next_generation(&self) {
        self.word.fetch_add(GENERATION, Ordering::AcqRel);
    }
}

/// Ends when one of the two has.
pub(crate) async fn first_of(one: impl Future<Output = ()>, other: impl Future<Output = ()>) {
    let (mut one, mut other) = (pin!(one), pin!(other));
    poll_fn(|context| {
        if one.as_mut().poll(context).is_ready() || other.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        Poll::Pending
    })
    .await;
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.word.fetch_sub(1, Ordering::AcqRel);
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("waiting", &(self.look().0 as u32)).finish_non_exhaustive()
    }
}
