//! [`Sync`]: bringing this device and others to the same state.

use driftless_engine::{PeerView, Replica};
use driftless_protocol::DeviceId;
use serde_json::{Value as Json, json};

use crate::actor::Actor;
use crate::error::Error;
use crate::net::server::Server;
use crate::net::{Identity, client};

/// Sync with other devices.
#[derive(Clone)]
pub struct Sync {
    actor: Actor,
    identity: Identity,
}

/// What a sync did and what it cost.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SyncReport {
    /// The device at the other end.
    pub peer: DeviceId,
    /// Where it was reached.
    pub address: String,
    /// Records sent that the other side now holds durably.
    pub records_sent: u64,
    /// Records received that are durable here.
    pub records_received: u64,
    /// Bytes sent on the TCP socket, HTTP upgrade and framing included.
    pub bytes_sent: u64,
    /// Bytes received on it.
    pub bytes_received: u64,
    /// Of both, what had passed with the last message of the handshake.
    pub handshake_bytes: u64,
    /// How often this side waited for an answer after the handshake.
    pub round_trips: u64,
}

impl SyncReport {
    /// `{records_sent, records_received, bytes_sent, bytes_received, handshake_bytes, round_trips}`.
    pub fn to_json(&self) -> Json {
        json!({
            "records_sent": self.records_sent,
            "records_received": self.records_received,
            "bytes_sent": self.bytes_sent,
            "bytes_received": self.bytes_received,
            "handshake_bytes": self.handshake_bytes,
            "round_trips": self.round_trips,
        })
    }
}

impl Sync {
    pub(crate) fn new(actor: Actor, identity: Identity) -> Self {
        Self { actor, identity }
    }

    /// Listens on `HOST:PORT` and serves every member that connects, until the server is stopped.
    ///
    /// With port 0 the operating system gives one: [`Server::local_addr`] says which. The database stays open
    /// while it is served.
    pub async fn serve(&self, address: &str) -> Result<Server, Error> {
        Server::start(self.actor.clone(), self.identity.clone(), address).await
    }

    /// Connects to the device at `ws://HOST:PORT` and syncs until both sides have everything the other had.
    ///
    /// The address is remembered. What arrived before a failure is kept, and the next sync goes on there.
    pub async fn once(&self, address: &str) -> Result<SyncReport, Error> {
        let synced = client::sync(&self.actor, &self.identity, address).await?;
        let (peer, remembered) = (synced.peer, synced.address.clone());
        self.actor
            .write(move |replica| replica.remember_peer(peer, &remembered))
            .await?;
        Ok(SyncReport {
            peer,
            address: synced.address,
            records_sent: synced.summary.records_sent,
            records_received: synced.summary.records_received,
            bytes_sent: synced.bytes.sent,
            bytes_received: synced.bytes.received,
            handshake_bytes: synced.handshake_bytes,
            round_trips: synced.summary.round_trips,
        })
    }

    /// Syncs with the device that was synced with last.
    pub async fn again(&self) -> Result<SyncReport, Error> {
        let address = self.last_address().await?.ok_or_else(Error::no_peer)?;
        self.once(&address).await
    }

    /// The address of the device that was synced with last, or that this device joined at.
    pub async fn last_address(&self) -> Result<Option<String>, Error> {
        let peers = self.peers().await?.into_iter();
        let reachable = peers.filter_map(|peer| Some((peer.last_sync_ms, peer.address?)));
        Ok(reachable.max().map(|(_, address)| address))
    }

    /// The devices this one has met.
    pub async fn peers(&self) -> Result<Vec<PeerView>, Error> {
        let status = self.actor.read(Replica::status).await?;
        Ok(status.peers)
    }
}

impl std::fmt::Debug for Sync {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sync").finish_non_exhaustive()
    }
}
