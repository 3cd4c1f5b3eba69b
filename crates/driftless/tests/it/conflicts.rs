//! The conflict log as a program uses it.

use driftless::{
    BulkRule, ConflictChange, ConflictFilter, ErrorKind, Progress, RecordId, Resolution, Rules,
    Status, blocking,
};
use futures_util::FutureExt as _;
use serde_json::{Value as Json, json};
use std::sync::{Arc, Mutex};

use crate::support::{Two, assert_equal, note, open_conflicts, opened, retitle, two};

/// Notes that both devices gave another title, after they met.
async fn contested(two: &Two, count: usize) -> Vec<RecordId> {
    let mut ids = Vec::new();
    for _ in 0..count {
        ids.push(note(&two.a, "base").await);
    }
    two.b.sync().again().await.unwrap();
    for &id in &ids {
        retitle(&two.a, id, "of a").await;
        retitle(&two.b, id, "of b").await;
    }
    two.b.sync().again().await.unwrap();
    ids
}

#[tokio::test(flavor = "current_thread")]
async fn a_watch_tells_what_is_open_and_then_what_happens_on_either_device() {
    let two = two().await;
    let ids = contested(&two, 2).await;
    let mut watch = two.a.conflicts().watch(ConflictFilter::default());
    let mut told = Vec::new();
    for _ in 0..2 {
        let event = watch.next_event().await.unwrap();
        assert_eq!(event.what, ConflictChange::Opened);
        told.push(event.conflict.unwrap().record());
    }
    told.sort();
    assert_eq!(told, ids, "ids of records grow with time");
    // Nothing happens: the future is given up, and loses nothing.
    assert!(watch.next_event().now_or_never().is_none());
    let on_b = open_conflicts(&two.b).await;
    let of_b = two.b.conflicts();
    of_b.resolve(&on_b[1], Resolution::Keep(0)).await.unwrap();
    two.b.sync().again().await.unwrap();
    let event = watch.next_event().await.unwrap();
    assert_eq!(
        (event.what, event.id),
        (ConflictChange::Closed, on_b[1].id())
    );
    let closed = event.conflict.as_ref().unwrap();
    assert_eq!(closed.status(), Status::Resolved);
    let object = event.to_json();
    assert_eq!(
        (&object["what"], &object["conflict"]),
        (&json!("closed"), &closed.to_json())
    );

    let mut later = two.a.conflicts().watch(ConflictFilter::default());
    assert_eq!(later.skip().await.unwrap(), 1);
    retitle(&two.a, ids[0], "settled by an edit").await;
    let event = later.next_event().await.unwrap();
    assert_eq!(
        (event.what, event.id),
        (ConflictChange::Closed, on_b[0].id())
    );

    two.server.stop().await;
    two.a.close().await.unwrap();
    assert_eq!(later.next_event().await.unwrap_err().code(), "closed");
}

#[tokio::test(flavor = "current_thread")]
async fn a_hundred_and_fifty_conflicts_are_decided_at_once_and_closed_on_the_other_device() {
    let two = two().await;
    contested(&two, 150).await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = told.clone();
    let b = two.b.with_progress(move |progress| {
        if let Progress::Deciding { decided, skipped } = progress {
            heard.lock().unwrap().push((decided, skipped));
        }
    });
    let rule = BulkRule::Device(two.a.device());
    let filter = ConflictFilter::default();
    let preview = b
        .conflicts()
        .preview_all(filter.clone(), rule.clone())
        .await
        .unwrap();
    assert_eq!((preview.decided.len(), preview.skipped.len()), (150, 0));
    assert_eq!(b.status().await.unwrap().conflicts_open, 150);
    told.lock().unwrap().clear();
    let report = b
        .conflicts()
        .decide_all(filter.clone(), rule.clone())
        .await
        .unwrap();
    assert_eq!(report, preview);
    assert_eq!(told.lock().unwrap()[..], [(64, 0), (128, 0), (150, 0)]);
    two.b.sync().again().await.unwrap();
    assert_equal(&two.a, &two.b).await;
    assert_eq!(
        two.a
            .conflicts()
            .count(ConflictFilter::open())
            .await
            .unwrap(),
        0
    );
    let resolved = ConflictFilter {
        status: Some(Status::Resolved),
        ..filter
    };
    let decided = two.a.conflicts().list(resolved.clone()).await.unwrap();
    assert!(
        decided
            .iter()
            .all(|entry| entry.resolved().unwrap().value == json!("of a"))
    );
    // What is closed is left, with its reason.
    let report = b.conflicts().decide_all(resolved, rule).await.unwrap();
    assert_eq!((report.decided.len(), report.skipped.len()), (0, 150));
    assert_eq!(report.to_json()["skipped"][0]["code"], "conflict_closed");
    two.server.stop().await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_refused_decision_names_a_remedy_and_has_the_entry() {
    let two = two().await;
    contested(&two, 1).await;
    let open = open_conflicts(&two.a).await.remove(0);
    let conflicts = two.a.conflicts();
    let refused = conflicts
        .resolve(&open, Resolution::Both)
        .await
        .unwrap_err();
    assert_eq!(
        (refused.code(), refused.kind()),
        ("both_cannot_stand", ErrorKind::Usage)
    );
    assert!(
        refused.remedy().contains("a value that says both"),
        "{}",
        refused.remedy()
    );
    assert_eq!(refused.conflict(), Some(&open));
    let refused = conflicts.undo(&open).await.unwrap_err();
    assert_eq!(
        (refused.code(), refused.kind()),
        ("conflict_open", ErrorKind::Conflict)
    );
    let refused = conflicts
        .acknowledge(&open, &"n".repeat(1_001))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), "too_large");
    conflicts.resolve(&open, Resolution::Keep(0)).await.unwrap();
    let refused = conflicts.acknowledge(&open, "").await.unwrap_err();
    assert_eq!(
        (refused.code(), refused.kind()),
        ("conflict_closed", ErrorKind::Conflict)
    );
    let current = conflicts.get(&open.id().to_string()).await.unwrap();
    assert_eq!(refused.conflict(), Some(&current));
    two.server.stop().await;
}

#[tokio::test(flavor = "current_thread")]
async fn pages_and_members_are_the_same_without_async() {
    let two = two().await;
    contested(&two, 5).await;
    let all = two
        .a
        .conflicts()
        .list(ConflictFilter::open())
        .await
        .unwrap();
    let dir = two.a.dir().to_owned();
    two.server.stop().await;
    two.a.close().await.unwrap();
    let paged = tokio::task::spawn_blocking(move || {
        let database = blocking::Database::open(&dir, crate::support::options("a")).unwrap();
        let conflicts = database.conflicts();
        let mut paged = Vec::new();
        let mut after = None;
        loop {
            let page = conflicts.page(ConflictFilter::open(), after, 2).unwrap();
            paged.extend(page.entries);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let mut watch = conflicts.watch(ConflictFilter::default());
        assert_eq!(watch.next_event().unwrap().conflict.as_ref(), paged.first());
        assert_eq!(watch.skip().unwrap(), 4);
        assert_eq!(conflicts.count(ConflictFilter::open()).unwrap(), 5);
        let id = paged[0].id().to_string();
        let members = conflicts.members(&id, 1, 5).unwrap();
        assert_eq!((members.total, members.members.len()), (2, 1));
        assert_eq!(members.members[0], paged[0].members()[1]);
        conflicts.acknowledge(&paged[0], "as it is").unwrap();
        database.close().unwrap();
        paged
    });
    assert_eq!(paged.await.unwrap(), all);
    let a = opened(&two.folder.path().join("a")).await;
    assert!(a.verify().await.unwrap().problems.is_empty());
}

#[tokio::test(flavor = "current_thread")]
async fn a_field_is_explained_before_and_after_it_was_edited_on_both_devices() {
    let two = two().await;
    let id = note(&two.a, "base").await;
    two.b.sync().again().await.unwrap();
    let conflicts = two.a.conflicts();
    let told = conflicts.explain("notes", id, "title").await.unwrap();
    assert_eq!(
        told.before,
        [
            "If here `title` is set, and it is set to another value on a device that does not know of it yet, every device shows the same one of the two, and a conflict waits for a person.",
            "If here `title` is set, and it is set to the same value on a device that does not know of it yet, both want the same, and there is nothing to decide.",
            "If here `title` is set, and it is unset on a device that does not know of it yet, every device shows the same one of the two, and a conflict waits for a person.",
            "If here `title` is unset, and it is unset on a device that does not know of it yet, both want the same, and there is nothing to decide.",
            "If here `title` is set, and another field of the record is edited on a device that does not know of it yet, both take effect, and there is nothing to decide.",
            "If here `title` is set, and the record is deleted on a device that does not know of it yet, the record stays deleted, nothing is lost, and a conflict waits for a person.",
        ]
    );
    assert_eq!(told.after, []);
    retitle(&two.a, id, "of a").await;
    retitle(&two.b, id, "of b").await;
    two.b.sync().again().await.unwrap();
    let told = conflicts.explain("notes", id, "title").await.unwrap();
    let (conflict, sentences) = &told.after[0];
    assert_eq!(
        sentences[0],
        r#"`title` was edited on several sides that did not know of each other. Before, it read "base"."#
    );
    let shown = crate::support::title(&two.a, id).await;
    assert_eq!(
        sentences[3],
        format!("Nobody has decided yet. Until somebody does, every device shows {shown}.")
    );
    assert!(
        sentences[1..3]
            .iter()
            .any(|s| s.ends_with(r#"made it "of a"."#) && s.starts_with("a ("))
    );
    assert!(
        sentences[1..3]
            .iter()
            .any(|s| s.ends_with(r#"made it "of b"."#) && s.starts_with("b ("))
    );
    conflicts
        .resolve(conflict, Resolution::Keep(0))
        .await
        .unwrap();
    let kept = &conflict.candidates()[0].value;
    let told = conflicts.explain("notes", id, "title").await.unwrap();
    let last = told.after[0].1.last().unwrap();
    assert!(
        last.starts_with("a (") && last.ends_with(&format!("decided for {kept}.")),
        "{last}"
    );
    let object = told.to_json();
    assert_eq!(
        (&object["type"], &object["policy"]),
        (&json!("value"), &json!("review"))
    );
    assert_eq!(object["before"][0]["fate"], "open");
    assert_eq!(object["after"][0]["text"], json!(told.after[0].1));
    assert_eq!(told.to_string().lines().count(), 10);

    two.server.stop().await;
}

#[tokio::test(flavor = "current_thread")]
async fn an_explanation_names_the_rule_in_force_and_what_it_shows() {
    let two = two().await;
    let id = note(&two.a, "base").await;
    two.b.sync().again().await.unwrap();
    let rules =
        r#"{"version":1,"rule":[{"path":"title","policy":"longest"},{"policy":"edit_wins"}]}"#;
    two.a
        .rules()
        .set(Rules::read(rules).unwrap())
        .await
        .unwrap();
    retitle(&two.a, id, "the long one").await;
    retitle(&two.b, id, "short").await;
    two.b.sync().again().await.unwrap();
    let told = two.a.conflicts().explain("notes", id, "title").await;
    let told = told.unwrap();
    let unaware = "on a device that does not know of it yet";
    assert_eq!(
        [&told.before[0], &told.before[5]],
        [
            &format!(
                "If here `title` is set, and it is set to another value {unaware}, every device shows the longest text (rule 0), and the conflict log keeps both sides."
            ),
            &format!(
                "If here `title` is set, and the record is deleted {unaware}, every device shows the record, edited and not deleted (rule 1), and the conflict log keeps both sides."
            ),
        ]
    );
    assert_eq!(
        told.after[0].1[3],
        "Nobody has to decide: rule 0 asks for the longest text. The record shows \"the long one\"."
    );
    let object = told.to_json();
    let named = |object: &Json| (object["rule"].clone(), object["policy"].clone());
    assert_eq!(named(&object), (json!(0), json!("longest")));
    assert_eq!(named(&object["before"][5]), (json!(1), json!("edit_wins")));
    assert_eq!(named(&object["before"][1]), (Json::Null, Json::Null));
    two.server.stop().await;
}

#[tokio::test(flavor = "current_thread")]
async fn both_devices_count_the_log_alike() {
    let two = two().await;
    contested(&two, 3).await;
    let conflicts = two.a.conflicts();
    let open = open_conflicts(&two.a).await;
    conflicts
        .resolve(&open[0], Resolution::Keep(0))
        .await
        .unwrap();
    conflicts.acknowledge(&open[1], "fine").await.unwrap();
    let insight = conflicts.insight(10).await.unwrap();
    two.b.sync().again().await.unwrap();
    assert_eq!(two.b.conflicts().insight(10).await.unwrap(), insight);
    let object = driftless::insight_to_json(&insight);
    assert_eq!(
        (&object["opened"], &object["decided"]),
        (&json!(3), &json!(1))
    );
    assert_eq!(object["hottest"][0]["path"], "title");
    assert_eq!((insight.acknowledged, insight.open), (1, 1));
    two.server.stop().await;
}
