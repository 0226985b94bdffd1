//! The moment of publication, which nothing may cut in two.

use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

/// Held while names change.
static MOMENT: Mutex<()> = Mutex::new(());

/// Begins to publish; it ends when the guard is dropped.
pub(super) fn begin() -> MutexGuard<'static, ()> {
    MOMENT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps this process from publishing anything from now on: for a program that is about to exit on a signal. Returns
/// false while outputs are being published, which takes a moment; the program then goes on to its end.
///
/// # Examples
/// ```
/// if hyades::output::stop_publishing() {
///     // Exit: an earlier output is as it was.
/// }
/// ```
pub fn stop_publishing() -> bool {
    let held = match MOMENT.try_lock() {
        Ok(guard) => guard,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(TryLockError::WouldBlock) => return false,
    };
    std::mem::forget(held);
    true
}
