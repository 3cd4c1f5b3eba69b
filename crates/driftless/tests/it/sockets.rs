//! What strangers put on a socket, and how a server stops.

use std::time::{Duration, Instant};

use driftless_protocol::limits::NOISE_MESSAGE;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{
    LOOPBACK, RawDevice, Two, assert_equal, created, note, raw_socket, scratch, two,
};

#[tokio::test(flavor = "current_thread")]
async fn junk_on_the_socket_costs_only_that_connection() {
    let Two {
        a,
        b,
        server,
        folder: _folder,
    } = two().await;
    note(&a, "x").await;
    let long = vec![0xff; 100_000];
    let junk: [&[u8]; 5] = [
        b"\0\0\0\0",
        &long,
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ];
    for bytes in junk {
        let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
        // The server may have hung up before the last byte.
        let _ = stream.write_all(bytes).await;
        let _ = stream.shutdown().await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }
    for message in [
        Message::text("hello"),
        Message::binary(vec![]),
        Message::binary(vec![7; 48]),
        Message::binary(vec![7; NOISE_MESSAGE]),
        Message::binary(vec![7; NOISE_MESSAGE + 1]),
    ] {
        let mut socket = raw_socket(&server).await;
        let _ = socket.send(message).await;
        while let Some(Ok(_)) = socket.next().await {}
    }
    // After a handshake as it should be: frames that are no messages, and messages that are no frames.
    for frame in [&b""[..], &[0], &[0xff; 1_000]] {
        let mut device = RawDevice::dial(&server, 5).await;
        device.say(frame).await;
        while device.hear().await.is_some() {}
    }
    let mut device = RawDevice::dial(&server, 5).await;
    let _ = device.socket.send(Message::binary(vec![1; 100])).await;
    while device.hear().await.is_some() {}

    b.sync().again().await.unwrap();
    assert_equal(&a, &b).await;
    assert_eq!(a.status().await.unwrap().records, 1);
    server.stop().await;
    a.close().await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn a_flood_of_strangers_does_not_keep_a_member_out() {
    let Two {
        a,
        b,
        server,
        folder: _folder,
    } = two().await;
    note(&a, "x").await;
    let mut strangers = Vec::new();
    for _ in 0..300 {
        strangers.push(TcpStream::connect(server.local_addr()).await.unwrap());
    }
    b.sync().again().await.unwrap();
    assert_equal(&a, &b).await;
    // The oldest had to go, the newest is still waited for.
    let mut byte = [0];
    let gone = strangers[0].read(&mut byte).await;
    assert!(matches!(gone, Ok(0) | Err(_)), "{gone:?}");
    let newest = strangers.last().unwrap().try_read(&mut byte);
    assert_eq!(newest.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    server.stop().await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_server_stops_in_time_whatever_the_others_do() {
    let folder = scratch();
    let a = created(&folder.path().join("a"), "a").await;
    let server = a.sync().serve(LOOPBACK).await.unwrap();
    let address = server.local_addr();
    let silent = TcpStream::connect(address).await.unwrap();
    let half = raw_socket(&server).await;
    let finished = RawDevice::dial(&server, 8).await;
    let begun = Instant::now();
    server.stop().await;
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(5), "stopping took {took:?}");
    assert!(TcpStream::connect(address).await.is_err());
    drop((silent, half, finished));
    a.close().await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn a_database_that_closes_tells_its_peers() {
    let Two {
        a,
        b,
        server,
        folder: _folder,
    } = two().await;
    a.close().await.unwrap();
    let error = b.sync().again().await.unwrap_err();
    assert_eq!(
        (error.code(), error.retry()),
        ("shutting_down", true),
        "{error:?}"
    );
    server.stop().await;
    b.close().await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn a_dropped_server_stops_listening() {
    let folder = scratch();
    let a = created(&folder.path().join("a"), "a").await;
    let server = a.sync().serve(LOOPBACK).await.unwrap();
    let address = server.local_addr().to_string();
    drop(server);
    // The port is free as soon as the server's task has run.
    loop {
        match a.sync().serve(&address).await {
            Ok(server) => break server.stop().await,
            Err(error) => assert_eq!(error.code(), "port_in_use"),
        }
        tokio::task::yield_now().await;
    }
    a.close().await.unwrap();
}
