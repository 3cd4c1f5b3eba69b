//! [`Server`]: the side that listens.
//!
//! A connection is a stranger until its device has said something the replica accepts; of strangers at most
//! [`STRANGERS`] are kept, and a new one takes the place of the oldest. Whatever a connection sends, it costs
//! that connection only.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use driftless_engine::{SessionStart, Side, Wishes};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::Identity;
use super::driver::{self, End};
use super::handshake;
use super::party::ReplicaParty;
use crate::actor::Actor;
use crate::error::Error;
use crate::limits::{ACCEPT_AGAIN_AFTER, CLOSE_TIMEOUT, CONNECTIONS, STOP_TIMEOUT, STRANGERS};

/// Serves other devices until it is stopped; dropping it stops it too, without waiting.
#[derive(Debug)]
pub struct Server {
    local_addr: SocketAddr,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(
        actor: Actor,
        identity: Identity,
        address: &str,
    ) -> Result<Self, Error> {
        let plain = address.strip_prefix("ws://").unwrap_or(address);
        let plain = plain.strip_suffix('/').unwrap_or(plain);
        let listener = TcpListener::bind(plain)
            .await
            .map_err(|error| Error::cannot_listen(address, error))?;
        let local_addr = listener.local_addr().map_err(Error::no_local_address)?;
        let (stop, stopped) = watch::channel(false);
        let host = Host {
            actor,
            identity,
            strangers: Strangers::default(),
            stopped,
        };
        Ok(Self {
            local_addr,
            stop,
            accepting: tokio::spawn(host.accept_all(listener)),
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
    identity: Identity,
    strangers: Strangers,
    stopped: watch::Receiver<bool>,
}

impl Host {
    async fn accept_all(self, listener: TcpListener) {
        let mut sessions = JoinSet::new();
        let mut stopped = self.stopped.clone();
        let mut number = 0_u64;
        loop {
            tokio::select! {
                () = told_to_stop(&mut stopped) => break,
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
        self.strangers.drop_all();
        let ending = async { while sessions.join_next().await.is_some() {} };
        if timeout(STOP_TIMEOUT, ending).await.is_err() {
            sessions.shutdown().await;
        }
    }

    fn receive(
        &self,
        sessions: &mut JoinSet<()>,
        stream: TcpStream,
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
            self.identity.clone(),
            stream,
            from,
            self.stopped.clone(),
            Known {
                strangers: self.strangers.clone(),
                number,
            },
        );
        self.strangers.add(number, || sessions.spawn(session));
    }
}

async fn told_to_stop(stopped: &mut watch::Receiver<bool>) {
    // An error means that the server was dropped, which tells the same.
    let _ = stopped.wait_for(|stop| *stop).await;
}

/// One connection, from its first byte to its last.
async fn session(
    actor: Actor,
    identity: Identity,
    stream: TcpStream,
    from: SocketAddr,
    mut stopped: watch::Receiver<bool>,
    known: Known,
) {
    let secured = match handshake::accept(stream, &identity).await {
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
        wishes: Wishes::default(),
    };
    let mut party = match ReplicaParty::begin(&actor, start, None).await {
        Ok(party) => party,
        Err(error) => {
            tracing::debug!(%from, %error, "no session could be opened");
            secured.socket.close(error.is_closed(), CLOSE_TIMEOUT).await;
            return;
        }
    };
    let stop = Box::pin(async move { told_to_stop(&mut stopped).await });
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
