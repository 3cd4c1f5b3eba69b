//! [`Sync`]: bringing this device and others to the same state.

use std::time::Duration;

use driftless_engine::{PeerView, Replica};
use driftless_protocol::DeviceId;
use serde_json::{Value as Json, json};

use crate::actor::Actor;
use crate::error::Error;
use crate::net::Network;
use crate::net::address::Address;
use crate::net::connection::{self, ConnectOptions, Connection};
use crate::net::party::quiet;
use crate::net::server::Server;
use crate::net::state::ConnectionStatus;
use crate::sync_for::{self, BudgetReport};

/// Sync with other devices.
#[derive(Clone)]
pub struct Sync {
    actor: Actor,
    network: Network,
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
    pub(crate) fn new(actor: Actor, network: Network) -> Self {
        Self { actor, network }
    }

    /// Listens on `HOST:PORT` and serves every member that connects, until the server is stopped.
    ///
    /// With port 0 the operating system gives one: [`Server::local_addr`] says which. The database stays open
    /// while it is served.
    pub async fn serve(&self, address: &str) -> Result<Server, Error> {
        Server::start(self.actor.clone(), self.network.clone(), address).await
    }

    /// Whether a text is the address of a device, `ws://HOST:PORT`; an error of kind `Usage` says what is wrong with it.
    ///
    /// For programs with long work to do before they sync.
    pub fn check_address(address: &str) -> Result<(), Error> {
        Address::parse(address).map(|_| ())
    }

    /// Connects to the device at `ws://HOST:PORT` and syncs until both sides have everything the other had.
    ///
    /// The address is remembered. What arrived before a failure is kept, and the next sync goes on there.
    pub async fn once(&self, address: &str) -> Result<SyncReport, Error> {
        let address = Address::parse(address)?;
        let options = ConnectOptions::default();
        let tell = quiet(self.network.progress.clone());
        connection::once(&self.actor, &self.network, &address, options, tell).await
    }

    /// Keeps in touch with the device at `ws://HOST:PORT`: what is written on either side arrives at once.
    ///
    /// It waits for no network: [`Connection::status`] says how the connection stands, which is made again
    /// whenever it is lost. A database may have any number of them, and serve too.
    pub async fn connect(&self, address: &str) -> Result<Connection, Error> {
        self.connect_with(address, ConnectOptions::default()).await
    }

    /// Keeps in touch with a device as the options say: at intervals, when asked, in one direction.
    pub async fn connect_with(
        &self,
        address: &str,
        options: ConnectOptions,
    ) -> Result<Connection, Error> {
        // A closed database keeps in touch with nobody.
        self.actor.read(|_| Ok(())).await?;
        Connection::start(self.actor.clone(), self.network.clone(), address, options)
    }

    /// Every connection, oldest first: the ones this device makes, and the ones others made to it.
    pub fn connections(&self) -> Vec<ConnectionStatus> {
        self.network.links.all()
    }

    /// Has every connection that waits for its next attempt make it now: the network is back.
    pub fn retry_now(&self) {
        self.network.links.nudge();
    }

    /// Catches up with every device whose address is known, and returns when that is done or the time is over.
    ///
    /// It returns within 110 % of `budget`, and says what is left: what came until then is kept, and the next
    /// sync goes on there. It works on a suspended database as well.
    pub async fn sync_for(&self, budget: Duration) -> Result<BudgetReport, Error> {
        sync_for::run(&self.actor, &self.network, budget).await
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
