//! The input that is being tried, as a file: one that ends the process, as an allocation that fails does, is found
//! there afterwards.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::Class;

/// One file a class, `<class>-<name>-trying`: while an input is tried its file holds it, else all are empty.
///
/// What is not written for want of room is not there to be found; the run goes on.
pub struct Trying {
    folder: PathBuf,
    name: String,
    files: BTreeMap<Class, File>,
}

impl Trying {
    /// In a folder, under the name of a run. What an earlier run of that name left there is lost: see [`Self::left`].
    pub fn new(folder: &Path, name: &str) -> Self {
        Self {
            folder: folder.to_owned(),
            name: name.to_owned(),
            files: BTreeMap::new(),
        }
    }

    /// The inputs at which earlier runs of this name ended.
    pub fn left(&self) -> Vec<PathBuf> {
        let paths = Class::ALL.into_iter().map(|class| self.path(class));
        let holds = |path: &PathBuf| fs::metadata(path).is_ok_and(|file| file.len() > 0);
        paths.filter(holds).collect()
    }

    pub(super) fn begin(&mut self, class: Class, input: &[u8]) {
        let path = self.path(class);
        if let Ok(file) = self.file(class, &path) {
            let _ = file.write_all_at(input, 0);
        }
    }

    pub(super) fn done(&mut self, class: Class) {
        if let Some(file) = self.files.get(&class) {
            let _ = file.set_len(0);
        }
    }

    fn file(&mut self, class: Class, path: &Path) -> io::Result<&File> {
        Ok(match self.files.entry(class) {
            Entry::Occupied(file) => file.into_mut(),
            Entry::Vacant(none) => none.insert(File::create(path)?),
        })
    }

    fn path(&self, class: Class) -> PathBuf {
        let name = format!("{}-{}-trying", class.name(), self.name);
        self.folder.join(name)
    }
}

impl Drop for Trying {
    fn drop(&mut self) {
        for class in self.files.keys() {
            let _ = fs::remove_file(self.path(*class));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_being_tried_is_found_when_the_process_ends_and_nothing_is_when_it_was_tried() {
        let folder = std::env::temp_dir();
        let name = format!("test-{}", std::process::id());
        let mut trying = Trying::new(&folder, &name);
        trying.begin(Class::Frame, b"a long input that passes");
        trying.done(Class::Frame);
        trying.begin(Class::Stored, b"one that passes");
        trying.done(Class::Stored);
        assert_eq!(trying.left(), Vec::<PathBuf>::new());
        trying.begin(Class::Frame, b"the last");

        // The process ends here: nothing is dropped.
        let later = Trying::new(&folder, &name);
        let left = later.left();
        assert_eq!(left.len(), 1, "{left:?}");
        assert_eq!(fs::read(&left[0]).expect("it reads"), b"the last");

        drop(trying);
        assert_eq!(later.left(), Vec::<PathBuf>::new());
    }
}
