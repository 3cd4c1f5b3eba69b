//! The bytes of everything that is signed or sent, held in files: whatever codec writes them, they stay.
//!
//! To make the files anew after a change that is meant: `cargo xtask golden --write`.

use driftless_golden::Goldens;
use driftless_protocol::{
    Admit, Adopt, Chunk, Code, Cursor, CursorEntry, Domain, Envelope, EnvelopeName, FeedId,
    Handshake, Hash, InviteLink, Keep, Message, Predecessor, Record, RecordBody, Remove, RunSet,
    SetRules, WorkspaceId, decode_batch, encode_batch, membership_digest, workspace_tag,
};

use crate::common::{
    Fixed, accusation, agreed, content, context, draft, envelope, genesis, invite, join, key,
    workspace,
};
use crate::messages;

const GOLDEN: Goldens = Goldens::of("protocol");

fn golden(name: &str, bytes: &[u8]) {
    GOLDEN.holds(name, bytes);
}

#[test]
fn keys_and_signatures() {
    golden("device_id", key(1).device_id().as_bytes());
    golden(
        "feed_id",
        FeedId::new(&key(1).device_id(), [7; 8]).as_bytes(),
    );
    let feed = FeedId::new(&key(1).device_id(), [7; 8]);
    golden("branch_id", feed.branch(&Hash([8; 32])).as_bytes());
    let domains = [
        Domain::Envelope,
        Domain::Membership,
        Domain::Ack,
        Domain::Handshake,
        Domain::JoinInvite,
    ];
    let signatures: Vec<u8> = domains
        .iter()
        .flat_map(|domain| *key(1).sign(*domain, b"bytes").as_bytes())
        .collect();
    golden("signatures_by_domain", &signatures);
}

#[test]
fn envelopes() {
    let later = envelope(&key(1), 5);
    GOLDEN.round_trip("envelope", &later, Envelope::encode, Envelope::decode);
    golden("envelope_hash", later.hash().as_bytes());
    golden("envelope_body_hash", later.body().hash().as_bytes());
    let heads = [Hash([0xC3; 32])];
    wire("envelope_wire", &later, &heads);
    wire("envelope_wire_heads_given", &later, &[]);

    let mut header = draft(&key(1), 1);
    let feed = FeedId::new(&key(1).device_id(), [1; 8]);
    header.predecessor = Some(Predecessor {
        feed,
        n: 300,
        hash: Hash([8; 32]),
    });
    let (mut body, payload) = content(&key(1));
    body.meta.atomic = true;
    body.meta.schema = Some(Hash([9; 32]));
    body.meta.app_version = "1.2.3".into();
    body.meta.epoch = Some([6; 8]);
    body.meta.ext = vec![(1, vec![1, 2, 3]), (700, vec![])];
    let first = Envelope::seal(&key(1), header, body, payload).unwrap();
    GOLDEN.round_trip("envelope_first", &first, Envelope::encode, Envelope::decode);
    wire("envelope_first_wire", &first, &[]);

    let reduced = later.reduced(&|_, item| match item.record[0] {
        1 => Keep::Description,
        2 => Keep::All,
        _ => Keep::Hash,
    });
    GOLDEN.round_trip(
        "envelope_reduced",
        &reduced,
        Envelope::encode,
        Envelope::decode,
    );
}

/// The wire form, between two that have these membership heads in common.
fn wire(name: &str, envelope: &Envelope, heads: &[Hash]) {
    GOLDEN.round_trip(
        name,
        envelope,
        |envelope| envelope.encode_wire(&agreed(heads)),
        |bytes| Envelope::decode_wire(bytes, &context(envelope, agreed(heads))),
    );
}

fn record(name: &str, record: &Record) {
    GOLDEN.round_trip(name, record, Record::encode, Record::decode);
}

#[test]
fn membership_records() {
    record("record_genesis", &genesis());
    golden("workspace_id", genesis().workspace().as_bytes());
    record("record_invite", &invite());
    record("record_join", &join());
    let body = RecordBody::Admit(Admit {
        join: join().hash(),
    });
    let admit = Record::sign(
        &key(1),
        Some(invite().workspace()),
        vec![join().hash()],
        body,
    )
    .unwrap();
    record("record_admit", &admit);
    let parents = vec![admit.hash(), invite().hash()];
    let merge = Record::sign(
        &key(1),
        Some(invite().workspace()),
        parents,
        RecordBody::Merge,
    )
    .unwrap();
    record("record_merge", &merge);
    let body = RecordBody::SetRules(SetRules {
        rules: br#"{"version":1}"#.to_vec(),
    });
    let rules = Record::sign(
        &key(1),
        Some(invite().workspace()),
        vec![merge.hash()],
        body,
    )
    .unwrap();
    record("record_set_rules", &rules);
    let name = |n: u64| EnvelopeName {
        feed: FeedId::new(&key(2).device_id(), [4; 8]),
        n,
        hash: Hash([9; 32]),
    };
    let remove = RecordBody::Remove(Remove {
        device: key(2).device_id(),
        cut: vec![name(7)],
    });
    let adopt = RecordBody::Adopt(Adopt {
        envelopes: vec![name(8), name(300)],
    });
    let accuse = RecordBody::Accuse(Box::new(accusation(&key(2))));
    for (file, body) in [
        ("record_remove", remove),
        ("record_adopt", adopt),
        ("record_accuse", accuse),
    ] {
        let workspace = Some(invite().workspace());
        let signed = Record::sign(&key(1), workspace, vec![rules.hash()], body).unwrap();
        record(file, &signed);
    }
    golden(
        "membership_digest",
        &membership_digest(&[admit.hash(), merge.hash()]),
    );
}

#[test]
fn one_of_each_message() {
    for message in messages::all() {
        let debug = format!("{message:?}");
        let name: String = debug
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect();
        let message = match message {
            // How zstd compresses is not ours to hold.
            Message::Chunk(chunk) => Message::Chunk(Chunk {
                data: vec![1, 2, 3],
                ..chunk
            }),
            message => message,
        };
        GOLDEN.round_trip(
            &format!("message_{}", name.to_lowercase()),
            &vec![message],
            |messages| plain(encode_batch(messages).unwrap()),
            decode_batch,
        );
    }
    let frame = vec![Message::Done, Message::Bye];
    GOLDEN.round_trip(
        "frame",
        &frame,
        |messages| plain(encode_batch(messages).unwrap()),
        decode_batch,
    );
    golden("workspace_tag", &workspace_tag(&workspace(), &[6; 32]));
    golden(
        "ack_signed_bytes",
        &messages::ack().signed_bytes(&workspace()),
    );
}

/// The frame without compression: how zstd compresses is not ours to hold.
fn plain(frame: Vec<u8>) -> Vec<u8> {
    match frame.split_first() {
        Some((0x11, packed)) => {
            [vec![0x10], zstd::bulk::decompress(packed, 65_536).unwrap()].concat()
        }
        _ => frame,
    }
}

#[test]
fn the_table_of_codes() {
    let lines = Code::ALL.iter().map(|code| {
        let (number, class, retry) = (code.number(), code.class(), code.retry());
        format!("{number} {code} {class} {retry}\n")
    });
    GOLDEN.holds_text("codes", &lines.collect::<String>());
}

#[test]
fn a_cursor_digest() {
    let entry = |feed: u8, held: RunSet| CursorEntry {
        feed: FeedId([feed; 16]),
        headers: 9,
        head: Hash([feed; 32]),
        held,
    };
    let cursor: Cursor = [
        entry(1, RunSet::up_to(9)),
        entry(2, [1, 2, 5].into_iter().collect()),
    ]
    .into_iter()
    .collect();
    golden("cursor_digest", &cursor.digest());
}

#[test]
fn a_link() {
    let link = InviteLink::new(
        WorkspaceId([1; 16]),
        Hash([2; 32]),
        &key(99),
        key(1).device_id(),
        "192.168.1.7:7878",
    );
    GOLDEN.round_trip(
        "link",
        &link.unwrap(),
        |link| link.to_text().into_bytes(),
        |bytes| InviteLink::parse(str::from_utf8(bytes).unwrap()),
    );
}

#[test]
fn a_handshake() {
    let mut a = Handshake::initiator(&key(1), &mut Fixed(1));
    let mut b = Handshake::responder(&key(2), &mut Fixed(2));
    let one = a.write().unwrap();
    b.read(&one).unwrap();
    let two = b.write().unwrap();
    a.read(&two).unwrap();
    let three = a.write().unwrap();
    b.read(&three).unwrap();
    golden("handshake_1", &one);
    golden("handshake_2", &two);
    golden("handshake_3", &three);
    golden("handshake_hash", &a.finish().unwrap().1.handshake_hash);
}
