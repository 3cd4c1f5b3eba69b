//! Who is not let in, and who does not answer.

use driftless::{Database, ErrorKind, Options};
use driftless_protocol::Code;
use tokio::net::TcpListener;

use crate::support::{LOOPBACK, RawDevice, Two, assert_equal, created, note, scratch, two};

#[tokio::test(flavor = "current_thread")]
async fn a_port_in_use_is_busy() {
    let folder = scratch();
    let database = created(&folder.path().join("d"), "d").await;
    let server = database.sync().serve(LOOPBACK).await.unwrap();
    let address = server.local_addr().to_string();
    let error = database.sync().serve(&address).await.unwrap_err();
    assert_eq!(
        (error.code(), error.kind()),
        ("port_in_use", ErrorKind::Busy)
    );
    assert!(error.message().contains(&address) && error.retry());
    server.stop().await;
    let server = database.sync().serve(&address).await.unwrap();
    assert_eq!(server.local_addr().to_string(), address);
    server.stop().await;

    let error = database.sync().serve("nowhere").await.unwrap_err();
    assert_eq!(
        (error.code(), error.kind()),
        ("cannot_listen", ErrorKind::Usage)
    );
}

#[tokio::test(flavor = "current_thread")]
async fn a_peer_that_is_not_there_is_named() {
    let folder = scratch();
    let database = created(&folder.path().join("d"), "d").await;
    // A port that was free a moment ago, and is not listened on.
    let listener = TcpListener::bind(LOOPBACK).await.unwrap();
    let address = format!("ws://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = database.sync().once(&address).await.unwrap_err();
    assert_eq!(
        (error.code(), error.kind()),
        ("peer_unreachable", ErrorKind::Network)
    );
    assert!(
        error.message().contains(&address) && error.retry(),
        "{error}"
    );
}

#[tokio::test(flavor = "current_thread")]
async fn a_program_that_is_no_device_is_told_from_one() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let folder = scratch();
    let database = created(&folder.path().join("d"), "d").await;
    let listener = TcpListener::bind(LOOPBACK).await.unwrap();
    let address = format!("ws://{}", listener.local_addr().unwrap());
    let web_server = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 1_024];
        let _ = stream.read(&mut request).await.unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .await
            .unwrap();
    };
    let sync = database.sync();
    let (synced, ()) = tokio::join!(sync.once(&address), web_server);
    let error = synced.unwrap_err();
    assert_eq!(
        (error.code(), error.kind()),
        ("not_driftless", ErrorKind::Network),
        "{error}"
    );
}

#[tokio::test(flavor = "current_thread")]
async fn a_device_of_another_workspace_is_refused_and_changes_nothing() {
    let Two {
        a,
        b,
        server,
        folder,
    } = two().await;
    let stranger = created(&folder.path().join("stranger"), "stranger").await;
    note(&stranger, "secret").await;
    note(&a, "also secret").await;
    let (before, theirs) = (a.digest().await.unwrap(), stranger.digest().await.unwrap());
    let error = stranger.sync().once(&server.url()).await.unwrap_err();
    assert_eq!(
        (error.code(), error.kind()),
        ("other_workspace", ErrorKind::Refused),
        "{error}"
    );
    assert!(error.message().starts_with(&server.url()), "{error}");
    assert_eq!(a.digest().await.unwrap(), before);
    assert_eq!(stranger.digest().await.unwrap(), theirs);
    assert!(stranger.status().await.unwrap().peers.is_empty());
    b.sync().again().await.unwrap();
    assert_equal(&a, &b).await;
    server.stop().await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_device_that_is_no_member_gets_a_code_and_nothing_else() {
    let Two {
        a,
        b: _b,
        server,
        folder: _folder,
    } = two().await;
    note(&a, "secret").await;
    let mut device = RawDevice::dial(&server, 9).await;
    let told = device.is_told_as_a_stranger(&a.workspace()).await;
    assert_eq!(told, (Code::UnknownDevice, String::new()));
    assert_eq!(device.hear().await, None);
    server.stop().await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_join_for_another_workspace_is_refused() {
    let Two {
        a,
        b,
        server,
        folder,
    } = two().await;
    let other = created(&folder.path().join("other"), "other").await;
    // A link of one workspace that leads to a device of the other.
    let invitation = driftless::InviteOptions::to(server.url());
    let link = other.invite(invitation).await.unwrap();
    let dir = folder.path().join("c");
    let error = Database::join(&dir, &link, Options::named("c"))
        .await
        .unwrap_err();
    assert_eq!(
        (error.code(), error.kind()),
        ("other_workspace", ErrorKind::Refused),
        "{error}"
    );
    assert!(!dir.exists());
    assert_eq!(a.status().await.unwrap().members.len(), 2);
    drop(b);
    server.stop().await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_device_that_says_nothing_is_given_up() {
    let folder = scratch();
    let database = created(&folder.path().join("d"), "d").await;
    let listener = TcpListener::bind(LOOPBACK).await.unwrap();
    let address = format!("ws://{}", listener.local_addr().unwrap());

    // Not a byte, ever: time runs ahead as soon as there is nothing to do but wait.
    let silent = async {
        let (stream, _) = listener.accept().await.unwrap();
        tokio::time::pause();
        stream
    };
    let sync = database.sync();
    let (synced, stream) = tokio::join!(sync.once(&address), silent);
    tokio::time::resume();
    let error = synced.unwrap_err();
    assert_eq!(
        (error.code(), error.kind()),
        ("timeout", ErrorKind::Network),
        "{error}"
    );
    assert!(
        error.retry() && error.message().contains("handshake"),
        "{error}"
    );
    drop(stream);

    // A handshake as it should be, and then nothing.
    let silent = async {
        let (stream, _) = listener.accept().await.unwrap();
        let device = RawDevice::accept(stream, 4).await;
        tokio::time::pause();
        device
    };
    let (synced, device) = tokio::join!(sync.once(&address), silent);
    tokio::time::resume();
    let error = synced.unwrap_err();
    assert_eq!(
        (error.code(), error.kind()),
        ("timeout", ErrorKind::Network),
        "{error}"
    );
    drop(device);
    database.close().await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn a_join_whose_answer_was_lost_goes_on_with_the_same_key() {
    let Two {
        a,
        b,
        server,
        folder,
    } = two().await;
    let listener = TcpListener::bind(LOOPBACK).await.unwrap();
    let address = format!("ws://{}", listener.local_addr().unwrap());
    let invitation = driftless::InviteOptions::to(address);
    let link = a.invite(invitation).await.unwrap();
    let dir = folder.path().join("c");
    // It hears the request, and is gone.
    let mute = async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut device = RawDevice::accept(stream, 4).await;
        device.hear().await.unwrap();
        device.peer.device
    };
    let (joined, asked) = tokio::join!(Database::join(&dir, &link, Options::named("c")), mute);
    let error = joined.unwrap_err();
    assert_eq!(
        (error.code(), error.kind()),
        ("connection_lost", ErrorKind::Network),
        "{error}"
    );
    let unfinished = Database::open(&dir, Options::default()).await.unwrap_err();
    assert_eq!(unfinished.code(), "no_workspace");

    let link = invitation_at(&a, &server.url()).await;
    let c = Database::join(&dir, &link, Options::named("c"))
        .await
        .unwrap();
    assert_eq!(c.device(), asked);
    c.sync().again().await.unwrap();
    assert_equal(&a, &c).await;
    drop(b);
    server.stop().await;
}

async fn invitation_at(member: &Database, address: &str) -> String {
    let invitation = driftless::InviteOptions::to(address);
    member.invite(invitation).await.unwrap()
}
