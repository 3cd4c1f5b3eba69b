//! What a replica keeps in its store, space by space, held in files: keys and values of a small history.
//!
//! To make the files anew after a change that is meant: `cargo xtask golden --write`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use driftless_document::{ChangeHash, Evidence, FieldPath, Node, RecordId, Value, parse_record};
use driftless_golden::Goldens;
use driftless_protocol::{Code, DeviceKey, Envelope, FeedId, Hash, Randomness};
use driftless_store::{Batch, Journal, Kv as _, MemoryFiles, MemoryKv, Visit};

use crate::clock::{Clock, Millis};
use crate::conflicts::ConflictFilter;
use crate::core::{
    ENVELOPE_FRAME, EnvelopePlace, Judgement, MEMBER_FRAME, NOTE_FRAME, OWN_ENVELOPE_FRAME, State,
    StoredRow, TakenBack, Verdict, encode_note,
};
use crate::elsewhere::{Arrived, CopiedFolder};
use crate::feeds::Feed;
use crate::peers::Peer;
use crate::quarantine::EnvelopeId;
use crate::replica::{Parts, Replica};
use crate::space::Space;
use crate::types::{Edit, RecordKey};

const GOLDEN: Goldens = Goldens::of("engine");

const SPACES: [Space; 20] = [
    Space::State,
    Space::Member,
    Space::Feed,
    Space::Envelope,
    Space::Row,
    Space::Document,
    Space::Conflict,
    Space::Alias,
    Space::Commit,
    Space::Quarantine,
    Space::RefusedChange,
    Space::Note,
    Space::TakeBack,
    Space::Void,
    Space::VoidChanges,
    Space::Known,
    Space::Lost,
    Space::Waiting,
    Space::WaitingRecord,
    Space::Reissued,
];

/// The golden file of a space; a space that is added has none until it is named here and above.
fn file_of(space: Space) -> &'static str {
    match space {
        Space::State => "space_01_state",
        Space::Member => "space_02_member",
        Space::Feed => "space_03_feed",
        Space::Envelope => "space_04_envelope",
        Space::Row => "space_05_row",
        Space::Document => "space_06_document",
        Space::Conflict => "space_07_conflict",
        Space::Alias => "space_08_alias",
        Space::Commit => "space_09_commit",
        Space::Quarantine => "space_10_quarantine",
        Space::RefusedChange => "space_11_refused_change",
        Space::Note => "space_12_note",
        Space::PackedEnvelopes => "space_13_packed_envelopes",
        Space::PackedCommits => "space_14_packed_commits",
        Space::TakeBack => "space_15_take_back",
        Space::Void => "space_16_void",
        Space::VoidChanges => "space_17_void_changes",
        Space::Known => "space_18_known",
        Space::Lost => "space_19_lost",
        Space::Waiting => "space_20_waiting",
        Space::WaitingRecord => "space_21_waiting_record",
        Space::Reissued => "space_22_reissued",
    }
}

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Millis {
        1_790_000_000_000
    }
}

/// Bytes that differ from call to call and not from run to run.
struct Counted(u64);

impl Randomness for Counted {
    fn fill(&mut self, bytes: &mut [u8]) {
        self.0 += 1;
        let hash = blake3::hash(&self.0.to_le_bytes());
        bytes
            .iter_mut()
            .zip(hash.as_bytes().iter().cycle())
            .for_each(|(to, from)| *to = *from);
    }
}

fn parts(journal: Journal, kv: &MemoryKv, random: u64) -> Parts {
    Parts {
        journal,
        kv: Box::new(kv.clone()),
        key: DeviceKey::from_seed(&[1; 32]),
        clock: Arc::new(Noon),
        randomness: Box::new(Counted(random << 32)),
    }
}

fn open(files: &MemoryFiles, kv: &MemoryKv, random: u64) -> Replica {
    let (journal, _) = Journal::open(Box::new(files.duplicate())).expect("the journal opens");
    Replica::open(parts(journal, kv, random), &mut |_| ()).expect("the replica opens")
}

fn set(replica: &mut Replica, record: RecordId, value: &str) {
    let edit = Edit::Set {
        path: FieldPath::parse("name").expect("a path"),
        node: Node::Leaf(Value::String(value.into())),
    };
    replica
        .edit("notes", record, &[edit])
        .expect("it is edited");
    replica.commit_group().expect("it is durable");
}

/// The last envelope of this process.
fn last_envelope(replica: &Replica) -> Envelope {
    let own = replica.incarnation.expect("it has written");
    let place = replica.core.envelope_place(&own.feed, own.last);
    let place = place.expect("it is read").expect("it is there");
    let frame = replica.journal.read(place.position).expect("it is there");
    Envelope::decode(&frame.bytes).expect("it is one")
}

/// A history with something in every space: a folder and its copy write the same field, and what the copy wrote
/// after that is refused, and taken back.
fn history() -> (MemoryFiles, MemoryKv, Replica) {
    let (files, kv) = (MemoryFiles::new(), MemoryKv::new());
    let journal = Journal::create(Box::new(files.clone())).expect("it is made");
    let mut replica = Replica::create(parts(journal, &kv, 1), "laptop").expect("it is made");
    replica
        .invite("ws://127.0.0.1:1", 1, 60_000)
        .expect("an invitation");
    let fields = parse_record(r#"{"name": "Ada", "n": 1}"#).expect("a record");
    let (record, _) = replica.insert("notes", fields).expect("it is made");
    replica.commit_group().expect("it is durable");

    let mut copy = open(&files.duplicate(), &MemoryKv::new(), 2);
    set(&mut copy, record, "Bea");
    let second = last_envelope(&copy);
    set(&mut copy, record, "Cleo");
    let third = last_envelope(&copy);

    set(&mut replica, record, "Dora");
    let judgement = replica.core.judge(&second).expect("it is judged");
    assert!(matches!(judgement, Judgement::Apply(_)));
    replica
        .stage(&second, ENVELOPE_FRAME, judgement)
        .expect("it is staged");
    let refused = Judgement::Quarantine(Code::ChangeRefused, "why".into(), BTreeSet::new());
    replica
        .stage(&third, ENVELOPE_FRAME, refused)
        .expect("it is staged");

    replica.set_setting("theme", b"dark").expect("it is kept");
    let peer = DeviceKey::from_seed(&[2; 32]).device_id();
    replica
        .remember_peer(peer, "ws://127.0.0.1:2")
        .expect("it is kept");
    let known = replica.peers.entry(peer).or_default();
    known.last_sync_ms = Some(1_790_000_000_001);
    known.hold(FeedId([3; 16]), 300);
    known.refuse(FeedId([3; 16]), 299, Code::NotAllowed);
    replica.save_peer(&peer).expect("it is kept");
    put_examples(&mut replica, &third);
    replica.commit_group().expect("it is durable");
    let discarded = replica.discard(EnvelopeId::signed(&third));
    discarded.expect("it is taken back");
    (files, kv, replica)
}

/// An entry of each space that the history does not come to.
fn put_examples(replica: &mut Replica, issued_again: &Envelope) {
    let void = replica
        .core
        .keys
        .numbered(Space::Void, &FeedId([3; 16]), 298);
    replica.core.base.put(void, vec![2, 1]);
    let elsewhere = RecordKey {
        collection: "notes".into(),
        record: RecordId([9; 16]),
    };
    let void = replica.core.keys.record(Space::VoidChanges, &elsewhere);
    let mut hashes = vec![2, 1];
    hashes.extend([7; 32]);
    replica.core.base.put(void, hashes);
    let mut hashes = vec![1];
    hashes.extend([7; 32]);
    let known = replica
        .core
        .keys
        .numbered(Space::Known, &FeedId([3; 16]), 298);
    replica.core.base.put(known, hashes.clone());
    let known = replica.core.keys.known_by(&ChangeHash([5; 32]));
    replica.core.base.put(known, hashes);
    let mut place = vec![1];
    place.extend([0, 0, 0, 2, 0, 0, 1, 4]);
    let keys = replica.core.keys;
    let waiting = keys.waiting(&FeedId([3; 16]), 297, &Hash([6; 32]));
    replica.core.base.put(waiting, place.clone());
    let waiting = keys.waiting_record(&Hash([6; 32]));
    replica.core.base.put(waiting, place);
    let lost = keys.numbered(Space::Lost, &FeedId([3; 16]), 298);
    replica.core.base.put(lost, vec![1]);
    let again = keys.reissued(&TakenBack::of(issued_again));
    let mut counts = vec![2, 0, 0, 0, 0, 0, 0, 0, 1];
    counts.extend([8; 32]);
    counts.extend([3; 16]);
    counts.extend(7_u64.to_be_bytes());
    replica.core.base.put(again, counts);
}

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

fn entries(replica: &Replica, space: Space) -> Pairs {
    let mut found = Vec::new();
    let prefix = replica.core.keys.space(space);
    let scanned = replica.core.base.scan(&prefix, &[], &mut |key, value| {
        found.push((key.to_vec(), value.to_vec()));
        Visit::Continue
    });
    scanned.expect("it is read");
    found
}

/// A line for each entry: key, a space, value, both in hex.
fn text_of(entries: &Pairs) -> String {
    let hex = |bytes: &[u8]| {
        bytes
            .iter()
            .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
    };
    entries
        .iter()
        .fold(String::new(), |mut text, (key, value)| {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{} {}", hex(key), hex(value));
            text
        })
}

/// Whether a value is read and written again as it is; of the spaces whose values are read as a whole.
fn is_written_again(space: Space, value: &[u8]) -> bool {
    match space {
        Space::State => State::decode(value).expect("a state").encode() == value,
        Space::Feed => Feed::decode(value).expect("a feed").encode() == value,
        Space::Envelope => EnvelopePlace::decode(value).expect("a place").encode() == value,
        Space::Row => StoredRow::decode(value).expect("a row").encode() == value,
        Space::Conflict => Evidence::decode(value).expect("entries").encode() == value,
        Space::Quarantine => Verdict::decode(value).expect("a verdict").encode() == value,
        Space::Note => value == b"dark" || Peer::decode(value).expect("a note").encode() == value,
        _ => true,
    }
}

#[test]
fn every_space_of_the_store() {
    let (files, kv, replica) = history();
    let mut batch = Batch::new();
    for space in SPACES {
        let found = entries(&replica, space);
        assert!(!found.is_empty(), "{} has an example", file_of(space));
        GOLDEN.holds_text(file_of(space), &text_of(&found));
        for (key, value) in found {
            assert!(is_written_again(space, &value), "{}", file_of(space));
            batch.put(key, value);
        }
    }
    let mut all = 0;
    kv.read(&mut |snapshot| {
        snapshot.scan(&[], None, &mut |_, _| {
            all += 1;
            Visit::Continue
        })
    })
    .expect("it is read");
    assert_eq!(
        batch.len(),
        all,
        "no key lies in a space without a golden file"
    );

    // What the files hold is a store: it opens over the journal and reads the same.
    let copy = MemoryKv::new();
    copy.apply(&batch).expect("it is applied");
    let again = open(&files, &copy, 3);
    again.check_store().expect("it is whole");
    assert_eq!(
        again.digest().expect("a digest"),
        replica.digest().expect("a digest")
    );
    let conflicts = |of: &Replica| of.conflicts(&ConflictFilter::default()).expect("conflicts");
    assert_eq!(conflicts(&again).len(), 1);
    assert_eq!(conflicts(&again), conflicts(&replica));
}

#[test]
fn the_spaces_of_packed_history() {
    let (_, _, mut replica) = history();
    let changes = replica.changes_since(0, 100).expect("they are read");
    assert!(changes.len() > 2);
    replica.close_segment(0).expect("it is closed");
    replica.pack_all(&|| true).expect("it is packed");
    for space in [Space::PackedEnvelopes, Space::PackedCommits] {
        let found = entries(&replica, space);
        assert!(!found.is_empty(), "{} has an example", file_of(space));
        GOLDEN.holds_text(file_of(space), &text_of(&found));
    }
    assert_eq!(
        replica.changes_since(0, 100).expect("they are read"),
        changes
    );
}

#[test]
fn a_frame_with_a_setting() {
    let (name, value) = ("theme", b"da\0rk");
    GOLDEN.holds("note_frame", &encode_note(name, value));
    let read = crate::core::decode_note(&GOLDEN.bytes("note_frame"));
    assert_eq!(read.expect("a note"), (name.to_owned(), value.to_vec()));
    let kinds = [ENVELOPE_FRAME, MEMBER_FRAME, NOTE_FRAME, OWN_ENVELOPE_FRAME];
    assert_eq!(kinds.map(|kind| kind.0), [1, 2, 3, 4]);
}

#[test]
fn the_settings_on_what_was_written_elsewhere() {
    let arrived = Arrived {
        first: 3,
        last: 7,
        changes: 9,
        first_seen_ms: 1_800_000_000_000,
        last_seen_ms: 1_800_000_000_001,
    };
    GOLDEN.holds("note_elsewhere", &arrived.encode());
    let read = Arrived::decode(&GOLDEN.bytes("note_elsewhere"));
    assert_eq!(read.expect("a note"), arrived);
    let copied = CopiedFolder {
        from: Some("/mnt/laptop".into()),
        was_there: true,
        seen_ms: Some(1_800_000_000_000),
    };
    GOLDEN.holds("note_copied", &copied.encode());
    let read = CopiedFolder::decode(&GOLDEN.bytes("note_copied"));
    assert_eq!(read.expect("a note"), copied);
}
