//! One suite on every engine that has a disk: reopening, images of a killed process, files that were spoilt.

use std::{
    fs,
    path::{Path, PathBuf},
};

use driftless_store::{Batch, Kv, KvError, StoreEngine};

use crate::conformance::{put, scan, scanned_bytes, value};

const CACHE_BYTES: u64 = 1024 * 1024;

macro_rules! on_every_disk_engine {
    ($($story:ident),* $(,)?) => {
        mod on_sled { $(#[test] fn $story() { super::$story(super::StoreEngine::Sled); })* }
        mod on_redb { $(#[test] fn $story() { super::$story(super::StoreEngine::Redb); })* }
    };
}

on_every_disk_engine!(
    what_was_closed_is_there_again,
    live_bytes_are_known_after_a_close_and_after_a_kill,
    files_full_of_junk_do_not_open,
    files_cut_short_do_not_open_or_show_a_prefix,
    a_folder_that_cannot_be_made_is_the_disks_failure,
    the_size_on_disk_is_that_of_the_files,
    what_was_loaded_is_what_would_have_been_applied_and_lies_close,
);

fn open(engine: StoreEngine, folder: &Path) -> Box<dyn Kv> {
    engine.open(folder, CACHE_BYTES).unwrap()
}

pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// As a killed process leaves them: whatever has reached the operating system.
pub(crate) fn copy_files(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for path in files(from) {
        let target = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(path, target).unwrap();
    }
    for folder in [from.join("blobs")] {
        if folder.exists() {
            fs::create_dir_all(to.join("blobs")).unwrap();
        }
    }
}

fn what_was_closed_is_there_again(engine: StoreEngine) {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..5_u8 {
        let store = open(engine, folder.path());
        for before in 0..round {
            let expected = value(before, 30_000 * usize::from(before));
            assert!(store.get(&[before]).unwrap().unwrap() == expected);
        }
        put(
            &*store,
            &[round],
            &value(round, 30_000 * usize::from(round)),
        );
        store.close().unwrap();
    }
}

#[test]
fn what_a_copy_of_the_files_shows_is_a_prefix_of_the_batches() {
    for engine in [StoreEngine::Sled, StoreEngine::Redb] {
        every_copy_shows_a_prefix(engine);
    }
}

fn every_copy_shows_a_prefix(engine: StoreEngine) {
    let folder = tempfile::tempdir().unwrap();
    let copy = tempfile::tempdir().unwrap();
    let store = open(engine, folder.path());
    let mut opened = 0;
    for round in 0..40_u8 {
        // Both keys of a batch tell its number, the second in a value of several chunks or pages.
        let mut batch = Batch::new();
        batch.put("progress", [round]);
        batch.put([b'k', round % 7], value(round, 15_000));
        store.apply(&batch).unwrap();
        if round % 4 == 0 {
            store.flush().unwrap();
        }
        if round % 5 == 0 {
            let image = copy.path().join(round.to_string());
            copy_files(folder.path(), &image);
            opened += u32::from(is_prefix(engine, &image, round));
        }
    }
    assert!(opened > 0);
}

/// Says whether it opens.
fn is_prefix(engine: StoreEngine, image: &Path, newest: u8) -> bool {
    let store = match engine.open(image, CACHE_BYTES) {
        Ok(store) => store,
        Err(KvError::DoesNotOpen { .. }) => return false,
        Err(error) => panic!("{error:?}"),
    };
    let Some(progress) = store.get(b"progress").unwrap() else {
        assert_eq!(scan(&*store, b"", None), []);
        return true;
    };
    assert!(progress[0] <= newest);
    let rounds = 0..=progress[0];
    for slot in 0..7 {
        let expected = rounds.clone().rev().find(|round| round % 7 == slot);
        let found = store.get(&[b'k', slot]).unwrap();
        assert!(found == expected.map(|round| value(round, 15_000)));
    }
    assert_eq!(store.live_bytes().unwrap(), scanned_bytes(&*store));
    true
}

fn live_bytes_are_known_after_a_close_and_after_a_kill(engine: StoreEngine) {
    let folder = tempfile::tempdir().unwrap();
    let images = tempfile::tempdir().unwrap();
    for round in 0..6_u8 {
        let store = open(engine, folder.path());
        assert_eq!(store.live_bytes().unwrap(), scanned_bytes(&*store));
        put(&*store, &[round % 4], &value(round, 20_000));
        put(&*store, &[round % 3], b"small");
        store.flush().unwrap();
        let image = images.path().join(round.to_string());
        copy_files(folder.path(), &image);
        store.close().unwrap();

        let killed = open(engine, &image);
        assert_eq!(killed.live_bytes().unwrap(), scanned_bytes(&*killed));
        put(&*killed, b"more", b"after it");
        assert_eq!(killed.live_bytes().unwrap(), scanned_bytes(&*killed));
        // Unknown when it was closed, if nobody asked; then it is counted by who asks first.
        killed.close().unwrap();
        let again = open(engine, &image);
        assert_eq!(again.live_bytes().unwrap(), scanned_bytes(&*again));
    }
}

fn filled(engine: StoreEngine) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let store = open(engine, folder.path());
    for key in 0..20_u8 {
        put(&*store, &[key], &value(key, 10_000));
    }
    store.close().unwrap();
    folder
}

fn files_full_of_junk_do_not_open(engine: StoreEngine) {
    let folder = filled(engine);
    for path in files(folder.path()) {
        let length = usize::try_from(fs::metadata(&path).unwrap().len()).unwrap();
        fs::write(&path, vec![0xff; length.max(64)]).unwrap();
    }
    let found = engine.open(folder.path(), CACHE_BYTES).err().unwrap();
    assert!(
        matches!(&found, KvError::DoesNotOpen { folder: named, .. } if named == folder.path()),
        "{found:?}"
    );
}

/// What the engine itself can promise of files that others cut; the seal finds every one of them.
fn files_cut_short_do_not_open_or_show_a_prefix(engine: StoreEngine) {
    for part in [2, 3, 10, 100] {
        let folder = filled(engine);
        for path in files(folder.path()) {
            let length = fs::metadata(&path).unwrap().len();
            let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
            file.set_len(length / part).unwrap();
        }
        match engine.open(folder.path(), CACHE_BYTES) {
            Err(KvError::DoesNotOpen { .. }) => {}
            Err(error) => panic!("{error:?}"),
            Ok(store) => {
                let mut there = 0;
                while let Ok(Some(found)) = store.get(&[there]) {
                    assert!(found == value(there, 10_000));
                    there += 1;
                }
                assert!((there..20).all(|key| !matches!(store.get(&[key]), Ok(Some(_)))));
            }
        }
    }
}

fn a_folder_that_cannot_be_made_is_the_disks_failure(engine: StoreEngine) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, b"in the way").unwrap();
    let found = engine.open(&file.join("store"), CACHE_BYTES).err().unwrap();
    assert!(matches!(found, KvError::Io(_)), "{found:?}");
}

fn the_size_on_disk_is_that_of_the_files(engine: StoreEngine) {
    let folder = tempfile::tempdir().unwrap();
    let store = open(engine, folder.path());
    for round in 0..200_u8 {
        put(&*store, b"key", &value(round, 5_000));
        store.flush().unwrap();
    }
    let sum: u64 = files(folder.path())
        .iter()
        .map(|path| fs::metadata(path).unwrap().len())
        .sum();
    assert_eq!(store.size_on_disk().unwrap(), sum);
    assert!(sum > store.live_bytes().unwrap());
}

fn what_was_loaded_is_what_would_have_been_applied_and_lies_close(engine: StoreEngine) {
    let folder = tempfile::tempdir().unwrap();
    let applied = open(engine, &folder.path().join("applied"));
    let loaded = open(engine, &folder.path().join("loaded"));
    for first in (0..6_000_u32).step_by(250) {
        let mut batch = Batch::new();
        for key in first..first + 250 {
            let length = if key % 1_000 == 7 { 20_000 } else { 300 };
            batch.put(key.to_be_bytes(), value(1, length));
        }
        applied.apply(&batch).unwrap();
        loaded.load(&batch).unwrap();
    }
    assert!(scan(&*loaded, b"", None) == scan(&*applied, b"", None));
    let live = loaded.live_bytes().unwrap();
    assert_eq!(live, scanned_bytes(&*applied));
    loaded.flush().unwrap();
    let bytes = loaded.size_on_disk().unwrap();
    assert!(bytes < 3 * live, "{bytes} bytes for {live}");
    // It is a store as any other, whose values can be replaced.
    put(&*loaded, &7_u32.to_be_bytes(), b"small now");
    put(&*loaded, &8_u32.to_be_bytes(), &value(2, 30_000));
    loaded.close().unwrap();
    let loaded = open(engine, &folder.path().join("loaded"));
    assert_eq!(loaded.live_bytes().unwrap(), scanned_bytes(&*loaded));
    assert!(loaded.get(&8_u32.to_be_bytes()).unwrap().unwrap() == value(2, 30_000));
}
