//! [`Keeper`]: the task that keeps one connection: it dials, waits after a failure, and dials again.
//!
//! Its invariant: it runs a session, or has a timer armed that leads to the next attempt, or is switched off;
//! in the first two cases its status says so, with the time of the next attempt.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use driftless_engine::{Millis, Wishes};
use driftless_protocol::{Class, Code};
use tokio::sync::watch;
use tokio::time::sleep;

use super::Network;
use super::address::Address;
use super::backoff::Backoff;
use super::client;
use super::connection::{ConnectOptions, SyncTrigger};
use super::links::Link;
use super::party::{News, Tell};
use super::state::{ConnectionState, ConnectionStatus, SyncStage};
use crate::actor::Actor;
use crate::error::Error;
use crate::limits::INTERVAL_SHORTEST;

/// Keeps one connection.
pub(crate) struct Keeper {
    pub(crate) actor: Actor,
    pub(crate) network: Network,
    pub(crate) address: Address,
    pub(crate) link: Arc<Link>,
    pub(crate) orders: Orders,
    pub(crate) backoff: Backoff,
}

/// What the outside wants of a connection; a copy sees as changed what has changed since it was made.
#[derive(Clone)]
pub(crate) struct Orders {
    pub(crate) options: watch::Receiver<ConnectOptions>,
    pub(crate) suspended: watch::Receiver<bool>,
    /// Changes when a wait should end.
    pub(crate) nudges: watch::Receiver<u64>,
    /// Changes when this device synced there without the keeper.
    pub(crate) synced: watch::Receiver<u64>,
}

impl Orders {
    /// Done when what was ordered does not hold any more, or the handle is gone.
    async fn changed(&mut self) {
        tokio::select! {
            _ = self.options.changed() => {}
            _ = self.suspended.changed() => {}
        }
    }
}

/// What to do next.
enum Next {
    /// Wait for other orders.
    Nothing,
    Session(ConnectOptions),
    End,
}

impl Keeper {
    /// Keeps the connection until it is told to stop, or the database is closed.
    pub(crate) async fn run(mut self) {
        loop {
            match self.next() {
                Next::End => break,
                Next::Nothing => {
                    self.link
                        .update(|status| status.enter(ConnectionState::Offline));
                    tokio::select! {
                        () = self.orders.changed() => {}
                        _ = self.actor.ended() => {}
                    }
                }
                Next::Session(options) => {
                    let mut orders = self.orders.clone();
                    let ended = self.session(options, orders.clone()).await;
                    if ended.as_ref().is_err_and(Error::is_closed) {
                        break;
                    }
                    if self.was_ordered() {
                        continue;
                    }
                    let wait = self.wait_after(ended, options);
                    self.wait(wait, &mut orders).await;
                }
            }
        }
        self.link
            .update(|status| status.enter(ConnectionState::Stopped));
    }

    /// What the orders are now; from here on, later ones count as changes.
    fn next(&mut self) -> Next {
        self.orders.nudges.mark_unchanged();
        self.orders.synced.mark_unchanged();
        let suspended = *self.orders.suspended.borrow_and_update();
        let options = *self.orders.options.borrow_and_update();
        // The handle has the sender: without it nobody can have other orders.
        if self.orders.options.has_changed().is_err() || self.actor.has_ended() {
            Next::End
        } else if suspended || options.trigger == SyncTrigger::Manual || !options.does_anything() {
            // What comes next is a fresh start, whatever failed before.
            self.backoff.reset();
            Next::Nothing
        } else {
            Next::Session(options)
        }
    }

    /// Whether there are orders that have not been looked at.
    fn was_ordered(&self) -> bool {
        // An error means that the handle is gone: an order as well.
        self.orders.options.has_changed().unwrap_or(true)
            || self.orders.suspended.has_changed().unwrap_or(true)
    }

    /// Runs one session, and resets the backoff if it came as far as having caught up.
    async fn session(&mut self, options: ConnectOptions, mut orders: Orders) -> Result<(), Error> {
        self.link
            .update(|status| status.enter(ConnectionState::Connecting));
        let live = options.trigger == SyncTrigger::OnWrite;
        let caught_up = Arc::new(AtomicBool::new(false));
        let observer = Observer {
            actor: self.actor.clone(),
            link: self.link.clone(),
            address: self.address.to_string(),
            live,
            caught_up: caught_up.clone(),
        };
        let tell = observer.tell();
        let ended = client::session(
            &self.actor,
            &self.network,
            &self.address,
            options.wishes(live),
            tell.clone(),
            async move { orders.changed().await },
        )
        .await;
        if ended.is_ok() && !live {
            tell(News::CaughtUp);
        }
        let caught_up = caught_up.load(Ordering::Acquire);
        count(&mut self.backoff, caught_up, ended.as_ref().err());
        ended.map(drop)
    }

    /// How long to wait for the next attempt, as the status says from now on.
    fn wait_after(&mut self, ended: Result<(), Error>, options: ConnectOptions) -> Duration {
        let random = self.network.draw();
        let error = ended.err();
        let wait = match (&error, options.trigger) {
            (None, SyncTrigger::Interval(interval)) => interval.max(INTERVAL_SHORTEST),
            // A live session that the other side ends in good order was none to it.
            (None, _) => self.backoff.after_failure(random, None),
            (Some(error), _) if error.retry() => {
                self.backoff.after_failure(random, error.retry_after())
            }
            (Some(_), _) => self.backoff.after_refusal(),
        };
        if let Some(error) = &error {
            tracing::debug!(address = %self.address, code = error.code(), %error, ?wait, "a connection ended");
        }
        let wait_ms = Millis::try_from(wait.as_millis()).unwrap_or(Millis::MAX);
        let until_ms = self.actor.now().saturating_add(wait_ms);
        let attempt = self.backoff.failures();
        self.link.update(|status| {
            status.state = match &error {
                Some(error)
                    if error.class() == Class::Authentication
                        || error.code() == Code::DeviceRemoved.as_str() =>
                {
                    ConnectionState::NeedsAuth
                }
                _ => ConnectionState::Waiting {
                    until_ms,
                    attempt,
                    reason: error.clone(),
                },
            };
            status.next_attempt_ms = Some(until_ms);
            status.last_error = error;
        });
        wait
    }

    /// Waits, unless there is a reason not to any more; `orders` are as they were before the session.
    async fn wait(&mut self, wait: Duration, orders: &mut Orders) {
        let mut until = Box::pin(sleep(wait));
        let Orders {
            options,
            suspended,
            nudges,
            synced,
        } = orders;
        loop {
            tokio::select! {
                () = &mut until => return,
                _ = options.changed() => return,
                _ = suspended.changed() => return,
                _ = self.actor.ended() => return,
                _ = nudges.changed() => return,
                Ok(()) = synced.changed() => {
                    let options = *options.borrow();
                    if !matches!(options.trigger, SyncTrigger::Interval(_)) {
                        // There is a way to the other device: no need to wait for it.
                        return;
                    }
                    self.backoff.reset();
                    until = Box::pin(sleep(self.wait_after(Ok(()), options)));
                }
            }
        }
    }
}

impl ConnectOptions {
    /// What a session with these options wishes.
    pub(crate) fn wishes(self, live: bool) -> Wishes {
        Wishes {
            live,
            push: self.push,
            pull: self.pull,
        }
    }
}

/// Keeps the status of a connection while a session runs.
pub(crate) struct Observer {
    pub(crate) actor: Actor,
    pub(crate) link: Arc<Link>,
    /// Where the other device is reached; remembered once both have had what there was.
    pub(crate) address: String,
    /// Whether the session goes on when both have what there was.
    pub(crate) live: bool,
    pub(crate) caught_up: Arc<AtomicBool>,
}

impl Observer {
    /// Is told the news of one session.
    pub(crate) fn tell(self) -> Tell {
        Arc::new(move |news| self.note(news))
    }

    fn note(&self, news: News) {
        if matches!(news, News::CaughtUp) && !self.caught_up.swap(true, Ordering::AcqRel) {
            self.remember();
        }
        let now = self.actor.now();
        self.link
            .update(|status| note(status, news, self.live, now));
    }

    fn remember(&self) {
        let Some(peer) = self.link.status().peer else {
            return;
        };
        let address = self.address.clone();
        self.actor.post(move |replica| {
            if let Err(error) = replica.remember_peer(peer, &address) {
                tracing::warn!(%error, "the address of a device is not remembered");
            }
        });
    }
}

/// Notes what a session told.
pub(crate) fn note(status: &mut ConnectionStatus, news: News, live: bool, now: Millis) {
    match news {
        News::Met(peer) => {
            status.peer = Some(peer);
            status.enter(ConnectionState::CatchingUp {
                done: 0,
                total: 0,
                stage: SyncStage::Comparing,
            });
        }
        // What comes and goes in a live session is no catching up.
        News::Progress(_) if status.state == ConnectionState::Live => {}
        News::Progress(progress) => {
            // What there is to receive is what the other device announced: any number.
            let done = progress
                .records_sent
                .saturating_add(progress.records_received);
            let total = progress
                .records_to_send
                .saturating_add(progress.records_to_receive);
            status.enter(ConnectionState::CatchingUp {
                done,
                total: total.max(done),
                stage: SyncStage::Transferring,
            });
        }
        News::CaughtUp => {
            if live {
                status.enter(ConnectionState::Live);
            }
            status.caught_up_ms = Some(now);
            status.last_error = None;
        }
    }
}

/// What a session that is over changes about the waits to come.
fn count(backoff: &mut Backoff, caught_up: bool, error: Option<&Error>) {
    if caught_up {
        backoff.reset();
    }
    if error.is_some_and(|error| error.code() == Code::Equivocation.as_str()) {
        // That a feed went on in two ways is written down, and the next session goes on without what is in dispute.
        backoff.shorten();
    }
}

#[cfg(test)]
mod tests {
    use driftless_engine::SyncProgress;

    use super::*;
    use crate::net::state::Direction;

    #[test]
    fn after_long_trouble_a_feed_that_is_found_to_be_split_is_gone_on_with_soon() {
        let mut backoff = Backoff::default();
        for _ in 0..12 {
            backoff.after_failure(0, None);
        }
        count(&mut backoff, false, Some(&Error::timeout("silence")));
        assert_eq!(backoff.failures(), 12);
        let split = Error::of_code(Code::Equivocation, None);
        count(&mut backoff, false, Some(&split));
        let wait = backoff.after_failure(u64::MAX, None);
        assert_eq!(wait, Duration::from_secs(8));
        count(&mut backoff, true, None);
        assert_eq!(backoff.failures(), 0);
    }

    #[test]
    fn a_device_may_announce_any_number_of_records() {
        let mut status = ConnectionStatus::new("ws://h:1".into(), Direction::Dialed);
        let progress = SyncProgress {
            records_sent: 2,
            records_received: 1,
            records_to_send: 7,
            records_to_receive: u64::MAX,
        };
        note(&mut status, News::Progress(progress), true, 0);
        let catching_up = ConnectionState::CatchingUp {
            done: 3,
            total: u64::MAX,
            stage: SyncStage::Transferring,
        };
        assert_eq!(status.state, catching_up);
    }
}
