//! A wait that a service keeps.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::sync::{Mutex, PoisonError};

use resil_core::outcome::Rejected;

use super::gate::Turn;

type Wait<R> = Pin<Box<dyn Future<Output = Result<R, Rejected>> + Send>>;

/// A place in line for `R`. On the heap, because `poll_ready` has nothing pinned; and in a mutex, because a
/// service is to be `Sync`: nobody ever locks it.
pub struct InLine<R>(Mutex<Wait<R>>);

impl<R> InLine<R> {
    pub(super) fn new(wait: impl Future<Output = Result<R, Rejected>> + Send + 'static) -> Self {
        Self(Mutex::new(Box::pin(wait)))
    }
}

impl<R> Turn<R> for InLine<R> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<R, Rejected>> {
        let wait = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        wait.as_mut().poll(context)
    }
}

impl<R> fmt::Debug for InLine<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InLine").finish_non_exhaustive()
    }
}
