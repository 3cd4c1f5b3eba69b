//! [`StatusWatch`]: how a database and its connections stand, told whenever that changes.

use std::sync::Arc;

use driftless_engine::{Millis, Replica, StatusReport};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::actor::{Actor, WeakActor};
use crate::error::Error;
use crate::limits::STATUS_WINDOW;
use crate::net::links::Links;
use crate::net::state::ConnectionStatus;

/// How a database and its connections stand.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct DatabaseStatus {
    /// What it holds, what of that no other device has yet, and which devices it knows.
    pub report: StatusReport,
    /// Its connections, oldest first: the ones it makes, and the ones other devices made to it.
    pub connections: Vec<ConnectionStatus>,
    /// When the next attempt to connect comes by itself, in milliseconds since 1970.
    pub next_attempt_ms: Option<Millis>,
    /// Whether it is suspended.
    pub suspended: bool,
}

/// Tells how a database stands, now and whenever that changes; it keeps no database open.
///
/// What changes in quick succession is told together: at most ten times a second.
#[derive(Debug)]
pub struct StatusWatch {
    actor: WeakActor,
    links: Arc<Links>,
    groups: watch::Receiver<u64>,
    connections: watch::Receiver<u64>,
    /// Whether there may be something new; true at first, for the first answer is due at once.
    may_differ: bool,
    told: Option<DatabaseStatus>,
    looked: Option<Instant>,
}

impl StatusWatch {
    pub(crate) fn new(actor: &Actor, links: Arc<Links>) -> Self {
        Self {
            actor: actor.downgrade(),
            groups: actor.groups(),
            connections: links.changes(),
            links,
            may_differ: true,
            told: None,
            looked: None,
        }
    }

    /// How it stands, as soon as that differs from what this told before; the first time at once.
    ///
    /// An error says that the database was closed, or why it could not go on. Dropping the future loses nothing.
    pub async fn changed(&mut self) -> Result<DatabaseStatus, Error> {
        loop {
            if !self.may_differ {
                tokio::select! {
                    changed = self.groups.changed() => if changed.is_err() {
                        return Err(self.reason());
                    },
                    // The table is ours: it does not go away.
                    _ = self.connections.changed() => {}
                }
                self.may_differ = true;
            }
            if let Some(looked) = self.looked {
                sleep_until(looked + STATUS_WINDOW).await;
            }
            self.groups.mark_unchanged();
            self.connections.mark_unchanged();
            let actor = self.actor.upgrade()?;
            let now = read(&actor, &self.links).await?;
            self.looked = Some(Instant::now());
            self.may_differ = false;
            if self.told.as_ref() != Some(&now) {
                self.told = Some(now.clone());
                return Ok(now);
            }
        }
    }

    /// Why there is no more to tell.
    fn reason(&self) -> Error {
        self.actor
            .upgrade()
            .map_or_else(|closed| closed, |actor| actor.reason())
    }
}

/// How a database stands now.
pub(crate) async fn read(actor: &Actor, links: &Links) -> Result<DatabaseStatus, Error> {
    let report = actor.read(Replica::status).await?;
    let connections = links.all();
    let attempts = connections.iter().filter_map(|one| one.next_attempt_ms);
    Ok(DatabaseStatus {
        report,
        next_attempt_ms: attempts.min(),
        connections,
        suspended: links.is_suspended(),
    })
}
