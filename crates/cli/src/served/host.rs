//! [`Host`]: the side that holds the folder. It accepts clients, and ends them when it is to end.

use std::path::Path;
use std::sync::Arc;

use driftless::Database;
use tokio::net::UnixListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::limits::{ACCEPT_AGAIN_AFTER, COMMANDS, CUT_OFF_AFTER, END_WITHIN};
use super::place::{self, Place};
use super::session::{self, Shared};
use super::wire::Hello;

/// Carries out the commands of other processes until it is stopped; dropping it stops it too, without waiting.
pub(crate) struct Host {
    phase: watch::Sender<Phase>,
    accepting: JoinHandle<()>,
}

/// How far the end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Commands come and go.
    Open,
    /// Those that are there are asked to end.
    Asked,
    /// Those that are still there are dropped.
    Over,
}

impl Host {
    /// Listens in the folder of a database that this process holds.
    pub(crate) fn start(database: &Database, dir: &Path) -> std::io::Result<Self> {
        let folder = place::identity(dir)?;
        let (place, listener) = Place::listen(dir)?;
        let (phase, phases) = watch::channel(Phase::Open);
        let shared = Shared {
            database: database.clone(),
            hello: Hello::of(folder),
            commands: Arc::new(Semaphore::new(COMMANDS)),
            phase: phases,
        };
        Ok(Self {
            phase,
            accepting: tokio::spawn(accept_all(shared, place, listener)),
        })
    }

    /// Takes no more commands, asks those that run to end, and drops those that do not; within three seconds.
    pub(crate) async fn stop(self) {
        let Self {
            phase,
            mut accepting,
        } = self;
        for (next, within) in [(Phase::Asked, END_WITHIN), (Phase::Over, CUT_OFF_AFTER)] {
            phase.send_replace(next);
            // One that panicked has ended too.
            if timeout(within, &mut accepting).await.is_ok() {
                return;
            }
        }
        accepting.abort();
    }
}

/// Returns when the end is as far as this; a host that was dropped is at its end.
pub(super) async fn reached(phase: &mut watch::Receiver<Phase>, wanted: Phase) {
    let _ = phase.wait_for(|phase| *phase >= wanted).await;
}

async fn accept_all(shared: Shared, place: Place, listener: UnixListener) {
    let mut sessions = JoinSet::new();
    let mut phase = shared.phase.clone();
    loop {
        tokio::select! {
            () = reached(&mut phase, Phase::Asked) => break,
            Some(_) = sessions.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    sessions.spawn(session::run(stream, shared.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "a command could not be accepted");
                    sleep(ACCEPT_AGAIN_AFTER).await;
                }
            },
        }
    }
    drop(place);
    drop(listener);
    while sessions.join_next().await.is_some() {}
}
