//! Events: nothing is lost unnoticed.

use proptest::prelude::*;
use resil_core::Instant;
use resil_core::event::{Event, EventKind, EventLog};
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
