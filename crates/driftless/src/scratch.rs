//! [`StoreCopy`]: a store copied to where temporary files are, so that looking at it does not change it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::error::Error;

/// What the folders of copies begin with.
const PREFIX: &str = "driftless-look-";
/// Beside each copy, and locked by the process that looks at it for as long as that lives.
const IN_USE: &str = "in-use";
/// Bytes copied between two looks at whether the copy is still wanted.
const PIECE_BYTES: u64 = 8 * 1024 * 1024;

/// The copy of a store's folder, which nobody else may read; it is removed when this is dropped.
pub(crate) struct StoreCopy {
    // Dropped first: what is locked cannot be removed everywhere.
    _in_use: File,
    _folder: TempDir,
    path: PathBuf,
}

impl StoreCopy {
    /// Copies the files in `store`; `None` where there is no such folder, or once `go_on` says no.
    ///
    /// What processes that were killed have left of theirs is removed.
    pub(crate) fn of(store: &Path, go_on: &dyn Fn() -> bool) -> Result<Option<Self>, Error> {
        Self::among(&std::env::temp_dir(), store, go_on)
    }

    fn among(
        temporary: &Path,
        store: &Path,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Option<Self>, Error> {
        if !store.is_dir() {
            return Ok(None);
        }
        // Not named by this process: a killed one has left its folder, and the next may have its number.
        let mut named = tempfile::Builder::new();
        named.prefix(PREFIX);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            named.permissions(fs::Permissions::from_mode(0o700));
        }
        let folder = named
            .tempdir_in(temporary)
            .map_err(|source| Error::scratch(temporary, source))?;
        let in_use = locked(folder.path()).map_err(|source| Error::scratch(temporary, source))?;
        remove_abandoned(temporary, folder.path());
        let path = folder.path().join("store");
        let is_whole =
            copy_files(store, &path, go_on).map_err(|source| Error::scratch(&path, source))?;
        Ok(is_whole.then_some(Self {
            _in_use: in_use,
            _folder: folder,
            path,
        }))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// The file that says that a copy is in use; it has its name only once it is locked.
fn locked(folder: &Path) -> io::Result<File> {
    let unnamed = folder.join("in-use.new");
    let file = File::create_new(&unnamed)?;
    file.lock()?;
    fs::rename(unnamed, folder.join(IN_USE))?;
    Ok(file)
}

/// Removes the copies of processes that have ended, as far as they are this user's.
fn remove_abandoned(temporary: &Path, ours: &Path) {
    for entry in fs::read_dir(temporary).into_iter().flatten().flatten() {
        let is_look = entry.file_name().to_string_lossy().starts_with(PREFIX);
        let path = entry.path();
        if !is_look || path == ours || !is_folder_of_same_owner(&path, ours) {
            continue;
        }
        // One that has no such file may be about to make it.
        let lock = File::open(path.join(IN_USE));
        if lock.is_ok_and(|file| file.try_lock().is_ok())
            && let Err(error) = fs::remove_dir_all(&path)
        {
            tracing::debug!(path = %path.display(), %error, "an abandoned copy cannot be removed");
        }
    }
}

/// Others may put what they like where temporary files are.
#[cfg(unix)]
fn is_folder_of_same_owner(path: &Path, ours: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (fs::symlink_metadata(path), fs::symlink_metadata(ours)) {
        (Ok(theirs), Ok(ours)) => theirs.is_dir() && theirs.uid() == ours.uid(),
        _ => false,
    }
}

/// Where there are no owners to compare, the folder for temporary files is the user's own.
#[cfg(not(unix))]
fn is_folder_of_same_owner(path: &Path, _ours: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|theirs| theirs.is_dir())
}

/// Whether all was copied: not if `go_on` said no.
fn copy_files(from: &Path, to: &Path, go_on: &dyn Fn() -> bool) -> io::Result<bool> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        let is_whole = if entry.file_type()?.is_dir() {
            copy_files(&entry.path(), &to, go_on)?
        } else {
            copy_file(&entry.path(), &to, go_on)?
        };
        if !is_whole {
            return Ok(false);
        }
    }
    Ok(true)
}

fn copy_file(from: &Path, to: &Path, go_on: &dyn Fn() -> bool) -> io::Result<bool> {
    let (mut from, mut to) = (File::open(from)?, File::create_new(to)?);
    while go_on() {
        if io::copy(&mut io::Read::take(&mut from, PIECE_BYTES), &mut to)? == 0 {
            return Ok(true);
        }
    }
    Ok(false)
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

        let [one, other] = [(); 2].map(|()| StoreCopy::of(&store, &|| true).unwrap().unwrap());
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
        let copy = StoreCopy::of(store.path(), &|| true).unwrap().unwrap();
        let around = copy.path().parent().unwrap();
        let mode = fs::metadata(around).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{mode:o}");
    }

    #[test]
    fn where_there_is_no_store_there_is_no_copy() {
        let folder = tempfile::tempdir().unwrap();
        let none = StoreCopy::of(&folder.path().join("store-1"), &|| true).unwrap();
        assert!(none.is_none());
    }

    #[test]
    fn copies_of_processes_that_ended_are_removed_and_those_in_use_are_not() {
        let temporary = tempfile::tempdir().unwrap();
        let store = tempfile::tempdir().unwrap();
        fs::write(store.path().join("db"), b"values").unwrap();
        let copy = || StoreCopy::among(temporary.path(), store.path(), &|| true).unwrap();
        let abandoned = temporary.path().join(PREFIX.to_owned() + "killed");
        fs::create_dir_all(abandoned.join("store")).unwrap();
        fs::write(abandoned.join(IN_USE), b"").unwrap();
        let begun = temporary.path().join(PREFIX.to_owned() + "begun");
        fs::create_dir(&begun).unwrap();
        let another = temporary.path().join("another");
        fs::create_dir(&another).unwrap();
        fs::write(another.join(IN_USE), b"").unwrap();

        let one = copy().unwrap();
        assert!(!abandoned.exists());
        let other = copy().unwrap();
        for kept in [one.path(), other.path(), &begun, &another] {
            assert!(kept.exists(), "{}", kept.display());
        }
    }

    #[test]
    fn a_copy_that_is_not_wanted_any_more_is_none_and_leaves_nothing() {
        let temporary = tempfile::tempdir().unwrap();
        let store = tempfile::tempdir().unwrap();
        let two_pieces = vec![7; usize::try_from(PIECE_BYTES).unwrap() + 1];
        fs::write(store.path().join("db"), two_pieces).unwrap();
        let asked = std::cell::Cell::new(0);
        let once = || asked.replace(asked.get() + 1) == 0;
        let copy = StoreCopy::among(temporary.path(), store.path(), &once).unwrap();
        assert!(copy.is_none());
        assert_eq!(asked.get(), 2);
        assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);
    }
}
