//! Locks and counters of the live stream.
//!
//! In unit tests they are shuttle's, which decides at each of them which thread
//! goes on: `interleavings` runs the real hub, topics and streams through
//! thousands of orders of events. So whatever uses them in a unit test runs
//! inside of shuttle.

#[cfg(test)]
pub(super) use shuttle::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU64},
};
use std::sync::PoisonError;
#[cfg(not(test))]
pub(super) use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU64},
};

/// Locks what is whole at any moment, even if its last writer panicked.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
