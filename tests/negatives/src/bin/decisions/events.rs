//! The log of events.

use crate::any_now;
use core::hint::black_box;
use resil_core::chaos::Fault;
use resil_core::circuit_breaker::{State, Transition};
use resil_core::event::{Event, EventKind, EventLog, Span};
use resil_core::health::HealthStatus;
use resil_core::outcome::{FailureClass, RetryAt};
use resil_core::retry::Stop;
use resil_core::{ErrorCode, Rejected};

/// Making, keeping and reading events. Writing them as text divides, as all text does.
#[inline(never)]
pub(crate) fn events() {
    let mut log = black_box(EventLog::<16>::new());
    let (source, at) = (black_box(0), any_now());
    let (a, b) = (black_box(0), black_box(0));
    log.push(Event::new(black_box(EventKind::CallStarted), source, a, b, at).only_detected());
    let transition = Transition { from: black_box(State::Open), to: black_box(State::Closed) };
    log.push(Event::of_transition(transition, source, at));
    let refusal = Rejected::new(black_box(ErrorCode::LoadShed), black_box(RetryAt::Unknown));
    log.push(Event::of_refusal(refusal, source, at));
    log.push(Event::of_refused_retry(refusal, source, at));
    log.push(Event::of_failure(a, black_box(FailureClass::Local), source, at));
    log.push(Event::of_stop(black_box(Stop::Never), a, source, at));
    let took = Span::from_nanos(black_box(0));
    log.push(Event::of_error(black_box(ErrorCode::UnknownError), took, source, at));
    let status = black_box(Some(HealthStatus::Degraded));
    log.push(Event::of_health(black_box(None), status, source, at));
    if let Some(event) = Event::of_fault(black_box(Fault::Drop), source, at) {
        log.push(event);
    }
    let mut cursor = black_box(log.cursor());
    black_box(log.waiting(&cursor));
    black_box(log.read(&mut cursor));
    black_box((cursor.lost(), log.lost(), log.unread(), log.len()));
    black_box(log.cursor_at_end());
    for event in log.iter() {
        black_box((event.severity(), event.kind().number(), event.kind().fields()));
        black_box((event.at(), event.source(), event.transition()));
    }
    for event in log.drain() {
        black_box(event);
    }
    black_box(EventKind::from_number(black_box(0)));
    black_box(Span::from_units(black_box(0)).as_nanos());
}
