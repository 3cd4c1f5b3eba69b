//! The bytes of the journal, of keys and of what the engine holds, kept in files.
//!
//! To make the files anew after a change that is meant: `cargo xtask golden --write`.

use std::convert::Infallible;
use std::fs;

use driftless_golden::Goldens;
use driftless_store::{
    FrameKind, Journal, KeyBuilder, KeyError, KeyReader, Kv, MemoryFiles, Position, RedbKv, SledKv,
    StoreEngine, StoreFolder,
};
use redb::ReadableDatabase;
use tempfile::tempdir;

use crate::conformance::{put, value};
use crate::journal::{contents, open, segment, small_segments, write};

const GOLDEN: Goldens = Goldens::of("store");

#[test]
fn two_segments_of_a_journal() {
    let files = MemoryFiles::new();
    let mut journal =
        Journal::create_with(Box::new(files.clone()), small_segments()).expect("it is made");
    write(&mut journal, &[&[b"abc", b""], &[b"a second group"]]);
    let mut groups = 2;
    while files.content(&segment(2)).is_none() {
        journal.append(FrameKind(1), &[7; 40]).unwrap();
        journal.commit().unwrap();
        groups += 1;
    }
    assert!(groups > 2, "the first segment has several groups");
    let all = contents(&journal);
    drop(journal);

    let other = MemoryFiles::new();
    for number in [1, 2] {
        let name = format!("journal_segment_{number}");
        GOLDEN.holds(&name, &files.content(&segment(number)).unwrap());
        other.set_content(&segment(number), &GOLDEN.bytes(&name));
    }
    assert_eq!(contents(&open(&other).unwrap()), all);
}

#[test]
fn positions_and_keys() {
    let position = Position {
        segment: 1,
        offset: 0x0102_0304,
    };
    GOLDEN.round_trip(
        "position",
        &position,
        |position| position.to_bytes().to_vec(),
        |bytes| Ok::<_, Infallible>(Position::from_bytes(bytes.try_into().unwrap())),
    );

    let tuple = (
        1_u8,
        2_u32,
        3_u64,
        -4_i64,
        -0.5_f64,
        vec![0, 1],
        "h\u{e9}".to_owned(),
        [9; 4],
    );
    GOLDEN.round_trip(
        "key_tuple",
        &tuple,
        |(a, b, c, d, e, f, g, h)| {
            let key = KeyBuilder::new().push_u8(*a).push_u32(*b).push_u64(*c);
            let key = key.push_i64(*d).push_f64(*e).push_bytes(f).push_str(g);
            key.push_fixed(h).finish()
        },
        |bytes| {
            let mut reader = KeyReader::new(bytes);
            let numbers = (reader.take_u8()?, reader.take_u32()?, reader.take_u64()?);
            let signed = (reader.take_i64()?, reader.take_f64()?);
            let (bytes, text) = (reader.take_bytes()?, reader.take_string()?);
            let fixed = reader.take_fixed()?;
            reader.finish()?;
            let (a, b, c) = numbers;
            Ok::<_, KeyError>((a, b, c, signed.0, signed.1, bytes, text, fixed))
        },
    );
}

#[test]
fn what_sled_holds() {
    let folder = tempdir().unwrap();
    let store: Box<dyn Kv> = Box::new(SledKv::open(folder.path(), 1024 * 1024).unwrap());
    put(&*store, b"small", b"a value");
    put(&*store, b"long", &value(1, 7_000));
    store.close().unwrap();
    let tree = sled::Config::new()
        .path(folder.path())
        .flush_every_ms(None)
        .use_compression(false)
        .open()
        .unwrap();
    let entries: Vec<(Vec<u8>, Vec<u8>)> = tree
        .iter()
        .map(|entry| entry.map(|(key, value)| (key.to_vec(), value.to_vec())))
        .collect::<Result<_, _>>()
        .unwrap();
    // A head and two chunks, the small value, and the count of live bytes.
    assert_eq!(entries.len(), 5);
    GOLDEN.holds("sled_tree", &listed(&entries));
}

#[test]
fn what_redb_holds() {
    let folder = tempdir().unwrap();
    let store: Box<dyn Kv> = Box::new(RedbKv::open(folder.path(), 1024 * 1024).unwrap());
    put(&*store, b"small", b"a value");
    put(&*store, b"long", &value(1, 7_000));
    store.close().unwrap();
    let database = redb::Database::open(folder.path().join("data.redb")).unwrap();
    let transaction = database.begin_read().unwrap();
    let mut entries = Vec::new();
    for name in ["values", "meta"] {
        let table = redb::TableDefinition::<&[u8], &[u8]>::new(name);
        let table = transaction.open_table(table).unwrap();
        for entry in table.range::<&[u8]>(..).unwrap() {
            let (key, stored) = entry.unwrap();
            entries.push((key.value().to_vec(), stored.value().to_vec()));
        }
    }
    assert_eq!(entries.len(), 3);
    GOLDEN.holds("redb_tables", &listed(&entries));
}

/// Keys and values, each behind its length.
fn listed(entries: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let bytes = entries.iter().flat_map(|(key, value)| {
        [key, value]
            .map(|part| [&u32::try_from(part.len()).unwrap().to_be_bytes(), &part[..]].concat())
    });
    bytes.flatten().collect()
}

#[test]
fn the_name_of_the_live_store() {
    let folder = tempdir().unwrap();
    let dir = folder.path().join("device");
    StoreFolder::create(&dir, StoreEngine::Sled)
        .unwrap()
        .write_device_seed(&[1; 32])
        .unwrap();
    GOLDEN.holds_text("current", &fs::read_to_string(dir.join("CURRENT")).unwrap());
    assert_eq!(StoreFolder::open(&dir).unwrap().live_name(), "store-1");
    let dir = folder.path().join("another");
    StoreFolder::create(&dir, StoreEngine::Redb).unwrap();
    let current = fs::read_to_string(dir.join("CURRENT")).unwrap();
    GOLDEN.holds_text("current_redb", &current);
}
