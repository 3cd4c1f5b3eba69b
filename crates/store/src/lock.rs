//! [`FolderLock`]: that a folder is this process's, until it is let go of.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::Write,
    path::Path,
};

use crate::folder::{FolderError, io_at, read_small};

const LOCK: &str = "driftless.lock";

/// The lock of a folder. The kernel drops it when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct FolderLock(File);

impl FolderLock {
    /// Locks the folder, or says by whom it is held: [`FolderError::Busy`].
    pub(crate) fn take(dir: &Path) -> Result<Self, FolderError> {
        let path = dir.join(LOCK);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(io_at(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let dir = dir.to_owned();
                let pid = read_small(&path).ok().and_then(|text| parse_pid(&text));
                return Err(FolderError::Busy { dir, pid });
            }
            Err(TryLockError::Error(source)) => return Err(FolderError::Io { path, source }),
        }
        // A courtesy to whoever finds it held; it need not be durable.
        file.set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(io_at(&path))?;
        Ok(Self(file))
    }
}

impl Drop for FolderLock {
    /// Closing the file is not enough: a child that another thread is starting has it too, until it runs its program.
    fn drop(&mut self) {
        if let Err(error) = self.0.unlock() {
            tracing::warn!(%error, "the lock of a folder is not let go of before its file is closed");
        }
    }
}

fn parse_pid(text: &str) -> Option<u32> {
    text.trim_end().parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_child_that_is_being_started_does_not_keep_a_folder_that_was_let_go_of() {
        let dir = tempfile::tempdir().unwrap();
        let lock = FolderLock::take(dir.path()).unwrap();
        // What the child has of every file that is open: another descriptor of the same opening.
        let of_the_child = lock.0.try_clone().unwrap();
        assert!(FolderLock::take(dir.path()).is_err());
        drop(lock);
        FolderLock::take(dir.path()).unwrap();
        drop(of_the_child);
    }
}
