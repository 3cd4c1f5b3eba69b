//! Two devices, and what they agree on.

use std::sync::{Arc, Mutex};

use driftless::{
    Conflict, Database, Fields, ListOptions, MemberAct, Progress, RecordId, Resolution, Status,
    Value, node_from_json, testing,
};
use serde_json::json;

use crate::support::{
    LOOPBACK, Two, assert_equal, invitation, networked, note, open_conflicts, opened, retitle,
    scratch, serving, shops, title, two,
};

#[tokio::test(flavor = "current_thread")]
async fn a_device_joins_and_both_become_equal() {
    let Two {
        a,
        b,
        server,
        folder,
    } = two().await;
    assert_eq!(b.workspace(), a.workspace());
    assert_ne!(b.device(), a.device());
    // Joining brought the members, not the records.
    let from_a = note(&a, "from a").await;
    assert_eq!(b.status().await.unwrap().records, 0);

    let report = b.sync().again().await.unwrap();
    assert_eq!((report.records_received, report.records_sent), (1, 0));
    assert_eq!(report.peer, a.device());
    let from_b = note(&b, "from b").await;
    let report = b.sync().once(&server.url()).await.unwrap();
    assert_eq!((report.records_received, report.records_sent), (0, 1));
    assert_eq!(title(&a, from_b).await, "from b");
    assert_eq!(title(&b, from_a).await, "from a");
    assert_equal(&a, &b).await;
    assert!(open_conflicts(&a).await.is_empty());

    // Both know that the other has everything, and how the other is called.
    for (database, other) in [(&a, "b"), (&b, "a")] {
        let status = database.status().await.unwrap();
        assert_eq!((status.pending, status.cursor_entries), (0, 2));
        let names: Vec<_> = status.members.iter().map(|member| &member.name).collect();
        assert_eq!(names.len(), 2);
        assert!(names.iter().any(|name| *name == other));
        assert_eq!(status.peers.len(), 1);
        assert!(status.peers[0].last_sync_ms.is_some());
    }
    server.stop().await;
    a.close().await.unwrap();
    b.close().await.unwrap();
    let (a, b) = (
        opened(&folder.path().join("a")).await,
        opened(&folder.path().join("b")).await,
    );
    assert_equal(&a, &b).await;
    assert!(a.verify().await.unwrap().problems.is_empty());
}

#[tokio::test(flavor = "current_thread")]
async fn a_field_edited_on_both_is_one_conflict_that_either_side_can_decide() {
    let Two {
        a,
        b,
        server,
        folder: _folder,
    } = two().await;
    let (contested, merged) = (note(&a, "base").await, note(&a, "base").await);
    b.sync().again().await.unwrap();
    retitle(&a, contested, "of a").await;
    retitle(&b, contested, "of b").await;
    retitle(&a, merged, "of a").await;
    let notes = b.collection("notes");
    notes.update(merged, json!({"body": "of b"})).await.unwrap();
    b.sync().again().await.unwrap();
    assert_equal(&a, &b).await;
    assert_eq!(title(&a, merged).await, "of a");

    let (on_a, on_b) = (open_conflicts(&a).await, open_conflicts(&b).await);
    assert_eq!(on_a, on_b);
    let [entry] = &on_a[..] else {
        panic!("one entry was expected, not {on_a:?}")
    };
    assert_eq!(entry.record(), contested);
    assert_reads_as_agreed(entry, &a, &b);

    // Deciding on one closes on the other.
    let value = node_from_json(&json!("both")).unwrap();
    b.conflicts()
        .resolve(&on_b[0], Resolution::Merge(value))
        .await
        .unwrap();
    b.sync().again().await.unwrap();
    assert!(open_conflicts(&a).await.is_empty());
    assert_eq!(title(&a, contested).await, "both");
    let closed = a.conflicts().get(&entry.id().to_string()).await.unwrap();
    assert_eq!(closed.status(), Status::Resolved);
    assert_eq!(closed.to_json()["resolved_value"], "both");
    assert_eq!(closed.to_json()["resolved_by"]["device_name"], "b");
    assert_equal(&a, &b).await;
    let late = a
        .conflicts()
        .resolve(&on_a[0], Resolution::Keep(0))
        .await
        .unwrap_err();
    assert_eq!(
        (late.code(), late.kind()),
        ("conflict_closed", driftless::ErrorKind::Conflict)
    );
    assert_eq!(late.conflict(), Some(&closed));
    server.stop().await;
}

/// What programs read of an entry, name by name.
fn assert_reads_as_agreed(entry: &Conflict, a: &Database, b: &Database) {
    let object = entry.to_json();
    let expected = json!({
        "id": entry.id().to_string(),
        "also": object["also"],
        "collection": "notes",
        "record": entry.record().to_string(),
        "path": "title",
        "kind": "put_put",
        "status": "open",
        "policy": "review",
        "rule": null,
        "rule_name": null,
        "picked_value": null,
        "provisional": false,
        "base": ["base"],
        "candidates": object["candidates"],
        "resolved_by": null,
        "resolved_value": null,
        "came_about": object["came_about"],
        "members": object["members"],
        "members_total": 2,
        "reviews": [],
        "spans": [],
    });
    assert_eq!(object, expected);
    for (member, candidate) in entry.members().iter().zip(entry.candidates()) {
        let MemberAct::Put(value) = &member.act else {
            panic!("{member:?}")
        };
        assert_eq!(
            (value, &member.author),
            (&candidate.value, &candidate.author)
        );
        assert!(member.candidate);
    }
    let newest = entry
        .members()
        .iter()
        .map(|member| member.author.time_ms)
        .max();
    assert_eq!(newest, Some(entry.came_about_ms()));
    assert!(object["also"].is_array());
    let mut sides: Vec<_> = entry
        .candidates()
        .into_iter()
        .map(|choice| {
            let author = choice.author;
            let name = author.device_name.unwrap();
            (name, choice.value, author.device.unwrap())
        })
        .collect();
    sides.sort_by_key(|side| side.0.clone());
    let expected = [
        ("a".to_owned(), json!("of a"), a.device()),
        ("b".to_owned(), json!("of b"), b.device()),
    ];
    assert_eq!(sides, expected);
    for candidate in object["candidates"].as_array().unwrap() {
        let keys: Vec<_> = candidate.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["change", "device", "device_name", "time", "value"]);
        assert!(candidate["time"].as_str().unwrap().ends_with('Z'));
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_record_deleted_on_one_side_and_edited_on_the_other_is_kept_or_deleted_by_choice() {
    let Two {
        a,
        b,
        server,
        folder: _folder,
    } = two().await;
    let id = note(&a, "base").await;
    b.sync().again().await.unwrap();
    a.collection("notes").delete(id).await.unwrap();
    retitle(&b, id, "edited").await;
    b.sync().again().await.unwrap();
    let open = open_conflicts(&b).await;
    assert_eq!(open.len(), 1);
    let object = open[0].to_json();
    assert_eq!(
        (&object["kind"], &object["path"]),
        (&json!("record_deleted"), &json!("$deleted"))
    );
    let values: Vec<_> = open[0]
        .candidates()
        .into_iter()
        .map(|choice| choice.value)
        .collect();
    assert!(
        values.contains(&json!("keep")) && values.contains(&json!({"$absent": true})),
        "{values:?}"
    );

    let keep = values
        .iter()
        .position(|value| *value == json!("keep"))
        .unwrap();
    b.conflicts()
        .resolve(&open[0], Resolution::Keep(keep))
        .await
        .unwrap();
    b.sync().again().await.unwrap();
    assert_eq!(title(&a, id).await, "edited");
    assert!(
        !a.collection("notes")
            .get(id)
            .await
            .unwrap()
            .unwrap()
            .deleted
    );
    assert_equal(&a, &b).await;
    server.stop().await;
}

#[tokio::test(flavor = "current_thread")]
async fn an_equal_sync_costs_one_round_trip_and_less_than_400_bytes() {
    let Two {
        a,
        b,
        server,
        folder: _folder,
    } = two().await;
    a.collection("shops").import(shops(0..1_000)).await.unwrap();
    let first = b.sync().again().await.unwrap();
    assert_eq!(first.records_received, 1_000);
    assert_equal(&a, &b).await;

    let equal = b.sync().again().await.unwrap();
    assert_eq!((equal.records_sent, equal.records_received), (0, 0));
    assert_eq!(equal.round_trips, 1);
    let after = equal.bytes_sent + equal.bytes_received - equal.handshake_bytes;
    assert!(after < 400, "{after} bytes after the handshake");
    assert!(equal.handshake_bytes > 500, "{equal:?}");

    let id = RecordId::from_key("shops", &["7"]);
    a.collection("shops")
        .update(id, json!({"name": "changed"}))
        .await
        .unwrap();
    let one = b.sync().again().await.unwrap();
    assert_eq!(one.records_received, 1);
    let after = one.bytes_sent + one.bytes_received - one.handshake_bytes;
    assert!(after < 1_000, "{after} bytes for one changed field");
    server.stop().await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_sync_cut_in_the_middle_goes_on_where_it_stopped() {
    const RECORDS: u64 = 80;
    let folder = scratch();
    let a = serving(&folder.path().join("a"), "a").await;
    // More than is ever on its way without an acknowledgement.
    a.collection("blobs").import(blobs(0..80)).await.unwrap();
    let server = a.sync().serve(LOOPBACK).await.unwrap();
    let link = invitation(&a, &server).await;
    let seen = Arc::new(tokio::sync::Notify::new());
    let told = seen.clone();
    let options = networked("b").with_progress(move |progress| {
        if matches!(
            progress,
            Progress::Syncing {
                records_received: 1..,
                ..
            }
        ) {
            told.notify_one();
        }
    });
    let b = Database::join(folder.path().join("b"), &link, options)
        .await
        .unwrap();

    // The first records have arrived: now the other device goes away.
    let sync = b.sync();
    let (synced, ()) = tokio::join!(sync.again(), async {
        seen.notified().await;
        server.stop().await;
    });
    let error = synced.unwrap_err();
    assert_eq!(
        (error.code(), error.retry()),
        ("shutting_down", true),
        "{error}"
    );
    let arrived = b.status().await.unwrap().records;
    assert!((1..RECORDS).contains(&arrived), "{arrived} records");

    let server = a.sync().serve(LOOPBACK).await.unwrap();
    let report = b.sync().once(&server.url()).await.unwrap();
    assert_eq!(
        report.records_received,
        RECORDS - arrived,
        "nothing comes twice"
    );
    assert_equal(&a, &b).await;
    server.stop().await;
}

/// Rows of values that do not compress, 100,000 bytes each.
fn blobs(seeds: std::ops::Range<u32>) -> Vec<(Option<RecordId>, Fields)> {
    let blob = |seed: u32| {
        let mut bytes = Vec::new();
        let mut state = seed;
        while bytes.len() < 100_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // The low bits of such a state repeat soon.
            let [.., third, fourth] = state.to_le_bytes();
            bytes.extend([third, fourth]);
        }
        (
            None,
            Fields::from([("bytes".to_owned(), Value::Bytes(bytes))]),
        )
    };
    seeds.map(blob).collect()
}

#[tokio::test(flavor = "current_thread")]
async fn both_can_send_much_at_the_same_time() {
    let Two {
        a,
        b,
        server,
        folder: _folder,
    } = two().await;
    a.collection("blobs").import(blobs(0..40)).await.unwrap();
    b.collection("blobs").import(blobs(40..80)).await.unwrap();
    let report = b.sync().again().await.unwrap();
    assert_eq!((report.records_sent, report.records_received), (40, 40));
    assert!(report.bytes_sent > 4_000_000 && report.bytes_received > 4_000_000);
    assert_equal(&a, &b).await;
    server.stop().await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_chain_of_three_devices_becomes_equal() {
    let Two {
        a,
        b,
        server,
        folder,
    } = two().await;
    // The second invites the third, which never meets the first.
    let second = b.sync().serve(LOOPBACK).await.unwrap();
    let link = invitation(&b, &second).await;
    let c = Database::join(folder.path().join("c"), &link, networked("c"))
        .await
        .unwrap();
    let ids = [
        note(&a, "1").await,
        note(&b, "2").await,
        note(&c, "3").await,
    ];
    c.sync().again().await.unwrap();
    b.sync().again().await.unwrap();
    c.sync().again().await.unwrap();
    for database in [&a, &b, &c] {
        for (id, expected) in ids.iter().zip(["1", "2", "3"]) {
            assert_eq!(title(database, *id).await, expected);
        }
    }
    assert_equal(&a, &b).await;
    assert_equal(&b, &c).await;
    assert_eq!(a.status().await.unwrap().cursor_entries, 3);
    server.stop().await;
    second.stop().await;
}

#[tokio::test(flavor = "current_thread")]
async fn the_pair_for_tests_of_programs_can_be_cut_and_restored() {
    let testing::Pair { a, b, mut link } = testing::pair().await.unwrap();
    let id = note(&a, "base").await;
    link.sync().await.unwrap();
    link.cut().await;
    retitle(&a, id, "of a").await;
    retitle(&b, id, "of b").await;
    let error = link.sync().await.unwrap_err();
    assert_eq!(error.code(), "peer_unreachable");
    link.restore().await.unwrap();
    link.sync().await.unwrap();
    assert_equal(&a, &b).await;
    assert_eq!(open_conflicts(&a).await.len(), 1);
    assert!(link.folder().join("a").exists());
    a.close().await.unwrap();
    b.close().await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn progress_is_told_while_a_sync_runs() {
    let folder = scratch();
    let a = serving(&folder.path().join("a"), "a").await;
    a.collection("shops").import(shops(0..1_000)).await.unwrap();
    let server = a.sync().serve(LOOPBACK).await.unwrap();
    let link = invitation(&a, &server).await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = seen.clone();
    let options = networked("b").with_progress(move |progress| {
        if let Progress::Syncing {
            records_received, ..
        } = progress
        {
            told.lock().unwrap().push(records_received);
        }
    });
    let b = Database::join(folder.path().join("b"), &link, options)
        .await
        .unwrap();
    b.sync().again().await.unwrap();
    let seen = seen.lock().unwrap().clone();
    assert_eq!(seen.last(), Some(&1_000));
    assert!(seen.is_sorted(), "{seen:?}");
    let listed = b
        .collection("shops")
        .list(ListOptions::default())
        .await
        .unwrap();
    assert_eq!(listed.len(), 1_000);
    server.stop().await;
}
