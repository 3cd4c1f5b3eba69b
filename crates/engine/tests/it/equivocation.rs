//! A memory image is resumed twice: one feed goes on in two ways, and nobody's work is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use driftless_document::{ActorId, FieldPath, HistoryOptions, Record, RecordId, Value};
use driftless_engine::{
    Clock, ConflictFilter, Edit, EngineError, EnvelopeId, ItemPage, ItemState, QuarantineItem,
    Replica, Void, WaitsFor,
};
use driftless_protocol::Code;
use driftless_testkit::device::Hand;
use driftless_testkit::wire::sync;

use crate::forger::{introduce, put, talk};
use crate::support::{Device, assert_equal, insert, set, text, three, two};

fn title(replica: &Replica, id: RecordId) -> String {
    match text(replica, id, "title") {
        Some(Value::String(title)) => title,
        other => panic!("{other:?}"),
    }
}

/// Syncs until both sides have everything: a session that finds that a feed went on in two ways ends with that.
#[track_caller]
fn sync_again(dialer: &mut Replica, listener: &mut Replica) -> usize {
    for failed in 0..4 {
        match sync(dialer, listener) {
            Ok(_) => return failed,
            Err(failure) => assert_eq!(failure.code, Code::Equivocation, "{}", failure.detail),
        }
    }
    panic!("the two do not come to an end");
}

/// The phone's memory image, resumed twice: two processes with one randomness and one clock, that have done the same so
/// far; each has a disk of its own.
fn resumed_twice<T>(
    device: &Device,
    phone: Replica,
    so_far: impl Fn(&mut Replica) -> T,
) -> (Device, [Replica; 2], T) {
    phone.close().unwrap();
    let mut copy = device.copy();
    let process = device.processes.load(Ordering::Relaxed);
    copy.processes = Arc::new(AtomicU64::new(process));
    copy.clock = Hand::at(device.clock.now());
    let mut images = [device.open(), copy.open()];
    so_far(&mut images[0]);
    let made = so_far(&mut images[1]);
    copy.clock.advance(1_000);
    (copy, images, made)
}

/// Everybody meets everybody through the laptop until nothing is left to say.
#[track_caller]
fn settle(laptop: &mut Replica, others: [&mut Replica; 2]) {
    let [one, other] = others;
    for _ in 0..3 {
        sync_again(one, laptop);
        sync_again(other, laptop);
    }
    sync_again(one, laptop);
    let quiet = sync(one, laptop).unwrap().summary;
    assert_eq!((quiet.envelopes_sent, quiet.envelopes_received), (0, 0));
    assert_eq!(quiet.round_trips, 1, "cursors agree");
    assert_equal(laptop, one);
    assert_equal(laptop, other);
}

/// All items of the quarantine, settled ones too.
fn all_items(replica: &Replica) -> Vec<QuarantineItem> {
    let all = ItemPage {
        settled: true,
        ..ItemPage::default()
    };
    replica.quarantine(&all).unwrap()
}

#[track_caller]
fn assert_all_issued_again(replica: &Replica, count: usize) {
    assert_eq!(replica.quarantine(&ItemPage::default()).unwrap(), []);
    let items = all_items(replica);
    assert_eq!(items.len(), count);
    assert!(items.iter().all(|item| item.code == Code::Equivocation));
    assert!(items.iter().all(|item| item.state == ItemState::Reissued));
}

#[test]
fn what_both_runs_of_an_image_wrote_is_there_on_every_device() {
    let (_a, mut laptop, b, phone) = two();
    let (_copy, [mut phone, mut other], shared) = resumed_twice(&b, phone, |image| {
        insert(image, r#"{"title":"shared","body":"b"}"#)
    });
    sync(&mut phone, &mut laptop).unwrap();
    let same = sync(&mut other, &mut laptop).unwrap().summary;
    assert_eq!(same.round_trips, 1, "so far they are one");

    set(&mut phone, shared, "title", "of one");
    let one = insert(&mut phone, r#"{"title":"one"}"#);
    set(&mut other, shared, "body", "of the other");
    let two = insert(&mut other, r#"{"title":"two"}"#);
    sync(&mut phone, &mut laptop).unwrap();
    assert_eq!(title(&laptop, one), "one");
    assert!(
        laptop
            .record_sync("notes", one)
            .unwrap()
            .peers
            .contains(&phone.device())
    );

    // The other one comes: what is found ends one session, and the next goes on without what is in dispute.
    assert_eq!(sync_again(&mut other, &mut laptop), 1);
    assert!(laptop.get("notes", one).unwrap().is_none());
    assert_eq!(title(&laptop, shared), "shared");
    settle(&mut laptop, [&mut phone, &mut other]);
    for replica in [&laptop, &phone, &other] {
        assert_eq!(title(replica, shared), "of one");
        let body = text(replica, shared, "body");
        assert_eq!(body, Some(Value::String("of the other".into())));
        assert_eq!(title(replica, one), "one");
        assert_eq!(title(replica, two), "two");
        assert_all_issued_again(replica, 4);
    }
}

#[test]
fn where_a_long_feed_parted_is_found_and_each_side_goes_on_under_another_name() {
    let (_a, mut laptop, b, phone) = two();
    let (_copy, [mut phone, mut other], shared) = resumed_twice(&b, phone, |image| {
        let id = insert(image, r#"{"title":"0"}"#);
        for n in 1..40 {
            set(image, id, "title", &n.to_string());
        }
        id
    });
    for n in 0..23 {
        set(&mut phone, shared, "title", &format!("one {n}"));
    }
    for n in 0..9 {
        set(&mut other, shared, "body", &format!("other {n}"));
    }
    sync(&mut other, &mut laptop).unwrap();
    sync_again(&mut phone, &mut laptop);
    settle(&mut laptop, [&mut phone, &mut other]);
    assert_eq!(title(&laptop, shared), "one 22");
    assert_all_issued_again(&laptop, 32);
    let first_lost = all_items(&laptop).iter().map(|item| item.id.n).min();
    assert_eq!(first_lost, Some(41));
    set(&mut phone, shared, "title", "goes on");
    set(&mut other, shared, "body", "goes on too");
    settle(&mut laptop, [&mut phone, &mut other]);
    assert_eq!(title(&other, shared), "goes on");
}

#[test]
fn a_feed_that_parted_behind_later_ones_is_found_too() {
    let (_a, mut laptop, b, phone) = two();
    let (copy, [mut phone, mut other], shared) =
        resumed_twice(&b, phone, |image| insert(image, r#"{"title":"shared"}"#));
    set(&mut phone, shared, "title", "one");
    set(&mut other, shared, "body", "other");
    drop((phone, other));
    // Both were restarted since: their cursors name other feeds only.
    copy.processes.fetch_add(100, Ordering::Relaxed);
    let (mut phone, mut other) = (b.open(), copy.open());
    set(&mut phone, shared, "state", "later");
    set(&mut other, shared, "tag", "later too");
    sync(&mut phone, &mut laptop).unwrap();
    sync_again(&mut other, &mut laptop);
    settle(&mut laptop, [&mut phone, &mut other]);
    for (field, value) in [("title", "one"), ("body", "other"), ("state", "later")] {
        let read = text(&laptop, shared, field);
        assert_eq!(read, Some(Value::String(value.into())), "{field}");
    }
    assert_all_issued_again(&laptop, 4);
}

#[test]
fn the_work_of_others_on_top_of_it_is_issued_again_by_them() {
    let (_a, mut laptop, b, phone) = two();
    let (_copy, [mut phone, mut other], shared) = resumed_twice(&b, phone, |image| {
        insert(image, r#"{"title":"shared","body":"b"}"#)
    });
    set(&mut phone, shared, "body", "of one");
    let one = insert(&mut phone, r#"{"title":"one"}"#);
    sync(&mut phone, &mut laptop).unwrap();
    set(&mut laptop, shared, "title", "of the laptop");
    set(&mut laptop, one, "state", "seen");
    let apart = insert(&mut laptop, r#"{"title":"apart"}"#);
    insert(&mut other, r#"{"title":"two"}"#);
    sync_again(&mut other, &mut laptop);
    assert_eq!(title(&other, shared), "shared");
    assert_eq!(
        title(&other, apart),
        "apart",
        "it rests on nothing of theirs"
    );
    settle(&mut laptop, [&mut phone, &mut other]);
    for replica in [&laptop, &phone, &other] {
        assert_eq!(title(replica, shared), "of the laptop");
        assert_eq!(title(replica, one), "one");
        let state = text(replica, one, "state");
        assert_eq!(state, Some(Value::String("seen".into())));
        assert_all_issued_again(replica, 5);
        assert_eq!(replica.void().unwrap(), []);
    }
}

#[test]
fn a_restart_in_the_middle_issues_nothing_twice_and_forgets_nothing() {
    let (_a, mut laptop, b, phone) = two();
    let (_copy, [mut phone, mut other], shared) =
        resumed_twice(&b, phone, |image| insert(image, r#"{"title":"shared"}"#));
    for n in 0..5 {
        insert(&mut phone, &format!(r#"{{"title":"one {n}"}}"#));
    }
    set(&mut other, shared, "title", "other");
    sync(&mut other, &mut laptop).unwrap();
    let failure = sync(&mut phone, &mut laptop).unwrap_err();
    assert_eq!(failure.code, Code::Equivocation);
    // It is written down, and the process ends before anything is issued again.
    drop(phone);
    let mut phone = b.open();
    assert_eq!(phone.reissue().unwrap(), 5);
    assert_eq!(phone.reissue().unwrap(), 0);
    phone.close().unwrap();
    let mut rebuilt = b.copy();
    rebuilt.processes.fetch_add(7, Ordering::Relaxed);
    rebuilt.clock = b.clock.clone();
    assert_eq!(rebuilt.open().reissue().unwrap(), 0);
    let mut phone = b.open();
    assert_eq!(phone.reissue().unwrap(), 0);
    settle(&mut laptop, [&mut phone, &mut other]);
    assert_eq!(laptop.digest().unwrap().records, 6);
    assert_all_issued_again(&laptop, 6);
}

#[test]
fn a_machine_that_was_set_back_writes_again_what_it_had_written_when_a_person_says_so() {
    let (_a, mut laptop, b, phone) = two();
    let (_copy, [mut phone, mut other], shared) =
        resumed_twice(&b, phone, |image| insert(image, r#"{"title":"shared"}"#));
    set(&mut phone, shared, "title", "before it was set back");
    sync(&mut phone, &mut laptop).unwrap();
    drop(phone);
    set(&mut other, shared, "body", "after");
    for _ in 0..3 {
        sync_again(&mut other, &mut laptop);
    }
    assert_eq!(title(&laptop, shared), "shared");
    let items = other.quarantine(&ItemPage::default()).unwrap();
    let [item] = &items[..] else {
        panic!("{items:?}")
    };
    assert_eq!(item.waits_for, WaitsFor::ReissueHere);
    assert_eq!(laptop.quarantine(&ItemPage::default()).unwrap().len(), 1);
    let refused = laptop.reissue_item(item.id).unwrap_err();
    assert!(
        matches!(refused, EngineError::NotReissuable { .. }),
        "{refused}"
    );
    assert_eq!(other.reissue_all().unwrap(), [item.id]);
    assert_eq!(other.reissue_all().unwrap(), []);
    sync(&mut other, &mut laptop).unwrap();
    assert_eq!(title(&laptop, shared), "before it was set back");
    assert_all_issued_again(&laptop, 2);
    assert_equal(&laptop, &other);
}

#[test]
fn what_rests_on_one_side_is_not_judged_by_who_holds_the_longer_other_one() {
    let (_a, mut laptop, b, phone) = two();
    let (_copy, [mut phone, mut other], shared) = resumed_twice(&b, phone, |image| {
        insert(image, r#"{"title":"shared","body":"b"}"#)
    });
    set(&mut phone, shared, "title", "of one");
    sync(&mut phone, &mut laptop).unwrap();
    set(&mut laptop, shared, "body", "of the laptop, on top of it");
    for n in 0..3 {
        set(&mut other, shared, "title", &format!("of the other {n}"));
    }
    // Only the other one sees that they differ; the laptop sends its cursor and what it wrote in one frame.
    let failure = sync(&mut laptop, &mut other).unwrap_err();
    assert_eq!(failure.code, Code::Equivocation, "{}", failure.detail);
    settle(&mut laptop, [&mut phone, &mut other]);
    let body = text(&other, shared, "body");
    let written = "of the laptop, on top of it";
    assert_eq!(body, Some(Value::String(written.into())));
    assert_all_issued_again(&laptop, 5);
}

#[test]
fn a_run_that_got_the_others_feed_before_it_wrote_goes_on_in_another_one() {
    let (_a, mut laptop, b, mut phone) = two();
    let shared = insert(&mut laptop, r#"{"title":"shared","body":"b"}"#);
    sync(&mut phone, &mut laptop).unwrap();
    let (_copy, [mut phone, mut other], ()) = resumed_twice(&b, phone, |_| ());
    set(&mut phone, shared, "title", "of one");
    sync(&mut phone, &mut laptop).unwrap();
    sync(&mut other, &mut laptop).unwrap();
    // It draws what the other one has drawn.
    set(&mut other, shared, "body", "of the other");
    insert(&mut other, r#"{"title":"two"}"#);
    settle(&mut laptop, [&mut phone, &mut other]);
    for replica in [&laptop, &phone, &other] {
        assert_eq!(title(replica, shared), "of one");
        let body = text(replica, shared, "body");
        assert_eq!(body, Some(Value::String("of the other".into())));
        assert_eq!(all_items(replica), [], "nothing went on in two ways");
    }
}

#[test]
fn a_third_run_that_knows_that_its_feed_was_split_adds_no_branch_to_it() {
    let (_a, mut laptop, b, phone) = two();
    let mut third = b.copy();
    third.processes = Arc::new(AtomicU64::new(b.processes.load(Ordering::Relaxed)));
    third.clock = Hand::at(b.clock.now());
    let mut third = third.open();
    let so_far = |image: &mut Replica| insert(image, r#"{"title":"shared","body":"b"}"#);
    let (_copy, [mut phone, mut other], shared) = resumed_twice(&b, phone, so_far);
    assert_eq!(so_far(&mut third), shared);
    set(&mut phone, shared, "title", "of one");
    set(&mut other, shared, "body", "of the other");
    sync(&mut phone, &mut laptop).unwrap();
    sync_again(&mut other, &mut laptop);
    sync_again(&mut third, &mut laptop);
    set(&mut third, shared, "state", "of the third");
    settle(&mut laptop, [&mut phone, &mut other]);
    sync_again(&mut third, &mut laptop);
    settle(&mut laptop, [&mut phone, &mut other]);
    for replica in [&laptop, &phone, &other, &third] {
        for (field, value) in [
            ("title", "one"),
            ("body", "the other"),
            ("state", "the third"),
        ] {
            let read = text(replica, shared, field);
            let wanted = Value::String(format!("of {value}"));
            assert_eq!(read, Some(wanted), "{field}");
        }
        assert_all_issued_again(replica, 2);
    }
}

fn count_one(replica: &mut Replica, id: RecordId) {
    let path = FieldPath::parse("views").unwrap();
    let edit = Edit::Increment { path, by: 1 };
    replica.edit("notes", id, &[edit]).unwrap();
    replica.commit_group().unwrap();
}

fn counted(replica: &Replica, id: RecordId) -> i64 {
    let row = replica.get("notes", id).unwrap().unwrap();
    match row.fields.get("views#counter") {
        Some(Value::Counter(views)) => *views,
        other => panic!("{other:?}"),
    }
}

/// The laptop and the phone, of which two copies of one folder go on; each has written the same again, and then something
/// on top of that. The copies sync in this order; gives what the laptop holds as a duplicate.
fn two_copies_issue_one_branch_again(order: [usize; 2]) -> (RecordId, Vec<EnvelopeId>) {
    let (a, mut laptop, b, phone) = two();
    let (_copy, [mut phone, mut other], shared) =
        resumed_twice(&b, phone, |image| insert(image, r#"{"title":"shared"}"#));
    count_one(&mut phone, shared);
    sync(&mut phone, &mut laptop).unwrap();
    phone.close().unwrap();
    count_one(&mut other, shared);
    sync_again(&mut other, &mut laptop);
    sync(&mut other, &mut laptop).unwrap();
    // The phone's folder is copied, and both copies hear of the split before they hear of each other.
    let copy = b.copy();
    let mut copies = [b.open(), copy.open()];
    for copy in &mut copies {
        sync_again(copy, &mut laptop);
        assert_eq!(
            copy.reissue().unwrap(),
            0,
            "it has, once the session was over"
        );
        set(copy, shared, "title", "on top of it");
        count_one(copy, shared);
        assert_eq!(counted(copy, shared), 3, "with what the other run counted");
    }
    for at in order {
        sync_again(&mut copies[at], &mut laptop);
        assert_eq!(counted(&laptop, shared), if at == order[0] { 3 } else { 4 });
    }
    let [mut one, mut two] = copies;
    settle(&mut laptop, [&mut one, &mut two]);
    for replica in [&laptop, &one, &two] {
        assert_eq!(counted(replica, shared), 4, "each count once");
        assert_eq!(replica.verify(&mut |_| ()).unwrap().problems, [""; 0]);
        assert_eq!(replica.duplicates().unwrap(), laptop.duplicates().unwrap());
        assert_eq!(replica.void().unwrap(), [], "there is nothing to adopt");
        assert_all_issued_again(replica, 2);
        let history = replica.history("notes", shared, &HistoryOptions::default());
        let void: Vec<_> = history.unwrap().void.into_values().collect();
        assert_eq!(void, [Void::Duplicate]);
        let name = replica.duplicates().unwrap()[0].to_string();
        let named = replica.find_void(&name).unwrap();
        assert_eq!((named.why, named.changes), (Void::Duplicate, 1));
        assert_eq!(named.device_name.as_deref(), Some("phone"));
        let twice = replica.used_twice().unwrap();
        let told: Vec<_> = twice.iter().map(|d| (d.name.as_str(), d.waiting)).collect();
        assert_eq!(told, [("phone", 0)]);
    }
    // The same from its journal alone, and after a restart.
    let twice = laptop.duplicates().unwrap();
    let rebuilt = a.copy();
    assert_equal(&laptop, &rebuilt.open());
    assert_eq!(rebuilt.open().duplicates().unwrap(), twice);
    laptop.close().unwrap();
    let laptop = a.open();
    assert_eq!(laptop.duplicates().unwrap(), twice);
    assert_eq!(counted(&laptop, shared), 4);
    (shared, twice)
}

#[test]
fn what_two_live_copies_of_a_folder_issue_again_counts_once_in_either_order() {
    let (one, ours) = two_copies_issue_one_branch_again([0, 1]);
    let (other, theirs) = two_copies_issue_one_branch_again([1, 0]);
    assert_eq!(one, other, "the same histories");
    assert_eq!(ours.len(), 1);
    assert_eq!(ours, theirs, "the same one counts");
}

#[test]
fn what_was_written_before_an_edit_is_issued_again_stands_beside_it() {
    let (_a, mut laptop, b, phone) = two();
    let (_copy, [mut phone, mut other], shared) = resumed_twice(&b, phone, |image| {
        insert(image, r#"{"title":"shared","body":"b"}"#)
    });
    set(&mut phone, shared, "title", "lost at first");
    set(&mut phone, shared, "title", "lost");
    insert(&mut other, r#"{"title":"two"}"#);
    sync(&mut other, &mut laptop).unwrap();
    let found = sync(&mut phone, &mut laptop).unwrap_err();
    assert_eq!(found.code, Code::Equivocation);
    assert_eq!(title(&phone, shared), "shared");

    // The person sees that and writes on, before the next sync brings the lost edits back.
    set(&mut phone, shared, "title", "later");
    settle(&mut laptop, [&mut phone, &mut other]);
    assert_all_issued_again(&laptop, 3);
    let open = laptop.conflicts(&ConflictFilter::open()).unwrap();
    let [entry] = &open[..] else {
        panic!("{open:?}")
    };
    let said = format!("{:?}", entry.entry);
    assert!(
        said.contains("\"later\"") && said.contains("\"lost\""),
        "{said}"
    );
}

#[test]
fn what_follows_a_lost_edit_after_a_restart_follows_it_when_both_are_issued_again() {
    let (_a, mut laptop, b, phone) = two();
    let (_copy, [mut phone, mut other], shared) = resumed_twice(&b, phone, |image| {
        insert(image, r#"{"title":"shared","body":"b"}"#)
    });
    set(&mut phone, shared, "title", "first");
    phone.close().unwrap();
    let mut phone = b.open();
    set(&mut phone, shared, "title", "second");
    insert(&mut other, r#"{"title":"two"}"#);
    sync(&mut other, &mut laptop).unwrap();
    settle(&mut laptop, [&mut phone, &mut other]);
    assert_eq!(title(&laptop, shared), "second");
    assert_eq!(laptop.conflicts(&ConflictFilter::default()).unwrap(), []);
    assert_all_issued_again(&laptop, 3);
}

/// Changes of two records may be equal, byte for byte.
#[test]
fn work_on_top_of_one_of_two_equal_changes_is_issued_again_in_its_record() {
    let ([_, _, tablet], [mut laptop, mut phone, _]) = three();
    let records = [RecordId([1; 16]), RecordId([2; 16])];
    // One device gets two envelopes with equal changes, the other one another with the number of the first.
    for (replica, equal) in [(&mut laptop, &records[..]), (&mut phone, &records[..1])] {
        let (session, mut forger) = introduce(replica, tablet.key());
        let actor = ActorId(forger.feed.0);
        let key = if equal.len() == 2 { "a" } else { "b" };
        let signed = equal.iter().map(|record| {
            let change = put(&mut Record::new(), actor, key, 1);
            forger.sign(record.0, (1, 1), change)
        });
        let signed = signed.collect();
        talk(replica, session, &forger.send(signed));
        replica.end_session(session).unwrap();
    }
    for record in records {
        set(&mut laptop, record, "title", "on top of it");
    }
    for _ in 0..2 {
        sync_again(&mut phone, &mut laptop);
        laptop.reissue().unwrap();
    }
    sync_again(&mut phone, &mut laptop);
    assert_equal(&laptop, &phone);
    for record in records {
        assert_eq!(title(&phone, record), "on top of it");
    }
    let items = all_items(&laptop).into_iter().filter(|item| item.own);
    let states: Vec<_> = items.map(|item| item.state).collect();
    assert_eq!(states, [ItemState::Reissued; 2]);
}

/// A folder that runs gets what a copy of it wrote, and goes on with its own feed: what it writes there is its own.
#[test]
fn what_a_folder_writes_after_it_got_the_feed_of_its_copy_is_issued_again_by_itself() {
    let ([_, b, tablet], [mut laptop, mut phone, _]) = three();
    insert(&mut phone, r#"{"title":"before the copy"}"#);
    let mut copy = b.copy().open();
    insert(&mut copy, r#"{"title":"of the copy"}"#);
    sync(&mut copy, &mut laptop).unwrap();
    sync(&mut phone, &mut laptop).unwrap();

    // A member signs two envelopes with one number; the phone writes on top of one of them.
    let record = RecordId([1; 16]);
    for (replica, value) in [(&mut laptop, 1), (&mut phone, 2)] {
        let (session, mut forger) = introduce(replica, tablet.key());
        let change = put(&mut Record::new(), ActorId(forger.feed.0), "a", value);
        let envelope = forger.sign(record.0, (1, 1), change);
        talk(replica, session, &forger.send(vec![envelope]));
        replica.end_session(session).unwrap();
    }
    set(&mut phone, record, "title", "on top of it");
    settle(&mut laptop, [&mut copy, &mut phone]);
    for replica in [&laptop, &phone, &copy] {
        assert_eq!(title(replica, record), "on top of it");
    }
    let own = |replica: &Replica| {
        let own = all_items(replica).into_iter().filter(|item| item.own);
        own.map(|item| item.state).collect::<Vec<_>>()
    };
    for replica in [&phone, &copy] {
        assert_eq!(own(replica), [ItemState::Reissued]);
    }
}
