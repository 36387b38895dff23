//! The side that serves: a limit for each sender, then one request at a time.

use core::time::Duration;
use heapless::Deque;
use mesh_protocol::control::Note;
use mesh_protocol::message::{Message, NodeId};
use mesh_protocol::record::Admitted;
use mesh_protocol::serial::Body;
use mesh_protocol::settings::{LIMIT, SERVICE_TIME};
use resil_core::Instant;
use resil_core::error::{ErrorCode, RateLimitError, ResilienceError, WireError};
use resil_core::event::Event;
use resil_core::rate_limit::{KeyedHash, Pinned, RateLimit, RateLimiter, Slot};
use resil_firmware::{board, log};

use crate::Turn;

/// Senders that are told apart; more share one limit.
const SENDERS: usize = 8;

/// Requests that wait: a burst of one sender, and room to spare.
const QUEUE: usize = 32;

type Limiter = RateLimiter<
    NodeId,
    RateLimit,
    [Slot<NodeId, RateLimit>; SENDERS],
    [Pinned<NodeId, RateLimit>; 0],
>;

/// What a node serves with.
pub(crate) struct Server {
    limiter: Limiter,
    /// A bit for each sender that has connected since this node began.
    connected: [u32; 8],
    queue: Deque<Job, QUEUE>,
    /// When the last of the queue will be served.
    free_at: Instant,
}

/// A request that was let in.
struct Job {
    sender: NodeId,
    id: u64,
    done_at: Instant,
}

impl Server {
    #[inline(never)] // for the stack: what it is made of is gone when this returns
    pub(crate) fn start() -> &'static mut Self {
        let seed = u128::from(board::seed()) << 64 | u128::from(board::seed());
        let server = Self {
            limiter: RateLimiter::new(RateLimit::new(LIMIT), KeyedHash::from_seed(seed)),
            connected: [0; 8],
            queue: Deque::new(),
            free_at: Instant::EPOCH,
        };
        cortex_m::singleton!(: Server = server).expect("once")
    }

    /// A sender connects.
    pub(crate) fn accept(&mut self, sender: NodeId, turn: &mut Turn) {
        self.connected[usize::from(sender / 32)] |= 1 << (sender % 32);
        turn.link.say(sender, Body::Accept);
    }

    /// Takes a request in, or answers it with the reason why not.
    pub(crate) fn route(&mut self, sender: NodeId, id: u64, turn: &mut Turn) {
        if self.connected[usize::from(sender / 32)] & 1 << (sender % 32) == 0 {
            turn.link.say(sender, Body::Close);
        } else if let Err(refusal) = self.take(sender, id, turn) {
            turn.link.refuse(sender, id, refusal);
        }
    }

    fn take(&mut self, sender: NodeId, id: u64, turn: &mut Turn) -> Result<(), WireError> {
        if self.queue.is_full() {
            return Err(WireError::new(ErrorCode::LoadShed, "the queue is full"));
        }
        let now = turn.now;
        match self.limiter.check(&sender, 1, now) {
            Ok(_spent) => {
                turn.journal.note(Note::Admitted(Admitted { sender, at: now.as_nanos() }));
                self.free_at = self.free_at.max(now).saturating_add(SERVICE_TIME);
                // There is room.
                let _ = self.queue.push_back(Job { sender, id, done_at: self.free_at });
                Ok(())
            }
            Err(rejected) => {
                turn.journal.counts.limited += 1;
                log::event(&Event::of_refusal(rejected, sender.into(), now));
                let error = ResilienceError::<()>::from(RateLimitError::new(rejected));
                Err(error.with_detail("sender", sender).wire(now))
            }
        }
    }

    /// Answers what has been worked at for long enough; returns when the next one is.
    pub(crate) fn poll(&mut self, turn: &mut Turn) -> Option<Instant> {
        while let Some(job) = self.queue.front() {
            if !job.done_at.is_reached(turn.now) {
                return Some(job.done_at);
            }
            let reply = Message::Reply { id: job.id, answer: Ok(()) };
            turn.link.say(job.sender, Body::Message(reply));
            turn.journal.counts.served += 1;
            self.queue.pop_front();
        }
        None
    }

    /// How long a request that came now would wait.
    pub(crate) fn backlog(&self, now: Instant) -> Duration {
        self.free_at.saturating_since(now)
    }
}
