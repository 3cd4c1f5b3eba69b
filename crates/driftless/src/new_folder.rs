//! [`NewFolder`]: a folder on its way to its first replica, taken back if that does not come about.

use std::path::{Path, PathBuf};

use driftless_engine::{EngineError, Parts, Replica};
use driftless_protocol::DeviceKey;
use driftless_store::{FolderError, Journal, RewritableKv, StoreEngine, StoreFolder, mark_open};

use crate::error::Error;
use crate::keys::KeyPlace;
use crate::live_store::LiveStore;
use crate::opening::{Held, has_lost_its_journal, keep_place, parts};
use crate::options::Options;

/// A folder with a device key and an empty journal.
///
/// Unless it is finished or kept, dropping it removes from the disk what it made there, so that the next
/// attempt finds the folder as this one did. A folder whose journal holds anything is never removed.
///
/// Everything but `key` and dropping blocks.
pub(crate) struct NewFolder {
    /// There until the folder is finished, kept, or taken back.
    inner: Option<Inner>,
    key: DeviceKey,
}

struct Inner {
    folder: StoreFolder,
    options: Options,
    /// The folder and those above it that were not there, innermost first.
    made_dirs: Vec<PathBuf>,
    made_key: bool,
}

impl NewFolder {
    /// Makes the folder and its key; one that holds a workspace is refused.
    pub(crate) fn begin(dir: &Path, options: &Options) -> Result<Self, Error> {
        let made_dirs = dir
            .ancestors()
            .take_while(|above| !above.as_os_str().is_empty() && !above.exists())
            .map(Path::to_owned)
            .collect();
        let engine = options.engine.unwrap_or_default();
        let folder = match StoreFolder::create(dir, engine) {
            Ok(folder) => folder,
            Err(FolderError::AlreadyHoldsStore { dir }) => begun_before(&dir, engine, options)?,
            Err(error) => return Err(error.into()),
        };
        let place = KeyPlace::of(&folder);
        let kept = options.keys.load(&place);
        let mut inner = Inner {
            folder,
            options: options.clone(),
            made_dirs,
            made_key: false,
        };
        match kept.and_then(|kept| kept.map_or_else(|| inner.make_key(), Ok)) {
            Ok(key) => Ok(Self {
                inner: Some(inner),
                key,
            }),
            Err(error) => {
                inner.take_back();
                Err(error)
            }
        }
    }

    /// The device key.
    pub(crate) fn key(&self) -> &DeviceKey {
        &self.key
    }

    /// Makes the first replica in it.
    pub(crate) fn finish(
        mut self,
        make: impl FnOnce(Parts) -> Result<Replica, EngineError>,
    ) -> Result<Held, Error> {
        let inner = self.inner.take().expect("it is there until it is finished");
        match inner.make_replica(self.key.clone(), make) {
            Ok((replica, kv)) => {
                keep_place(&inner.folder);
                Ok(Held {
                    replica,
                    store: LiveStore::new(inner.folder, kv, inner.options),
                })
            }
            Err(error) => {
                inner.take_back();
                Err(error)
            }
        }
    }

    /// Lets go of the folder and leaves it as it is; the next attempt goes on with the same key.
    pub(crate) fn keep(mut self) {
        drop(self.inner.take());
    }

    /// Removes what was made.
    pub(crate) fn take_back(mut self) {
        if let Some(inner) = self.inner.take() {
            inner.take_back();
        }
    }
}

impl Drop for NewFolder {
    fn drop(&mut self) {
        // Nobody waits any more: removing files must not hold up the thread that dropped this.
        if let Some(inner) = self.inner.take() {
            std::thread::spawn(move || inner.take_back());
        }
    }
}

/// A folder that an earlier attempt made and did not use: its key stays, its store may have been torn by a crash.
fn begun_before(dir: &Path, engine: StoreEngine, options: &Options) -> Result<StoreFolder, Error> {
    let mut folder = StoreFolder::open(dir)?;
    if !folder.journal_is_empty()? {
        return Err(Error::folder_exists(dir));
    }
    if has_lost_its_journal(&folder, options) {
        return Err(Error::journal_missing(dir));
    }
    folder.begin_anew(engine)?;
    Ok(folder)
}

impl Inner {
    fn make_key(&mut self) -> Result<DeviceKey, Error> {
        let mut seed = [0; 32];
        (self.options.randomness)().fill(&mut seed);
        let key = DeviceKey::from_seed(&seed);
        self.options.keys.keep(&KeyPlace::of(&self.folder), &key)?;
        self.made_key = true;
        Ok(key)
    }

    fn make_replica(
        &self,
        key: DeviceKey,
        make: impl FnOnce(Parts) -> Result<Replica, EngineError>,
    ) -> Result<(Replica, RewritableKv), Error> {
        let store = self.folder.live_store();
        mark_open(store)?;
        let engine = self.folder.live_engine();
        let kv = RewritableKv::new(engine.open(store, self.options.cache_bytes)?);
        let (journal, _) = Journal::open(Box::new(self.folder.journal_files()?))?;
        let mut replica = make(parts(journal, kv.clone(), key, &self.options))?;
        replica.install_policies(self.options.policies.clone());
        replica.note_device()?;
        Ok((replica, kv))
    }

    fn take_back(self) {
        // What a replica has written is never removed, whatever became of it.
        if !self.folder.journal_is_empty().unwrap_or(false) {
            return;
        }
        if self.made_key
            && let Err(error) = self.options.keys.forget(&KeyPlace::of(&self.folder))
        {
            tracing::warn!(%error, "a device key that is not used could not be removed");
        }
        let dir = self.folder.dir().to_owned();
        let store = self.folder.live_name();
        let entries = [
            store.clone(),
            format!("{store}.open"),
            format!("{store}.seal"),
            "CURRENT".to_owned(),
            "journal".to_owned(),
            // Last, for it keeps others out until the rest is gone.
            "driftless.lock".to_owned(),
        ];
        for entry in entries {
            remove(&dir.join(entry));
        }
        drop(self.folder);
        for made in self.made_dirs {
            // One that somebody else uses by now is not empty, and stays.
            let _ = std::fs::remove_dir(made);
        }
    }
}

fn remove(path: &Path) {
    let removed = if path.is_dir() {
        std::fs::remove_dir_all(path)
    } else {
        std::fs::remove_file(path)
    };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "a file that is not used could not be removed");
        }
        _ => {}
    }
}
