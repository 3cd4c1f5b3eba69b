//! The network: how frames of the replica's sessions get from one device to another.
//!
//! `transport` gives streams of bytes, `socket` is one WebSocket over one of them whose bytes are counted,
//! `handshake` makes it a secure channel, `driver` moves frames between it and a session, `party` is that
//! session. `client` dials once, `keeper` keeps dialling with `backoff` between its attempts, `server` listens.
//! `links` knows all connections and `state` is what is known of each. None of them knows what a frame means.

pub(crate) mod address;
mod backoff;
pub(crate) mod client;
pub(crate) mod connection;
mod counting;
mod driver;
mod handshake;
mod keeper;
pub(crate) mod links;
pub(crate) mod party;
pub(crate) mod server;
mod socket;
pub(crate) mod state;
pub(crate) mod transport;

use std::sync::Arc;

use driftless_protocol::DeviceKey;

use crate::error::Error;
use crate::options::{Options, ProgressCallback, RandomnessFactory};
use links::Links;
use transport::Transport;

/// The plain form of a device's address, if the text is one.
pub(crate) fn checked_address(text: &str) -> Result<String, Error> {
    Ok(address::Address::parse(text)?.to_string())
}

/// Who we are on a socket.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) key: Arc<DeviceKey>,
    pub(crate) randomness: RandomnessFactory,
}

/// What every connection of a database needs.
#[derive(Clone)]
pub(crate) struct Network {
    pub(crate) identity: Identity,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) progress: Option<ProgressCallback>,
    pub(crate) links: Arc<Links>,
}

impl Network {
    pub(crate) fn new(key: DeviceKey, options: &Options) -> Self {
        Self {
            identity: Identity {
                key: Arc::new(key),
                randomness: options.randomness.clone(),
            },
            transport: options.transport.clone(),
            progress: options.progress.clone(),
            links: Arc::default(),
        }
    }

    /// A number, evenly drawn.
    fn draw(&self) -> u64 {
        let mut bytes = [0; 8];
        (self.identity.randomness)().fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }
}
