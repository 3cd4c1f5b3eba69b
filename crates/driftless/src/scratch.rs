//! [`StoreCopy`]: a store copied to where temporary files are, so that looking at it does not change it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::{fs, io};

use crate::error::Error;

/// The copy of a store's folder; it is removed when this is dropped.
pub(crate) struct StoreCopy {
    path: PathBuf,
}

impl StoreCopy {
    /// Copies the files in `store`; `None` where there is no such folder.
    pub(crate) fn of(store: &Path) -> Result<Option<Self>, Error> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        if !store.is_dir() {
            return Ok(None);
        }
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("driftless-look-{}-{count}", std::process::id());
        let copy = Self {
            path: std::env::temp_dir().join(name),
        };
        copy_files(store, &copy.path).map_err(|source| Error::scratch(&copy.path, source))?;
        Ok(Some(copy))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for StoreCopy {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "a temporary copy stays");
        }
    }
}

fn copy_files(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_files(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), &to)?;
        }
    }
    Ok(())
}
