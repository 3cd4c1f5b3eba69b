//! When a store on disk is believed.

use std::{fs, path::PathBuf};

use driftless_store::{
    Batch, Kv, SealError, SledKv, StoreDamage, Trust, check_seal, mark_open, write_seal,
};

struct Fixture {
    dir: tempfile::TempDir,
}

impl Fixture {
    /// A store of three files, opened and closed as it should be.
    fn sealed() -> Fixture {
        let dir = tempfile::tempdir().unwrap();
        let fixture = Fixture { dir };
        fs::create_dir_all(fixture.store().join("inner")).unwrap();
        fs::write(fixture.file("db"), vec![7; 100_000]).unwrap();
        fs::write(fixture.file("conf"), b"conf").unwrap();
        fs::write(fixture.file("inner/empty"), b"").unwrap();
        mark_open(&fixture.store()).unwrap();
        write_seal(&fixture.store()).unwrap();
        fixture
    }

    fn store(&self) -> PathBuf {
        self.dir.path().join("store-1")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.store().join(name)
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        self.dir.path().join(format!("store-1.{suffix}"))
    }

    fn damage(&self) -> StoreDamage {
        match check_seal(&self.store()) {
            Trust::Damaged { what } => what,
            other => panic!("{other:?}"),
        }
    }

    fn has_boot_id() -> bool {
        fs::exists("/proc/sys/kernel/random/boot_id").unwrap()
    }
}

#[test]
fn a_store_that_was_closed_and_not_touched_is_clean() {
    let fixture = Fixture::sealed();
    assert_eq!(check_seal(&fixture.store()), Trust::Clean);
    // Checking changes nothing.
    assert_eq!(check_seal(&fixture.store()), Trust::Clean);
    assert!(fixture.beside("seal").exists());
    assert!(!fixture.beside("open").exists());
    // Closed again after another opening.
    mark_open(&fixture.store()).unwrap();
    fs::write(fixture.file("db"), b"more").unwrap();
    write_seal(&fixture.store()).unwrap();
    assert_eq!(check_seal(&fixture.store()), Trust::Clean);
}

#[test]
fn a_store_that_was_not_closed_is_unclean_and_knows_its_boot() {
    let fixture = Fixture::sealed();
    mark_open(&fixture.store()).unwrap();
    assert!(!fixture.beside("seal").exists());
    let same_boot = Fixture::has_boot_id();
    assert_eq!(check_seal(&fixture.store()), Trust::Unclean { same_boot });
    for other in ["another boot\n", "", "\n"] {
        fs::write(fixture.beside("open"), other).unwrap();
        let trust = check_seal(&fixture.store());
        assert_eq!(trust, Trust::Unclean { same_boot: false });
    }
    fs::remove_file(fixture.beside("open")).unwrap();
    let trust = check_seal(&fixture.store());
    assert_eq!(trust, Trust::Unclean { same_boot: false });
}

#[test]
fn a_crash_between_mark_and_removal_is_judged_by_the_content() {
    let fixture = Fixture::sealed();
    fs::write(fixture.beside("open"), "some boot\n").unwrap();
    assert_eq!(check_seal(&fixture.store()), Trust::Clean);
    // The removal of the seal was lost with the power, what was written since was not.
    fs::write(fixture.file("db"), b"written since").unwrap();
    let name = "db".to_owned();
    assert_eq!(fixture.damage(), StoreDamage::Differs { name });
}

#[test]
fn every_difference_is_named() {
    let differs = |name: &str| StoreDamage::Differs {
        name: name.to_owned(),
    };
    let fixture = Fixture::sealed();
    let mut content = fs::read(fixture.file("db")).unwrap();
    content[99_999] ^= 1;
    fs::write(fixture.file("db"), &content).unwrap();
    assert_eq!(fixture.damage(), differs("db"));

    let fixture = Fixture::sealed();
    fs::write(fixture.file("db"), vec![7; 99_999]).unwrap();
    assert_eq!(fixture.damage(), differs("db"));

    let fixture = Fixture::sealed();
    fs::write(fixture.file("inner/empty"), b"x").unwrap();
    assert_eq!(fixture.damage(), differs("inner/empty"));

    let fixture = Fixture::sealed();
    fs::remove_file(fixture.file("conf")).unwrap();
    let name = "conf".to_owned();
    assert_eq!(fixture.damage(), StoreDamage::MissingFile { name });

    let fixture = Fixture::sealed();
    fs::write(fixture.file("inner/more"), b"").unwrap();
    let name = "inner/more".to_owned();
    assert_eq!(fixture.damage(), StoreDamage::ExtraFile { name });
}

#[test]
fn a_seal_that_is_no_seal_is_damage_wherever_it_is_broken() {
    let fixture = Fixture::sealed();
    let seal = fs::read(fixture.beside("seal")).unwrap();
    assert_eq!(&seal[..9], b"DRIFSEAL\x01");
    for length in 0..seal.len() {
        fs::write(fixture.beside("seal"), &seal[..length]).unwrap();
        assert_eq!(fixture.damage(), StoreDamage::Seal);
    }
    for at in 0..seal.len() {
        let mut junk = seal.clone();
        junk[at] ^= 0x10;
        fs::write(fixture.beside("seal"), junk).unwrap();
        assert_eq!(fixture.damage(), StoreDamage::Seal);
    }
    fs::write(fixture.beside("seal"), [&seal[..], b"x"].concat()).unwrap();
    assert_eq!(fixture.damage(), StoreDamage::Seal);
    fs::write(fixture.beside("seal"), vec![0; 5 * 1024 * 1024]).unwrap();
    assert_eq!(fixture.damage(), StoreDamage::Seal);
    fs::remove_file(fixture.beside("seal")).unwrap();
    fs::create_dir(fixture.beside("seal")).unwrap();
    assert_eq!(fixture.damage(), StoreDamage::Seal);
}

#[test]
fn a_count_that_is_too_large_sizes_nothing() {
    let fixture = Fixture::sealed();
    let mut seal = b"DRIFSEAL\x01\0".to_vec();
    seal.extend_from_slice(&u32::MAX.to_be_bytes());
    seal.extend_from_slice(blake3::hash(&seal).as_bytes());
    fs::write(fixture.beside("seal"), seal).unwrap();
    assert_eq!(fixture.damage(), StoreDamage::Seal);
}

#[test]
fn no_store_is_missing_whatever_lies_beside() {
    let fixture = Fixture::sealed();
    fs::remove_dir_all(fixture.store()).unwrap();
    assert_eq!(check_seal(&fixture.store()), Trust::Missing);
    fs::remove_file(fixture.beside("seal")).unwrap();
    assert_eq!(check_seal(&fixture.store()), Trust::Missing);
}

#[cfg(unix)]
#[test]
fn links_are_neither_sealed_nor_believed() {
    let fixture = Fixture::sealed();
    std::os::unix::fs::symlink("/etc/hosts", fixture.file("link")).unwrap();
    let path = fixture.file("link");
    assert_eq!(
        fixture.damage(),
        StoreDamage::Unreadable { path: path.clone() }
    );
    let refused = write_seal(&fixture.store()).unwrap_err();
    assert!(matches!(refused, SealError::Unsealable { path: named } if named == path));
}

#[test]
fn sled_leaves_its_files_alone_after_closing() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("store-1");
    for round in 0..5_u8 {
        mark_open_if_there(&folder);
        let store = SledKv::open(&folder, 1024 * 1024).unwrap();
        for key in 0..50_u8 {
            let mut batch = Batch::new();
            batch.put([key], vec![round; 5_000]);
            store.apply(&batch).unwrap();
        }
        let store: Box<dyn Kv> = Box::new(store);
        store.close().unwrap();
        write_seal(&folder).unwrap();
        assert_eq!(check_seal(&folder), Trust::Clean, "round {round}");
    }
}

fn mark_open_if_there(folder: &std::path::Path) {
    if folder.exists() {
        mark_open(folder).unwrap();
    }
}
