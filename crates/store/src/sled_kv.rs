//! [`SledKv`]: sled 0.34.7 behind the contract of [`Kv`].
//!
//! What sled gets wrong, and the answer to each:
//! * It takes a half-written `snap.*.generating` for its newest snapshot: these are deleted before it opens.
//! * It writes large values, and leaves of large values, to files below `blobs/` that it never syncs: no stored value
//!   is over 6 KiB and no key over 480 bytes, and a file in `blobs/` is an error.
//! * Its own flusher thread runs at its own times: it is off, and we flush.
//! * Where an error of its log meets a thread that waits for it, it may wake that no more: a flush has its time.
//! * It syncs little, and panics on some damaged files: the panic is caught, and a store that does not open is rebuilt.
//! * It panics where some of its reads and writes fail: that is an error too, and nothing is asked of it afterwards.
//!
//! One tree. Its keys, and what a stored value is (see `sealed.rs`):
//!
//! ```text
//! 0x00 key                                        the value, or the head of a value in chunks
//! 0x01 length of key (2 bytes) key index (4 bytes)  chunk `index`; each but the last has 6,134 bytes of content
//! 0x02                                            the count of live bytes (8 bytes), see `live.rs`
//! ```
//!
//! Heads keep the order of keys among themselves, and chunks lie outside their range, so that a scan never meets one.
//! A batch removes the chunks it leaves behind in the same sled batch, so a value never has chunks of another.
//!
//! A lock makes a reader see one state: `apply` waits for readers, and readers for it. Mode `HighThroughput`: it is the
//! one whose crashes were measured, and a store that has grown is rebuilt into a new folder anyhow.

use std::{
    fs::{self, TryLockError},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{PoisonError, RwLock, RwLockReadGuard},
    thread,
    time::Duration,
};

use crate::{
    files::folder_bytes,
    kv::{Batch, EngineFailure, Kv, KvError, Snapshot, Visitor, prefix_end},
    limits::{
        FLUSH_PATIENCE, KEY_BYTES_MAX, SLED_LOCK_TRIES, STORED_VALUE_BYTES_MAX, VALUE_BYTES_MAX,
    },
    live::{Difference, LiveBytes},
    patience::within,
    sanity::Sanity,
    sealed::{HEADER_BYTES, Head, Shape, seal, unseal},
    visit::Visit,
};

const HEADS: u8 = 0x00;
const CHUNKS: u8 = 0x01;

/// The key of the count of live bytes.
const LIVE: &[u8] = &[0x02];

/// Bytes of a value that fit into one stored value.
const CONTENT_BYTES: usize = STORED_VALUE_BYTES_MAX - HEADER_BYTES;

/// A store in a folder of its own, kept by sled.
#[derive(Debug)]
pub struct SledKv {
    folder: PathBuf,
    tree: sled::Db,
    live: LiveBytes,
    gate: RwLock<()>,
    sanity: Sanity,
}

impl SledKv {
    /// Opens the store in `folder`, creating it if there is none, with a page cache of `cache_bytes`.
    ///
    /// Files that make no sense are [`KvError::DoesNotOpen`]; whether they are the right ones is for the seal to say.
    pub fn open(folder: &Path, cache_bytes: u64) -> Result<SledKv, KvError> {
        fs::create_dir_all(folder)?;
        wait_until_released(folder)?;
        remove_half_written_snapshots(folder)?;
        check_no_blobs(folder)?;
        let (tree, live) = open_tree(folder, cache_bytes)?;
        Ok(SledKv {
            folder: folder.to_owned(),
            tree,
            live,
            gate: RwLock::new(()),
            sanity: Sanity::default(),
        })
    }

    /// Returns what a batch does to sled's keys, and to the count of live bytes.
    fn writes_of(&self, batch: &Batch) -> Result<(Writes, Difference), KvError> {
        batch.check()?;
        let mut writes = Writes::new();
        let mut difference = Difference::none();
        for (key, value) in batch.iter() {
            let old = if let Some(value) = value {
                difference.add(key, value.len());
                self.put(key, value, &mut writes)?
            } else {
                writes.push((head_key(key), None));
                self.remove_chunks(key, 0, &mut writes)?
            };
            match old {
                Old::Nothing => {}
                Old::Value(length) => difference.remove(key, length),
                Old::Unreadable => difference.lose(),
            }
        }
        if self.live.is_stored() {
            writes.push((LIVE.to_vec(), None));
        }
        Ok((writes, difference))
    }

    fn flush_log(&self) -> Result<(), KvError> {
        self.sanity.check()?;
        let tree = self.tree.clone();
        within(FLUSH_PATIENCE, move || {
            tree.flush().map(|_| ()).map_err(from_sled)
        })
    }

    fn snapshot(&self) -> TreeSnapshot<'_> {
        TreeSnapshot {
            tree: &self.tree,
            sanity: &self.sanity,
            _gate: self.gate.read().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Removes all chunks of `key` from `index` on; says what was there.
    fn remove_chunks(&self, key: &[u8], index: u32, writes: &mut Writes) -> Result<Old, KvError> {
        let head_key = head_key(key);
        let Some(stored) = self
            .sanity
            .ask(|| self.tree.get(&head_key).map_err(from_sled))?
        else {
            return Ok(Old::Nothing);
        };
        let old = match unseal(&head_key, &stored) {
            Ok((Shape::Whole, value)) => return Ok(Old::Value(value.len() as u64)),
            Ok((_, content)) => Head::decode(content)
                .map_or(Old::Unreadable, |head| Old::Value(u64::from(head.length))),
            // It may have had chunks: all there are go.
            Err(_) => Old::Unreadable,
        };
        let prefix = chunk_prefix(key);
        let start = chunk_key(&prefix, index);
        let end = prefix_end(&prefix).expect("it begins with 0x01");
        let mut entries = self.tree.range(start..end);
        while let Some((key, _)) = self
            .sanity
            .ask(|| entries.next().transpose().map_err(from_sled))?
        {
            writes.push((key.to_vec(), None));
        }
        Ok(old)
    }

    /// Adds what stores a value; says what it replaces.
    fn put(&self, key: &[u8], value: &[u8], writes: &mut Writes) -> Result<Old, KvError> {
        let head_key = head_key(key);
        if value.len() <= CONTENT_BYTES {
            let old = self.remove_chunks(key, 0, writes)?;
            let stored = seal(&head_key, Shape::Whole, value);
            writes.push((head_key, Some(stored)));
            return Ok(old);
        }
        let prefix = chunk_prefix(key);
        let mut count = 0;
        for chunk in value.chunks(CONTENT_BYTES) {
            let chunk_key = chunk_key(&prefix, count);
            let stored = seal(&chunk_key, Shape::Chunk, chunk);
            writes.push((chunk_key, Some(stored)));
            count += 1;
        }
        let old = self.remove_chunks(key, count, writes)?;
        let length = u32::try_from(value.len()).expect("the batch was checked for its limits");
        let head = Head::of(length, value).encode();
        let stored = seal(&head_key, Shape::Head, &head);
        writes.push((head_key, Some(stored)));
        Ok(old)
    }
}

/// What is done to sled's keys, in order; `None` removes.
type Writes = Vec<(Vec<u8>, Option<Vec<u8>>)>;

fn sled_batch(writes: Writes) -> sled::Batch {
    let mut batch = sled::Batch::default();
    for (key, stored) in writes {
        match stored {
            Some(stored) => batch.insert(key, stored),
            None => batch.remove(key),
        }
    }
    batch
}

/// What a key had before a batch.
enum Old {
    Nothing,
    /// A value of so many bytes.
    Value(u64),
    Unreadable,
}

impl Kv for SledKv {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        self.snapshot().get(key)
    }

    fn read(&self, f: &mut dyn FnMut(&dyn Snapshot) -> Result<(), KvError>) -> Result<(), KvError> {
        f(&self.snapshot())
    }

    fn apply(&self, batch: &Batch) -> Result<(), KvError> {
        let _gate = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        let (writes, difference) = self.writes_of(batch)?;
        self.sanity
            .ask(|| self.tree.apply_batch(sled_batch(writes)).map_err(from_sled))?;
        self.live.applied(difference);
        Ok(())
    }

    /// The keys come first and without values, so that the leaves are split while they are small; the values then lie
    /// once each in the log, and hardly anything dead between them: half the bytes that `apply` takes.
    fn load(&self, batch: &Batch) -> Result<(), KvError> {
        let _gate = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        let (writes, difference) = self.writes_of(batch)?;
        let empty = writes
            .iter()
            .map(|(key, stored)| (key.clone(), stored.as_ref().map(|_| Vec::new())))
            .collect();
        for writes in [empty, writes] {
            self.sanity
                .ask(|| self.tree.apply_batch(sled_batch(writes)).map_err(from_sled))?;
            // What is dead can be used again only after that.
            self.flush_log()?;
        }
        self.live.applied(difference);
        Ok(())
    }

    fn flush(&self) -> Result<(), KvError> {
        self.flush_log()?;
        check_no_blobs(&self.folder)
    }

    fn close(self: Box<Self>) -> Result<(), KvError> {
        if let Some(bytes) = self.live.known().filter(|_| !self.live.is_stored()) {
            let stored = seal(LIVE, Shape::Whole, &bytes.to_be_bytes());
            self.sanity
                .ask(|| self.tree.insert(LIVE, stored).map_err(from_sled))?;
        }
        self.flush()?;
        let SledKv { folder, tree, .. } = *self;
        drop(tree);
        // Whoever seals the folder next must find it still.
        Ok(wait_until_released(&folder)?)
    }

    fn size_on_disk(&self) -> Result<u64, KvError> {
        Ok(folder_bytes(&self.folder)?)
    }

    fn live_bytes(&self) -> Result<u64, KvError> {
        if let Some(bytes) = self.live.known() {
            return Ok(bytes);
        }
        let mut bytes = 0;
        // While this has the gate no batch changes what is counted.
        let snapshot = self.snapshot();
        snapshot.scan(b"", None, &mut |key, value| {
            bytes += (key.len() + value.len()) as u64;
            Visit::Continue
        })?;
        self.live.counted(bytes);
        Ok(bytes)
    }
}

/// The tree, while no batch can be applied.
struct TreeSnapshot<'a> {
    tree: &'a sled::Db,
    sanity: &'a Sanity,
    _gate: RwLockReadGuard<'a, ()>,
}

impl TreeSnapshot<'_> {
    /// Returns the value of which `stored` is the value or the head.
    fn value(&self, head_key: &[u8], stored: &[u8]) -> Result<Vec<u8>, KvError> {
        let key = &head_key[1..];
        let damaged = || KvError::Damaged { key: key.to_vec() };
        match unseal(head_key, stored).map_err(without_prefix)? {
            (Shape::Whole, value) => Ok(value.to_vec()),
            (Shape::Head, content) => {
                let head = Head::decode(content)
                    .filter(|head| head.length as usize <= VALUE_BYTES_MAX)
                    .ok_or_else(damaged)?;
                let value = self.chunks(key, head)?;
                if head.matches(&value) {
                    Ok(value)
                } else {
                    Err(damaged())
                }
            }
            (Shape::Chunk, _) => Err(damaged()),
        }
    }

    fn chunks(&self, key: &[u8], head: Head) -> Result<Vec<u8>, KvError> {
        let damaged = || KvError::Damaged { key: key.to_vec() };
        let prefix = chunk_prefix(key);
        let end = prefix_end(&prefix).expect("it begins with 0x01");
        let mut value = Vec::with_capacity(head.length as usize);
        let mut entries = self.tree.range(prefix.clone()..end);
        let mut index = 0;
        while let Some((chunk_key_found, stored)) = self
            .sanity
            .ask(|| entries.next().transpose().map_err(from_sled))?
        {
            if chunk_key_found != chunk_key(&prefix, index) {
                return Err(damaged());
            }
            match unseal(&chunk_key_found, &stored) {
                Ok((Shape::Chunk, content)) => value.extend_from_slice(content),
                _ => return Err(damaged()),
            }
            if value.len() > head.length as usize {
                return Err(damaged());
            }
            index += 1;
        }
        Ok(value)
    }

    fn show(
        &self,
        mut entries: impl Iterator<Item = sled::Result<(sled::IVec, sled::IVec)>>,
        visit: Visitor<'_>,
    ) -> Result<(), KvError> {
        while let Some((head_key, stored)) = self
            .sanity
            .ask(|| entries.next().transpose().map_err(from_sled))?
        {
            let value = self.value(&head_key, &stored)?;
            if visit(&head_key[1..], &value) == Visit::Stop {
                break;
            }
        }
        Ok(())
    }

    /// Returns the entries of a range, or `None` if it holds no key.
    fn range(&self, from: &[u8], to: Option<&[u8]>) -> Option<sled::Iter> {
        if to.is_some_and(|to| to <= from) {
            return None;
        }
        let end = to.map_or_else(|| vec![CHUNKS], head_key);
        Some(self.tree.range(head_key(from)..end))
    }
}

impl Snapshot for TreeSnapshot<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        if key.len() > KEY_BYTES_MAX {
            return Ok(None);
        }
        let head_key = head_key(key);
        self.sanity
            .ask(|| self.tree.get(&head_key).map_err(from_sled))?
            .map(|stored| self.value(&head_key, &stored))
            .transpose()
    }

    fn scan(&self, from: &[u8], to: Option<&[u8]>, visit: Visitor<'_>) -> Result<(), KvError> {
        match self.range(from, to) {
            Some(entries) => self.show(entries, visit),
            None => Ok(()),
        }
    }

    fn scan_back(&self, from: &[u8], to: Option<&[u8]>, visit: Visitor<'_>) -> Result<(), KvError> {
        match self.range(from, to) {
            Some(entries) => self.show(entries.rev(), visit),
            None => Ok(()),
        }
    }
}

/// Reads the count of live bytes; one that cannot be read is counted anew.
fn read_live(tree: &sled::Db) -> sled::Result<LiveBytes> {
    if tree.is_empty() {
        return Ok(LiveBytes::empty());
    }
    let stored = tree.get(LIVE)?;
    let bytes = stored.and_then(|stored| {
        let (_, content) = unseal(LIVE, &stored).ok()?;
        Some(u64::from_be_bytes(content.try_into().ok()?))
    });
    Ok(LiveBytes::opened(bytes))
}

fn open_tree(folder: &Path, cache_bytes: u64) -> Result<(sled::Db, LiveBytes), KvError> {
    let config = sled::Config::new()
        .path(folder)
        .cache_capacity(cache_bytes)
        .mode(sled::Mode::HighThroughput)
        .use_compression(false)
        .flush_every_ms(None);
    let does_not_open = |source: Option<EngineFailure>| KvError::DoesNotOpen {
        folder: folder.to_owned(),
        source,
    };
    // Sled is handed a folder and hands back a database: nothing of ours is seen half-changed.
    let open = || {
        let tree = config.open()?;
        let live = read_live(&tree)?;
        Ok((tree, live))
    };
    match catch_unwind(AssertUnwindSafe(open)) {
        Ok(Ok(opened)) => Ok(opened),
        Ok(Err(sled::Error::Io(error))) if error.kind() != io::ErrorKind::UnexpectedEof => {
            Err(KvError::Io(error))
        }
        Ok(Err(error)) => Err(does_not_open(Some(Box::new(error)))),
        Err(_panic) => Err(does_not_open(None)),
    }
}

/// Waits until no handle has the store's file, which sled locks: its threads outlive its handle by a moment, and write.
///
/// Another process cannot be the one: the store's folder is locked.
fn wait_until_released(folder: &Path) -> io::Result<()> {
    let file = match fs::File::open(folder.join("db")) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for _ in 0..SLED_LOCK_TRIES {
        match file.try_lock() {
            // Let go of in so many words: a child that is being started has the file too.
            Ok(()) => return file.unlock(),
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(10)),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Err(io::ErrorKind::WouldBlock.into())
}

fn remove_half_written_snapshots(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn check_no_blobs(folder: &Path) -> Result<(), KvError> {
    let entries = match fs::read_dir(folder.join("blobs")) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    match entries.into_iter().next() {
        Some(entry) => {
            let path = entry?.path();
            Err(KvError::UnsyncedFile { path })
        }
        None => Ok(()),
    }
}

fn from_sled(error: sled::Error) -> KvError {
    match error {
        // sled keeps the kind and wraps what the system said into text for programmers.
        sled::Error::Io(error) if error.kind() != io::ErrorKind::Other => {
            KvError::Io(error.kind().into())
        }
        sled::Error::Io(error) => KvError::Io(error),
        error => KvError::Engine(Box::new(error)),
    }
}

/// Names the caller's key where the engine's key was named.
fn without_prefix(error: KvError) -> KvError {
    let cut = |key: Vec<u8>| key[1..].to_vec();
    match error {
        KvError::Damaged { key } => KvError::Damaged { key: cut(key) },
        KvError::UnknownFormat { key, version } => KvError::UnknownFormat {
            key: cut(key),
            version,
        },
        KvError::UnknownKey { key, key_version } => KvError::UnknownKey {
            key: cut(key),
            key_version,
        },
        error => error,
    }
}

fn head_key(key: &[u8]) -> Vec<u8> {
    let mut head_key = Vec::with_capacity(1 + key.len());
    head_key.push(HEADS);
    head_key.extend_from_slice(key);
    head_key
}

fn chunk_prefix(key: &[u8]) -> Vec<u8> {
    let length = u16::try_from(key.len()).expect("the key was checked for its limit or was read");
    let mut prefix = Vec::with_capacity(3 + key.len() + 4);
    prefix.push(CHUNKS);
    prefix.extend_from_slice(&length.to_be_bytes());
    prefix.extend_from_slice(key);
    prefix
}

fn chunk_key(prefix: &[u8], index: u32) -> Vec<u8> {
    let mut key = prefix.to_vec();
    key.extend_from_slice(&index.to_be_bytes());
    key
}
