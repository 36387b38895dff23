//! A call in a task.

use core::fmt::Debug;
use core::future::{Future, poll_fn};
use core::mem;
use core::pin::{Pin, pin};
use core::task::{Context, Poll};
use std::thread;

use pin_project_lite::pin_project;
use resil_core::call::{Call, First, Pipeline, Ticket};
use resil_core::outcome::Classify;
use resil_core::{Instant, ResilienceError};

use super::attempts::{InFlight, first_poll};
use super::begin::{Alone, Beginning, Begun};
use super::handle::Handle;
use super::run::{Run, Turn};
use super::under_way::UnderWay;
use crate::clock::Sleep;
use crate::log;

pin_project! {
    /// A call in a task. Its first attempt is made before all else: most calls are over by then.
    ///
    /// A future by hand, and no `async` block: that would keep what it knows of the first attempt where it
    /// keeps all else, and this has it in registers.
    struct Calling<'a, L, T, O, F, S, V, E>
    where
        L: Pipeline,
        T: Sleep,
    {
        // Declared before what is under way, so dropped before: an operation ends before its permit goes
        // back.
        #[pin]
        first: Option<InFlight<F>>,
        // There once the call is more than its first attempt.
        #[pin]
        under_way: Option<UnderWay<Handle<'a, L, T>, F, S, V, E>>,
        is_new: bool,
        handle: Handle<'a, L, T>,
        operation: O,
        sleep: fn(&'a T, Instant) -> S,
    }
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
    let (first, under_way, sleep) = (None, None, T::sleep_until as fn(_, _) -> _);
    Calling { first, under_way, is_new: true, handle, operation, sleep }
}

/// Makes a call by steps: what is told which attempt it is can begin no other way.
#[expect(clippy::manual_async_fn, reason = "an async function holds its arguments twice")]
pub(super) fn step<'a, L, T, V, E, F>(
    handle: Handle<'a, L, T>,
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
        let mut under_way = pin!(UnderWay::begin(Run::begin(handle, handle.start())));
        // Declared after it, so dropped before: an operation ends before its permit goes back.
        let mut first = pin!(None);
        let sleep = |handle: &Handle<'a, L, T>, until| T::sleep_until(handle.clock, until);
        poll_fn(|context| {
            let (under_way, first) = (under_way.as_mut(), first.as_mut());
            under_way.poll(first, context, &mut operation, sleep, Classify::classify)
        })
        .await
    }
}

impl<'a, L, T, O, F, S, V, E> Calling<'a, L, T, O, F, S, V, E>
where
    L: Pipeline,
    L::Classifier: Classify<E>,
    T: Sleep,
    E: Debug,
    O: FnMut() -> F,
    F: Future<Output = Result<V, E>>,
    S: Future<Output = ()>,
{
    /// Begins by steps.
    #[inline(never)]
    fn begin_by_steps(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<V, ResilienceError<E>>> {
        let begun = self.handle.start();
        self.begun(begun, context)
    }

    /// Begins where that is not done at the first glance.
    #[inline(never)]
    fn begin(
        self: Pin<&mut Self>,
        read: Option<Instant>,
        context: &mut Context<'_>,
    ) -> Poll<Result<V, ResilienceError<E>>> {
        let first = match self.handle.begin_later(read) {
            Ok(first) => first,
            Err(read) => match self.handle.begin(read) {
                Beginning::Alone(first) => first,
                Beginning::Begun(begun) => return self.begun(begun, context),
            },
        };
        self.attempt(first, context)
    }

    fn begun(
        self: Pin<&mut Self>,
        begun: Begun<L>,
        context: &mut Context<'_>,
    ) -> Poll<Result<V, ResilienceError<E>>> {
        let under_way = UnderWay::begin(Run::begin(self.handle, begun));
        self.set_out(under_way, context)
    }

    /// Makes the first attempt, and goes on where that is not all.
    #[inline(always)]
    fn attempt(
        mut self: Pin<&mut Self>,
        first: First<L::Permit>,
        context: &mut Context<'_>,
    ) -> Poll<Result<V, ResilienceError<E>>> {
        let this = self.as_mut().project();
        match first_poll(this.operation, this.first, context) {
            Ok(Poll::Ready(Ok(value))) => {
                this.handle.succeed(first);
                Poll::Ready(Ok(value))
            }
            end => {
                let alone = Alone { handle: this.handle.copied(), first };
                self.go_on(alone, end, context)
            }
        }
    }

    /// The first attempt is not all.
    #[cold]
    #[inline(never)]
    fn go_on(
        self: Pin<&mut Self>,
        alone: Alone<'a, L, T>,
        end: thread::Result<Poll<Result<V, E>>>,
        context: &mut Context<'_>,
    ) -> Poll<Result<V, ResilienceError<E>>> {
        let (run, ticket) = Run::go_on(alone);
        self.set_out(UnderWay::new(run, Turn::First(ticket, end)), context)
    }

    fn set_out(
        mut self: Pin<&mut Self>,
        under_way: UnderWay<Handle<'a, L, T>, F, S, V, E>,
        context: &mut Context<'_>,
    ) -> Poll<Result<V, ResilienceError<E>>> {
        self.as_mut().project().under_way.set(Some(under_way));
        self.step(context)
    }

    /// Whatever comes after the first poll.
    #[inline(never)]
    fn step(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<V, ResilienceError<E>>> {
        let this = self.project();
        // Without it the call is over, and was not to be polled again.
        let Some(under_way) = this.under_way.as_pin_mut() else { return Poll::Pending };
        let (operation, sleep) = (this.operation, *this.sleep);
        under_way.poll(
            this.first,
            context,
            |_, _| operation(),
            |handle, until| sleep(handle.clock, until),
            Classify::classify,
        )
    }
}

impl<L, T, O, F, S, V, E> Future for Calling<'_, L, T, O, F, S, V, E>
where
    L: Pipeline,
    L::Classifier: Classify<E>,
    T: Sleep,
    E: Debug,
    O: FnMut() -> F,
    F: Future<Output = Result<V, E>>,
    S: Future<Output = ()>,
{
    type Output = Result<V, ResilienceError<E>>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if !mem::take(self.as_mut().project().is_new) {
            return self.step(context);
        }
        if log::hears_successes() {
            return self.begin_by_steps(context);
        }
        match self.handle.begin_at_a_glance() {
            Ok(first) => self.attempt(first, context),
            Err(read) => self.begin(read, context),
        }
    }
}
