//! What threads share state by: core's and std's, or loom's where every interleaving is tried.

#[cfg(not(loom))]
pub(crate) use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
#[cfg(not(loom))]
pub(crate) use parking_lot::MutexGuard;

#[cfg(loom)]
pub(crate) use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU32, AtomicU64, Ordering},
};

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
    return mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
}
