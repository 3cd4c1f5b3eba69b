//! Keys, records and envelopes that the stories share.

use driftless_protocol::{
    Accuse, Agreed, Body, DeviceKey, Envelope, FeedId, Genesis, Group, Hash, HeaderDraft, Invite,
    Item, ItemPayload, Meta, Payload, Randomness, Record, RecordBody, Role, WireContext,
    WorkspaceId, commitment,
};

pub(crate) const TIME: i64 = 1_790_000_000_000 << 12;

pub(crate) fn key(seed: u8) -> DeviceKey {
    DeviceKey::from_seed(&[seed; 32])
}

pub(crate) fn workspace() -> WorkspaceId {
    WorkspaceId([0xA1; 16])
}

pub(crate) fn feed(key: &DeviceKey) -> FeedId {
    FeedId::new(&key.device_id(), [7; 8])
}

/// Stands in for the hash of an Automerge change.
#[allow(clippy::unnecessary_wraps)] // the shape that the wire form asks for
pub(crate) fn change_hash(change: &[u8]) -> Option<[u8; 32]> {
    Some(*blake3::hash(change).as_bytes())
}

pub(crate) fn draft(key: &DeviceKey, n: u64) -> HeaderDraft {
    HeaderDraft {
        workspace: workspace(),
        feed: feed(key),
        n,
        prev: if n == 1 { Hash::ZERO } else { Hash([0xB2; 32]) },
        predecessor: None,
        membership: vec![Hash([0xC3; 32])],
    }
}

pub(crate) fn item(key: &DeviceKey, record: u8, change: &[u8]) -> (Item, ItemPayload) {
    let salt = [record ^ 0x55; 16];
    let hash = change_hash(change).unwrap();
    let item = Item {
        record: [record; 16],
        actor: feed(key).to_bytes(),
        first_seq: 3,
        last_seq: 3,
        commitment: commitment(&salt, &hash),
    };
    (
        item,
        ItemPayload {
            salt,
            changes: vec![change.to_vec()],
        },
    )
}

/// Two collections, three items.
pub(crate) fn content(key: &DeviceKey) -> (Body, Payload) {
    let (a, pa) = item(key, 1, b"change of the first note");
    let (b, pb) = item(key, 2, b"change of the second note");
    let (c, pc) = item(key, 3, b"change of a task");
    let groups = vec![
        Group {
            collection: "notes".into(),
            items: vec![a, b],
        },
        Group {
            collection: "tasks".into(),
            items: vec![c],
        },
    ];
    (
        Body {
            meta: Meta::changes(TIME),
            groups,
        },
        Payload {
            items: vec![pa, pb, pc],
        },
    )
}

pub(crate) fn envelope(key: &DeviceKey, n: u64) -> Envelope {
    let (body, payload) = content(key);
    Envelope::seal(key, draft(key, n), body, payload).unwrap()
}

/// The smallest ordinary commit: one field of one record, a change of `length` bytes.
pub(crate) fn small_envelope(key: &DeviceKey, n: u64, length: usize) -> Envelope {
    // Ids, salts and changes look random, so that compression does not flatter.
    let mut change = vec![0; length];
    blake3::Hasher::new().finalize_xof().fill(&mut change);
    let (mut item, mut payload) = item(key, 9, &change);
    Fixed(1).fill(&mut item.record);
    Fixed(2).fill(&mut payload.salt);
    item.commitment = commitment(&payload.salt, &change_hash(&change).unwrap());
    let body = Body {
        meta: Meta::changes(TIME),
        groups: vec![Group {
            collection: "contacts".into(),
            items: vec![item],
        }],
    };
    Envelope::seal(
        key,
        draft(key, n),
        body,
        Payload {
            items: vec![payload],
        },
    )
    .unwrap()
}

/// Two headers of one place: what a device signs whose memory image is resumed twice.
pub(crate) fn accusation(key: &DeviceKey) -> Accuse {
    let one = envelope(key, 5);
    let (mut body, payload) = content(key);
    body.meta.time += 1;
    let other = Envelope::seal(key, draft(key, 5), body, payload).unwrap();
    let header = |envelope: &Envelope| envelope.signed_header().clone();
    Accuse::of(key.device_id(), header(&one), header(&other))
}

pub(crate) fn agreed(heads: &[Hash]) -> Agreed<'_> {
    Agreed {
        membership: heads,
        change_hash: Some(&change_hash),
    }
}

/// What a receiver that is up to date knows of an envelope.
pub(crate) fn context<'a>(envelope: &Envelope, agreed: Agreed<'a>) -> WireContext<'a> {
    let header = envelope.header();
    WireContext {
        workspace: header.workspace,
        feed: header.feed,
        n: header.n,
        prev: header.prev,
        agreed,
    }
}

pub(crate) fn genesis() -> Record {
    let genesis = Genesis {
        owner_name: "Ada's laptop".into(),
        limits_version: 1,
        nonce: [4; 16],
        orderer: None,
        recovery: Some(Hash([5; 32])),
        region: "eu".into(),
        rules: None,
    };
    Record::genesis(&key(1), genesis).unwrap()
}

pub(crate) fn invite() -> Record {
    let genesis = genesis();
    let body = RecordBody::Invite(Invite {
        key: key(99).device_id(),
        role: Role::Editor,
        expires_ms: 1_790_000_000_000,
        uses: 5,
    });
    Record::sign(
        &key(1),
        Some(genesis.workspace()),
        vec![genesis.hash()],
        body,
    )
    .unwrap()
}

pub(crate) fn join() -> Record {
    let invite = invite();
    Record::join(
        &key(2),
        invite.workspace(),
        invite.hash(),
        &key(99),
        "Bea's phone",
    )
    .unwrap()
}

/// Bytes that look random and are the same in every run.
pub(crate) struct Fixed(pub(crate) u64);

impl Randomness for Fixed {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            *byte = self.0.to_be_bytes()[0];
        }
    }
}

/// Every way to change one byte of some bytes a little: one bit, and all bits.
pub(crate) fn mutations(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    (0..bytes.len()).flat_map(move |at| {
        [0x01, 0x80, 0xff].into_iter().map(move |mask| {
            let mut changed = bytes.to_vec();
            changed[at] ^= mask;
            changed
        })
    })
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
