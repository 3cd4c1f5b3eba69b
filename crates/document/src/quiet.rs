//! Catching panics of a library without a word on standard error.
//!
//! Automerge panics on some bytes of a peer, an engine on some of a damaged file. They are a case and not an accident: the
//! panic is caught, and the hook that would print it is silent on this thread while it can happen.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

static HOOK: Once = Once::new();

/// That something panicked.
#[derive(Debug)]
pub struct Panicked;

/// Runs `f`, and is silent should it panic; what it worked on must not be used after that.
pub fn catch<T>(f: impl FnOnce() -> T) -> Result<T, Panicked> {
    HOOK.call_once(|| {
        let loud = take_hook();
        set_hook(Box::new(move |info| {
            if !QUIET.get() {
                loud(info);
            }
        }));
    });
    let before = QUIET.replace(true);
    let result = catch_unwind(AssertUnwindSafe(f)).map_err(|_| Panicked);
    QUIET.set(before);
    result
}
