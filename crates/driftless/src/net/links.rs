//! [`Links`]: every connection of a database, whether they may be open at all, and who wants to know.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::state::ConnectionStatus;

/// The connections of one database.
#[derive(Debug)]
pub(crate) struct Links {
    table: Mutex<BTreeMap<u64, Arc<Mutex<ConnectionStatus>>>>,
    /// Counts what happened to the table; its number names the next connection too.
    changes: watch::Sender<u64>,
    suspended: watch::Sender<bool>,
    /// Asks every connection that waits to try now.
    nudges: watch::Sender<u64>,
    /// What holds the network: sessions, and servers that listen.
    open: watch::Sender<Open>,
}

/// What is open now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Open {
    sessions: usize,
    /// Servers that were not stopped.
    servers: usize,
    /// Those of them that listen.
    listening: usize,
}

impl Default for Links {
    fn default() -> Self {
        Self {
            table: Mutex::default(),
            changes: watch::Sender::new(0),
            suspended: watch::Sender::new(false),
            nudges: watch::Sender::new(0),
            open: watch::Sender::new(Open::default()),
        }
    }
}

impl Links {
    /// Adds a connection.
    pub(crate) fn add(self: &Arc<Self>, status: ConnectionStatus) -> Link {
        let mut number = 0;
        self.changes.send_modify(|changes| {
            *changes += 1;
            number = *changes;
        });
        let status = Arc::new(Mutex::new(status));
        lock(&self.table).insert(number, status.clone());
        let link = Link {
            links: self.clone(),
            number,
            status,
        };
        self.note_change();
        link
    }

    /// Every connection, oldest first.
    pub(crate) fn all(&self) -> Vec<ConnectionStatus> {
        let table = lock(&self.table);
        table.values().map(|status| lock(status).clone()).collect()
    }

    /// Counts what happened to the connections.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Whether nothing may be open.
    pub(crate) fn suspended(&self) -> watch::Receiver<bool> {
        self.suspended.subscribe()
    }

    /// Whether nothing may be open, now.
    pub(crate) fn is_suspended(&self) -> bool {
        *self.suspended.borrow()
    }

    /// Asks that everything be closed, or opened again.
    pub(crate) fn suspend(&self, suspended: bool) {
        self.suspended.send_replace(suspended);
        self.note_change();
    }

    /// Changes when every connection that waits should try now.
    pub(crate) fn nudges(&self) -> watch::Receiver<u64> {
        self.nudges.subscribe()
    }

    /// Asks every connection that waits to try now.
    pub(crate) fn nudge(&self) {
        self.nudges.send_modify(|nudges| *nudges += 1);
    }

    /// A session is open until this is dropped.
    pub(crate) fn session(self: &Arc<Self>) -> Holding {
        Holding::new(self.clone(), |open| &mut open.sessions)
    }

    /// There is a server until this is dropped.
    pub(crate) fn server(self: &Arc<Self>) -> Holding {
        Holding::new(self.clone(), |open| &mut open.servers)
    }

    /// A server listens until this is dropped.
    pub(crate) fn listening(self: &Arc<Self>) -> Holding {
        Holding::new(self.clone(), |open| &mut open.listening)
    }

    /// Waits until no session is open and nobody listens; false if that takes longer than `patience`.
    pub(crate) async fn all_closed(&self, patience: Duration) -> bool {
        self.reached(patience, |open| open.sessions == 0 && open.listening == 0)
            .await
    }

    /// Waits until every server listens; false if that takes longer than `patience`.
    pub(crate) async fn all_listening(&self, patience: Duration) -> bool {
        self.reached(patience, |open| open.listening >= open.servers)
            .await
    }

    async fn reached(&self, patience: Duration, condition: impl Fn(&Open) -> bool) -> bool {
        let mut open = self.open.subscribe();
        let reached = open.wait_for(condition);
        matches!(timeout(patience, reached).await, Ok(Ok(_)))
    }

    fn note_change(&self) {
        self.changes.send_modify(|changes| *changes += 1);
    }
}

/// What is behind these locks is whole after each operation, whoever panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The entry of one connection; it leaves the table when this is dropped.
#[derive(Debug)]
pub(crate) struct Link {
    links: Arc<Links>,
    number: u64,
    status: Arc<Mutex<ConnectionStatus>>,
}

impl Link {
    /// Changes what is known of the connection.
    pub(crate) fn update(&self, change: impl FnOnce(&mut ConnectionStatus)) {
        let mut status = lock(&self.status);
        let before = status.clone();
        change(&mut status);
        let changed = *status != before;
        drop(status);
        if changed {
            self.links.note_change();
        }
    }

    /// What is known of the connection.
    pub(crate) fn status(&self) -> ConnectionStatus {
        lock(&self.status).clone()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        lock(&self.links.table).remove(&self.number);
        self.links.note_change();
    }
}

/// Something that holds the network until it is dropped.
#[derive(Debug)]
pub(crate) struct Holding {
    links: Arc<Links>,
    count: fn(&mut Open) -> &mut usize,
}

impl Holding {
    fn new(links: Arc<Links>, count: fn(&mut Open) -> &mut usize) -> Self {
        links.open.send_modify(|open| *count(open) += 1);
        Self { links, count }
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        let count = self.count;
        self.links.open.send_modify(|open| *count(open) -= 1);
    }
}
