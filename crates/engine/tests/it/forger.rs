//! A member that signs what it should not: it writes its envelopes by hand, and talks to a replica without one of its own.

use std::collections::BTreeSet;

use driftless_document::{ActorId, Admission, Intent, Record, Value, change_hash};
use driftless_engine::{Replica, SessionId, SessionOutput, SessionStart, Side, Wishes};
use driftless_protocol::{
    Agreed, Body, DeviceKey, Envelope, FeedId, Group, Hash, HeaderDraft, Item, ItemPayload,
    Message, Meta, Payload, WorkspaceId, commitment, decode_batch, encode_batch,
};

use crate::support::hello;

/// A member that writes its envelopes by hand.
pub(crate) struct Forger {
    pub(crate) key: DeviceKey,
    pub(crate) workspace: WorkspaceId,
    pub(crate) feed: FeedId,
    pub(crate) last: u64,
    pub(crate) head: Hash,
    pub(crate) membership: Vec<Hash>,
}

impl Forger {
    pub(crate) fn sign(&mut self, record: [u8; 16], seqs: (u64, u64), raw: Vec<u8>) -> Vec<u8> {
        let hash = change_hash(&raw).unwrap().0;
        self.sign_for(record, seqs, raw, hash)
    }

    /// Commits to the change `hash`, whatever the bytes are.
    pub(crate) fn sign_for(
        &mut self,
        record: [u8; 16],
        seqs: (u64, u64),
        raw: Vec<u8>,
        hash: [u8; 32],
    ) -> Vec<u8> {
        let salt = [3; 16];
        let item = Item {
            record,
            actor: self.feed.0,
            first_seq: seqs.0,
            last_seq: seqs.1,
            commitment: commitment(&salt, &hash),
        };
        let body = Body {
            meta: Meta::changes(1 << 40),
            groups: vec![Group {
                collection: "notes".into(),
                items: vec![item],
            }],
        };
        let payload = Payload {
            items: vec![ItemPayload {
                salt,
                changes: vec![raw],
            }],
        };
        let draft = HeaderDraft {
            workspace: self.workspace,
            feed: self.feed,
            n: self.last + 1,
            prev: self.head,
            predecessor: None,
            membership: self.membership.clone(),
        };
        let envelope = Envelope::seal(&self.key, draft, body, payload).unwrap();
        self.last += 1;
        self.head = envelope.hash();
        envelope.encode_wire(&Agreed {
            membership: &[],
            change_hash: None,
        })
    }

    /// Says that it lacks nothing and has nothing but its envelopes from number 1 on, and sends these.
    pub(crate) fn send(&self, envelopes: Vec<Vec<u8>>) -> Vec<Message> {
        let membership = Message::Membership {
            records: vec![],
            last: true,
        };
        let cursor = Message::Cursor {
            since_common: false,
            entries: vec![],
            last: true,
        };
        let envelopes = (1..).zip(envelopes).map(|(n, bytes)| Message::Envelope {
            feed: self.feed,
            n,
            bytes,
        });
        [membership, cursor].into_iter().chain(envelopes).collect()
    }

    /// Sends four envelopes, of which 1, 3 and 4 are to be refused, 3 because it rests on 1.
    pub(crate) fn send_poisoned(&mut self) -> Vec<Message> {
        let actor = ActorId(self.feed.0);
        let (mut spoilt, mut sound) = (Record::new(), Record::new());
        let wrong = put(&mut spoilt, actor, "a", 1);
        let on_top = put(&mut spoilt, actor, "a", 2);
        let right = put(&mut sound, actor, "b", 3);
        let short = put(&mut Record::new(), actor, "c", 4);
        let envelopes = vec![
            self.sign([1; 16], (7, 7), wrong), // the item names another number than the change has
            self.sign([2; 16], (1, 1), right),
            self.sign([1; 16], (2, 2), on_top),
            self.sign([3; 16], (1, u64::MAX), short),
        ];
        let mut messages = self.send(envelopes);
        messages.push(Message::Done);
        messages
    }
}

/// The change that puts a number, applied to the record too.
pub(crate) fn put(record: &mut Record, actor: ActorId, key: &str, value: i64) -> Vec<u8> {
    let intent = Intent::Put {
        key: key.into(),
        value: Value::Int(value),
    };
    let raw = record.write(actor, 1 << 40, &[intent]).unwrap().unwrap();
    let Ok(Admission::Admitted(admitted)) = record.admit(&raw, actor.device_prefix()) else {
        panic!("an honest change");
    };
    *record = std::mem::take(record).apply(admitted).unwrap().0;
    raw
}

/// Sends messages and returns what comes back.
pub(crate) fn talk(
    replica: &mut Replica,
    session: SessionId,
    messages: &[Message],
) -> Vec<Message> {
    replica.handle_frame(session, &encode_batch(messages).unwrap(), 0);
    replica.commit_group().unwrap();
    let mut answers = Vec::new();
    while let Some(output) = replica.poll_session(session) {
        if let SessionOutput::Send(frame) = output {
            answers.extend(decode_batch(&frame).unwrap());
        }
    }
    answers
}

/// Begins a session as a member, and gives what it is answered.
pub(crate) fn greet(replica: &mut Replica, key: &DeviceKey) -> (SessionId, Vec<Message>) {
    let session = replica.start_session(SessionStart {
        side: Side::Listener,
        peer: key.device_id(),
        handshake_hash: [5; 32],
        wishes: Wishes::default(),
    });
    let greeting = hello(replica);
    let ask = Message::MembershipHave { prefixes: vec![] };
    let answers = talk(replica, session, &[greeting, ask]);
    (session, answers)
}

/// Begins a session as a member, and learns the membership log's heads from the answer.
pub(crate) fn introduce(replica: &mut Replica, key: DeviceKey) -> (SessionId, Forger) {
    let (session, answers) = greet(replica, &key);
    let records: Vec<_> = answers
        .into_iter()
        .filter_map(|message| match message {
            Message::Membership { records, .. } => Some(records),
            _ => None,
        })
        .flatten()
        .collect();
    let parents: BTreeSet<_> = records.iter().flat_map(|r| r.parents().to_vec()).collect();
    let heads = records.iter().map(driftless_protocol::Record::hash);
    let forger = Forger {
        feed: FeedId::new(&key.device_id(), [9; 8]),
        key,
        workspace: replica.workspace(),
        last: 0,
        head: Hash::ZERO,
        membership: heads.filter(|hash| !parents.contains(hash)).collect(),
    };
    (session, forger)
}
