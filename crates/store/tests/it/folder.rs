//! Who holds a folder, what half-made ones become, and how the live store changes.

use std::{
    fs,
    path::{Path, PathBuf},
};

use driftless_store::{
    Files as _, FolderError, FrameKind, Journal, StoreEngine, StoreFolder, Trust, check_seal,
    mark_open, write_seal,
};

const SEED: [u8; 32] = [42; 32];

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn use_journal(folder: &StoreFolder) {
    let files = Box::new(folder.journal_files().unwrap());
    let (mut journal, _) = Journal::open(files).unwrap();
    journal.append(FrameKind(1), b"used").unwrap();
    journal.commit().unwrap();
}

#[test]
fn a_store_is_made_once_and_opens_afterwards() {
    let outer = tempfile::tempdir().unwrap();
    let dir = outer.path().join("a").join("b");
    let folder = StoreFolder::create(&dir, StoreEngine::Sled).unwrap();
    assert_eq!(
        names(&dir),
        ["CURRENT", "driftless.lock", "journal", "store-1"]
    );
    assert_eq!(folder.live_store(), dir.join("store-1"));
    assert_eq!(folder.live_name(), "store-1");
    assert_eq!(folder.dir(), dir);
    assert!(!folder.has_device_seed().unwrap());
    folder.write_device_seed(&SEED).unwrap();
    assert!(folder.journal_is_empty().unwrap());
    use_journal(&folder);
    assert!(!folder.journal_is_empty().unwrap());
    drop(folder);
    let folder = StoreFolder::open(&dir).unwrap();
    assert_eq!(folder.device_seed().unwrap(), SEED);
    assert_eq!(folder.live_store(), dir.join("store-1"));
    drop(folder);
    let refused = StoreFolder::create(&dir, StoreEngine::Sled).unwrap_err();
    assert!(matches!(refused, FolderError::AlreadyHoldsStore { dir: named } if named == dir));
    assert_eq!(
        StoreFolder::open(&dir).unwrap().device_seed().unwrap(),
        SEED
    );
}

#[test]
fn a_journal_may_be_created_over_the_unused_one() {
    let dir = tempfile::tempdir().unwrap();
    let folder = StoreFolder::create(dir.path(), StoreEngine::Sled).unwrap();
    let files = || Box::new(folder.journal_files().unwrap());
    drop(Journal::create(files()).unwrap());
    drop(Journal::create(files()).unwrap());
    use_journal(&folder);
    assert!(Journal::create(files()).is_err());
}

#[test]
fn a_folder_in_use_is_busy_and_says_by_whom() {
    let dir = tempfile::tempdir().unwrap();
    let folder = StoreFolder::create(dir.path(), StoreEngine::Sled).unwrap();
    for refused in [
        StoreFolder::open(dir.path()).unwrap_err(),
        StoreFolder::create(dir.path(), StoreEngine::Sled).unwrap_err(),
    ] {
        assert!(
            matches!(refused, FolderError::Busy { dir: named, pid: Some(pid) }
            if named == dir.path() && pid == std::process::id())
        );
    }
    drop(folder);
    StoreFolder::open(dir.path()).unwrap();
}

#[test]
fn what_a_dead_process_left_in_the_lock_does_not_matter() {
    let dir = tempfile::tempdir().unwrap();
    drop(StoreFolder::create(dir.path(), StoreEngine::Sled).unwrap());
    let lock = dir.path().join("driftless.lock");
    fs::write(&lock, "4294967295999 and much more than a process id").unwrap();
    let folder = StoreFolder::open(dir.path()).unwrap();
    let own = format!("{}\n", std::process::id());
    assert_eq!(fs::read_to_string(&lock).unwrap(), own);
    drop(folder);
}

#[test]
fn no_store_and_half_a_store_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing");
    for place in [&missing, dir.path()] {
        let refused = StoreFolder::open(place).unwrap_err();
        assert!(matches!(refused, FolderError::NotFound { dir: named } if named == place));
    }
    assert!(
        names(dir.path()).is_empty(),
        "looking leaves nothing behind"
    );
    fs::write(dir.path().join("notes.txt"), b"mine").unwrap();
    drop(StoreFolder::create(dir.path(), StoreEngine::Sled).unwrap());
    fs::remove_file(dir.path().join("CURRENT")).unwrap();
    let refused = StoreFolder::open(dir.path()).unwrap_err();
    assert!(matches!(
        refused,
        FolderError::Incomplete {
            missing: "CURRENT",
            ..
        }
    ));
    drop(StoreFolder::create(dir.path(), StoreEngine::Sled).unwrap());
    fs::remove_dir_all(dir.path().join("journal")).unwrap();
    let refused = StoreFolder::open(dir.path()).unwrap_err();
    assert!(matches!(
        refused,
        FolderError::Incomplete {
            missing: "journal",
            ..
        }
    ));
    assert_eq!(fs::read(dir.path().join("notes.txt")).unwrap(), b"mine");
}

#[test]
fn creating_finishes_what_a_crash_left_at_every_step() {
    let leave: [&dyn Fn(&Path); 10] = [
        &|_| {},
        &|dir| fs::write(dir.join("driftless.lock"), "1\n").unwrap(),
        &|dir| fs::create_dir(dir.join("journal")).unwrap(),
        &|dir| {
            fs::create_dir(dir.join("journal")).unwrap();
            fs::write(dir.join("journal/00000001.seg"), b"DRIFT").unwrap();
        },
        &|dir| {
            drop(StoreFolder::create(dir, StoreEngine::Sled).unwrap());
            fs::remove_file(dir.join("CURRENT")).unwrap();
        },
        &|dir| {
            drop(StoreFolder::create(dir, StoreEngine::Sled).unwrap());
            fs::rename(dir.join("CURRENT"), dir.join("CURRENT.new")).unwrap();
            fs::write(dir.join("store-1/leftover"), b"x").unwrap();
            fs::write(dir.join("store-1.open"), b"x").unwrap();
        },
        &|dir| drop(StoreFolder::create(dir, StoreEngine::Sled).unwrap()),
        &|dir| {
            drop(StoreFolder::create(dir, StoreEngine::Sled).unwrap());
            fs::remove_file(dir.join("CURRENT")).unwrap();
            fs::write(dir.join("device.key"), b"half of a key").unwrap();
        },
        &|dir| {
            drop(StoreFolder::create(dir, StoreEngine::Sled).unwrap());
            fs::write(dir.join("device.key"), b"").unwrap();
        },
        &|dir| {
            drop(StoreFolder::create(dir, StoreEngine::Sled).unwrap());
            fs::write(dir.join("device.key.new"), b"half of a key").unwrap();
        },
    ];
    for (case, leave) in leave.into_iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        leave(dir.path());
        let folder = StoreFolder::create(dir.path(), StoreEngine::Sled).unwrap();
        folder.write_device_seed(&SEED).unwrap();
        use_journal(&folder);
        drop(folder);
        let folder = StoreFolder::open(dir.path()).unwrap();
        assert_eq!(folder.device_seed().unwrap(), SEED, "case {case}");
        assert!(!dir.path().join("device.key.new").exists(), "case {case}");
        assert!(names(folder.live_store()).is_empty(), "case {case}");
        assert_eq!(
            check_seal(folder.live_store()),
            Trust::Unclean { same_boot: false }
        );
    }
}

#[test]
fn a_key_or_a_journal_that_was_used_is_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let folder = StoreFolder::create(dir.path(), StoreEngine::Sled).unwrap();
    folder.write_device_seed(&SEED).unwrap();
    let refused = folder.write_device_seed(&[1; 32]).unwrap_err();
    assert!(matches!(refused, FolderError::SeedExists { .. }));
    use_journal(&folder);
    drop(folder);
    // Even without CURRENT, and even with a key that is torn.
    fs::remove_file(dir.path().join("CURRENT")).unwrap();
    let refused = StoreFolder::create(dir.path(), StoreEngine::Sled).unwrap_err();
    assert!(matches!(refused, FolderError::AlreadyHoldsStore { .. }));
    fs::write(dir.path().join("device.key"), b"torn").unwrap();
    let refused = StoreFolder::create(dir.path(), StoreEngine::Sled).unwrap_err();
    assert!(matches!(refused, FolderError::AlreadyHoldsStore { .. }));
    assert_eq!(fs::read(dir.path().join("device.key")).unwrap(), b"torn");
}

#[test]
fn a_whole_key_without_a_store_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("device.key"), SEED).unwrap();
    let folder = StoreFolder::create(dir.path(), StoreEngine::Sled).unwrap();
    assert_eq!(folder.device_seed().unwrap(), SEED);
}

#[test]
fn a_key_of_the_wrong_length_or_none_is_typed() {
    let dir = tempfile::tempdir().unwrap();
    let folder = StoreFolder::create(dir.path(), StoreEngine::Sled).unwrap();
    let missing = folder.device_seed().unwrap_err();
    assert!(matches!(
        missing,
        FolderError::Incomplete {
            missing: "device.key",
            ..
        }
    ));
    for length in [0, 31, 33] {
        fs::write(dir.path().join("device.key"), vec![1; length]).unwrap();
        let refused = folder.device_seed().unwrap_err();
        assert!(
            matches!(refused, FolderError::BadSeed { length: found, .. } if found == length as u64)
        );
    }
}

#[cfg(unix)]
#[test]
fn the_key_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let folder = StoreFolder::create(dir.path(), StoreEngine::Sled).unwrap();
    folder.write_device_seed(&SEED).unwrap();
    let mode = fs::metadata(dir.path().join("device.key"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_current_that_names_no_store_is_typed() {
    let dir = tempfile::tempdir().unwrap();
    drop(StoreFolder::create(dir.path(), StoreEngine::Sled).unwrap());
    for text in [
        "",
        "\n",
        "store-1",
        "store-01\n",
        "store--1\n",
        "store-x\n",
        "store-1\n\n",
        "../x\n",
        "store-99999999999999999999\n",
    ] {
        fs::write(dir.path().join("CURRENT"), text).unwrap();
        let refused = StoreFolder::open(dir.path()).unwrap_err();
        assert!(
            matches!(refused, FolderError::BadCurrent { .. }),
            "{text:?}"
        );
    }
    fs::write(dir.path().join("CURRENT"), b"store-\xff\n").unwrap();
    let refused = StoreFolder::open(dir.path()).unwrap_err();
    assert!(matches!(refused, FolderError::BadCurrent { .. }));
    fs::write(dir.path().join("CURRENT"), "store-7\n").unwrap();
    let folder = StoreFolder::open(dir.path()).unwrap();
    assert_eq!(check_seal(folder.live_store()), Trust::Missing);
}

#[test]
fn current_remembers_the_engine() {
    let dir = tempfile::tempdir().unwrap();
    let current = dir.path().join("CURRENT");
    let mut folder = StoreFolder::create(dir.path(), StoreEngine::Redb).unwrap();
    assert_eq!(folder.live_engine(), StoreEngine::Redb);
    assert_eq!(fs::read_to_string(&current).unwrap(), "store-1 redb\n");
    fill(&folder.next_store().unwrap(), "of sled");
    folder.make_live(StoreEngine::Sled).unwrap();
    assert_eq!(folder.live_engine(), StoreEngine::Sled);
    assert_eq!(fs::read_to_string(&current).unwrap(), "store-2\n");
    drop(folder);
    for (text, engine) in [
        ("store-2\n", StoreEngine::Sled),
        ("store-2 sled\n", StoreEngine::Sled),
        ("store-2 redb\n", StoreEngine::Redb),
    ] {
        fs::write(&current, text).unwrap();
        let folder = StoreFolder::open(dir.path()).unwrap();
        assert_eq!(folder.live_engine(), engine, "{text:?}");
        assert_eq!(folder.live_name(), "store-2");
    }
}

#[test]
fn an_engine_there_is_not_is_typed_and_rebuilding_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    drop(StoreFolder::create(dir.path(), StoreEngine::Redb).unwrap());
    for name in ["lmdb", "", " redb", "REDB", "redb "] {
        fs::write(dir.path().join("CURRENT"), format!("store-1 {name}\n")).unwrap();
        let refused = StoreFolder::open(dir.path()).unwrap_err();
        assert!(
            matches!(&refused, FolderError::UnknownEngine { path, source }
            if path.ends_with("CURRENT") && source.name == name),
            "{refused:?}"
        );
    }
    for text in [Some("store-1 lmdb\n"), Some("junk"), None] {
        let dir = tempfile::tempdir().unwrap();
        let current = dir.path().join("CURRENT");
        drop(StoreFolder::create(dir.path(), StoreEngine::Redb).unwrap());
        match text {
            Some(text) => fs::write(current, text).unwrap(),
            None => fs::remove_file(current).unwrap(),
        }
        fill(&dir.path().join("store-7"), "the newest there is");
        let mut folder = StoreFolder::open_to_rebuild(dir.path()).unwrap();
        assert_eq!(folder.live_name(), "store-7");
        let next = folder.next_store().unwrap();
        fill(&next, "rebuilt");
        folder.make_live(StoreEngine::Redb).unwrap();
        drop(folder);
        let folder = StoreFolder::open(dir.path()).unwrap();
        assert_eq!(folder.live_store(), next);
        assert_eq!(folder.live_engine(), StoreEngine::Redb);
        assert!(!dir.path().join("store-7").exists());
    }
}

/// One flipped bit in `CURRENT` is enough.
#[test]
fn a_store_that_was_closed_is_kept_and_found_where_current_names_another() {
    for engine in [StoreEngine::Sled, StoreEngine::Redb] {
        let dir = tempfile::tempdir().unwrap();
        let folder = StoreFolder::create(dir.path(), engine).unwrap();
        folder.write_device_seed(&SEED).unwrap();
        use_journal(&folder);
        let store = folder.live_store().to_owned();
        engine.open(&store, 1 << 20).unwrap().close().unwrap();
        write_seal(&store).unwrap();
        drop(folder);
        let text = fs::read_to_string(dir.path().join("CURRENT")).unwrap();
        let wrong = text.replace("store-1", "store-9");
        fs::write(dir.path().join("CURRENT"), wrong).unwrap();

        drop(StoreFolder::open(dir.path()).unwrap());
        assert!(store.is_dir(), "opening removes nothing");
        let folder = StoreFolder::open_to_rebuild(dir.path()).unwrap();
        assert_eq!(folder.live_store(), store);
        assert_eq!(folder.live_engine(), engine);
        let said = folder.misnamed().expect("it is said");
        assert!(said.contains("store-9, which is not there"), "{said}");
    }
}

fn fill(store: &Path, content: &str) {
    fs::create_dir_all(store).unwrap();
    fs::write(store.join("db"), content).unwrap();
}

fn rebuild(folder: &mut StoreFolder, content: &str) -> PathBuf {
    let next = folder.next_store().unwrap();
    fill(&next, content);
    folder.make_live(StoreEngine::Sled).unwrap();
    assert_eq!(folder.live_store(), next);
    next
}

#[test]
fn a_damaged_store_is_set_aside_and_another_becomes_live() {
    let dir = tempfile::tempdir().unwrap();
    let mut folder = StoreFolder::create(dir.path(), StoreEngine::Sled).unwrap();
    fill(folder.live_store(), "first");
    write_seal(folder.live_store()).unwrap();
    mark_open(folder.live_store()).unwrap();
    let aside = folder.set_aside("a test").unwrap();
    assert_eq!(aside, dir.path().join("store-1.damaged"));
    assert_eq!(fs::read(aside.join("db")).unwrap(), b"first");
    assert_eq!(check_seal(folder.live_store()), Trust::Missing);
    let left = ["CURRENT", "driftless.lock", "journal", "store-1.damaged"];
    assert_eq!(names(dir.path()), left, "its marks went with it");
    rebuild(&mut folder, "second");
    let expected = [
        "CURRENT",
        "driftless.lock",
        "journal",
        "store-1.damaged",
        "store-2",
    ];
    assert_eq!(names(dir.path()), expected);
    drop(folder);
    let mut folder = StoreFolder::open(dir.path()).unwrap();
    assert_eq!(folder.live_name(), "store-2");
    // Only the newest of those set aside is kept.
    folder.set_aside("another test").unwrap();
    rebuild(&mut folder, "third");
    let expected = [
        "CURRENT",
        "driftless.lock",
        "journal",
        "store-2.damaged",
        "store-3",
    ];
    assert_eq!(names(dir.path()), expected);
}

#[test]
fn setting_aside_what_is_not_there_keeps_what_was_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let mut folder = StoreFolder::create(dir.path(), StoreEngine::Sled).unwrap();
    fill(folder.live_store(), "first");
    folder.set_aside("a test").unwrap();
    // The process died before it rebuilt; the next one finds the store missing and does the same.
    let aside = folder.set_aside("missing").unwrap();
    assert_eq!(fs::read(aside.join("db")).unwrap(), b"first");
    // Something with the old name appears again, and is the newest.
    fill(folder.live_store(), "again");
    let aside = folder.set_aside("a test").unwrap();
    assert_eq!(fs::read(aside.join("db")).unwrap(), b"again");
}

#[test]
fn a_rebuild_that_was_interrupted_begins_anew() {
    let dir = tempfile::tempdir().unwrap();
    let mut folder = StoreFolder::create(dir.path(), StoreEngine::Sled).unwrap();
    fill(folder.live_store(), "first");
    let next = folder.next_store().unwrap();
    fill(&next, "half built");
    mark_open(&next).unwrap();
    let again = folder.next_store().unwrap();
    assert_eq!(again, next);
    assert!(!again.exists());
    assert!(!dir.path().join("store-2.open").exists());
    fill(&next, "half built again");
    mark_open(&next).unwrap();
    drop(folder);
    let mut folder = StoreFolder::open(dir.path()).unwrap();
    assert_eq!(folder.live_name(), "store-1");
    assert!(!next.exists(), "opening removes it");
    assert!(!dir.path().join("store-2.open").exists());
    assert_eq!(folder.next_store().unwrap(), next);
    let missing = folder.make_live(StoreEngine::Sled).unwrap_err();
    assert!(matches!(missing, FolderError::Io { path, .. } if path == next));
    assert_eq!(folder.live_name(), "store-1");
    rebuild(&mut folder, "whole");
    assert!(!dir.path().join("store-1").exists());
}

#[test]
fn marks_of_the_live_store_survive_the_flip_and_others_go() {
    let dir = tempfile::tempdir().unwrap();
    let mut folder = StoreFolder::create(dir.path(), StoreEngine::Sled).unwrap();
    fill(folder.live_store(), "first");
    write_seal(folder.live_store()).unwrap();
    let next = folder.next_store().unwrap();
    fill(&next, "second");
    write_seal(&next).unwrap();
    folder.make_live(StoreEngine::Sled).unwrap();
    assert_eq!(check_seal(folder.live_store()), Trust::Clean);
    assert!(!dir.path().join("store-1.seal").exists());
}

#[cfg(unix)]
#[test]
fn a_folder_that_is_not_where_it_was_is_told_and_what_took_its_place_is_left_alone() {
    for replaced in [false, true] {
        let outer = tempfile::tempdir().unwrap();
        let (dir, moved) = (outer.path().join("a"), outer.path().join("b"));
        let mut folder = StoreFolder::create(&dir, StoreEngine::Sled).unwrap();
        let mut files = folder.journal_files().unwrap();
        folder.check_place().unwrap();
        fs::rename(&dir, &moved).unwrap();
        if replaced {
            fs::create_dir_all(dir.join("journal")).unwrap();
            fs::create_dir(dir.join("store-1")).unwrap();
        }
        let gone = |error: FolderError| assert!(matches!(error, FolderError::Gone { .. }));
        gone(folder.check_place().unwrap_err());
        gone(folder.next_store().unwrap_err());
        gone(folder.flip(StoreEngine::Sled).unwrap_err());
        gone(folder.remove_leftovers().unwrap_err());
        gone(folder.set_aside("a test").unwrap_err());
        assert!(files.create_new("00000002.seg").is_err());
        assert!(files.remove("00000001.seg").is_err());
        assert!(files.rename("00000001.seg", "x").is_err());
        if replaced {
            assert_eq!(names(&dir), ["journal", "store-1"]);
            assert_eq!(names(&dir.join("journal")), [""; 0]);
        }
        drop(folder);
        StoreFolder::open(&moved).unwrap();
    }
}
