//! The attempts in flight: two at most, where they were pinned.

use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::task::{Context, Poll};

use resil_core::call::Ticket;

/// A place for an attempt, on the stack of the call.
pub(super) struct Place<'p, F> {
    ticket: Option<Ticket>,
    future: Pin<&'p mut Option<F>>,
}

impl<'p, F: Future> Place<'p, F> {
    pub(super) const fn new(future: Pin<&'p mut Option<F>>) -> Self {
        Self { ticket: None, future }
    }

    /// The output with the ticket, when there is one; the place is free again then.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<(Ticket, F::Output)> {
        let Some(future) = self.future.as_mut().as_pin_mut() else { return Poll::Pending };
        let Poll::Ready(output) = future.poll(context) else { return Poll::Pending };
        match self.stop() {
            Some(ticket) => Poll::Ready((ticket, output)),
            None => Poll::Pending,
        }
    }

    /// Drops the attempt.
    fn stop(&mut self) -> Option<Ticket> {
        self.future.set(None);
        self.ticket.take()
    }
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

    /// Stops an attempt that `is_over`, if there is one.
    pub(super) fn stop(&mut self, is_over: impl Fn(&Ticket) -> bool) -> Option<Ticket> {
        self.0.iter_mut().find(|place| place.ticket.as_ref().is_some_and(&is_over))?.stop()
    }

    /// The attempt that ends next, and how; with none in flight it waits for ever.
    pub(super) async fn next(&mut self) -> (Ticket, F::Output) {
        poll_fn(|context| {
            for place in &mut self.0 {
                if let Poll::Ready(ended) = place.poll(context) {
                    return Poll::Ready(ended);
                }
            }
            Poll::Pending
        })
        .await
    }
}
