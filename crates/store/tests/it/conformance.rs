//! One suite on every engine: what `Kv` promises.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use driftless_store::{
    Batch, KEY_BYTES_MAX, Kv, KvError, MemoryKv, RedbKv, RewritableKv, SledKv, Snapshot,
    VALUE_BYTES_MAX, Visit, prefix_end,
};
use proptest::prelude::*;

/// An engine under test and what must outlive it.
pub(crate) struct Subject {
    pub(crate) store: Box<dyn Kv>,
    _folder: Option<tempfile::TempDir>,
}

fn memory() -> Subject {
    Subject {
        store: Box::new(MemoryKv::new()),
        _folder: None,
    }
}

fn sled() -> Subject {
    let folder = tempfile::tempdir().unwrap();
    Subject {
        store: Box::new(SledKv::open(folder.path(), 1024 * 1024).unwrap()),
        _folder: Some(folder),
    }
}

fn redb() -> Subject {
    let folder = tempfile::tempdir().unwrap();
    Subject {
        store: Box::new(RedbKv::open(folder.path(), 1024 * 1024).unwrap()),
        _folder: Some(folder),
    }
}

/// A store that is being copied from sled to redb all the while.
fn rewritten() -> Subject {
    let folder = tempfile::tempdir().unwrap();
    let target = RedbKv::open(&folder.path().join("target"), 1024 * 1024).unwrap();
    let live = SledKv::open(&folder.path().join("live"), 1024 * 1024).unwrap();
    let store = RewritableKv::new(Box::new(live));
    store.begin_copy(Box::new(target));
    assert!(store.copy_step().unwrap().is_whole);
    Subject {
        store: Box::new(store),
        _folder: Some(folder),
    }
}

macro_rules! on_every_engine {
    ($($story:ident),* $(,)?) => {
        mod on_memory { $(#[test] fn $story() { super::$story(&*super::memory().store); })* }
        mod on_sled { $(#[test] fn $story() { super::$story(&*super::sled().store); })* }
        mod on_redb { $(#[test] fn $story() { super::$story(&*super::redb().store); })* }
        mod while_rewritten { $(#[test] fn $story() { super::$story(&*super::rewritten().store); })* }
    };
}

on_every_engine!(
    an_empty_store_shows_nothing,
    the_last_write_of_a_key_wins,
    empty_keys_and_empty_values_are_keys_and_values,
    scans_run_in_byte_order_within_their_bounds_both_ways,
    scans_stop_when_told,
    values_of_every_size_come_back,
    large_and_small_values_replace_each_other,
    deleted_large_values_are_gone,
    chunks_of_neighbours_do_not_mix,
    keys_and_values_over_the_limits_change_nothing,
    a_snapshot_stays_as_it_was_and_a_batch_is_seen_whole,
    random_batches_agree_with_a_map,
    live_bytes_are_what_a_scan_adds_up_to,
);

type Entries = Vec<(Vec<u8>, Vec<u8>)>;

pub(crate) fn scan(store: &dyn Kv, from: &[u8], to: Option<&[u8]>) -> Entries {
    let mut entries = Vec::new();
    store
        .read(&mut |snapshot| {
            snapshot.scan(from, to, &mut |key, value| {
                entries.push((key.to_vec(), value.to_vec()));
                Visit::Continue
            })
        })
        .unwrap();
    entries
}

fn scan_back(store: &dyn Kv, from: &[u8], to: Option<&[u8]>) -> Entries {
    let mut entries = Vec::new();
    store
        .read(&mut |snapshot| {
            snapshot.scan_back(from, to, &mut |key, value| {
                entries.push((key.to_vec(), value.to_vec()));
                Visit::Continue
            })
        })
        .unwrap();
    entries
}

pub(crate) fn put(store: &dyn Kv, key: &[u8], value: &[u8]) {
    let mut batch = Batch::new();
    batch.put(key, value);
    store.apply(&batch).unwrap();
}

fn delete(store: &dyn Kv, key: &[u8]) {
    let mut batch = Batch::new();
    batch.delete(key);
    store.apply(&batch).unwrap();
}

/// A value that differs in every chunk and for every seed.
pub(crate) fn value(seed: u8, length: usize) -> Vec<u8> {
    let bytes = (0_u32..).flat_map(u32::to_le_bytes);
    bytes
        .map(|byte| byte.wrapping_add(seed))
        .take(length)
        .collect()
}

fn an_empty_store_shows_nothing(store: &dyn Kv) {
    assert_eq!(store.get(b"a").unwrap(), None);
    assert_eq!(store.get(b"").unwrap(), None);
    assert_eq!(scan(store, b"", None), []);
    assert_eq!(scan_back(store, b"", None), []);
    store.apply(&Batch::new()).unwrap();
    store.flush().unwrap();
    assert_eq!(scan(store, b"", None), []);
}

fn the_last_write_of_a_key_wins(store: &dyn Kv) {
    let mut batch = Batch::new();
    batch.put("a", "1");
    batch.delete("a");
    batch.delete("b");
    batch.put("b", "2");
    batch.put("b", "3");
    assert_eq!(batch.len(), 2);
    assert_eq!(batch.write_of(b"a"), Some(None));
    assert_eq!(batch.write_of(b"b"), Some(Some(&b"3"[..])));
    assert_eq!(batch.write_of(b"c"), None);
    store.apply(&batch).unwrap();
    assert_eq!(scan(store, b"", None), [(b"b".to_vec(), b"3".to_vec())]);
    delete(store, b"b");
    delete(store, b"never there");
    assert_eq!(store.get(b"b").unwrap(), None);
}

fn empty_keys_and_empty_values_are_keys_and_values(store: &dyn Kv) {
    put(store, b"", b"of the empty key");
    put(store, b"a", b"");
    put(store, b"\0", b"zero");
    assert_eq!(store.get(b"").unwrap().unwrap(), b"of the empty key");
    assert_eq!(store.get(b"a").unwrap().unwrap(), b"");
    let expected: Entries = vec![
        (b"".to_vec(), b"of the empty key".to_vec()),
        (b"\0".to_vec(), b"zero".to_vec()),
        (b"a".to_vec(), b"".to_vec()),
    ];
    assert_eq!(scan(store, b"", None), expected);
    delete(store, b"");
    assert_eq!(store.get(b"").unwrap(), None);
    assert_eq!(scan(store, b"", None), expected[1..]);
}

fn scans_run_in_byte_order_within_their_bounds_both_ways(store: &dyn Kv) {
    let keys: [&[u8]; 8] = [
        b"\0",
        b"\0\0",
        b"a",
        b"a\0",
        b"a\xff",
        b"b",
        b"\xff",
        b"\xff\xff",
    ];
    for key in keys.iter().rev() {
        put(store, key, key);
    }
    let bounds: Vec<&[u8]> = keys.into_iter().chain([&b""[..], b"aa", b"c"]).collect();
    for from in &bounds {
        for to in bounds.iter().map(|to| Some(*to)).chain([None]) {
            let mut expected: Entries = keys
                .iter()
                .filter(|key| *key >= from && to.is_none_or(|to| **key < to))
                .map(|key| (key.to_vec(), key.to_vec()))
                .collect();
            assert_eq!(scan(store, from, to), expected, "{from:?} to {to:?}");
            expected.reverse();
            assert_eq!(scan_back(store, from, to), expected, "{from:?} to {to:?}");
        }
    }
    let with_prefix = scan(store, b"a", prefix_end(b"a").as_deref());
    assert_eq!(with_prefix.len(), 3);
    let with_prefix = scan(store, b"\xff", prefix_end(b"\xff").as_deref());
    assert_eq!(with_prefix.len(), 2);
}

fn scans_stop_when_told(store: &dyn Kv) {
    for key in [b"a", b"b", b"c"] {
        put(store, key, b"");
    }
    let mut seen = Vec::new();
    store
        .read(&mut |snapshot| {
            let mut first = |key: &[u8], _: &[u8]| {
                seen.push(key.to_vec());
                Visit::Stop
            };
            snapshot.scan(b"", None, &mut first)?;
            snapshot.scan_back(b"", None, &mut first)
        })
        .unwrap();
    assert_eq!(seen, [b"a", b"c"]);
}

const SIZES: [usize; 10] = [
    0,
    1,
    6 * 1024 - 11,
    6 * 1024 - 10,
    6 * 1024 - 9,
    6 * 1024 - 1,
    6 * 1024,
    6 * 1024 + 1,
    2 * (6 * 1024 - 10),
    1024 * 1024,
];

fn values_of_every_size_come_back(store: &dyn Kv) {
    for (index, size) in SIZES.into_iter().enumerate() {
        put(store, &[u8::try_from(index).unwrap()], &value(3, size));
    }
    let expected: Entries = SIZES
        .into_iter()
        .enumerate()
        .map(|(index, size)| (vec![u8::try_from(index).unwrap()], value(3, size)))
        .collect();
    assert!(scan(store, b"", None) == expected);
    for (key, value) in &expected {
        assert!(store.get(key).unwrap().as_ref() == Some(value));
    }
    store.flush().unwrap();
}

fn large_and_small_values_replace_each_other(store: &dyn Kv) {
    for before in SIZES {
        for after in SIZES.into_iter().filter(|size| *size < 20_000) {
            put(store, b"k", &value(1, before));
            put(store, b"k", &value(2, after));
            assert!(
                store.get(b"k").unwrap().unwrap() == value(2, after),
                "{before} {after}"
            );
            assert_eq!(scan(store, b"", None).len(), 1);
        }
    }
}

fn deleted_large_values_are_gone(store: &dyn Kv) {
    put(store, b"k", &value(1, 100_000));
    delete(store, b"k");
    assert_eq!(store.get(b"k").unwrap(), None);
    assert_eq!(scan(store, b"", None), []);
    put(store, b"k", &value(2, 50_000));
    assert!(store.get(b"k").unwrap().unwrap() == value(2, 50_000));
}

fn chunks_of_neighbours_do_not_mix(store: &dyn Kv) {
    // Keys that continue each other, in which a chunk's key could be taken for another's.
    let keys: [&[u8]; 5] = [b"", b"\0", b"\0\0\0\0", b"\0\0\0\0\0\0\0\x01", b"\x01"];
    for (seed, key) in (0..).zip(keys) {
        put(store, key, &value(seed, 20_000));
    }
    delete(store, keys[1]);
    put(store, keys[2], b"small now");
    assert!(store.get(keys[0]).unwrap().unwrap() == value(0, 20_000));
    assert_eq!(store.get(keys[1]).unwrap(), None);
    assert_eq!(store.get(keys[2]).unwrap().unwrap(), b"small now");
    assert!(store.get(keys[3]).unwrap().unwrap() == value(3, 20_000));
    assert!(store.get(keys[4]).unwrap().unwrap() == value(4, 20_000));
    assert_eq!(scan(store, b"", None).len(), 4);
}

fn keys_and_values_over_the_limits_change_nothing(store: &dyn Kv) {
    let longest = vec![7; KEY_BYTES_MAX];
    put(store, &longest, &value(1, 20_000));
    assert!(store.get(&longest).unwrap().unwrap() == value(1, 20_000));
    let mut batch = Batch::new();
    batch.put("fine", "fine");
    batch.put(vec![7; KEY_BYTES_MAX + 1], "x");
    let refused = store.apply(&batch).unwrap_err();
    assert!(matches!(refused, KvError::KeyTooLong { length, limit }
        if length == KEY_BYTES_MAX + 1 && limit == KEY_BYTES_MAX));
    let mut batch = Batch::new();
    batch.put("fine", "fine");
    batch.put("long", vec![0; VALUE_BYTES_MAX + 1]);
    let refused = store.apply(&batch).unwrap_err();
    assert!(
        matches!(refused, KvError::ValueTooLong { length, .. } if length == VALUE_BYTES_MAX + 1)
    );
    assert_eq!(scan(store, b"", None).len(), 1);
    assert_eq!(store.get(&vec![7; KEY_BYTES_MAX + 1]).unwrap(), None);
}

/// Each batch sets every key to its own number, so a reader that sees two numbers has seen part of one.
fn a_snapshot_stays_as_it_was_and_a_batch_is_seen_whole(store: &dyn Kv) {
    const KEYS: u8 = 40;
    let write = |round: u8| {
        let mut batch = Batch::new();
        for key in 0..KEYS {
            let length = if key % 10 == 0 { 9_000 } else { 1 };
            batch.put([key], vec![round; length]);
        }
        store.apply(&batch).unwrap();
    };
    write(0);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    store.read(&mut |snapshot| see_one_round(snapshot)).unwrap();
                }
            });
        }
        for round in 1..60 {
            write(round);
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(store.get(&[1]).unwrap().unwrap(), [59]);
}

fn see_one_round(snapshot: &dyn Snapshot) -> Result<(), KvError> {
    let first = snapshot.get(&[0])?.unwrap()[0];
    let mut seen = 0;
    for _ in 0..2 {
        snapshot.scan(b"", None, &mut |_, value| {
            assert!(value.iter().all(|byte| *byte == first));
            seen += 1;
            Visit::Continue
        })?;
    }
    assert_eq!(seen, 80);
    assert_eq!(snapshot.get(&[39])?.unwrap(), [first]);
    Ok(())
}

fn random_batches_agree_with_a_map(store: &dyn Kv) {
    let write = (
        proptest::collection::vec(0_u8..3, 0..3),
        proptest::option::of(0_usize..20_000),
    );
    let batches = proptest::collection::vec(proptest::collection::vec(write, 0..5), 0..10);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 24,
        ..ProptestConfig::default()
    });
    runner
        .run(&batches, |batches| {
            let mut map = BTreeMap::new();
            let mut clear = Batch::new();
            for (key, _) in scan(store, b"", None) {
                clear.delete(key);
            }
            store.apply(&clear).unwrap();
            for (seed, writes) in (0_u8..).zip(batches) {
                let mut batch = Batch::new();
                for (key, size) in writes {
                    if let Some(size) = size {
                        batch.put(key.clone(), value(seed, size));
                        map.insert(key, value(seed, size));
                    } else {
                        batch.delete(key.clone());
                        map.remove(&key);
                    }
                }
                store.apply(&batch).unwrap();
                let expected: Entries = map.clone().into_iter().collect();
                prop_assert!(scan(store, b"", None) == expected);
                let backwards: Entries = expected.into_iter().rev().collect();
                prop_assert!(scan_back(store, b"", None) == backwards);
            }
            Ok(())
        })
        .unwrap();
}

pub(crate) fn scanned_bytes(store: &dyn Kv) -> u64 {
    let entries = scan(store, b"", None);
    let bytes = entries
        .iter()
        .map(|(key, value)| (key.len() + value.len()) as u64);
    bytes.sum()
}

fn live_bytes_are_what_a_scan_adds_up_to(store: &dyn Kv) {
    assert_eq!(store.live_bytes().unwrap(), 0);
    for round in 0..30_u8 {
        let mut batch = Batch::new();
        batch.put([round % 7], value(round, usize::from(round) * 700));
        batch.put([round % 3, 1], value(round, 10));
        batch.delete([round % 5]);
        batch.delete("never there");
        store.apply(&batch).unwrap();
        assert_eq!(store.live_bytes().unwrap(), scanned_bytes(store));
    }
    assert!(store.live_bytes().unwrap() > 0);
}

#[test]
fn a_flipped_bit_in_memory_is_damage_wherever_it_is() {
    let store = MemoryKv::new();
    for bit in 0..8 * (10 + 5) {
        put(&store, b"key", b"value");
        assert!(store.flip_bit(b"key", bit));
        let found = store.get(b"key").unwrap_err();
        assert!(matches!(found, KvError::Damaged { key } if key == b"key"));
        let mut shown = 0;
        let found = store.read(&mut |snapshot| {
            snapshot.scan(b"", None, &mut |_, _| {
                shown += 1;
                Visit::Continue
            })
        });
        assert!(matches!(found, Err(KvError::Damaged { .. })));
        assert_eq!(shown, 0);
    }
    assert!(!store.flip_bit(b"key", 8 * 15));
    assert!(!store.flip_bit(b"other", 0));
}

#[test]
fn a_crash_in_memory_leaves_a_prefix_of_the_batches() {
    let store = MemoryKv::with_history();
    put(&store, b"a", b"1");
    store.flush().unwrap();
    put(&store, b"b", b"2");
    put(&store, b"c", b"3");
    put(&store, b"d", b"4");
    assert_eq!(store.crash(1), 2);
    let keys: Vec<Vec<u8>> = scan(&store, b"", None)
        .into_iter()
        .map(|(key, _)| key)
        .collect();
    assert_eq!(keys, [b"a", b"b"]);
    assert_eq!(store.crash(0), 1);
    assert_eq!(scan(&store, b"", None).len(), 1);
}

#[test]
fn a_batch_that_was_told_to_fail_changes_nothing() {
    let store = MemoryKv::new();
    store.fail_apply(2);
    put(&store, b"a", b"1");
    let mut batch = Batch::new();
    batch.put("b", "2");
    assert!(matches!(store.apply(&batch), Err(KvError::Injected)));
    assert_eq!(store.get(b"b").unwrap(), None);
    store.apply(&batch).unwrap();
    assert_eq!(store.get(b"b").unwrap().unwrap(), b"2");
}

#[test]
fn the_end_of_a_prefix_is_the_next_key_without_it() {
    assert_eq!(prefix_end(b""), None);
    assert_eq!(prefix_end(b"\xff\xff"), None);
    assert_eq!(prefix_end(b"a").unwrap(), b"b");
    assert_eq!(prefix_end(b"a\xff\xff").unwrap(), b"b");
    assert_eq!(prefix_end(b"a\0").unwrap(), b"a\x01");
}
