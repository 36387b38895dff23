//! A call in a task.

use core::fmt::Debug;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;

use resil_core::call::{Call, Pipeline, Step, Ticket};
use resil_core::outcome::Classify;
use resil_core::{Clock, Instant, ResilienceError};

use super::attempts::{Attempts, Place, first_poll};
use super::begin::{Alone, Beginning};
use super::handle::Handle;
use super::run::{Run, Turn};
use crate::clock::Sleep;
use crate::log;

/// Makes a call: does what core says, until core says that it is over. Where the operation can be started
/// `plain`, without being told which attempt it is, the first attempt is made before all else: most calls
/// are over by then.
#[expect(clippy::manual_async_fn, reason = "an async function holds its arguments twice")]
#[inline]
pub(super) fn run<L, T, V, E, O, Fut>(
    handle: Handle<'_, L, T>,
    mut operation: O,
    plain: Option<impl Fn(&mut O) -> Fut>,
    each: impl Fn(&mut O, &Ticket, &Call<L::Permit, L::Charge>) -> Fut,
) -> impl Future<Output = Result<V, ResilienceError<E>>>
where
    L: Pipeline,
    L::Classifier: Classify<E>,
    T: Sleep,
    E: Debug,
    Fut: Future<Output = Result<V, E>>,
{
    async move {
        let mut run;
        // Declared after the run, so dropped before: an operation ends before its permit goes back.
        let mut place = pin!(None);
        let plain = plain.filter(|_| !log::hears_successes());
        let mut turn = 'begin: {
            let first = match begin(&handle, plain.is_some()) {
                Beginning::Alone(first) => first,
                Beginning::Begun(begun) => {
                    let (begun, step) = Run::begin(handle, begun);
                    run = begun;
                    break 'begin Turn::Step(step);
                }
            };
            let polled = poll_fn(|context| {
                let plain = plain.as_ref();
                Poll::Ready(
                    plain
                        .map(|plain| first_poll(|| plain(&mut operation), place.as_mut(), context)),
                )
            });
            let end = polled.await;
            if let Some(Ok(Poll::Ready(Ok(value)))) = end {
                handle.succeed(first);
                return Ok(value);
            }
            let (begun, ticket) = Run::go_on(Alone { handle, first });
            run = begun;
            Turn::First(ticket, end)
        };
        let second = pin!(None);
        let mut attempts = Attempts([Place(place), Place(second)]);
        loop {
            let over = match turn {
                Turn::First(ticket, end) => end.and_then(|end| attempts.go_on(ticket, end)),
                Turn::Step(Step::Attempt(ticket)) => {
                    let begun = run.attempt(&ticket, |call| each(&mut operation, &ticket, call));
                    let mut over = attempts.start(ticket, begun);
                    if over.is_none() {
                        over = attempts.ended().await;
                    }
                    over
                }
                Turn::Step(Step::Wait { until, in_flight }) => {
                    run.log_wait(until, in_flight);
                    let until = until.unwrap_or(Instant::MAX);
                    attempts.next(pin!(run.callee.clock.sleep_until(until))).await
                }
                Turn::Step(Step::Done(verdict)) => return run.end(verdict),
            };
            turn = Turn::Step(run.advance(over, &mut attempts, Classify::classify));
        }
    }
}

/// Begins with the first attempt alone where that may be, and else with a step.
#[inline(always)]
fn begin<L: Pipeline, T: Clock>(handle: &Handle<'_, L, T>, alone: bool) -> Beginning<L> {
    if !alone {
        return Beginning::Begun(handle.start());
    }
    match handle.begin_at_a_glance() {
        Some(first) => Beginning::Alone(first),
        None => handle.begin(),
    }
}
