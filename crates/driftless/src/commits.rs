//! [`Commits`]: being told that something was committed, without asking again and again.

use tokio::sync::watch;

use crate::actor::Actor;
use crate::error::Error;

/// Tells when something was committed or received; [`Database::changes_since`](crate::Database::changes_since) says
/// what.
///
/// Commits that nobody waited for are told as one. It holds the database open as any handle does.
pub struct Commits {
    actor: Actor,
    seen: watch::Receiver<u64>,
}

impl Commits {
    pub(crate) fn new(actor: Actor) -> Self {
        let seen = actor.commits();
        Self { actor, seen }
    }

    /// Waits until something was committed after the last call, or, the first time, after this was made.
    ///
    /// Fails when the database is closed. Nothing is missed when the future is dropped.
    pub async fn next(&mut self) -> Result<(), Error> {
        tokio::select! {
            biased;
            committed = self.seen.changed() => committed.map_err(|_| Error::closed()),
            reason = self.actor.ended() => Err(reason),
        }
    }
}

impl std::fmt::Debug for Commits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Commits").finish_non_exhaustive()
    }
}
