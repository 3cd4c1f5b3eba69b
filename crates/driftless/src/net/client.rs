//! The side that dials: one session, or one request to join.

use std::future::Future;

use driftless_engine::{Joiner, SessionStart, SessionSummary, Side, Wishes};
use driftless_protocol::{DeviceId, InviteLink, Record};
use tokio::time::timeout;

use super::Network;
use super::address::Address;
use super::counting::Bytes;
use super::driver::{self, End, Stop};
use super::handshake::{self, Secured};
use super::party::{News, ReplicaParty, Tell};
use crate::actor::Actor;
use crate::error::Error;
use crate::limits::CONNECT_TIMEOUT;

/// How a session went that came to its end.
pub(crate) struct Synced {
    pub(crate) peer: DeviceId,
    pub(crate) summary: SessionSummary,
    pub(crate) bytes: Bytes,
    pub(crate) handshake_bytes: u64,
}

/// Connects to a device and runs a session as it is wished, until it ends or `stop` is done.
///
/// What was stopped is an error like one of the network; whoever stopped it knows better.
pub(crate) async fn session(
    actor: &Actor,
    network: &Network,
    address: &Address,
    wishes: Wishes,
    tell: Tell,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<Synced, Error> {
    let _open = network.links.session();
    let mut stop: Stop = Box::pin(stop);
    let secured = tokio::select! {
        secured = connect(address, network) => secured?,
        () = &mut stop => return Err(Error::stopped()),
    };
    let (peer, handshake_bytes) = (secured.peer.device, secured.handshake_bytes);
    tell(News::Met(peer));
    let start = SessionStart {
        side: Side::Dialer,
        peer,
        handshake_hash: secured.peer.handshake_hash,
        wishes,
    };
    let mut party = ReplicaParty::begin(actor, start, tell).await?;
    let driven = driver::drive(secured, &mut party, End::Dialer, stop, || {}).await;
    let summary = driven.result.map_err(|error| error.at_address(address))?;
    Ok(Synced {
        peer,
        summary,
        bytes: driven.bytes,
        handshake_bytes,
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
    network: &Network,
    device_name: &str,
) -> Result<Welcome, JoinFailure> {
    let sure = |error| JoinFailure {
        error,
        in_doubt: false,
    };
    let address = Address::parse(&link.address).map_err(sure)?;
    let secured = connect(&address, network).await.map_err(sure)?;
    let peer = secured.peer;
    let key = &network.identity.key;
    let mut joiner = Joiner::new(link, key, device_name, &peer.handshake_hash);
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

async fn connect(address: &Address, network: &Network) -> Result<Secured, Error> {
    let (host, port) = address.host_and_port();
    let dialled = timeout(CONNECT_TIMEOUT, network.transport.dial(host, port)).await;
    let stream = match dialled {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(Error::unreachable(address, error)),
        Err(_) => {
            let seconds = CONNECT_TIMEOUT.as_secs();
            return Err(Error::unreachable_in_time(address, seconds));
        }
    };
    handshake::dial(stream, address, &network.identity)
        .await
        .map_err(|error| error.at(address))
}

/// Whoever dialled drops the whole when it does not want it any more.
fn never() -> Stop {
    Box::pin(std::future::pending())
}
