//! [`within`]: work that may never end, waited for so long and no longer.
//!
//! For what an engine may do wrong and nobody can mend from outside: the thread that hangs is left behind with what it
//! holds, and whoever waited gets an error. [`crate::sled_kv`] is the only caller.

use std::{
    io,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use crate::kv::KvError;

/// Carries out `work` on a thread of its own; after `patience` the error is that of the kind `TimedOut`.
pub(crate) fn within(
    patience: Duration,
    work: impl FnOnce() -> Result<(), KvError> + Send + 'static,
) -> Result<(), KvError> {
    let (done, ended) = mpsc::channel();
    let run = move || {
        // Nobody listens where the time is over.
        let _ = done.send(work());
    };
    thread::Builder::new()
        .name("driftless-flush".into())
        .spawn(run)?;
    ended.recv_timeout(patience).unwrap_or_else(|why| {
        Err(match why {
            RecvTimeoutError::Timeout => io::Error::new(
                io::ErrorKind::TimedOut,
                format!("the engine did not answer for {} s", patience.as_secs()),
            ),
            RecvTimeoutError::Disconnected => io::Error::other("the engine panicked"),
        }
        .into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Longer than any of these tests takes.
    const LONG: Duration = Duration::from_secs(600);

    #[test]
    fn what_ends_is_what_it_came_to() {
        assert!(within(LONG, || Ok(())).is_ok());
        let failed = within(LONG, || {
            Err(io::Error::from(io::ErrorKind::StorageFull).into())
        });
        assert!(
            matches!(failed, Err(KvError::Io(error)) if error.kind() == io::ErrorKind::StorageFull)
        );
    }

    #[test]
    fn what_never_ends_is_left_behind() {
        let (release, held) = mpsc::channel::<()>();
        let hangs = within(Duration::ZERO, move || {
            let _ = held.recv();
            Ok(())
        });
        assert!(
            matches!(hangs, Err(KvError::Io(error)) if error.kind() == io::ErrorKind::TimedOut)
        );
        drop(release);
    }

    #[test]
    fn what_panics_is_an_error() {
        let panics = within(LONG, || panic!("as sled does on some damaged files"));
        assert!(matches!(panics, Err(KvError::Io(_))));
    }
}
