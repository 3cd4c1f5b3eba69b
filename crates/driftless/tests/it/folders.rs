//! Whose a folder is.

use driftless::{Database, DeviceKey, ErrorKind, InviteOptions, MemoryKeys};

use crate::support::{
    LOOPBACK, created, invitation, networked, note, opened, options, scratch, serving,
};

#[tokio::test(flavor = "current_thread")]
async fn a_folder_that_is_open_is_busy() {
    let folder = scratch();
    let dir = folder.path().join("d");
    let database = created(&dir, "d").await;
    for refused in [
        Database::open(&dir, options("d")).await.unwrap_err(),
        Database::rebuild(&dir, options("d")).await.unwrap_err(),
        Database::create(&dir, options("d")).await.unwrap_err(),
    ] {
        assert_eq!(
            (refused.code(), refused.kind()),
            ("folder_busy", ErrorKind::Busy),
            "{refused}"
        );
        assert!(refused.retry());
        assert!(
            refused.message().contains("is in use by this process"),
            "{refused}"
        );
    }
    database.close().await.unwrap();
    opened(&dir).await.close().await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn a_folder_that_holds_a_workspace_is_not_made_into_another() {
    let folder = scratch();
    let dir = folder.path().join("d");
    let database = serving(&dir, "d").await;
    let server = database.sync().serve(LOOPBACK).await.unwrap();
    let link = invitation(&database, &server).await;
    let other = folder.path().join("other");
    created(&other, "other").await.close().await.unwrap();
    for refused in [
        Database::create(&other, options("d")).await.unwrap_err(),
        Database::join(&other, &link, networked("x"))
            .await
            .unwrap_err(),
    ] {
        let found = (refused.code(), refused.kind());
        assert_eq!(found, ("workspace_exists", ErrorKind::Refused), "{refused}");
    }
    server.stop().await;
    opened(&other).await.close().await.unwrap();
    database.close().await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn an_empty_folder_holds_no_workspace() {
    let folder = scratch();
    for dir in [folder.path().to_owned(), folder.path().join("missing")] {
        let error = Database::open(&dir, options("d")).await.unwrap_err();
        assert_eq!(
            (error.code(), error.kind()),
            ("no_workspace", ErrorKind::NotFound)
        );
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test(flavor = "current_thread")]
async fn a_name_no_device_may_have_leaves_nothing_behind() {
    let folder = scratch();
    let dir = folder.path().join("deep").join("d");
    for name in ["", "a\nb", &"x".repeat(65)] {
        let error = Database::create(&dir, options(name)).await.unwrap_err();
        assert_eq!((error.code(), error.kind()), ("bad_name", ErrorKind::Usage));
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    created(&dir, "d").await.close().await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn a_join_that_fails_can_be_tried_again() {
    let folder = scratch();
    let a = serving(&folder.path().join("a"), "a").await;
    let server = a.sync().serve(LOOPBACK).await.unwrap();
    let dir = folder.path().join("b");

    let spoilt = Database::join(&dir, "driftless://join/xyz", networked("b")).await;
    assert_eq!(spoilt.unwrap_err().code(), "bad_link");
    let nameless = invitation(&a, &server).await;
    let nameless = Database::join(&dir, &nameless, networked("")).await;
    assert_eq!(nameless.unwrap_err().code(), "bad_name");
    let expired = InviteOptions {
        valid_for: std::time::Duration::ZERO,
        ..InviteOptions::to(server.url())
    };
    let expired = a.invite(expired).await.unwrap();
    let expired = Database::join(&dir, &expired, networked("b"))
        .await
        .unwrap_err();
    assert_eq!(
        (expired.code(), expired.kind()),
        ("invite_expired", ErrorKind::Refused)
    );
    let nobody = a
        .invite(InviteOptions::to("ws://127.0.0.1:1"))
        .await
        .unwrap();
    let nobody = Database::join(&dir, &nobody, networked("b"))
        .await
        .unwrap_err();
    assert_eq!(
        (nobody.code(), nobody.kind()),
        ("peer_unreachable", ErrorKind::Network)
    );
    assert!(!dir.exists());

    // What lay in the folder before stays there.
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(dir.join("mine"), "text").unwrap();
    let link = invitation(&a, &server).await;
    let b = Database::join(&dir, &link, networked("b")).await.unwrap();
    assert_eq!(std::fs::read_to_string(dir.join("mine")).unwrap(), "text");
    b.sync().again().await.unwrap();

    let used = Database::join(folder.path().join("c"), &link, networked("c")).await;
    let used = used.unwrap_err();
    assert_eq!(
        (used.code(), used.kind()),
        ("invite_used_up", ErrorKind::Refused)
    );
    server.stop().await;
    a.close().await.unwrap();
    b.close().await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn the_device_key_can_be_kept_elsewhere() {
    let folder = scratch();
    let dir = folder.path().join("d");
    let with_key = || options("d").with_keys(MemoryKeys::with(&dir, &[3; 32]));
    let database = Database::create(&dir, with_key()).await.unwrap();
    assert_eq!(
        database.device(),
        DeviceKey::from_seed(&[3; 32]).device_id()
    );
    note(&database, "x").await;
    database.close().await.unwrap();
    assert!(!dir.join("device.key").exists());

    let without = Database::open(&dir, options("d")).await.unwrap_err();
    assert_eq!(
        (without.code(), without.kind()),
        ("device_key_missing", ErrorKind::Storage)
    );
    let database = Database::open(&dir, with_key()).await.unwrap();
    assert_eq!(database.status().await.unwrap().records, 1);
    database.close().await.unwrap();
}
