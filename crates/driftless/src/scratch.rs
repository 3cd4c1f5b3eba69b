//! [`StoreCopy`]: a store copied to where temporary files are, so that looking at it does not change it.

use std::path::{Path, PathBuf};
use std::{fs, io};

use tempfile::TempDir;

use crate::error::Error;

/// The copy of a store's folder, which nobody else may read; it is removed when this is dropped.
pub(crate) struct StoreCopy {
    _folder: TempDir,
    path: PathBuf,
}

impl StoreCopy {
    /// Copies the files in `store`; `None` where there is no such folder.
    pub(crate) fn of(store: &Path) -> Result<Option<Self>, Error> {
        if !store.is_dir() {
            return Ok(None);
        }
        // Not named by this process: a killed one has left its folder, and the next may have its number.
        let mut named = tempfile::Builder::new();
        named.prefix("driftless-look-");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            named.permissions(fs::Permissions::from_mode(0o700));
        }
        let folder = named
            .tempdir()
            .map_err(|source| Error::scratch(&std::env::temp_dir(), source))?;
        let path = folder.path().join("store");
        copy_files(store, &path).map_err(|source| Error::scratch(&path, source))?;
        Ok(Some(Self {
            _folder: folder,
            path,
        }))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn each_look_has_a_copy_of_its_own_that_goes_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("store-1");
        fs::create_dir_all(store.join("blobs")).unwrap();
        fs::write(store.join("db"), b"values").unwrap();
        fs::write(store.join("blobs/1"), b"a large one").unwrap();

        let [one, other] = [(); 2].map(|()| StoreCopy::of(&store).unwrap().unwrap());
        assert_ne!(one.path(), other.path());
        for copy in [&one, &other] {
            assert_eq!(fs::read(copy.path().join("db")).unwrap(), b"values");
            let large = fs::read(copy.path().join("blobs/1")).unwrap();
            assert_eq!(large, b"a large one");
        }
        let gone = one.path().to_owned();
        drop(one);
        assert!(!gone.exists());
        assert!(other.path().join("db").exists());
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_may_read_a_copy() {
        use std::os::unix::fs::PermissionsExt;
        let store = tempfile::tempdir().unwrap();
        let copy = StoreCopy::of(store.path()).unwrap().unwrap();
        let around = copy.path().parent().unwrap();
        let mode = fs::metadata(around).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{mode:o}");
    }

    #[test]
    fn where_there_is_no_store_there_is_no_copy() {
        let folder = tempfile::tempdir().unwrap();
        let none = StoreCopy::of(&folder.path().join("store-1")).unwrap();
        assert!(none.is_none());
    }
}
