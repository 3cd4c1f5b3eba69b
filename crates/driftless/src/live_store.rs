//! [`LiveStore`]: the store of a folder while it is open, and its rewriting when its files have outgrown its data.
//!
//! An engine's files grow with every write, whether the data grows or not. A store over four times its data is copied
//! into a fresh one beside it, in steps of a few milliseconds: while nobody asks anything, and for a third of the time while
//! somebody does, so that it is done however busy the database is. [`RewritableKv`] says how reads and writes go on meanwhile,
//! and what a crash leaves. A process that is too short for that finishes it when it closes.
//!
//! It lives on the thread that owns the replica. A rewrite that fails is a remark in the log, never somebody's error, but
//! for who asked for it.

use driftless_store::{
    CopyError, CopyProgress, Kv, KvError, RewritableKv, StoreEngine, StoreFolder, mark_open,
};
use tokio::sync::oneshot;

use crate::actor::guarded;
use crate::error::{Error, is_kv_damage};
use crate::limits::{CLOSE_REWRITE_BYTES, STORE_GROWTH, STORE_PERCENT_AT_CLOSE};
use crate::options::Options;
use crate::progress::Progress;

/// The store of a folder that is open.
pub(crate) struct LiveStore {
    folder: StoreFolder,
    kv: RewritableKv,
    options: Options,
    rewrite: Option<Rewrite>,
    /// A rewrite that failed is not tried again below this size.
    again_over_bytes: u64,
    /// Bytes of the files when it was opened.
    opened_bytes: u64,
    /// Bytes of the files, and of the data, of the last copy that became live.
    fresh: Option<(u64, u64)>,
}

/// What the store of a database takes on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreReport {
    /// The engine that keeps it.
    pub engine: StoreEngine,
    /// Bytes of its files.
    pub bytes: u64,
    /// Bytes of the keys and values in it.
    pub live_bytes: u64,
    /// How much of them is copied, in bytes, while the store is being rewritten.
    pub rewritten_bytes: Option<u64>,
}

/// What a rewrite did to the bytes of the store's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rewritten {
    pub(crate) before_bytes: u64,
    pub(crate) after_bytes: u64,
}

/// Why the store should be derived again at the next opening.
pub(crate) struct Suspect(pub(crate) String);

/// Somebody who waits for a rewrite; a dropped receiver does not want it any more.
pub(crate) type Waiting = oneshot::Sender<Result<Rewritten, Error>>;

/// How much larger than its data a store may be.
#[derive(Clone, Copy)]
enum Over {
    /// At any time.
    Ever,
    /// Twice that.
    TwiceEver,
    /// When a process closes it that made it grow.
    AtClose,
}

impl Over {
    /// Times the data, and percent of what a fresh store of that data would take: both must be exceeded.
    fn limits(self) -> (u64, u128) {
        match self {
            Self::Ever => (STORE_GROWTH, 150),
            Self::TwiceEver => (2 * STORE_GROWTH, 150),
            Self::AtClose => (1, STORE_PERCENT_AT_CLOSE),
        }
    }
}

struct Rewrite {
    before_bytes: u64,
    progress: CopyProgress,
    /// Whether it goes on when nobody waits for it.
    is_due: bool,
    waiting: Vec<Waiting>,
}

impl LiveStore {
    /// Of the open store `kv` at the live path of the folder.
    pub(crate) fn new(folder: StoreFolder, kv: RewritableKv, options: Options) -> Self {
        let opened_bytes = kv.size_on_disk().unwrap_or(0);
        Self {
            folder,
            kv,
            options,
            rewrite: None,
            again_over_bytes: 0,
            opened_bytes,
            fresh: None,
        }
    }

    /// Lets go of the store; what was copied and is not in use is removed.
    pub(crate) fn into_folder(self) -> StoreFolder {
        let Self {
            folder,
            kv,
            rewrite,
            ..
        } = self;
        // After a panic it is the last handle of an engine in any state.
        let _ = guarded(|| {
            kv.abandon_copy();
            drop(kv);
        });
        if rewrite.is_some() {
            remove_leftovers(&folder);
        }
        folder
    }

    /// The folder it is in.
    pub(crate) fn folder(&self) -> &StoreFolder {
        &self.folder
    }

    /// Whether its folder is where it was.
    pub(crate) fn is_in_place(&self) -> bool {
        self.folder.check_place().is_ok()
    }

    /// What it takes on disk.
    pub(crate) fn report(&self) -> Result<StoreReport, Error> {
        let rewrite = self.rewrite.as_ref();
        Ok(StoreReport {
            engine: self.folder.live_engine(),
            bytes: self.kv.size_on_disk()?,
            live_bytes: self.kv.live_bytes()?,
            rewritten_bytes: rewrite.map(|rewrite| rewrite.progress.copied_bytes),
        })
    }

    /// Whether [`LiveStore::step`] has something to do.
    pub(crate) fn is_at_work(&self) -> bool {
        self.rewrite.is_some()
    }

    /// Begins to rewrite the store if its files have outgrown its data.
    pub(crate) fn begin_if_due(&mut self) {
        self.begin_if_over(Over::Ever);
    }

    fn begin_if_over(&mut self, over: Over) {
        if self.rewrite.is_some() {
            return;
        }
        match self.is_over(over) {
            Ok(false) => {}
            Ok(true) => {
                if let Err(error) = self.begin(true) {
                    self.give_up(&error);
                }
            }
            Err(error) => tracing::debug!(%error, "the size of the store is unknown"),
        }
    }

    /// Rewrites the store for somebody who waits.
    pub(crate) fn request(&mut self, waiting: Waiting) {
        if self.rewrite.is_none()
            && let Err(error) = self.begin(false)
        {
            remove_leftovers(&self.folder);
            // Whoever does not wait any more does not want to know.
            let _ = waiting.send(Err(error));
            return;
        }
        if let Some(rewrite) = &mut self.rewrite {
            rewrite.waiting.push(waiting);
        }
    }

    /// Copies a little, and replaces the store by the copy once that is whole.
    ///
    /// A failure ends the rewrite, and no more; but a store that turns out to be damaged is told.
    pub(crate) fn step(&mut self) -> Result<(), Suspect> {
        let Some(rewrite) = &mut self.rewrite else {
            return Ok(());
        };
        rewrite.waiting.retain(|waiting| !waiting.is_closed());
        if rewrite.waiting.is_empty() && !rewrite.is_due {
            self.rewrite = None;
            self.kv.abandon_copy();
            remove_leftovers(&self.folder);
            return Ok(());
        }
        match self.kv.copy_step() {
            Ok(progress) => {
                rewrite.progress = progress;
                if !rewrite.waiting.is_empty() {
                    self.options.tell(Progress::Rewriting {
                        done_bytes: progress.copied_bytes.min(progress.live_bytes),
                        total_bytes: progress.live_bytes,
                    });
                }
                if progress.is_whole {
                    self.finish();
                }
                Ok(())
            }
            Err(error) => {
                let suspect = match &error {
                    CopyError::Source(error) => suspect_of(error),
                    _ => None,
                };
                self.give_up(&error.into());
                suspect.map_or(Ok(()), Err)
            }
        }
    }

    /// What is left to do before the store is closed: a rewrite that is due is finished, unless the store is large and
    /// can wait for a longer process. Once `go_on` says no, it waits all the same.
    pub(crate) fn settle(&mut self, go_on: &dyn Fn() -> bool) -> Result<(), Suspect> {
        if !go_on() {
            return Ok(());
        }
        let has_grown = self
            .kv
            .size_on_disk()
            .is_ok_and(|bytes| bytes.saturating_sub(self.opened_bytes) >= bytes / 4);
        self.begin_if_over(if has_grown { Over::AtClose } else { Over::Ever });
        let Some(rewrite) = &self.rewrite else {
            return Ok(());
        };
        let is_quick = rewrite.progress.live_bytes <= CLOSE_REWRITE_BYTES;
        let is_due = rewrite.is_due;
        let cannot_wait = || self.is_over(Over::TwiceEver).unwrap_or(false);
        if is_due && (is_quick || cannot_wait()) {
            while self.is_at_work() && go_on() {
                self.step()?;
            }
        }
        Ok(())
    }

    /// Whether the files have outgrown the data, and are large enough to matter.
    fn is_over(&self, over: Over) -> Result<bool, KvError> {
        let (times, fresh_percent) = over.limits();
        let bytes = self.kv.size_on_disk()?;
        if bytes <= self.options.store_floor_bytes.max(self.again_over_bytes) {
            return Ok(false);
        }
        let live_bytes = self.kv.live_bytes()?;
        // Should a fresh store look outgrown, as a small one may, it has to grow first all the same.
        let fresh_bytes = match self.fresh {
            Some((fresh, of)) => u128::from(fresh) * u128::from(live_bytes) / u128::from(of.max(1)),
            None => 0,
        };
        let has_grown = u128::from(bytes) * 100 > fresh_bytes * fresh_percent;
        Ok(has_grown && bytes > live_bytes.saturating_mul(times))
    }

    fn begin(&mut self, is_due: bool) -> Result<(), Error> {
        let before_bytes = self.kv.size_on_disk()?;
        let live_bytes = self.kv.live_bytes()?;
        tracing::info!(
            store = %self.folder.live_store().display(), before_bytes, live_bytes, "rewriting the store"
        );
        let path = self.folder.next_store()?;
        mark_open(&path)?;
        let engine = self.folder.live_engine();
        self.kv
            .begin_copy(engine.open(&path, self.options.cache_bytes)?);
        self.rewrite = Some(Rewrite {
            before_bytes,
            progress: CopyProgress {
                copied_bytes: 0,
                live_bytes,
                is_whole: false,
            },
            is_due,
            waiting: Vec::new(),
        });
        Ok(())
    }

    fn finish(&mut self) {
        let folder = &mut self.folder;
        let engine = folder.live_engine();
        if let Err(error) = self.kv.finish_copy(|| folder.flip(engine)) {
            return self.give_up(&error.into());
        }
        remove_leftovers(&self.folder);
        let after_bytes = self.kv.size_on_disk().unwrap_or(0);
        if let Some(rewrite) = self.rewrite.take() {
            let before_bytes = rewrite.before_bytes;
            tracing::info!(
                store = %self.folder.live_store().display(), before_bytes, after_bytes, "rewrote the store"
            );
            for waiting in rewrite.waiting {
                let _ = waiting.send(Ok(Rewritten {
                    before_bytes,
                    after_bytes,
                }));
            }
        }
        self.fresh = Some((after_bytes, self.kv.live_bytes().unwrap_or(0)));
        self.again_over_bytes = 0;
    }

    fn give_up(&mut self, error: &Error) {
        tracing::warn!(%error, "rewriting the store failed; it stays as it is");
        self.kv.abandon_copy();
        remove_leftovers(&self.folder);
        self.again_over_bytes = self.kv.size_on_disk().unwrap_or(0).saturating_mul(2);
        for waiting in self.rewrite.take().into_iter().flat_map(|r| r.waiting) {
            let _ = waiting.send(Err(error.clone()));
        }
    }
}

fn suspect_of(error: &KvError) -> Option<Suspect> {
    is_kv_damage(error).then(|| Suspect(error.to_string()))
}

fn remove_leftovers(folder: &StoreFolder) {
    if let Err(error) = folder.remove_leftovers() {
        tracing::warn!(%error, "a store that is not used any more stays until the next opening");
    }
}
