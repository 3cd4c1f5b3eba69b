//! Catching up with every known device within a time: what a phone is given when it wakes a program.

use std::sync::Arc;
use std::time::Duration;

use driftless_engine::{Replica, Wishes};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::actor::Actor;
use crate::error::Error;
use crate::limits::{BUDGET_LONGEST, BUDGET_PEERS};
use crate::net::Network;
use crate::net::address::Address;
use crate::net::client;
use crate::net::connection::remembered;
use crate::net::party::quiet;
use crate::sync::SyncReport;

/// What came of catching up within a time.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct BudgetReport {
    /// The devices that have, and gave, everything.
    pub synced: Vec<SyncReport>,
    /// The devices with which that failed, by their addresses.
    pub failed: Vec<(String, Error)>,
    /// The addresses of the devices for which the time was too short; the next sync goes on there.
    pub unfinished: Vec<String>,
    /// Records with changes made here that no device has acknowledged as held.
    pub pending: u64,
}

impl BudgetReport {
    /// Whether every known device has, and gave, everything.
    pub fn is_complete(&self) -> bool {
        self.failed.is_empty() && self.unfinished.is_empty()
    }
}

/// How one device fared.
enum Fared {
    Synced(SyncReport),
    Failed(Error),
    Unfinished,
}

pub(crate) async fn run(
    actor: &Actor,
    network: &Network,
    budget: Duration,
) -> Result<BudgetReport, Error> {
    let budget = budget.min(BUDGET_LONGEST);
    let begun = Instant::now();
    let last = begun + budget;
    // What is left is for the goodbye: a session that ends politely saves the other side a timeout.
    let stop = begun + budget - budget / 20;
    let peers = actor.read(Replica::status).await?.peers;
    let addresses: Vec<String> = peers.into_iter().filter_map(|peer| peer.address).collect();
    let room = Arc::new(Semaphore::new(BUDGET_PEERS));
    let mut running = JoinSet::new();
    let mut left: Vec<String> = Vec::new();
    for address in addresses {
        if left.contains(&address) {
            continue;
        }
        left.push(address.clone());
        let (actor, network, room) = (actor.clone(), network.clone(), room.clone());
        running.spawn(async move {
            // Only a closed semaphore gives none, and this one is not closed.
            let _place = room.acquire_owned().await;
            let fared = one(&actor, &network, &address, stop).await;
            (address, fared)
        });
    }
    let mut report = BudgetReport {
        synced: Vec::new(),
        failed: Vec::new(),
        unfinished: Vec::new(),
        pending: 0,
    };
    while let Ok(Some(ended)) = timeout_at(last, running.join_next()).await {
        // One that panicked stays among those that are left.
        let Ok((address, fared)) = ended else {
            continue;
        };
        left.retain(|other| *other != address);
        match fared {
            Fared::Synced(synced) => report.synced.push(synced),
            Fared::Failed(error) => report.failed.push((address, error)),
            Fared::Unfinished => report.unfinished.push(address),
        }
    }
    drop(running);
    report.unfinished.extend(left);
    report.pending = actor.read(Replica::status).await?.pending;
    Ok(report)
}

async fn one(actor: &Actor, network: &Network, address: &str, stop: Instant) -> Fared {
    let address = match Address::parse(address) {
        Ok(address) => address,
        Err(error) => return Fared::Failed(error),
    };
    let tell = quiet(network.progress.clone());
    let wishes = Wishes::default();
    let stopped = sleep_until(stop);
    let synced = client::session(actor, network, &address, wishes, tell, stopped).await;
    let synced = match synced {
        Ok(synced) => remembered(actor, &address, synced).await,
        Err(error) => Err(error),
    };
    match synced {
        Ok(report) => Fared::Synced(report),
        Err(_) if Instant::now() >= stop => Fared::Unfinished,
        Err(error) => Fared::Failed(error),
    }
}
