//! Connections that stay, over real sockets and in real time.

use std::time::{Duration, Instant};

use driftless::{Class, Connection, ConnectionState, Database};
use driftless_protocol::{Code, Message, encode_batch};
use tokio::net::TcpListener;

use crate::support::{
    LOOPBACK, RawDevice, Two, created, equal, joined, live, networked, note, reads, retitle,
    scratch, two, until,
};

#[tokio::test(flavor = "current_thread")]
async fn an_edit_on_one_of_five_devices_is_on_the_other_four_within_a_second() {
    let Two {
        a,
        b,
        server,
        folder: _folder,
    } = two().await;
    let mut devices = vec![a.clone(), b];
    for name in ["c", "d", "e"] {
        devices.push(joined(&a, &server, networked(name)).await);
    }
    let mut connections: Vec<Connection> = Vec::new();
    for device in &devices[1..] {
        connections.push(device.sync().connect(&server.url()).await.unwrap());
    }
    for connection in &connections {
        live(connection).await;
    }
    let id = note(&devices[3], "base").await;
    for device in &devices {
        reads(device, id, "base").await;
    }
    for (n, author) in devices.iter().enumerate() {
        let text = format!("of device {n}");
        let begun = Instant::now();
        retitle(author, id, &text).await;
        for device in &devices {
            reads(device, id, &text).await;
        }
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(1), "{text} took {took:?}");
    }
    let all: Vec<&Database> = devices.iter().collect();
    equal(&all).await;
    for device in &devices {
        assert_eq!(device.changes_since(0, 100).await.unwrap().len(), 6);
        assert_eq!(device.status().await.unwrap().conflicts_open, 0);
    }
    for connection in connections {
        connection.stop().await;
    }
    server.stop().await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_server_that_goes_away_and_comes_back_is_found_again() {
    let Two {
        a,
        b,
        server,
        folder: _folder,
    } = two().await;
    let address = server.local_addr().to_string();
    let connection = b.sync().connect(&server.url()).await.unwrap();
    live(&connection).await;
    server.stop().await;
    until("it waits", async || {
        matches!(connection.status().state, ConnectionState::Waiting { .. })
    })
    .await;
    let error = connection.status().last_error.unwrap();
    assert_eq!(error.class(), Class::Network);
    let from_a = note(&a, "while it was away").await;
    let from_b = note(&b, "while it was away").await;
    let server = a.sync().serve(&address).await.unwrap();
    reads(&b, from_a, "while it was away").await;
    reads(&a, from_b, "while it was away").await;
    live(&connection).await;
    connection.stop().await;
    server.stop().await;
}

#[tokio::test(flavor = "current_thread")]
async fn two_servers_that_are_connected_to_each_other_send_everything_once() {
    let Two {
        a,
        b,
        server,
        folder: _folder,
    } = two().await;
    let other = b.sync().serve(LOOPBACK).await.unwrap();
    let there = b.sync().connect(&server.url()).await.unwrap();
    let back = a.sync().connect(&other.url()).await.unwrap();
    live(&there).await;
    live(&back).await;
    // And a third that knows only the second.
    let c = joined(&b, &other, networked("c")).await;
    let third = c.sync().connect(&other.url()).await.unwrap();
    live(&third).await;
    let id = note(&a, "of a").await;
    reads(&c, id, "of a").await;
    retitle(&c, id, "of c").await;
    reads(&a, id, "of c").await;
    equal(&[&a, &b, &c]).await;
    for database in [&a, &b, &c] {
        assert_eq!(database.changes_since(0, 100).await.unwrap().len(), 2);
    }
    for connection in [there, back, third] {
        connection.stop().await;
    }
    server.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_device_that_asks_to_be_left_alone_for_a_while_is() {
    let folder = scratch();
    let database = created(&folder.path().join("d"), "d").await;
    let listener = TcpListener::bind(LOOPBACK).await.unwrap();
    let address = format!("ws://{}", listener.local_addr().unwrap());
    let connection = database.sync().connect(&address).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let mut busy = RawDevice::accept(stream, 4).await;
    busy.hear().await.unwrap();
    let later = Message::Error {
        code: Code::Busy,
        detail: String::new(),
        retry_after_s: 120,
    };
    busy.say(&encode_batch(&[later]).unwrap()).await;
    let begun = std::time::SystemTime::now();
    until("it was told", async || {
        connection.status().last_error.is_some()
    })
    .await;
    let status = connection.status();
    let error = status.last_error.unwrap();
    assert_eq!(
        (error.code(), error.retry_after()),
        ("busy", Some(Duration::from_secs(120)))
    );
    let begun = begun.duration_since(std::time::UNIX_EPOCH).unwrap();
    let wait = status.next_attempt_ms.unwrap() - i64::try_from(begun.as_millis()).unwrap();
    // Up to half as long again, so that not all who were told so come back at once.
    assert!((120_000..190_000).contains(&wait), "{wait} ms");
    connection.stop().await;
}
