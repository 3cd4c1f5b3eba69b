//! The outbox, and taking back what peers refuse.

use driftless_document::{Node, RecordId, Value};
use driftless_engine::{
    Discarded, Draft, Edit, EngineError, EnvelopeId, ItemPage, ItemState, PeerState, Replica,
    SessionOutput, SessionStart, Side, SyncState, WaitsFor, Wishes,
};
use driftless_protocol::{Ack, Code, HeldRun, Message, Refusal, decode_batch, encode_batch};
use driftless_store::MemoryKv;
use proptest::prelude::*;

use crate::forger::{introduce, talk};
use crate::packing::pack;
use crate::support::{Device, assert_equal, insert, set, sync, text, two};

/// Syncs with a peer that refuses what `refuses` says, whatever it does with it.
fn sync_refused(replica: &mut Replica, peer: &mut Replica, refuses: &dyn Fn(&EnvelopeId) -> bool) {
    let start = |side, peer| SessionStart {
        side,
        peer,
        handshake_hash: [8; 32],
        wishes: Wishes::default(),
    };
    let dialing = replica.start_session(start(Side::Dialer, peer.device()));
    let listening = peer.start_session(start(Side::Listener, replica.device()));
    let mut finished = false;
    loop {
        let mut moved = false;
        while let Some(output) = replica.poll_session(dialing) {
            moved = true;
            match output {
                SessionOutput::Send(frame) => peer.handle_frame(listening, &frame, 0),
                SessionOutput::Finished(_) => finished = true,
                SessionOutput::Failed(why) => panic!("{why:?}"),
                _ => {}
            }
            peer.commit_group().unwrap();
        }
        while let Some(output) = peer.poll_session(listening) {
            moved = true;
            if let SessionOutput::Send(frame) = output {
                let messages = decode_batch(&frame).unwrap().into_iter();
                let messages: Vec<_> = messages.map(|m| refusing(peer, m, refuses)).collect();
                let frame = encode_batch(&messages).unwrap();
                replica.handle_frame(dialing, &frame, 0);
                replica.commit_group().unwrap();
            }
        }
        if !moved {
            break;
        }
    }
    assert!(finished, "the session ends well");
    for (replica, session) in [(replica, dialing), (peer, listening)] {
        replica.end_session(session).unwrap();
        replica.commit_group().unwrap();
    }
}

/// The same message, but an acknowledgement says that some is refused.
fn refusing(peer: &Replica, message: Message, refuses: &dyn Fn(&EnvelopeId) -> bool) -> Message {
    let Message::Ack(ack) = message else {
        return message;
    };
    let (mut held, mut refused) = (Vec::new(), ack.refused.clone());
    for run in &ack.held {
        for n in run.first..=run.last {
            let feed = run.feed;
            if refuses(&EnvelopeId { feed, n }) {
                let code = Code::ChangeRefused;
                refused.push(Refusal { feed, n, code });
            } else {
                held.push(HeldRun {
                    feed,
                    first: n,
                    last: n,
                });
            }
        }
    }
    Message::Ack(Ack::sign(
        peer.device_key(),
        &peer.workspace(),
        held,
        refused,
    ))
}

fn outbox(replica: &Replica) -> Vec<EnvelopeId> {
    let items = replica.outbox(&ItemPage::default()).unwrap();
    items.iter().map(|item| item.id).collect()
}

fn quarantined(replica: &Replica) -> Vec<EnvelopeId> {
    let items = replica.quarantine(&ItemPage::default()).unwrap();
    items.iter().map(|item| item.id).collect()
}

/// Three notes, of which the peer refuses the second.
fn refused() -> (Device, Replica, Replica, [RecordId; 3], EnvelopeId) {
    let (a, mut laptop, _, mut phone) = two();
    let notes = ["a", "b", "c"].map(|t| insert(&mut laptop, &format!(r#"{{"title":"{t}"}}"#)));
    let poison = outbox(&laptop)[1];
    sync_refused(&mut laptop, &mut phone, &|id| *id == poison);
    (a, laptop, phone, notes, poison)
}

#[track_caller]
fn taken_back(replica: &mut Replica, id: EnvelopeId) -> (Draft, Vec<EnvelopeId>) {
    match replica.discard(id).unwrap() {
        Discarded::TakenBack { draft, resting } => (draft, resting),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn assert_not_allowed(result: Result<Discarded, EngineError>, why: &str) {
    match result {
        Err(EngineError::NotDiscardable { reason, .. }) => {
            assert!(reason.contains(why), "{reason}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_outbox_counts_records_and_changes_and_empties_with_acknowledgements() {
    let (_, mut laptop, _, mut phone) = two();
    let id = insert(&mut laptop, r#"{"title":"a"}"#);
    set(&mut laptop, id, "title", "b");
    let items = laptop.outbox(&ItemPage::default()).unwrap();
    assert_eq!(items.len(), 2);
    assert_eq!(items.iter().map(|item| item.changes).sum::<u64>(), 2);
    assert!(items.iter().all(|item| item.records[0].record == id));
    assert_eq!(items[0].peers[0].device, phone.device());
    assert_eq!(items[0].peers[0].name.as_deref(), Some("phone"));
    assert_eq!(items[0].peers[0].state, PeerState::Pending);
    let page = ItemPage {
        after: Some(items[0].id),
        ..ItemPage::default()
    };
    assert_eq!(laptop.outbox(&page).unwrap(), items[1..]);
    assert_not_allowed(laptop.discard(items[0].id), "no device has refused it");
    sync(&mut laptop, &mut phone).unwrap();
    assert_eq!(outbox(&laptop), []);
    assert_not_allowed(laptop.discard(items[0].id), "another device has applied it");
    assert!(matches!(
        phone.discard(items[0].id),
        Err(EngineError::NotDiscardable { .. })
    ));
}

#[test]
fn one_refused_of_three_is_in_the_outbox_and_the_others_are_not() {
    let (_, laptop, _, notes, poison) = refused();
    let items = laptop.outbox(&ItemPage::default()).unwrap();
    assert_eq!(items.len(), 1);
    assert_eq!(
        (items[0].id, items[0].refused()),
        (poison, Some(Code::ChangeRefused))
    );
    assert_eq!(items[0].records[0].record, notes[1]);
    assert_eq!(laptop.outbox_item(poison).unwrap(), items[0]);
    assert_eq!(laptop.find_outgoing(&poison.to_string()).unwrap(), poison);
    assert_eq!(laptop.status().unwrap().pending, 1);
}

#[test]
fn what_was_taken_back_is_no_commit_of_packed_history_derived_anew() {
    let (a, mut laptop, _, mut phone) = two();
    insert(&mut laptop, r#"{"title":"first"}"#);
    laptop.close().unwrap();
    let mut laptop = a.open();
    for title in ["a", "b", "c"] {
        insert(&mut laptop, &format!(r#"{{"title":"{title}"}}"#));
    }
    let poison = outbox(&laptop)[2];
    sync_refused(&mut laptop, &mut phone, &|id| *id == poison);
    taken_back(&mut laptop, poison);
    let changes = laptop.changes_since(0, 100).unwrap();
    assert_eq!(changes.len(), 3);
    pack(&mut laptop);
    assert_eq!(laptop.changes_since(0, 100).unwrap(), changes);
    laptop.close().unwrap();
    let lost = Device {
        kv: MemoryKv::new(),
        ..a
    };
    let laptop = lost.open();
    assert_eq!(laptop.changes_since(0, 100).unwrap(), changes);
    laptop.close().unwrap();
    let laptop = lost.open();
    assert_eq!(laptop.changes_since(0, 100).unwrap(), changes);
}

#[test]
fn a_discard_takes_the_change_out_of_every_replica_and_offers_it_as_a_draft() {
    let (a, mut laptop, mut phone, notes, poison) = refused();
    let (draft, resting) = taken_back(&mut laptop, poison);
    assert_eq!(resting, []);
    assert_eq!(laptop.get("notes", notes[1]).unwrap(), None);
    assert_eq!(
        text(&laptop, notes[2], "title"),
        Some(Value::String("c".into()))
    );
    assert_eq!(outbox(&laptop), []);
    assert_eq!(quarantined(&laptop), []);
    let item = laptop.quarantine_item(poison).unwrap();
    assert_eq!((item.state, item.own), (ItemState::TakenBack, true));
    let status = laptop.status().unwrap();
    assert_eq!((status.quarantined, status.pending), (0, 0));

    // The other one said that it refuses it, and had applied it: it comes out there, too.
    assert!(phone.get("notes", notes[1]).unwrap().is_some());
    sync(&mut laptop, &mut phone).unwrap();
    assert_equal(&laptop, &phone);
    assert_eq!(phone.get("notes", notes[1]).unwrap(), None);
    assert_eq!(quarantined(&phone), []);

    // The same after the store is lost, and the draft is there again.
    let digest = laptop.digest().unwrap();
    drop(laptop);
    let a = Device {
        kv: MemoryKv::new(),
        ..a
    };
    let mut laptop = a.open();
    assert_eq!(laptop.digest().unwrap(), digest);
    laptop.check_store().unwrap();
    assert_eq!(taken_back(&mut laptop, poison).0, draft);

    // Written again, it is a change like any other.
    let applied = laptop.apply_draft(&draft).unwrap();
    laptop.commit_group().unwrap();
    assert_eq!(
        (applied.written, applied.unchanged, applied.skipped.len()),
        (1, 0, 0)
    );
    assert_eq!(
        text(&laptop, notes[1], "title"),
        Some(Value::String("b".into()))
    );
    sync(&mut laptop, &mut phone).unwrap();
    assert_equal(&laptop, &phone);
    assert_eq!(
        text(&phone, notes[1], "title"),
        Some(Value::String("b".into()))
    );
}

#[test]
fn what_rests_on_a_discarded_change_is_shown_and_can_be_discarded_likewise() {
    let (_, mut laptop, _, mut phone) = two();
    let id = insert(&mut laptop, r#"{"title":"a"}"#);
    sync(&mut laptop, &mut phone).unwrap();
    set(&mut laptop, id, "title", "b");
    set(&mut laptop, id, "title", "c");
    let [poison, on_top] = outbox(&laptop)[..] else {
        panic!("two are waiting");
    };
    sync_refused(&mut laptop, &mut phone, &|id| id.n >= poison.n);
    let (_, resting) = taken_back(&mut laptop, poison);
    assert_eq!(resting, [on_top]);
    assert_eq!(quarantined(&laptop), [on_top]);
    assert_eq!(text(&laptop, id, "title"), Some(Value::String("a".into())));
    let (draft, resting) = taken_back(&mut laptop, on_top);
    assert_eq!(resting, []);
    assert_eq!(quarantined(&laptop), []);
    laptop.apply_draft(&draft).unwrap();
    laptop.commit_group().unwrap();
    sync(&mut laptop, &mut phone).unwrap();
    assert_equal(&laptop, &phone);
    assert_eq!(text(&phone, id, "title"), Some(Value::String("c".into())));
}

#[test]
fn what_another_device_has_built_on_cannot_be_taken_back_and_never_is() {
    let (_, mut laptop, mut phone, notes, poison) = refused();
    // The phone had applied it after all, and goes on from it.
    set(&mut phone, notes[1], "title", "phone");
    sync(&mut laptop, &mut phone).unwrap();
    assert_not_allowed(laptop.discard(poison), "another device has built on it");

    // Asked before that was known: it counts until the other's work arrives, and is kept then.
    let (_, mut laptop, mut phone, notes, poison) = refused();
    set(&mut phone, notes[1], "title", "phone");
    taken_back(&mut laptop, poison);
    assert_eq!(laptop.get("notes", notes[1]).unwrap(), None);
    sync(&mut laptop, &mut phone).unwrap();
    assert_equal(&laptop, &phone);
    assert_eq!(
        text(&laptop, notes[1], "title"),
        Some(Value::String("phone".into()))
    );
    assert_eq!(quarantined(&laptop), []);
    assert_not_allowed(laptop.discard(poison), "another device has built on it");
}

#[test]
fn a_draft_is_json_that_a_person_can_edit() {
    let (_, mut laptop, _, notes, poison) = refused();
    let (draft, _) = taken_back(&mut laptop, poison);
    let json = draft.to_json();
    assert_eq!(json["of"], poison.to_string());
    assert_eq!(json["records"][0]["set"]["title"], "b");
    assert_eq!(json["records"][0]["record"], notes[1].to_string());
    assert_eq!(Draft::from_json(&json).unwrap(), draft);
    let mut edited = json.clone();
    edited["records"][0]["set"]["title"] = "better".into();
    edited["records"][0]["unset"] = serde_json::json!(["never there"]);
    let applied = laptop
        .apply_draft(&Draft::from_json(&edited).unwrap())
        .unwrap();
    laptop.commit_group().unwrap();
    assert_eq!((applied.written, applied.unchanged), (1, 1));
    assert_eq!(
        text(&laptop, notes[1], "title"),
        Some(Value::String("better".into()))
    );

    let spoilt: [(&str, serde_json::Value, &str); 8] = [
        ("/draft", 2.into(), "draft"),
        ("/of", "x".into(), "of"),
        ("/records", "x".into(), "records"),
        ("/records/0", 1.into(), "records[0].it"),
        (
            "/records/0/collection",
            "$x".into(),
            "records[0].collection",
        ),
        ("/records/0/record", "x".into(), "records[0].record"),
        (
            "/records/0/set/title",
            serde_json::json!({"a": 1}),
            "records[0].set.title",
        ),
        ("/records/0/deleted", 1.into(), "records[0].deleted"),
    ];
    for (pointer, value, place) in spoilt {
        let mut json = json.clone();
        *json.pointer_mut(pointer).unwrap() = value;
        assert_eq!(Draft::from_json(&json).unwrap_err().place, place);
    }
}

#[test]
fn a_draft_skips_what_no_longer_fits_and_writes_the_rest() {
    let (_, mut laptop, _, mut phone) = two();
    let gone = insert(&mut laptop, r#"{"title":"a"}"#);
    let there = insert(&mut laptop, r#"{"title":"a"}"#);
    sync(&mut laptop, &mut phone).unwrap();
    for id in [gone, there] {
        set(&mut laptop, id, "title", "b");
    }
    let waiting = outbox(&laptop);
    sync_refused(&mut laptop, &mut phone, &|id| waiting.contains(id));
    let drafts = [waiting[0], waiting[1]].map(|id| taken_back(&mut laptop, id).0);
    laptop.delete("notes", gone).unwrap();
    laptop.commit_group().unwrap();
    let applied = laptop.apply_draft(&drafts[0]).unwrap();
    assert_eq!((applied.written, applied.skipped.len()), (0, 1));
    assert_eq!(applied.skipped[0].path, "title");
    assert_eq!(
        applied.skipped[0].reason,
        format!("The record {gone} is deleted.")
    );
    let applied = laptop.apply_draft(&drafts[1]).unwrap();
    assert_eq!((applied.written, applied.skipped.len()), (1, 0));
    let again = laptop.apply_draft(&drafts[1]).unwrap();
    assert_eq!((again.written, again.unchanged), (0, 1));
    laptop.commit_group().unwrap();
    sync(&mut laptop, &mut phone).unwrap();
    assert_equal(&laptop, &phone);
}

#[test]
fn deletions_and_restorations_come_back_as_such() {
    let (_, mut laptop, _, mut phone) = two();
    let id = insert(&mut laptop, r#"{"title":"a"}"#);
    sync(&mut laptop, &mut phone).unwrap();
    laptop.delete("notes", id).unwrap();
    laptop.commit_group().unwrap();
    let poison = outbox(&laptop)[0];
    sync_refused(&mut laptop, &mut phone, &|id| *id == poison);
    let (draft, _) = taken_back(&mut laptop, poison);
    assert_eq!(draft.records[0].deleted, Some(true));
    assert!(!laptop.get("notes", id).unwrap().unwrap().deleted);
    let applied = laptop.apply_draft(&draft).unwrap();
    laptop.commit_group().unwrap();
    assert_eq!(applied.written, 1);
    assert!(laptop.get("notes", id).unwrap().unwrap().deleted);
    // A record without fields is one, too.
    let empty = insert(&mut laptop, "{}");
    let poison = outbox(&laptop)[1];
    sync_refused(&mut laptop, &mut phone, &|id| *id == poison);
    let (draft, _) = taken_back(&mut laptop, poison);
    assert_eq!(laptop.get("notes", empty).unwrap(), None);
    laptop.apply_draft(&draft).unwrap();
    laptop.commit_group().unwrap();
    assert!(laptop.get("notes", empty).unwrap().is_some());
}

#[test]
fn nobody_takes_back_what_another_device_made() {
    let (_, mut laptop, mut phone, notes, poison) = refused();
    assert_not_allowed(phone.discard(poison), "made on another device");
    assert!(phone.get("notes", notes[1]).unwrap().is_some());
    let none = EnvelopeId {
        n: poison.n + 100,
        ..poison
    };
    assert!(matches!(
        laptop.discard(none),
        Err(EngineError::NotFound { .. })
    ));
}

/// A step of a random story; numbers choose among what there is.
#[derive(Clone, Debug)]
enum Step {
    Insert(usize),
    Set(usize, usize, u8),
    Sync(usize, usize),
    /// A sync in which the second refuses some of the first's.
    Refuse(usize, usize, u8),
    /// Two edits of one record, which the second device refuses, whatever it does with them.
    Poison(usize, usize, u8),
    /// Takes back something that was refused.
    Discard(usize, usize),
    /// Writes the last draft again.
    Again(usize),
    LoseStore(usize),
    /// Packs the journal, what was taken back included.
    Pack(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..3usize;
    prop_oneof![
        2 => who.clone().prop_map(Step::Insert),
        6 => (who.clone(), 0..4usize, any::<u8>()).prop_map(|(w, r, v)| Step::Set(w, r, v)),
        2 => (who.clone(), who.clone()).prop_map(|(a, b)| Step::Sync(a, b)),
        4 => (who.clone(), who.clone(), any::<u8>()).prop_map(|(a, b, m)| Step::Refuse(a, b, m)),
        4 => (who.clone(), 0..4usize).prop_map(|(w, n)| Step::Discard(w, n)),
        3 => (who.clone(), 1..3usize, any::<u8>())
            .prop_map(|(a, by, v)| Step::Poison(a, (a + by) % 3, v)),
        1 => who.clone().prop_map(Step::Again),
        1 => who.clone().prop_map(Step::LoseStore),
        1 => who.prop_map(Step::Pack),
    ]
}

fn sync_whole(a: &mut Replica, b: &mut Replica) {
    sync(a, b).unwrap();
}

struct Fleet {
    devices: [Device; 3],
    replicas: Vec<Option<Replica>>,
    drafts: [Option<Draft>; 3],
}

impl Fleet {
    fn new() -> Self {
        let (a, mut laptop, b, phone) = two();
        let c = Device::new(3);
        let link = laptop.invite("ws://127.0.0.1:1", 1, 60_000).unwrap();
        laptop.commit_group().unwrap();
        let tablet = c.join(&mut laptop, &link, "tablet").unwrap();
        Self {
            devices: [a, b, c],
            replicas: vec![Some(laptop), Some(phone), Some(tablet)],
            drafts: [None, None, None],
        }
    }

    fn at(&mut self, n: usize) -> &mut Replica {
        self.replicas[n].as_mut().unwrap()
    }

    fn meet(&mut self, a: usize, b: usize, meet: impl FnOnce(&mut Replica, &mut Replica)) {
        if a == b {
            return;
        }
        let (mut first, mut second) = (self.replicas[a].take(), self.replicas[b].take());
        meet(first.as_mut().unwrap(), second.as_mut().unwrap());
        self.replicas[a] = first;
        self.replicas[b] = second;
    }

    fn carry_out(&mut self, step: &Step) {
        match *step {
            Step::Insert(who) => {
                insert(self.at(who), r#"{"title":"new"}"#);
            }
            Step::Set(who, record, value) => {
                let replica = self.at(who);
                let rows = replica.list("notes", &[], None).unwrap();
                if rows.is_empty() {
                    return;
                }
                let (id, _) = &rows[record % rows.len()];
                let path = driftless_document::FieldPath::parse("title").unwrap();
                let node = Node::Leaf(Value::Int(i64::from(value)));
                replica
                    .edit("notes", *id, &[Edit::Set { path, node }])
                    .unwrap();
                replica.commit_group().unwrap();
            }
            Step::Sync(a, b) => self.meet(a, b, sync_whole),
            Step::Refuse(a, b, mask) => self.meet(a, b, |a, b| {
                sync_refused(a, b, &|id| mask >> (id.n % 8) & 1 == 1);
            }),
            Step::Poison(a, b, value) => {
                self.carry_out(&Step::Insert(a));
                self.carry_out(&Step::Set(a, 0, value));
                self.carry_out(&Step::Set(a, 0, value.wrapping_add(1)));
                self.carry_out(&Step::Refuse(a, b, u8::MAX));
            }
            Step::Discard(who, n) => {
                let replica = self.at(who);
                let refused = replica.outbox(&ItemPage::default()).unwrap().into_iter();
                let refused = refused.filter(|item| item.refused().is_some());
                let ids: Vec<_> = refused
                    .map(|item| item.id)
                    .chain(quarantined(replica))
                    .collect();
                if ids.is_empty() {
                    return;
                }
                match replica.discard(ids[n % ids.len()]) {
                    Ok(Discarded::TakenBack { draft, .. }) => {
                        self.drafts[who] = Some(draft);
                    }
                    Ok(_) | Err(EngineError::NotDiscardable { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            Step::Again(who) => {
                if let Some(draft) = self.drafts[who].take() {
                    self.at(who).apply_draft(&draft).unwrap();
                    self.at(who).commit_group().unwrap();
                }
            }
            Step::Pack(who) => pack(self.at(who)),
            Step::LoseStore(who) => {
                drop(self.replicas[who].take());
                self.devices[who].kv = MemoryKv::new();
                self.replicas[who] = Some(self.devices[who].open());
            }
        }
    }
}

fn cases() -> u32 {
    let wanted = std::env::var("DRIFTLESS_CASES")
        .ok()
        .and_then(|n| n.parse().ok());
    wanted.unwrap_or(60)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(),
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(5),
        ..ProptestConfig::default()
    })]
    #[test]
    fn whoever_discards_what_and_whenever_all_agree_afterwards(
        steps in prop::collection::vec(step(), 1..50)
    ) {
        let mut fleet = Fleet::new();
        for step in &steps {
            fleet.carry_out(step);
        }
        for _ in 0..2 {
            for (a, b) in [(0, 1), (1, 2), (0, 2)] {
                fleet.meet(a, b, sync_whole);
            }
        }
        let [a, b, c] = &fleet.replicas[..] else { unreachable!("three devices") };
        let (a, b, c) = (a.as_ref().unwrap(), b.as_ref().unwrap(), c.as_ref().unwrap());
        assert_equal(a, b);
        assert_equal(b, c);
        let all = ItemPage { settled: true, ..ItemPage::default() };
        let held = |replica: &Replica| -> Vec<_> {
            let items = replica.quarantine(&all).unwrap().into_iter();
            items.map(|item| (item.id, item.code, item.detail)).collect()
        };
        prop_assert_eq!(held(a), held(b));
        prop_assert_eq!(held(b), held(c));
        for item in a.quarantine(&all).unwrap() {
            // Nobody's work is lost because somebody else took something back.
            if let WaitsFor::Refused(on) = item.waits_for {
                prop_assert_eq!(on.feed.device_prefix(), item.id.feed.device_prefix());
            }
        }
        for replica in [a, b, c] {
            replica.check_store().unwrap();
        }
    }
}

#[test]
fn what_a_peer_applies_after_all_is_refused_no_more_and_cannot_be_taken_back() {
    let (a, mut laptop, phone, notes, poison) = refused();
    let status = laptop.status().unwrap();
    assert_eq!((status.pending, status.peers[0].refused), (1, 1));
    let peer = Device::new(2);
    assert_eq!(peer.key().device_id(), phone.device());
    let (session, _) = introduce(&mut laptop, peer.key());
    let held = HeldRun {
        feed: poison.feed,
        first: 1,
        last: poison.n,
    };
    let ack = Ack::sign(&peer.key(), &laptop.workspace(), vec![held], Vec::new());
    talk(&mut laptop, session, &[Message::Ack(ack)]);
    laptop.end_session(session).unwrap();
    laptop.commit_group().unwrap();
    laptop.close().unwrap();
    let mut laptop = a.open();
    assert_eq!(outbox(&laptop), []);
    let status = laptop.status().unwrap();
    assert_eq!((status.pending, status.peers[0].refused), (0, 0));
    let state = laptop.record_sync("notes", notes[1]).unwrap().state;
    assert_eq!(state, SyncState::Synced);
    assert_not_allowed(laptop.discard(poison), "another device has applied it");
}
