//! Replicas over memory, and a wire between them that can be looked at.

use driftless_document::{Node, RecordId, Value, parse_record};
use driftless_engine::{ConflictFilter, Edit, Replica};
use driftless_protocol::Message;
pub(crate) use driftless_testkit::device::Device;
use driftless_testkit::wire;
pub(crate) use driftless_testkit::wire::{sync, sync_until};

pub(crate) fn insert(replica: &mut Replica, json: &str) -> RecordId {
    let (id, _) = replica
        .insert("notes", parse_record(json).unwrap())
        .unwrap();
    replica.commit_group().unwrap();
    id
}

pub(crate) fn set(replica: &mut Replica, id: RecordId, path: &str, value: &str) {
    let edit = Edit::Set {
        path: driftless_document::FieldPath::parse(path).unwrap(),
        node: Node::Leaf(Value::String(value.into())),
    };
    replica.edit("notes", id, &[edit]).unwrap();
    replica.commit_group().unwrap();
}

pub(crate) fn text(replica: &Replica, id: RecordId, path: &str) -> Option<Value> {
    replica
        .get("notes", id)
        .unwrap()
        .unwrap()
        .fields
        .get(path)
        .cloned()
}

/// Two devices of one workspace, synced.
pub(crate) fn two() -> (Device, Replica, Device, Replica) {
    let (a, b) = (Device::new(1), Device::new(2));
    let mut laptop = a.create("laptop");
    let link = laptop.invite("ws://127.0.0.1:1", 1, 60_000).unwrap();
    laptop.commit_group().unwrap();
    let mut phone = b.join(&mut laptop, &link, "phone").unwrap();
    sync(&mut phone, &mut laptop).unwrap();
    (a, laptop, b, phone)
}

/// A laptop that owns the workspace, a phone and a tablet, all level.
pub(crate) fn three() -> ([Device; 3], [Replica; 3]) {
    let (a, mut laptop, b, mut phone) = two();
    let c = Device::new(3);
    let link = laptop.invite("ws://127.0.0.1:1", 1, 60_000).unwrap();
    laptop.commit_group().unwrap();
    let mut tablet = c.join(&mut laptop, &link, "tablet").unwrap();
    sync(&mut tablet, &mut laptop).unwrap();
    sync(&mut phone, &mut laptop).unwrap();
    ([a, b, c], [laptop, phone, tablet])
}

/// Two devices whose edits overlap.
pub(crate) struct Log {
    _devices: (Device, Device),
    pub(crate) laptop: Replica,
    pub(crate) phone: Replica,
    pub(crate) records: Vec<RecordId>,
}

/// Some records of two devices, of which both gave each one's title and body another value.
pub(crate) fn log(records: usize) -> Log {
    let (a, mut laptop, b, mut phone) = two();
    let records: Vec<_> = (0..records)
        .map(|_| insert(&mut laptop, r#"{"title":"a","body":"b"}"#))
        .collect();
    sync(&mut phone, &mut laptop).unwrap();
    for (replica, value) in [(&mut laptop, "of laptop"), (&mut phone, "of phone")] {
        for &record in &records {
            set(replica, record, "title", value);
            set(replica, record, "body", value);
        }
    }
    sync(&mut phone, &mut laptop).unwrap();
    Log {
        _devices: (a, b),
        laptop,
        phone,
        records,
    }
}

/// Everything two equal replicas must have in common, and that each is what its journal says.
#[track_caller]
pub(crate) fn assert_equal(a: &Replica, b: &Replica) {
    assert_eq!(a.digest().unwrap(), b.digest().unwrap());
    let all = ConflictFilter::default();
    assert_eq!(a.conflicts(&all).unwrap(), b.conflicts(&all).unwrap());
    for replica in [a, b] {
        assert_eq!(
            replica.verify(&mut |_| ()).unwrap().problems,
            Vec::<String>::new()
        );
    }
}

/// A Hello over the handshake hash of fives, that agrees with nothing else.
pub(crate) fn hello(replica: &Replica) -> Message {
    Message::Hello(wire::hello(&replica.workspace(), &[5; 32]))
}
