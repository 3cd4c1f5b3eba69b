//! From a folder to a replica and back: which store is believed, when it is derived again, how it is closed.
//!
//! | what stands beside the store | answer |
//! |---|---|
//! | a seal, and every byte is as it was | it is opened |
//! | it was not closed, and the machine has been on since | it is opened; what it lacks is replayed; it is read once as a whole |
//! | the same, but the machine was restarted, and the engine is one that outlives it | the same |
//! | a seal, and something differs; or no store; or not closed and the machine was restarted | set aside, rebuilt |
//! | it is believed, and then does not open or does not fit the journal | set aside, rebuilt, once |
//!
//! The journal is the truth, so rebuilding loses nothing; it is an event that is told and logged all the same.
//! A rebuild fills a folder of its own, and `CURRENT` names it only when it is whole: a crash in between means
//! that the next opening begins again.
//!
//! Everything here blocks; it runs on the thread that then owns the replica.

use std::path::Path;

use driftless_engine::{EngineError, Parts, Remains, Replayed, Replica, check_device};
use driftless_protocol::DeviceKey;
use driftless_store::{
    DiskFiles, FolderError, Journal, KnownEnd, Kv, RewritableKv, StoreFolder, Trust, check_seal,
    has_seal, mark_open, write_seal,
};

use crate::actor::guarded_quietly;
use crate::error::{Error, is_kv_damage, is_store_damage};
use crate::keys;
use crate::live_store::LiveStore;
use crate::options::Options;
use crate::progress::Progress;
use crate::repair::RepairReport;
use crate::scratch::StoreCopy;

/// Of a store over which its engine panicked.
pub(crate) const GIVEN_UP: &str = "its engine gives up on it";

/// What opening a database found out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Opening {
    /// Why the store was set aside and rebuilt from the journal, as a sentence; `None` if it was not.
    pub rebuilt: Option<String>,
    /// Bytes at the journal's end that were half written, and were cut off.
    pub torn_bytes: u64,
    /// Whether the journal ends before what the store had applied: acknowledged writes are gone here, and come
    /// back only from a device that had synced them.
    pub journal_lost_writes: bool,
    /// What [`Database::repair`](crate::Database::repair) found and did; `None` where it was opened otherwise.
    pub repaired: Option<RepairReport>,
}

/// A replica and the store it lives in; the store's folder is let go of last.
pub(crate) struct Held {
    pub(crate) replica: Replica,
    pub(crate) store: LiveStore,
}

impl Held {
    /// Closes the store and seals it, or sets a suspect one aside; the journal is complete either way.
    pub(crate) fn close(self, suspect: Option<&str>) -> Result<(), Error> {
        let Self { replica, store } = self;
        replica.close()?;
        let mut folder = store.into_folder();
        // Whatever is there now is not what was open here, and gets no seal.
        folder.check_place()?;
        if let Some(reason) = suspect {
            folder.set_aside(reason)?;
            return Ok(());
        }
        Ok(write_seal(folder.live_store())?)
    }
}

/// Opens what is in the folder.
pub(crate) fn open(dir: &Path, options: &Options) -> Result<(Held, Opening), Error> {
    let mut attempt = Attempt::begin(StoreFolder::open(dir), dir, options)?;
    let name = attempt.folder.live_name();
    let path = attempt.folder.live_store();
    let trust = check_seal(path);
    let is_believed = match trust {
        Trust::Clean => true,
        Trust::Unclean { same_boot } => {
            same_boot || attempt.folder.live_engine().outlives_power_loss(path)
        }
        _ => false,
    };
    let trouble = match trust {
        trust if is_believed => match attempt.open_live(trust == Trust::Clean)? {
            Ok((replica, kv)) => return Ok(attempt.done(replica, kv, None)),
            Err(reason) => format!("the store {name} cannot be used ({reason})"),
        },
        Trust::Clean | Trust::Unclean { .. } => format!(
            "the store {name} was not closed before the machine went down, so it is not believed"
        ),
        Trust::Damaged { what } => format!("the store {name} is damaged ({what})"),
        Trust::Missing => format!("the store {name} is not there"),
    };
    attempt.rebuild(&trouble)
}

/// Sets the store aside and derives it again, whatever state it is in, with the engine of the options if they name one.
pub(crate) fn rebuild(dir: &Path, options: &Options) -> Result<(Held, Opening), Error> {
    let attempt = Attempt::begin(StoreFolder::open_to_rebuild(dir), dir, options)?;
    let trouble = format!("the store {} was to be rebuilt", attempt.folder.live_name());
    attempt.rebuild(&trouble)
}

/// The same for a folder that is in use, and stays held; the replica's sessions are asked to come back.
pub(crate) fn rebuild_held(held: Held, options: &Options) -> Result<Held, Error> {
    let Held { mut replica, store } = held;
    let key = replica.device_key().clone();
    let dismissed = replica.dismiss_sessions()?;
    replica.close()?;
    let folder = store.into_folder();
    let trouble = format!("the store {} was to be rebuilt", folder.live_name());
    let attempt = Attempt::of(folder, key, options);
    let (mut held, _) = attempt.rebuild(&trouble)?;
    held.replica.answer_for(dismissed);
    Ok(held)
}

/// A replica and the store it was opened with.
type OpenReplica = (Replica, RewritableKv);

/// A folder that is held, on its way to a replica.
pub(crate) struct Attempt<'a> {
    pub(crate) folder: StoreFolder,
    pub(crate) key: DeviceKey,
    options: &'a Options,
    torn_bytes: u64,
    lost_writes: bool,
}

impl<'a> Attempt<'a> {
    fn begin(
        opened: Result<StoreFolder, FolderError>,
        dir: &Path,
        options: &'a Options,
    ) -> Result<Self, Error> {
        let folder = match opened {
            Err(FolderError::Incomplete { .. })
                if journal_is_unused(dir) && !StoreFolder::was_used(dir)? =>
            {
                return Err(Error::not_a_workspace(dir));
            }
            folder => folder?,
        };
        if folder.journal_is_empty()? {
            return Err(if has_lost_its_journal(&folder, options) {
                Error::journal_missing(dir)
            } else {
                Error::not_a_workspace(dir)
            });
        }
        let key = keys::load(&folder, options)?;
        Ok(Self::of(folder, key, options))
    }

    /// Of a folder that is held.
    pub(crate) fn of(folder: StoreFolder, key: DeviceKey, options: &'a Options) -> Self {
        Self {
            folder,
            key,
            options,
            torn_bytes: 0,
            lost_writes: false,
        }
    }

    /// Opens the live store; the inner error says why it should be rebuilt instead.
    ///
    /// One that was not sealed is read once as a whole: what is there has checksums, what is missing has not.
    fn open_live(&mut self, sealed: bool) -> Result<Result<OpenReplica, String>, Error> {
        // First, for a journal that does not read is no reason to touch the store.
        let journal = self.journal()?;
        let path = self.folder.live_store().to_owned();
        mark_open(&path)?;
        let engine = self.folder.live_engine();
        let cache = self.options.cache_bytes;
        // Files that nobody has written may do anything to who reads them.
        let opened = guarded_quietly(|| {
            if sealed {
                engine.open(&path, cache)
            } else {
                engine.open_unsealed(&path, cache)
            }
        });
        let kv = match opened {
            Some(Ok(kv)) => RewritableKv::new(kv),
            Some(Err(error)) if is_kv_damage(&error) => return Ok(Err(error.to_string())),
            Some(Err(error)) => return Err(error.into()),
            None => return Ok(Err(GIVEN_UP.to_owned())),
        };
        let parts = parts(journal, kv.clone(), self.key.clone(), self.options);
        let opened = guarded_quietly(|| {
            let mut replica = Replica::open(parts, &mut |replayed| tell(self.options, replayed))?;
            replica.install_policies(self.options.policies.clone());
            if !sealed {
                replica.check_store()?;
            }
            Ok(replica)
        });
        match opened {
            Some(Ok(replica)) => Ok(Ok((replica, kv))),
            Some(Err(error)) if is_store_damage(&error) => {
                self.lost_writes = matches!(error, EngineError::JournalShort { .. });
                Ok(Err(error.to_string()))
            }
            Some(Err(error)) => Err(self.told(error)),
            None => Ok(Err(GIVEN_UP.to_owned())),
        }
    }

    pub(crate) fn rebuild(mut self, trouble: &str) -> Result<(Held, Opening), Error> {
        let journal = self.journal()?;
        let outcome = if self.lost_writes {
            "what the journal lost comes back from a device that had synced it"
        } else {
            "nothing is lost"
        };
        let reason = format!("{trouble}: set aside, rebuilding it from the journal; {outcome}");
        self.rebuild_from(journal, reason, &mut |_| Ok(()))
    }

    /// Derives the store from this journal; `finish` has the replica before its store becomes the live one.
    pub(crate) fn rebuild_from(
        mut self,
        journal: Journal,
        reason: String,
        finish: &mut dyn FnMut(&mut Replica) -> Result<(), EngineError>,
    ) -> Result<(Held, Opening), Error> {
        // Before anything is set aside.
        let checked = check_device(&journal, self.key.device_id());
        checked.map_err(|error| self.told(error))?;
        tracing::warn!(dir = %self.folder.dir().display(), "{reason}");
        self.options.tell(Progress::StoreSetAside {
            reason: reason.clone(),
        });
        self.folder.set_aside(&reason)?;
        let path = self.folder.next_store()?;
        mark_open(&path)?;
        let kept = self.folder.live_engine();
        let engine = self.options.engine.unwrap_or(kept);
        let kv = RewritableKv::new(engine.open(&path, self.options.cache_bytes)?);
        let parts = parts(journal, kv.clone(), self.key.clone(), self.options);
        let mut replica = Replica::open(parts, &mut |replayed| tell(self.options, replayed))?;
        replica.install_policies(self.options.policies.clone());
        finish(&mut replica)?;
        replica.commit_group()?;
        replica.flush()?;
        self.folder.make_live(engine)?;
        Ok(self.done(replica, kv, Some(reason)))
    }

    /// An error of the engine, which does not know where the key was.
    fn told(&self, error: EngineError) -> Error {
        if let EngineError::OtherKey { .. } = error {
            let place = keys::told_place(self.folder.dir(), self.options);
            return Error::from(error).at_address(place);
        }
        error.into()
    }

    fn journal(&mut self) -> Result<Journal, Error> {
        let files = Box::new(self.folder.journal_files()?);
        let (journal, opening) = Journal::open_asking(files, &mut || self.known_end())?;
        self.torn_bytes += opening.torn_bytes;
        Ok(journal)
    }

    /// What the store knows of the journal's end, asked where that is broken.
    fn known_end(&self) -> KnownEnd {
        // A copy: a journal that is damaged is no reason to change the store.
        let remains = remains_of(&self.folder, self.options).unwrap_or_default();
        if has_seal(self.folder.live_store()) {
            return remains.of_closed().known_end();
        }
        remains.known_end()
    }

    fn done(
        self,
        mut replica: Replica,
        kv: RewritableKv,
        rebuilt: Option<String>,
    ) -> (Held, Opening) {
        // What the last process was to write again and did not.
        if let Err(error) = replica.reissue() {
            tracing::warn!(%error, "what lies on a branch of this device's feed is not written again yet");
        }
        if let Err(error) = replica.note_device() {
            tracing::warn!(%error, "whose folder this is cannot be noted");
        }
        note_place(&self.folder, &mut replica);
        let opening = Opening {
            rebuilt,
            torn_bytes: self.torn_bytes,
            journal_lost_writes: self.lost_writes,
            repaired: None,
        };
        let store = LiveStore::new(self.folder, kv, self.options.clone());
        (Held { replica, store }, opening)
    }
}

/// Keeps where the folder is open, and that it is not the one that was last open, where that is so.
///
/// A hint for people: that it cannot be kept is no reason not to open.
fn note_place(folder: &StoreFolder, replica: &mut Replica) {
    if let Some(from) = folder.copied_from() {
        let path = from.path.map(|path| path.display().to_string());
        tracing::warn!(dir = %folder.dir().display(), from = ?path, "what this folder holds was last open elsewhere");
        if let Err(error) = replica.note_copied(path, from.is_there) {
            tracing::warn!(%error, "that this folder was copied cannot be noted");
            return;
        }
    }
    keep_place(folder);
}

/// Keeps where the folder is open.
pub(crate) fn keep_place(folder: &StoreFolder) {
    if let Err(error) = folder.note_place() {
        tracing::warn!(%error, "where this folder is cannot be noted");
    }
}

/// Whether a folder with an empty journal says that there was more: it was open once, or its store has something in it,
/// which is in the journal first.
pub(crate) fn has_lost_its_journal(folder: &StoreFolder, options: &Options) -> bool {
    // Whether it was cannot be seen: then it is not made anew.
    StoreFolder::was_used(folder.dir()).unwrap_or(true)
        || remains_of(folder, options).is_some_and(|remains| remains.is_begun())
}

/// What a copy of the live store says; the store is not changed.
fn remains_of(folder: &StoreFolder, options: &Options) -> Option<Remains> {
    let copy = match StoreCopy::of(folder.live_store(), &|| true) {
        Ok(copy) => copy?,
        Err(error) => {
            tracing::warn!(%error, "the store cannot be asked what it holds");
            return None;
        }
    };
    let engine = folder.live_engine();
    let remains = guarded_quietly(|| {
        Remains::of(
            &*engine
                .open_unsealed(copy.path(), options.cache_bytes)
                .ok()?,
        )
        .ok()
    });
    remains.flatten()
}

/// Whether making the folder was cut off before the journal held anything.
fn journal_is_unused(dir: &Path) -> bool {
    match DiskFiles::open(&dir.join("journal")) {
        Ok(files) => Journal::is_unused(&files).unwrap_or(false),
        Err(_) => !dir.join("journal").exists(),
    }
}

/// All that a replica is made of.
pub(crate) fn parts(
    journal: Journal,
    kv: impl Kv + 'static,
    key: DeviceKey,
    options: &Options,
) -> Parts {
    Parts {
        journal,
        kv: Box::new(kv),
        key,
        clock: options.clock.clone(),
        randomness: (options.randomness)(),
    }
}

fn tell(options: &Options, replayed: Replayed) {
    options.tell(Progress::Replaying {
        done_bytes: replayed.done,
        total_bytes: replayed.total,
    });
}
