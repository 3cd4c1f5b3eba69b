//! [`Sanity`]: an engine that has panicked is not asked again.
//!
//! What an engine holds in memory when it panics may be half-changed, so nothing it says afterwards is believed: the store
//! is opened again, or derived from the journal. [`crate::sled_kv`] is the only caller.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicBool, Ordering},
};

use crate::kv::KvError;

const PANICKED: &str = "the engine panicked; the store has to be opened again";

/// Whether an engine is to be believed.
#[derive(Debug, Default)]
pub(crate) struct Sanity {
    is_lost: AtomicBool,
}

impl Sanity {
    /// An error once the engine has panicked.
    pub(crate) fn check(&self) -> Result<(), KvError> {
        if self.is_lost.load(Ordering::Acquire) {
            return Err(io::Error::other(PANICKED).into());
        }
        Ok(())
    }

    /// Asks the engine for something: a panic of it is an error, and so is every question after that. Nothing of ours may be
    /// changed by `question`.
    pub(crate) fn ask<T>(
        &self,
        question: impl FnOnce() -> Result<T, KvError>,
    ) -> Result<T, KvError> {
        self.check()?;
        catch_unwind(AssertUnwindSafe(question)).unwrap_or_else(|_panic| {
            self.is_lost.store(true, Ordering::Release);
            Err(io::Error::other(PANICKED).into())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_panicked_is_not_asked_again() {
        let sanity = Sanity::default();
        assert_eq!(sanity.ask(|| Ok(1)).ok(), Some(1));
        let full = sanity.ask(|| Err::<(), _>(io::Error::from(io::ErrorKind::StorageFull).into()));
        assert!(
            matches!(full, Err(KvError::Io(error)) if error.kind() == io::ErrorKind::StorageFull)
        );
        assert!(sanity.check().is_ok(), "an error is an answer");
        let panicked = sanity.ask(|| -> Result<(), KvError> { panic!("a read failed") });
        assert!(matches!(panicked, Err(KvError::Io(_))));
        assert!(sanity.check().is_err());
        assert!(sanity.ask(|| Ok(1)).is_err(), "it is not asked");
    }
}
