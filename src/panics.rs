//! Turns panics of third-party decoders into errors.
//!
//! A malformed file may make a decoder panic. [`quiet`] catches that, and keeps the panic hook from printing a message
//! for what will be reported as an ordinary error.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, UnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`; a panic becomes its message.
pub(crate) fn quiet<T>(work: impl FnOnce() -> T + UnwindSafe) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = take_hook();
        set_hook(Box::new(move |info| {
            if !QUIET.get() {
                loud(info);
            }
        }));
    });
    let before = QUIET.replace(true);
    let result = catch_unwind(work);
    QUIET.set(before);
    result.map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        format!("the decoder gave up: {}", text.unwrap_or("no reason given"))
    })
}

/// Runs a decoder on untrusted bytes: a panic in it becomes an ordinary error.
pub(crate) fn guarded<T, E: std::fmt::Display>(work: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    quiet(AssertUnwindSafe(work)).map_or_else(Err, |r| r.map_err(|e| e.to_string()))
}
