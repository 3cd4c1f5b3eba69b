//! Stores that are not what they were, and journals that are.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use driftless::{Database, DeviceId, DigestReport, ErrorKind, Options, Progress, StoreEngine};

use crate::support::{created, note, opened, options, retitle, scratch, shops};

async fn filled(dir: &Path) -> DigestReport {
    let database = created(dir, "d").await;
    for n in 0..50 {
        let id = note(&database, &format!("note {n}")).await;
        retitle(&database, id, "again").await;
    }
    let digest = database.digest().await.unwrap();
    database.close().await.unwrap();
    digest
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// Opens a folder whose store was spoilt and checks that it says so and is what it was.
async fn assert_rebuilt(dir: &Path, digest: DigestReport, reason: &str) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let listener = told.clone();
    let options =
        options("d").with_progress(move |progress| listener.lock().unwrap().push(progress));
    let database = Database::open(dir, options).await.unwrap();
    let rebuilt = database.opening().rebuilt.clone().unwrap();
    assert!(rebuilt.contains(reason), "{rebuilt}");
    assert!(
        rebuilt.contains("rebuilding it from the journal"),
        "{rebuilt}"
    );
    let told = told.lock().unwrap().clone();
    assert_eq!(
        told.first(),
        Some(&Progress::StoreSetAside { reason: rebuilt })
    );
    let Some(Progress::Replaying {
        done_bytes,
        total_bytes,
    }) = told.last()
    else {
        panic!("progress was expected, not {told:?}")
    };
    assert_eq!(done_bytes, total_bytes);
    assert_eq!(database.digest().await.unwrap(), digest);
    assert!(database.verify().await.unwrap().problems.is_empty());
    note(&database, "one more").await;
    let digest = database.digest().await.unwrap();
    database.close().await.unwrap();

    let database = opened(dir).await;
    assert_eq!(database.opening().rebuilt, None);
    assert_eq!(database.digest().await.unwrap(), digest);
    database.close().await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn a_store_folder_that_was_deleted_is_rebuilt() {
    let folder = scratch();
    let dir = folder.path().join("d");
    let digest = filled(&dir).await;
    fs::remove_dir_all(dir.join("store-1")).unwrap();
    assert_rebuilt(&dir, digest, "the store store-1 is not there").await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_store_that_was_truncated_is_rebuilt() {
    let folder = scratch();
    let dir = folder.path().join("d");
    let digest = filled(&dir).await;
    for path in files(&dir.join("store-1")) {
        let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        let length = file.metadata().unwrap().len();
        file.set_len(length / 2).unwrap();
    }
    assert_rebuilt(&dir, digest, "the store store-1 is damaged").await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_store_that_was_filled_with_junk_is_rebuilt() {
    let folder = scratch();
    let dir = folder.path().join("d");
    let digest = filled(&dir).await;
    for path in files(&dir.join("store-1")) {
        let length = fs::metadata(&path).unwrap().len();
        fs::write(&path, vec![0xa5; usize::try_from(length).unwrap()]).unwrap();
    }
    assert_rebuilt(&dir, digest, "the store store-1 is damaged").await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_store_that_lost_its_seal_and_its_content_is_rebuilt() {
    let folder = scratch();
    let dir = folder.path().join("d");
    let digest = filled(&dir).await;
    fs::remove_file(dir.join("store-1.seal")).unwrap();
    fs::remove_dir_all(dir.join("store-1")).unwrap();
    fs::create_dir(dir.join("store-1")).unwrap();
    assert_rebuilt(&dir, digest, "the store store-1").await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_sound_store_is_rebuilt_when_asked() {
    let folder = scratch();
    let dir = folder.path().join("d");
    let digest = filled(&dir).await;
    let database = Database::rebuild(&dir, options("d")).await.unwrap();
    assert!(database.opening().rebuilt.is_some());
    assert_eq!(database.digest().await.unwrap(), digest);
    database.close().await.unwrap();
    opened(&dir).await.close().await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn what_was_acknowledged_outlives_a_killed_process() {
    let folder = scratch();
    let dir = folder.path().join("d");
    let database = created(&dir, "d").await;
    for n in 0..20 {
        note(&database, &format!("note {n}")).await;
    }
    let digest = database.digest().await.unwrap();
    let killed = folder.path().join("killed");
    // What a process that is killed leaves: the files as they are while it runs.
    copy(&dir, &killed);
    database.close().await.unwrap();

    let database = opened(&killed).await;
    assert_eq!(database.digest().await.unwrap(), digest);
    assert_eq!(database.status().await.unwrap().records, 20);
    database.close().await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn a_torn_end_of_the_journal_is_cut_and_told() {
    let folder = scratch();
    let dir = folder.path().join("d");
    let digest = filled(&dir).await;
    let last = files(&dir.join("journal")).into_iter().max().unwrap();
    let mut bytes = fs::read(&last).unwrap();
    bytes.extend([0xa5; 100]);
    fs::write(&last, bytes).unwrap();
    let database = opened(&dir).await;
    assert_eq!(database.opening().torn_bytes, 100);
    assert_eq!(database.digest().await.unwrap(), digest);
    database.close().await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn a_damaged_journal_is_an_error_and_nothing_is_changed() {
    let folder = scratch();
    let dir = folder.path().join("d");
    filled(&dir).await;
    let first = files(&dir.join("journal")).into_iter().min().unwrap();
    let mut bytes = fs::read(&first).unwrap();
    bytes[200] ^= 1;
    fs::write(&first, &bytes).unwrap();
    let error = Database::open(&dir, options("d")).await.unwrap_err();
    assert_eq!(
        (error.code(), error.kind()),
        ("journal_damaged", ErrorKind::Storage),
        "{error}"
    );
    assert_eq!(fs::read(&first).unwrap(), bytes);
    bytes[200] ^= 1;
    fs::write(&first, &bytes).unwrap();
    opened(&dir).await.close().await.unwrap();
}

fn first_segment(dir: &Path) -> PathBuf {
    dir.join("journal").join("00000001.seg")
}

#[tokio::test(flavor = "current_thread")]
async fn a_journal_that_lost_its_end_is_said_to_have_lost_acknowledged_writes() {
    let folder = scratch();
    let dir = folder.path().join("d");
    filled(&dir).await;
    let segment = first_segment(&dir);
    let mut bytes = fs::read(&segment).unwrap();
    let last = bytes.windows(4).rposition(|four| four == b"DGRP").unwrap();
    bytes.truncate(last);
    fs::write(&segment, bytes).unwrap();
    let database = opened(&dir).await;
    let opening = database.opening().clone();
    assert!(opening.journal_lost_writes);
    assert_eq!(opening.torn_bytes, 0);
    let told = opening.rebuilt.unwrap();
    assert!(told.contains("acknowledged writes are gone"), "{told}");
    assert!(!told.contains("nothing is lost"), "{told}");
    assert!(database.verify().await.unwrap().problems.is_empty());
    database.close().await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn an_acknowledged_end_of_the_journal_that_is_broken_is_not_cut() {
    for engine in [StoreEngine::Sled, StoreEngine::Redb] {
        let folder = scratch();
        let dir = folder.path().join("d");
        let database = Database::create(&dir, options("d").with_engine(engine))
            .await
            .unwrap();
        for n in 0..5 {
            note(&database, &format!("note {n}")).await;
        }
        let digest = database.digest().await.unwrap();
        database.close().await.unwrap();
        let segment = first_segment(&dir);
        let whole = fs::read(&segment).unwrap();
        let length = whole.len();
        let mut flipped = whole.clone();
        flipped[length - 1] ^= 1;
        // One that was not closed before the machine went down is not believed; how far it had come is.
        let restarted = folder.path().join("restarted");
        copy(&dir, &restarted);
        fs::remove_file(restarted.join("store-1.seal")).unwrap();
        fs::write(restarted.join("store-1.open"), "another boot\n").unwrap();
        for broken in [flipped, whole[..length - 5].to_vec()] {
            for dir in [&dir, &restarted] {
                let segment = first_segment(dir);
                fs::write(&segment, &broken).unwrap();
                let error = Database::open(dir, options("d")).await.unwrap_err();
                assert_eq!(error.code(), "journal_damaged", "{error}");
                assert_eq!(fs::read(&segment).unwrap(), broken);
            }
        }
        fs::write(&segment, &whole).unwrap();
        let database = opened(&dir).await;
        assert_eq!(database.opening().rebuilt, None);
        assert_eq!(database.digest().await.unwrap(), digest);
        database.close().await.unwrap();
    }
}

/// redb believes a file that it has closed, and writes over pages that its flipped tables call free.
#[tokio::test(flavor = "current_thread")]
async fn a_bit_flipped_in_a_redb_file_that_was_closed_and_not_sealed_shows_nothing_wrong() {
    let folder = scratch();
    let (whole, dir) = (folder.path().join("whole"), folder.path().join("d"));
    let options = options("d").with_engine(StoreEngine::Redb);
    let database = Database::create(&whole, options.clone()).await.unwrap();
    let mut ids = Vec::new();
    for n in 0..30 {
        ids.push(note(&database, &format!("note {n}")).await);
    }
    database.close().await.unwrap();
    let bytes = fs::read(whole.join("store-1/data.redb")).unwrap();
    let mut roll = 12_345_u64;
    for _ in 0..30 {
        // Knuth's generator: places all over the file.
        roll = roll.wrapping_mul(6_364_136_223_846_793_005);
        roll = roll.wrapping_add(1_442_695_040_888_963_407);
        let at = usize::try_from(roll >> 33).unwrap() % bytes.len();
        let bit = (roll >> 20) % 8;
        copy(&whole, &dir);
        fs::remove_file(dir.join("store-1.seal")).unwrap();
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << bit;
        fs::write(dir.join("store-1/data.redb"), flipped).unwrap();
        let database = Database::open(&dir, options.clone()).await.unwrap();
        for id in &ids {
            retitle(&database, *id, "again").await;
        }
        let report = database.verify().await.unwrap();
        assert_eq!(report.problems, Vec::<String>::new(), "byte {at}");
        database.close().await.unwrap();
        fs::remove_dir_all(&dir).unwrap();
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_store_beside_the_journal_of_a_copy_is_not_believed() {
    let folder = scratch();
    let (dir, twin) = (folder.path().join("d"), folder.path().join("twin"));
    filled(&dir).await;
    copy(&dir, &twin);
    let mut digests = Vec::new();
    for (dir, title) in [(&dir, "one"), (&twin, "two")] {
        let database = opened(dir).await;
        note(&database, title).await;
        digests.push(database.digest().await.unwrap());
        database.close().await.unwrap();
    }
    fs::remove_dir_all(dir.join("journal")).unwrap();
    copy(&twin.join("journal"), &dir.join("journal"));
    let database = opened(&dir).await;
    let rebuilt = database.opening().rebuilt.clone().unwrap();
    assert!(rebuilt.contains("it is of another journal"), "{rebuilt}");
    assert_eq!(database.digest().await.unwrap(), digests[1]);
    database.close().await.unwrap();
}

/// Nothing was being written any more when it was closed.
#[tokio::test(flavor = "current_thread")]
async fn beside_a_store_that_was_closed_no_end_of_the_journal_is_torn_though_the_store_is_gone() {
    for engine in [StoreEngine::Sled, StoreEngine::Redb] {
        let folder = scratch();
        let (whole, dir) = (folder.path().join("whole"), folder.path().join("d"));
        let options = options("d").with_engine(engine);
        let database = Database::create(&whole, options.clone()).await.unwrap();
        let workspace = database.workspace();
        note(&database, "one").await;
        database.close().await.unwrap();
        let length = fs::read(first_segment(&whole)).unwrap().len();
        for is_deleted in [true, false] {
            for (left, is_lost) in [(length - 5, false), (100, true)] {
                copy(&whole, &dir);
                for file in files(&dir.join("store-1")) {
                    fs::write(file, "junk").unwrap();
                }
                if is_deleted {
                    fs::remove_dir_all(dir.join("store-1")).unwrap();
                }
                let segment = first_segment(&dir);
                let bytes = fs::read(&segment).unwrap()[..left].to_vec();
                fs::write(&segment, &bytes).unwrap();
                let error = Database::open(&dir, options.clone()).await.unwrap_err();
                assert_eq!(error.code(), "journal_damaged", "{error}");
                let report = Database::inspect(&dir, options.clone()).await.unwrap();
                assert_eq!(report.torn_bytes, 0);
                assert_eq!(fs::read(&segment).unwrap(), bytes);
                match Database::repair(&dir, options.clone()).await {
                    Ok(database) => {
                        assert!(!is_lost);
                        assert_eq!(database.workspace(), workspace);
                        database.close().await.unwrap();
                    }
                    Err(error) => {
                        assert!(is_lost, "{error}");
                        assert_eq!(error.code(), "membership_lost", "{error}");
                        assert_eq!(fs::read(&segment).unwrap(), bytes);
                    }
                }
                fs::remove_dir_all(&dir).unwrap();
            }
        }
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_damaged_journal_is_an_error_and_the_store_beside_it_stays() {
    let folder = scratch();
    let dir = folder.path().join("d");
    filled(&dir).await;
    let segment = first_segment(&dir);
    let mut bytes = fs::read(&segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&segment, bytes).unwrap();
    for _ in 0..2 {
        let error = Database::open(&dir, options("d")).await.unwrap_err();
        assert_eq!(
            (error.code(), error.kind()),
            ("journal_damaged", ErrorKind::Storage)
        );
        let error = Database::rebuild(&dir, options("d")).await.unwrap_err();
        assert_eq!(error.code(), "journal_damaged");
        assert!(dir.join("store-1").is_dir());
    }
    fs::remove_file(&segment).unwrap();
    let error = Database::open(&dir, options("d")).await.unwrap_err();
    assert_eq!(error.code(), "journal_damaged", "{error}");
}

/// "Making it was not finished" would have people make another workspace over what a repair can still use.
#[tokio::test(flavor = "current_thread")]
async fn a_folder_that_lost_its_journal_is_never_taken_for_one_that_was_not_made() {
    let folder = scratch();
    let whole = folder.path().join("whole");
    for engine in [StoreEngine::Sled, StoreEngine::Redb] {
        let options = options("d").with_engine(engine);
        let database = Database::create(&whole, options.clone()).await.unwrap();
        note(&database, "one").await;
        let workspace = database.workspace();
        database.close().await.unwrap();

        let dir = folder.path().join("spoilt");
        let seal = dir.join("store-1.seal");
        let spoilt: [&dyn Fn(); 3] = [
            &|| (),
            &|| fs::write(&seal, "junk").unwrap(),
            // As after a process was killed.
            &|| fs::remove_file(&seal).unwrap(),
        ];
        for (n, spoil) in spoilt.into_iter().enumerate() {
            copy(&whole, &dir);
            fs::remove_file(first_segment(&dir)).unwrap();
            spoil();
            let opened = Database::open(&dir, options.clone()).await;
            let made = Database::create(&dir, options.clone()).await;
            for error in [opened.unwrap_err(), made.unwrap_err()] {
                assert_eq!(error.code(), "journal_damaged", "{engine}, {n}: {error}");
            }
            let database = Database::repair(&dir, options.clone()).await.unwrap();
            assert_eq!(database.workspace(), workspace);
            database.close().await.unwrap();
            fs::remove_dir_all(&dir).unwrap();
        }
        fs::remove_dir_all(&whole).unwrap();
    }
}

/// The file by which each engine knows that a store is its own.
const ENGINE_FILES: [(StoreEngine, &str); 2] = [
    (StoreEngine::Sled, "conf"),
    (StoreEngine::Redb, "data.redb"),
];

/// Makes a database that has nothing in it, and leaves it without a seal, as after a process was killed.
async fn killed(dir: &Path, options: Options) -> DeviceId {
    let database = Database::create(dir, options).await.unwrap();
    let device = database.device();
    database.close().await.unwrap();
    fs::remove_file(dir.join("store-1.seal")).unwrap();
    device
}

/// Nor where the store says nothing either: that it was open once is in the folder.
#[tokio::test(flavor = "current_thread")]
async fn a_folder_that_lost_its_journal_and_its_store_was_made_all_the_same() {
    let folder = scratch();
    for (engine, file) in ENGINE_FILES {
        let dir = folder.path().join(engine.name());
        let options = options("d").with_engine(engine);
        killed(&dir, options.clone()).await;
        fs::remove_file(first_segment(&dir)).unwrap();
        let file = dir.join("store-1").join(file);
        let mut bytes = fs::read(&file).unwrap();
        bytes[4] ^= 1;
        fs::write(file, bytes).unwrap();
        let opened = Database::open(&dir, options.clone()).await;
        let made = Database::create(&dir, options.clone()).await;
        for error in [opened.unwrap_err(), made.unwrap_err()] {
            assert_eq!(error.code(), "journal_damaged", "{engine}: {error}");
        }
        let repaired = Database::repair(&dir, options).await.unwrap_err();
        assert_eq!(repaired.code(), "membership_lost", "{engine}: {repaired}");
    }
}

/// Nor where what says which store is live is gone as well.
#[tokio::test(flavor = "current_thread")]
async fn a_store_that_was_closed_is_not_made_anew() {
    let folder = scratch();
    let dir = folder.path().join("d");
    filled(&dir).await;
    fs::remove_file(first_segment(&dir)).unwrap();
    let current = dir.join("CURRENT");
    for (named, code) in [
        (None, "store_unnamed"),
        (Some("store-9\n"), "journal_damaged"),
    ] {
        match named {
            None => fs::remove_file(&current).unwrap(),
            Some(named) => fs::write(&current, named).unwrap(),
        }
        let opened = Database::open(&dir, options("d")).await;
        let made = Database::create(&dir, options("d")).await;
        for error in [opened.unwrap_err(), made.unwrap_err()] {
            assert_eq!(error.code(), code, "{error}");
        }
        assert!(dir.join("store-1").is_dir());
    }
    let database = Database::repair(&dir, options("d")).await.unwrap();
    database.close().await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn a_making_that_was_cut_off_inside_the_store_is_finished_at_once() {
    let folder = scratch();
    for (engine, file) in ENGINE_FILES {
        let dir = folder.path().join(engine.name());
        let options = options("d").with_engine(engine);
        let device = killed(&dir, options.clone()).await;
        // Up to the first group: the journal has none, and the engine had begun to write.
        let segment = fs::File::options()
            .write(true)
            .open(first_segment(&dir))
            .unwrap();
        segment.set_len(40).unwrap();
        fs::remove_file(dir.join("PLACE")).unwrap();
        fs::write(dir.join("store-1").join(file), vec![0xa5; 58]).unwrap();
        let refused = Database::open(&dir, options.clone()).await.unwrap_err();
        assert_eq!(refused.code(), "no_workspace");
        let database = Database::create(&dir, options).await.unwrap();
        assert_eq!(database.device(), device, "the key stays");
        note(&database, "one").await;
        database.close().await.unwrap();
        opened(&dir).await.close().await.unwrap();
    }
}

/// The file in which an engine keeps values.
fn values_of(dir: &Path) -> PathBuf {
    let files = files(&dir.join("store-1")).into_iter();
    let largest = files.max_by_key(|file| file.metadata().unwrap().len());
    largest.unwrap()
}

fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let to = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(file, to).unwrap();
    }
}

/// A store opens all the same where its engine has not come to what is damaged; then reading it fails.
#[tokio::test(flavor = "current_thread")]
async fn a_store_with_flipped_bits_anywhere_is_told_and_repaired() {
    let mut unreadable = 0;
    for engine in [StoreEngine::Sled, StoreEngine::Redb] {
        let folder = scratch();
        let (dir, spoilt) = (folder.path().join("d"), folder.path().join("spoilt"));
        let options = options("d").with_engine(engine);
        let database = Database::create(&dir, options.clone()).await.unwrap();
        database
            .collection("shops")
            .import(shops(0..1_000))
            .await
            .unwrap();
        database.close().await.unwrap();
        // What lies behind the engine's last snapshot is read when it opens, what lies before it when it is asked for.
        let database = Database::open(&dir, options.clone()).await.unwrap();
        note(&database, "later").await;
        let digest = database.digest().await.unwrap();
        database.close().await.unwrap();

        let whole = fs::read(values_of(&dir)).unwrap();
        for part in 0..8 {
            copy(&dir, &spoilt);
            let mut bytes = whole.clone();
            let part_of = bytes.len() / 8;
            let bytes_of_it = bytes[part * part_of..].iter_mut().take(part_of);
            bytes_of_it
                .skip(2_000)
                .step_by(4_096)
                .for_each(|byte| *byte ^= 1);
            fs::write(values_of(&spoilt), bytes).unwrap();
            let report = Database::inspect(&spoilt, options.clone()).await.unwrap();
            assert_ne!(report.faults, [], "{engine:?}, part {part}");
            let is_unreadable = |problem: &String| problem.contains("it cannot be read");
            unreadable += report
                .problems
                .iter()
                .filter(|problem| is_unreadable(problem))
                .count();
            let database = Database::repair(&spoilt, options.clone()).await.unwrap();
            assert_eq!(
                database.digest().await.unwrap(),
                digest,
                "{engine:?}, part {part}"
            );
            database.close().await.unwrap();
            fs::remove_dir_all(&spoilt).unwrap();
        }
    }
    assert!(unreadable > 0);
}
