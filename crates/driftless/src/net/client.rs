//! The side that dials: one sync, or one request to join.

use driftless_engine::{Joiner, SessionStart, SessionSummary, Side, Wishes};
use driftless_protocol::{DeviceId, InviteLink, Record};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Identity;
use super::address::Address;
use super::counting::Bytes;
use super::driver::{self, End, Stop};
use super::handshake::{self, Secured};
use super::party::ReplicaParty;
use crate::actor::Actor;
use crate::error::Error;
use crate::limits::CONNECT_TIMEOUT;

/// How a sync went.
pub(crate) struct Synced {
    pub(crate) peer: DeviceId,
    pub(crate) summary: SessionSummary,
    pub(crate) bytes: Bytes,
    pub(crate) handshake_bytes: u64,
    /// The address in its plain form.
    pub(crate) address: String,
}

/// Connects to a device and syncs until both sides have everything.
pub(crate) async fn sync(
    actor: &Actor,
    identity: &Identity,
    address: &str,
) -> Result<Synced, Error> {
    let address = Address::parse(address)?;
    let secured = connect(&address, identity).await?;
    let start = SessionStart {
        side: Side::Dialer,
        peer: secured.peer.device,
        handshake_hash: secured.peer.handshake_hash,
        wishes: Wishes::default(),
    };
    let (peer, handshake_bytes) = (secured.peer.device, secured.handshake_bytes);
    let mut party = ReplicaParty::begin(actor, start, identity.progress.clone()).await?;
    let driven = driver::drive(secured, &mut party, End::Dialer, never(), || {}).await;
    let summary = driven.result.map_err(|error| error.at_address(&address))?;
    Ok(Synced {
        peer,
        summary,
        bytes: driven.bytes,
        handshake_bytes,
        address: address.to_string(),
    })
}

/// What a member gave to a device that joined.
pub(crate) struct Welcome {
    pub(crate) records: Vec<Record>,
    /// The member that answered, and where.
    pub(crate) peer: DeviceId,
    pub(crate) address: String,
}

/// Why joining failed, and whether the other side may have let us in all the same.
pub(crate) struct JoinFailure {
    pub(crate) error: Error,
    pub(crate) in_doubt: bool,
}

/// Connects to the device of an invitation and asks to be let in.
pub(crate) async fn join(
    link: &InviteLink,
    identity: &Identity,
    device_name: &str,
) -> Result<Welcome, JoinFailure> {
    let sure = |error| JoinFailure {
        error,
        in_doubt: false,
    };
    let address = Address::parse(&link.address).map_err(sure)?;
    let secured = connect(&address, identity).await.map_err(sure)?;
    let peer = secured.peer;
    let mut joiner = Joiner::new(link, &identity.key, device_name, &peer.handshake_hash);
    let driven = driver::drive(secured, &mut joiner, End::Dialer, never(), || {}).await;
    match driven.result {
        Ok(records) => Ok(Welcome {
            records,
            peer: peer.device,
            address: address.to_string(),
        }),
        Err(error) => Err(JoinFailure {
            // A connection that was lost may have carried our request, and lost the answer.
            in_doubt: error.retry(),
            error: error.at_address(&address),
        }),
    }
}

async fn connect(address: &Address, identity: &Identity) -> Result<Secured, Error> {
    let stream = match timeout(CONNECT_TIMEOUT, TcpStream::connect(address.host_and_port())).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(Error::unreachable(address, error)),
        Err(_) => {
            let seconds = CONNECT_TIMEOUT.as_secs();
            return Err(Error::unreachable_in_time(address, seconds));
        }
    };
    handshake::dial(stream, address, identity)
        .await
        .map_err(|error| error.at(address))
}

/// Whoever dialled drops the whole when it does not want it any more.
fn never() -> Stop {
    Box::pin(std::future::pending())
}
