//! [`Database`]: one device's replica of a workspace, in a folder.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use driftless_engine::{
    ChangeEvent, DigestReport, EngineError, Millis, MissingRun, Replica, StatusReport,
    VerifyReport, limits,
};
use driftless_protocol::{DeviceId, Role, WorkspaceId};
use driftless_store::{StoreEngine, Visit};
use tokio::sync::oneshot;

use crate::actor::Actor;
use crate::collection::Collection;
use crate::commits::Commits;
use crate::conflicts::Conflicts;
use crate::error::Error;
use crate::join;
use crate::limits::{INVITE_USES, INVITE_VALID_FOR, SUSPEND_TIMEOUT};
use crate::live_store::StoreReport;
use crate::members::Members;
use crate::net::{Network, checked_address};
use crate::new_folder::NewFolder;
use crate::opening::{self, Held, Opening};
use crate::options::Options;
use crate::outbox::Outbox;
use crate::progress::Progress;
use crate::quarantine::Quarantine;
use crate::repair;
use crate::rules::WorkspaceRules;
use crate::status::StatusWatch;
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
    network: Network,
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
    /// What these devices may do: at most what this one may.
    pub role: Role,
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
    /// An invitation for one device, as an editor, valid for a week.
    pub fn to(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            uses: INVITE_USES,
            valid_for: INVITE_VALID_FOR,
            role: Role::Editor,
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

    /// Repairs what is damaged in a folder, and opens it; [`Opening::repaired`] of [`Database::opening`] says what was found
    /// and done.
    ///
    /// Every envelope that is whole is kept. What is damaged is set aside in the folder `journal.damaged`, and comes back with
    /// the next sync with a device that has it; what rests on it waits until then. A store that is damaged is derived
    /// again. Where nothing is damaged, nothing is changed. One that is interrupted, however that happens, is to be run
    /// again and goes on; until then the folder does not open. An error leaves all that is whole where it was.
    pub async fn repair(dir: impl AsRef<Path>, options: Options) -> Result<Self, Error> {
        let dir = dir.as_ref();
        let (dir_owned, options_owned) = (dir.to_owned(), options.clone());
        let open = move || repair::repair(&dir_owned, &options_owned);
        Self::start(dir, options, open).await
    }

    /// Checks everything in a folder that is not open, and changes nothing: the journal and all that is in it, the store,
    /// and the one against the other.
    ///
    /// It goes on behind what is wrong. The store is copied to the system's folder for temporary files, and read there.
    /// Dropping the future gives it up.
    pub async fn inspect(dir: impl AsRef<Path>, options: Options) -> Result<VerifyReport, Error> {
        let report = Self::inspect_while(dir, options, || true).await?;
        report.ok_or_else(|| Error::bug("what nobody gave up was given up"))
    }

    /// [`Database::inspect`] for as long as `go_on` says so; `None` once it does not.
    ///
    /// By then the copy of the store is gone, which a future that is dropped does not wait for: for a process that ends.
    pub async fn inspect_while(
        dir: impl AsRef<Path>,
        options: Options,
        go_on: impl Fn() -> bool + Send + 'static,
    ) -> Result<Option<VerifyReport>, Error> {
        let dir = dir.as_ref().to_owned();
        let (answer, answered) = oneshot::channel();
        let look = move || {
            let go_on = || go_on() && !answer.is_closed();
            let inspected = repair::inspect(&dir, &options, &go_on);
            // Whoever does not wait any more does not want to know.
            let _ = answer.send(inspected);
        };
        std::thread::Builder::new()
            .name("driftless-inspect".to_owned())
            .spawn(look)
            .map_err(Error::no_thread)?;
        let inspected = answered.await;
        inspected.map_err(|_| Error::bug("looking at the folder panicked"))?
    }

    /// Derives the store again from the journal while the database stays open; other calls wait meanwhile.
    ///
    /// Sessions with other devices end with an error after which they connect again. A failure closes the database.
    /// An engine that is given is the store's from now on.
    pub async fn rebuild_in_place(&self, engine: Option<StoreEngine>) -> Result<(), Error> {
        let mut options = self.shared.options.clone();
        options.engine = engine;
        let rebuild = move |held| opening::rebuild_held(held, &options);
        self.shared.actor.rebuild(rebuild).await
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
            network: Network::new(key, &options),
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
    ///
    /// Files that have grown a lot are made small before: with tens of megabytes in them that may take seconds.
    pub async fn close(self) -> Result<(), Error> {
        self.shared.actor.close(None).await
    }

    /// The same for a program that has to end soon: what makes files small is left to a later process after `tidy`.
    pub async fn close_soon(self, tidy: Duration) -> Result<(), Error> {
        self.shared.actor.close(Some(tidy)).await
    }

    /// Waits until the database has ended, and says why: it was closed, or a failure that it cannot go on after,
    /// such as a full disk.
    ///
    /// Every later call fails with the same error; opening the folder again starts from what was acknowledged. A
    /// program that runs for long waits for this beside whatever ends it. Dropping the future changes nothing.
    pub async fn ended(&self) -> Error {
        self.shared.actor.ended().await
    }

    /// The same database; calls through the handle that is returned tell `progress` how far they are, and not
    /// what [`Options::progress`] names.
    #[must_use]
    pub fn with_progress(
        &self,
        progress: impl Fn(Progress) + Send + std::marker::Sync + 'static,
    ) -> Self {
        let options = self.shared.options.clone().with_progress(progress);
        let mut network = self.shared.network.clone();
        network.progress.clone_from(&options.progress);
        let shared = Shared {
            actor: self.shared.actor.clone(),
            network,
            dir: self.shared.dir.clone(),
            workspace: self.shared.workspace,
            device: self.shared.device,
            opening: self.shared.opening.clone(),
            options,
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// A collection of records; it comes into being with its first record.
    pub fn collection(&self, name: &str) -> Collection {
        let progress = self.shared.options.progress.clone();
        Collection::new(self.shared.actor.clone(), name, progress)
    }

    /// The conflict log.
    pub fn conflicts(&self) -> Conflicts {
        let progress = self.shared.options.progress.clone();
        Conflicts::new(self.shared.actor.clone(), progress)
    }

    /// The devices of the workspace.
    pub fn members(&self) -> Members {
        Members::new(self.shared.actor.clone())
    }

    /// What is held of other devices, and of this one, and not applied.
    pub fn quarantine(&self) -> Quarantine {
        Quarantine::new(self.shared.actor.clone())
    }

    /// What was made here and is not yet everywhere it should be.
    pub fn outbox(&self) -> Outbox {
        Outbox::new(self.shared.actor.clone())
    }

    /// The rules that say what a contested field shows.
    pub fn rules(&self) -> WorkspaceRules {
        WorkspaceRules::new(self.shared.actor.clone())
    }

    /// Sync with other devices.
    pub fn sync(&self) -> Sync {
        Sync::new(self.shared.actor.clone(), self.shared.network.clone())
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
    ///
    /// An error of kind `Refused` where this device may not let others in with that role.
    pub async fn invite(&self, invitation: InviteOptions) -> Result<String, Error> {
        let address = checked_address(&invitation.address)?;
        let valid_for_ms =
            Millis::try_from(invitation.valid_for.as_millis()).unwrap_or(Millis::MAX);
        let InviteOptions { role, uses, .. } = invitation;
        let invite =
            move |replica: &mut Replica| replica.invite_as(role, &address, uses, valid_for_ms);
        Ok(self.shared.actor.write(invite).await?.to_text())
    }

    /// Tells from now on when something is committed or received.
    pub fn commits(&self) -> Commits {
        Commits::new(self.shared.actor.clone())
    }

    /// The number of the last change this device has committed or received, 0 where there is none.
    pub async fn last_change(&self) -> Result<u64, Error> {
        self.read(|replica| Ok(replica.last_change())).await
    }

    /// Each change this device has committed or received after number `seq`, in order, at most `limit`.
    ///
    /// Numbers are this device's own. Where a change is taken back, or one that was refused is applied after all, those
    /// behind it are counted anew: whoever finds [`Database::last_change`] below the number it has begins again.
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

    /// Takes note that a person has read [`StatusReport::elsewhere`] and [`StatusReport::copied`]: they are not told again,
    /// what comes later is.
    pub async fn dismiss_elsewhere(&self) -> Result<(), Error> {
        self.shared.actor.write(Replica::dismiss_elsewhere).await
    }

    /// How this device and its connections stand, told whenever that changes.
    pub fn watch_status(&self) -> StatusWatch {
        StatusWatch::new(&self.shared.actor, self.shared.network.links.clone())
    }

    /// Ends all connections politely, stops listening, and has the store hand what it holds to the disk.
    ///
    /// Until it is resumed nothing is sent, and what needs a network is refused with the code `suspended`, but
    /// for [`Sync::sync_for`]. Reading and writing go on as ever, and ending the process at any moment loses
    /// nothing. It takes at most five seconds, whatever the other sides do.
    pub async fn suspend(&self) -> Result<(), Error> {
        let links = &self.shared.network.links;
        links.suspend(true);
        if !links.all_closed(SUSPEND_TIMEOUT).await {
            tracing::warn!("a connection did not end in time");
        }
        self.shared.actor.flush().await
    }

    /// Listens again where servers listened, and makes every connection again at once.
    ///
    /// An error says that an address is not free; it is tried again until it is, or the server is stopped.
    pub async fn resume(&self) -> Result<(), Error> {
        let links = &self.shared.network.links;
        links.suspend(false);
        if links.all_listening(SUSPEND_TIMEOUT).await {
            Ok(())
        } else {
            Err(Error::cannot_listen_again())
        }
    }

    /// What its store takes on disk.
    pub async fn store(&self) -> Result<StoreReport, Error> {
        self.shared.actor.store_report().await
    }

    /// Makes the folder as small as it gets, now; other calls go on meanwhile.
    ///
    /// The journal is packed and the store written anew. Both happen by themselves as they are due. Dropping the
    /// future gives it up; what is packed until then stays packed.
    pub async fn compact(&self) -> Result<CompactReport, Error> {
        let journal_bytes = |replica: &Replica| Ok(replica.journal_bytes());
        let journal_before_bytes = self.read(journal_bytes).await?;
        // The journal before the store, to which packing writes; a segment a call, so that others have their turn.
        let actor = &self.shared.actor;
        let close = |replica: &mut Replica| replica.close_segment(limits::CLOSE_SEGMENT_BYTES);
        actor.write(close).await?;
        while actor.write(|replica| replica.pack_next(&|| true)).await? {}
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

    /// Checks everything that is stored, derives it again from the journal and compares; other calls wait meanwhile.
    ///
    /// Nothing is changed. Dropping the future gives it up. [`Database::inspect`] does the same for a folder that does
    /// not open.
    pub async fn verify(&self) -> Result<VerifyReport, Error> {
        let options = self.shared.options.clone();
        // Dropped with the future.
        let (wanted, is_wanted) = {
            let wanted = Arc::new(());
            let weak = Arc::downgrade(&wanted);
            (wanted, weak)
        };
        let verified = self
            .read(move |replica| {
                replica.verify_while(&mut |replayed| {
                    if replayed.done > 0 {
                        options.tell(Progress::Verifying {
                            done_bytes: replayed.done,
                            total_bytes: replayed.total,
                        });
                    }
                    if is_wanted.strong_count() > 0 {
                        Visit::Continue
                    } else {
                        Visit::Stop
                    }
                })
            })
            .await?;
        drop(wanted);
        Ok(verified.unwrap_or_default())
    }

    /// What was held here, or something here rests on, and is gone from a journal that was damaged; it comes back with a
    /// sync with a device that has it.
    pub async fn missing(&self) -> Result<Vec<MissingRun>, Error> {
        self.read(Replica::missing).await
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
