//! What every command has at hand: the folder, the output, and the database once it is open.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use driftless::{Database, Options, StoreEngine};

use crate::args::Global;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::output::{Output, clean, count, say};
use crate::progress::Progress;

/// Names the folder where `--dir` is not given.
pub(crate) const DIR_VARIABLE: &str = "DRIFTLESS_DIR";
/// A replay of fewer journal bytes is over before anybody wonders.
const QUIET_REPLAY_BYTES: u64 = 1024 * 1024;

/// What every command has at hand.
pub(crate) struct Context {
    dir: Option<PathBuf>,
    /// Where the answer goes.
    pub(crate) output: Output,
}

impl Context {
    /// Of the arguments, and of the environment where they say nothing.
    pub(crate) fn new(global: Global) -> Self {
        let dir = global
            .dir
            .or_else(|| std::env::var_os(DIR_VARIABLE).map(PathBuf::from))
            .filter(|dir| !dir.as_os_str().is_empty());
        Self {
            dir,
            output: Output::new(global.json),
        }
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

    /// Opens the device, lets `work` use it, and closes it whatever came of it.
    pub(crate) async fn with_database<T>(
        &mut self,
        work: impl AsyncFnOnce(&Database, &mut Output) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let database = self.open().await?;
        let result = work(&database, &mut self.output).await;
        close(database).await;
        result
    }

    /// Opens the device; [`close`] is to be called afterwards.
    async fn open(&self) -> Result<Database, Failure> {
        let dir = self.dir()?;
        let database = Database::open(dir, options("")).await?;
        tell_opening(&database, dir);
        Ok(database)
    }

    /// Opens the device, unless somebody asks this process to end before it is open.
    ///
    /// [`close`] is to be called afterwards.
    pub(crate) async fn open_unless(&self, interrupt: &Interrupt) -> Result<Database, Failure> {
        tokio::select! {
            database = self.open() => database,
            () = interrupt.wait() => Err(Failure::Interrupted {
                done: "nothing was done yet".into(),
                remedy: "Run the command again.",
            }),
        }
    }
}

/// Says what was found broken, and mended, when the folder was opened; a store that was rebuilt is said by
/// the progress of opening.
fn tell_opening(database: &Database, dir: &Path) {
    let torn_bytes = database.opening().torn_bytes;
    if torn_bytes > 0 {
        say(&format!(
            "the journal of {} ended in an unfinished write of {torn_bytes} bytes, which was cut off",
            dir.display()
        ));
    }
}

/// Closes the device. What was acknowledged is durable already, so that failing is a remark, not an error.
pub(crate) async fn close(database: Database) {
    if let Err(error) = database.close().await {
        say(&format!(
            "closing the folder failed ({error}); what was done is durable, the next command mends the rest"
        ));
    }
}

/// Options that tell progress on standard error; the name is used where a device is made.
pub(crate) fn options(device_name: &str) -> Options {
    telling(device_name, QUIET_REPLAY_BYTES)
}

/// The same for an opening that is known to read the whole journal.
pub(crate) fn rebuild_options(engine: Option<StoreEngine>) -> Options {
    let mut options = telling("", 0);
    options.engine = engine;
    options
}

/// Tells of replays of at least so many bytes.
fn telling(device_name: &str, replay_bytes: u64) -> Options {
    let meters = Mutex::new(Meters::new(replay_bytes));
    Options::named(device_name).with_progress(move |progress| {
        // Progress is for the eye: what a panic left behind is as good as any.
        let mut meters = meters.lock().unwrap_or_else(PoisonError::into_inner);
        meters.tell(&progress);
    })
}

/// Long work of the library, each kind on a line of its own.
struct Meters {
    /// Shorter replays are not told.
    replay_bytes: u64,
    replayed: Progress,
    verified: Progress,
    rewritten: Progress,
    synced: Progress,
}

impl Meters {
    fn new(replay_bytes: u64) -> Self {
        Self {
            replay_bytes,
            replayed: Progress::new("replayed", "journal byte"),
            verified: Progress::new("verified", "journal byte"),
            rewritten: Progress::new("rewrote", "byte"),
            synced: Progress::new("synced", "record"),
        }
    }

    fn tell(&mut self, progress: &driftless::Progress) {
        use driftless::Progress as P;
        match *progress {
            P::StoreSetAside { ref reason } => say(&clean(reason)),
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
