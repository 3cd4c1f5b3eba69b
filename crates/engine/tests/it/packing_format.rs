//! What was packed once unpacks for ever; and whatever the bytes are, unpacking them ends.

use std::path::Path;

use driftless_document::{ActorId, Admission, Intent, Record, Value};
use driftless_engine::history_codec;
use driftless_protocol::{
    Body, DeviceKey, Envelope, FeedId, Group, Hash, HeaderDraft, Item, ItemPayload, Meta, Payload,
    Predecessor, WorkspaceId, commitment,
};
use driftless_store::{FrameKind, SegmentFrames};

/// Bytes of frames that are plenty for what is packed here.
const LIMIT: usize = 1024 * 1024;

/// Two feeds of one device that edit two records.
struct Author {
    key: DeviceKey,
    records: [Record; 2],
    /// Feed, number and hash of the last envelope.
    last: (FeedId, u64, Hash),
}

impl Author {
    fn feed(&self, n: usize) -> FeedId {
        let random = [8 + u8::try_from(n).unwrap(); 8];
        FeedId::new(&self.key.device_id(), random)
    }

    /// Writes a field; says what was written and its hash.
    fn write(&mut self, at: usize, edit: &Edit) -> (Item, ItemPayload) {
        let (feed, record, field, value) = edit;
        let intent = Intent::Put {
            key: (*field).into(),
            value: value.clone(),
        };
        let actor = ActorId(self.feed(*feed).0);
        let of = &mut self.records[*record];
        let raw = of.write(actor, time(at), &[intent]).unwrap();
        let raw = raw.expect("every edit changes something");
        let Ok(Admission::Admitted(admitted)) = of.admit(&raw, actor.device_prefix()) else {
            panic!("an honest change");
        };
        let (applied, change) = std::mem::take(of).apply(admitted).unwrap();
        *of = applied;
        let salt = [u8::try_from(10 * feed + record).unwrap(); 16];
        let item = Item {
            record: [u8::try_from(*record).unwrap(); 16],
            actor: actor.0,
            first_seq: change.seq,
            last_seq: change.seq,
            commitment: commitment(&salt, &change.hash.0),
        };
        let changes = vec![raw];
        (item, ItemPayload { salt, changes })
    }

    fn seal(&mut self, at: usize, feed: FeedId, body: Body, payload: ItemPayload) -> Envelope {
        let (before, last, head) = self.last;
        let begins = before != feed;
        let predecessor = begins.then_some(Predecessor {
            feed: before,
            n: last,
            hash: head,
        });
        let (n, prev) = if begins {
            (0, Hash::ZERO)
        } else {
            (last, head)
        };
        let draft = HeaderDraft {
            workspace: WorkspaceId([2; 16]),
            feed,
            n: n + 1,
            prev,
            predecessor,
            membership: vec![Hash([if at < 3 { 3 } else { 4 }; 32])],
        };
        let payload = Payload {
            items: vec![payload],
        };
        let envelope = Envelope::seal(&self.key, draft, body, payload).unwrap();
        self.last = (feed, n + 1, envelope.hash());
        envelope
    }
}

/// Feed, record, field and what it is to hold.
type Edit = (usize, usize, &'static str, Value);

fn time(at: usize) -> i64 {
    (1_790_000_000_000 + 40 * i64::try_from(at).unwrap()) << 12
}

fn meta(at: usize) -> Meta {
    let mut meta = Meta::changes(time(at));
    meta.atomic = at > 6;
    if at == 9 {
        meta.app_version = "1.2".into();
        meta.schema = Some(Hash([5; 32]));
        meta.epoch = Some([6; 8]);
        meta.ext = vec![(7, b"unknown".to_vec())];
    }
    meta
}

/// Values of every kind, one envelope that cannot be taken apart, and a setting.
fn frames() -> SegmentFrames {
    let mut author = Author {
        key: DeviceKey::from_seed(&[1; 32]),
        records: [Record::new(), Record::new()],
        last: (FeedId([0; 16]), 0, Hash::ZERO),
    };
    author.last.0 = author.feed(0);
    let edits = [
        (0, 0, "title", Value::String("first".into())),
        (0, 1, "title", Value::Null),
        (0, 0, "title", Value::String("second".into())),
        (0, 0, "n", Value::Int(-7)),
        (1, 1, "n", Value::Uint(u64::MAX)),
        (1, 0, "at", Value::Timestamp(1_790_000_000_000)),
        (1, 0, "n", Value::Float(1.5)),
        (1, 1, "on", Value::Bool(true)),
        (1, 1, "list", Value::Json("[1,2]".into())),
        (1, 1, "bytes", Value::Bytes(vec![0, 1, 2])),
        (1, 1, "later", Value::Opaque(vec![9, 9])),
    ];
    let mut groups = vec![vec![(FrameKind(3), b"a setting".to_vec())]];
    for (at, edit) in edits.iter().enumerate() {
        let (mut item, payload) = author.write(at, edit);
        if at == 5 {
            item.commitment = Hash([7; 32]);
        }
        let group = Group {
            collection: ["notes", "others"][edit.1].into(),
            items: vec![item],
        };
        let body = Body {
            meta: meta(at),
            groups: vec![group],
        };
        let envelope = author.seal(at, author.feed(edit.0), body, payload);
        let frame = (FrameKind(1), envelope.encode());
        if at % 3 == 2 {
            groups.last_mut().unwrap().push(frame);
        } else {
            groups.push(vec![frame]);
        }
    }
    SegmentFrames { groups }
}

fn golden() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/packed_segment_1.hex");
    if std::env::var_os("WRITE_GOLDEN").is_some() {
        let packed = history_codec().pack(&frames(), false, &|| true).unwrap();
        let text: String = packed
            .chunks(48)
            .map(|line| {
                let digits = line.iter().map(|byte| format!("{byte:02x}"));
                digits.collect::<String>() + "\n"
            })
            .collect();
        std::fs::write(&path, text).unwrap();
    }
    let text = std::fs::read_to_string(path).unwrap();
    let digits: String = text.lines().collect();
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}

#[test]
fn what_was_packed_by_the_first_release_unpacks() {
    let unpacked = history_codec().unpack(&golden(), LIMIT);
    assert!(unpacked == Some(frames()), "write a new version beside it");
}

#[test]
fn both_forms_come_back_and_all_but_one_envelope_is_taken_apart() {
    let (codec, mut frames) = (history_codec(), frames());
    let packed = codec.pack(&frames, false, &|| true).unwrap();
    assert!(codec.unpack(&packed, LIMIT).as_ref() == Some(&frames));
    let as_they_are = codec.pack(&frames, true, &|| true).unwrap();
    assert!(codec.unpack(&as_they_are, LIMIT).as_ref() == Some(&frames));
    // Those that were written here, likewise.
    for (kind, _) in frames.groups.iter_mut().flatten() {
        if *kind == FrameKind(1) {
            *kind = FrameKind(4);
        }
    }
    let of_those = codec.pack(&frames, false, &|| true).unwrap();
    assert!(codec.unpack(&of_those, LIMIT).as_ref() == Some(&frames));
    assert!(
        of_those.len() < packed.len() * 11 / 10,
        "{}",
        of_those.len()
    );
    let as_they_are = codec.pack(&frames, true, &|| true).unwrap();
    assert!(codec.unpack(&as_they_are, LIMIT).as_ref() == Some(&frames));
    assert!(packed.len() < as_they_are.len(), "{}", packed.len());
    let length = |frame: &(FrameKind, Vec<u8>)| frame.1.len();
    let whole: usize = frames.groups.iter().flatten().map(length).sum();
    assert!(packed.len() < whole / 2, "{} of {whole}", packed.len());
    // No more is made of it than was asked for.
    assert!(codec.unpack(&packed, whole / 2).is_none());
}

#[test]
fn whatever_the_bytes_are_unpacking_them_ends() {
    let (codec, whole) = (history_codec(), golden());
    for at in 0..whole.len() {
        for flip in [0x01, 0xff] {
            let mut hurt = whole.clone();
            hurt[at] ^= flip;
            let _ = codec.unpack(&hurt, LIMIT);
        }
        assert!(codec.unpack(&whole[..at], LIMIT).is_none());
    }
}

fn take_number(rest: &mut &[u8]) -> usize {
    let (mut number, mut shift) = (0, 0);
    loop {
        let byte = rest[0];
        *rest = &rest[1..];
        number |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return number;
        }
    }
}

fn put_number(bytes: &mut Vec<u8>, mut number: usize) {
    while number > 0x7f {
        bytes.push(u8::try_from(number & 0x7f).unwrap() | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).unwrap());
}

/// The columns of a packed segment, unpacked, so that what they say can be spoilt.
fn columns(packed: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = &packed[1..];
    let mut columns = Vec::new();
    while !rest.is_empty() {
        let (length, packed_length) = (take_number(&mut rest), take_number(&mut rest));
        columns.push(zstd::bulk::decompress(&rest[..packed_length], length).unwrap());
        rest = &rest[packed_length..];
    }
    columns
}

fn of_columns(columns: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = vec![1];
    for column in columns {
        let packed = zstd::bulk::compress(column, 1).unwrap();
        put_number(&mut bytes, column.len());
        put_number(&mut bytes, packed.len());
        bytes.extend(packed);
    }
    bytes
}

#[test]
fn whatever_the_columns_say_unpacking_them_ends() {
    let (codec, whole) = (history_codec(), columns(&golden()));
    assert_eq!(whole.len(), 16);
    assert!(codec.unpack(&of_columns(&whole), LIMIT) == Some(frames()));
    let mut refused = 0;
    for column in 0..whole.len() {
        // Ids, hashes, signatures and texts are long, and mean the same all through.
        let step = if whole[column].len() > 100 { 13 } else { 1 };
        for at in (0..whole[column].len()).step_by(step) {
            for byte in [0, 1, 0x80, 0xff] {
                let mut hurt = whole.clone();
                hurt[column][at] = byte;
                refused += u32::from(codec.unpack(&of_columns(&hurt), LIMIT).is_none());
            }
            let mut longer = whole.clone();
            longer[column].insert(at, 0xff);
            let unpacked = codec.unpack(&of_columns(&longer), LIMIT);
            assert!(unpacked != Some(frames()), "column {column}, byte {at}");
        }
    }
    assert!(refused > 300, "{refused}");
}
