//! The attempts in flight: two at most, where they were pinned.

use core::future::Future;
use core::panic::AssertUnwindSafe;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::panic::catch_unwind;
use std::thread;

use pin_project_lite::pin_project;
use resil_core::call::Ticket;

/// An attempt that has ended, and how: with its output, or with a panic that is to go on.
pub(crate) type Over<R> = (Ticket, thread::Result<R>);

pin_project! {
    /// An attempt in flight.
    pub(crate) struct InFlight<F> {
        // There once it is more than a first poll, until it is over.
        ticket: Option<Ticket>,
        #[pin]
        future: F,
    }
}

/// A place for an attempt, in the future of the call.
pub(crate) struct Place<'p, F>(pub(crate) Pin<&'p mut Option<InFlight<F>>>);

impl<F: Future> Place<'_, F> {
    /// The end with the ticket, when there is one; the place is free again then.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Over<F::Output>> {
        let Some(attempt) = self.0.as_mut().as_pin_mut() else { return Poll::Pending };
        let future = attempt.project().future;
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
        let ticket = self.0.as_mut().as_pin_mut()?.project().ticket.take();
        self.0.set(None);
        ticket
    }

    fn is(&self, is_it: impl Fn(&Ticket) -> bool) -> bool {
        let attempt = self.0.as_ref().get_ref().as_ref();
        attempt.and_then(|attempt| attempt.ticket.as_ref()).is_some_and(is_it)
    }
}

/// Starts the first attempt and polls it once, before there is a ticket for it. If it has ended it has left
/// its place.
#[inline(always)]
pub(super) fn first_poll<F: Future>(
    start: impl FnOnce() -> F,
    mut place: Pin<&mut Option<InFlight<F>>>,
    context: &mut Context<'_>,
) -> thread::Result<Poll<F::Output>> {
    // What has panicked is dropped when it goes on, and never polled again, and the panic goes on.
    catch_unwind(AssertUnwindSafe(|| {
        place.set(Some(InFlight { ticket: None, future: start() }));
        let Some(attempt) = place.as_mut().as_pin_mut() else { return Poll::Pending };
        let output = ready!(attempt.project().future.poll(context));
        place.set(None);
        Poll::Ready(output)
    }))
}

pub(crate) struct Attempts<'p, F>(pub(crate) [Place<'p, F>; 2]);

impl<F: Future> Attempts<'_, F> {
    /// Starts an attempt that has begun, or has ended with its panic. Core has at most two in flight, so
    /// there is a place.
    pub(crate) fn start(
        &mut self,
        ticket: Ticket,
        begun: thread::Result<F>,
    ) -> Option<Over<F::Output>> {
        let future = match begun {
            Ok(future) => future,
            Err(panic) => return Some((ticket, Err(panic))),
        };
        if let Some(free) = self.0.iter_mut().find(|place| place.0.is_none()) {
            free.0.set(Some(InFlight { ticket: Some(ticket), future }));
        }
        None
    }

    /// The first attempt goes on under its ticket, unless it is over.
    #[cold]
    pub(super) fn go_on(
        &mut self,
        ticket: Ticket,
        end: thread::Result<Poll<F::Output>>,
    ) -> Option<Over<F::Output>> {
        let [first, _] = &mut self.0;
        let end = match end {
            Ok(Poll::Pending) => {
                if let Some(attempt) = first.0.as_mut().as_pin_mut() {
                    *attempt.project().ticket = Some(ticket);
                }
                return None;
            }
            Ok(Poll::Ready(output)) => Ok(output),
            Err(panic) => Err(panic),
        };
        first.stop();
        Some((ticket, end))
    }

    /// Stops an attempt that `is_over`, if there is one.
    pub(crate) fn stop(&mut self, is_over: impl Fn(&Ticket) -> bool) -> Option<Ticket> {
        self.0.iter_mut().find(|place| place.is(&is_over))?.stop()
    }

    /// The attempt that has ended, when there is one.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Over<F::Output>> {
        for place in &mut self.0 {
            if let Poll::Ready(over) = place.poll(context) {
                return Poll::Ready(over);
            }
        }
        Poll::Pending
    }
}
