//! What one socket may hold, whatever the other side does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt as _;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

use super::*;

/// A stream that notes how much it was ever asked to read at once.
struct Asked {
    stream: DuplexStream,
    most: Arc<AtomicUsize>,
}

impl AsyncRead for Asked {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.most.fetch_max(buffer.remaining(), Ordering::AcqRel);
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Asked {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Two ends of a WebSocket; the second notes what it asks its stream for.
async fn two() -> (Socket, Socket, Arc<AtomicUsize>) {
    let (near, far) = tokio::io::duplex(256 * 1024);
    let most = Arc::new(AtomicUsize::new(0));
    let far = Asked {
        stream: far,
        most: most.clone(),
    };
    let address = Address::parse("ws://far:1").expect("an address");
    let (near, far) = tokio::join!(
        Socket::dial(Box::new(near), &address),
        Socket::accept(Box::new(far))
    );
    (near.expect("it dials"), far.expect("it accepts"), most)
}

#[tokio::test(flavor = "current_thread")]
async fn a_socket_reads_between_four_and_eight_kibibytes_at_once() {
    let (mut near, mut far, most) = two().await;
    for _ in 0..2 {
        near.send(vec![7; NOISE_MESSAGE]).await.expect("a message");
        let received = far.receive().await.expect("it came");
        assert_eq!(received, Received::Message(vec![7; NOISE_MESSAGE]));
    }
    let most = most.load(Ordering::Acquire);
    assert!((4 * 1024..=8 * 1024).contains(&most), "{most} bytes");
}

#[tokio::test(flavor = "current_thread")]
async fn what_the_network_does_not_take_is_held_up_to_a_bound() {
    let (near, mut far, _) = two().await;
    let before = far.bytes().sent;
    let mut held = 0;
    while far.send_failure.is_none() {
        assert!(held < 64 * 1024 * 1024, "it holds whatever it is given");
        far.start_send(vec![7; NOISE_MESSAGE]);
        held += NOISE_MESSAGE;
        // It is asked to go on, and cannot: nobody reads.
        let _ = std::future::poll_fn(|context| Poll::Ready(far.poll_flush(context))).now_or_never();
    }
    let taken = usize::try_from(far.bytes().sent - before).expect("a pipe is small");
    let held = held - taken;
    assert!(
        held <= WRITE_BUFFER_BYTES_MAX + 2 * NOISE_MESSAGE,
        "{held} bytes"
    );
    drop(near);
}
