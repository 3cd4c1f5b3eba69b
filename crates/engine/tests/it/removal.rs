//! A device is removed: what counts of it, what waits, what an admin adopts, and what it gets from the others.

use driftless_document::{
    ActorId, Admission, FieldPath, Node, Record, RecordId, Value, parse_record,
};
use driftless_engine::{
    Edit, EngineError, ItemPage, MemberState, Replica, SessionOutput, SessionStart, Side, WaitsFor,
    Wishes,
};
use driftless_protocol::{Code, Envelope, Message, decode_batch};
use driftless_store::MemoryKv;
use driftless_testkit::device::{START_MS, holds_envelope};
use driftless_testkit::wire::{DIALER, LISTENER, Link};

use crate::forger::{greet, introduce, put, talk};
use crate::support::{Device, assert_equal, insert, set, sync, text, three};

fn remove(replica: &mut Replica, name: &str) {
    let device = replica.find_member(name).unwrap();
    let removed = replica.remove_member(&device).unwrap();
    assert_eq!(removed.state, MemberState::Removed);
    replica.commit_group().unwrap();
}

fn title(replica: &Replica, id: RecordId) -> String {
    match text(replica, id, "title") {
        Some(Value::String(title)) => title,
        other => panic!("{other:?}"),
    }
}

/// Hands a device's envelopes to another as somebody would who has not heard of its removal.
fn pass_on(from: &mut Replica, through: &mut Replica, to: &mut Replica) {
    sync(from, through).unwrap();
    sync(through, to).unwrap();
}

#[test]
fn what_was_synced_counts_for_ever_and_what_comes_later_waits_in_the_quarantine() {
    let (_, [mut laptop, mut phone, mut tablet]) = three();
    let before = insert(&mut tablet, r#"{"title":"before"}"#);
    sync(&mut tablet, &mut laptop).unwrap();
    remove(&mut laptop, "tablet");
    let late = insert(&mut tablet, r#"{"title":"late"}"#);
    set(&mut tablet, before, "title", "changed late");

    // The phone has not heard of it and takes what the tablet has; the laptop holds it and does not apply it.
    pass_on(&mut tablet, &mut phone, &mut laptop);
    for replica in [&laptop, &phone] {
        assert_eq!(title(replica, before), "before");
        assert!(replica.get("notes", late).unwrap().is_none());
        let items = replica.quarantine(&ItemPage::default()).unwrap();
        assert_eq!(items.len(), 2);
        for item in items {
            assert_eq!(item.code, Code::PastRemoval);
            assert_eq!(item.waits_for, WaitsFor::Adoption);
            assert_eq!(item.device_name.as_deref(), Some("tablet"));
        }
    }
    assert_equal(&laptop, &phone);
}

#[test]
fn an_adopted_change_counts_everywhere_and_the_others_wait_on() {
    let (devices, [mut laptop, mut phone, mut tablet]) = three();
    remove(&mut laptop, "tablet");
    let wanted = insert(&mut tablet, r#"{"title":"wanted"}"#);
    let unwanted = insert(&mut tablet, r#"{"title":"unwanted"}"#);
    pass_on(&mut tablet, &mut phone, &mut laptop);

    let items = laptop.quarantine(&ItemPage::default()).unwrap();
    let item = items.iter().find(|item| item.records[0].record == wanted);
    let id = item.unwrap().id;
    let refused = phone.adopt(&[id]).unwrap_err();
    assert!(
        matches!(refused, EngineError::NotAllowed { .. }),
        "{refused}"
    );
    let adopted = laptop.adopt(&[id]).unwrap();
    assert_eq!((adopted.applied, adopted.refused), (vec![id], vec![]));
    sync(&mut phone, &mut laptop).unwrap();
    for replica in [&laptop, &phone] {
        assert_eq!(title(replica, wanted), "wanted");
        assert!(replica.get("notes", unwanted).unwrap().is_none());
        assert_eq!(replica.quarantine(&ItemPage::default()).unwrap().len(), 1);
    }
    assert_equal(&laptop, &phone);
    let again = laptop.adopt(&[id]).unwrap_err();
    assert!(matches!(again, EngineError::NotFound { .. }), "{again}");
    assert_eq!(laptop.adopt_all().unwrap().applied.len(), 1);
    drop(laptop);
    let mut laptop = devices[0].open();
    sync(&mut phone, &mut laptop).unwrap();
    assert_eq!(title(&phone, unwanted), "unwanted");
    assert_equal(&laptop, &phone);
}

#[test]
fn honest_work_on_top_of_what_came_too_late_is_applied_with_it() {
    let (_, [mut laptop, mut phone, mut tablet]) = three();
    remove(&mut laptop, "tablet");
    let id = insert(&mut tablet, r#"{"title":"late"}"#);
    for n in 0..5 {
        set(&mut tablet, id, "title", &format!("late {n}"));
    }
    let alone = insert(&mut tablet, r#"{"title":"alone"}"#);
    sync(&mut tablet, &mut phone).unwrap();
    set(&mut phone, id, "body", "honest");
    sync(&mut phone, &mut laptop).unwrap();
    for replica in [&laptop, &phone] {
        let record = replica.get("notes", id).unwrap().unwrap();
        assert_eq!(record.fields["body"], Value::String("honest".into()));
        assert_eq!(record.fields.get("title"), None, "void: never shown");
        assert!(replica.get("notes", alone).unwrap().is_none());
    }
    assert_equal(&laptop, &phone);
    set(&mut laptop, id, "body", "goes on");
    sync(&mut phone, &mut laptop).unwrap();
    assert_equal(&laptop, &phone);
    // The void value is written by somebody who counts, though the document has it already.
    set(&mut laptop, id, "title", "late 4");
    sync(&mut phone, &mut laptop).unwrap();
    assert_eq!(title(&phone, id), "late 4");
    assert_equal(&laptop, &phone);
}

#[test]
fn what_a_void_change_wrote_over_is_shown_again_and_no_side_of_a_conflict() {
    let (_, [mut laptop, mut phone, mut tablet]) = three();
    let id = insert(&mut laptop, r#"{"title":"first","state":"open"}"#);
    sync(&mut tablet, &mut laptop).unwrap();
    sync(&mut phone, &mut laptop).unwrap();
    remove(&mut laptop, "tablet");
    set(&mut tablet, id, "title", "late");
    set(&mut tablet, id, "state", "late too");
    // The phone has not heard of the removal, and writes on top of it and apart from the laptop.
    sync(&mut tablet, &mut phone).unwrap();
    assert_eq!(title(&phone, id), "late");
    set(&mut phone, id, "state", "done");
    set(&mut laptop, id, "title", "second");
    sync(&mut phone, &mut laptop).unwrap();
    for replica in [&laptop, &phone] {
        assert_eq!(title(replica, id), "second");
        let state = text(replica, id, "state");
        assert_eq!(state, Some(Value::String("done".into())));
        let conflicts = replica.conflicts(&driftless_engine::ConflictFilter::default());
        assert_eq!(conflicts.unwrap(), []);
    }
    assert_equal(&laptop, &phone);

    // Adopted, the late title counts and stands against the laptop's.
    let void = laptop.void().unwrap();
    assert_eq!(void.len(), 2);
    laptop.adopt(&void).unwrap();
    sync(&mut phone, &mut laptop).unwrap();
    for replica in [&laptop, &phone] {
        let conflicts = replica.conflicts(&driftless_engine::ConflictFilter::default());
        assert_eq!(conflicts.unwrap().len(), 1);
        assert_eq!(replica.void().unwrap(), []);
    }
    assert_equal(&laptop, &phone);
}

#[test]
fn a_removed_device_gets_a_code_from_everybody_who_knows_and_sees_it_in_its_status() {
    let (_, [mut laptop, mut phone, mut tablet]) = three();
    insert(&mut laptop, r#"{"title":"secret"}"#);
    remove(&mut laptop, "tablet");
    let failure = sync(&mut tablet, &mut laptop).unwrap_err();
    assert_eq!((failure.code, failure.by_peer), (Code::DeviceRemoved, true));
    let told: Vec<_> = tablet.told_removed().into_iter().map(|d| d.name).collect();
    assert_eq!(told, ["laptop"]);
    assert_eq!(tablet.status().unwrap().told_removed.len(), 1);
    assert_eq!(tablet.digest().unwrap().records, 0);

    // Whoever dials it says nothing but a code either.
    let session = laptop.start_session(SessionStart {
        side: Side::Dialer,
        peer: tablet.device(),
        handshake_hash: [5; 32],
        wishes: Wishes::default(),
    });
    let mut sent = Vec::new();
    while let Some(output) = laptop.poll_session(session) {
        if let SessionOutput::Send(frame) = output {
            sent.extend(decode_batch(&frame).unwrap());
        }
    }
    assert!(
        matches!(
            sent[..],
            [Message::Error {
                code: Code::DeviceRemoved,
                ..
            }]
        ),
        "{sent:?}"
    );
    sync(&mut phone, &mut laptop).unwrap();
    let failure = sync(&mut phone, &mut tablet).unwrap_err();
    assert_eq!(
        (failure.code, failure.by_peer),
        (Code::DeviceRemoved, false)
    );
    let status = phone.status().unwrap();
    let tablet_view = status.members.iter().find(|m| m.name == "tablet").unwrap();
    assert_eq!(tablet_view.state, MemberState::Removed);
    assert_eq!(tablet_view.removed_by, Some(laptop.device()));
    assert!(
        status
            .peers
            .iter()
            .all(|peer| peer.device != tablet.device())
    );
}

#[test]
fn who_may_remove_whom() {
    let (_, [mut laptop, mut phone, tablet]) = three();
    let not_allowed = |refused: Result<_, EngineError>, part: &str| match refused {
        Err(EngineError::NotAllowed { reason, .. }) => assert!(reason.contains(part), "{reason}"),
        other => panic!("{other:?}"),
    };
    not_allowed(
        phone.remove_member(&tablet.device()),
        "only the owner and admins",
    );
    not_allowed(
        laptop.remove_member(&laptop.device()),
        "does not remove itself",
    );
    let unknown = laptop.find_member("fridge").unwrap_err();
    assert!(matches!(
        unknown,
        EngineError::NotFound { what: "member", .. }
    ));
    let stranger = Device::new(9).key().device_id();
    let unknown = laptop.remove_member(&stranger).unwrap_err();
    assert!(matches!(unknown, EngineError::NotFound { .. }));
    remove(&mut laptop, &tablet.device().to_string()[..8]);
    not_allowed(laptop.remove_member(&tablet.device()), "removed before");
    assert!(laptop.find_member("tablet").is_ok());
}

#[test]
fn a_device_comes_back_by_an_invitation_from_after_its_removal_and_by_no_other() {
    let (devices, [mut laptop, mut phone, mut tablet]) = three();
    let old = laptop.invite("ws://127.0.0.1:1", 5, 60_000).unwrap();
    let of_tablet = tablet.invite("ws://127.0.0.1:1", 5, 60_000).unwrap();
    laptop.commit_group().unwrap();
    tablet.commit_group().unwrap();
    sync(&mut tablet, &mut laptop).unwrap();
    remove(&mut laptop, "tablet");
    let late = insert(&mut tablet, r#"{"title":"late"}"#);
    drop(tablet);
    let again = || Device::new(3);
    let refused = again().join(&mut laptop, &old, "tablet").err().unwrap();
    assert_eq!(refused.code, Code::DeviceRemoved);
    let refused = Device::new(4).join(&mut laptop, &of_tablet, "fourth").err();
    assert_eq!(refused.unwrap().code, Code::InviteClosed);
    let new = laptop.invite("ws://127.0.0.1:1", 1, 60_000).unwrap();
    laptop.commit_group().unwrap();
    let back = again();
    let mut tablet = back.join(&mut laptop, &new, "tablet").unwrap();
    let fresh = insert(&mut tablet, r#"{"title":"fresh"}"#);
    sync(&mut tablet, &mut laptop).unwrap();
    sync(&mut phone, &mut laptop).unwrap();
    assert_eq!(title(&phone, fresh), "fresh");
    assert_equal(&phone, &tablet);

    // What it made between removal and return stays past the cut.
    let mut before = devices[2].open();
    let failure = sync(&mut before, &mut laptop);
    assert!(failure.is_ok(), "{failure:?}");
    assert!(laptop.get("notes", late).unwrap().is_none());
    let items = laptop.quarantine(&ItemPage::default()).unwrap();
    assert_eq!(items.len(), 1);
    assert_eq!(items[0].code, Code::PastRemoval);
}

#[test]
fn who_was_let_in_by_a_device_while_it_was_removed_waits_until_another_lets_it_in() {
    let (_, [mut laptop, mut phone, mut tablet]) = three();
    let link = tablet.invite("ws://127.0.0.1:1", 1, 60_000).unwrap();
    tablet.commit_group().unwrap();
    let fourth = Device::new(4);
    let mut watch = fourth.join(&mut tablet, &link, "watch").unwrap();
    let id = insert(&mut watch, r#"{"title":"of the watch"}"#);
    sync(&mut watch, &mut phone).unwrap();
    assert_eq!(title(&phone, id), "of the watch");
    remove(&mut laptop, "tablet");
    sync(&mut phone, &mut laptop).unwrap();
    for replica in [&laptop, &phone] {
        assert!(replica.get("notes", id).unwrap().is_none());
        let items = replica.quarantine(&ItemPage::default()).unwrap();
        assert_eq!((items.len(), items[0].code), (1, Code::NotAllowed));
        assert_eq!(items[0].waits_for, WaitsFor::Admission);
    }
    assert_equal(&laptop, &phone);
    let link = laptop.invite("ws://127.0.0.1:1", 1, 60_000).unwrap();
    laptop.commit_group().unwrap();
    Device::new(4).join(&mut laptop, &link, "watch").unwrap();
    sync(&mut phone, &mut laptop).unwrap();
    sync(&mut watch, &mut laptop).unwrap();
    for replica in [&laptop, &phone, &watch] {
        assert_eq!(title(replica, id), "of the watch");
    }
    assert_equal(&laptop, &phone);
    assert_equal(&laptop, &watch);
}

#[test]
fn many_starts_of_a_device_lie_before_the_cut_though_it_names_only_some() {
    let (devices, [mut laptop, mut phone, mut tablet]) = three();
    let id = insert(&mut tablet, r#"{"title":"0"}"#);
    for n in 1..=300 {
        drop(tablet);
        tablet = devices[2].open();
        set(&mut tablet, id, "title", &n.to_string());
    }
    sync(&mut tablet, &mut laptop).unwrap();
    remove(&mut laptop, "tablet");
    // The phone hears of the removal first, and of the tablet's work afterwards.
    sync(&mut phone, &mut laptop).unwrap();
    assert_eq!(title(&phone, id), "300");
    assert!(phone.quarantine(&ItemPage::default()).unwrap().is_empty());
    assert_equal(&laptop, &phone);
}

#[test]
fn an_open_session_ends_with_the_removal_and_nothing_more_is_sent() {
    let (_, [mut laptop, _, mut tablet]) = three();
    let live = Wishes {
        live: true,
        ..Wishes::default()
    };
    let mut link = Link::open(&mut tablet, &mut laptop, [9; 32], [live; 2]);
    while !link.caught_up[DIALER] || !link.caught_up[LISTENER] {
        link.drain(DIALER, &mut tablet);
        link.deliver(LISTENER, &mut laptop, START_MS).unwrap();
        link.drain(LISTENER, &mut laptop);
        link.deliver(DIALER, &mut tablet, START_MS).unwrap();
    }
    let device = tablet.device();
    laptop.remove_member(&device).unwrap();
    insert(&mut laptop, r#"{"title":"secret"}"#);
    insert(&mut tablet, r#"{"title":"late"}"#);
    link.drain(DIALER, &mut tablet);
    link.deliver(LISTENER, &mut laptop, START_MS).unwrap();
    link.drain(LISTENER, &mut laptop);
    let sent: Vec<_> = link.in_flight[DIALER].iter().collect();
    let [frame] = sent[..] else {
        panic!("{sent:?}");
    };
    assert_eq!(
        decode_batch(frame).unwrap(),
        [Message::Error {
            code: Code::DeviceRemoved,
            detail: String::new(),
            retry_after_s: 0
        }]
    );
    link.deliver(DIALER, &mut tablet, START_MS).unwrap();
    assert_eq!(tablet.told_removed().len(), 1);
    assert_eq!(laptop.digest().unwrap().records, 1);
}

/// A removed device cannot say that it had not heard of its removal, and build on what was made after it.
#[test]
fn work_that_knows_of_a_removal_by_what_it_builds_on_is_refused_for_good() {
    let ([a, _, c], [mut laptop, mut phone, tablet]) = three();
    let (session, mut forger) = introduce(&mut laptop, c.key());
    laptop.end_session(session).unwrap();
    laptop.commit_group().unwrap();
    drop(tablet);
    remove(&mut laptop, "tablet");
    let id = insert(&mut laptop, r#"{"title":"after"}"#);
    let mut record = Record::new();
    for frame in a.frames().unwrap() {
        if !holds_envelope(frame.kind) {
            continue;
        }
        let envelope = Envelope::decode(&frame.bytes).unwrap();
        let prefix = envelope.header().feed.device_prefix();
        for (_, item, payload) in envelope.items() {
            for raw in payload.changes.iter().filter(|_| item.record == id.0) {
                let Ok(Admission::Admitted(admitted)) = record.admit(raw, prefix) else {
                    panic!("an honest change");
                };
                record = record.apply(admitted).unwrap().0;
            }
        }
    }
    let raw = put(&mut record, ActorId(forger.feed.0), "stolen", 1);
    let envelope = forger.sign(id.0, (1, 1), raw);
    let messages = forger.send(vec![envelope]);
    let (session, _) = greet(&mut laptop, phone.device_key());
    talk(&mut laptop, session, &messages);
    laptop.end_session(session).unwrap();
    laptop.commit_group().unwrap();
    let items = laptop.quarantine(&ItemPage::default()).unwrap();
    assert_eq!((items.len(), items[0].code), (1, Code::ChangeRefused));
    assert!(items[0].detail.contains("older than what it builds on"));
    let refused = laptop.adopt(&[items[0].id]).unwrap_err();
    assert!(
        matches!(refused, EngineError::NotAdoptable { .. }),
        "{refused}"
    );
    assert_eq!(laptop.adopt_all().unwrap().applied, []);
    sync(&mut phone, &mut laptop).unwrap();
    assert_equal(&laptop, &phone);
}

/// What it allocates to derive a replica again on which so many changes rest on one that is void.
fn to_derive_on_top_of_a_void_change(changes: i64) -> u64 {
    let ([device, ..], [mut laptop, mut phone, mut tablet]) = three();
    remove(&mut laptop, "tablet");
    let id = insert(&mut tablet, r#"{"title":"late"}"#);
    sync(&mut tablet, &mut phone).unwrap();
    for n in 0..changes {
        let edit = Edit::Set {
            path: FieldPath::parse("body").unwrap(),
            node: Node::Leaf(Value::Int(n)),
        };
        phone.edit("notes", id, &[edit]).unwrap();
    }
    phone.commit_group().unwrap();
    sync(&mut phone, &mut laptop).unwrap();
    laptop.close().unwrap();
    let lost = Device {
        kv: MemoryKv::new(),
        ..device
    };
    let mut laptop = None;
    let allocated = allocation_counter::measure(|| laptop = Some(lost.open()));
    let laptop = laptop.unwrap();
    assert_eq!(laptop.void().unwrap().len(), 1);
    assert_equal(&laptop, &phone);
    allocated.bytes_total
}

#[test]
fn a_long_history_on_top_of_a_void_change_costs_what_it_is_long() {
    let few = to_derive_on_top_of_a_void_change(150);
    let many = to_derive_on_top_of_a_void_change(600);
    // Four times as many, and the document that grows; with the square of it 14 times.
    assert!(many < few * 7, "{few} and {many} bytes");
}

#[test]
fn what_is_judged_anew_and_cut_off_between_two_batches_is_judged_to_its_end() {
    const RECORDS: usize = 1_000;
    let ([a, ..], [mut laptop, mut phone, mut tablet]) = three();
    remove(&mut laptop, "tablet");
    for n in 0..RECORDS {
        let fields = parse_record(&format!(r#"{{"n":{n}}}"#)).unwrap();
        laptop.insert("notes", fields).unwrap();
    }
    laptop.commit_group().unwrap();
    let id = insert(&mut tablet, r#"{"title":"late"}"#);
    sync(&mut tablet, &mut phone).unwrap();
    set(&mut phone, id, "body", "on top");
    laptop.close().unwrap();
    // The laptop derives all again, twice; its power goes somewhere on the way.
    let lost = Device {
        kv: MemoryKv::with_history(),
        ..a
    };
    let mut laptop = lost.open();
    sync(&mut phone, &mut laptop).unwrap();
    drop(laptop);
    let mut cut_off = 0;
    for batches in (0..64).rev() {
        if lost.kv.crash(batches) == 0 {
            continue; // there were no more
        }
        if cut_off == 6 {
            break; // both times
        }
        cut_off += 1;
        let after = Device {
            kv: lost.kv.duplicate(),
            ..lost.copy()
        };
        let laptop = after.open();
        let body = text(&laptop, id, "body");
        assert_eq!(body, Some(Value::String("on top".into())));
        assert_eq!(laptop.void().unwrap().len(), 1);
        assert_equal(&laptop, &phone);
    }
    assert_eq!(cut_off, 6);
}
