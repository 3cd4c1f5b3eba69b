//! [`Connection`]: another device that this one keeps in touch with.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use driftless_protocol::Code;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::Network;
use super::address::Address;
use super::backoff::Backoff;
use super::client::{self, Synced};
use super::keeper::{Keeper, Observer, Orders};
use super::links::Link;
use super::party::{News, Tell, quiet};
use super::state::{ConnectionState, ConnectionStatus, Direction};
use crate::actor::Actor;
use crate::error::Error;
use crate::sync::SyncReport;

/// When a connection syncs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SyncTrigger {
    /// At every write, here and there: the session stays open. Writes in quick succession go together.
    #[default]
    OnWrite,
    /// So long after the last sync, at least a second; between them nothing is open.
    Interval(Duration),
    /// Only by [`Connection::sync_now`].
    Manual,
}

/// How a connection syncs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectOptions {
    /// When.
    pub trigger: SyncTrigger,
    /// Whether what the other device lacks is sent.
    pub push: bool,
    /// Whether what this device lacks is fetched.
    pub pull: bool,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            trigger: SyncTrigger::OnWrite,
            push: true,
            pull: true,
        }
    }
}

impl ConnectOptions {
    /// The defaults with another trigger.
    pub fn with_trigger(trigger: SyncTrigger) -> Self {
        Self {
            trigger,
            ..Self::default()
        }
    }

    pub(crate) fn does_anything(self) -> bool {
        self.push || self.pull
    }
}

/// A device that this one keeps in touch with, until it is stopped; dropping it stops it too, without waiting.
///
/// A connection that is lost is made again: after a wait that is drawn from at most half a second, and from
/// twice as much after each failure, up to five minutes. A refusal that only a person can lift is waited out
/// for five minutes. [`Connection::status`] says which, and when the next attempt comes.
#[derive(Debug)]
#[must_use = "a connection that is dropped is stopped"]
pub struct Connection {
    line: Line,
    /// The keeper stops when this is dropped.
    options: watch::Sender<ConnectOptions>,
    keeper: JoinHandle<()>,
}

/// What one sync of its own needs of a connection.
#[derive(Clone)]
pub(crate) struct Line {
    actor: Actor,
    network: Network,
    address: Address,
    link: Arc<Link>,
    /// Counts the syncs that the keeper did not make.
    synced: watch::Sender<u64>,
}

impl Connection {
    pub(crate) fn start(
        actor: Actor,
        network: Network,
        address: &str,
        options: ConnectOptions,
    ) -> Result<Self, Error> {
        let address = Address::parse(address)?;
        let status = ConnectionStatus::new(address.to_string(), Direction::Dialed);
        let link = Arc::new(network.links.add(status));
        let (options, ordered) = watch::channel(options);
        let (synced, told) = watch::channel(0);
        let keeper = Keeper {
            actor: actor.clone(),
            network: network.clone(),
            address: address.clone(),
            link: link.clone(),
            orders: Orders {
                options: ordered,
                suspended: network.links.suspended(),
                nudges: network.links.nudges(),
                synced: told,
            },
            backoff: Backoff::default(),
        };
        let line = Line {
            actor,
            network,
            address,
            link,
            synced,
        };
        Ok(Self {
            line,
            options,
            keeper: tokio::spawn(keeper.run()),
        })
    }

    /// How it stands.
    pub fn status(&self) -> ConnectionStatus {
        self.line.link.status()
    }

    /// How it syncs.
    pub fn options(&self) -> ConnectOptions {
        *self.options.borrow()
    }

    /// When it syncs, from now on.
    pub fn set_trigger(&self, trigger: SyncTrigger) {
        self.set(|options| options.trigger = trigger);
    }

    /// Whether it sends what the other device lacks, from now on.
    pub fn set_push(&self, push: bool) {
        self.set(|options| options.push = push);
    }

    /// Whether it fetches what this device lacks, from now on.
    pub fn set_pull(&self, pull: bool) {
        self.set(|options| options.pull = pull);
    }

    /// A session is begun anew where it was agreed otherwise.
    fn set(&self, change: impl FnOnce(&mut ConnectOptions)) {
        let changed = self.options.send_if_modified(|options| {
            let before = *options;
            change(options);
            *options != before
        });
        if changed {
            // What is open was agreed otherwise: it does not count any more.
            self.line.link.update(|status| {
                if let ConnectionState::Live | ConnectionState::CatchingUp { .. } = status.state {
                    status.enter(ConnectionState::Connecting);
                }
            });
        }
    }

    /// Syncs now, whatever the trigger is, until both sides have what the other had, as far as it is switched on.
    ///
    /// Beside a session that is open already it makes a second one, so that its success speaks for everything
    /// written before the call. A connection that waits for its next attempt makes it at once after a success.
    pub async fn sync_now(&self) -> Result<SyncReport, Error> {
        self.line.sync_now(self.options()).await
    }

    pub(crate) fn line(&self) -> &Line {
        &self.line
    }

    /// Ends the session politely, and makes no more.
    ///
    /// It takes less than five seconds, whatever the other side does.
    pub async fn stop(self) {
        let Self {
            options, keeper, ..
        } = self;
        drop(options);
        // It ends by itself; one that panicked has ended too.
        let _ = keeper.await;
    }
}

impl Line {
    pub(crate) async fn sync_now(&self, options: ConnectOptions) -> Result<SyncReport, Error> {
        if !options.does_anything() {
            return Err(Error::switched_off());
        }
        let manual = options.trigger == SyncTrigger::Manual;
        let tell = if manual {
            self.link
                .update(|status| status.enter(ConnectionState::Connecting));
            let observer = Observer {
                actor: self.actor.clone(),
                link: self.link.clone(),
                address: self.address.to_string(),
                live: false,
                caught_up: Arc::new(AtomicBool::new(false)),
            };
            observer.tell()
        } else {
            quiet(self.network.progress.clone())
        };
        let synced = once(&self.actor, &self.network, &self.address, options, tell).await;
        if manual {
            self.link.update(|status| {
                status.enter(ConnectionState::Offline);
                status.last_error = synced.as_ref().err().cloned();
            });
        }
        if synced.is_ok() {
            self.synced.send_modify(|synced| *synced += 1);
        }
        synced
    }
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// One sync of its own, unless the database is suspended, or is before it ends.
pub(crate) async fn once(
    actor: &Actor,
    network: &Network,
    address: &Address,
    options: ConnectOptions,
    tell: Tell,
) -> Result<SyncReport, Error> {
    if *network.links.suspended().borrow() {
        return Err(Error::suspended());
    }
    let wishes = options.wishes(false);
    let mut sessions = 1..=SESSIONS_PER_SYNC;
    let (mut records_sent, mut records_received) = (0, 0);
    loop {
        let mut suspended = network.links.suspended();
        let stop = async move {
            let _ = suspended.wait_for(|suspended| *suspended).await;
        };
        let is_last = sessions.next() == Some(SESSIONS_PER_SYNC);
        let synced = client::session(actor, network, address, wishes, tell.clone(), stop).await;
        match synced {
            // What was written again when it was over is to be sent too.
            Ok(synced) if synced.summary.reissued > 0 && !is_last => {
                records_sent += synced.summary.records_sent;
                records_received += synced.summary.records_received;
            }
            Ok(mut synced) => {
                synced.summary.records_sent += records_sent;
                synced.summary.records_received += records_received;
                tell(News::CaughtUp);
                return remembered(actor, address, synced).await;
            }
            Err(_) if network.links.is_suspended() => return Err(Error::suspended()),
            // That a feed went on in two ways is written down by now, and the next one goes on without it.
            Err(error) if error.code() == Code::Equivocation.as_str() && !is_last => {}
            Err(error) => return Err(error),
        }
    }
}

/// Sessions of one sync: one each to find that a feed went on in two ways on either side, to go on without it, and to send
/// what is written again.
const SESSIONS_PER_SYNC: u32 = 4;

/// Remembers where the device was reached, and says how the sync went.
pub(crate) async fn remembered(
    actor: &Actor,
    address: &Address,
    synced: Synced,
) -> Result<SyncReport, Error> {
    let address = address.to_string();
    let (peer, own) = (synced.peer, address.clone());
    actor
        .write(move |replica| replica.remember_peer(peer, &own))
        .await?;
    Ok(SyncReport {
        peer,
        address,
        records_sent: synced.summary.records_sent,
        records_received: synced.summary.records_received,
        bytes_sent: synced.bytes.sent,
        bytes_received: synced.bytes.received,
        handshake_bytes: synced.handshake_bytes,
        round_trips: synced.summary.round_trips,
    })
}
