//! Strangers that never finish a handshake, each in its own way; time runs ahead whenever nobody has anything to do.

use std::sync::Arc;
use std::time::Duration;

use driftless_protocol::DeviceKey;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::{Instant, sleep, timeout};

use super::*;
use crate::options::SystemRandomness;

/// What asks for a WebSocket, as any client says it.
const UPGRADE: &[u8] =
    b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
/// The head of a final binary frame of 48 bytes, masked with zeros.
const FRAME: &[u8] = &[0x82, 0xb0, 0, 0, 0, 0];

fn identity(seed: u8) -> Identity {
    Identity {
        key: Arc::new(DeviceKey::from_seed(&[seed; 32])),
        randomness: Arc::new(|| Box::new(SystemRandomness)),
    }
}

/// How a connection ends that says this, one piece a second, and then nothing, and when.
async fn ends(said: &[&[u8]]) -> (HandshakeError, Duration) {
    let (mut stranger, listener) = tokio::io::duplex(64 * 1024);
    let begun = Instant::now();
    let saying = async {
        for piece in said {
            // The listener may have hung up.
            let _ = stranger.write_all(piece).await;
            sleep(Duration::from_secs(1)).await;
        }
        std::future::pending::<()>().await;
    };
    let identity = identity(2);
    tokio::select! {
        accepted = accept(Box::new(listener), &identity) => match accepted {
            Ok(_) => panic!("that is no handshake"),
            Err(error) => (error, begun.elapsed()),
        },
        () = saying => unreachable!("it goes on for ever"),
    }
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn whoever_does_not_finish_a_handshake_is_dropped_after_five_seconds() {
    let bytes: Vec<&[u8]> = UPGRADE.chunks(1).collect();
    let slow_frame: Vec<&[u8]> = [UPGRADE, FRAME].into_iter().chain([&[7][..]; 40]).collect();
    let ping: &[u8] = &[0x89, 0x80, 0, 0, 0, 0];
    let pings: Vec<&[u8]> = [UPGRADE].into_iter().chain([ping; 100]).collect();
    let ways: [(&str, &[&[u8]]); 6] = [
        ("silence", &[]),
        ("a byte a second", &bytes),
        ("half of an upgrade", &[&UPGRADE[..40]]),
        ("an upgrade and nothing behind it", &[UPGRADE]),
        ("a message that comes a byte a second", &slow_frame),
        ("signs of life and no message", &pings),
    ];
    for (what, said) in ways {
        let (error, took) = ends(said).await;
        assert!(matches!(error, HandshakeError::Late), "{what}: {error}");
        assert_eq!(took.as_secs(), 5, "{what}");
    }
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn half_a_handshake_is_dropped_after_five_seconds() {
    let (stranger, listener) = tokio::io::duplex(64 * 1024);
    let begun = Instant::now();
    let answered = async {
        let address = Address::parse("ws://far:1").expect("an address");
        let mut socket = Socket::dial(Box::new(stranger), &address).await?;
        let own = identity(1);
        let mut noise = Handshake::initiator(&own.key, &mut SystemRandomness);
        socket.send(noise.write()?).await?;
        noise.read(&message(&mut socket).await?)?;
        // The third message, which would say who it is, never comes.
        Ok::<_, HandshakeError>(socket)
    };
    let own = identity(2);
    let (answered, accepted) = tokio::join!(answered, accept(Box::new(listener), &own));
    assert!(answered.is_ok(), "the first half was as it should be");
    assert!(matches!(accepted, Err(HandshakeError::Late)));
    assert_eq!(begun.elapsed().as_secs(), 5);
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn what_is_no_handshake_is_dropped_at_once() {
    let request: &[u8] = b"POST / HTTP/1.1\r\nContent-Length: 99999999999999\r\n\r\n";
    let junk = [0xa5; 4_096];
    let endless = [&b"GET / HTTP/1.1\r\nX-Long: "[..], &vec![b'a'; 1024 * 1024]].concat();
    let of_no_sense = [UPGRADE, FRAME, &[7; 48]].concat();
    for said in [request, &junk, &endless, &of_no_sense] {
        let (error, took) = ends(&[said]).await;
        assert!(!matches!(error, HandshakeError::Late), "{error}");
        assert_eq!(took.as_secs(), 0, "{error}");
    }
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_length_that_no_message_has_is_refused_before_its_first_byte() {
    for claimed in [65_536_u64, 1 << 24, 1 << 32, u64::MAX >> 1, u64::MAX] {
        let head = [&[0x82, 0xff][..], &claimed.to_be_bytes(), &[0; 4]].concat();
        let (error, took) = ends(&[UPGRADE, &head]).await;
        assert!(
            matches!(error, HandshakeError::Socket(SocketError::Foreign(_))),
            "{claimed}: {error}"
        );
        assert!(took.as_secs() < 5, "{claimed}: {took:?}");
    }
    // The longest one there may be is waited for.
    let head = [&[0x82, 0xfe, 0xff, 0xff][..], &[0; 4]].concat();
    let (error, _) = ends(&[UPGRADE, &head]).await;
    assert!(matches!(error, HandshakeError::Late), "{error}");
}

/// Reads what a listener says until it hangs up.
async fn answer(mut stranger: DuplexStream) -> Vec<u8> {
    let mut heard = Vec::new();
    let reading = stranger.read_to_end(&mut heard);
    timeout(Duration::from_secs(60), reading)
        .await
        .expect("it hangs up")
        .expect("a pipe can be read");
    heard
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_stranger_is_told_little() {
    let (mut stranger, listener) = tokio::io::duplex(64 * 1024);
    stranger.write_all(UPGRADE).await.expect("there is room");
    let own = identity(2);
    let (heard, _) = tokio::join!(answer(stranger), async {
        accept(Box::new(listener), &own).await.is_ok()
    });
    assert!(heard.starts_with(b"HTTP/1.1 101"));
    assert!(heard.len() < 256, "{} bytes", heard.len());
}
