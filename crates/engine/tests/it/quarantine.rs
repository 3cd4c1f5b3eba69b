//! The quarantine: what is in it is listed, explained, judged again, exported and left out of the list.

use driftless_document::{ActorId, Record, RecordId, Value};
use driftless_engine::{
    Discarded, EngineError, EnvelopeId, ItemPage, ItemState, Replica, Retried, WaitsFor,
};
use driftless_protocol::{Code, FeedId, Message};
use driftless_store::{Batch, KeyBuilder, Kv, MemoryKv};

use crate::forger::{Forger, greet, introduce, put, talk};
use crate::support::{Device, assert_equal, insert, set, sync, text, two};

/// A laptop that took four envelopes of a forger: 1, 3 and 4 are refused, 3 because it rests on 1.
fn poisoned() -> (Device, Replica, Replica, Forger) {
    let (a, mut laptop, phone, honest) = two();
    let (session, mut forger) = introduce(&mut laptop, phone.key());
    let messages = forger.send_poisoned();
    talk(&mut laptop, session, &messages);
    laptop.end_session(session).unwrap();
    laptop.commit_group().unwrap();
    (a, laptop, honest, forger)
}

fn all() -> ItemPage {
    ItemPage {
        settled: true,
        ..ItemPage::default()
    }
}

#[test]
fn a_poisoned_item_never_blocks_the_rest_and_says_what_it_is() {
    let (_, laptop, phone, forger) = poisoned();
    let sound = laptop.get("notes", RecordId([2; 16])).unwrap().unwrap();
    assert_eq!(sound.fields["b"], Value::Int(3));

    let items = laptop.quarantine(&ItemPage::default()).unwrap();
    let ids: Vec<_> = items.iter().map(|item| (item.id.feed, item.id.n)).collect();
    assert_eq!(ids, [1, 3, 4].map(|n| (forger.feed, n)));
    for item in &items {
        assert_eq!(item.device, Some(phone.device()));
        assert_eq!(item.device_name.as_deref(), Some("phone"));
        assert!(!item.own);
        assert_eq!(item.code, Code::ChangeRefused);
        assert_eq!((item.changes, item.records.len()), (1, 1));
        assert_eq!(item.time_ms, Some(1 << 28));
        assert_eq!(item.state, ItemState::Open);
    }
    assert_eq!(items[0].detail, "its changes are not those its item names");
    assert_eq!(items[0].waits_for, WaitsFor::Nothing);
    assert!(!items[0].waits_for.retry_helps());
    assert!(items[1].detail.starts_with("it rests on the change "));
    assert_eq!(items[1].waits_for, WaitsFor::Refused(items[0].id));
    assert_eq!(items[1].records[0].record, RecordId([1; 16]));
}

#[test]
fn pages_follow_each_other_without_gaps() {
    let (_, laptop, ..) = poisoned();
    let mut page = ItemPage {
        limit: Some(1),
        ..ItemPage::default()
    };
    let mut numbers = Vec::new();
    loop {
        let items = laptop.quarantine(&page).unwrap();
        let Some(last) = items.last() else { break };
        numbers.extend(items.iter().map(|item| item.id.n));
        page.after = Some(last.id);
    }
    assert_eq!(numbers, [1, 3, 4]);
}

#[test]
fn an_item_is_named_by_its_id_or_the_beginning_of_its_feed() {
    let (_, laptop, _, forger) = poisoned();
    let whole = EnvelopeId {
        feed: forger.feed,
        n: 3,
    };
    let name = whole.to_string();
    assert_eq!(name.parse(), Ok(whole));
    assert_eq!(laptop.find_quarantined(&name).unwrap(), whole);
    assert_eq!(
        laptop
            .find_quarantined(&format!("{}:3", &name[..6]))
            .unwrap(),
        whole
    );
    for wrong in [
        "",
        ":",
        ":3",
        "3",
        "zz:3",
        &format!("{}:2", &name[..6]),
        "a:b",
    ] {
        let found = laptop.find_quarantined(wrong);
        assert!(
            matches!(found, Err(EngineError::NotFound { .. })),
            "{wrong}"
        );
    }
    for wrong in ["", "1", "ff:1", "zz", &name[..33]] {
        assert!(wrong.parse::<EnvelopeId>().is_err(), "{wrong}");
    }
    let sound = EnvelopeId {
        feed: forger.feed,
        n: 2,
    };
    let not_refused = laptop.quarantine_item(sound);
    assert!(matches!(not_refused, Err(EngineError::NotFound { .. })));
}

#[test]
fn judging_again_says_why_nothing_changed() {
    let (_, mut laptop, _, forger) = poisoned();
    let before = laptop.digest().unwrap();
    for n in [1, 3, 4] {
        let id = EnvelopeId {
            feed: forger.feed,
            n,
        };
        let item = laptop.quarantine_item(id).unwrap();
        let retried = laptop.retry_quarantined(id).unwrap();
        assert_eq!(retried, Retried::Unchanged(Box::new(item)));
    }
    assert_eq!(laptop.digest().unwrap(), before);
    assert_eq!(
        laptop.verify(&mut |_| ()).unwrap().problems,
        Vec::<String>::new()
    );
}

/// What a release that refused an envelope left in its store: no record of it, and a verdict.
fn as_an_older_release_left_it(laptop: &Replica, store: &MemoryKv, feed: FeedId, n: u64) {
    const DERIVED: [u8; 5] = [5, 6, 7, 8, 9];
    let key = |space: u8| {
        let key = KeyBuilder::new().push_fixed(&laptop.workspace().0);
        key.push_u8(space)
    };
    let mut batch = Batch::new();
    store
        .read(&mut |snapshot| {
            snapshot.scan(&[], None, &mut |stored, _| {
                if DERIVED.contains(&stored[16]) {
                    batch.delete(stored.to_vec());
                }
                driftless_store::Visit::Continue
            })
        })
        .unwrap();
    let verdict = KeyBuilder::new()
        .push_u8(2)
        .push_u32(15)
        .push_str("an old rule")
        .push_u8(0);
    batch.put(
        key(10).push_fixed(&feed.0).push_u64(n).finish(),
        verdict.finish(),
    );
    store.apply(&batch).unwrap();
}

#[test]
fn what_a_newer_release_understands_is_applied_when_it_is_judged_again() {
    let (a, mut laptop, _, mut phone) = two();
    let id = insert(&mut phone, r#"{"title":"a"}"#);
    let made = phone.outbox(&ItemPage::default()).unwrap().remove(0).id;
    sync(&mut phone, &mut laptop).unwrap();
    let digest = laptop.digest().unwrap();
    as_an_older_release_left_it(&laptop, &a.kv, made.feed, made.n);
    let mut laptop = {
        laptop.close().unwrap();
        a.open()
    };
    let item = laptop.quarantine(&ItemPage::default()).unwrap().remove(0);
    assert_eq!(item.detail, "an old rule");
    assert_eq!(laptop.get("notes", id).unwrap(), None);
    let retried = laptop.retry_quarantined(item.id).unwrap();
    assert_eq!(retried, Retried::Admitted { with: 0 });
    assert_eq!(laptop.digest().unwrap(), digest);
    assert_equal(&laptop, &phone);
    laptop.check_store().unwrap();
}

#[test]
fn what_comes_again_is_refused_for_the_reason_it_was() {
    let (a, mut laptop, phone, _) = two();
    let (session, mut forger) = introduce(&mut laptop, phone.key());
    let (feed, n) = (forger.feed, 1);
    let wrong = put(&mut Record::new(), ActorId(feed.0), "a", 1);
    let bytes = forger.sign([1; 16], (7, 7), wrong);
    let envelope = Message::Envelope { feed, n, bytes };
    let membership = Message::Membership {
        records: vec![],
        last: true,
    };
    let refused = |replica: &mut Replica, session| -> Vec<Code> {
        let messages = [membership.clone(), envelope.clone()];
        let answers = talk(replica, session, &messages).into_iter();
        let refused = answers.filter_map(|message| match message {
            Message::Ack(ack) => Some(ack.refused),
            _ => None,
        });
        refused.flatten().map(|refusal| refusal.code).collect()
    };
    assert_eq!(refused(&mut laptop, session), [Code::ChangeRefused]);

    // As if it had been refused for another reason.
    let mut batch = Batch::new();
    let key = KeyBuilder::new().push_fixed(&laptop.workspace().0);
    let key = key.push_u8(10).push_fixed(&feed.0).push_u64(n).finish();
    let verdict = KeyBuilder::new()
        .push_u8(2)
        .push_u32(u32::from(Code::NotAllowed.number()))
        .push_str("it was not to write")
        .push_u8(0);
    batch.put(key, verdict.finish());
    laptop.close().unwrap();
    a.kv.apply(&batch).unwrap();
    let mut laptop = a.open();
    let (session, _) = introduce(&mut laptop, phone.key());
    assert_eq!(refused(&mut laptop, session), [Code::NotAllowed]);
}

#[test]
fn an_item_of_another_device_is_dismissed_here_and_stays_what_it_is() {
    let (a, mut laptop, mut phone, forger) = poisoned();
    let id = EnvelopeId {
        feed: forger.feed,
        n: 1,
    };
    assert_eq!(laptop.discard(id).unwrap(), Discarded::Dismissed);
    let listed = |replica: &Replica, page: &ItemPage| -> Vec<u64> {
        let items = replica.quarantine(page).unwrap();
        items.iter().map(|item| item.id.n).collect()
    };
    assert_eq!(listed(&laptop, &ItemPage::default()), [3, 4]);
    assert_eq!(listed(&laptop, &all()), [1, 3, 4]);
    assert_eq!(laptop.status().unwrap().quarantined, 2);
    let item = laptop.quarantine_item(id).unwrap();
    assert_eq!(item.state, ItemState::Dismissed);

    // Another device has its own list; a new process and a lost store have the same.
    sync(&mut phone, &mut laptop).unwrap();
    assert_eq!(phone.status().unwrap().quarantined, 3);
    assert_equal(&laptop, &phone);
    drop(laptop);
    let laptop = Device {
        kv: MemoryKv::new(),
        ..a
    }
    .open();
    assert_eq!(listed(&laptop, &ItemPage::default()), [3, 4]);
    // What is applied is nobody's to discard but its author's.
    let applied = EnvelopeId {
        feed: forger.feed,
        n: 2,
    };
    let mut laptop = laptop;
    assert!(matches!(
        laptop.discard(applied),
        Err(EngineError::NotDiscardable { .. })
    ));
}

#[test]
fn an_export_holds_everything() {
    let (_, mut laptop, _, forger) = poisoned();
    let id = EnvelopeId {
        feed: forger.feed,
        n: 1,
    };
    let export = laptop.export(id).unwrap();
    assert_eq!(export["id"], id.to_string());
    assert_eq!(export["device_name"], "phone");
    assert_eq!(export["refused"]["code"], "change_refused");
    let change = &export["items"][0]["changes"][0];
    assert_eq!(export["items"][0]["first_seq"], 7);
    assert_eq!(change["writes"][0]["path"], "a");
    assert_eq!(change["writes"][0]["value"], 1);
    for bytes in [
        &export["bytes"],
        &change["bytes"],
        &export["header"]["signature"],
    ] {
        assert!(bytes.as_str().unwrap().len() > 40, "{export}");
    }
    // It is there after the discard, too.
    laptop.discard(id).unwrap();
    assert_eq!(laptop.export(id).unwrap(), export);
    let none = EnvelopeId {
        feed: forger.feed,
        n: 9,
    };
    assert!(matches!(
        laptop.export(none),
        Err(EngineError::NotFound { .. })
    ));
}

#[test]
fn edits_go_on_beside_what_is_refused() {
    let (_, mut laptop, mut phone, _) = poisoned();
    let id = insert(&mut laptop, r#"{"title":"a"}"#);
    sync(&mut phone, &mut laptop).unwrap();
    set(&mut phone, id, "title", "b");
    sync(&mut phone, &mut laptop).unwrap();
    assert_eq!(text(&laptop, id, "title"), Some(Value::String("b".into())));
    assert_equal(&laptop, &phone);
}

/// What a replica acknowledges to a member that greets it and sends this: numbers as held, and as refused.
fn acknowledged(
    laptop: &mut Replica,
    phone: &Device,
    messages: &[Message],
) -> (Vec<(u64, u64)>, Vec<u64>) {
    let (session, mut answers) = greet(laptop, &phone.key());
    answers.extend(talk(laptop, session, messages));
    laptop.end_session(session).unwrap();
    laptop.commit_group().unwrap();
    let (mut held, mut refused) = (Vec::new(), Vec::new());
    for answer in answers {
        if let Message::Ack(ack) = answer {
            assert!(ack.verify(&laptop.device(), &laptop.workspace()));
            held.extend(ack.held.iter().map(|run| (run.first, run.last)));
            refused.extend(ack.refused.iter().map(|refusal| refusal.n));
        }
    }
    (held, refused)
}

#[test]
fn who_was_told_of_a_refusal_is_told_when_it_is_applied_after_all() {
    let (a, mut laptop, phone, _) = two();
    let (session, mut forger) = introduce(&mut laptop, phone.key());
    let raw = put(&mut Record::new(), ActorId(forger.feed.0), "a", 1);
    let envelope = forger.sign([1; 16], (1, 1), raw);
    let messages = forger.send(vec![envelope]);
    talk(&mut laptop, session, &messages);
    laptop.end_session(session).unwrap();
    laptop.commit_group().unwrap();
    as_an_older_release_left_it(&laptop, &a.kv, forger.feed, 1);
    laptop.close().unwrap();
    let mut laptop = a.open();
    // It came by another way meanwhile, and is sent by its author all the same.
    let refused = acknowledged(&mut laptop, &phone, &messages);
    assert_eq!(refused, (vec![], vec![1]));
    let nothing = &messages[..2];
    let silent = acknowledged(&mut laptop, &phone, nothing);
    assert_eq!(silent, (vec![], vec![]), "nothing has changed");

    laptop.close().unwrap();
    let mut laptop = a.open();
    let id = EnvelopeId {
        feed: forger.feed,
        n: 1,
    };
    let retried = laptop.retry_quarantined(id).unwrap();
    assert_eq!(retried, Retried::Admitted { with: 0 });
    let other = Device::new(7);
    let link = laptop.invite("ws://127.0.0.1:1", 1, 60_000).unwrap();
    laptop.commit_group().unwrap();
    other.join(&mut laptop, &link, "other").unwrap();
    for _ in 0..2 {
        // An acknowledgement may be lost: it is said in each session.
        let told = acknowledged(&mut laptop, &phone, nothing);
        assert_eq!(told, (vec![(1, 1)], vec![]));
        let told = acknowledged(&mut laptop, &other, nothing);
        assert_eq!(told, (vec![], vec![]), "it was told nothing else before");
        laptop.close().unwrap();
        laptop = a.open();
    }
}
