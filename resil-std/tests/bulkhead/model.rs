//! Random schedules against a model: a list of who waits, sorted, and a count.

use super::paused_time::{Woken, poll_once};
use super::{RESERVED, Waiting};
use core::task::Poll;
use proptest::prelude::*;
use resil_std::Bulkhead;
use resil_std::bulkhead::Guard;
use resil_std::core::call::Priority::{self, High, Low, Normal};
use std::sync::Arc;

#[derive(Clone, Copy, Debug)]
enum Op {
    /// Somebody comes, and is polled once.
    Come { weight: u16, priority: Priority },
    /// Somebody comes who does not wait.
    Try { weight: u16, priority: Priority },
    /// One of those who have a place is polled.
    Poll(usize),
    /// One of those who have a place, or a guard, goes away.
    Drop(usize),
}

fn op() -> impl Strategy<Value = Op> {
    let priority = prop_oneof![Just(Low), Just(Normal), Just(High)];
    prop_oneof![
        3 => (0..=5_u16, priority.clone())
            .prop_map(|(weight, priority)| Op::Come { weight, priority }),
        1 => (0..=5_u16, priority).prop_map(|(weight, priority)| Op::Try { weight, priority }),
        2 => (0..8_usize).prop_map(Op::Poll),
        3 => (0..8_usize).prop_map(Op::Drop),
    ]
}

/// Somebody, in the model: in the order in which they came.
#[derive(Clone, Copy, Debug)]
struct Somebody {
    weight: u16,
    priority: Priority,
    is_in: bool,
}

#[derive(Default)]
struct Model(Vec<Somebody>);

impl Model {
    fn held(&self) -> u16 {
        self.0.iter().filter(|one| one.is_in).map(|one| one.weight).sum()
    }

    fn fits(&self, weight: u16, priority: Priority) -> bool {
        weight == 0 || self.held() + weight <= RESERVED.limit(priority)
    }

    fn would_overtake(&self, priority: Priority) -> bool {
        self.0.iter().any(|one| !one.is_in && one.priority >= priority)
    }

    fn passes(&self, weight: u16, priority: Priority) -> bool {
        weight == 0 || (self.fits(weight, priority) && !self.would_overtake(priority))
    }

    /// Lets in the first of the highest priority, as long as there is room.
    fn let_in(&mut self) {
        loop {
            let waiting = (0..self.0.len()).filter(|&at| !self.0[at].is_in);
            let first = waiting.rev().max_by_key(|&at| self.0[at].priority);
            let Some(first) = first else { return };
            let Somebody { weight, priority, .. } = self.0[first];
            if !self.fits(weight, priority) {
                return;
            }
            self.0[first].is_in = true;
        }
    }
}

/// The same person in the real one.
struct Person {
    place: Option<Waiting>,
    guard: Option<Guard>,
    woken: Arc<Woken>,
}

fn check(uplink: &Bulkhead, model: &Model, people: &[Person]) {
    let waiting = model.0.iter().filter(|one| !one.is_in).count();
    assert_eq!((uplink.held(), uplink.waiting()), (model.held(), waiting));
    for (one, person) in model.0.iter().zip(people) {
        // Woken once, when let in, and never for nothing.
        let expected = usize::from(one.is_in && person.place.is_some());
        if person.guard.is_none() {
            assert_eq!(person.woken.times(), expected, "{one:?}");
        }
    }
    for priority in [Low, Normal, High] {
        let free = RESERVED.limit(priority).saturating_sub(model.held());
        let expected = if model.would_overtake(priority) { 0 } else { free };
        assert_eq!(uplink.available(priority), expected);
    }
}

proptest! {
    #[test]
    fn any_schedule_lets_in_whom_the_model_lets_in(ops in prop::collection::vec(op(), 1..80)) {
        let uplink = Bulkhead::with_waiters("uplink", RESERVED, 3);
        let (mut model, mut people) = (Model::default(), Vec::<Person>::new());
        for op in ops {
            match op {
                Op::Come { weight, priority } => {
                    let woken = Arc::new(Woken::default());
                    let mut place: Waiting = {
                        let uplink = uplink.clone();
                        Box::pin(async move { uplink.acquire(weight, priority).await })
                    };
                    let passes = model.passes(weight, priority);
                    // Those who are let in have a place until they are polled.
                    let taken = people.iter().filter(|person| person.place.is_some()).count();
                    let (place, guard) = match woken.poll(place.as_mut()) {
                        Poll::Ready(Ok(guard)) => (None, Some(guard)),
                        Poll::Ready(Err(_)) => {
                            prop_assert!(!passes);
                            prop_assert!(weight > RESERVED.limit(priority) || taken == 3);
                            continue;
                        }
                        Poll::Pending => (Some(place), None),
                    };
                    prop_assert_eq!(guard.is_some(), passes);
                    prop_assert!(passes || weight <= RESERVED.limit(priority) && taken < 3);
                    people.push(Person { place, guard, woken });
                    model.0.push(Somebody { weight, priority, is_in: passes });
                }
                Op::Try { weight, priority } => {
                    let passes = model.passes(weight, priority);
                    prop_assert_eq!(uplink.try_acquire(weight, priority).is_ok(), passes);
                }
                Op::Poll(at) => {
                    let Some(person) = people.get_mut(at) else { continue };
                    let Some(place) = &mut person.place else { continue };
                    match person.woken.poll(place.as_mut()) {
                        Poll::Ready(guard) => {
                            prop_assert!(model.0[at].is_in);
                            person.guard = Some(guard.unwrap());
                            person.place = None;
                        }
                        Poll::Pending => prop_assert!(!model.0[at].is_in),
                    }
                }
                Op::Drop(at) => {
                    if at < people.len() {
                        people.remove(at);
                        model.0.remove(at);
                        model.let_in();
                    }
                }
            }
            check(&uplink, &model, &people);
        }
        // Nobody is left waiting who is polled once after everybody before has gone.
        while !people.is_empty() {
            people.remove(0);
            model.0.remove(0);
            model.let_in();
            check(&uplink, &model, &people);
        }
        prop_assert_eq!((uplink.held(), uplink.waiting()), (0, 0));
        prop_assert!(poll_once(core::pin::pin!(uplink.acquire(4, High))).is_ready());
    }
}
