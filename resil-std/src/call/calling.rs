//! A call in a task, from its first poll.

use core::fmt::Debug;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::thread;

use pin_project_lite::pin_project;
use resil_core::call::{First, Pipeline};
use resil_core::outcome::Classification;
use resil_core::{Instant, ResilienceError};

use super::attempts::{InFlight, first_poll};
use super::begin::Beginning;
use super::handle::Callee;
use super::run::Run;
use super::under_way::{Polled, UnderWay};
use crate::log;

/// What is called, and how to wait until it is called again.
pub(crate) trait Operation<P: Callee> {
    type Value;
    type Error: Debug;
    type Attempt: Future<Output = Result<Self::Value, Self::Error>>;
    type Timer: Future<Output = ()>;

    fn attempt(&mut self) -> Self::Attempt;

    /// How to sleep by the clock of a callee.
    fn sleep(&self) -> fn(&P, Instant) -> Self::Timer;

    /// What an error means.
    fn classify(
        classifier: &<P::Layers as Pipeline>::Classifier,
        error: &Self::Error,
    ) -> Classification;
}

pin_project! {
    /// A call in a task. Its first attempt is made before all else: most calls are over by then.
    ///
    /// A future by hand, and no `async` block: that would keep what it knows of the first attempt where it
    /// keeps all else, and this has it in registers. `F` is an attempt, `S` a sleep.
    pub(crate) struct Calling<P: Callee, O, F, S, V, E> {
        // Declared before what is under way, so dropped before: an operation ends before its permit goes
        // back.
        #[pin]
        first: Option<InFlight<F>>,
        // There once the call is more than its first attempt.
        #[pin]
        under_way: Option<UnderWay<P, F, S, V, E>>,
        // There until the first poll is over.
        callee: Option<P>,
        operation: O,
    }
}

impl<P: Callee, O, F, S, V, E> Calling<P, O, F, S, V, E> {
    #[inline(always)]
    pub(crate) const fn new(callee: P, operation: O) -> Self {
        Self { first: None, under_way: None, callee: Some(callee), operation }
    }
}

impl<P, O, F, S, V, E> Calling<P, O, F, S, V, E>
where
    P: Callee,
    O: Operation<P, Value = V, Error = E, Attempt = F, Timer = S>,
    F: Future<Output = Result<V, E>>,
    S: Future<Output = ()>,
    E: Debug,
{
    /// Begins by steps.
    #[inline(never)]
    fn begin_by_steps(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Answer<V, E> {
        let Some(callee) = self.as_mut().project().callee.take() else { return Poll::Pending };
        let begun = callee.handle().start();
        self.set_out(UnderWay::begun(Run::begin(callee, begun)), None, context)
    }

    /// Begins where that is not done at the first glance.
    #[inline(never)]
    fn begin(
        mut self: Pin<&mut Self>,
        read: Option<Instant>,
        context: &mut Context<'_>,
    ) -> Answer<V, E> {
        let callee = self.as_mut().project().callee;
        let Some(handle) = callee.as_ref().map(P::handle) else { return Poll::Pending };
        let begun = match handle.begin_later(read) {
            Ok(first) => return self.attempt(first, context),
            Err(read) => match handle.begin(read) {
                Beginning::Alone(first) => return self.attempt(first, context),
                Beginning::Begun(begun) => begun,
            },
        };
        let Some(callee) = callee.take() else { return Poll::Pending };
        self.set_out(UnderWay::begun(Run::begin(callee, begun)), None, context)
    }

    /// Makes the first attempt, and goes on where that is not all.
    #[inline(always)]
    fn attempt(
        mut self: Pin<&mut Self>,
        first: First<<P::Layers as Pipeline>::Permit>,
        context: &mut Context<'_>,
    ) -> Answer<V, E> {
        let this = self.as_mut().project();
        let end = first_poll(|| this.operation.attempt(), this.first, context);
        match (end, &*this.callee) {
            (Ok(Poll::Ready(Ok(value))), Some(callee)) => {
                callee.handle().succeed(first);
                *this.callee = None;
                Poll::Ready(Ok(value))
            }
            (end, _) => self.go_on(Alone { first, end }, context),
        }
    }

    /// The first attempt is not all.
    #[cold]
    #[inline(never)]
    fn go_on(
        mut self: Pin<&mut Self>,
        Alone { first, end }: Alone<P, V, E>,
        context: &mut Context<'_>,
    ) -> Answer<V, E> {
        let Some(callee) = self.as_mut().project().callee.take() else { return Poll::Pending };
        let (run, ticket) = Run::go_on(callee, first);
        self.set_out(UnderWay::new(run, None), Some((ticket, end)), context)
    }

    fn set_out(
        mut self: Pin<&mut Self>,
        under_way: UnderWay<P, F, S, V, E>,
        polled: Option<Polled<V, E>>,
        context: &mut Context<'_>,
    ) -> Answer<V, E> {
        self.as_mut().project().under_way.set(Some(under_way));
        self.step(polled, context)
    }

    /// Whatever comes after the first poll.
    #[inline(never)]
    fn step(
        self: Pin<&mut Self>,
        polled: Option<Polled<V, E>>,
        context: &mut Context<'_>,
    ) -> Answer<V, E> {
        let this = self.project();
        // Without it the call is over, and was not to be polled again.
        let Some(under_way) = this.under_way.as_pin_mut() else { return Poll::Pending };
        let (sleep, operation) = (this.operation.sleep(), this.operation);
        let attempt = |_: &_, _: &_| operation.attempt();
        under_way.poll(this.first, polled, context, attempt, sleep, O::classify)
    }
}

/// What a poll says.
type Answer<V, E> = Poll<Result<V, ResilienceError<E>>>;

/// A first attempt that has been polled, for a function that is not in line: put together only where that
/// is called.
struct Alone<P: Callee, V, E> {
    first: First<<P::Layers as Pipeline>::Permit>,
    end: thread::Result<Poll<Result<V, E>>>,
}

impl<P, O, F, S, V, E> Future for Calling<P, O, F, S, V, E>
where
    P: Callee,
    O: Operation<P, Value = V, Error = E, Attempt = F, Timer = S>,
    F: Future<Output = Result<V, E>>,
    S: Future<Output = ()>,
    E: Debug,
{
    type Output = Result<V, ResilienceError<E>>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(callee) = self.as_mut().project().callee else { return self.step(None, context) };
        if log::hears_successes() {
            return self.begin_by_steps(context);
        }
        match callee.handle().begin_at_a_glance() {
            Ok(first) => self.attempt(first, context),
            Err(read) => self.begin(read, context),
        }
    }
}
