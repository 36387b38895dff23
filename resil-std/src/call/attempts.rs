//! The attempts in flight: two at most, where they were pinned.

use core::future::{Future, poll_fn};
use core::panic::AssertUnwindSafe;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::panic::catch_unwind;
use std::thread;

use resil_core::call::Ticket;

/// An attempt that has ended, and how: with its output, or with a panic that is to go on.
pub(super) type Over<R> = (Ticket, thread::Result<R>);

/// A place for an attempt, on the stack of the call.
pub(super) struct Place<'p, F> {
    ticket: Option<Ticket>,
    future: Pin<&'p mut Option<F>>,
}

impl<'p, F: Future> Place<'p, F> {
    pub(super) const fn new(future: Pin<&'p mut Option<F>>) -> Self {
        Self { ticket: None, future }
    }

    /// The end with the ticket, when there is one; the place is free again then.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Over<F::Output>> {
        let Some(future) = self.future.as_mut().as_pin_mut() else { return Poll::Pending };
        // What has panicked is dropped below and never polled again, and the panic goes on.
        let end = match catch_unwind(AssertUnwindSafe(|| future.poll(context))) {
            Ok(Poll::Ready(output)) => Ok(output),
            Ok(Poll::Pending) => return Poll::Pending,
            Err(panic) => Err(panic),
        };
        match self.stop() {
            Some(ticket) => Poll::Ready((ticket, end)),
            None => Poll::Pending,
        }
    }

    /// Drops the attempt.
    fn stop(&mut self) -> Option<Ticket> {
        self.future.set(None);
        self.ticket.take()
    }
}

/// Starts the first attempt and polls it once, before there is a ticket for it. If it has ended it has left
/// its place.
#[inline(always)]
pub(super) fn first_poll<F: Future>(
    start: impl FnOnce() -> F,
    mut place: Pin<&mut Option<F>>,
    context: &mut Context<'_>,
) -> thread::Result<Poll<F::Output>> {
    // What has panicked is dropped when it goes on, and never polled again, and the panic goes on.
    catch_unwind(AssertUnwindSafe(|| {
        place.set(Some(start()));
        let Some(attempt) = place.as_mut().as_pin_mut() else { return Poll::Pending };
        let output = ready!(attempt.poll(context));
        place.set(None);
        Poll::Ready(output)
    }))
}

pub(super) struct Attempts<'p, F>(pub(super) [Place<'p, F>; 2]);

impl<F: Future> Attempts<'_, F> {
    /// Core has at most two attempts in flight, so there is a place.
    pub(super) fn start(&mut self, ticket: Ticket, future: F) {
        if let Some(free) = self.0.iter_mut().find(|place| place.ticket.is_none()) {
            free.ticket = Some(ticket);
            free.future.set(Some(future));
        }
    }

    /// The first attempt goes on under its ticket, unless it is over.
    #[cold]
    pub(super) fn go_on(
        &mut self,
        ticket: Ticket,
        end: thread::Result<Poll<F::Output>>,
    ) -> Option<Over<F::Output>> {
        let [place, _] = &mut self.0;
        let end = match end {
            Ok(Poll::Pending) => {
                place.ticket = Some(ticket);
                return None;
            }
            Ok(Poll::Ready(output)) => Ok(output),
            Err(panic) => Err(panic),
        };
        place.stop();
        Some((ticket, end))
    }

    /// Stops an attempt that `is_over`, if there is one.
    pub(super) fn stop(&mut self, is_over: impl Fn(&Ticket) -> bool) -> Option<Ticket> {
        self.0.iter_mut().find(|place| place.ticket.as_ref().is_some_and(&is_over))?.stop()
    }

    /// The attempt that has ended, if one has by now.
    pub(super) async fn ended(&mut self) -> Option<Over<F::Output>> {
        poll_fn(|context| match self.poll(context) {
            Poll::Ready(over) => Poll::Ready(Some(over)),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }

    /// The attempt that ends next, unless `timer` is over first.
    pub(super) async fn next(
        &mut self,
        mut timer: Pin<&mut impl Future<Output = ()>>,
    ) -> Option<Over<F::Output>> {
        poll_fn(|context| match self.poll(context) {
            Poll::Ready(over) => Poll::Ready(Some(over)),
            Poll::Pending => timer.as_mut().poll(context).map(|()| None),
        })
        .await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Over<F::Output>> {
        for place in &mut self.0 {
            if let Poll::Ready(over) = place.poll(context) {
                return Poll::Ready(over);
            }
        }
        Poll::Pending
    }
}
