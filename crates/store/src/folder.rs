//! [`StoreFolder`]: who holds a store's folder, and which of the stores in it is live.
//!
//! ```text
//! device.key        seed of the device key, 32 bytes, mode 0600; created exclusively, or absent with another key store
//! driftless.lock    locked by the process that holds the folder; says its process id
//! journal/          the journal
//! CURRENT           "store-1\n", or "store-1 redb\n": the live store, and its engine unless that is sled
//! PLACE             that the folder was open, and where it was last, see `place.rs`
//! store-1/          the live store; rebuildable
//! store-1.seal      what a clean close left, see `seal.rs`
//! store-1.open      that it was opened and not closed, see `seal.rs`
//! store-1.damaged/  the newest store that was set aside
//! ```
//!
//! The kernel drops the lock when the process ends, however it ends; the file stays and means nothing by itself.
//!
//! Crash cases. `create` writes, in this order, each durable before the next: the folder, the lock, `journal/` and its
//! first segment, the store's folder, `CURRENT`; the seed comes after. Without `CURRENT` the folder holds no store, and
//! `create` finishes what it finds as long as the journal holds no group. With `CURRENT` it opens. `make_live` replaces
//! `CURRENT` by a rename, so it names the old store or the new one, and removes the rest only then. `set_aside` renames
//! before it removes the marks, so a damaged store never looks merely unclean; a `CURRENT` that names a folder which is
//! not there means that the store must be rebuilt. What is neither live nor set aside is removed by `open`, unless the live
//! one is not there.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use thiserror::Error;

use crate::{
    current::{CURRENT, Current},
    engine::{StoreEngine, UnknownEngine},
    files::{Anchor, DiskFiles, FilesError, sync_folder},
    journal::{Journal, JournalError},
    limits::SMALL_FILE_BYTES_MAX,
    lock::FolderLock,
    place::PLACE,
    seal,
};

const SEED: &str = "device.key";
const SEED_NEW: &str = "device.key.new";
const JOURNAL: &str = "journal";

/// Bytes of the seed of a device key.
const SEED_BYTES: usize = 32;

/// A folder that could not be made, opened or changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FolderError {
    /// There is no store in the folder, or no folder.
    #[error("{} holds no store", dir.display())]
    NotFound {
        /// The folder.
        dir: PathBuf,
    },
    /// The folder holds a store, so none can be made in it.
    #[error("{} holds a store already", dir.display())]
    AlreadyHoldsStore {
        /// The folder.
        dir: PathBuf,
    },
    /// Another process, or this one, has the folder open.
    #[error("{} is in use by another process", dir.display())]
    Busy {
        /// The folder.
        dir: PathBuf,
        /// The process id it left, if it could be read.
        pid: Option<u32>,
    },
    /// Parts of the store are not there: making it was interrupted, or they were removed.
    #[error("the store in {} has no {missing}", dir.display())]
    Incomplete {
        /// The folder.
        dir: PathBuf,
        /// The name of the first part that is missing.
        missing: &'static str,
    },
    /// `CURRENT` does not name a store.
    #[error("{} does not name a store", path.display())]
    BadCurrent {
        /// The path of `CURRENT`.
        path: PathBuf,
    },
    /// `CURRENT` names an engine there is not: a newer version wrote it, or it was changed.
    #[error("{}: {source}", path.display())]
    UnknownEngine {
        /// The path of `CURRENT`.
        path: PathBuf,
        /// The name.
        #[source]
        source: UnknownEngine,
    },
    /// There is a device key already; it is never replaced.
    #[error("{} holds a device key already", dir.display())]
    SeedExists {
        /// The folder.
        dir: PathBuf,
    },
    /// The device key is not a seed.
    #[error(
        "{}: this is not the key that the folder's device was let in with: it is {length} bytes long, and a key is 32",
        path.display()
    )]
    BadSeed {
        /// The path of the key.
        path: PathBuf,
        /// Its length in bytes.
        length: u64,
    },
    /// The folder is not where it was any more, or another one is there.
    #[error("{} was moved, removed or replaced while it was open", dir.display())]
    Gone {
        /// Where it was.
        dir: PathBuf,
    },
    /// The journal could not be begun.
    #[error("the journal could not be begun")]
    Journal(#[from] JournalError),
    /// The disk failed.
    #[error("{} could not be read or written", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
}

/// A store's folder, held by this process until it is dropped.
#[derive(Debug)]
pub struct StoreFolder {
    dir: PathBuf,
    live: PathBuf,
    current: Current,
    /// Why `CURRENT` did not say which store is live.
    misnamed: Option<String>,
    anchor: Anchor,
    _lock: FolderLock,
}

impl StoreFolder {
    /// Makes a store of this engine in `dir`, which is made as well if it is missing; other files in it do not matter.
    ///
    /// Finishes what an interrupted call left. A folder whose journal holds a group, that has both `CURRENT` and a device
    /// key, or that was open once, is [`FolderError::AlreadyHoldsStore`]. The journal is begun, so it is to be opened, or created anew
    /// as long as it is empty.
    pub fn create(dir: &Path, engine: StoreEngine) -> Result<StoreFolder, FolderError> {
        make_dir(dir)?;
        let lock = FolderLock::take(dir)?;
        let journal = dir.join(JOURNAL);
        if !journal_is_empty(&journal)? {
            let dir = dir.to_owned();
            return Err(FolderError::AlreadyHoldsStore { dir });
        }
        remove_torn_seed(dir)?;
        let is_made = exists(&dir.join(CURRENT))? && exists(&dir.join(SEED))?;
        if is_made || Self::was_used(dir)? {
            let dir = dir.to_owned();
            return Err(FolderError::AlreadyHoldsStore { dir });
        }
        make_dir(&journal)?;
        Journal::create(Box::new(disk_files(&journal)?))?;
        remove_stores(dir, None)?;
        make_dir(&dir.join(store_name(1)))?;
        let current = Current { number: 1, engine };
        current.write(dir)?;
        Self::held(dir, current, lock)
    }

    /// Whether a workspace in `dir` was open once: then it has its place there, or a seal since it was closed. Neither is
    /// there before the journal's first group.
    pub fn was_used(dir: &Path) -> Result<bool, FolderError> {
        if exists(&dir.join(PLACE))? {
            return Ok(true);
        }
        let entries = store_entries(dir)?;
        let is_seal = |path: &Path| path.extension().is_some_and(|name| name == "seal");
        Ok(entries.iter().any(|(_, _, path)| is_seal(path)))
    }

    /// Opens the store in `dir` and holds the folder until it is dropped; removes what an interrupted rewrite left.
    pub fn open(dir: &Path) -> Result<StoreFolder, FolderError> {
        let (lock, has_current) = hold(dir)?;
        if !has_current {
            return Err(FolderError::Incomplete {
                dir: dir.to_owned(),
                missing: CURRENT,
            });
        }
        let folder = Self::held(dir, Current::read(dir)?, lock)?;
        // Where what `CURRENT` names is not there, it may be what is wrong, and the live store under another name.
        if exists(&folder.live)? {
            folder.remove_leftovers()?;
        }
        Ok(folder)
    }

    /// Opens the folder for somebody who will make a new store in it, whatever `CURRENT` says; where that does not
    /// name a store that was there, it is what looks most like the live one.
    pub fn open_to_rebuild(dir: &Path) -> Result<StoreFolder, FolderError> {
        let (lock, has_current) = hold(dir)?;
        let (current, misnamed) = match Current::read(dir) {
            Ok(current) => current.or_sealed(dir)?,
            Err(FolderError::Io { path, source }) if has_current => {
                return Err(FolderError::Io { path, source });
            }
            Err(why) => (Current::found(dir)?, Some(why.to_string())),
        };
        let folder = Self::held(dir, current, lock)?;
        Ok(StoreFolder { misnamed, ..folder })
    }

    /// Why `CURRENT` does not say which store is live, where the folder was opened all the same: a sentence.
    pub fn misnamed(&self) -> Option<&str> {
        self.misnamed.as_deref()
    }

    fn held(dir: &Path, current: Current, lock: FolderLock) -> Result<StoreFolder, FolderError> {
        Ok(StoreFolder {
            dir: dir.to_owned(),
            live: dir.join(store_name(current.number)),
            current,
            misnamed: None,
            anchor: Anchor::of(dir).map_err(io_at(dir))?,
            _lock: lock,
        })
    }

    /// Fails with [`FolderError::Gone`] unless the folder at the path is the one that is held.
    ///
    /// Everything here that changes names in it asks this first, so that what took its place is left alone.
    pub fn check_place(&self) -> Result<(), FolderError> {
        self.anchor
            .check(&self.dir)
            .map_err(|source| match source.kind() {
                io::ErrorKind::NotFound => FolderError::Gone {
                    dir: self.dir.clone(),
                },
                _ => FolderError::Io {
                    path: self.dir.clone(),
                    source,
                },
            })
    }

    /// Returns the folder itself.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Says whether there is a device key.
    pub fn has_device_seed(&self) -> Result<bool, FolderError> {
        exists(&self.dir.join(SEED))
    }

    /// Reads the seed of the device key.
    pub fn device_seed(&self) -> Result<[u8; SEED_BYTES], FolderError> {
        let path = self.dir.join(SEED);
        if !exists(&path)? {
            return Err(FolderError::Incomplete {
                dir: self.dir.clone(),
                missing: SEED,
            });
        }
        let mut file = File::open(&path).map_err(io_at(&path))?;
        let length = file.metadata().map_err(io_at(&path))?.len();
        if length != SEED_BYTES as u64 {
            return Err(FolderError::BadSeed { path, length });
        }
        let mut seed = [0; SEED_BYTES];
        file.read_exact(&mut seed).map_err(io_at(&path))?;
        Ok(seed)
    }

    /// Writes the seed of the device key, readable by its owner only; durable when this returns. One that is there is never replaced.
    ///
    /// It has its name only when its bytes are durable: a file that is as long as a seed is one.
    pub fn write_device_seed(&self, seed: &[u8; SEED_BYTES]) -> Result<(), FolderError> {
        if self.has_device_seed()? {
            let dir = self.dir.clone();
            return Err(FolderError::SeedExists { dir });
        }
        let new = self.dir.join(SEED_NEW);
        let written = seal::remove_if_there(&new).and_then(|()| {
            let mut options = OpenOptions::new();
            options.write(true).create_new(true);
            owner_only(&mut options);
            let mut file = options.open(&new)?;
            file.write_all(seed)?;
            file.sync_all()?;
            fs::rename(&new, self.dir.join(SEED))
        });
        if let Err(source) = written {
            // It may hold a secret, and nobody will look for it.
            let _ = fs::remove_file(&new);
            return Err(FolderError::Io { path: new, source });
        }
        sync_dir(&self.dir)
    }

    /// Returns the files of the journal, for [`Journal::open`].
    pub fn journal_files(&self) -> Result<DiskFiles, FolderError> {
        disk_files(&self.dir.join(JOURNAL))
    }

    /// Says whether nothing was ever made durable in the journal: the store was made but not used.
    pub fn journal_is_empty(&self) -> Result<bool, FolderError> {
        journal_is_empty(&self.dir.join(JOURNAL))
    }

    /// Returns the path of the live store's folder, which may be missing or damaged: see [`check_seal`](crate::check_seal).
    pub fn live_store(&self) -> &Path {
        &self.live
    }

    /// Returns the name of the live store, such as `store-1`.
    pub fn live_name(&self) -> String {
        store_name(self.current.number)
    }

    /// Returns the engine of the live store.
    pub fn live_engine(&self) -> StoreEngine {
        self.current.engine
    }

    /// Renames the live store to `store-N.damaged` and returns that path; an older one that was set aside is removed.
    ///
    /// A live store that is not there is no error. `CURRENT` goes on naming it until [`StoreFolder::make_live`].
    pub fn set_aside(&mut self, reason: &str) -> Result<PathBuf, FolderError> {
        self.check_place()?;
        let aside = self
            .dir
            .join(format!("{}{DAMAGED}", store_name(self.current.number)));
        tracing::warn!(store = %self.live.display(), reason, "setting a store aside");
        for (number, kind, path) in store_entries(&self.dir)? {
            let replaced = number == self.current.number && exists(&self.live)?;
            if kind == EntryKind::Damaged && (number != self.current.number || replaced) {
                remove_all(&path)?;
            }
        }
        if exists(&self.live)? {
            fs::rename(&self.live, &aside).map_err(io_at(&self.live))?;
            sync_dir(&self.dir)?;
        }
        seal::remove_marks(&self.live).map_err(io_at(&self.live))?;
        sync_dir(&self.dir)?;
        Ok(aside)
    }

    /// Returns the path for the store after the live one, removing what an earlier attempt left there; the folder is not made.
    pub fn next_store(&mut self) -> Result<PathBuf, FolderError> {
        self.check_place()?;
        let number = self.next_number()?;
        for (found, kind, path) in store_entries(&self.dir)? {
            if found == number && kind != EntryKind::Damaged {
                remove_all(&path)?;
            }
        }
        sync_dir(&self.dir)?;
        Ok(self.dir.join(store_name(number)))
    }

    /// Makes the store at the path that [`StoreFolder::next_store`] returned the live one, durably, and removes the ones
    /// that are neither live nor set aside.
    ///
    /// Whoever built it has flushed it; what is missing after a power loss, its seal will tell.
    pub fn make_live(&mut self, engine: StoreEngine) -> Result<(), FolderError> {
        self.flip(engine)?;
        self.remove_leftovers()
    }

    /// Makes an empty store of this engine the live one: what a making that was interrupted left may be half of anything.
    pub fn begin_anew(&mut self, engine: StoreEngine) -> Result<(), FolderError> {
        let store = self.next_store()?;
        make_dir(&store)?;
        self.make_live(engine)
    }

    /// The first half of [`StoreFolder::make_live`], for somebody who has the old store open.
    pub fn flip(&mut self, engine: StoreEngine) -> Result<(), FolderError> {
        self.check_place()?;
        let number = self.next_number()?;
        let live = self.dir.join(store_name(number));
        if !exists(&live)? {
            return Err(FolderError::Io {
                path: live,
                source: io::ErrorKind::NotFound.into(),
            });
        }
        let current = Current { number, engine };
        current.write(&self.dir)?;
        self.live = live;
        self.current = current;
        Ok(())
    }

    /// Removes the stores that are neither live nor set aside: what was replaced, and what was not finished.
    pub fn remove_leftovers(&self) -> Result<(), FolderError> {
        self.check_place()?;
        remove_stores(&self.dir, Some(self.current.number))
    }

    fn next_number(&self) -> Result<u64, FolderError> {
        self.current
            .number
            .checked_add(1)
            .ok_or_else(|| FolderError::BadCurrent {
                path: self.dir.join(CURRENT),
            })
    }
}

const DAMAGED: &str = ".damaged";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntryKind {
    Store,
    Mark,
    Damaged,
}

pub(crate) fn store_name(number: u64) -> String {
    format!("store-{number}")
}

/// Reads `store-7`; other spellings of the number are no names of ours.
pub(crate) fn store_number(name: &str) -> Option<u64> {
    let number = name.strip_prefix("store-")?.parse().ok()?;
    (store_name(number) == name).then_some(number)
}

/// Returns what belongs to stores in `dir`, in no order that matters.
pub(crate) fn store_entries(dir: &Path) -> Result<Vec<(u64, EntryKind, PathBuf)>, FolderError> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(dir).map_err(io_at(dir))? {
        let entry = entry.map_err(io_at(dir))?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let (stem, kind) = match name.rsplit_once('.') {
            None => (name.as_str(), EntryKind::Store),
            Some((stem, "damaged")) => (stem, EntryKind::Damaged),
            Some((stem, _)) => (stem, EntryKind::Mark),
        };
        // `store-1.seal.new` is a mark as well.
        let stem = stem.split('.').next().unwrap_or(stem);
        if let Some(number) = store_number(stem) {
            entries.push((number, kind, entry.path()));
        }
    }
    Ok(entries)
}

/// Removes every store and mark but those of `live` and what was set aside.
fn remove_stores(dir: &Path, live: Option<u64>) -> Result<(), FolderError> {
    for (number, kind, path) in store_entries(dir)? {
        if Some(number) != live && kind != EntryKind::Damaged {
            remove_all(&path)?;
        }
    }
    sync_dir(dir)
}

fn remove_all(path: &Path) -> Result<(), FolderError> {
    let kind = fs::symlink_metadata(path).map_err(io_at(path))?.file_type();
    let removed = if kind.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    removed.map_err(io_at(path))
}

/// Locks a folder that has a journal; says whether it has `CURRENT`.
fn hold(dir: &Path) -> Result<(FolderLock, bool), FolderError> {
    let parts = [CURRENT, JOURNAL, SEED];
    let found = parts.map(|part| exists(&dir.join(part)));
    let [current, journal, seed] = found;
    let (current, journal, seed) = (current?, journal?, seed?);
    if !current && !journal && !seed {
        return Err(FolderError::NotFound {
            dir: dir.to_owned(),
        });
    }
    let lock = FolderLock::take(dir)?;
    if !journal {
        return Err(FolderError::Incomplete {
            dir: dir.to_owned(),
            missing: JOURNAL,
        });
    }
    Ok((lock, current))
}

/// Removes a seed whose writing was interrupted; only where the journal holds nothing that it signed.
fn remove_torn_seed(dir: &Path) -> Result<(), FolderError> {
    let path = dir.join(SEED);
    match fs::metadata(&path) {
        Ok(metadata) if metadata.len() != SEED_BYTES as u64 => {
            fs::remove_file(&path).map_err(io_at(&path))
        }
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(FolderError::Io { path, source }),
    }
}

fn journal_is_empty(journal: &Path) -> Result<bool, FolderError> {
    if !exists(journal)? {
        return Ok(true);
    }
    let files = disk_files(journal)?;
    Journal::is_unused(&files).map_err(FolderError::Journal)
}

fn disk_files(journal: &Path) -> Result<DiskFiles, FolderError> {
    DiskFiles::open(journal).map_err(|FilesError { source, .. }| FolderError::Io {
        path: journal.to_owned(),
        source,
    })
}

/// Makes a folder and those above it that are missing, and makes their names durable.
fn make_dir(dir: &Path) -> Result<(), FolderError> {
    let missing: Vec<&Path> = dir
        .ancestors()
        .take_while(|above| !above.as_os_str().is_empty() && !above.exists())
        .collect();
    fs::create_dir_all(dir).map_err(io_at(dir))?;
    for made in missing {
        match made.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => sync_dir(parent)?,
            _ => sync_dir(Path::new("."))?,
        }
    }
    Ok(())
}

pub(crate) fn sync_dir(dir: &Path) -> Result<(), FolderError> {
    sync_folder(dir).map_err(io_at(dir))
}

pub(crate) fn exists(path: &Path) -> Result<bool, FolderError> {
    path.try_exists().map_err(io_at(path))
}

pub(crate) fn read_small(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?
        .take(SMALL_FILE_BYTES_MAX)
        .read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(unix)]
fn owner_only(options: &mut OpenOptions) {
    use std::os::unix::fs::OpenOptionsExt;
    options.mode(0o600);
}

/// The folder's own access list is all there is here.
#[cfg(not(unix))]
fn owner_only(_options: &mut OpenOptions) {}

pub(crate) fn io_at(path: &Path) -> impl FnOnce(io::Error) -> FolderError {
    let path = path.to_owned();
    move |source| FolderError::Io { path, source }
}
