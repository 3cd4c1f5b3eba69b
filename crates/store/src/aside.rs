//! Where the damaged files of a journal go: a folder of their own beside it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    files::sync_folder,
    folder::{FolderError, StoreFolder},
};

/// The folder for damaged files of the journal, beside it.
const JOURNAL_DAMAGED: &str = "journal.damaged";
/// What stands behind the name of a damaged file, and perhaps a number.
const DAMAGED: &str = ".damaged";

impl StoreFolder {
    /// Moves the damaged files of the journal to `journal.damaged`, where nothing reads or removes them; returns where
    /// each is now.
    pub fn set_aside_segments(&self) -> Result<Vec<PathBuf>, FolderError> {
        self.check_place()?;
        let journal = self.dir().join("journal");
        let aside = self.dir().join(JOURNAL_DAMAGED);
        let mut moved = Vec::new();
        for entry in fs::read_dir(&journal).map_err(at(&journal))? {
            let entry = entry.map_err(at(&journal))?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let Some(at_name) = name.rfind(DAMAGED) else {
                continue;
            };
            if !aside.exists() {
                fs::create_dir(&aside).map_err(at(&aside))?;
                // Before anything is in it: what is moved there must not be lost with it.
                sync_folder(self.dir()).map_err(at(self.dir()))?;
            }
            let to = free_name(&aside, &name[..at_name]);
            fs::rename(entry.path(), &to).map_err(at(&to))?;
            moved.push(to);
        }
        if !moved.is_empty() {
            for folder in [aside.as_path(), journal.as_path()] {
                sync_folder(folder).map_err(at(folder))?;
            }
        }
        moved.sort();
        Ok(moved)
    }
}

/// A path in `folder` that nothing has: the name, or the name and a number.
fn free_name(folder: &Path, name: &str) -> PathBuf {
    let mut path = folder.join(name);
    let mut count = 2;
    while path.exists() {
        path = folder.join(format!("{name}.{count}"));
        count += 1;
    }
    path
}

fn at(path: &Path) -> impl FnOnce(std::io::Error) -> FolderError {
    let path = path.to_owned();
    move |source| FolderError::Io { path, source }
}
