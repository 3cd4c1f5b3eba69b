//! A stream that counts what passes through it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that passed a socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bytes {
    /// Bytes the operating system took from us.
    pub(crate) sent: u64,
    /// Bytes it gave us.
    pub(crate) received: u64,
}

impl Bytes {
    /// Both directions together.
    pub(crate) fn total(self) -> u64 {
        self.sent + self.received
    }
}

/// Wraps a stream and counts its bytes in both directions.
#[derive(Debug)]
pub(crate) struct Counting<S> {
    stream: S,
    bytes: Bytes,
}

impl<S> Counting<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self {
            stream,
            bytes: Bytes::default(),
        }
    }

    /// What has passed so far.
    pub(crate) fn bytes(&self) -> Bytes {
        self.bytes
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counting<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        self.bytes.received += (buffer.filled().len() - before) as u64;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counting<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes))?;
        self.bytes.sent += written as u64;
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn both_directions_are_counted() {
        let (near, mut far) = tokio::io::duplex(64);
        let mut near = Counting::new(near);
        near.write_all(b"12345").await.expect("the pipe has room");
        far.write_all(b"123").await.expect("the pipe has room");
        let mut buffer = [0; 3];
        near.read_exact(&mut buffer)
            .await
            .expect("three bytes came");
        let expected = Bytes {
            sent: 5,
            received: 3,
        };
        assert_eq!(near.bytes(), expected);
        assert_eq!(near.bytes().total(), 8);
    }
}
