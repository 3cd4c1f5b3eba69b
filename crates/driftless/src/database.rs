//! [`Database`]: one device's replica of a workspace, in a folder.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use driftless_engine::{
    ChangeEvent, DigestReport, EngineError, Millis, Replica, StatusReport, VerifyReport,
};
use driftless_protocol::{DeviceId, WorkspaceId};

use crate::actor::Actor;
use crate::collection::Collection;
use crate::conflicts::Conflicts;
use crate::error::Error;
use crate::join;
use crate::limits::{INVITE_USES, INVITE_VALID_FOR};
use crate::live_store::StoreReport;
use crate::net::{Identity, checked_address};
use crate::new_folder::NewFolder;
use crate::opening::{self, Held, Opening};
use crate::options::Options;
use crate::progress::Progress;
use crate::sync::Sync;

/// One device's replica of a workspace: records, their conflicts, and sync with other devices.
///
/// A handle that is cheap to clone. What a write returned for is durable on this device, whatever the network
/// does. No call blocks a thread of the runtime. One process has a folder open at a time.
///
/// [`Database::close`] closes it for all handles and waits. When the last handle is dropped it is closed as
/// well, in the background; a process that ends before that loses nothing, and opens more slowly next time.
#[derive(Clone)]
pub struct Database {
    shared: Arc<Shared>,
}

struct Shared {
    actor: Actor,
    identity: Identity,
    dir: PathBuf,
    workspace: WorkspaceId,
    device: DeviceId,
    opening: Opening,
    options: Options,
}

/// What an invitation says and allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InviteOptions {
    /// Where this device listens, as the invited one reaches it: `ws://HOST:PORT`.
    pub address: String,
    /// How many devices may join with it.
    pub uses: u32,
    /// For how long.
    pub valid_for: Duration,
}

/// What [`Database::compact`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompactReport {
    /// Bytes of the store's files before.
    pub store_before_bytes: u64,
    /// And after.
    pub store_after_bytes: u64,
    /// Bytes of the journal before.
    pub journal_before_bytes: u64,
    /// And after.
    pub journal_after_bytes: u64,
}

impl InviteOptions {
    /// An invitation for one device, valid for a week.
    pub fn to(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            uses: INVITE_USES,
            valid_for: INVITE_VALID_FOR,
        }
    }
}

impl Database {
    /// Makes a new workspace in a folder that holds none; this device owns it.
    pub async fn create(dir: impl AsRef<Path>, options: Options) -> Result<Self, Error> {
        let dir = dir.as_ref();
        let (dir_owned, options_owned) = (dir.to_owned(), options.clone());
        let open = move || {
            let folder = NewFolder::begin(&dir_owned, &options_owned)?;
            let name = &options_owned.device_name;
            let held = folder.finish(|parts| Replica::create(parts, name))?;
            Ok((held, Opening::default()))
        };
        Self::start(dir, options, open).await
    }

    /// Opens the workspace in a folder; [`Database::opening`] says what was found.
    ///
    /// A store that is damaged, or missing, is set aside and derived again from the journal. Dropping the
    /// future does not stop the opening; the folder is closed again when it is over.
    pub async fn open(dir: impl AsRef<Path>, options: Options) -> Result<Self, Error> {
        let dir = dir.as_ref();
        let (dir_owned, options_owned) = (dir.to_owned(), options.clone());
        let open = move || opening::open(&dir_owned, &options_owned);
        Self::start(dir, options, open).await
    }

    /// Opens the workspace in a folder with a store that is derived again from the journal.
    ///
    /// [`Options::engine`] says with which engine; without it the store keeps the one it has.
    pub async fn rebuild(dir: impl AsRef<Path>, options: Options) -> Result<Self, Error> {
        let dir = dir.as_ref();
        let (dir_owned, options_owned) = (dir.to_owned(), options.clone());
        let open = move || opening::rebuild(&dir_owned, &options_owned);
        Self::start(dir, options, open).await
    }

    /// Joins a workspace with an invitation link, over the network, in a folder that holds none.
    ///
    /// It brings the list of members only: [`Sync::again`] then fetches the records. A failure leaves the
    /// folder as it was, so that it can be tried again.
    pub async fn join(dir: impl AsRef<Path>, link: &str, options: Options) -> Result<Self, Error> {
        join::join(dir.as_ref(), link, options).await
    }

    pub(crate) async fn start(
        dir: &Path,
        options: Options,
        open: impl FnOnce() -> Result<(Held, Opening), Error> + Send + 'static,
    ) -> Result<Self, Error> {
        let open = move || {
            let (held, opening) = open()?;
            let key = held.replica.device_key().clone();
            let told = (key, held.replica.workspace(), opening);
            Ok((held, told))
        };
        let (actor, told) = Actor::start(options.clock.clone(), open).await?;
        let (key, workspace, opening) = told;
        let shared = Shared {
            actor,
            device: key.device_id(),
            identity: Identity::new(key, &options),
            dir: dir.to_owned(),
            workspace,
            opening,
            options,
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Closes the database for all its handles; whatever was asked before is done first.
    pub async fn close(self) -> Result<(), Error> {
        self.shared.actor.close().await
    }

    /// A collection of records; it comes into being with its first record.
    pub fn collection(&self, name: &str) -> Collection {
        let progress = self.shared.options.progress.clone();
        Collection::new(self.shared.actor.clone(), name, progress)
    }

    /// The conflict log.
    pub fn conflicts(&self) -> Conflicts {
        Conflicts::new(self.shared.actor.clone())
    }

    /// Sync with other devices.
    pub fn sync(&self) -> Sync {
        Sync::new(self.shared.actor.clone(), self.shared.identity.clone())
    }

    /// The folder it lives in, as it was given.
    pub fn dir(&self) -> &Path {
        &self.shared.dir
    }

    /// The workspace, the same on all its devices.
    pub fn workspace(&self) -> WorkspaceId {
        self.shared.workspace
    }

    /// This device.
    pub fn device(&self) -> DeviceId {
        self.shared.device
    }

    /// What opening it found out.
    pub fn opening(&self) -> &Opening {
        &self.shared.opening
    }

    /// Makes an invitation link; whoever has it can join, at any member that knows of it.
    pub async fn invite(&self, invitation: InviteOptions) -> Result<String, Error> {
        let address = checked_address(&invitation.address)?;
        let valid_for_ms =
            Millis::try_from(invitation.valid_for.as_millis()).unwrap_or(Millis::MAX);
        let invite =
            move |replica: &mut Replica| replica.invite(&address, invitation.uses, valid_for_ms);
        Ok(self.shared.actor.write(invite).await?.to_text())
    }

    /// Each change this device has committed or received after number `seq`, in order, at most `limit`.
    pub async fn changes_since(&self, seq: u64, limit: usize) -> Result<Vec<ChangeEvent>, Error> {
        self.read(move |replica| replica.changes_since(seq, limit))
            .await
    }

    /// The collections there are, each with how many records are not deleted.
    pub async fn collections(&self) -> Result<Vec<(String, u64)>, Error> {
        self.read(Replica::collections).await
    }

    /// How this device stands.
    pub async fn status(&self) -> Result<StatusReport, Error> {
        self.read(Replica::status).await
    }

    /// What its store takes on disk.
    pub async fn store(&self) -> Result<StoreReport, Error> {
        self.shared.actor.store_report().await
    }

    /// Makes the folder as small as it gets, now; other calls go on meanwhile.
    ///
    /// The store does this by itself when its files have outgrown its data. Dropping the future gives it up, and
    /// leaves everything as it was.
    pub async fn compact(&self) -> Result<CompactReport, Error> {
        let journal_bytes = |replica: &Replica| Ok(replica.journal_bytes());
        let journal_before_bytes = self.read(journal_bytes).await?;
        // Whatever makes the journal smaller goes before the store, to which it writes.
        let store = self.shared.actor.rewrite_store().await?;
        Ok(CompactReport {
            store_before_bytes: store.before_bytes,
            store_after_bytes: store.after_bytes,
            journal_before_bytes,
            journal_after_bytes: self.read(journal_bytes).await?,
        })
    }

    /// What it has in common with every device that holds the same.
    pub async fn digest(&self) -> Result<DigestReport, Error> {
        self.read(Replica::digest).await
    }

    /// Derives everything again from the journal and compares; other calls wait meanwhile.
    pub async fn verify(&self) -> Result<VerifyReport, Error> {
        let options = self.shared.options.clone();
        self.read(move |replica| {
            replica.verify(&mut |replayed| {
                options.tell(Progress::Verifying {
                    done_bytes: replayed.done,
                    total_bytes: replayed.total,
                });
            })
        })
        .await
    }

    /// A setting of this device, which is never sent; `None` where it was not set.
    pub async fn setting(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let name = name.to_owned();
        self.read(move |replica| replica.setting(&name)).await
    }

    /// Keeps a setting of this device.
    pub async fn set_setting(&self, name: &str, value: &[u8]) -> Result<(), Error> {
        let (name, value) = (name.to_owned(), value.to_owned());
        let set = move |replica: &mut Replica| replica.set_setting(&name, &value);
        self.shared.actor.write(set).await
    }

    pub(crate) async fn remember_peer(&self, peer: DeviceId, address: String) -> Result<(), Error> {
        let remember = move |replica: &mut Replica| replica.remember_peer(peer, &address);
        self.shared.actor.write(remember).await
    }

    async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Replica) -> Result<T, EngineError> + Send + 'static,
    ) -> Result<T, Error> {
        self.shared.actor.read(job).await
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database")
            .field("dir", &self.shared.dir)
            .field("workspace", &self.shared.workspace)
            .field("device", &self.shared.device)
            .finish_non_exhaustive()
    }
}
