//! [`StoreEngine`]: which engine keeps a store.

use std::{fmt, path::Path, str::FromStr};

use thiserror::Error;

use crate::{
    kv::{Kv, KvError},
    redb_kv::RedbKv,
    sled_kv::SledKv,
};

/// An engine that keeps a store on disk; `CURRENT` remembers which one a folder has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreEngine {
    /// sled 0.34.
    #[default]
    Sled,
    /// redb 4.
    Redb,
}

/// A name that no engine has.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{name}` is no store engine: there are sled and redb")]
pub struct UnknownEngine {
    /// The name.
    pub name: String,
}

impl StoreEngine {
    /// Opens the store in `folder`, creating it if there is none, with a page cache of `cache_bytes`.
    ///
    /// Files that make no sense are [`KvError::DoesNotOpen`].
    pub fn open(self, folder: &Path, cache_bytes: u64) -> Result<Box<dyn Kv>, KvError> {
        Ok(match self {
            StoreEngine::Sled => Box::new(SledKv::open(folder, cache_bytes)?),
            StoreEngine::Redb => Box::new(RedbKv::open(folder, cache_bytes)?),
        })
    }

    /// The same for a store that has no seal, so that nobody knows whether its files are what the engine wrote.
    ///
    /// redb believes a file that it has closed: a bit that was flipped since could have it write over what is still used.
    pub fn open_unsealed(self, folder: &Path, cache_bytes: u64) -> Result<Box<dyn Kv>, KvError> {
        match self {
            StoreEngine::Sled => self.open(folder, cache_bytes),
            StoreEngine::Redb => Ok(Box::new(RedbKv::open_unsealed(folder, cache_bytes)?)),
        }
    }

    /// Says whether the store in `folder`, which was not closed before the machine went down, may be opened as it is.
    ///
    /// redb syncs what it rests on before it rests on it; sled does not, and is to be rebuilt.
    pub fn outlives_power_loss(self, folder: &Path) -> bool {
        match self {
            StoreEngine::Sled => false,
            StoreEngine::Redb => RedbKv::is_in(folder),
        }
    }

    /// Says which engine the files in `folder` look like: sled's, unless they are another's.
    pub(crate) fn found_in(folder: &Path) -> Self {
        if RedbKv::is_in(folder) {
            StoreEngine::Redb
        } else {
            StoreEngine::Sled
        }
    }

    /// Returns its name, as [`StoreEngine::from_str`] takes it.
    pub fn name(self) -> &'static str {
        match self {
            StoreEngine::Sled => "sled",
            StoreEngine::Redb => "redb",
        }
    }
}

impl fmt::Display for StoreEngine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for StoreEngine {
    type Err = UnknownEngine;

    fn from_str(name: &str) -> Result<StoreEngine, UnknownEngine> {
        match name {
            "sled" => Ok(StoreEngine::Sled),
            "redb" => Ok(StoreEngine::Redb),
            _ => Err(UnknownEngine {
                name: name.to_owned(),
            }),
        }
    }
}
