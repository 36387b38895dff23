//! A call in a task.

use core::fmt::Debug;
use core::future::{Future, poll_fn};
use core::pin::pin;

use resil_core::call::{Call, Pipeline, Ticket};
use resil_core::outcome::{Classification, Classify};
use resil_core::{Instant, ResilienceError};

use super::calling::{Calling, Operation};
use super::handle::Handle;
use super::run::Run;
use super::under_way::UnderWay;
use crate::clock::Sleep;

/// An operation that is the same each time, and the sleep of a clock, whose future has no name.
struct Plain<O, P, S> {
    operation: O,
    sleep: fn(&P, Instant) -> S,
}

impl<'a, L, T, V, E, O, F, S> Operation<Handle<'a, L, T>> for Plain<O, Handle<'a, L, T>, S>
where
    L: Pipeline,
    L::Classifier: Classify<E>,
    T: Sleep,
    E: Debug,
    O: FnMut() -> F,
    F: Future<Output = Result<V, E>>,
    S: Future<Output = ()>,
{
    type Value = V;
    type Error = E;
    type Attempt = F;
    type Timer = S;

    #[inline(always)]
    fn attempt(&mut self) -> F {
        (self.operation)()
    }

    fn sleep(&self) -> fn(&Handle<'a, L, T>, Instant) -> S {
        self.sleep
    }

    fn classify(classifier: &L::Classifier, error: &E) -> Classification {
        classifier.classify(error)
    }
}

fn sleep<'a, L: Pipeline, T: Sleep>(
    handle: &Handle<'a, L, T>,
    until: Instant,
) -> impl Future<Output = ()> + Send + use<'a, L, T> {
    T::sleep_until(handle.clock, until)
}

/// Makes a call.
#[inline(always)]
pub(super) fn run<L, T, V, E, O, F>(
    handle: Handle<'_, L, T>,
    operation: O,
) -> impl Future<Output = Result<V, ResilienceError<E>>>
where
    L: Pipeline,
    L::Classifier: Classify<E>,
    T: Sleep,
    E: Debug,
    O: FnMut() -> F,
    F: Future<Output = Result<V, E>>,
{
    Calling::new(handle, Plain { operation, sleep })
}

/// Makes a call by steps: what is told which attempt it is can begin no other way.
#[expect(clippy::manual_async_fn, reason = "an async function holds its arguments twice")]
pub(super) fn step<L, T, V, E, F>(
    handle: Handle<'_, L, T>,
    mut operation: impl FnMut(&Ticket, &Call<L::Permit, L::Charge>) -> F,
) -> impl Future<Output = Result<V, ResilienceError<E>>>
where
    L: Pipeline,
    L::Classifier: Classify<E>,
    T: Sleep,
    E: Debug,
    F: Future<Output = Result<V, E>>,
{
    async move {
        let mut under_way = pin!(UnderWay::begun(Run::begin(handle, handle.start())));
        // Declared after it, so dropped before: an operation ends before its permit goes back.
        let mut first = pin!(None);
        poll_fn(|context| {
            let (under_way, first) = (under_way.as_mut(), first.as_mut());
            under_way.poll(first, None, context, &mut operation, sleep, Classify::classify)
        })
        .await
    }
}
