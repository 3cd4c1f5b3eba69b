//! One WebSocket: binary messages, each one Noise message, over a stream whose bytes are counted.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use driftless_protocol::limits::NOISE_MESSAGE;
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::error::Error as WsError;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};

use super::address::Address;
use super::counting::{Bytes, Counting};
use super::transport::ByteStream;
use crate::limits::{READ_BUFFER_BYTES, WRITE_BUFFER_BYTES_MAX};

/// A WebSocket between two devices.
pub(crate) struct Socket {
    stream: WebSocketStream<Counting<ByteStream>>,
    /// Whether the stream may hold bytes that the operating system has not.
    unflushed: bool,
    /// Why nothing can be sent any more; what the peer said before may still be read.
    send_failure: Option<SocketError>,
}

/// What a peer put on the socket.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// One Noise message.
    Message(Vec<u8>),
    /// A sign of life without content.
    Alive {
        /// Whether this side has answered it by itself.
        answered: bool,
    },
    /// The end; nothing follows.
    Closed {
        /// Whether the peer said that it is going down.
        going_away: bool,
    },
}

/// Why a socket is of no use any more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SocketError {
    /// The network broke.
    #[error("the connection broke: {0}")]
    Io(#[source] io::Error),
    /// What came is no WebSocket of ours.
    #[error("the other side does not speak the protocol: {0}")]
    Foreign(String),
}

impl From<WsError> for SocketError {
    fn from(error: WsError) -> Self {
        match error {
            WsError::Io(error) => Self::Io(error),
            WsError::ConnectionClosed | WsError::AlreadyClosed => {
                Self::Io(io::ErrorKind::ConnectionAborted.into())
            }
            // The peer's process died, or cut us off: the TCP connection ended between two messages.
            WsError::Protocol(
                tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
            ) => Self::Io(io::ErrorKind::ConnectionReset.into()),
            other => Self::Foreign(other.to_string()),
        }
    }
}

impl Socket {
    /// Upgrades a connection that we made.
    pub(crate) async fn dial(stream: ByteStream, address: &Address) -> Result<Self, SocketError> {
        let stream = Counting::new(stream);
        let request = format!("{address}/");
        let (stream, _) =
            tokio_tungstenite::client_async_with_config(request, stream, Some(configuration()))
                .await?;
        Ok(Self::over(stream))
    }

    /// Upgrades a connection that was made to us.
    pub(crate) async fn accept(stream: ByteStream) -> Result<Self, SocketError> {
        let stream = Counting::new(stream);
        let stream =
            tokio_tungstenite::accept_async_with_config(stream, Some(configuration())).await?;
        Ok(Self::over(stream))
    }

    fn over(stream: WebSocketStream<Counting<ByteStream>>) -> Self {
        Self {
            stream,
            unflushed: false,
            send_failure: None,
        }
    }

    /// What has passed the stream so far.
    pub(crate) fn bytes(&self) -> Bytes {
        self.stream.get_ref().bytes()
    }

    /// Sends one message and waits until the operating system has it.
    pub(crate) async fn send(&mut self, message: Vec<u8>) -> Result<(), SocketError> {
        Ok(self.stream.send(Message::binary(message)).await?)
    }

    /// Waits for the next message, or the end.
    pub(crate) async fn receive(&mut self) -> Result<Received, SocketError> {
        std::future::poll_fn(|context| self.poll_receive(context)).await
    }

    /// The next thing the peer sent; after an error or the end it must not be asked again.
    pub(crate) fn poll_receive(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Received, SocketError>> {
        Pin::new(&mut self.stream)
            .poll_next(context)
            .map(|message| match message {
                None => Ok(Received::Closed { going_away: false }),
                Some(Ok(Message::Binary(bytes))) => Ok(Received::Message(bytes.into())),
                Some(Ok(Message::Ping(_))) => Ok(Received::Alive { answered: true }),
                Some(Ok(Message::Pong(_))) => Ok(Received::Alive { answered: false }),
                Some(Ok(Message::Close(frame))) => Ok(Received::Closed {
                    going_away: frame.is_some_and(|frame| frame.code == CloseCode::Away),
                }),
                Some(Ok(Message::Text(_) | Message::Frame(_))) => {
                    Err(SocketError::Foreign("a text message".to_owned()))
                }
                Some(Err(error)) => Err(self.send_failure.take().unwrap_or_else(|| error.into())),
            })
    }

    /// Whether the socket takes another message now; if not, the context is woken when it may.
    ///
    /// A socket on which sending failed takes everything and forgets it: reading says what happened.
    pub(crate) fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.send_failure.is_some() {
            return Poll::Ready(());
        }
        let ready = std::task::ready!(Pin::new(&mut self.stream).poll_ready(context));
        self.note(ready);
        Poll::Ready(())
    }

    /// Hands over a message; only after [`Socket::poll_ready`] said so.
    pub(crate) fn start_send(&mut self, message: Vec<u8>) {
        self.start(Message::binary(message));
    }

    /// Hands over a sign of life; only after [`Socket::poll_ready`] said so.
    pub(crate) fn start_heartbeat(&mut self) {
        self.start(Message::Ping(Vec::new().into()));
    }

    /// Drives what was handed over towards the network; ready when the operating system has all of it.
    pub(crate) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if !self.unflushed || self.send_failure.is_some() {
            return Poll::Ready(());
        }
        let flushed = std::task::ready!(Pin::new(&mut self.stream).poll_flush(context));
        self.unflushed = false;
        self.note(flushed);
        Poll::Ready(())
    }

    /// Whether something was handed over that the operating system may not have taken.
    pub(crate) fn is_unflushed(&self) -> bool {
        self.unflushed
    }

    fn start(&mut self, message: Message) {
        if self.send_failure.is_none() {
            let started = Pin::new(&mut self.stream).start_send(message);
            self.unflushed = true;
            self.note(started);
        }
    }

    fn note(&mut self, sent: Result<(), WsError>) {
        if let Err(error) = sent {
            self.send_failure = Some(error.into());
        }
    }

    /// Says that this side is done, and waits a while for the other side to say so too.
    ///
    /// Returns what has passed the socket in all. What the peer still sends is read and forgotten: closing
    /// with unread bytes would make the operating system cut off what we sent last.
    pub(crate) async fn close(mut self, going_away: bool, patience: Duration) -> Bytes {
        let frame = going_away.then(|| CloseFrame {
            code: CloseCode::Away,
            reason: "shutting down".into(),
        });
        let closing = async {
            // An error here means that the socket is closed already.
            let _ = self.stream.close(frame).await;
            self.drain().await;
        };
        let _ = tokio::time::timeout(patience, closing).await;
        self.bytes()
    }

    /// Waits a while for the other side to say that it is done, and answers that.
    pub(crate) async fn wait_for_close(mut self, patience: Duration) -> Bytes {
        if tokio::time::timeout(patience, self.drain()).await.is_err() {
            return self.close(false, Duration::ZERO).await;
        }
        self.bytes()
    }

    async fn drain(&mut self) {
        while let Some(Ok(_)) = self.stream.next().await {}
    }
}

fn configuration() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_BUFFER_BYTES_MAX)
        .max_message_size(Some(NOISE_MESSAGE))
        .max_frame_size(Some(NOISE_MESSAGE))
}

#[cfg(test)]
mod tests;
