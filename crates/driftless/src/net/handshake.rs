//! From a stream of bytes to a secure channel: the HTTP upgrade, then three Noise messages, within a deadline.

use std::future::Future;

use driftless_protocol::{Channel, Code, Handshake, NoiseError, PeerIdentity};
use tokio::time::timeout;

use super::Identity;
use super::address::Address;
use super::socket::{Received, Socket, SocketError};
use super::transport::ByteStream;
use crate::error::Error;
use crate::limits::HANDSHAKE_TIMEOUT;

/// A socket whose other end is known, and can read alone what is sent.
pub(crate) struct Secured {
    pub(crate) socket: Socket,
    pub(crate) channel: Channel,
    pub(crate) peer: PeerIdentity,
    /// Bytes that passed the stream up to the last Noise handshake message, both ways, upgrade included.
    pub(crate) handshake_bytes: u64,
}

/// Why there is no secure channel.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    #[error(transparent)]
    Socket(#[from] SocketError),
    #[error(transparent)]
    Noise(#[from] NoiseError),
    #[error("the other side closed the connection")]
    Closed { going_away: bool },
    #[error("the handshake was not over within {} s", HANDSHAKE_TIMEOUT.as_secs())]
    Late,
}

impl HandshakeError {
    /// What it means to whoever dialled.
    pub(crate) fn at(self, address: &Address) -> Error {
        match self {
            Self::Socket(SocketError::Foreign(reason)) => Error::not_driftless(address, reason),
            Self::Socket(SocketError::Io(error)) => {
                Error::connection_lost(error).at_address(address)
            }
            Self::Noise(error) => {
                Error::of_code(Code::HandshakeFailed, Some(&error.to_string())).at_address(address)
            }
            Self::Closed { going_away: true } => {
                Error::of_code(Code::ShuttingDown, None).at_address(address)
            }
            Self::Closed { going_away: false } => {
                Error::connection_lost(self.to_string()).at_address(address)
            }
            Self::Late => Error::timeout(self.to_string()).at_address(address),
        }
    }
}

/// The side that made the connection.
pub(crate) async fn dial(
    stream: ByteStream,
    address: &Address,
    identity: &Identity,
) -> Result<Secured, HandshakeError> {
    in_time(async {
        let mut socket = Socket::dial(stream, address).await?;
        let mut noise = Handshake::initiator(&identity.key, &mut *(identity.randomness)());
        socket.send(noise.write()?).await?;
        noise.read(&message(&mut socket).await?)?;
        socket.send(noise.write()?).await?;
        secured(socket, noise)
    })
    .await
}

/// The side that was called.
pub(crate) async fn accept(
    stream: ByteStream,
    identity: &Identity,
) -> Result<Secured, HandshakeError> {
    in_time(async {
        let mut socket = Socket::accept(stream).await?;
        let mut noise = Handshake::responder(&identity.key, &mut *(identity.randomness)());
        noise.read(&message(&mut socket).await?)?;
        socket.send(noise.write()?).await?;
        noise.read(&message(&mut socket).await?)?;
        secured(socket, noise)
    })
    .await
}

async fn in_time(
    handshake: impl Future<Output = Result<Secured, HandshakeError>>,
) -> Result<Secured, HandshakeError> {
    timeout(HANDSHAKE_TIMEOUT, handshake)
        .await
        .unwrap_or(Err(HandshakeError::Late))
}

fn secured(socket: Socket, noise: Handshake) -> Result<Secured, HandshakeError> {
    let (channel, peer) = noise.finish()?;
    Ok(Secured {
        handshake_bytes: socket.bytes().total(),
        socket,
        channel,
        peer,
    })
}

async fn message(socket: &mut Socket) -> Result<Vec<u8>, HandshakeError> {
    loop {
        match socket.receive().await? {
            Received::Message(message) => return Ok(message),
            Received::Alive { .. } => {}
            Received::Closed { going_away } => return Err(HandshakeError::Closed { going_away }),
        }
    }
}

#[cfg(test)]
mod tests;
