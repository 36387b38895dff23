//! What a node knows of one neighbour, and what stands between the two.

use core::time::Duration;
use mesh_protocol::control::Note;
use mesh_protocol::message::NodeId;
use mesh_protocol::record::{BreakerMoved, BreakerState};
use mesh_protocol::serial::Body;
use mesh_protocol::settings::{BREAKER, CONNECT_RETRY, LONGEST_HOLD};
use rand::Rng;
use resil_core::call::{Bound, Call, CallPolicy, End, Gate, Layers, Request, Step};
use resil_core::circuit_breaker::{CircuitBreakerConfig, CircuitBreakerState, State, Transition};
use resil_core::error::ErrorCode;
use resil_core::event::Event;
use resil_core::health::{Heartbeat, HeartbeatConfig, HeartbeatStatus};
use resil_core::outcome::{Rejected, RetryAt};
use resil_core::{Instant, time, valid};
use resil_firmware::log;

use crate::Turn;

/// How a connection is made: on this line nobody says that nobody is there, so a try has its time.
static CONNECT: CallPolicy =
    valid!(CallPolicy::new(CONNECT_RETRY).with_attempt_timeout(Duration::from_millis(40)));

/// How often a node connects anew with a peer that it is connected with: that changes nothing, and is
/// answered, so that either hears of the other when there is nothing else to say.
const BEAT_EVERY: Duration = Duration::from_millis(250);

/// Whatever comes from a peer is a heartbeat.
static HEARTBEAT: HeartbeatConfig = valid!(
    HeartbeatConfig::builder()
        .interval(BEAT_EVERY)
        .acceptable_pause(Duration::from_millis(750))
        .build()
);

/// One neighbour.
pub(crate) struct Peer {
    pub(crate) id: NodeId,
    connection: Connection,
    breaker: CircuitBreakerState,
    /// The state of the breaker that was last told of.
    seen: State,
    /// The instant before which it asked not to be asked again.
    not_before: Instant,
    heartbeat: Heartbeat<&'static HeartbeatConfig>,
    heard: HeartbeatStatus,
    beat_at: Instant,
}

/// The connection that this node asks on.
enum Connection {
    Closed,
    Opening(Call<()>),
    Open,
}

/// What an attempt has to pass: what the peer said last, then its breaker.
pub(crate) type Gates<'a> =
    Layers<(Hold<'a>, Bound<'a, CircuitBreakerConfig, CircuitBreakerState>)>;

impl Peer {
    pub(crate) const fn new(id: NodeId) -> Self {
        Self {
            id,
            connection: Connection::Closed,
            breaker: CircuitBreakerState::new(),
            seen: State::Closed,
            not_before: Instant::EPOCH,
            heartbeat: Heartbeat::new(&HEARTBEAT),
            heard: HeartbeatStatus::Unknown,
            beat_at: Instant::EPOCH,
        }
    }

    /// What an attempt has to pass; `held` counts those that the peer did not want.
    pub(crate) fn gates<'a>(&'a mut self, held: &'a mut u64) -> Gates<'a> {
        let hold = Hold { not_before: self.not_before, held };
        Layers::new((hold, Bound::new(&BREAKER, &mut self.breaker)))
    }

    /// Something came from it.
    pub(crate) fn is_heard(&mut self, now: Instant) {
        let _ = self.heartbeat.record(now); // that it is back shows in its status
    }

    /// It does not want to be asked for this long: obeyed within reason.
    pub(crate) fn hold(&mut self, wait: Duration, now: Instant) {
        self.not_before = now.saturating_add(wait.min(LONGEST_HOLD));
    }

    pub(crate) const fn is_open(&self) -> bool {
        matches!(self.connection, Connection::Open)
    }

    pub(crate) const fn is_closed(&self) -> bool {
        matches!(self.connection, Connection::Closed)
    }

    /// Somebody wants to ask it.
    pub(crate) fn connect(&mut self, now: Instant) {
        if self.is_closed() {
            self.connection = Connection::Opening(Call::start(&CONNECT, Request::ONE, now));
        }
    }

    /// It accepts the connection.
    pub(crate) fn is_accepted(&mut self, turn: &mut Turn) {
        if let Connection::Opening(call) = &self.connection {
            turn.journal.counts.reconnects += again(call);
            turn.journal.connected += 1;
            self.connection = Connection::Open;
        }
    }

    /// There is no connection any more.
    pub(crate) fn close(&mut self) {
        self.connection = Connection::Closed;
    }

    /// Goes on with the connection and the heartbeat; returns when there is more to do.
    pub(crate) fn poll(&mut self, turn: &mut Turn) -> Option<Instant> {
        self.listen(turn);
        let connection = match &self.connection {
            Connection::Closed => None,
            Connection::Opening(_) => self.go_on_connecting(turn),
            Connection::Open => Some(self.beat(turn)),
        };
        time::earliest(connection, self.heartbeat.next_deadline(turn.now))
    }

    fn beat(&mut self, turn: &mut Turn) -> Instant {
        if self.beat_at.is_reached(turn.now) {
            self.beat_at = turn.now.saturating_add(BEAT_EVERY);
            turn.link.say(self.id, Body::Connect);
        }
        self.beat_at
    }

    fn go_on_connecting(&mut self, turn: &mut Turn) -> Option<Instant> {
        let Connection::Opening(call) = &mut self.connection else { return None };
        match call.poll(&CONNECT, &mut Layers::new(()), || turn.rng.next_u32(), turn.now) {
            Step::Attempt(ticket) => {
                turn.link.say(self.id, Body::Connect);
                ticket.deadline()
            }
            Step::Wait { until, .. } => until,
            Step::Done(_) => {
                turn.journal.counts.reconnects += again(call);
                self.connection = Connection::Closed;
                Some(turn.now) // for those that wait for it
            }
        }
    }

    /// A peer that is not heard any more is not connected: it may have started anew.
    fn listen(&mut self, turn: &mut Turn) {
        let status = self.heartbeat.status(turn.now);
        if core::mem::replace(&mut self.heard, status) != status {
            defmt::info!("peer {=u8} is {}", self.id, status);
            if status == HeartbeatStatus::Suspected {
                turn.journal.suspected += 1;
                self.close();
            }
        }
    }

    /// Tells of the breaker's state where it is another one than before.
    pub(crate) fn note(&mut self, turn: &mut Turn) {
        let to = BREAKER.state(&self.breaker, turn.now);
        let from = core::mem::replace(&mut self.seen, to);
        if from != to {
            log::event(&Event::of_transition(Transition { from, to }, self.id.into(), turn.now));
            let to = match to {
                State::HalfOpen => BreakerState::HalfOpen,
                State::Open | State::ForcedOpen => BreakerState::Open,
                // Closed, and whatever else lets calls pass.
                _ => BreakerState::Closed,
            };
            let moved = BreakerMoved { peer: self.id, to, at: turn.now.as_nanos() };
            turn.journal.note(Note::Breaker(moved));
        }
    }

    /// Whether it is in reach: heard, and worth asking.
    pub(crate) fn is_in_reach(&self, now: Instant) -> bool {
        BREAKER.state(&self.breaker, now) == State::Closed
            && self.heartbeat.status(now) == HeartbeatStatus::Alive
    }
}

/// How often it was tried again.
fn again(call: &Call<()>) -> u64 {
    call.attempts().saturating_sub(1).into()
}

/// Refuses for the peer while the time that it has named has not come.
pub(crate) struct Hold<'a> {
    not_before: Instant,
    held: &'a mut u64,
}

impl Gate for Hold<'_> {
    type Permit = ();
    type Report = ();

    fn try_acquire(
        &mut self,
        _: &Request,
        _: &mut impl FnMut() -> u32,
        now: Instant,
    ) -> Result<(), Rejected> {
        if self.not_before.is_reached(now) {
            return Ok(());
        }
        *self.held += 1;
        Err(Rejected::new(ErrorCode::RateLimitExceeded, RetryAt::At(self.not_before)))
    }

    fn settle(&mut self, (): (), _: End, _: &mut impl FnMut() -> u32, _: Instant) {}
}
