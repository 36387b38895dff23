//! A call on a thread: one attempt after another.

use core::fmt::Debug;
use core::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::thread;

use resil_core::call::{Call, First, Pipeline, Step, Ticket};
use resil_core::outcome::Classify;
use resil_core::{Instant, ResilienceError};

use super::begin::{Alone, Beginning};
use super::handle::Handle;
use super::run::Run;
use crate::clock::Sleep;
use crate::log;

/// Where a call is, of which an attempt ends with `R`.
enum Turn<R> {
    /// Core has said what comes next.
    Step(Step),
    /// The first attempt has been made, and this came of it.
    First(Ticket, R),
}

/// Makes a call, as [`run`](super::task::run) does in a task.
#[inline(always)]
pub(super) fn run_blocking<L, T, V, E>(
    handle: Handle<'_, L, T>,
    mut operation: impl FnMut() -> Result<V, E>,
) -> Result<V, ResilienceError<E>>
where
    L: Pipeline,
    L::Classifier: Classify<E>,
    T: Sleep,
    E: Debug,
{
    if log::hears_successes() {
        return step_blocking(handle.copied(), |_, _| operation());
    }
    match handle.begin_at_a_glance() {
        Ok(first) => first_blocking(handle, first, operation),
        Err(read) => begin_blocking(handle.copied(), read, operation),
    }
}

/// Makes a call by steps.
#[inline(never)]
pub(super) fn step_blocking<L, T, V, E>(
    handle: Handle<'_, L, T>,
    operation: impl FnMut(&Ticket, &Call<L::Permit, L::Charge>) -> Result<V, E>,
) -> Result<V, ResilienceError<E>>
where
    L: Pipeline,
    L::Classifier: Classify<E>,
    T: Sleep,
    E: Debug,
{
    let (run, step) = Run::begin(handle, handle.start());
    go_on_blocking(run, Turn::Step(step), operation)
}

/// Makes a call that does not begin at the first glance.
#[inline(never)]
fn begin_blocking<L, T, V, E>(
    handle: Handle<'_, L, T>,
    read: Option<Instant>,
    mut operation: impl FnMut() -> Result<V, E>,
) -> Result<V, ResilienceError<E>>
where
    L: Pipeline,
    L::Classifier: Classify<E>,
    T: Sleep,
    E: Debug,
{
    let first = match handle.begin_later(read) {
        Ok(first) => first,
        Err(read) => match handle.copied().begin(read) {
            Beginning::Alone(first) => first,
            Beginning::Begun(begun) => {
                let (run, step) = Run::begin(handle, begun);
                return go_on_blocking(run, Turn::Step(step), |_, _| operation());
            }
        },
    };
    first_blocking(handle, first, operation)
}

/// Makes the first attempt, and goes on where that is not all.
#[inline(always)]
fn first_blocking<L, T, V, E>(
    handle: Handle<'_, L, T>,
    first: First<L::Permit>,
    mut operation: impl FnMut() -> Result<V, E>,
) -> Result<V, ResilienceError<E>>
where
    L: Pipeline,
    L::Classifier: Classify<E>,
    T: Sleep,
    E: Debug,
{
    // What has panicked is not called again, and the panic goes on.
    match catch_unwind(AssertUnwindSafe(&mut operation)) {
        Ok(Ok(value)) => {
            handle.succeed(first);
            Ok(value)
        }
        end => go_on_from_first(Alone { handle: handle.copied(), first }, end, operation),
    }
}

#[cold]
#[inline(never)]
fn go_on_from_first<L, T, V, E>(
    Alone { handle, first }: Alone<'_, L, T>,
    end: thread::Result<Result<V, E>>,
    mut operation: impl FnMut() -> Result<V, E>,
) -> Result<V, ResilienceError<E>>
where
    L: Pipeline,
    L::Classifier: Classify<E>,
    T: Sleep,
    E: Debug,
{
    let (run, ticket) = Run::go_on(handle, first);
    go_on_blocking(run, Turn::First(ticket, end), |_, _| operation())
}

fn go_on_blocking<L, T, V, E>(
    mut run: Run<Handle<'_, L, T>, V, E>,
    mut turn: Turn<thread::Result<Result<V, E>>>,
    mut operation: impl FnMut(&Ticket, &Call<L::Permit, L::Charge>) -> Result<V, E>,
) -> Result<V, ResilienceError<E>>
where
    L: Pipeline,
    L::Classifier: Classify<E>,
    T: Sleep,
    E: Debug,
{
    loop {
        let ended = match turn {
            Turn::First(ticket, end) => Some(run.ended((ticket, end), Classify::classify)),
            Turn::Step(Step::Attempt(ticket)) => {
                let end = run.attempt(&ticket, |call| operation(&ticket, call));
                Some(run.ended((ticket, end), Classify::classify))
            }
            Turn::Step(Step::Wait { until, in_flight }) => {
                run.log_wait(until, in_flight);
                run.callee.clock.block_until(until.unwrap_or(Instant::MAX));
                None
            }
            Turn::Step(Step::Done(verdict)) => return run.end(verdict),
        };
        let (next, transitions) = run.step(ended);
        run.callee.log_transitions(transitions);
        turn = Turn::Step(next);
    }
}
