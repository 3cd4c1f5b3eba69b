//! [`Server`]: the side that listens.
//!
//! A connection is a stranger until its device has said something the replica accepts; of strangers at most
//! [`STRANGERS`] are kept, and a new one takes the place of the oldest. Whatever a connection sends, it costs
//! that connection only.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use driftless_engine::{SessionStart, Side, Wishes};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::Network;
use super::driver::{self, End};
use super::handshake;
use super::keeper::note;
use super::links::{Holding, Link};
use super::party::{News, ReplicaParty, Tell};
use super::state::{ConnectionStatus, Direction};
use super::transport::{ByteStream, Listener};
use crate::actor::Actor;
use crate::error::Error;
use crate::limits::{ACCEPT_AGAIN_AFTER, CLOSE_TIMEOUT, CONNECTIONS, STOP_TIMEOUT, STRANGERS};

/// Serves other devices until it is stopped; dropping it stops it too, without waiting.
///
/// A device that keeps its connection open hears at once of what is committed here, and the other way round.
#[derive(Debug)]
pub struct Server {
    local_addr: SocketAddr,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(
        actor: Actor,
        network: Network,
        address: &str,
    ) -> Result<Self, Error> {
        if network.links.is_suspended() {
            return Err(Error::suspended());
        }
        let plain = address.strip_prefix("ws://").unwrap_or(address);
        let plain = plain.strip_suffix('/').unwrap_or(plain);
        let listener = network
            .transport
            .listen(plain)
            .await
            .map_err(|error| Error::cannot_listen(address, error))?;
        let local_addr = listener.local_addr().map_err(Error::no_local_address)?;
        let (stop, stopped) = watch::channel(false);
        let host = Host {
            suspended: network.links.suspended(),
            _there: network.links.server(),
            actor,
            network,
            local_addr,
            strangers: Strangers::default(),
            stopped,
        };
        Ok(Self {
            local_addr,
            stop,
            accepting: tokio::spawn(host.serve(listener)),
        })
    }

    /// The address it listens on, with the port that was given out where 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// That address as other devices on this machine dial it: `ws://127.0.0.1:7717`.
    pub fn url(&self) -> String {
        format!("ws://{}", self.local_addr)
    }

    /// Takes no more connections, lets running sessions finish what they are at, and ends them.
    ///
    /// It takes less than five seconds, whatever the other sides do.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        // It ends by itself; one that panicked has ended too.
        let _ = self.accepting.await;
    }
}

/// What every connection needs.
struct Host {
    actor: Actor,
    network: Network,
    local_addr: SocketAddr,
    strangers: Strangers,
    stopped: watch::Receiver<bool>,
    suspended: watch::Receiver<bool>,
    _there: Holding,
}

impl Host {
    /// Listens whenever the database is not suspended, until the server is stopped.
    async fn serve(self, listener: Box<dyn Listener>) {
        let mut listener = Some(listener);
        loop {
            if let Some(listener) = listener.take() {
                self.accept_all(listener).await;
            }
            let (mut stopped, mut suspended) = (self.stopped.clone(), self.suspended.clone());
            tokio::select! {
                () = told(&mut stopped) => return,
                _ = suspended.wait_for(|suspended| !suspended) => {}
            }
            let address = self.local_addr.to_string();
            match self.network.transport.listen(&address).await {
                Ok(again) => listener = Some(again),
                Err(error) => {
                    tracing::warn!(%address, %error, "listening again is not possible yet");
                    tokio::select! {
                        () = told(&mut stopped) => return,
                        () = sleep(ACCEPT_AGAIN_AFTER) => {}
                    }
                }
            }
        }
    }

    /// Serves until the server is stopped or the database suspended.
    async fn accept_all(&self, listener: Box<dyn Listener>) {
        let listening = self.network.links.listening();
        let mut sessions = JoinSet::new();
        let mut ending = Ending::of(self);
        let mut number = 0_u64;
        loop {
            tokio::select! {
                () = ending.told() => break,
                Some(_) = sessions.join_next() => {}
                accepted = listener.accept() => match accepted {
                    Ok((stream, from)) => {
                        number += 1;
                        self.receive(&mut sessions, stream, from, number);
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        sleep(ACCEPT_AGAIN_AFTER).await;
                    }
                },
            }
        }
        drop(listener);
        drop(listening);
        self.strangers.drop_all();
        let ending = async { while sessions.join_next().await.is_some() {} };
        if timeout(STOP_TIMEOUT, ending).await.is_err() {
            sessions.shutdown().await;
        }
    }

    fn receive(
        &self,
        sessions: &mut JoinSet<()>,
        stream: ByteStream,
        from: SocketAddr,
        number: u64,
    ) {
        let room = self.strangers.make_room();
        if sessions.len() >= CONNECTIONS && !room {
            tracing::debug!(%from, "a connection too many");
            return;
        }
        let session = session(
            self.actor.clone(),
            self.network.clone(),
            stream,
            from,
            Ending::of(self),
            Known {
                strangers: self.strangers.clone(),
                number,
            },
        );
        self.strangers.add(number, || sessions.spawn(session));
    }
}

/// Why the connections of a server end.
#[derive(Clone)]
struct Ending {
    stopped: watch::Receiver<bool>,
    suspended: watch::Receiver<bool>,
}

impl Ending {
    fn of(host: &Host) -> Self {
        Self {
            stopped: host.stopped.clone(),
            suspended: host.suspended.clone(),
        }
    }

    /// Done when they have to end.
    async fn told(&mut self) {
        tokio::select! {
            () = told(&mut self.stopped) => {}
            () = told(&mut self.suspended) => {}
        }
    }
}

async fn told(flag: &mut watch::Receiver<bool>) {
    // An error means that whoever could tell is gone, which tells the same.
    let _ = flag.wait_for(|flag| *flag).await;
}

/// One connection, from its first byte to its last.
async fn session(
    actor: Actor,
    network: Network,
    stream: ByteStream,
    from: SocketAddr,
    mut ending: Ending,
    known: Known,
) {
    let _open = network.links.session();
    let secured = match handshake::accept(stream, &network.identity).await {
        Ok(secured) => secured,
        Err(error) => {
            tracing::debug!(%from, %error, "a connection came to nothing");
            return;
        }
    };
    let device = secured.peer.device;
    let start = SessionStart {
        side: Side::Listener,
        peer: device,
        handshake_hash: secured.peer.handshake_hash,
        // It stays as long as the other side wants it to.
        wishes: Wishes {
            live: true,
            ..Wishes::default()
        },
    };
    let mut status = ConnectionStatus::new(from.to_string(), Direction::Accepted);
    status.peer = Some(device);
    let tell = observer(&actor, &network, status);
    let mut party = match ReplicaParty::begin(&actor, start, tell).await {
        Ok(party) => party,
        Err(error) => {
            tracing::debug!(%from, %error, "no session could be opened");
            secured.socket.close(error.is_closed(), CLOSE_TIMEOUT).await;
            return;
        }
    };
    let stop = Box::pin(async move { ending.told().await });
    let served = move || known.leave();
    let driven = driver::drive(secured, &mut party, End::Listener, stop, served).await;
    match driven.result {
        Ok(summary) => tracing::info!(
            %from,
            %device,
            records_received = summary.records_received,
            records_sent = summary.records_sent,
            "synced"
        ),
        Err(error) => {
            tracing::debug!(%from, %device, code = error.code(), %error, "a session failed");
        }
    }
}

/// Keeps the status of an accepted connection; a stranger, with whom nothing is exchanged, gets none.
fn observer(actor: &Actor, network: &Network, status: ConnectionStatus) -> Tell {
    let (actor, links) = (actor.downgrade(), network.links.clone());
    let entry: Mutex<Option<Link>> = Mutex::default();
    Arc::new(move |news| {
        if matches!(news, News::Met(_)) {
            return;
        }
        let now = actor.upgrade().map_or(0, |actor| actor.now());
        let mut entry = entry.lock().unwrap_or_else(PoisonError::into_inner);
        let link = entry.get_or_insert_with(|| links.add(status.clone()));
        link.update(|status| note(status, news, true, now));
    })
}

/// Connections that have not shown who they are, oldest first.
#[derive(Clone, Default)]
struct Strangers {
    list: Arc<Mutex<VecDeque<(u64, AbortHandle)>>>,
}

impl Strangers {
    /// Makes room for one more; whether a connection had to go for it.
    fn make_room(&self) -> bool {
        let mut list = self.list();
        list.retain(|(_, handle)| !handle.is_finished());
        if list.len() < STRANGERS {
            return false;
        }
        if let Some((_, oldest)) = list.pop_front() {
            tracing::debug!("too many strangers: the oldest connection is dropped");
            oldest.abort();
        }
        true
    }

    /// Adds a connection; it cannot leave the list before it is in it.
    fn add(&self, number: u64, spawn: impl FnOnce() -> AbortHandle) {
        let mut list = self.list();
        list.push_back((number, spawn()));
    }

    fn drop_all(&self) {
        for (_, handle) in self.list().drain(..) {
            handle.abort();
        }
    }

    fn list(&self) -> std::sync::MutexGuard<'_, VecDeque<(u64, AbortHandle)>> {
        // A list of handles is whole after each of its operations, whoever panicked.
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of one connection among the strangers.
struct Known {
    strangers: Strangers,
    number: u64,
}

impl Known {
    fn leave(self) {
        self.strangers
            .list()
            .retain(|(number, _)| *number != self.number);
    }
}
