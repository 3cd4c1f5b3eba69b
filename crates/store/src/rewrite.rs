//! [`RewritableKv`]: a store that is copied into another, piece by piece, while it is in use.
//!
//! ```text
//!              | keys that were copied        | keys that were not |
//! reads        | the live store               | the live store     |
//! batches      | the live store, then the copy | the live store     |
//! ```
//!
//! So once all keys are copied the copy equals the live store and stays equal, and takes its place at any moment. What
//! happens to the copy never hurts the live store: a copy that fails is dropped, and that is all.
//!
//! Crash cases. Until [`RewritableKv::finish_copy`] has flushed the copy and its `flip` has made it the live one on disk, the
//! live store is the one it was, and the copy is rubbish for the next opening to remove. After it the copy is the live one and
//! the other is rubbish. Each holds the state after some prefix of the batches; neither is ever half of one.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use thiserror::Error;

use crate::{
    folder::FolderError,
    kv::{Batch, Kv, KvError, Snapshot},
    limits::{COPY_STEP_BYTES, COPY_STEP_KEYS},
    visit::Visit,
};

/// A store that can be rewritten while it is used; clones are one and the same store.
///
/// [`Kv::close`] of any clone closes it for all.
#[derive(Clone)]
pub struct RewritableKv {
    state: Arc<RwLock<State>>,
}

struct State {
    /// There until it is closed.
    live: Option<Box<dyn Kv>>,
    copy: Option<Copy>,
}

struct Copy {
    target: Box<dyn Kv>,
    /// Keys below it are in the target; `None` when all are.
    next: Option<Vec<u8>>,
    copied_bytes: u64,
}

/// How far a copy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopyProgress {
    /// Bytes of keys and values copied.
    pub copied_bytes: u64,
    /// Bytes there are.
    pub live_bytes: u64,
    /// Whether all keys are copied, so that it can be finished.
    pub is_whole: bool,
}

/// Why a copy was given up; the live store is what it was.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CopyError {
    /// The live store could not be read.
    #[error("the store cannot be read")]
    Source(#[source] KvError),
    /// The copy could not be written.
    #[error("the copy of the store cannot be written")]
    Target(#[source] KvError),
    /// There is no copy, or it was given up after a batch could not be written to it.
    #[error("no copy of the store is being made")]
    NoCopy,
    /// The copy is not whole yet, or holds something else than the store.
    #[error("the copy holds {copied_bytes} bytes and the store {live_bytes}")]
    Differs {
        /// Bytes of keys and values in the copy.
        copied_bytes: u64,
        /// Bytes of keys and values in the store.
        live_bytes: u64,
    },
    /// The copy could not be made the live store.
    #[error("the copy cannot be made the live store")]
    Flip(#[source] FolderError),
}

impl RewritableKv {
    /// Wraps a store.
    pub fn new(live: Box<dyn Kv>) -> RewritableKv {
        let state = State {
            live: Some(live),
            copy: None,
        };
        RewritableKv {
            state: Arc::new(RwLock::new(state)),
        }
    }

    /// Begins to copy into `target`, which is empty; an earlier copy is given up.
    pub fn begin_copy(&self, target: Box<dyn Kv>) {
        self.write().copy = Some(Copy {
            target,
            next: Some(Vec::new()),
            copied_bytes: 0,
        });
    }

    /// Copies the next few keys; after an error the copy is given up.
    pub fn copy_step(&self) -> Result<CopyProgress, CopyError> {
        let state = &mut *self.write();
        let copied = state.copy_step();
        if copied.is_err() {
            state.copy = None;
        }
        copied
    }

    /// Puts the copy, which is whole, in the place of the live store; `flip` does the same on disk, durably.
    ///
    /// The old store is closed. After an error the copy is given up; `flip` is not called unless the copy is flushed.
    pub fn finish_copy(
        &self,
        flip: impl FnOnce() -> Result<(), FolderError>,
    ) -> Result<(), CopyError> {
        let state = &mut *self.write();
        let copy = state.copy.take().ok_or(CopyError::NoCopy)?;
        let live_bytes = live_bytes(state.live().map_err(CopyError::Source)?)?;
        let copied_bytes = copy.target.live_bytes().map_err(CopyError::Target)?;
        if copy.next.is_some() || copied_bytes != live_bytes {
            return Err(CopyError::Differs {
                copied_bytes,
                live_bytes,
            });
        }
        copy.target.flush().map_err(CopyError::Target)?;
        flip().map_err(CopyError::Flip)?;
        if let Some(old) = state.live.replace(copy.target)
            && let Err(error) = old.close()
        {
            tracing::debug!(%error, "a store that was replaced did not close well");
        }
        Ok(())
    }

    /// Gives the copy up; says whether there was one.
    pub fn abandon_copy(&self) -> bool {
        self.write().copy.take().is_some()
    }

    // A panic of an engine leaves its store suspect, not the two pointers in here.
    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn live(&self) -> Result<&dyn Kv, KvError> {
        self.live
            .as_deref()
            .ok_or_else(|| KvError::Engine("the store is closed".into()))
    }

    fn copy_step(&mut self) -> Result<CopyProgress, CopyError> {
        let live = self.live().map_err(CopyError::Source)?;
        let mut piece = Batch::new();
        let mut bytes = 0;
        let mut is_last = true;
        let live_bytes = live_bytes(live)?;
        let next = &self.copy.as_ref().ok_or(CopyError::NoCopy)?.next;
        if let Some(from) = next {
            let fill = &mut |key: &[u8], value: &[u8]| {
                if piece.len() == COPY_STEP_KEYS || bytes >= COPY_STEP_BYTES {
                    is_last = false;
                    return Visit::Stop;
                }
                bytes += key.len() + value.len();
                piece.put(key, value);
                Visit::Continue
            };
            live.read(&mut |snapshot| snapshot.scan(from, None, fill))
                .map_err(CopyError::Source)?;
        }
        let copy = self.copy.as_mut().ok_or(CopyError::NoCopy)?;
        if !piece.is_empty() {
            copy.target.load(&piece).map_err(CopyError::Target)?;
        }
        copy.copied_bytes += bytes as u64;
        copy.next = match piece.iter().last() {
            // The least key above the last one.
            Some((last, _)) if !is_last => Some([last, &[0]].concat()),
            _ => None,
        };
        Ok(CopyProgress {
            copied_bytes: copy.copied_bytes,
            live_bytes,
            is_whole: copy.next.is_none(),
        })
    }
}

fn live_bytes(live: &dyn Kv) -> Result<u64, CopyError> {
    live.live_bytes().map_err(CopyError::Source)
}

impl Copy {
    /// The writes of a batch to keys that were copied.
    fn part_of(&self, batch: &Batch) -> Batch {
        let mut part = Batch::new();
        for (key, value) in batch.iter() {
            match value {
                _ if self.next.as_deref().is_some_and(|next| key >= next) => break,
                Some(value) => part.put(key, value),
                None => part.delete(key),
            }
        }
        part
    }
}

impl Kv for RewritableKv {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        self.state().live()?.get(key)
    }

    fn read(&self, f: &mut dyn FnMut(&dyn Snapshot) -> Result<(), KvError>) -> Result<(), KvError> {
        self.state().live()?.read(f)
    }

    fn apply(&self, batch: &Batch) -> Result<(), KvError> {
        let state = &mut *self.write();
        state.live()?.apply(batch)?;
        if let Some(copy) = &state.copy {
            let part = copy.part_of(batch);
            if !part.is_empty()
                && let Err(error) = copy.target.apply(&part)
            {
                tracing::warn!(%error, "a copy of the store cannot be written and is given up");
                state.copy = None;
            }
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), KvError> {
        self.state().live()?.flush()
    }

    fn close(self: Box<Self>) -> Result<(), KvError> {
        let state = &mut *self.write();
        state.copy = None;
        state.live.take().map_or(Ok(()), Kv::close)
    }

    fn size_on_disk(&self) -> Result<u64, KvError> {
        self.state().live()?.size_on_disk()
    }

    fn live_bytes(&self) -> Result<u64, KvError> {
        self.state().live()?.live_bytes()
    }
}
