//! redb on a disk that fails, fills up or loses power.

use std::{
    collections::BTreeMap,
    io,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use redb::StorageBackend;

use super::{RedbKv, is_nonsense};
use crate::kv::{Batch, Kv, KvError, Snapshot};
use crate::visit::Visit;

/// A file in memory that fails on request, and remembers what was not synced.
#[derive(Clone, Debug, Default)]
struct Disk(Arc<Mutex<Content>>);

#[derive(Clone, Debug, Default)]
struct Content {
    bytes: Vec<u8>,
    durable: Vec<u8>,
    /// Since the last sync, in order.
    unsynced: Vec<Write>,
    /// Writes left before the disk is full; `None` is endless.
    writes_left: Option<u64>,
    writes: u64,
}

#[derive(Clone, Debug)]
enum Write {
    At(u64, Vec<u8>),
    Length(u64),
}

fn perform(bytes: &mut Vec<u8>, write: &Write) {
    match write {
        Write::At(offset, data) => {
            let from = usize::try_from(*offset).expect("it fits into memory");
            let to = from + data.len();
            if bytes.len() < to {
                bytes.resize(to, 0);
            }
            bytes[from..to].copy_from_slice(data);
        }
        Write::Length(length) => bytes.resize(usize::try_from(*length).expect("it fits"), 0),
    }
}

impl Disk {
    fn content(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> Result<RedbKv, KvError> {
        let disk = self.clone();
        RedbKv::with(Path::new("disk"), 1024 * 1024, |builder| {
            builder.create_with_backend(disk)
        })
    }

    fn change(&self, write: Write) -> io::Result<()> {
        let content = &mut *self.content();
        if let Some(left) = &mut content.writes_left {
            *left = left.checked_sub(1).ok_or(io::ErrorKind::StorageFull)?;
        }
        content.writes += 1;
        perform(&mut content.bytes, &write);
        content.unsynced.push(write);
        Ok(())
    }

    /// What is there when the power comes back: what was synced, and any of the rest that `kept` picks.
    fn after_power_loss(&self, kept: impl Fn(usize) -> bool) -> Disk {
        let content = self.content();
        let mut bytes = content.durable.clone();
        for (index, write) in content.unsynced.iter().enumerate() {
            if kept(index) {
                perform(&mut bytes, write);
            }
        }
        Disk(Arc::new(Mutex::new(Content {
            durable: bytes.clone(),
            bytes,
            ..Content::default()
        })))
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.content().bytes.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let content = self.content();
        let from = usize::try_from(offset).map_err(io::Error::other)?;
        let bytes = content.bytes.get(from..from + out.len());
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.change(Write::Length(length))
    }

    fn sync_data(&self) -> io::Result<()> {
        let content = &mut *self.content();
        content.durable = content.bytes.clone();
        content.unsynced.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change(Write::At(offset, data.to_vec()))
    }
}

/// What the store holds after batch `round` and all before it.
fn expected(round: u32) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut map = BTreeMap::new();
    for n in 0..round {
        put_round(n, &mut |key, value| {
            map.insert(key, value);
        });
    }
    map
}

fn put_round(n: u32, put: &mut dyn FnMut(Vec<u8>, Vec<u8>)) {
    put(b"progress".to_vec(), n.to_be_bytes().to_vec());
    for slot in 0..5 {
        let key = (n * 7 + slot) % 60;
        let length = if key == 3 { 20_000 } else { 200 };
        put(
            key.to_be_bytes().to_vec(),
            vec![u8::try_from(n % 251).expect("it is small"); length],
        );
    }
}

fn apply_round(store: &RedbKv, n: u32) -> Result<(), KvError> {
    let mut batch = Batch::new();
    put_round(n, &mut |key, value| batch.put(key, value));
    store.apply(&batch)
}

fn content(store: &RedbKv) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut map = BTreeMap::new();
    let read = store.read(&mut |snapshot: &dyn Snapshot| {
        snapshot.scan(b"", None, &mut |key, value| {
            map.insert(key.to_vec(), value.to_vec());
            Visit::Continue
        })
    });
    read.expect("every value is whole");
    map
}

/// Checks that the store is what it was after some batch, and says which.
fn rounds_of(store: &RedbKv) -> u32 {
    let found = content(store);
    let progress = found.get(&b"progress"[..]).map(|bytes| {
        u32::from_be_bytes(bytes.as_slice().try_into().expect("it is four bytes")) + 1
    });
    let rounds = progress.unwrap_or(0);
    assert!(found == expected(rounds), "it is the state after {rounds}");
    let live = store.live_bytes().expect("it is counted");
    let sum: usize = found
        .iter()
        .map(|(key, value)| key.len() + value.len())
        .sum();
    assert_eq!(live, sum as u64);
    rounds
}

/// A small generator of its own, so that every run sees the same.
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[test]
fn after_a_power_loss_it_holds_the_state_after_some_batch_and_no_less_than_was_flushed() {
    let disk = Disk::default();
    let store = disk.open().expect("it is new");
    let mut seed = 0x9e37_79b9_7f4a_7c15;
    let mut flushed = 0;
    for round in 0..60 {
        apply_round(&store, round).expect("the disk is sound");
        if round % 9 == 4 {
            store.flush().expect("the disk is sound");
            flushed = round + 1;
        }
        for _ in 0..4 {
            let mask = random(&mut seed) | random(&mut seed);
            let image = disk.after_power_loss(|index| mask >> (index % 64) & 1 == 1);
            let reopened = image.open().expect("redb opens after any crash");
            let rounds = rounds_of(&reopened);
            assert!((flushed..=round + 1).contains(&rounds), "{rounds}");
            // It goes on from there.
            apply_round(&reopened, rounds).expect("the disk is sound");
            assert_eq!(rounds_of(&reopened), rounds + 1);
        }
    }
}

#[test]
fn a_disk_that_fills_up_at_any_write_is_told_and_what_was_flushed_is_there() {
    let writes = {
        let disk = Disk::default();
        fill(&disk).expect("the disk is endless");
        disk.content().writes
    };
    assert!(writes > 20);
    for left in 0..writes {
        let disk = Disk::default();
        disk.content().writes_left = Some(left);
        let (error, flushed) = fill(&disk).expect_err("the disk is full");
        assert!(
            matches!(&error, KvError::Io(error)
                if error.kind() == io::ErrorKind::StorageFull || error.kind() == io::ErrorKind::Other),
            "after {left} writes: {error:?}"
        );
        disk.content().writes_left = None;
        match disk.open() {
            Ok(reopened) => assert!(rounds_of(&reopened) >= flushed, "after {left} writes"),
            // A file whose making was cut off is none.
            Err(KvError::DoesNotOpen { .. }) => {
                assert!(content_was_never_there(&disk), "after {left} writes");
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// Whether redb never got as far as writing its magic number, which it does last of all when it makes a file.
fn content_was_never_there(disk: &Disk) -> bool {
    !disk.content().bytes.starts_with(b"redb")
}

/// Fills a store and closes it; an error comes with how many batches were flushed before.
fn fill(disk: &Disk) -> Result<(), (KvError, u32)> {
    let mut flushed = 0;
    let store = disk.open().map_err(|error| (error, flushed))?;
    for round in 0..20 {
        apply_round(&store, round).map_err(|error| (error, flushed))?;
        if round % 6 == 5 {
            store.flush().map_err(|error| (error, flushed))?;
            flushed = round + 1;
        }
    }
    Box::new(store).close().map_err(|error| (error, flushed))
}

#[test]
fn batches_that_are_never_flushed_are_made_durable_now_and_then() {
    let disk = Disk::default();
    let store = disk.open().expect("it is new");
    let bytes = vec![7; 300 * 1024];
    for n in 0..40_u8 {
        let mut batch = Batch::new();
        batch.put([n % 2], bytes.as_slice());
        store.apply(&batch).expect("the disk is sound");
    }
    let image = disk.after_power_loss(|_| false).open().expect("it opens");
    assert_eq!(content(&image).len(), 2, "12 MB were written");
    let length = disk.content().bytes.len();
    assert!(
        length < 16 * 1024 * 1024,
        "and their pages are used again: {length}"
    );
}

#[test]
fn an_end_of_file_is_the_files_fault_and_a_full_disk_the_disks() {
    assert!(is_nonsense(&io::ErrorKind::UnexpectedEof.into()));
    assert!(is_nonsense(&io::ErrorKind::InvalidData.into()));
    assert!(!is_nonsense(&io::ErrorKind::StorageFull.into()));
    assert!(!is_nonsense(&io::ErrorKind::PermissionDenied.into()));
}
