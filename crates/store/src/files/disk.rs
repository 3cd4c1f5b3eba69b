//! [`DiskFiles`]: a real folder through `std::fs`.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{FileOperation, Files, FilesError};
use crate::limits::OPEN_HANDLES_MAX;

/// The files of one real folder, with a bounded number of handles kept open.
///
/// The handle with the least name is closed first: names of segments ascend, so the segment being written, whose
/// handle must survive from the write to the sync for an error to be heard, is never the one that is closed.
#[derive(Debug)]
pub struct DiskFiles {
    folder: PathBuf,
    anchor: Arc<Anchor>,
    handles: RefCell<BTreeMap<String, Arc<File>>>,
}

impl DiskFiles {
    /// Uses `folder`, which must exist.
    pub fn open(folder: &Path) -> Result<DiskFiles, FilesError> {
        // Reading it once tells a missing folder from an empty one.
        fs::read_dir(folder).map_err(|source| {
            FilesError::new(FileOperation::List, &folder.to_string_lossy(), source)
        })?;
        let anchor = Anchor::of(folder).map_err(failed(FileOperation::List, "folder"))?;
        Ok(DiskFiles {
            folder: folder.to_owned(),
            anchor: Arc::new(anchor),
            handles: RefCell::default(),
        })
    }

    fn handle(&self, name: &str) -> io::Result<Arc<File>> {
        if let Some(file) = self.handles.borrow().get(name) {
            return Ok(Arc::clone(file));
        }
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(self.folder.join(name))?;
        Ok(self.keep(name, file))
    }

    fn keep(&self, name: &str, file: File) -> Arc<File> {
        let file = Arc::new(file);
        let mut handles = self.handles.borrow_mut();
        handles.insert(name.to_owned(), Arc::clone(&file));
        if handles.len() > OPEN_HANDLES_MAX {
            handles.pop_first();
        }
        file
    }

    fn forget(&mut self, name: &str) {
        self.handles.get_mut().remove(name);
    }
}

impl Files for DiskFiles {
    fn list(&self) -> Result<Vec<String>, FilesError> {
        let read = || -> io::Result<Vec<String>> {
            let mut names = Vec::new();
            for entry in fs::read_dir(&self.folder)? {
                // A name that is not text is none of ours.
                if let Ok(name) = entry?.file_name().into_string() {
                    names.push(name);
                }
            }
            names.sort_unstable();
            Ok(names)
        };
        read().map_err(failed(FileOperation::List, "folder"))
    }

    fn create_new(&mut self, name: &str) -> Result<(), FilesError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        let made = self.anchor.check(&self.folder);
        let file = made
            .and_then(|()| options.open(self.folder.join(name)))
            .map_err(failed(FileOperation::Create, name))?;
        self.keep(name, file);
        Ok(())
    }

    fn write_at(&mut self, name: &str, offset: u64, bytes: &[u8]) -> Result<(), FilesError> {
        self.handle(name)
            .and_then(|file| write_all_at(&file, bytes, offset))
            .map_err(failed(FileOperation::Write, name))
    }

    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> Result<(), FilesError> {
        self.handle(name)
            .and_then(|file| read_exact_at(&file, buffer, offset))
            .map_err(failed(FileOperation::Read, name))
    }

    fn length(&self, name: &str) -> Result<u64, FilesError> {
        self.handle(name)
            .and_then(|file| file.metadata())
            .map(|metadata| metadata.len())
            .map_err(failed(FileOperation::Length, name))
    }

    fn set_length(&mut self, name: &str, length: u64) -> Result<(), FilesError> {
        self.handle(name)
            .and_then(|file| file.set_len(length))
            .map_err(failed(FileOperation::SetLength, name))
    }

    fn sync_data(&mut self, name: &str) -> Result<(), FilesError> {
        self.handle(name)
            .and_then(|file| {
                file.sync_data()?;
                still_named(&file)
            })
            .map_err(failed(FileOperation::SyncData, name))
    }

    fn sync_folder(&mut self) -> Result<(), FilesError> {
        sync_folder(&self.folder).map_err(failed(FileOperation::SyncFolder, "folder"))
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), FilesError> {
        self.forget(from);
        self.forget(to);
        self.anchor
            .check(&self.folder)
            .and_then(|()| fs::rename(self.folder.join(from), self.folder.join(to)))
            .map_err(failed(FileOperation::Rename, from))
    }

    fn remove(&mut self, name: &str) -> Result<(), FilesError> {
        self.forget(name);
        self.anchor
            .check(&self.folder)
            .and_then(|()| fs::remove_file(self.folder.join(name)))
            .map_err(failed(FileOperation::Remove, name))
    }

    fn fresh_salt(&mut self) -> Result<u64, FilesError> {
        getrandom::u64()
            .map_err(io::Error::other)
            .map_err(failed(FileOperation::FreshSalt, "a segment"))
    }

    fn another(&self) -> Box<dyn Files> {
        Box::new(DiskFiles {
            folder: self.folder.clone(),
            anchor: Arc::clone(&self.anchor),
            handles: RefCell::default(),
        })
    }
}

/// A folder, recognised for as long as this is held: what is found at its path later may be another one, which a
/// person put in the place of one that was moved or removed.
#[derive(Debug)]
pub(crate) struct Anchor {
    /// Open, so that the system gives its number to no other.
    #[cfg(unix)]
    folder: File,
}

impl Anchor {
    /// Of the folder at `path`.
    pub(crate) fn of(path: &Path) -> io::Result<Anchor> {
        #[cfg(not(unix))]
        let _ = path;
        Ok(Anchor {
            #[cfg(unix)]
            folder: File::open(path)?,
        })
    }

    /// Fails unless the folder at `path` is this one.
    #[cfg(unix)]
    pub(crate) fn check(&self, path: &Path) -> io::Result<()> {
        use std::os::unix::fs::MetadataExt as _;
        let held = self.folder.metadata()?;
        let found = match fs::metadata(path) {
            Ok(found) => Some((found.dev(), found.ino())),
            Err(error) if is_not_there(&error) => None,
            Err(error) => return Err(error),
        };
        if found == Some((held.dev(), held.ino())) {
            return Ok(());
        }
        let what = "the folder was moved, removed or replaced while it was open";
        Err(io::Error::new(io::ErrorKind::NotFound, what))
    }

    /// A folder with open files cannot be moved or removed here.
    #[cfg(not(unix))]
    #[expect(clippy::unnecessary_wraps, reason = "it can fail on the other systems")]
    pub(crate) fn check(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }
}

/// Whether a path leads nowhere.
#[cfg(unix)]
fn is_not_there(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn failed(operation: FileOperation, name: &str) -> impl FnOnce(io::Error) -> FilesError {
    move |source| FilesError::new(operation, name, source)
}

/// A file that was removed while it is open takes writes and syncs as ever, and is gone when it is closed.
#[cfg(unix)]
fn still_named(file: &File) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    if file.metadata()?.nlink() > 0 {
        return Ok(());
    }
    let what = "the file was removed while it was open";
    Err(io::Error::new(io::ErrorKind::NotFound, what))
}

/// A file that is open cannot be removed here.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "it can fail on the other systems")]
fn still_named(_file: &File) -> io::Result<()> {
    Ok(())
}

/// Returns the bytes of all files below `folder`; one that goes away meanwhile counts nothing.
pub(crate) fn folder_bytes(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => folders.push(entry.path()),
                Ok(metadata) => bytes += metadata.len(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(bytes)
}

/// Makes the names in `folder` durable.
#[cfg(unix)]
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// A folder cannot be opened as a file here; the file system keeps its names in a journal of its own.
#[cfg(not(unix))]
pub(crate) fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(unix)]
fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

#[cfg(not(unix))]
fn write_all_at(mut file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    use std::io::{Seek, SeekFrom, Write};
    file.seek(SeekFrom::Start(offset))?;
    file.write_all(bytes)
}

#[cfg(not(unix))]
fn read_exact_at(mut file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    use std::io::{Read, Seek, SeekFrom};
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(buffer)
}
