//! What was acknowledged is there again, whatever happened to the process or the store.

use std::io::ErrorKind;

use driftless_document::{FieldPath, Node, Value, parse_record};
use driftless_engine::{Edit, EngineError, Parts, Replica};
use driftless_store::{Journal, KvError, MemoryKv, Visit};

use crate::support::{Device, assert_equal, insert, set, sync, sync_until, text, two};

#[test]
fn a_group_of_commits_costs_one_barrier() {
    let (_, mut laptop, ..) = two();
    let before = laptop.journal_counters().fdatasyncs;
    for n in 0..50 {
        let fields = parse_record(&format!(r#"{{"n":{n}}}"#)).unwrap();
        laptop.insert("notes", fields).unwrap();
    }
    laptop.commit_group().unwrap();
    assert_eq!(laptop.journal_counters().fdatasyncs - before, 1);
}

#[test]
fn a_lost_store_is_derived_again_from_the_journal() {
    let (a, mut laptop, _, mut phone) = two();
    let id = insert(&mut laptop, r#"{"title":"a"}"#);
    sync(&mut phone, &mut laptop).unwrap();
    set(&mut laptop, id, "title", "l");
    set(&mut phone, id, "title", "p");
    sync(&mut phone, &mut laptop).unwrap();
    let before = (
        laptop.digest().unwrap(),
        laptop.changes_since(0, 100).unwrap(),
    );
    laptop.close().unwrap();
    let lost = crate::support::Device {
        kv: MemoryKv::new(),
        ..a
    };
    let laptop = lost.open();
    assert_eq!(
        (
            laptop.digest().unwrap(),
            laptop.changes_since(0, 100).unwrap()
        ),
        before
    );
    assert_equal(&laptop, &phone);
}

#[test]
fn what_is_derived_again_and_cut_off_between_two_batches_is_derived_to_its_end() {
    const RECORDS: usize = 2_000;
    let (a, mut laptop, ..) = two();
    for n in 0..RECORDS {
        let fields = parse_record(&format!(r#"{{"n":{n}}}"#)).unwrap();
        laptop.insert("notes", fields).unwrap();
    }
    laptop.commit_group().unwrap();
    // A membership record comes behind what fills several batches.
    let phone = laptop.find_member("phone").unwrap();
    laptop.remove_member(&phone).unwrap();
    laptop.commit_group().unwrap();
    let digest = laptop.digest().unwrap();
    laptop.close().unwrap();
    let mut cut_off = 0;
    loop {
        let lost = Device {
            kv: MemoryKv::new(),
            ..a.copy()
        };
        lost.kv.fail_apply(cut_off + 1);
        if let Ok(laptop) = lost.try_open() {
            laptop.close().unwrap();
            break;
        }
        cut_off += 1;
        let laptop = lost.open();
        assert_eq!(laptop.digest().unwrap(), digest);
        let phone = laptop.find_member("phone");
        assert!(phone.is_ok(), "it is listed as one that was removed");
    }
    assert!(cut_off > 1, "{cut_off}");
}

#[test]
fn what_was_never_synced_to_disk_is_gone_after_a_power_loss_and_the_rest_is_there() {
    let (a, mut laptop, ..) = two();
    let kept = insert(&mut laptop, r#"{"title":"kept"}"#);
    let fields = parse_record(r#"{"title":"staged"}"#).unwrap();
    let (staged, _) = laptop.insert("notes", fields).unwrap();
    drop(laptop);
    a.files.crash();
    let laptop = a.open();
    assert_eq!(
        text(&laptop, kept, "title"),
        Some(Value::String("kept".into()))
    );
    assert_eq!(laptop.get("notes", staged).unwrap(), None);
}

#[test]
fn after_a_failed_barrier_nothing_is_acknowledged_until_the_folder_is_opened_again() {
    let (a, mut laptop, ..) = two();
    let kept = insert(&mut laptop, r#"{"title":"kept"}"#);
    a.files.fail_syncs(true);
    laptop
        .insert("notes", parse_record(r#"{"title":"lost"}"#).unwrap())
        .unwrap();
    assert!(matches!(
        laptop.commit_group(),
        Err(EngineError::Journal(_))
    ));
    a.files.fail_syncs(false);
    let refused = laptop.insert("notes", parse_record("{}").unwrap());
    assert!(matches!(refused, Err(EngineError::Broken)));
    drop(laptop);
    let mut laptop = a.open();
    set(&mut laptop, kept, "title", "goes on");
    assert_eq!(
        laptop.verify(&mut |_| ()).unwrap().problems,
        Vec::<String>::new()
    );
}

#[test]
fn after_a_read_that_its_disk_failed_a_store_is_opened_again_before_anything_else() {
    let is_full = |error| matches!(error, EngineError::Store(KvError::Io(io)) if io.kind() == ErrorKind::StorageFull);
    let (a, mut laptop, ..) = two();
    let kept = insert(&mut laptop, r#"{"title":"kept"}"#);
    laptop
        .insert("notes", parse_record(r#"{"title":"lost"}"#).unwrap())
        .unwrap();
    a.kv.fail_reads(true);
    assert!(is_full(laptop.get("notes", kept).unwrap_err()));
    // An engine that failed once answers as it likes from then on.
    a.kv.fail_reads(false);
    assert!(is_full(laptop.commit_group().unwrap_err()));
    let refused = laptop.insert("notes", parse_record("{}").unwrap());
    assert!(is_full(refused.unwrap_err()));
    drop(laptop);
    let laptop = a.open();
    assert_eq!(laptop.status().unwrap().records, 1);
    assert_eq!(laptop.verify(&mut |_| ()).unwrap().problems, [""; 0]);
}

#[test]
fn a_group_that_never_reached_the_store_is_replayed() {
    let (a, mut laptop, ..) = two();
    let id = insert(&mut laptop, r#"{"title":"first"}"#);
    a.kv.fail_apply(1);
    let edit = Edit::Set {
        path: FieldPath::parse("title").unwrap(),
        node: Node::Leaf(Value::String("second".into())),
    };
    laptop.edit("notes", id, &[edit]).unwrap();
    // The journal has it: it is durable, and nobody is told.
    assert!(matches!(laptop.commit_group(), Err(EngineError::Store(_))));
    let refused = laptop.insert("notes", parse_record("{}").unwrap());
    assert!(matches!(refused, Err(EngineError::Broken)));
    drop(laptop);
    let laptop = a.open();
    assert_eq!(
        text(&laptop, id, "title"),
        Some(Value::String("second".into()))
    );
    let problems = laptop.verify(&mut |_| ()).unwrap().problems;
    assert_eq!(problems, Vec::<String>::new());
}

#[test]
fn a_verify_that_is_not_wanted_any_more_is_over_wherever_it_is() {
    let (_, mut laptop, ..) = two();
    for block in 0..16 {
        let row = |n: i64| (None, [("n".to_owned(), Value::Int(256 * block + n))].into());
        laptop.import("notes", (0..256).map(row).collect()).unwrap();
        laptop.commit_group().unwrap();
    }
    let mut places = Vec::new();
    let report = laptop.verify_while(&mut |at| {
        places.push(at);
        Visit::Continue
    });
    assert_eq!(report.unwrap().unwrap().records, 16 * 256);
    let is_derived = places.iter().filter(|at| at.done > at.total / 2);
    assert!(is_derived.count() > 2, "it is asked in between: {places:?}");
    for last in (1..=places.len()).step_by(3) {
        let mut asked = 0;
        let report = laptop.verify_while(&mut |_| {
            asked += 1;
            if asked < last {
                Visit::Continue
            } else {
                Visit::Stop
            }
        });
        assert!(report.unwrap().is_none());
        assert_eq!(asked, last, "of {}", places.len());
    }
}

#[test]
fn a_store_that_lost_its_last_batches_is_replayed() {
    const WRITES: usize = 12;
    let device = Device {
        kv: MemoryKv::with_history(),
        ..Device::new(1)
    };
    let mut laptop = device.create("laptop");
    let id = insert(&mut laptop, r#"{"title":"0"}"#);
    for n in 1..WRITES {
        set(&mut laptop, id, "title", &n.to_string());
    }
    let digest = laptop.digest().unwrap();
    drop(laptop);
    // A crash leaves any prefix of the batches; none at all is an empty store.
    for kept in 0..=WRITES {
        device.kv.crash(kept);
        let laptop = device.open();
        assert_eq!(laptop.digest().unwrap(), digest, "{kept} batches are left");
        let problems = laptop.verify(&mut |_| ()).unwrap().problems;
        assert_eq!(problems, Vec::<String>::new(), "{kept} batches are left");
    }
}

#[test]
fn a_sync_cut_anywhere_goes_on_where_it_was() {
    let (_, mut laptop, _, mut phone) = two();
    for n in 0..20 {
        let rows = (0..200)
            .map(|m| {
                (
                    None,
                    parse_record(&format!(r#"{{"n":{n},"m":{m},"pad":"{m:0>200}"}}"#)).unwrap(),
                )
            })
            .collect();
        laptop.import("notes", rows).unwrap();
        laptop.commit_group().unwrap();
    }
    let mut received = 0;
    let mut cuts = 0;
    loop {
        match sync_until(&mut phone, &mut laptop, 6).unwrap() {
            Some(_) => break,
            None => cuts += 1,
        }
        let now = phone.digest().unwrap().records;
        assert!(now >= received, "{now} after {received}");
        received = now;
        assert!(cuts < 100, "no progress");
    }
    assert!(cuts > 2, "the link was cut {cuts} times");
    assert_eq!(phone.digest().unwrap().records, 4_000);
    assert_equal(&laptop, &phone);
}

#[test]
fn a_journal_that_lost_its_end_is_told_from_a_damaged_store() {
    let (a, mut laptop, ..) = two();
    let (_, old) = (insert(&mut laptop, "{}"), a.files.duplicate());
    insert(&mut laptop, "{}");
    laptop.close().unwrap();
    let (journal, _) = Journal::open(Box::new(old)).unwrap();
    let parts = Parts {
        journal,
        kv: Box::new(a.kv.clone()),
        key: a.key(),
        clock: std::sync::Arc::new(a.clock.clone()),
        randomness: Box::new(a.randomness()),
    };
    let opened = Replica::open(parts, &mut |_| ());
    assert!(matches!(opened, Err(EngineError::JournalShort { .. })));
}

#[test]
fn a_journal_that_lost_its_end_is_told_so_even_where_its_packs_are_gone_too() {
    let (a, mut laptop, ..) = two();
    let old = a.files.duplicate();
    laptop.close_segment(0).unwrap();
    laptop.pack_all(&|| true).unwrap();
    insert(&mut laptop, "{}");
    laptop.close().unwrap();
    let restored = crate::support::Device {
        files: old,
        kv: a.kv.clone(),
        ..a.copy()
    };
    let opened = restored.try_open();
    assert!(matches!(opened, Err(EngineError::JournalShort { .. })));
}

#[test]
fn a_copied_folder_goes_on_twice_and_both_converge() {
    let (a, laptop, _, mut phone) = two();
    let mut laptop = laptop;
    let id = insert(&mut laptop, r#"{"title":"a"}"#);
    sync(&mut phone, &mut laptop).unwrap();
    laptop.close().unwrap();
    let copy = a.copy();
    let (mut one, mut two) = (a.open(), copy.open());
    set(&mut one, id, "title", "one");
    set(&mut two, id, "title", "two");
    sync(&mut one, &mut phone).unwrap();
    let synced = sync(&mut two, &mut phone).unwrap();
    // What both copies had before they parted is not sent again.
    assert_eq!(
        (synced.summary.records_sent, synced.summary.records_received),
        (1, 1)
    );
    sync(&mut one, &mut phone).unwrap();
    assert_equal(&one, &phone);
    assert_equal(&two, &phone);
    let conflicts = phone
        .conflicts(&driftless_engine::ConflictFilter::default())
        .unwrap();
    assert_eq!(conflicts.len(), 1);
    assert_eq!(phone.status().unwrap().cursor_entries, 2);
}

#[test]
fn what_only_a_copy_of_the_folder_holds_is_still_pending() {
    let (a, laptop, _, mut phone) = two();
    laptop.close().unwrap();
    let (mut one, mut copy) = (a.open(), a.copy().open());
    let id = insert(&mut one, "{}");
    sync(&mut one, &mut copy).unwrap();
    assert_eq!(one.status().unwrap().pending, 1);
    let with_copy = one.record_sync("notes", id).unwrap();
    assert_eq!(with_copy.peers, []);
    let seen_as_peers = one.status().unwrap().peers.into_iter().map(|p| p.device);
    assert!(!seen_as_peers.into_iter().any(|peer| peer == one.device()));

    sync(&mut one, &mut phone).unwrap();
    assert_eq!(one.status().unwrap().pending, 0);
    let with_phone = one.record_sync("notes", id).unwrap();
    assert_eq!(with_phone.peers, [phone.device()]);
}

#[test]
fn a_restored_backup_gets_back_what_it_had_sent_and_goes_on() {
    let (a, mut laptop, _, mut phone) = two();
    let id = insert(&mut laptop, r#"{"title":"a"}"#);
    let backup = a.copy();
    set(&mut laptop, id, "title", "after the backup");
    sync(&mut phone, &mut laptop).unwrap();
    drop(laptop);
    let mut restored = backup.open();
    insert(&mut restored, r#"{"title":"new"}"#);
    sync(&mut restored, &mut phone).unwrap();
    assert_equal(&restored, &phone);
    assert_eq!(
        text(&restored, id, "title"),
        Some(Value::String("after the backup".into()))
    );
}

#[test]
fn the_key_of_another_device_opens_no_folder() {
    let (mut a, mut laptop, b, mut phone) = two();
    let own = a.seed;
    let stays_shut = |a: &Device, said: &str| match a.try_open() {
        Err(error @ EngineError::OtherKey { .. }) => assert!(
            error.to_string().ends_with(said),
            "{error} is to end with {said}"
        ),
        other => panic!(
            "it opens, or says something else: {other:?}",
            other = other.err()
        ),
    };
    // A folder from before the journal said whose it is: nobody's key does not fit.
    drop(laptop);
    a.seed = [77; 32];
    stays_shut(&a, "and no member's");
    a.seed = own;
    // What it wrote is this device's, so another member's does not fit either.
    laptop = a.open();
    insert(&mut laptop, r#"{"title":"mine"}"#);
    laptop.commit_group().unwrap();
    drop(laptop);
    a.seed = b.seed;
    stays_shut(&a, "but that of `phone`");
    a.seed = own;
    // And once it is noted, nothing has to have been written; the journal alone knows.
    phone.note_device().unwrap();
    let written = phone.journal_bytes();
    phone.note_device().unwrap();
    assert_eq!(phone.journal_bytes(), written, "it is noted once");
    drop(phone);
    for seed in [a.seed, [77; 32]] {
        let other = Device { seed, ..b.copy() };
        let said = if seed == own {
            "but that of `laptop`"
        } else {
            "and no member's"
        };
        stays_shut(&other, said);
        assert!(other.keys().is_empty(), "nothing was derived for it");
    }
    b.copy().open();
}

#[test]
fn pending_counts_what_no_peer_has_acknowledged() {
    let (a, mut laptop, _, mut phone) = two();
    let id = insert(&mut laptop, r#"{"title":"a"}"#);
    set(&mut laptop, id, "title", "b");
    laptop.close().unwrap();
    let mut laptop = a.open();
    insert(&mut laptop, r#"{"title":"c"}"#);
    let status = laptop.status().unwrap();
    assert_eq!((status.pending, status.pending_changes), (2, 3));
    sync(&mut phone, &mut laptop).unwrap();
    laptop.close().unwrap();
    let laptop = a.open();
    let status = laptop.status().unwrap();
    assert_eq!((status.pending, status.pending_changes), (0, 0));
    assert_eq!(phone.status().unwrap().pending, 0);
}

#[test]
fn a_store_that_lost_any_one_value_is_found_out() {
    let (a, mut laptop, _, mut phone) = two();
    let id = insert(&mut laptop, r#"{"title":"a"}"#);
    sync(&mut phone, &mut laptop).unwrap();
    set(&mut laptop, id, "title", "l");
    set(&mut phone, id, "title", "p");
    sync(&mut phone, &mut laptop).unwrap();
    laptop.check_store().unwrap();
    laptop.close().unwrap();
    let keys = a.keys();
    assert!(keys.len() > 15);
    for key in keys {
        let space = key[16];
        let hurt = crate::support::Device {
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

#[test]
fn a_bulk_that_changes_a_record_in_use_is_seen_by_its_next_edit() {
    let (_, mut laptop, _, mut phone) = two();
    let rows = |value: u32| -> Vec<_> {
        (0..100)
            .map(|n: u32| {
                let id = driftless_document::RecordId::from_key("notes", &[&n.to_string()]);
                let fields = parse_record(&format!(r#"{{"title":"{value}"}}"#)).unwrap();
                (Some(id), fields)
            })
            .collect()
    };
    let id = rows(0)[7].0.unwrap();
    laptop.import("notes", rows(0)).unwrap();
    set(&mut laptop, id, "title", "loaded now");
    laptop.import("notes", rows(1)).unwrap();
    set(&mut laptop, id, "body", "after the bulk");
    sync(&mut phone, &mut laptop).unwrap();
    assert_equal(&laptop, &phone);
    let row = phone.get("notes", id).unwrap().unwrap();
    assert_eq!(row.heads.len(), 1);
    assert_eq!(row.fields["title"], Value::String("1".into()));
    assert_eq!(row.fields["body"], Value::String("after the bulk".into()));
}

#[test]
fn a_block_that_names_a_record_twice_is_refused_as_a_whole() {
    let (_, mut laptop, ..) = two();
    let id = driftless_document::RecordId::from_key("notes", &["a"]);
    let row = |json: &str| (Some(id), parse_record(json).unwrap());
    let refused = laptop.import("notes", vec![row(r#"{"n":1}"#), row(r#"{"n":2}"#)]);
    assert!(matches!(refused, Err(EngineError::NamedTwice { .. })));
    laptop.commit_group().unwrap();
    assert_eq!(laptop.get("notes", id).unwrap(), None);
}
