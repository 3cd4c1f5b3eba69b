//! Quarantine and outbox as a program sees them.

use driftless::{Draft, EnvelopeId, ErrorKind, FeedId, ItemPage, Outbox, PeerState};
use serde_json::json;

use crate::support::{note, two};

#[tokio::test]
async fn what_was_not_sent_is_in_the_outbox_until_it_is_acknowledged() {
    let two = two().await;
    let id = note(&two.b, "a").await;
    let page = ItemPage::default();
    let items = two.b.outbox().list(page).await.unwrap();
    assert_eq!(items.len(), 1);
    assert_eq!(items[0].records[0].record, id);
    let named = two.b.outbox().get(&items[0].id.to_string()).await.unwrap();
    assert_eq!(named, items[0]);
    let export = two.b.outbox().export(items[0].id).await.unwrap();
    assert_eq!(export["device_name"], "b");
    assert_eq!(
        export["items"][0]["changes"][0]["writes"],
        json!([{"path": "title", "value": "a"}])
    );
    let refused = two.b.outbox().discard(items[0].id).await.unwrap_err();
    assert_eq!(
        (refused.code(), refused.kind()),
        ("not_discardable", ErrorKind::Refused)
    );

    two.b.sync().once(&two.server.url()).await.unwrap();
    assert_eq!(two.b.outbox().list(page).await.unwrap(), []);
    assert_eq!(two.a.quarantine().list(page).await.unwrap(), []);
    let gone = two.b.outbox().get(&items[0].id.to_string()).await;
    assert_eq!(gone.unwrap_err().kind(), ErrorKind::NotFound);
    assert!(items[0].peers.iter().all(|p| p.state == PeerState::Pending));
}

#[tokio::test]
async fn a_draft_of_any_origin_is_written_like_any_edit() {
    let two = two().await;
    let id = note(&two.a, "a").await;
    let of = EnvelopeId {
        feed: FeedId([0; 16]),
        n: 1,
    };
    let text = json!({
        "draft": 1,
        "of": of.to_string(),
        "records": [{
            "collection": "notes",
            "record": id.to_string(),
            "set": { "title": "b", "count": 9_007_199_254_740_993_u64 },
        }],
    });
    let draft = Draft::parse(&text.to_string()).unwrap();
    let applied = two.a.outbox().apply(draft).await.unwrap();
    let applied = Outbox::applied_to_json(&applied);
    assert_eq!(
        applied,
        json!({"written": 2, "unchanged": 0, "skipped": []})
    );
    let record = two.a.collection("notes").get(id).await.unwrap().unwrap();
    assert_eq!(
        serde_json::Value::from(record.fields()),
        json!({"title": "b", "count": 9_007_199_254_740_993_u64})
    );
    assert!(Draft::parse("{").is_err());
    assert!(Draft::parse(r#"{"draft": 1, "draft": 1}"#).is_err());
}
