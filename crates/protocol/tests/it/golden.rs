//! The bytes of everything that is signed or sent, held in files: whatever codec writes them, they stay.
//!
//! To make the files anew after a change that is meant: `GOLDEN=write cargo test -p driftless-protocol golden`.

use std::fs;
use std::path::PathBuf;

use driftless_protocol::{
    Admit, Chunk, Cursor, CursorEntry, Domain, Envelope, FeedId, Handshake, Hash, InviteLink, Keep,
    Message, Predecessor, Record, RecordBody, RunSet, WorkspaceId, encode_batch, membership_digest,
    workspace_tag,
};

use crate::common::{
    Fixed, agreed, content, draft, envelope, genesis, hex, invite, join, key, workspace,
};
use crate::messages;

/// Compares bytes with the file of that name, or writes it when asked to.
fn golden(name: &str, bytes: &[u8]) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(format!("{name}.hex"));
    let lines: Vec<String> = bytes.chunks(32).map(hex).collect();
    let text = lines.join("\n") + "\n";
    if std::env::var("GOLDEN").is_ok_and(|value| value == "write") {
        fs::write(&path, &text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        text,
        expected,
        "{name} is not what {} holds",
        path.display()
    );
}

#[test]
fn keys_and_signatures() {
    golden("device_id", key(1).device_id().as_bytes());
    golden(
        "feed_id",
        FeedId::new(&key(1).device_id(), [7; 8]).as_bytes(),
    );
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
    golden("envelope", &later.encode());
    golden("envelope_hash", later.hash().as_bytes());
    golden("envelope_body_hash", later.body().hash().as_bytes());
    golden(
        "envelope_wire",
        &later.encode_wire(&agreed(&[Hash([0xC3; 32])])),
    );
    golden(
        "envelope_wire_heads_given",
        &later.encode_wire(&agreed(&[])),
    );

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
    golden("envelope_first", &first.encode());
    golden("envelope_first_wire", &first.encode_wire(&agreed(&[])));

    let reduced = later.reduced(&|_, item| match item.record[0] {
        1 => Keep::Description,
        2 => Keep::All,
        _ => Keep::Hash,
    });
    golden("envelope_reduced", &reduced.encode());
}

#[test]
fn membership_records() {
    golden("record_genesis", &genesis().encode());
    golden("workspace_id", genesis().workspace().as_bytes());
    golden("record_invite", &invite().encode());
    golden("record_join", &join().encode());
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
    golden("record_admit", &admit.encode());
    let parents = vec![admit.hash(), invite().hash()];
    let merge = Record::sign(
        &key(1),
        Some(invite().workspace()),
        parents,
        RecordBody::Merge,
    )
    .unwrap();
    golden("record_merge", &merge.encode());
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
        let mut frame = encode_batch(&[message]).unwrap();
        if frame[0] == 0x11 {
            frame = [
                vec![0x10],
                zstd::bulk::decompress(&frame[1..], 65_536).unwrap(),
            ]
            .concat();
        }
        golden(&format!("message_{}", name.to_lowercase()), &frame);
    }
    golden("workspace_tag", &workspace_tag(&workspace(), &[6; 32]));
    golden(
        "ack_signed_bytes",
        &messages::ack().signed_bytes(&workspace()),
    );
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
    golden("link", link.unwrap().to_text().as_bytes());
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
