//! [`LiveBytes`]: how much data a store holds, known without reading it all.
//!
//! An engine's files grow with every write, whether the data grows or not; this is what the files are compared with. The
//! count is kept in memory, changes with every batch, and is stored by a clean close. The first batch after opening
//! removes the stored one in the same batch, so a stored count is always right; a process that was killed leaves none,
//! and the store is then read once to count anew, when somebody asks.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes of all keys and values, as their writer sees them.
#[derive(Debug)]
pub(crate) struct LiveBytes(Mutex<State>);

#[derive(Clone, Copy, Debug)]
struct State {
    bytes: Option<u64>,
    /// Whether a count is stored, which the next batch makes wrong.
    stored: bool,
}

/// What a batch adds and removes, in bytes; `None` where what it replaces could not be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Difference(Option<(u64, u64)>);

impl LiveBytes {
    /// Of a store that was opened with this count, or with none.
    pub(crate) fn opened(stored: Option<u64>) -> LiveBytes {
        LiveBytes(Mutex::new(State {
            bytes: stored,
            stored: stored.is_some(),
        }))
    }

    /// Of a store that holds nothing and has no count stored.
    pub(crate) fn empty() -> LiveBytes {
        LiveBytes(Mutex::new(State {
            bytes: Some(0),
            stored: false,
        }))
    }

    /// Returns the count, if it is known.
    pub(crate) fn known(&self) -> Option<u64> {
        self.state().bytes
    }

    /// Sets what was counted, unless a batch has come in between.
    pub(crate) fn counted(&self, bytes: u64) {
        self.state().bytes = Some(bytes);
    }

    /// Says whether the next batch has to remove the stored count.
    pub(crate) fn is_stored(&self) -> bool {
        self.state().stored
    }

    /// Takes over what an applied batch changed; the stored count went with it.
    pub(crate) fn applied(&self, difference: Difference) {
        let mut state = self.state();
        state.stored = false;
        state.bytes = match (state.bytes, difference.0) {
            (Some(bytes), Some((added, removed))) => (bytes + added).checked_sub(removed),
            _ => None,
        };
    }

    // It is one number, replaced as a whole: whoever panicked left a whole one.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Difference {
    pub(crate) fn none() -> Difference {
        Difference(Some((0, 0)))
    }

    /// A key with a value of `length` bytes is there after the batch.
    pub(crate) fn add(&mut self, key: &[u8], length: usize) {
        if let Some((added, _)) = &mut self.0 {
            *added += (key.len() + length) as u64;
        }
    }

    /// A key with a value of `length` bytes was there before.
    pub(crate) fn remove(&mut self, key: &[u8], length: u64) {
        if let Some((_, removed)) = &mut self.0 {
            *removed += key.len() as u64 + length;
        }
    }

    /// Something was there that cannot be read.
    pub(crate) fn lose(&mut self) {
        self.0 = None;
    }
}
