//! What sled alone has to answer for: reopening, damage below it, and files it must not write.

use std::{fs, path::Path};

use driftless_store::{Batch, Kv, KvError, STORED_VALUE_BYTES_MAX, SledKv};

use crate::conformance::{put, scan, value};

const CACHE_BYTES: u64 = 1024 * 1024;

fn open(folder: &Path) -> SledKv {
    SledKv::open(folder, CACHE_BYTES).unwrap()
}

/// Changes what sled holds, past our layer.
fn tamper(folder: &Path, change: impl FnOnce(&sled::Db)) {
    // Opening and closing waits until the files are free.
    let store: Box<dyn Kv> = Box::new(open(folder));
    store.close().unwrap();
    let tree = sled::Config::new()
        .path(folder)
        .flush_every_ms(None)
        .use_compression(false)
        .open()
        .unwrap();
    change(&tree);
    tree.flush().unwrap();
}

#[test]
fn a_folder_that_was_dropped_or_closed_opens_at_once() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..20_u8 {
        let store = open(folder.path());
        put(&store, &[round], &value(round, 50_000));
        if round % 2 == 0 {
            drop(store);
        } else {
            let store: Box<dyn Kv> = Box::new(store);
            store.close().unwrap();
        }
    }
    assert_eq!(scan(&open(folder.path()), b"", None).len(), 20);
}

#[test]
fn overwritten_and_deleted_chunks_leave_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    put(&store, b"a", &value(1, 100_000));
    put(&store, b"a", &value(2, 13_000));
    put(&store, b"b", &value(3, 100_000));
    put(&store, b"b", b"small");
    let mut batch = Batch::new();
    batch.put("c", value(4, 100_000));
    store.apply(&batch).unwrap();
    batch = Batch::new();
    batch.delete("c");
    store.apply(&batch).unwrap();
    drop(store);
    tamper(folder.path(), |tree| {
        // One head and three chunks of `a`, and `b`.
        assert_eq!(tree.len(), 5);
        for entry in tree.iter() {
            assert!(entry.unwrap().1.len() <= STORED_VALUE_BYTES_MAX);
        }
    });
}

#[test]
fn a_flipped_bit_below_is_damage_of_the_callers_key() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    put(&store, b"small", b"value");
    put(&store, b"large", &value(1, 20_000));
    drop(store);
    let mut stored = Vec::new();
    tamper(folder.path(), |tree| {
        stored = tree.iter().map(|entry| entry.unwrap().0).collect();
    });
    assert_eq!(stored.len(), 6);
    for key in stored {
        let flip = |tree: &sled::Db| {
            let mut content = tree.get(&key).unwrap().unwrap().to_vec();
            let middle = content.len() / 2;
            content[middle] ^= 4;
            tree.insert(&key, content).unwrap();
        };
        tamper(folder.path(), flip);
        let store = open(folder.path());
        let damaged = [&b"small"[..], b"large"]
            .into_iter()
            .filter(|key| match store.get(key) {
                Ok(Some(_)) => false,
                Err(KvError::Damaged { key: named }) => named == *key,
                other => panic!("{other:?}"),
            })
            .count();
        assert_eq!(damaged, 1);
        drop(store);
        tamper(folder.path(), flip);
    }
}

#[test]
fn a_missing_chunk_is_damage_and_overwriting_heals() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    put(&store, b"large", &value(1, 20_000));
    drop(store);
    tamper(folder.path(), |tree| {
        let (last, _) = tree.last().unwrap().unwrap();
        tree.remove(last).unwrap();
    });
    let store = open(folder.path());
    assert!(matches!(
        store.get(b"large"),
        Err(KvError::Damaged { key }) if key == b"large"
    ));
    put(&store, b"large", &value(2, 30_000));
    assert!(store.get(b"large").unwrap().unwrap() == value(2, 30_000));
}

#[test]
fn half_written_snapshots_are_removed_before_sled_sees_them() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    put(&store, b"a", b"1");
    let store: Box<dyn Kv> = Box::new(store);
    store.close().unwrap();
    let half = folder
        .path()
        .join("snap.00000000FFFFFFFF.00000000.generating");
    fs::write(&half, b"half").unwrap();
    let store = open(folder.path());
    assert!(!half.exists());
    assert_eq!(store.get(b"a").unwrap().unwrap(), b"1");
}

#[test]
fn a_file_that_sled_would_never_sync_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let blob = folder.path().join("blobs").join("7");
    fs::write(&blob, b"blob").unwrap();
    let found = store.flush().unwrap_err();
    assert!(matches!(found, KvError::UnsyncedFile { path } if path == blob));
    drop(store);
    let found = SledKv::open(folder.path(), CACHE_BYTES).unwrap_err();
    assert!(matches!(found, KvError::UnsyncedFile { path } if path == blob));
}

#[test]
fn many_values_of_the_greatest_stored_size_under_the_longest_keys_make_no_blobs() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for round in 0..40_u16 {
        let mut batch = Batch::new();
        for index in 0..50_u16 {
            let mut key = (round * 50 + index).to_be_bytes().to_vec();
            key.resize(driftless_store::KEY_BYTES_MAX, 7);
            batch.put(key, value(1, STORED_VALUE_BYTES_MAX - 10));
        }
        store.apply(&batch).unwrap();
        store.flush().unwrap();
    }
    assert!(store.size_on_disk().unwrap() > 0);
}
