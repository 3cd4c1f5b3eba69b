//! What every command has at hand: the folder, the output, and the database once it is open.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use driftless::{Database, Options, StoreEngine};

use crate::args::Global;
use crate::caller::Caller;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::output::{Output, clean, count};
use crate::progress::Progress;
use crate::served::Host;
use crate::standard_error::StandardError;

/// Names the folder where `--dir` is not given.
pub(crate) const DIR_VARIABLE: &str = "DRIFTLESS_DIR";
/// The code of the error of a folder that is not where it was.
const FOLDER_GONE: &str = "folder_gone";
/// The exit code of errors of the disk.
const STORAGE: u8 = 8;
/// A replay of fewer journal bytes is over before anybody wonders.
const QUIET_REPLAY_BYTES: u64 = 1024 * 1024;

/// What every command has at hand.
pub(crate) struct Context {
    dir: Option<PathBuf>,
    caller: Arc<dyn Caller>,
    /// Open already where a process carries out the commands of others.
    served: Option<Database>,
    /// For how long the folder may be made small when it is closed, if that is limited.
    tidy: Option<Duration>,
    /// Where the answer goes.
    pub(crate) output: Output,
}

impl Context {
    /// Of the arguments, and of the environment where they say nothing.
    pub(crate) fn new(global: Global, caller: Arc<dyn Caller>) -> Self {
        let dir = global
            .dir
            .or_else(|| std::env::var_os(DIR_VARIABLE).map(PathBuf::from))
            .filter(|dir| !dir.as_os_str().is_empty());
        Self {
            dir,
            output: Output::new(global.json, &*caller),
            caller,
            served: None,
            tidy: None,
        }
    }

    /// Of a command that another process typed, on a database that is open here.
    pub(crate) fn served(json: bool, caller: Arc<dyn Caller>, database: &Database) -> Self {
        let tell = telling(caller.standard_error().clone(), QUIET_REPLAY_BYTES);
        Self {
            dir: Some(database.dir().to_owned()),
            output: Output::new(json, &*caller),
            served: Some(database.with_progress(tell)),
            caller,
            tidy: None,
        }
    }

    /// Has the folder closed soon: what makes it small is left to a later process after so long.
    pub(crate) fn close_soon(&mut self, tidy: Duration) {
        self.tidy = Some(tidy);
    }

    /// The database that was open before the command, if it was.
    pub(crate) fn served_database(&self) -> Option<&Database> {
        self.served.as_ref()
    }

    /// Whether the database was open before the command, and stays open after it.
    pub(crate) fn is_served(&self) -> bool {
        self.served.is_some()
    }

    /// Whoever typed the command.
    pub(crate) fn caller(&self) -> Arc<dyn Caller> {
        self.caller.clone()
    }

    /// From now on being asked to end is the command's to answer.
    pub(crate) fn interrupt(&self) -> Result<Interrupt, Failure> {
        self.caller.interrupt()
    }

    /// One line on standard error.
    pub(crate) fn say(&self, text: &str) {
        self.output.say(text);
    }

    /// Options that tell progress on standard error; the name is used where a device is made.
    pub(crate) fn options(&self, device_name: &str) -> Options {
        self.telling(device_name, QUIET_REPLAY_BYTES)
    }

    /// Tells of replays of at least so many bytes.
    fn telling(&self, device_name: &str, replay_bytes: u64) -> Options {
        let tell = telling(self.caller.standard_error().clone(), replay_bytes);
        Options::named(device_name).with_progress(tell)
    }

    /// The device's folder.
    pub(crate) fn dir(&self) -> Result<&Path, Failure> {
        self.dir.as_deref().ok_or_else(|| Failure::Usage {
            message: "no folder is given".into(),
            remedy: format!(
                "Name the device's folder with --dir DIR, or in the environment variable {DIR_VARIABLE}."
            ),
        })
    }

    /// Opens the device, lets `work` use it, and closes it again whatever came of it.
    pub(crate) async fn with_database<T>(
        &mut self,
        work: impl AsyncFnOnce(&Database, &mut Output) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let database = self.open().await?;
        let result = work(&database, &mut self.output).await;
        self.close_after(database, result).await
    }

    /// Opens the device; [`Context::close`] is to be called afterwards.
    async fn open(&self) -> Result<Database, Failure> {
        if let Some(database) = &self.served {
            return Ok(database.clone());
        }
        let dir = self.dir()?;
        let database = Database::open(dir, self.options("")).await?;
        self.tell_opening(&database, dir);
        Ok(database)
    }

    /// Opens the device, unless somebody asks this process to end before it is open.
    ///
    /// [`Context::close`] is to be called afterwards.
    pub(crate) async fn open_unless(&self, interrupt: &Interrupt) -> Result<Database, Failure> {
        tokio::select! {
            database = self.open() => database,
            () = interrupt.wait() => Err(Failure::Interrupted {
                done: "nothing was done yet".into(),
                remedy: "Run the command again.",
            }),
        }
    }

    /// Opens the device with a store that is derived again; [`Context::close`] is to be called afterwards.
    ///
    /// An engine that is given is the store's from then on.
    pub(crate) async fn rebuild(&self, engine: Option<StoreEngine>) -> Result<Database, Failure> {
        if let Some(database) = &self.served {
            let tell = telling(self.caller.standard_error().clone(), 0);
            database
                .with_progress(tell)
                .rebuild_in_place(engine)
                .await?;
            return Ok(database.clone());
        }
        let mut options = self.telling("", 0);
        options.engine = engine;
        Ok(Database::rebuild(self.dir()?, options).await?)
    }

    /// Lets other processes use the folder while this one holds it. That it cannot be is said, and no more.
    pub(crate) fn carry_out_for_others(&self, database: &Database) -> Option<Host> {
        let started = self.dir().map(|dir| Host::start(database, dir));
        match started {
            Ok(Ok(host)) => Some(host),
            Ok(Err(error)) => {
                self.say(&format!(
                    "other commands will find the folder busy: driftless.sock cannot be made in it ({error})"
                ));
                None
            }
            Err(_) => None,
        }
    }

    /// Closes the device. What was acknowledged is durable already, so that failing is a remark, not an error; unless
    /// the folder is gone, of which nobody can say what it holds.
    pub(crate) async fn close(&self, database: Database) -> Result<(), Failure> {
        if self.is_served() {
            return Ok(());
        }
        let closed = match self.tidy {
            Some(tidy) => database.close_soon(tidy).await,
            None => database.close().await,
        };
        match closed {
            Err(error) if error.code() == FOLDER_GONE => return Err(error.into()),
            Err(error) => self.say(&format!(
                "closing the folder failed ({error}); what was done is durable, the next command mends the rest"
            )),
            Ok(()) => {}
        }
        Ok(())
    }

    /// Closes the device after a command; a disk that failed the command fails the closing too, and is told once.
    pub(crate) async fn close_after<T>(
        &self,
        database: Database,
        result: Result<T, Failure>,
    ) -> Result<T, Failure> {
        let is_told = result
            .as_ref()
            .is_err_and(|failure| failure.exit_code() == STORAGE);
        if is_told && !self.is_served() {
            drop(database.close().await);
            return result;
        }
        let closed = self.close(database).await;
        // What went wrong first is what is told.
        let done = result?;
        closed.map(|()| done)
    }

    /// Says what was found broken, and mended, when the folder was opened; a store that was rebuilt is said by
    /// the progress of opening.
    fn tell_opening(&self, database: &Database, dir: &Path) {
        let torn_bytes = database.opening().torn_bytes;
        if torn_bytes > 0 {
            self.say(&format!(
                "the journal of {} ended in an unfinished write of {torn_bytes} bytes, which was cut off",
                dir.display()
            ));
        }
    }
}

/// Tells long work of the library on standard error, replays of at least so many bytes.
fn telling(
    to: StandardError,
    replay_bytes: u64,
) -> impl Fn(driftless::Progress) + Send + Sync + 'static {
    let meters = Mutex::new(Meters::new(to, replay_bytes));
    move |progress| {
        // Progress is for the eye: what a panic left behind is as good as any.
        let mut meters = meters.lock().unwrap_or_else(PoisonError::into_inner);
        meters.tell(&progress);
    }
}

/// Long work of the library, each kind on a line of its own.
struct Meters {
    to: StandardError,
    /// Shorter replays are not told.
    replay_bytes: u64,
    replayed: Progress,
    verified: Progress,
    rewritten: Progress,
    synced: Progress,
    decided: Progress,
}

impl Meters {
    fn new(to: StandardError, replay_bytes: u64) -> Self {
        Self {
            replay_bytes,
            replayed: to.progress("replayed", "journal byte"),
            verified: to.progress("verified", "journal byte"),
            rewritten: to.progress("rewrote", "byte"),
            synced: to.progress("synced", "record"),
            decided: to.progress("decided", "conflict").on_terminals_only(),
            to,
        }
    }

    fn tell(&mut self, progress: &driftless::Progress) {
        use driftless::Progress as P;
        match *progress {
            P::StoreSetAside { ref reason } => self.to.mention(&clean(reason)),
            P::Replaying {
                done_bytes,
                total_bytes,
            } if total_bytes >= self.replay_bytes => {
                self.replayed.at(done_bytes, total_bytes);
            }
            P::Verifying {
                done_bytes,
                total_bytes,
            } => self.verified.at(done_bytes, total_bytes),
            P::Rewriting {
                done_bytes,
                total_bytes,
            } => self.rewritten.at(done_bytes, total_bytes),
            P::Deciding { decided, skipped } => self.decided.tell(
                decided + skipped,
                &format!("{} decided, {skipped} left", count(decided, "conflict")),
            ),
            P::Syncing {
                records_received,
                records_sent,
            } => {
                let parts = [("received", records_received), ("sent", records_sent)];
                let parts: Vec<_> = parts
                    .into_iter()
                    .filter(|(_, records)| *records > 0)
                    .map(|(verb, records)| format!("{verb} {}", count(records, "record")))
                    .collect();
                self.synced
                    .tell(records_received + records_sent, &parts.join(", "));
            }
            _ => {}
        }
    }
}
