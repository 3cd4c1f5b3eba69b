//! A store that is copied while it is in use: it stays what it is, and the copy becomes it.

use std::{fs, path::Path};

use driftless_store::{
    Batch, CopyError, FolderError, Kv, KvError, MemoryKv, RewritableKv, StoreEngine, StoreFolder,
    Trust, check_seal, mark_open, write_seal,
};

use crate::conformance::{put, scan, scanned_bytes, value};
use crate::disk_engines::copy_files;

const CACHE_BYTES: u64 = 1024 * 1024;

/// Keys in an order that is not theirs, so that batches fall on both sides of where the copy is.
fn key(n: u32) -> [u8; 4] {
    n.wrapping_mul(0x9e37_79b9).to_be_bytes()
}

fn filled(store: &dyn Kv, keys: u32) {
    for first in (0..keys).step_by(100) {
        let mut batch = Batch::new();
        for n in first..keys.min(first + 100) {
            batch.put(key(n), value(1, 40));
        }
        store.apply(&batch).unwrap();
    }
}

fn edit(store: &dyn Kv, round: u32) {
    let seed = u8::try_from(round % 250).unwrap();
    let mut batch = Batch::new();
    batch.put(key(round), value(seed, 100));
    batch.put(key(round + 100_000), value(seed, 30));
    batch.delete(key(round * 3 + 1));
    batch.put("large", value(seed, 9_000 + usize::from(seed)));
    store.apply(&batch).unwrap();
}

#[test]
fn what_is_written_while_it_is_copied_is_in_the_copy() {
    for source in [StoreEngine::Sled, StoreEngine::Redb] {
        for target in [StoreEngine::Sled, StoreEngine::Redb] {
            let folder = tempfile::tempdir().unwrap();
            let live = source.open(&folder.path().join("1"), CACHE_BYTES).unwrap();
            let store = RewritableKv::new(live);
            filled(&store, 2_000);
            let copied = folder.path().join("2");
            store.begin_copy(target.open(&copied, CACHE_BYTES).unwrap());
            let mut round = 0;
            let mut before = 0;
            loop {
                edit(&store, round);
                round += 1;
                let progress = store.copy_step().unwrap();
                assert!(progress.copied_bytes > before);
                assert_eq!(progress.live_bytes, store.live_bytes().unwrap());
                before = progress.copied_bytes;
                if progress.is_whole {
                    break;
                }
            }
            assert!(round > 5, "it takes several steps: {round}");
            edit(&store, round);
            let expected = scan(&store, b"", None);
            store.finish_copy(|| Ok(())).unwrap();
            assert!(scan(&store, b"", None) == expected);
            assert_eq!(store.live_bytes().unwrap(), scanned_bytes(&store));
            fs::remove_dir_all(folder.path().join("1")).unwrap();
            edit(&store, round + 1);
            let expected = scan(&store, b"", None);
            let closed: Box<dyn Kv> = Box::new(store);
            closed.close().unwrap();
            let reopened = target.open(&copied, CACHE_BYTES).unwrap();
            assert!(scan(&*reopened, b"", None) == expected);
        }
    }
}

#[test]
fn a_copy_that_is_not_whole_is_not_finished() {
    let store = RewritableKv::new(Box::new(MemoryKv::new()));
    filled(&store, 1_000);
    let flip = || panic!("it must not flip");
    assert!(matches!(store.finish_copy(flip), Err(CopyError::NoCopy)));
    store.begin_copy(Box::new(MemoryKv::new()));
    assert!(!store.copy_step().unwrap().is_whole);
    assert!(matches!(
        store.finish_copy(flip),
        Err(CopyError::Differs { copied_bytes, live_bytes }) if copied_bytes < live_bytes
    ));
    assert!(!store.abandon_copy(), "it is given up already");
}

#[test]
fn a_copy_that_lost_a_key_is_not_finished() {
    let store = RewritableKv::new(Box::new(MemoryKv::new()));
    filled(&store, 100);
    let target = MemoryKv::new();
    store.begin_copy(Box::new(target.clone()));
    assert!(store.copy_step().unwrap().is_whole);
    assert!(target.lose_key(&key(7)));
    let found = store.finish_copy(|| panic!("it must not flip"));
    assert!(matches!(found, Err(CopyError::Differs { .. })));
    assert_eq!(scan(&store, b"", None).len(), 100);
}

#[test]
fn a_copy_that_cannot_be_written_is_given_up_and_the_store_goes_on() {
    let store = RewritableKv::new(Box::new(MemoryKv::new()));
    filled(&store, 1_000);
    let target = MemoryKv::new();
    store.begin_copy(Box::new(target.clone()));
    store.copy_step().unwrap();
    target.fail_apply(1);
    assert!(matches!(
        store.copy_step(),
        Err(CopyError::Target(KvError::Injected))
    ));
    assert!(matches!(store.copy_step(), Err(CopyError::NoCopy)));

    // The same in the middle of a batch, which the store takes all the same.
    store.begin_copy(Box::new(target.clone()));
    while !store.copy_step().unwrap().is_whole {}
    target.fail_apply(1);
    edit(&store, 5);
    assert_eq!(store.get(&key(5)).unwrap().unwrap(), value(5, 100));
    assert!(matches!(store.copy_step(), Err(CopyError::NoCopy)));
}

#[test]
fn a_damaged_value_is_not_copied_and_the_damage_is_told() {
    let live = MemoryKv::new();
    let store = RewritableKv::new(Box::new(live.clone()));
    filled(&store, 10);
    assert!(live.flip_bit(&key(3), 85));
    store.begin_copy(Box::new(MemoryKv::new()));
    assert!(matches!(
        store.copy_step(),
        Err(CopyError::Source(KvError::Damaged { key: named })) if named == key(3)
    ));
    assert!(!store.abandon_copy());
}

#[test]
fn a_copy_that_cannot_become_live_on_disk_leaves_the_store_as_it_was() {
    let live = MemoryKv::new();
    let store = RewritableKv::new(Box::new(live.clone()));
    filled(&store, 10);
    store.begin_copy(Box::new(MemoryKv::new()));
    assert!(store.copy_step().unwrap().is_whole);
    let failed = store.finish_copy(|| Err(FolderError::NotFound { dir: "gone".into() }));
    assert!(matches!(failed, Err(CopyError::Flip(_))));
    put(&store, b"a", b"1");
    assert_eq!(live.get(b"a").unwrap().unwrap(), b"1");
}

#[test]
fn a_store_that_was_closed_says_so_to_its_other_handles() {
    let store = RewritableKv::new(Box::new(MemoryKv::new()));
    store.begin_copy(Box::new(MemoryKv::new()));
    let handle = store.clone();
    let store: Box<dyn Kv> = Box::new(store);
    store.close().unwrap();
    assert!(matches!(handle.get(b"a"), Err(KvError::Engine(_))));
    assert!(!handle.abandon_copy());
}

/// Rewrites the live store of a folder as its owner does, and shows the folder to `look` after each step.
fn rewrite(folder: &mut StoreFolder, engine: StoreEngine, look: &mut dyn FnMut(&str)) {
    let from = folder.live_engine();
    mark_open(folder.live_store()).unwrap();
    let live = from.open(folder.live_store(), CACHE_BYTES).unwrap();
    let store = RewritableKv::new(live);
    filled(&store, 1_200);
    store.flush().unwrap();
    let next = folder.next_store().unwrap();
    look("before the copy");
    mark_open(&next).unwrap();
    look("marked");
    store.begin_copy(engine.open(&next, CACHE_BYTES).unwrap());
    look("begun");
    while !store.copy_step().unwrap().is_whole {
        look("a step");
    }
    look("whole");
    store
        .finish_copy(|| {
            look("flushed");
            folder.flip(engine)?;
            look("flipped");
            Ok(())
        })
        .unwrap();
    look("replaced");
    folder.remove_leftovers().unwrap();
    look("removed");
    let store: Box<dyn Kv> = Box::new(store);
    store.close().unwrap();
    write_seal(folder.live_store()).unwrap();
    look("sealed");
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_crash_at_every_step_leaves_one_of_the_two_whole_and_the_other_is_removed() {
    for (from, to) in [
        (StoreEngine::Sled, StoreEngine::Sled),
        (StoreEngine::Redb, StoreEngine::Redb),
        (StoreEngine::Sled, StoreEngine::Redb),
    ] {
        let outer = tempfile::tempdir().unwrap();
        let dir = outer.path().join("d");
        let mut folder = StoreFolder::create(&dir, from).unwrap();
        let mut images = Vec::new();
        let look = &mut |when: &str| {
            let image = outer.path().join(images.len().to_string());
            copy_files(&dir, &image);
            images.push((image, when.to_owned()));
        };
        rewrite(&mut folder, to, look);
        assert!(images.len() > 10);
        let mut live = Vec::new();
        for (image, when) in images {
            let folder = StoreFolder::open(&image).unwrap();
            let trust = check_seal(folder.live_store());
            let whole = [Trust::Unclean { same_boot: true }, Trust::Clean];
            assert!(whole.contains(&trust), "{when}: {trust:?}");
            let store = folder
                .live_engine()
                .open(folder.live_store(), CACHE_BYTES)
                .unwrap();
            assert_eq!(scan(&*store, b"", None).len(), 1_200, "{when}");
            let stores = names(&image)
                .into_iter()
                .filter(|name| name.starts_with("store-") && !name.contains('.'));
            assert_eq!(stores.count(), 1, "{when}");
            live.push(folder.live_name());
        }
        assert_eq!(live.first().unwrap(), "store-1");
        assert_eq!(live.last().unwrap(), "store-2");
        assert!(live.is_sorted());
    }
}
