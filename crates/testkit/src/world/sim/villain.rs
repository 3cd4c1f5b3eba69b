//! A member that keeps to no rule: it has a key that was let in, signs by hand, and says what it likes.

use std::collections::BTreeSet;

use driftless_document::{ActorId, Intent, Record, Value, change_hash};
use driftless_engine::{Replica, SessionOutput, Side, Wishes};
use driftless_protocol::{
    Agreed, Body, DeviceId, DeviceKey, Domain, Envelope, FeedId, Group, Hash, HeaderDraft, Hello,
    Item, ItemPayload, Message, Meta, Payload, WorkspaceId, commitment, decode_batch, encode_batch,
};

use super::super::{World, Wrong};
use crate::device::Device;
use crate::histories::Dice;
use crate::wire::{self, start_of};

/// What its key comes from; devices have small numbers.
const NUMBER: u8 = 99;
/// The times of what it writes: a claim like others.
const TIME: i64 = 1 << 40;

/// A member that is none of the devices.
pub(super) struct Villain {
    pub(super) device: Device,
    pub(super) device_id: DeviceId,
    /// A replica of its own, whose frames it spoils.
    pub(super) replica: Replica,
    pub(super) workspace: WorkspaceId,
    /// The heads of the membership log when it was let in.
    pub(super) heads: Vec<Hash>,
}

/// An envelope to be signed by hand.
pub(super) struct Draft {
    pub(super) feed: FeedId,
    pub(super) n: u64,
    /// The hash of the header before it.
    pub(super) prev: Hash,
    pub(super) record: [u8; 16],
    pub(super) seqs: (u64, u64),
    pub(super) meta: Meta,
    pub(super) raw: Vec<u8>,
    /// The hash of the change that it vouches for, whatever the bytes are.
    pub(super) hash: [u8; 32],
}

impl Draft {
    /// One sound change of a new record.
    pub(super) fn sound(feed: FeedId, dice: &mut Dice) -> Self {
        let actor = ActorId(feed.0);
        let raw = change_of(actor, i64::from(dice.roll().to_le_bytes()[0]));
        let hash = change_hash(&raw).map_or([0; 32], |hash| hash.0);
        Self {
            feed,
            n: 1,
            prev: Hash::ZERO,
            record: random_bytes(dice),
            seqs: (1, 1),
            meta: Meta::changes(TIME),
            raw,
            hash,
        }
    }

    /// The envelope that it is, signed with some key.
    pub(super) fn sign(self, villain: &Villain, key: &DeviceKey) -> Result<Envelope, Wrong> {
        let salt = [3; 16];
        let item = Item {
            record: self.record,
            actor: self.feed.0,
            first_seq: self.seqs.0,
            last_seq: self.seqs.1,
            commitment: commitment(&salt, &self.hash),
        };
        let group = Group {
            collection: "notes".into(),
            items: vec![item],
        };
        let body = Body {
            meta: self.meta,
            groups: vec![group],
        };
        let payload = Payload {
            items: vec![ItemPayload {
                salt,
                changes: vec![self.raw],
            }],
        };
        let draft = HeaderDraft {
            workspace: villain.workspace,
            feed: self.feed,
            n: self.n,
            prev: self.prev,
            predecessor: None,
            membership: villain.heads.clone(),
        };
        let envelope = Envelope::seal(key, draft, body, payload);
        envelope.map_err(|error| Wrong(format!("a forged envelope: {error}")))
    }
}

/// What goes over the wire where nothing is agreed.
pub(super) fn wire_of(envelope: &Envelope) -> Vec<u8> {
    envelope.encode_wire(&Agreed {
        membership: &[],
        change_hash: None,
    })
}

/// The wire form of the first envelope of a feed whose body is of a version, or of a kind, that nobody knows yet.
///
/// Put together by hand, as docs/format.md has it: what this release signs is never unknown to it.
pub(super) fn unknown(
    villain: &Villain,
    feed: FeedId,
    is_version: bool,
    dice: &mut Dice,
) -> Result<Vec<u8>, Wrong> {
    let hash = |tag: u8, parts: &[&[u8]]| -> [u8; 32] {
        *blake3::hash(&[&[tag], parts.concat().as_slice()].concat()).as_bytes()
    };
    let some = |bytes: &[u8]| [&[u8::try_from(bytes.len()).unwrap_or(0)], bytes].concat();
    let (version, meta) = if is_version {
        (2, random_bytes::<20>(dice).to_vec())
    } else {
        // Kind, atomic, time as a zigzag number of eight bytes, and no schema, version, epoch or extensions.
        let time = (TIME << 1).to_le_bytes();
        let meta: [&[u8]; 3] = [&[9, 0, 253], &time, &[0, 0, 0, 0]];
        (1, meta.concat())
    };
    let item = random_bytes::<12>(dice);
    let group = hash(1, &[&some(b"notes"), &hash(0, &[&item])]);
    let root = hash(3, &[&hash(2, &[&meta]), &group]);
    let body_hash = hash(4, &[&[version], &root]);
    let mut header = [
        &[1][..],
        &villain.workspace.0,
        &feed.0,
        &[1],
        &[0; 32],
        &[0],
    ]
    .concat();
    header.push(u8::try_from(villain.heads.len()).unwrap_or(0));
    header.extend(villain.heads.iter().flat_map(|head| head.0));
    header.extend(body_hash);
    let signature = villain.device.key().sign(Domain::Envelope, &header);
    let payloads = if is_version {
        [&[1][..], &some(b"payload of 2")].concat()
    } else {
        vec![1, 0]
    };
    let body = [
        &[version][..],
        &some(&meta),
        &[1],
        &some(b"notes"),
        &[1],
        &some(&item),
    ]
    .concat();
    let whole = [&header, &signature.as_bytes()[..], &[0], &body, &payloads].concat();
    let envelope = Envelope::decode(&whole);
    let envelope = envelope.map_err(|error| Wrong(format!("an unknown envelope: {error}")))?;
    Ok(wire_of(&envelope))
}

/// The change that begins a record with a number.
pub(super) fn change_of(actor: ActorId, value: i64) -> Vec<u8> {
    let record = Record::new();
    let intent = Intent::Put {
        key: "f0".into(),
        value: Value::Int(value),
    };
    let raw = record.write(actor, TIME, &[intent]).ok().flatten();
    raw.unwrap_or_default()
}

pub(super) fn random_bytes<const N: usize>(dice: &mut Dice) -> [u8; N] {
    let mut bytes = [0; N];
    for byte in &mut bytes {
        *byte = dice.roll().to_le_bytes()[3];
    }
    bytes
}

impl Villain {
    /// Is let in by the last device, and learns what the members are.
    pub(super) fn join(world: &mut World) -> Result<Self, Wrong> {
        let device = Device::new(NUMBER);
        let Some(place) = world.places.last_mut() else {
            return Err(Wrong::new("there is nobody to let it in"));
        };
        let host = place.live()?;
        let link = host.invite("ws://127.0.0.1:1", 1, 60_000)?;
        host.commit_group()?;
        let replica = device.join(host, &link, "villain");
        let replica = replica.map_err(|why| Wrong::new(format!("joining failed: {why:?}")))?;
        let workspace = host.workspace();
        let peer = device.key().device_id();
        let hash = [9; 32];
        let start = start_of(Side::Listener, peer, hash, Wishes::default());
        let session = host.start_session(start);
        let ask = [
            hello(&workspace, &hash, 0),
            Message::MembershipHave { prefixes: vec![] },
        ];
        host.handle_frame(session, &frame(&ask)?, 0);
        host.commit_group()?;
        let mut records = Vec::new();
        while let Some(output) = host.poll_session(session) {
            if let SessionOutput::Send(frame) = output {
                for message in decode_batch(&frame).map_err(|e| Wrong::new(e.to_string()))? {
                    if let Message::Membership { records: some, .. } = message {
                        records.extend(some);
                    }
                }
            }
        }
        host.end_session(session)?;
        host.commit_group()?;
        let parents: BTreeSet<_> = records.iter().flat_map(|r| r.parents().to_vec()).collect();
        let heads = records.iter().map(driftless_protocol::Record::hash);
        Ok(Self {
            heads: heads.filter(|hash| !parents.contains(hash)).collect(),
            device_id: device.key().device_id(),
            device,
            replica,
            workspace,
        })
    }
}

/// A greeting that agrees with nothing.
pub(super) fn hello(workspace: &WorkspaceId, hash: &[u8; 32], features: u32) -> Message {
    Message::Hello(Hello {
        protocol_max: if features > 0 { 9 } else { 1 },
        features,
        ..wire::hello(workspace, hash)
    })
}

pub(super) fn frame(messages: &[Message]) -> Result<Vec<u8>, Wrong> {
    encode_batch(messages).map_err(|error| Wrong::new(format!("a frame of the villain: {error}")))
}
