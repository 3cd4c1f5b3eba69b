//! [`RedbKv`]: redb 4 behind the contract of [`Kv`].
//!
//! One file, `data.redb`, with two tables: `values` holds the caller's keys, `meta` the count of live bytes. What a
//! stored value is, `sealed.rs` says; redb takes values of any size we take, so none is in chunks.
//!
//! A batch is a transaction. It is made durable not by itself but by the next flush, for the journal is the truth; redb
//! keeps the pages of its last durable state until then, so [`UNSYNCED_BYTES_MAX`] of batches are made durable at
//! the latest. After any crash redb opens with its last durable state, which is that after some prefix of the batches.
//!
//! redb checks its pages when it repairs a file that was not closed, and may panic on one that was changed behind
//! its back: a panic while opening is caught, and the seal beside the store finds changes of a closed one.

#[cfg(test)]
mod tests;

use std::{
    fs, io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use redb::{
    Builder, CommitError, Database, DatabaseError, Durability, ReadableDatabase,
    SetDurabilityError, StorageError, TableDefinition, TableError, TransactionError,
};

use crate::{
    files::{folder_bytes, sync_folder},
    kv::{Batch, Kv, KvError, Snapshot, Visitor},
    limits::{KEY_BYTES_MAX, UNSYNCED_BYTES_MAX},
    live::{Difference, LiveBytes},
    sealed::{HEADER_BYTES, Shape, seal, unseal},
    visit::Visit,
};

type Table = TableDefinition<'static, &'static [u8], &'static [u8]>;

const VALUES: Table = TableDefinition::new("values");
const META: Table = TableDefinition::new("meta");

/// The key of the count of live bytes in `meta`.
const LIVE: &[u8] = b"live";

const FILE: &str = "data.redb";

/// A store in a folder of its own, kept by redb.
#[derive(Debug)]
pub struct RedbKv {
    folder: PathBuf,
    database: Database,
    live: LiveBytes,
    /// Bytes of the batches since the last durable one.
    unsynced_bytes: AtomicU64,
}

impl RedbKv {
    /// Opens the store in `folder`, creating it if there is none, with a page cache of `cache_bytes`.
    ///
    /// A file that makes no sense is [`KvError::DoesNotOpen`]. One whose process was killed is read as a whole.
    pub fn open(folder: &Path, cache_bytes: u64) -> Result<RedbKv, KvError> {
        Self::open_or_check(folder, cache_bytes, false)
    }

    /// The same for a file that may have been changed since redb closed it: it is read as a whole in any case.
    pub fn open_unsealed(folder: &Path, cache_bytes: u64) -> Result<RedbKv, KvError> {
        Self::open_or_check(folder, cache_bytes, true)
    }

    fn open_or_check(folder: &Path, cache_bytes: u64, is_checked: bool) -> Result<RedbKv, KvError> {
        fs::create_dir_all(folder)?;
        let path = folder.join(FILE);
        let is_new = !path.try_exists()?;
        let store = Self::with(folder, cache_bytes, |builder| {
            builder.set_check_integrity_on_open(is_checked && !is_new);
            builder.create(&path)
        })?;
        if is_new {
            sync_folder(folder)?;
        }
        Ok(store)
    }

    /// Says whether there is a store in `folder`, whatever its state.
    pub(crate) fn is_in(folder: &Path) -> bool {
        let length = fs::metadata(folder.join(FILE)).map(|metadata| metadata.len());
        length.is_ok_and(|length| length > 0)
    }

    fn with(
        folder: &Path,
        cache_bytes: u64,
        open: impl FnOnce(&mut Builder) -> Result<Database, DatabaseError>,
    ) -> Result<RedbKv, KvError> {
        let mut builder = Builder::new();
        builder.set_cache_size(usize::try_from(cache_bytes).unwrap_or(usize::MAX));
        let does_not_open = |source| KvError::DoesNotOpen {
            folder: folder.to_owned(),
            source,
        };
        let opened = || -> Result<(Database, LiveBytes), KvError> {
            let database = match open(&mut builder) {
                Ok(database) => database,
                Err(DatabaseError::Storage(StorageError::Io(error))) if !is_nonsense(&error) => {
                    return Err(KvError::Io(error));
                }
                Err(error) => return Err(does_not_open(Some(Box::new(error)))),
            };
            let live = read_live(&database)?;
            Ok((database, live))
        };
        // redb is handed a file and hands back a database: nothing of ours is seen half-changed.
        match catch_unwind(AssertUnwindSafe(opened)) {
            Ok(Ok((database, live))) => Ok(RedbKv {
                folder: folder.to_owned(),
                database,
                live,
                unsynced_bytes: AtomicU64::new(0),
            }),
            Ok(Err(KvError::Engine(source))) => Err(does_not_open(Some(source))),
            Ok(Err(error)) => Err(error),
            Err(_panic) => Err(does_not_open(None)),
        }
    }

    fn snapshot(&self) -> Result<TableSnapshot, KvError> {
        let transaction = self.database.begin_read().map_err(from_transaction)?;
        let table = transaction.open_table(VALUES).map_err(from_table)?;
        Ok(TableSnapshot { table })
    }

    /// Makes durable what was applied, and stores the count of live bytes if `at_end`.
    fn make_durable(&self, at_end: bool) -> Result<(), KvError> {
        let transaction = self.database.begin_write().map_err(from_transaction)?;
        if let Some(bytes) = self.live.known().filter(|_| at_end) {
            let mut meta = transaction.open_table(META).map_err(from_table)?;
            let stored = seal(LIVE, Shape::Whole, &bytes.to_be_bytes());
            meta.insert(LIVE, stored.as_slice()).map_err(from_storage)?;
        }
        transaction.commit().map_err(from_commit)?;
        self.unsynced_bytes.store(0, Ordering::Relaxed);
        Ok(())
    }
}

impl Kv for RedbKv {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        self.snapshot()?.get(key)
    }

    fn read(&self, f: &mut dyn FnMut(&dyn Snapshot) -> Result<(), KvError>) -> Result<(), KvError> {
        f(&self.snapshot()?)
    }

    fn apply(&self, batch: &Batch) -> Result<(), KvError> {
        batch.check()?;
        let mut transaction = self.database.begin_write().map_err(from_transaction)?;
        let bytes = batch.bytes() + self.unsynced_bytes.load(Ordering::Relaxed);
        let is_durable = bytes > UNSYNCED_BYTES_MAX;
        if !is_durable {
            transaction
                .set_durability(Durability::None)
                .map_err(from_durability)?;
        }
        let mut difference = Difference::none();
        {
            let mut values = transaction.open_table(VALUES).map_err(from_table)?;
            for (key, value) in batch.iter() {
                let old = if let Some(value) = value {
                    difference.add(key, value.len());
                    let stored = seal(key, Shape::Whole, value);
                    values.insert(key, stored.as_slice())
                } else {
                    values.remove(key)
                };
                if let Some(old) = old.map_err(from_storage)? {
                    let length = old.value().len().saturating_sub(HEADER_BYTES);
                    difference.remove(key, length as u64);
                }
            }
            if self.live.is_stored() {
                let mut meta = transaction.open_table(META).map_err(from_table)?;
                meta.remove(LIVE).map_err(from_storage)?;
            }
        }
        transaction.commit().map_err(from_commit)?;
        self.live.applied(difference);
        let unsynced_bytes = if is_durable { 0 } else { bytes };
        self.unsynced_bytes.store(unsynced_bytes, Ordering::Relaxed);
        Ok(())
    }

    fn flush(&self) -> Result<(), KvError> {
        self.make_durable(false)
    }

    fn close(self: Box<Self>) -> Result<(), KvError> {
        self.make_durable(true)?;
        self.database.close().map_err(from_database)
    }

    fn size_on_disk(&self) -> Result<u64, KvError> {
        Ok(folder_bytes(&self.folder)?)
    }

    fn live_bytes(&self) -> Result<u64, KvError> {
        if let Some(bytes) = self.live.known() {
            return Ok(bytes);
        }
        let mut bytes = 0;
        self.snapshot()?.scan(b"", None, &mut |key, value| {
            bytes += (key.len() + value.len()) as u64;
            Visit::Continue
        })?;
        self.live.counted(bytes);
        Ok(bytes)
    }
}

/// Makes the tables of a new store, and reads the count of live bytes.
fn read_live(database: &Database) -> Result<LiveBytes, KvError> {
    let transaction = database.begin_read().map_err(from_transaction)?;
    match transaction.open_table(META) {
        Ok(meta) => {
            let stored = meta.get(LIVE).map_err(from_storage)?;
            let bytes = stored.and_then(|stored| {
                let (_, content) = unseal(LIVE, stored.value()).ok()?;
                Some(u64::from_be_bytes(content.try_into().ok()?))
            });
            Ok(LiveBytes::opened(bytes))
        }
        Err(TableError::TableDoesNotExist(_)) => {
            drop(transaction);
            let transaction = database.begin_write().map_err(from_transaction)?;
            for table in [VALUES, META] {
                transaction.open_table(table).map_err(from_table)?;
            }
            transaction.commit().map_err(from_commit)?;
            Ok(LiveBytes::empty())
        }
        Err(error) => Err(from_table(error)),
    }
}

type Entries<'a> = redb::Range<'a, &'static [u8], &'static [u8]>;

/// The table as it was when it was opened.
struct TableSnapshot {
    table: redb::ReadOnlyTable<&'static [u8], &'static [u8]>,
}

impl TableSnapshot {
    fn range<'a>(&'a self, from: &[u8], to: Option<&[u8]>) -> Result<Option<Entries<'a>>, KvError> {
        let range = match to {
            Some(to) if to <= from => return Ok(None),
            Some(to) => self.table.range::<&[u8]>(from..to),
            None => self.table.range::<&[u8]>(from..),
        };
        range.map(Some).map_err(from_storage)
    }
}

impl Snapshot for TableSnapshot {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        if key.len() > KEY_BYTES_MAX {
            return Ok(None);
        }
        let stored = self.table.get(key).map_err(from_storage)?;
        stored
            .map(|stored| Ok(value_of(key, stored.value())?.to_vec()))
            .transpose()
    }

    fn scan(&self, from: &[u8], to: Option<&[u8]>, visit: Visitor<'_>) -> Result<(), KvError> {
        match self.range(from, to)? {
            Some(entries) => show(entries, visit),
            None => Ok(()),
        }
    }

    fn scan_back(&self, from: &[u8], to: Option<&[u8]>, visit: Visitor<'_>) -> Result<(), KvError> {
        match self.range(from, to)? {
            Some(entries) => show(entries.rev(), visit),
            None => Ok(()),
        }
    }
}

type Guard<'a> = redb::AccessGuard<'a, &'static [u8]>;

fn show<'a>(
    entries: impl Iterator<Item = Result<(Guard<'a>, Guard<'a>), StorageError>>,
    visit: Visitor<'_>,
) -> Result<(), KvError> {
    for entry in entries {
        let (key, stored) = entry.map_err(from_storage)?;
        let value = value_of(key.value(), stored.value())?;
        if visit(key.value(), value) == Visit::Stop {
            break;
        }
    }
    Ok(())
}

fn value_of<'a>(key: &[u8], stored: &'a [u8]) -> Result<&'a [u8], KvError> {
    match unseal(key, stored)? {
        (Shape::Whole, value) => Ok(value),
        _ => Err(KvError::Damaged { key: key.to_vec() }),
    }
}

/// Whether the file, and not the disk, is what redb complains of.
fn is_nonsense(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
    )
}

fn from_storage(error: StorageError) -> KvError {
    match error {
        StorageError::Io(error) => KvError::Io(error),
        // The first failure was told; the store is to be reopened, not rebuilt.
        error @ StorageError::PreviousIo => KvError::Io(io::Error::other(error)),
        error => KvError::Engine(Box::new(error)),
    }
}

fn from_transaction(error: TransactionError) -> KvError {
    match error {
        TransactionError::Storage(error) => from_storage(error),
        error => KvError::Engine(Box::new(error)),
    }
}

fn from_table(error: TableError) -> KvError {
    match error {
        TableError::Storage(error) => from_storage(error),
        error => KvError::Engine(Box::new(error)),
    }
}

fn from_commit(error: CommitError) -> KvError {
    match error {
        CommitError::Storage(error) => from_storage(error),
        error => KvError::Engine(Box::new(error)),
    }
}

fn from_database(error: DatabaseError) -> KvError {
    match error {
        DatabaseError::Storage(error) => from_storage(error),
        error => KvError::Engine(Box::new(error)),
    }
}

fn from_durability(error: SetDurabilityError) -> KvError {
    KvError::Engine(Box::new(error))
}
