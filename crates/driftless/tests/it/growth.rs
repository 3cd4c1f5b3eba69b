//! Stores whose files outgrow their data, and stores that change their engine.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use driftless::{Database, DigestReport, ErrorKind, Options, Progress, RecordId, StoreEngine};
use serde_json::json;
use tempfile::TempDir;

use crate::support::{self, note, scratch, title};

const ENGINES: [StoreEngine; 2] = [StoreEngine::Sled, StoreEngine::Redb];

/// A floor under which a story would take long to come.
const FLOOR_BYTES: u64 = 2_500_000;
/// sled's files grow by so much at once, when its own threads come to it.
const PIECE_BYTES: u64 = 512 * 1024;

fn options(engine: StoreEngine) -> Options {
    support::options("d")
        .with_engine(engine)
        .with_store_floor_bytes(FLOOR_BYTES)
}

async fn filled(dir: &Path, options: Options, records: usize) -> (Database, Vec<RecordId>) {
    let database = Database::create(dir, options).await.unwrap();
    let mut ids = Vec::new();
    for n in 0..records {
        ids.push(note(&database, &format!("note {n}")).await);
    }
    (database, ids)
}

/// One edit of each record, all waiting at once.
async fn edit_all(database: &Database, ids: &[RecordId], round: usize) {
    let notes = database.collection("notes");
    let mut edits = tokio::task::JoinSet::new();
    for id in ids {
        let (notes, id) = (notes.clone(), *id);
        edits.spawn(async move {
            let fields = json!({ "title": format!("round {round}"), "body": "x".repeat(600) });
            notes.update(id, fields).await.unwrap();
        });
    }
    while let Some(edited) = edits.join_next().await {
        edited.unwrap();
    }
}

/// Opens a folder that is to hold this; `rebuilt` says whether its store may be derived anew for it.
async fn opened(dir: &Path, options: Options, digest: DigestReport, rebuilt: bool) -> Database {
    let database = Database::open(dir, options).await.unwrap();
    let told = &database.opening().rebuilt;
    assert_eq!(told.is_some(), rebuilt, "{}: {told:?}", dir.display());
    assert_eq!(database.digest().await.unwrap(), digest);
    let problems = database.verify().await.unwrap().problems;
    assert_eq!(problems, Vec::<String>::new());
    database
}

fn current(dir: &Path) -> String {
    fs::read_to_string(dir.join("CURRENT")).unwrap()
}

fn stores(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut stores: Vec<_> = names
        .filter(|name| name.starts_with("store-") && !name.contains('.'))
        .collect();
    stores.sort();
    stores
}

#[tokio::test(flavor = "current_thread")]
async fn a_store_stays_bounded_however_often_its_records_are_edited() {
    for engine in ENGINES {
        let folder = scratch();
        let dir = folder.path().join("d");
        let (database, ids) = filled(&dir, options(engine), 40).await;
        let mut greatest = 0;
        for round in 0..60 {
            edit_all(&database, &ids, round).await;
            greatest = greatest.max(database.store().await.unwrap().bytes);
        }
        let digest = database.digest().await.unwrap();
        let report = database.store().await.unwrap();
        assert_eq!(report.engine, engine);
        assert!(report.live_bytes < FLOOR_BYTES, "{report:?}");
        assert!(
            greatest < 2 * FLOOR_BYTES + 2 * PIECE_BYTES,
            "{engine}: {greatest}"
        );
        assert!(database.verify().await.unwrap().problems.is_empty());
        database.close().await.unwrap();
        // redb uses its pages again, and grows but little.
        if engine == StoreEngine::Sled {
            assert_ne!(current(&dir), "store-1\n", "it was rewritten");
        }

        let database = opened(&dir, options(engine), digest, false).await;
        assert_eq!(title(&database, ids[7]).await, "round 59");
        database.close().await.unwrap();
        assert_eq!(stores(&dir).len(), 1);
    }
}

#[tokio::test(flavor = "current_thread")]
async fn short_processes_that_only_write_keep_the_store_bounded_too() {
    let folder = scratch();
    let dir = folder.path().join("d");
    let floor_bytes = 1_200_000;
    let options = || support::options("d").with_store_floor_bytes(floor_bytes);
    let (database, ids) = filled(&dir, options(), 20).await;
    database.close().await.unwrap();
    for round in 0..25 {
        let database = Database::open(&dir, options()).await.unwrap();
        assert_eq!(database.opening().rebuilt, None);
        edit_all(&database, &ids, round).await;
        database.close().await.unwrap();
    }
    assert_ne!(current(&dir), "store-1\n", "it was rewritten");
    let database = Database::open(&dir, options()).await.unwrap();
    let report = database.store().await.unwrap();
    assert!(report.bytes < 2 * floor_bytes, "{report:?}");
    assert!(database.verify().await.unwrap().problems.is_empty());
    database.close().await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn compacting_is_told_and_writes_go_on_meanwhile() {
    for engine in ENGINES {
        let folder = scratch();
        let dir = folder.path().join("d");
        let told = Arc::new(Mutex::new(Vec::new()));
        let listener = told.clone();
        // A floor that is never reached: only what is asked for is done.
        let options = support::options("d")
            .with_engine(engine)
            .with_progress(move |progress| listener.lock().unwrap().push(progress));
        let (database, ids) = filled(&dir, options, 60).await;
        for round in 0..8 {
            edit_all(&database, &ids, round).await;
        }
        let (compacted, ()) = tokio::join!(database.compact(), edit_all(&database, &ids, 8));
        let compacted = compacted.unwrap();
        assert!(compacted.store_before_bytes > 0);
        if engine == StoreEngine::Sled {
            assert!(compacted.store_after_bytes < compacted.store_before_bytes);
        }
        assert!(compacted.journal_after_bytes < compacted.journal_before_bytes);
        let told = told.lock().unwrap().clone();
        assert!(
            told.iter().any(|progress| matches!(progress,
                Progress::Rewriting { done_bytes, total_bytes } if done_bytes == total_bytes)),
            "{told:?}"
        );
        assert_eq!(stores(&dir), ["store-2"]);
        let digest = database.digest().await.unwrap();
        assert!(database.verify().await.unwrap().problems.is_empty());
        let again = database.compact().await.unwrap();
        assert!(again.store_after_bytes > 0);
        database.close().await.unwrap();
        let database = opened(&dir, support::options("d"), digest, false).await;
        assert_eq!(database.store().await.unwrap().engine, engine);
        assert_eq!(title(&database, ids[3]).await, "round 8");
        database.close().await.unwrap();
    }
}

#[tokio::test(flavor = "current_thread")]
async fn compacting_that_is_given_up_leaves_the_store_as_it_was() {
    let folder = scratch();
    let dir = folder.path().join("d");
    // The first step of the copy goes no further until it is let go.
    let (begun, mut has_begun) = tokio::sync::mpsc::unbounded_channel();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let released = Mutex::new(released);
    let options_held = options(StoreEngine::Redb).with_progress(move |progress| {
        if matches!(progress, Progress::Rewriting { .. }) {
            begun.send(()).unwrap();
            let _ = released.lock().unwrap().recv();
        }
    });
    let (database, ids) = filled(&dir, options_held, 300).await;
    let digest = database.digest().await.unwrap();
    let mut compacting = Box::pin(database.compact());
    tokio::select! {
        _ = &mut compacting => panic!("it takes several steps"),
        begun = has_begun.recv() => begun.unwrap(),
    }
    assert_eq!(stores(&dir), ["store-1", "store-2"]);
    let killed = folder.path().join("killed");
    copied(&dir, &killed);
    drop(compacting);
    drop(release);
    database.close().await.unwrap();
    assert_eq!(current(&dir), "store-1 redb\n");
    assert_eq!(stores(&dir), ["store-1"]);
    let database = opened(&dir, options(StoreEngine::Redb), digest, false).await;
    assert_eq!(title(&database, ids[9]).await, "note 9");
    database.close().await.unwrap();

    // The same where the process was killed in the middle.
    let database = opened(&killed, options(StoreEngine::Redb), digest, false).await;
    assert_eq!(stores(&killed), ["store-1"], "half a copy is removed");
    database.close().await.unwrap();
}

/// What a process that is killed leaves: the files as they are while it runs.
fn copied(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copied(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

#[tokio::test(flavor = "current_thread")]
async fn rebuilding_switches_the_engine_and_keeps_it_when_not_told() {
    let folder = scratch();
    let dir = folder.path().join("d");
    let (database, ids) = filled(&dir, support::options("d"), 30).await;
    edit_all(&database, &ids, 1).await;
    let digest = database.digest().await.unwrap();
    database.close().await.unwrap();
    assert_eq!(current(&dir), "store-1\n");
    let redb = || support::options("d").with_engine(StoreEngine::Redb);
    let sled = || support::options("d").with_engine(StoreEngine::Sled);
    for (options, expected) in [
        (redb(), "store-2 redb\n"),
        (support::options("d"), "store-3 redb\n"),
        (sled(), "store-4\n"),
        (redb(), "store-5 redb\n"),
    ] {
        let database = Database::rebuild(&dir, options).await.unwrap();
        assert_eq!(current(&dir), expected);
        assert_eq!(database.digest().await.unwrap(), digest);
        assert!(database.verify().await.unwrap().problems.is_empty());
        database.close().await.unwrap();
        // The engine there is wins over the one an opening names.
        let database = opened(&dir, sled(), digest, false).await;
        assert_eq!(current(&dir), expected);
        database.close().await.unwrap();
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_current_that_makes_no_sense_is_told_and_rebuilding_writes_it_anew() {
    let folder = scratch();
    let dir = folder.path().join("d");
    let (database, _) = filled(&dir, options(StoreEngine::Redb), 5).await;
    let digest = database.digest().await.unwrap();
    database.close().await.unwrap();
    for text in [
        "store-1 lmdb\n",
        "store-1",
        "",
        "../store-1\n",
        "store-1 redb \n",
    ] {
        fs::write(dir.join("CURRENT"), text).unwrap();
        let error = Database::open(&dir, support::options("d"))
            .await
            .unwrap_err();
        assert_eq!(
            (error.code(), error.kind()),
            ("store_unnamed", ErrorKind::Storage),
            "{text:?}: {error}"
        );
        assert!(error.message().contains("CURRENT"), "{error}");
        assert!(error.remedy().contains("rebuild"), "{error}");
        let database = Database::rebuild(&dir, options(StoreEngine::Redb))
            .await
            .unwrap();
        assert_eq!(database.digest().await.unwrap(), digest);
        database.close().await.unwrap();
        assert!(current(&dir).ends_with(" redb\n"));
    }
    fs::remove_file(dir.join("CURRENT")).unwrap();
    let error = Database::open(&dir, support::options("d"))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "store_unnamed", "{error}");
    let database = Database::rebuild(&dir, support::options("d"))
        .await
        .unwrap();
    let engine = database.store().await.unwrap().engine;
    assert_eq!(engine, StoreEngine::Redb, "as its files say");
    assert_eq!(database.digest().await.unwrap(), digest);
    database.close().await.unwrap();
}

/// What a machine leaves that went down while the store was open: the mark has another boot id.
fn as_after_a_restart(dir: &Path, store: &str) {
    let seal = dir.join(format!("{store}.seal"));
    if seal.exists() {
        fs::remove_file(seal).unwrap();
    }
    fs::write(dir.join(format!("{store}.open")), "another boot\n").unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn after_a_power_loss_redb_is_opened_as_it_is_and_sled_is_rebuilt() {
    for engine in ENGINES {
        let folder = scratch();
        let dir = folder.path().join("d");
        let (database, _) = filled(&dir, options(engine), 20).await;
        let digest = database.digest().await.unwrap();
        database.close().await.unwrap();
        as_after_a_restart(&dir, "store-1");
        let is_rebuilt = engine == StoreEngine::Sled;
        let database = opened(&dir, options(engine), digest, is_rebuilt).await;
        database.close().await.unwrap();
    }
    // With nothing to open, it is rebuilt and said so.
    let folder = scratch();
    let dir = folder.path().join("d");
    let (database, _) = filled(&dir, options(StoreEngine::Redb), 5).await;
    database.close().await.unwrap();
    as_after_a_restart(&dir, "store-1");
    fs::remove_file(dir.join("store-1").join("data.redb")).unwrap();
    let database = Database::open(&dir, support::options("d")).await.unwrap();
    assert!(database.opening().rebuilt.is_some());
    database.close().await.unwrap();
}

/// A closed folder with a redb store, its file, and what it holds.
async fn redb(folder: &TempDir) -> (PathBuf, PathBuf, DigestReport) {
    let dir = folder.path().join("d");
    let (database, ids) = filled(&dir, options(StoreEngine::Redb), 20).await;
    edit_all(&database, &ids, 1).await;
    let digest = database.digest().await.unwrap();
    database.close().await.unwrap();
    let file = dir.join("store-1").join("data.redb");
    (dir, file, digest)
}

type Spoil = fn(&mut Vec<u8>);

#[tokio::test(flavor = "current_thread")]
async fn a_redb_file_that_was_spoilt_is_set_aside_and_rebuilt() {
    let spoil: [(&str, Spoil); 5] = [
        ("one bit", |bytes| {
            let middle = bytes.iter().rposition(|byte| *byte != 0).unwrap() / 2;
            bytes[middle] ^= 1;
        }),
        ("cut short", |bytes| bytes.truncate(bytes.len() / 2)),
        ("longer", |bytes| bytes.extend([0; 4_096])),
        ("junk", |bytes| bytes.fill(0xa5)),
        ("empty", |bytes| bytes.clear()),
    ];
    for (what, spoil) in spoil {
        let folder = scratch();
        let (dir, file, digest) = redb(&folder).await;
        let mut bytes = fs::read(&file).unwrap();
        spoil(&mut bytes);
        fs::write(&file, bytes).unwrap();
        let database = opened(&dir, support::options("d"), digest, true).await;
        let rebuilt = database.opening().rebuilt.clone().expect(what);
        assert!(
            rebuilt.contains("the store store-1 is damaged"),
            "{rebuilt}"
        );
        assert_eq!(current(&dir), "store-2 redb\n", "{what}");
        assert!(dir.join("store-1.damaged").is_dir());
        database.close().await.unwrap();
    }
}

/// As a killed process leaves it, and spoilt besides: no seal tells, the engine and its checksums have to.
#[tokio::test(flavor = "current_thread")]
async fn a_redb_file_that_was_spoilt_while_it_was_open_is_never_believed() {
    let folder = scratch();
    let (dir, file, digest) = redb(&folder).await;
    let whole = fs::read(&file).unwrap();
    let length = whole.iter().rposition(|byte| *byte != 0).unwrap();
    for place in (0..length).step_by(length / 24) {
        let image = scratch();
        let copy = image.path().join("d");
        copied(&dir, &copy);
        as_after_a_restart(&copy, "store-1");
        let mut bytes = whole.clone();
        bytes[place] ^= 0x10;
        fs::write(copy.join("store-1").join("data.redb"), bytes).unwrap();
        let database = Database::open(&copy, support::options("d")).await.unwrap();
        assert_eq!(database.digest().await.unwrap(), digest, "byte {place}");
        let problems = database.verify().await.unwrap().problems;
        assert_eq!(problems, Vec::<String>::new(), "byte {place}");
        database.close().await.unwrap();
    }
}
