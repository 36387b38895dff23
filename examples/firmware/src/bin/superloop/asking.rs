//! The side that asks: a few requests at a time, each a call of core's on its way.

use heapless::Deque;
use mesh_protocol::control::Note;
use mesh_protocol::message::{Answer, Message, NodeId};
use mesh_protocol::record::{Attempts, End, Ended, Kind};
use mesh_protocol::serial::Body;
use mesh_protocol::settings::{ATTEMPT_TIMEOUT, PATIENCE, REQUEST_RETRY, SLOTS};
use rand::Rng;
use resil_core::call::{Call, CallPolicy, Request, Step, Ticket, Verdict};
use resil_core::circuit_breaker::Permit;
use resil_core::error::{Cause, ErrorCode};
use resil_core::event::{Event, Span};
use resil_core::outcome::{Classification, FailureClass};
use resil_core::{Instant, time, valid};
use resil_firmware::log;

use crate::Turn;
use crate::link::Refusal;
use crate::peer::Peer;

/// How a request goes on.
static REQUEST: CallPolicy =
    valid!(CallPolicy::new(REQUEST_RETRY).with_attempt_timeout(ATTEMPT_TIMEOUT));

/// Requests that wait for one of the slots: at forty a second, all that come within the patience.
const WAITING: usize = 24;

/// The requests that are out, and those that wait.
pub(crate) struct Asking {
    slots: [Option<Asked>; SLOTS],
    waiting: Deque<Ordered, WAITING>,
    issued: u64,
    /// The number of the next attempt on the line.
    next_id: u64,
}

/// A request that waits for a slot.
struct Ordered {
    number: u64,
    peer: NodeId,
    at: Instant,
}

/// A request on its way.
struct Asked {
    ordered: Ordered,
    call: Call<((), Permit)>,
    attempt: Option<Attempt>,
    attempts: Attempts,
    /// How its last attempt failed, unless its time was up.
    failure: Option<Failure>,
}

/// An attempt that is out, or waits for the connection.
struct Attempt {
    ticket: Ticket,
    id: Option<u64>,
}

impl Asking {
    /// Whether nothing is out and nothing waits.
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.slots.iter().all(Option::is_none)
    }

    #[inline(never)] // for the stack: what it is made of is gone when this returns
    pub(crate) fn start() -> &'static mut Self {
        let asking =
            Self { slots: [const { None }; SLOTS], waiting: Deque::new(), issued: 0, next_id: 0 };
        cortex_m::singleton!(: Asking = asking).expect("once")
    }

    /// A request is to be made.
    pub(crate) fn order(&mut self, peer: NodeId, turn: &mut Turn) {
        let ordered = Ordered { number: self.issued, peer, at: turn.now };
        self.issued += 1;
        turn.journal.note(Note::Issued(self.issued));
        if let Err(ordered) = self.waiting.push_back(ordered) {
            give_up(&ordered, ErrorCode::BulkheadFull, turn);
        }
    }

    /// An answer has come.
    pub(crate) fn answered(
        &mut self,
        id: u64,
        answer: &Answer<Refusal>,
        peer: &mut Peer,
        turn: &mut Turn,
    ) {
        let is_it = |asked: &&mut Asked| {
            asked.attempt.as_ref().is_some_and(|attempt| attempt.id == Some(id))
        };
        let Some(asked) = self.slots.iter_mut().flatten().find(is_it) else {
            turn.journal.counts.late += 1;
            return;
        };
        asked.attempts.wasted -= 1; // it has brought something
        let result = match answer {
            Ok(()) => Ok(()),
            Err(refusal) => {
                asked.failure = Some(Failure::Answered(refusal.number()));
                if let Some(wait) = refusal.retry_after() {
                    peer.hold(wait, turn.now);
                }
                // Whoever answers is there; and it has said when to come back.
                Err(Classification::Ignored)
            }
        };
        asked.finish(result, peer, turn);
    }

    /// Goes on with all that is out; returns when there is more to do.
    pub(crate) fn poll(&mut self, peers: &mut [Peer], turn: &mut Turn) -> Option<Instant> {
        let patience = self.lose_patience(turn);
        let mut alarm = None;
        for slot in &mut self.slots {
            if slot.is_none() {
                *slot = self.waiting.pop_front().map(|ordered| Asked::new(ordered, turn.now));
            }
            let Some(asked) = slot else { continue };
            let is_asked = |peer: &&mut Peer| peer.id == asked.ordered.peer;
            let Some(peer) = peers.iter_mut().find(is_asked) else { continue };
            match asked.poll(&mut self.next_id, peer, turn) {
                Ok(until) => alarm = time::earliest(alarm, until),
                Err(verdict) => {
                    asked.end(verdict, turn);
                    *slot = None;
                    alarm = Some(turn.now); // there is room for another one
                }
            }
        }
        time::earliest(alarm, patience)
    }

    /// Gives those up that have waited for too long; returns when the next one will have.
    fn lose_patience(&mut self, turn: &mut Turn) -> Option<Instant> {
        while let Some(ordered) = self.waiting.front() {
            let until = ordered.at.saturating_add(PATIENCE);
            if !until.is_reached(turn.now) {
                return Some(until);
            }
            give_up(ordered, ErrorCode::DeadlineExceeded, turn);
            self.waiting.pop_front();
        }
        None
    }
}

/// A request ends before it was made.
fn give_up(ordered: &Ordered, code: ErrorCode, turn: &mut Turn) {
    ended(ordered, End::Failed(code.number()), Attempts::default(), turn);
}

fn ended(ordered: &Ordered, end: End, attempts: Attempts, turn: &mut Turn) {
    turn.journal.note(Note::Ended(Ended {
        id: ordered.number,
        kind: Kind::Orderly,
        peer: ordered.peer,
        issued_at: ordered.at.as_nanos(),
        ended_at: turn.now.as_nanos(),
        end,
        attempts,
    }));
}

impl Asked {
    fn new(ordered: Ordered, now: Instant) -> Self {
        let call = Call::start(&REQUEST, Request::ONE, now);
        Self { ordered, call, attempt: None, attempts: Attempts::default(), failure: None }
    }

    /// Goes on; the verdict when it is over.
    fn poll(
        &mut self,
        next_id: &mut u64,
        peer: &mut Peer,
        turn: &mut Turn,
    ) -> Result<Option<Instant>, Verdict> {
        loop {
            self.transmit(next_id, peer, turn);
            peer.note(turn);
            let mut gates = peer.gates(&mut turn.journal.counts.held);
            let step = self.call.poll(&REQUEST, &mut gates, || turn.rng.next_u32(), turn.now);
            peer.note(turn);
            match step {
                Step::Attempt(ticket) => {
                    self.attempts.made += 1;
                    self.attempts.wasted += 1; // until it is known to have brought something
                    self.attempt = Some(Attempt { ticket, id: None });
                    peer.connect(turn.now);
                }
                Step::Wait { until, in_flight } => {
                    if in_flight == 0
                        && let Some(attempt) = self.attempt.take()
                    {
                        self.log_failure(&attempt.ticket, FailureClass::Timeout, turn);
                    }
                    return Ok(until);
                }
                Step::Done(verdict) => return Err(verdict),
            }
        }
    }

    /// Sends the attempt that waits for a connection when there is one, and fails it when there will be
    /// none.
    fn transmit(&mut self, next_id: &mut u64, peer: &mut Peer, turn: &mut Turn) {
        let Some(attempt) = &mut self.attempt else { return };
        if peer.is_closed() {
            self.failure = Some(Failure::NoConnection);
            self.finish(Err(FailureClass::Transient.into()), peer, turn);
        } else if peer.is_open() && attempt.id.is_none() {
            let id = *next_id;
            *next_id += 1;
            attempt.id = Some(id);
            turn.link.say(peer.id, Body::Message(Message::Request { id }));
        }
    }

    /// The attempt that is out has ended.
    fn finish(&mut self, result: Result<(), Classification>, peer: &mut Peer, turn: &mut Turn) {
        let Some(Attempt { ticket, .. }) = self.attempt.take() else { return };
        if let Err(Classification::Failure(class, _)) = result {
            self.log_failure(&ticket, class, turn);
        }
        let mut gates = peer.gates(&mut turn.journal.counts.held);
        // Stale where the attempt's time was up first: the call has counted that.
        let _ = self.call.finish(
            &REQUEST,
            ticket,
            result,
            &mut gates,
            || turn.rng.next_u32(),
            turn.now,
        );
        peer.note(turn);
    }

    fn log_failure(&self, ticket: &Ticket, class: FailureClass, turn: &Turn) {
        let (number, source) = (ticket.number(), self.ordered.peer.into());
        log::event(&Event::of_failure(number, class, source, turn.now));
    }

    /// It is over.
    fn end(&mut self, verdict: Verdict, turn: &mut Turn) {
        let source = self.ordered.peer.into();
        let error = self.call.error(verdict, self.failure.take());
        let end = match error.as_ref().map(|error| (error.code(), error.cause())) {
            None => End::Ok,
            Some((_, Cause::Operation(Failure::Answered(code)))) => End::Refused(*code),
            Some((code, Cause::RateLimit(_) | Cause::CircuitBreakerOpen(_))) => {
                End::Refused(code.number())
            }
            Some((code, _)) => {
                let took = turn.now.saturating_since(self.ordered.at);
                let took = Span::from_nanos(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
                log::event(&Event::of_error(code, took, source, turn.now));
                End::Failed(code.number())
            }
        };
        if let Verdict::Refused(refused) = verdict {
            log::event(&Event::of_refusal(refused.rejected(), source, turn.now));
        }
        turn.journal.counts.retries += u64::from(self.attempts.made.saturating_sub(1));
        ended(&self.ordered, end, self.attempts, turn);
    }
}

/// How an attempt failed, if not by taking too long.
enum Failure {
    /// The peer has answered with an error of this number.
    Answered(u16),
    /// There was no connection, or none any more.
    NoConnection,
}
