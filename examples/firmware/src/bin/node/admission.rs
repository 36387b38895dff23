//! The side that serves: a limit for each sender. Without resil everybody is let in.

use core::cell::RefCell;
use mesh_protocol::message::NodeId;
use mesh_protocol::settings;
use resil_core::Instant;
use resil_core::error::{RateLimitError, ResilienceError, WireError};
use resil_core::event::EventKind;
use resil_core::rate_limit::{KeyedHash, Pinned, RateLimit, RateLimiter, Slot};
use resil_core::snapshot::{Persist, SnapshotError};

use crate::entropy::draw;
use crate::journal::now;
use crate::snapshot::Save;

/// Senders that have a limit of their own; others share one.
const SENDERS: usize = 32;

type Senders = RateLimiter<
    NodeId,
    RateLimit,
    [Slot<NodeId, RateLimit>; SENDERS],
    [Pinned<NodeId, RateLimit>; 0],
>;

/// Who is let in.
pub(crate) struct Admission {
    senders: Option<RefCell<Senders>>,
}

impl Admission {
    pub(crate) fn new(protected: bool) -> Self {
        let seed = (0..4).fold(0, |seed, _| seed << 32 | u128::from(draw()));
        let limit = RateLimit::new(settings::LIMIT);
        let senders =
            protected.then(|| RefCell::new(Senders::new(limit, KeyedHash::from_seed(seed))));
        Self { senders }
    }

    /// Lets a message in, at the instant with which that was decided, or says why not and when.
    pub(crate) fn admit(&self, sender: NodeId) -> Result<Instant, WireError> {
        let now = now();
        let Some(senders) = &self.senders else { return Ok(now) };
        let answer = senders.borrow_mut().check(&sender, 1, now);
        answer.map(|_| now).map_err(|rejected| {
            let event = EventKind::of_refusal(rejected).number();
            defmt::debug!("[{=u16}] node {=u8}: {}", event, sender, rejected);
            let error = ResilienceError::<()>::from(RateLimitError::new(rejected));
            error.with_detail("sender", sender).wire(now)
        })
    }

    /// Hands everyone who owes something to `each`, with what writes it.
    pub(crate) fn save(&self, mut each: impl FnMut(Option<NodeId>, Save<'_>)) {
        let (Some(senders), now) = (&self.senders, now()) else { return };
        for entry in senders.borrow().entries(now) {
            each(entry.id.copied(), &mut |to| entry.limit.save(entry.state, now, to));
        }
    }

    /// Takes over what a sender owed in the life before.
    pub(crate) fn restore(&self, id: Option<NodeId>, bytes: &[u8]) -> Result<(), SnapshotError> {
        let (Some(senders), now) = (&self.senders, now()) else { return Ok(()) };
        let state = RateLimit::new(settings::LIMIT).restore(bytes, now)?;
        // A sender that finds no slot shares the common one, which is kept too.
        let _ = senders.borrow_mut().adopt(id, 0, state, now);
        Ok(())
    }
}
