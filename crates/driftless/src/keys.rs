//! Where the device key is kept.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use driftless_protocol::DeviceKey;
use driftless_store::StoreFolder;

use crate::error::Error;
use crate::options::Options;

/// The file that [`FileKeys`] keeps a key in.
const KEY_FILE: &str = "device.key";

/// The key of the database in this folder; an error says where it was looked for.
pub(crate) fn load(folder: &StoreFolder, options: &Options) -> Result<DeviceKey, Error> {
    let key = options.keys.load(&KeyPlace::of(folder))?;
    key.ok_or_else(|| Error::key_missing(&told_place(folder.dir(), options)))
}

/// Where the key of a folder is, as a person is told.
pub(crate) fn told_place(dir: &Path, options: &Options) -> String {
    match options.keys.file_name() {
        Some(file) => dir.join(file).display().to_string(),
        None => format!("the device key of {}", dir.display()),
    }
}

/// The folder a device key belongs to, as a key store sees it.
#[derive(Debug)]
pub struct KeyPlace<'a> {
    folder: &'a StoreFolder,
}

impl<'a> KeyPlace<'a> {
    pub(crate) fn of(folder: &'a StoreFolder) -> Self {
        Self { folder }
    }

    /// The folder of the database.
    pub fn dir(&self) -> &Path {
        self.folder.dir()
    }
}

/// Keeps the secret key of a device: a file, memory, or whatever a platform has for it.
///
/// Called from a thread that may block. A key that `keep` returned for is there after any crash.
pub trait KeyStore: Send + Sync {
    /// The key of the database in this folder, if there is one.
    fn load(&self, place: &KeyPlace<'_>) -> Result<Option<DeviceKey>, Error>;

    /// Keeps a new key, durably; one that is there is never replaced.
    fn keep(&self, place: &KeyPlace<'_>, key: &DeviceKey) -> Result<(), Error>;

    /// Forgets a key that was kept for a database that then could not be made.
    fn forget(&self, place: &KeyPlace<'_>) -> Result<(), Error>;

    /// The name of the file in the folder that the key is in, where it is in one: for people to know which is meant.
    fn file_name(&self) -> Option<&'static str> {
        None
    }
}

/// Keeps the key in the folder itself: `device.key`, readable by its owner only.
#[derive(Clone, Copy, Debug, Default)]
pub struct FileKeys;

impl KeyStore for FileKeys {
    fn load(&self, place: &KeyPlace<'_>) -> Result<Option<DeviceKey>, Error> {
        if !place.folder.has_device_seed()? {
            return Ok(None);
        }
        let seed = place.folder.device_seed()?;
        Ok(Some(DeviceKey::from_seed(&seed)))
    }

    fn keep(&self, place: &KeyPlace<'_>, key: &DeviceKey) -> Result<(), Error> {
        Ok(place.folder.write_device_seed(key.seed())?)
    }

    fn file_name(&self) -> Option<&'static str> {
        Some(KEY_FILE)
    }

    fn forget(&self, place: &KeyPlace<'_>) -> Result<(), Error> {
        let path = place.dir().join(KEY_FILE);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::key_store(&path.display().to_string(), error))
            }
            _ => Ok(()),
        }
    }
}

/// Keeps keys in memory only: for tests, and for programs that put them elsewhere themselves.
#[derive(Default)]
pub struct MemoryKeys {
    keys: Mutex<BTreeMap<PathBuf, DeviceKey>>,
}

impl MemoryKeys {
    /// A store with the key of one database in it.
    pub fn with(dir: impl Into<PathBuf>, seed: &[u8; 32]) -> Self {
        let keys = BTreeMap::from([(dir.into(), DeviceKey::from_seed(seed))]);
        Self {
            keys: Mutex::new(keys),
        }
    }

    fn keys(&self) -> std::sync::MutexGuard<'_, BTreeMap<PathBuf, DeviceKey>> {
        // A map of keys is whole after each of its operations, whoever panicked.
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeyStore for MemoryKeys {
    fn load(&self, place: &KeyPlace<'_>) -> Result<Option<DeviceKey>, Error> {
        Ok(self.keys().get(place.dir()).cloned())
    }

    fn keep(&self, place: &KeyPlace<'_>, key: &DeviceKey) -> Result<(), Error> {
        if self.keys().contains_key(place.dir()) {
            let place = place.dir().display().to_string();
            return Err(Error::key_store(&place, "there is one already"));
        }
        self.keys().insert(place.dir().to_owned(), key.clone());
        Ok(())
    }

    fn forget(&self, place: &KeyPlace<'_>) -> Result<(), Error> {
        self.keys().remove(place.dir());
        Ok(())
    }
}

impl fmt::Debug for MemoryKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryKeys")
            .field("keys", &self.keys().len())
            .finish()
    }
}
