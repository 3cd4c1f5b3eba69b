//! Sockets: how frames of the replica's sessions get from one device to another.
//!
//! `socket` is one WebSocket whose bytes are counted, `handshake` makes it a secure channel, `driver` moves
//! frames between it and a session, `party` is that session, `client` dials and `server` listens. None of
//! them knows what a frame means.

mod address;
pub(crate) mod client;
mod counting;
mod driver;
mod handshake;
mod party;
pub(crate) mod server;
mod socket;

use std::sync::Arc;

use driftless_protocol::DeviceKey;

use crate::error::Error;
use crate::options::{Options, ProgressCallback, RandomnessFactory};

/// The plain form of a device's address, if the text is one.
pub(crate) fn checked_address(text: &str) -> Result<String, Error> {
    Ok(address::Address::parse(text)?.to_string())
}

/// Who we are on a socket.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) key: Arc<DeviceKey>,
    pub(crate) randomness: RandomnessFactory,
    pub(crate) progress: Option<ProgressCallback>,
}

impl Identity {
    pub(crate) fn new(key: DeviceKey, options: &Options) -> Self {
        Self {
            key: Arc::new(key),
            randomness: options.randomness.clone(),
            progress: options.progress.clone(),
        }
    }
}
