//! The store deleted, cut short or filled with junk: the next command says so, and nothing is lost.

use std::fs::{self, OpenOptions};
use std::path::Path;

use serde_json::Value as Json;

use crate::support::{Device, World, files_below, text, text_of};

fn filled() -> (World, Device, Json) {
    let world = World::new();
    let laptop = world.init("laptop");
    let rows = text_of((0..500).map(|n| format!("{n},value {n}")));
    let file = world.file("rows.csv", format!("k,v\n{rows}"));
    laptop.json([
        "import",
        &file,
        "--collection",
        "rows",
        "--key",
        "k",
        "--types",
        "v=string",
    ]);
    laptop.json(["set", "rows", "key:7", "v=seven"]);
    laptop.json(["delete", "rows", "key:8"]);
    let digest = laptop.digest();
    (world, laptop, digest)
}

#[track_caller]
fn is_rebuilt(laptop: &Device, digest: &Json, what: &str) {
    let outcome = laptop.run(["digest", "--json"]).succeeded();
    assert_eq!(outcome.lines(), std::slice::from_ref(digest), "{what}");
    assert_eq!(
        outcome.stderr.lines().count(),
        1,
        "{what}: {}",
        outcome.stderr
    );
    assert!(
        outcome
            .stderr
            .contains("set aside, rebuilding it from the journal"),
        "{what}: it says so: {}",
        outcome.stderr
    );
    let quiet = laptop.run(["digest", "--json"]).succeeded();
    assert_eq!(quiet.stderr, "", "{what}: once mended, it is mended");
    assert_eq!(laptop.fields("rows", "key:7")["v"], "seven");
}

#[test]
fn a_deleted_store_is_rebuilt() {
    let (_world, laptop, digest) = filled();
    fs::remove_dir_all(laptop.store()).unwrap();
    is_rebuilt(&laptop, &digest, "deleted");
    fs::remove_dir_all(laptop.store()).unwrap();
    fs::create_dir(laptop.store()).unwrap();
    is_rebuilt(&laptop, &digest, "emptied");
}

#[test]
fn a_store_cut_short_is_rebuilt() {
    let (_world, laptop, digest) = filled();
    for part in [2, 3, 10] {
        let largest = files_below(&laptop.store()).remove(0);
        let length = fs::metadata(&largest).unwrap().len();
        OpenOptions::new()
            .write(true)
            .open(&largest)
            .unwrap()
            .set_len(length / part)
            .unwrap();
        is_rebuilt(&laptop, &digest, &format!("cut to 1/{part}"));
    }
}

#[test]
fn a_store_full_of_junk_is_rebuilt() {
    let (_world, laptop, digest) = filled();
    let junk = |path: &Path| {
        let length = usize::try_from(fs::metadata(path).unwrap().len()).unwrap();
        let bytes: Vec<u8> = (0..=250).cycle().take(length.max(64)).collect();
        fs::write(path, bytes).unwrap();
    };
    let largest = files_below(&laptop.store()).remove(0);
    junk(&largest);
    is_rebuilt(&laptop, &digest, "the largest file");
    for file in files_below(&laptop.store()) {
        junk(&file);
    }
    is_rebuilt(&laptop, &digest, "every file");
    // One flipped bit in the middle.
    let largest = files_below(&laptop.store()).remove(0);
    let mut bytes = fs::read(&largest).unwrap();
    let middle = bytes.iter().rposition(|byte| *byte != 0).unwrap() / 2;
    bytes[middle] ^= 1;
    fs::write(&largest, bytes).unwrap();
    is_rebuilt(&laptop, &digest, "one bit");
}

#[test]
fn a_store_that_was_deleted_does_not_stop_a_write_or_a_sync() {
    let (world, laptop, _) = filled();
    fs::remove_dir_all(laptop.store()).unwrap();
    let id = laptop.insert("rows", &["v=new"]);
    fs::remove_dir_all(laptop.store()).unwrap();
    let serving = laptop.serve_and_invite();
    let phone = world.join("phone", serving.link());
    fs::remove_dir_all(phone.store()).unwrap();
    phone.json(["sync", &serving.url]);
    serving.stop();
    assert_eq!(phone.digest(), laptop.digest());
    assert_eq!(phone.fields("rows", &id)["v"], "new");
    fs::remove_dir_all(phone.store()).unwrap();
    assert_eq!(phone.digest(), laptop.digest());
}

#[test]
fn rebuild_derives_the_same_again() {
    let (_world, laptop, digest) = filled();
    let outcome = laptop.run(["rebuild", "--json"]).succeeded();
    assert!(
        outcome.stderr.contains("replayed "),
        "with progress: {}",
        outcome.stderr
    );
    let rebuilt = outcome.lines().remove(0);
    assert_eq!(rebuilt["records_digest"], digest["records_digest"]);
    assert_eq!(rebuilt["conflicts_digest"], digest["conflicts_digest"]);
    assert_eq!(rebuilt["records"], digest["records"]);
    assert_eq!(laptop.digest(), digest);
    let report = laptop.json(["verify"]);
    assert_eq!(report["problems"], serde_json::json!([]));
    assert_eq!(report["records"], 500, "deleted ones included");
    // What an import was told stays known: 9 is text here.
    laptop.json(["set", "rows", "key:9", "v=x"]);
}

#[test]
fn a_journal_that_was_changed_is_told_and_nothing_is_made_up() {
    let (_world, laptop, _) = filled();
    let segment = files_below(&laptop.dir.join("journal")).remove(0);
    let whole = fs::read(&segment).unwrap();
    let mut bytes = whole.clone();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&segment, &bytes).unwrap();
    fs::remove_dir_all(laptop.store()).unwrap();
    let error = laptop.fails(8, ["digest"]);
    assert_eq!(error["code"], "journal_damaged", "{error}");
    assert!(!text(&error["remedy"]).is_empty());
    // With the bytes brought back, everything is.
    fs::write(&segment, &whole).unwrap();
    assert_eq!(laptop.json(["status"])["records"], 499);
}
