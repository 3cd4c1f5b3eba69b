//! [`Current`]: the file `CURRENT`, which names the live store of a folder and its engine.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use crate::engine::StoreEngine;
use crate::folder::{
    EntryKind, FolderError, exists, io_at, read_small, store_entries, store_name, store_number,
    sync_dir,
};
use crate::seal::has_seal;

pub(crate) const CURRENT: &str = "CURRENT";
const CURRENT_NEW: &str = "CURRENT.new";

/// What `CURRENT` says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Current {
    pub(crate) number: u64,
    pub(crate) engine: StoreEngine,
}

impl Current {
    pub(crate) fn read(dir: &Path) -> Result<Self, FolderError> {
        let path = dir.join(CURRENT);
        let text = match read_small(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(FolderError::BadCurrent { path });
            }
            Err(source) => return Err(FolderError::Io { path, source }),
        };
        let Some(line) = text.strip_suffix('\n') else {
            return Err(FolderError::BadCurrent { path });
        };
        let (store, engine) = match line.split_once(' ') {
            Some((store, engine)) => (store, engine.parse()),
            None => (line, Ok(StoreEngine::Sled)),
        };
        let Some(number) = store_number(store) else {
            return Err(FolderError::BadCurrent { path });
        };
        match engine {
            Ok(engine) => Ok(Self { number, engine }),
            Err(source) => Err(FolderError::UnknownEngine { path, source }),
        }
    }

    pub(crate) fn write(self, dir: &Path) -> Result<(), FolderError> {
        let new = dir.join(CURRENT_NEW);
        let write = || -> io::Result<()> {
            let mut file = File::create(&new)?;
            let store = store_name(self.number);
            match self.engine {
                StoreEngine::Sled => writeln!(file, "{store}")?,
                engine => writeln!(file, "{store} {engine}")?,
            }
            file.sync_all()?;
            fs::rename(&new, dir.join(CURRENT))
        };
        write().map_err(io_at(&new))?;
        sync_dir(dir)
    }

    /// What is there where `CURRENT` does not say: the newest store that was closed, or the newest.
    pub(crate) fn found(dir: &Path) -> Result<Self, FolderError> {
        let entries = store_entries(dir)?;
        let numbers = || entries.iter().map(|(number, ..)| *number);
        let sealed = numbers().filter(|number| is_sealed_store(dir, *number));
        let number = sealed.max().or(numbers().max()).unwrap_or(0);
        let engine = StoreEngine::found_in(&dir.join(store_name(number)));
        Ok(Self { number, engine })
    }

    /// Itself, or the store that was closed where what this names is not there and never was set aside: with a sentence.
    pub(crate) fn or_sealed(self, dir: &Path) -> Result<(Self, Option<String>), FolderError> {
        let entries = store_entries(dir)?.into_iter();
        let mut stores = entries.filter(|(_, kind, _)| *kind != EntryKind::Mark);
        if stores.any(|(number, ..)| number == self.number) {
            return Ok((self, None));
        }
        let found = Self::found(dir)?;
        if !is_sealed_store(dir, found.number) {
            return Ok((self, None));
        }
        let [named, there] = [self, found].map(|current| store_name(current.number));
        let why = format!("it names {named}, which is not there, and {there} is");
        Ok((found, Some(why)))
    }
}

fn is_sealed_store(dir: &Path, number: u64) -> bool {
    let store = dir.join(store_name(number));
    has_seal(&store) && exists(&store).unwrap_or(false)
}
