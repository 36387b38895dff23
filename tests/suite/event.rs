//! Events: nothing is lost unnoticed.

use proptest::prelude::*;
use resil_core::call::Verdict;
use resil_core::chaos::Fault;
use resil_core::circuit_breaker::{State, Transition};
use resil_core::event::{Event, EventKind, EventLog, Span};
use resil_core::health::HealthStatus;
use resil_core::outcome::FailureClass;
use resil_core::retry::Stop;
use resil_core::snapshot::SnapshotError;
use resil_core::{ErrorCode, Instant};
use std::collections::VecDeque;

fn numbered(a: u32) -> Event {
    Event::new(EventKind::CallStarted, 0, a, 0, Instant::from_nanos(a.into()))
}

/// What is done to a log.
#[derive(Clone, Debug)]
enum Step {
    Push(u8),
    Pop,
    Drain,
    Read(usize),
    /// A reader that begins with what there is, or with what comes.
    Join(bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1..12_u8).prop_map(Step::Push),
        3 => Just(Step::Pop),
        1 => Just(Step::Drain),
        6 => (0..3_usize).prop_map(Step::Read),
        1 => any::<bool>().prop_map(Step::Join),
    ];
    prop::collection::vec(step, 0..80)
}

/// The slow and plain one: everything that was pushed, and where each reader is.
#[derive(Default)]
struct Model {
    pushed: u32,
    own: VecDeque<u32>,
    lost: u32,
    /// Next number, how many it read, how many it lost.
    readers: Vec<(u32, u32, u32)>,
}

fn plays_like_the_model<const N: usize>(steps: &[Step]) -> Result<(), TestCaseError> {
    let (mut log, mut model) = (EventLog::<N>::new(), Model::default());
    let (mut cursors, mut joined, mut popped) = (Vec::new(), Vec::new(), 0_u32);
    for step in steps {
        match *step {
            Step::Push(count) => {
                for _ in 0..count {
                    log.push(numbered(model.pushed));
                    model.own.push_back(model.pushed);
                    model.pushed += 1;
                    if model.own.len() > N {
                        model.own.pop_front();
                        model.lost += 1;
                    }
                }
            }
            Step::Pop => {
                let event = log.pop();
                popped += u32::from(event.is_some());
                prop_assert_eq!(event.map(|event| event.a()), model.own.pop_front());
            }
            Step::Drain => {
                let drained: Vec<_> = log.drain().map(|event| event.a()).collect();
                popped += drained.len() as u32;
                prop_assert_eq!(drained, model.own.drain(..).collect::<Vec<_>>());
            }
            Step::Join(at_end) => {
                let oldest = model.pushed.saturating_sub(N as u32);
                let begin = if at_end { model.pushed } else { oldest };
                cursors.push(if at_end { log.cursor_at_end() } else { log.cursor() });
                joined.push(begin);
                model.readers.push((begin, 0, 0));
            }
            Step::Read(which) => {
                let Some((next, read, lost)) = model.readers.get_mut(which) else { continue };
                let oldest = model.pushed.saturating_sub(N as u32).max(*next);
                *lost += oldest - *next;
                let expected = (oldest < model.pushed).then_some(oldest);
                *next = expected.map_or(oldest, |number| number + 1);
                *read += u32::from(expected.is_some());
                let event = log.read(&mut cursors[which]);
                prop_assert_eq!(event.map(|event| event.a()), expected);
                prop_assert_eq!(cursors[which].lost(), *lost);
                // What it read, lost and has before it are what was pushed since it came.
                let waiting = log.waiting(&cursors[which]);
                prop_assert_eq!(*read + *lost + waiting, model.pushed - joined[which]);
            }
        }
        prop_assert_eq!(log.lost(), model.lost);
        prop_assert_eq!(popped + log.lost() + u32::from(log.unread()), model.pushed);
        let held = (model.pushed.saturating_sub(N as u32))..model.pushed;
        prop_assert!(log.iter().map(|event| event.a()).eq(held.clone()));
        prop_assert!(log.iter().rev().map(|event| event.a()).eq(held.rev()));
        prop_assert_eq!(log.is_empty(), model.pushed == 0);
    }
    Ok(())
}

proptest! {
    #[test]
    fn read_and_lost_and_waiting_are_what_was_pushed(steps in steps()) {
        plays_like_the_model::<1>(&steps)?;
        plays_like_the_model::<2>(&steps)?;
        plays_like_the_model::<7>(&steps)?;
        plays_like_the_model::<16>(&steps)?;
    }
}

#[test]
fn a_slow_reader_learns_exactly_how_many_it_missed() {
    let mut log = EventLog::<8>::new();
    let mut cursor = log.cursor();
    (0..1_000).for_each(|a| log.push(numbered(a)));
    assert_eq!(cursor.lost(), 0, "it has not come by yet");
    let read: Vec<_> =
        core::iter::from_fn(|| log.read(&mut cursor)).map(|event| event.a()).collect();
    assert_eq!(read, (992..1_000).collect::<Vec<_>>());
    assert_eq!(cursor.lost(), 992);
}

/// Kind, `a` and `b`.
fn numbers(event: Event) -> (EventKind, u32, u32) {
    (event.kind(), event.a(), event.b())
}

#[test]
fn the_class_of_a_failed_attempt_has_its_published_number() {
    use FailureClass::{Fatal, Local, Throttled, Timeout, Transient};
    for (number, class) in (0..).zip([Transient, Throttled, Timeout, Local, Fatal]) {
        let event = Event::of_failure(7, class, 0, Instant::EPOCH);
        assert_eq!(numbers(event), (EventKind::AttemptFailed, 7, number), "{class:?}");
    }
}

#[test]
fn the_reason_of_a_retry_that_stops_has_its_published_number() {
    use Stop::{Budget, Deadline, Exhausted, Fatal, Ignored, Never};
    for (number, stop) in (0..).zip([Fatal, Ignored, Exhausted, Deadline, Never, Budget]) {
        let event = Event::of_stop(stop, 3, 0, Instant::EPOCH);
        assert_eq!(numbers(event), (EventKind::RetryStopped, 3, number), "{stop:?}");
    }
}

#[test]
fn the_reason_of_a_snapshot_that_is_refused_has_its_published_number() {
    use SnapshotError::{Damaged, Invalid, Kind, Length, Version};
    for (number, reason) in (0..).zip([Length, Damaged, Kind, Version, Invalid]) {
        let event = Event::of_restore::<()>(9, &Err(reason), 0, Instant::EPOCH);
        assert_eq!(numbers(event), (EventKind::SnapshotRefused, 9, number), "{reason:?}");
    }
}

#[test]
fn a_health_has_its_published_number_before_and_after() {
    use HealthStatus::{Degraded, Healthy, Unhealthy};
    let kinds = [
        EventKind::HealthRecovered,
        EventKind::HealthDegraded,
        EventKind::HealthFailed,
        EventKind::HealthUnknown,
    ];
    let all = [Some(Healthy), Some(Degraded), Some(Unhealthy), None];
    for (a, from) in (0..).zip(all) {
        for ((b, to), kind) in (0..).zip(all).zip(kinds) {
            let event = Event::of_health(from, to, 0, Instant::EPOCH);
            assert_eq!(numbers(event), (kind, a, b));
        }
    }
}

#[test]
fn a_transition_is_the_kind_of_the_state_it_leads_to() {
    for (number, to, kind) in [
        (0, State::Closed, EventKind::BreakerClosed),
        (1, State::Open, EventKind::BreakerOpened),
        (2, State::HalfOpen, EventKind::BreakerHalfOpened),
        (3, State::ForcedOpen, EventKind::BreakerForcedOpen),
        (4, State::Disabled, EventKind::BreakerDisabled),
        (5, State::MetricsOnly, EventKind::BreakerMetricsOnly),
    ] {
        let transition = Transition { from: to, to };
        let event = Event::of_transition(transition, 0, Instant::EPOCH);
        assert_eq!(numbers(event), (kind, number, number));
        assert_eq!(event.transition(), Some(transition));
    }
}

#[test]
fn a_fault_is_told_with_what_it_does() {
    const SECOND: u32 = Span::from_nanos(1_000_000_000).units();
    for (fault, kind, a, b) in [
        (Fault::Error, EventKind::ChaosError, 0, 0),
        (Fault::Delay { nanos: 1_000_000_000 }, EventKind::ChaosDelay, SECOND, 0),
        (Fault::Drop, EventKind::ChaosDrop, 0, 0),
        (Fault::Duplicate, EventKind::ChaosDuplicate, 0, 0),
        (Fault::Reorder { places: 3 }, EventKind::ChaosReorder, 3, 0),
        (Fault::ClockStep { nanos: 1_000_000_000 }, EventKind::ChaosClockStep, SECOND, 0),
        (Fault::ClockStep { nanos: -1_000_000_000 }, EventKind::ChaosClockStep, 0, SECOND),
    ] {
        let event = Event::of_fault(fault, 0, Instant::EPOCH).unwrap();
        assert_eq!(numbers(event), (kind, a, b), "{fault:?}");
    }
}

#[test]
fn a_call_that_failed_is_told_with_its_code_and_how_long_it_took() {
    let took = Span::from_nanos(5_000_000_000);
    let event = Event::of_error(ErrorCode::RetryExhausted, took, 0, Instant::EPOCH);
    let code = u32::from(ErrorCode::RetryExhausted.number());
    assert_eq!(numbers(event), (EventKind::CallFailed, code, 4_769));
}

#[test]
fn a_call_ends_as_its_verdict_says() {
    for (verdict, kind) in [
        (Verdict::Success, EventKind::CallSucceeded),
        (Verdict::Failed(Stop::Fatal), EventKind::CallFailed),
        (Verdict::Deadline { refusal: None }, EventKind::DeadlineExceeded),
        (Verdict::Abandoned, EventKind::CallCancelled),
    ] {
        assert_eq!(EventKind::of_verdict(verdict), kind);
    }
}
