//! What a member signs that may not be applied: held, told, passed on, and never in the way of the rest.

use driftless_document::{ActorId, HistoryOptions, Record, RecordId, Value};
use driftless_engine::{EngineError, SessionStart, Side, Wishes};
use driftless_protocol::{Code, Message, RunSet};

use crate::forger::{introduce, put, talk};
use crate::packing::{frames, pack};
use crate::support::{Device, assert_equal, hello, insert, sync, two};

#[test]
fn a_refused_envelope_is_held_as_refused_and_its_feed_flows_on() {
    let (a, mut laptop, phone, mut honest_phone) = two();
    let (session, mut forger) = introduce(&mut laptop, phone.key());
    let messages = forger.send_poisoned();
    let answers = talk(&mut laptop, session, &messages);
    let ack = answers.iter().find_map(|message| match message {
        Message::Ack(ack) => Some(ack.clone()),
        _ => None,
    });
    let ack = ack.unwrap();
    assert!(ack.verify(&laptop.device(), &laptop.workspace()));
    let refused: Vec<_> = ack.refused.iter().map(|r| (r.n, r.code)).collect();
    assert_eq!(refused, [1, 3, 4].map(|n| (n, Code::ChangeRefused)));
    assert_eq!(ack.held.len(), 1);
    assert_eq!((ack.held[0].first, ack.held[0].last), (2, 2));
    laptop.end_session(session).unwrap();
    laptop.commit_group().unwrap();

    assert_eq!(laptop.status().unwrap().quarantined, 3);
    let sound = laptop.get("notes", RecordId([2; 16])).unwrap().unwrap();
    assert_eq!(sound.fields["b"], Value::Int(3));
    assert_eq!(laptop.get("notes", RecordId([1; 16])).unwrap(), None);

    // What is refused is passed on, and judged alike there.
    sync(&mut honest_phone, &mut laptop).unwrap();
    assert_eq!(honest_phone.status().unwrap().quarantined, 3);
    assert_equal(&laptop, &honest_phone);

    // Packed, they are what they were.
    let before = (frames(&a), laptop.changes_since(0, 100).unwrap());
    pack(&mut laptop);
    let after = (frames(&a), laptop.changes_since(0, 100).unwrap());
    assert_eq!(after, before);
    assert_equal(&laptop, &honest_phone);
    laptop.check_store().unwrap();
}

#[test]
fn a_history_names_who_signed_and_nobody_signs_for_another() {
    let (_, mut laptop, phone, _) = two();
    let id = insert(&mut laptop, r#"{"title":"a"}"#);
    let whole = HistoryOptions::default();
    let laptops = laptop.history("notes", id, &whole).unwrap().steps[0].actor;
    let (session, mut forger) = introduce(&mut laptop, phone.key());
    let own = ActorId(forger.feed.0);
    let mut other_start = own;
    other_start.0[15] ^= 1;
    let forged = [laptops, other_start, own].map(|actor| put(&mut Record::new(), actor, "a", 1));
    let envelopes = (1..).zip(forged);
    let envelopes = envelopes.map(|(n, raw)| forger.sign([n; 16], (1, 1), raw));
    let envelopes = envelopes.collect();
    let messages = forger.send(envelopes);
    talk(&mut laptop, session, &messages);
    assert_eq!(laptop.status().unwrap().quarantined, 2);
    for forged in [1, 2] {
        let told = laptop.history("notes", RecordId([forged; 16]), &whole);
        assert!(matches!(told, Err(EngineError::NotFound { .. })));
    }
    let told = laptop.history("notes", RecordId([3; 16]), &whole).unwrap();
    assert_eq!(told.steps[0].actor, own);
    assert_eq!(told.devices[&own].name, "phone");
    assert_eq!(told.devices[&own].device, phone.key().device_id());
}

#[test]
fn a_cursor_that_claims_everything_is_sent_nothing() {
    let (_, mut laptop, phone, _) = two();
    insert(&mut laptop, r#"{"title":"a"}"#);
    let event = laptop.changes_since(0, 1).unwrap().remove(0);
    let (session, _) = introduce(&mut laptop, phone.key());
    let level = Message::Membership {
        records: vec![],
        last: true,
    };
    let answers = talk(&mut laptop, session, &[level]);
    let marks = answers.into_iter().find_map(|message| match message {
        Message::Cursor { entries, .. } => Some(entries),
        _ => None,
    });
    let mut marks = marks.unwrap();
    for mark in &mut marks {
        mark.headers = u64::MAX;
        mark.held = RunSet::up_to(u64::MAX);
    }
    let cursor = Message::Cursor {
        since_common: false,
        entries: marks,
        last: true,
    };
    let answers = talk(&mut laptop, session, &[cursor]);
    assert_eq!(answers, [Message::Done]);
    assert!(laptop.get("notes", event.key.record).unwrap().is_some());
}

#[test]
fn bytes_that_the_author_did_not_commit_to_are_not_held_against_the_author() {
    let (_, mut laptop, phone, _) = two();
    let (session, mut forger) = introduce(&mut laptop, phone.key());
    let actor = ActorId(forger.feed.0);
    let raw = put(&mut Record::new(), actor, "a", 1);
    let bytes = forger.sign_for([1; 16], (1, 1), raw, [7; 32]);
    let messages = forger.send(vec![bytes]);
    let answers = talk(&mut laptop, session, &messages);
    let told = Message::Error {
        code: Code::BadFrame,
        detail: String::new(),
        retry_after_s: 0,
    };
    assert_eq!(answers.last(), Some(&told));
    let status = laptop.status().unwrap();
    assert_eq!((status.quarantined, status.cursor_entries), (0, 0));
}

#[test]
fn a_stranger_with_an_old_invite_leaves_nothing_behind() {
    let (_, mut laptop, ..) = two();
    let link = laptop.invite("ws://127.0.0.1:1", 1, 60_000).unwrap();
    laptop.commit_group().unwrap();
    Device::new(3).join(&mut laptop, &link, "third").unwrap();
    let members = laptop.status().unwrap().members;
    let stranger = Device::new(9).key();
    let join = |name: &str| {
        driftless_protocol::Record::join(
            &stranger,
            link.workspace,
            link.invite,
            &link.invite_key(),
            name,
        )
        .unwrap()
    };
    let session = laptop.start_session(SessionStart {
        side: Side::Listener,
        peer: stranger.device_id(),
        handshake_hash: [5; 32],
        wishes: Wishes::default(),
    });
    let records = (0..50).map(|n| join(&format!("{n}"))).collect();
    let journal = laptop.status().unwrap().journal_bytes;
    let proof = Message::Proof { records };
    let greeting = hello(&laptop);
    let answers = talk(&mut laptop, session, &[greeting, proof]);
    assert_eq!(answers, []); // it may go on
    let answers = talk(&mut laptop, session, &[Message::Done]);
    let told = Message::Error {
        code: Code::UnknownDevice,
        detail: String::new(),
        retry_after_s: 0,
    };
    assert_eq!(answers, [told]);
    let status = laptop.status().unwrap();
    assert_eq!((status.members, status.journal_bytes), (members, journal));
}
