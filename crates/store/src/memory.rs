//! [`MemoryKv`]: an engine without a disk, for tests and the simulator, with faults on request.

use std::{
    collections::BTreeMap,
    io,
    ops::Bound,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use crate::{
    kv::{Batch, Kv, KvError, Snapshot, Visitor},
    sealed::{HEADER_BYTES, Shape, seal, unseal},
    visit::Visit,
};

type Entries = BTreeMap<Vec<u8>, Vec<u8>>;
type Bounds<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);

/// An ordered map in memory; clones share their content.
///
/// Values carry the same header as on disk, so that a flipped bit is noticed here as it is there.
#[derive(Clone, Debug, Default)]
pub struct MemoryKv {
    state: Arc<RwLock<State>>,
}

#[derive(Debug, Default)]
struct State {
    entries: Entries,
    history: Option<History>,
    applies_until_failure: Option<u64>,
    reads_fail: bool,
}

/// What a crash can go back to.
#[derive(Debug, Default)]
struct History {
    flushed: Entries,
    unflushed: Vec<Batch>,
}

impl MemoryKv {
    /// Returns an empty store that cannot crash.
    pub fn new() -> MemoryKv {
        MemoryKv::default()
    }

    /// Returns an empty store that keeps what [`MemoryKv::crash`] needs: its content at the last flush, and all batches since.
    pub fn with_history() -> MemoryKv {
        let store = MemoryKv::default();
        store.write().history = Some(History::default());
        store
    }

    /// Returns another store with the content this one has now, damage included.
    #[must_use]
    pub fn duplicate(&self) -> MemoryKv {
        let store = MemoryKv::default();
        store.become_like(self);
        store
    }

    /// Takes on the content another store has now, damage included.
    pub fn become_like(&self, other: &MemoryKv) {
        let entries = other.state().entries.clone();
        self.write().entries = entries;
    }

    /// Says whether it holds the same bytes as another.
    pub fn is_same_as(&self, other: &MemoryKv) -> bool {
        let entries = other.state().entries.clone();
        self.state().entries == entries
    }

    /// Returns all keys, of values that are damaged too, in ascending order.
    pub fn stored_keys(&self) -> Vec<Vec<u8>> {
        self.state().entries.keys().cloned().collect()
    }

    /// Goes back to the last flush and the first `kept` batches after it, as a power loss may; returns how many batches were lost.
    ///
    /// Without history nothing is lost.
    pub fn crash(&self, kept: usize) -> usize {
        let state = &mut *self.write();
        let Some(history) = &mut state.history else {
            return 0;
        };
        let lost = history.unflushed.len().saturating_sub(kept);
        history.unflushed.truncate(kept);
        state.entries = history.flushed.clone();
        for batch in &history.unflushed {
            put_all(&mut state.entries, batch);
        }
        lost
    }

    /// Lets the `count`-th batch from now (1 is the next) fail without being applied, once.
    pub fn fail_apply(&self, count: u64) {
        self.write().applies_until_failure = Some(count);
    }

    /// Lets every read fail as on a disk that is full, until it is told otherwise.
    pub fn fail_reads(&self, fail: bool) {
        self.write().reads_fail = fail;
    }

    /// Flips one bit in what is stored for a key; returns false if there is no such key or bit.
    pub fn flip_bit(&self, key: &[u8], bit: usize) -> bool {
        let mut state = self.write();
        let byte = state
            .entries
            .get_mut(key)
            .and_then(|stored| stored.get_mut(bit / 8));
        if let Some(byte) = byte {
            *byte ^= 1 << (bit % 8);
            return true;
        }
        false
    }

    /// Removes a key without anybody being told, as a disk may.
    pub fn lose_key(&self, key: &[u8]) -> bool {
        self.write().entries.remove(key).is_some()
    }

    // The state is replaced key by key by code that cannot panic half-way, so a poisoned lock still guards a whole state.
    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn readable(&self) -> Result<RwLockReadGuard<'_, State>, KvError> {
        let state = self.state();
        if state.reads_fail {
            return Err(io::Error::from(io::ErrorKind::StorageFull).into());
        }
        Ok(state)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kv for MemoryKv {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        Snapshot::get(&self.readable()?.entries, key)
    }

    fn read(&self, f: &mut dyn FnMut(&dyn Snapshot) -> Result<(), KvError>) -> Result<(), KvError> {
        f(&self.readable()?.entries)
    }

    fn apply(&self, batch: &Batch) -> Result<(), KvError> {
        batch.check()?;
        let state = &mut *self.write();
        if let Some(left) = &mut state.applies_until_failure {
            *left = left.saturating_sub(1);
            if *left == 0 {
                state.applies_until_failure = None;
                return Err(KvError::Injected);
            }
        }
        put_all(&mut state.entries, batch);
        if let Some(history) = &mut state.history {
            history.unflushed.push(batch.clone());
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), KvError> {
        let state = &mut *self.write();
        if let Some(history) = &mut state.history {
            for batch in history.unflushed.drain(..) {
                put_all(&mut history.flushed, &batch);
            }
        }
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<(), KvError> {
        self.flush()
    }

    fn size_on_disk(&self) -> Result<u64, KvError> {
        let state = self.state();
        let sizes = state.entries.iter();
        Ok(sizes
            .map(|(key, stored)| (key.len() + stored.len()) as u64)
            .sum())
    }

    fn live_bytes(&self) -> Result<u64, KvError> {
        let state = self.state();
        let headers = (state.entries.len() * HEADER_BYTES) as u64;
        drop(state);
        Ok(self.size_on_disk()? - headers)
    }
}

fn put_all(entries: &mut Entries, batch: &Batch) {
    for (key, value) in batch.iter() {
        match value {
            Some(value) => entries.insert(key.to_vec(), seal(key, Shape::Whole, value)),
            None => entries.remove(key),
        };
    }
}

impl Snapshot for Entries {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        BTreeMap::get(self, key)
            .map(|stored| Ok(unseal(key, stored)?.1.to_vec()))
            .transpose()
    }

    fn scan(&self, from: &[u8], to: Option<&[u8]>, visit: Visitor<'_>) -> Result<(), KvError> {
        let Some(bounds) = bounds(from, to) else {
            return Ok(());
        };
        show(self.range::<[u8], _>(bounds), visit)
    }

    fn scan_back(&self, from: &[u8], to: Option<&[u8]>, visit: Visitor<'_>) -> Result<(), KvError> {
        let Some(bounds) = bounds(from, to) else {
            return Ok(());
        };
        show(self.range::<[u8], _>(bounds).rev(), visit)
    }
}

/// Returns the bounds of a range, or `None` where a map would panic or find nothing.
fn bounds<'a>(from: &'a [u8], to: Option<&'a [u8]>) -> Option<Bounds<'a>> {
    if to.is_some_and(|to| to <= from) {
        return None;
    }
    Some((
        Bound::Included(from),
        to.map_or(Bound::Unbounded, Bound::Excluded),
    ))
}

fn show<'a>(
    entries: impl Iterator<Item = (&'a Vec<u8>, &'a Vec<u8>)>,
    visit: Visitor<'_>,
) -> Result<(), KvError> {
    for (key, stored) in entries {
        let (_, value) = unseal(key, stored)?;
        if visit(key, value) == Visit::Stop {
            break;
        }
    }
    Ok(())
}
