//! What threads share state by: core's and std's, or loom's where every interleaving is tried.

#[cfg(not(loom))]
pub(crate) use arc_swap::ArcSwapOption;
#[cfg(not(loom))]
pub(crate) use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
#[cfg(not(loom))]
pub(crate) use parking_lot::{Condvar, MutexGuard};

#[cfg(loom)]
pub(crate) use loom::sync::{
    Condvar, Mutex, MutexGuard,
    atomic::{AtomicU32, AtomicU64, Ordering},
};

#[cfg(loom)]
use std::sync::{Arc, PoisonError};

/// What [`arc_swap`] does, for loom, which does not see into it. Who has loaded a value keeps it while
/// others replace it, as there.
#[cfg(loom)]
pub(crate) struct ArcSwapOption<T>(loom::sync::RwLock<Option<Arc<T>>>);

#[cfg(loom)]
impl<T> ArcSwapOption<T> {
    pub(crate) fn empty() -> Self {
        Self(loom::sync::RwLock::new(None))
    }

    pub(crate) fn load(&self) -> Box<Option<Arc<T>>> {
        Box::new(self.0.read().unwrap_or_else(PoisonError::into_inner).clone())
    }

    pub(crate) fn store(&self, value: Option<Arc<T>>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = value;
    }
}

/// A lock that a panic leaves usable. What it holds is whole at every instant at which a panic can come.
#[cfg(not(loom))]
#[derive(Debug)]
pub(crate) struct Mutex<T>(parking_lot::Mutex<T>);

#[cfg(not(loom))]
impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(parking_lot::Mutex::new(value))
    }
}

#[cfg(not(loom))]
impl<T> core::panic::UnwindSafe for Mutex<T> {}

#[cfg(not(loom))]
impl<T> core::panic::RefUnwindSafe for Mutex<T> {}

/// Locks whatever became of others who had the lock.
#[inline]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    #[cfg(not(loom))]
    return mutex.0.lock();
    #[cfg(loom)]
    return mutex.lock().unwrap_or_else(PoisonError::into_inner);
}

/// Gives the lock back until it is notified, and takes it again.
pub(crate) fn wait<'a, T>(condvar: &Condvar, locked: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    #[cfg(not(loom))]
    {
        let mut locked = locked;
        condvar.wait(&mut locked);
        locked
    }
    #[cfg(loom)]
    condvar.wait(locked).unwrap_or_else(PoisonError::into_inner)
}
