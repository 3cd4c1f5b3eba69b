//! The contract of an ordered key-value engine.
//!
//! 1. Keys are byte strings in ascending byte order, values are byte strings; both may be empty.
//! 2. A [`Batch`] is all or nothing among readers: a [`Snapshot`] shows either none of it or all of it, and shows the
//!    same from its first read to its last.
//! 3. When [`Kv::apply`] returns, every later read sees the batch.
//! 4. After the engine is closed, killed, or the machine loses power, and it is opened again, it holds the state after
//!    some prefix of its batches, or it does not open. [`Kv::flush`] is a hint that makes the prefix longer and promises nothing.
//! 5. A value that is not what was written is [`KvError::Damaged`], never wrong bytes.
//!
//! So whoever uses it puts a mark of progress into each batch and can tell from the mark what is missing.
//! One conformance suite in `tests/it/conformance.rs` holds every engine to this.

use std::{collections::BTreeMap, error::Error, io, path::PathBuf};

use crate::{
    limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX},
    visit::Visit,
};

/// Shown the key and the value of each entry of a scan.
pub(crate) type Visitor<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Visit;

/// Puts and deletes that happen together; the last write of a key wins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    writes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl Batch {
    /// Returns a batch without writes.
    pub fn new() -> Batch {
        Batch::default()
    }

    /// Sets the value of a key.
    pub fn put(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.writes.insert(key.into(), Some(value.into()));
    }

    /// Removes a key; one that is not there is no error.
    pub fn delete(&mut self, key: impl Into<Vec<u8>>) {
        self.writes.insert(key.into(), None);
    }

    /// Returns what this batch does to a key: `None` nothing, `Some(None)` delete, `Some(value)` put.
    pub fn write_of(&self, key: &[u8]) -> Option<Option<&[u8]>> {
        self.writes.get(key).map(Option::as_deref)
    }

    /// Adds the writes of `later`, which win over the ones here.
    pub fn extend(&mut self, later: Batch) {
        self.writes.extend(later.writes);
    }

    /// Returns the writes in ascending order of keys; `None` deletes.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.writes
            .iter()
            .map(|(key, value)| (key.as_slice(), value.as_deref()))
    }

    /// Returns the number of keys written.
    pub fn len(&self) -> usize {
        self.writes.len()
    }

    /// Says whether nothing is written.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Returns the bytes of all keys and values written.
    pub(crate) fn bytes(&self) -> u64 {
        self.iter()
            .map(|(key, value)| (key.len() + value.map_or(0, <[u8]>::len)) as u64)
            .sum()
    }

    /// Refuses keys and values over the limits, before anything is applied.
    pub(crate) fn check(&self) -> Result<(), KvError> {
        for (key, value) in self.iter() {
            if key.len() > KEY_BYTES_MAX {
                return Err(KvError::KeyTooLong {
                    length: key.len(),
                    limit: KEY_BYTES_MAX,
                });
            }
            let length = value.map_or(0, <[u8]>::len);
            if length > VALUE_BYTES_MAX {
                return Err(KvError::ValueTooLong {
                    length,
                    limit: VALUE_BYTES_MAX,
                });
            }
        }
        Ok(())
    }
}

/// One unchanging state of a store.
pub trait Snapshot {
    /// Returns the value of a key.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError>;

    /// Shows the entries from `from` (inclusive) to `to` (exclusive; `None` for all) in ascending order of keys.
    ///
    /// Without keys in between, or with `to` at or below `from`, nothing is shown.
    fn scan(
        &self,
        from: &[u8],
        to: Option<&[u8]>,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> Visit,
    ) -> Result<(), KvError>;

    /// Shows the same entries as [`Snapshot::scan`] in descending order of keys.
    fn scan_back(
        &self,
        from: &[u8],
        to: Option<&[u8]>,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> Visit,
    ) -> Result<(), KvError>;
}

/// An ordered key-value engine; the module says what it promises.
pub trait Kv: Send + Sync {
    /// Returns the newest value of a key.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError>;

    /// Shows one state of the store to `f`; an `apply` elsewhere may wait until `f` returns.
    ///
    /// So `f` must call nothing on this store but its snapshot: calling `apply`, or reading again, may wait forever.
    fn read(&self, f: &mut dyn FnMut(&dyn Snapshot) -> Result<(), KvError>) -> Result<(), KvError>;

    /// Applies a batch, all or nothing.
    ///
    /// After an error other than a limit, the store is in the state before or after the batch and should be reopened.
    fn apply(&self, batch: &Batch) -> Result<(), KvError>;

    /// Applies a batch of keys that are not there yet, packed as closely as the engine can: for filling a fresh store.
    ///
    /// A crash in the middle may leave damaged values, so the store must not be anybody's yet.
    fn load(&self, batch: &Batch) -> Result<(), KvError> {
        self.apply(batch)
    }

    /// Hands what was applied to the operating system: a hint, not a promise.
    fn flush(&self) -> Result<(), KvError>;

    /// Flushes, and releases what is held; dropping releases as well, but hides errors.
    fn close(self: Box<Self>) -> Result<(), KvError>;

    /// Returns the bytes the store takes on disk, or in memory for one that has no disk.
    fn size_on_disk(&self) -> Result<u64, KvError>;

    /// Returns the bytes of all keys and values there are, as their writer sees them, whatever they take on disk.
    ///
    /// Known without reading, but where the last process was killed: then the first call reads the whole store.
    fn live_bytes(&self) -> Result<u64, KvError>;
}

/// Returns the least key greater than every key with this prefix, or `None` if there is none (it is empty or all 0xFF).
///
/// `scan(prefix, prefix_end(prefix).as_deref(), ..)` shows exactly the keys with the prefix.
pub fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != 0xff)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

/// What an engine said of its failure; its type belongs to the engine.
pub type EngineFailure = Box<dyn Error + Send + Sync>;

/// A store that could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KvError {
    /// The caller's key is too long; nothing was applied.
    #[error("a key of {length} bytes exceeds the limit of {limit}")]
    KeyTooLong {
        /// Its length in bytes.
        length: usize,
        /// The greatest length in bytes.
        limit: usize,
    },
    /// The caller's value is too long; nothing was applied.
    #[error("a value of {length} bytes exceeds the limit of {limit}")]
    ValueTooLong {
        /// Its length in bytes.
        length: usize,
        /// The greatest length in bytes.
        limit: usize,
    },
    /// A stored value is not what was written; the store must be rebuilt.
    #[error("the stored value of a key of {} bytes is damaged", key.len())]
    Damaged {
        /// The key.
        key: Vec<u8>,
    },
    /// A stored value has a format written by a newer version of this program.
    #[error("a stored value has format {version}, which is unknown")]
    UnknownFormat {
        /// The key.
        key: Vec<u8>,
        /// The format version found.
        version: u8,
    },
    /// A stored value is encrypted with a key this store was not given.
    #[error("a stored value needs key {key_version}")]
    UnknownKey {
        /// The key of the entry.
        key: Vec<u8>,
        /// The key version found; 0 would be plain.
        key_version: u32,
    },
    /// The files of the store are there and make no sense; it must be rebuilt.
    #[error("the store in {} does not open", folder.display())]
    DoesNotOpen {
        /// Its folder.
        folder: PathBuf,
        /// What the engine said, or `None` if it panicked.
        #[source]
        source: Option<EngineFailure>,
    },
    /// The engine wrote a file that it never syncs, which our sizes of keys and values should rule out.
    #[error("the store wrote {}, which it does not sync", path.display())]
    UnsyncedFile {
        /// The file.
        path: PathBuf,
    },
    /// The disk failed.
    #[error("reading or writing the store failed")]
    Io(#[from] io::Error),
    /// The engine failed in a way that is neither the disk nor the caller.
    #[error("the store engine failed")]
    Engine(#[source] EngineFailure),
    /// Asked to fail, in a test.
    #[error("the store was asked to fail")]
    Injected,
}
