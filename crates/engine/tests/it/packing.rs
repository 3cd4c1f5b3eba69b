//! Packed history is the same history: in its frames, in what is derived from it, and for whoever asks for it.

use driftless_document::parse_record;
use driftless_engine::{ConflictFilter, EngineError, Replica};
use driftless_store::{Frame, Journal, JournalError, Kv as _, MemoryKv};

use crate::support::{Device, assert_equal, insert, set, sync, two};

/// Packs all there is, however little.
pub(crate) fn pack(replica: &mut Replica) {
    replica.close_segment(0).unwrap();
    replica.pack_all(&|| true).unwrap();
    assert!(!replica.wants_pack());
}

/// Everything that can be asked of history.
fn asked(replica: &Replica) -> impl PartialEq + std::fmt::Debug + use<> {
    let mut status = replica.status().unwrap();
    status.journal_bytes = 0;
    let pages: Vec<_> = [(0, 1_000), (0, 7), (3, 5), (6, 1_000), (u64::MAX, 3)]
        .iter()
        .map(|(seq, limit)| replica.changes_since(*seq, *limit).unwrap())
        .collect();
    let conflicts = replica.conflicts(&ConflictFilter::default()).unwrap();
    (status, pages, conflicts, replica.digest().unwrap())
}

/// The frames of a journal, whatever its form.
pub(crate) fn frames(device: &Device) -> Vec<Frame> {
    device.frames().unwrap()
}

fn contents(device: &Device) -> Vec<(Vec<u8>, Vec<u8>)> {
    let keys = device.keys().into_iter();
    keys.map(|key| {
        let value = device.kv.get(&key).unwrap().unwrap();
        (key, value)
    })
    .collect()
}

fn assert_whole(replica: &Replica) {
    replica.check_store().unwrap();
    let report = replica.verify(&mut |_| ()).unwrap();
    assert_eq!(report.problems, Vec::<String>::new());
}

/// Two devices with conflicts, decisions to make, a restart, an import, and settings.
fn lived_in() -> (Device, Replica, Device, Replica) {
    let (a, mut laptop, b, mut phone) = two();
    let id = insert(
        &mut laptop,
        r#"{"title":"a","n":1,"x":1.5,"tags":["a","b"],"gone":null,"on":true}"#,
    );
    sync(&mut phone, &mut laptop).unwrap();
    for n in 0..6 {
        set(&mut laptop, id, "title", &format!("laptop {n}"));
        set(&mut phone, id, "title", &format!("phone {n}"));
        if n % 3 == 1 {
            sync(&mut phone, &mut laptop).unwrap();
        }
    }
    let rows = (0..40).map(|n| {
        let json = format!(r#"{{"n":{n},"text":"row {n}"}}"#);
        (None, parse_record(&json).unwrap())
    });
    laptop.import("others", rows.collect()).unwrap();
    laptop.set_setting("a setting", b"its value").unwrap();
    laptop.close().unwrap();
    let mut laptop = a.open();
    laptop.delete("notes", id).unwrap();
    laptop.restore("notes", id).unwrap();
    sync(&mut phone, &mut laptop).unwrap();
    (a, laptop, b, phone)
}

#[test]
fn packed_history_is_the_same_in_every_frame_and_every_answer() {
    let (a, mut laptop, ..) = lived_in();
    let before = (frames(&a), asked(&laptop));
    let envelopes = laptop.verify(&mut |_| ()).unwrap().envelopes;
    let (bytes, entries) = (laptop.status().unwrap().journal_bytes, a.keys().len());
    pack(&mut laptop);
    assert_eq!(frames(&a), before.0);
    assert_eq!(asked(&laptop), before.1);
    assert_whole(&laptop);
    assert_eq!(laptop.verify(&mut |_| ()).unwrap().envelopes, envelopes);
    assert!(laptop.status().unwrap().journal_bytes < bytes * 2 / 3);
    // One entry a feed and segment, and one for the commits, in place of one each.
    assert!(a.keys().len() + 50 < entries);
    laptop.close().unwrap();
    let laptop = a.open();
    assert_eq!(asked(&laptop), before.1);
    assert_whole(&laptop);
}

#[test]
fn a_store_derived_from_packed_history_is_the_one_that_was_listed_step_by_step() {
    let (a, mut laptop, ..) = lived_in();
    pack(&mut laptop);
    insert(&mut laptop, r#"{"title":"after"}"#);
    laptop.close_segment(0).unwrap();
    insert(&mut laptop, r#"{"title":"in the last segment"}"#);
    pack(&mut laptop);
    insert(&mut laptop, r#"{"title":"not packed"}"#);
    laptop.close().unwrap();
    let stepwise = contents(&a);
    let lost = Device {
        kv: MemoryKv::new(),
        files: a.files.clone(),
        ..a.copy()
    };
    let laptop = lost.open();
    assert_whole(&laptop);
    assert_eq!(contents(&lost), stepwise);
}

#[test]
fn a_packed_replica_syncs_with_old_friends_and_newcomers() {
    let (_, mut laptop, _, mut phone) = lived_in();
    let id = insert(&mut laptop, r#"{"title":"b"}"#);
    pack(&mut laptop);
    sync(&mut phone, &mut laptop).unwrap();
    set(&mut phone, id, "title", "from the phone");
    pack(&mut phone);
    set(&mut laptop, id, "title", "from the laptop");
    sync(&mut laptop, &mut phone).unwrap();
    assert_equal(&laptop, &phone);
    pack(&mut laptop);
    let c = Device::new(3);
    let link = laptop.invite("ws://127.0.0.1:1", 1, 60_000).unwrap();
    laptop.commit_group().unwrap();
    let mut tablet = c.join(&mut laptop, &link, "tablet").unwrap();
    sync(&mut tablet, &mut laptop).unwrap();
    assert_equal(&tablet, &laptop);
    // Each has something to send, from behind a pack.
    pack(&mut tablet);
    set(&mut tablet, id, "title", "from the tablet");
    pack(&mut tablet);
    sync(&mut tablet, &mut phone).unwrap();
    sync(&mut laptop, &mut phone).unwrap();
    assert_equal(&tablet, &laptop);
    assert_equal(&tablet, &phone);
}

#[test]
fn a_restored_backup_goes_on_from_a_feed_that_is_packed_elsewhere() {
    let (a, mut laptop, _, mut phone) = two();
    let id = insert(&mut laptop, r#"{"title":"a"}"#);
    let backup = Device {
        files: a.files.duplicate(),
        kv: MemoryKv::new(),
        ..a.copy()
    };
    set(&mut laptop, id, "title", "after the backup");
    sync(&mut phone, &mut laptop).unwrap();
    pack(&mut phone);
    let mut restored = backup.open();
    insert(&mut restored, r#"{"title":"new"}"#);
    // Its feed names a predecessor in the middle of one that the phone has packed.
    sync(&mut restored, &mut phone).unwrap();
    assert_equal(&restored, &phone);
}

#[test]
fn a_process_that_ends_between_packing_and_listing_is_caught_up_by_the_next() {
    let (a, mut laptop, ..) = lived_in();
    let before = asked(&laptop);
    laptop.close_segment(0).unwrap();
    let source = laptop.pack_source().unwrap().unwrap();
    assert_eq!(laptop.next_to_pack(), Some(source.number()));
    let pack = source.pack(&|| true).unwrap().unwrap();
    laptop.adopt_pack(&pack).unwrap();
    assert_eq!(laptop.next_to_pack(), None);
    // Nothing is listed as packed yet, and all is found.
    assert_eq!(asked(&laptop), before);
    assert_whole(&laptop);
    assert!(laptop.wants_pack());
    assert!(matches!(
        laptop.adopt_pack(&pack),
        Err(EngineError::Journal(JournalError::NotClosed { segment: 1 }))
    ));
    drop(laptop);
    a.files.crash();
    let laptop = a.open();
    assert!(!laptop.wants_pack());
    assert_eq!(asked(&laptop), before);
    assert_whole(&laptop);
}

#[test]
fn packing_can_be_given_up_at_any_time() {
    let (a, mut laptop, ..) = lived_in();
    let before = frames(&a);
    laptop.close_segment(0).unwrap();
    let source = laptop.pack_source().unwrap().unwrap();
    for most in 0..2 {
        let asked = std::cell::Cell::new(0);
        let go_on = || {
            asked.set(asked.get() + 1);
            asked.get() <= most
        };
        assert!(source.pack(&go_on).unwrap().is_none(), "{most}");
    }
    assert!(laptop.wants_pack());
    assert_eq!(frames(&a), before);
}

#[test]
fn every_operation_of_the_disk_may_fail_while_history_is_packed() {
    let (a, mut laptop, ..) = lived_in();
    laptop.close_segment(0).unwrap();
    let before = (frames(&a), asked(&laptop));
    laptop.close().unwrap();
    for operation in 1.. {
        let device = Device {
            files: a.files.duplicate(),
            kv: a.copy_of_store(),
            ..a.copy()
        };
        let mut replica = device.open();
        let source = replica.pack_source().unwrap().unwrap();
        let pack = source.pack(&|| true).unwrap().unwrap();
        device.files.fail_operation(operation);
        let adopted = replica.adopt_pack(&pack);
        let failed = adopted.is_err();
        assert_eq!(asked(&replica), before.1, "{operation}");
        if failed {
            // Tried again it succeeds.
            device.files.heal();
            replica.adopt_pack(&pack).unwrap();
        }
        while replica.list_packed().unwrap() {}
        insert(&mut replica, r#"{"title":"goes on"}"#);
        assert_whole(&replica);
        drop(replica);
        device.files.crash();
        let replica = device.open();
        assert_whole(&replica);
        let after = frames(&device);
        assert_eq!(after[..before.0.len()], before.0, "{operation}");
        if !failed {
            assert!(operation > 6, "adopting has more steps");
            return;
        }
    }
}

#[test]
fn a_flipped_byte_in_a_packed_segment_is_told_and_never_skipped() {
    let (a, mut laptop, ..) = lived_in();
    pack(&mut laptop);
    laptop.close().unwrap();
    let name = "00000001.pack";
    let whole = a.files.content(name).unwrap();
    for at in (0..whole.len()).step_by(11) {
        let mut hurt = whole.clone();
        hurt[at] ^= 0x20;
        let files = a.files.duplicate();
        files.set_content(name, &hurt);
        let opened = Journal::open(Box::new(files)).map(|_| ());
        assert!(
            matches!(
                opened,
                Err(JournalError::Damaged { segment: 1, .. }
                    | JournalError::UnknownFormat { segment: 1, .. })
            ),
            "byte {at}: {opened:?}"
        );
    }
}

#[test]
fn a_store_that_lists_something_as_packed_that_is_not_is_found_out() {
    let (a, mut laptop, ..) = lived_in();
    let old = a.files.duplicate();
    pack(&mut laptop);
    laptop.close().unwrap();
    let mixed = Device {
        files: old,
        kv: a.copy_of_store(),
        ..a.copy()
    };
    assert!(matches!(
        mixed.try_open().map(|_| ()),
        Err(EngineError::JournalShort { .. } | EngineError::StoreDamaged { .. })
    ));
}

#[test]
fn a_store_of_packed_history_that_lost_any_one_value_is_found_out() {
    let (a, mut laptop, ..) = lived_in();
    pack(&mut laptop);
    insert(&mut laptop, r#"{"title":"not packed"}"#);
    laptop.close().unwrap();
    let keys = a.keys();
    assert!(keys.len() > 15);
    for key in keys {
        let space = key[16];
        let hurt = Device {
            files: a.files.duplicate(),
            kv: a.copy_of_store(),
            ..a.copy()
        };
        assert!(hurt.kv.lose_key(&key));
        let found = match hurt.try_open() {
            Ok(replica) => replica.check_store().is_err(),
            Err(_) => true,
        };
        assert!(found, "a key of space {space} is gone and nobody noticed");
    }
}
