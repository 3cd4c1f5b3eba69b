//! [`Listeners`]: who is told when a group of jobs is durable.
//!
//! Sessions that have something to send now are woken, commits that wait for another device are answered, and
//! whoever watches the status learns that it may have changed. All of it happens on the replica's thread, after
//! the commit and the answers of the group; nothing here waits.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use driftless_engine::{Replica, SessionId};
use futures_util::task::AtomicWaker;
use tokio::sync::{oneshot, watch};

use crate::limits::WAITING_SWEPT;

/// Something about other devices that may come to pass: asked again whenever more is known of them.
pub(crate) type Condition = Box<dyn FnMut(&Replica) -> bool + Send>;

/// Whoever is told of what a group brought.
pub(crate) struct Listeners {
    sessions: Mutex<BTreeMap<SessionId, Arc<Wake>>>,
    waiting: Mutex<Waiting>,
    /// Counts groups; gone when the thread has ended.
    groups: Mutex<Option<watch::Sender<u64>>>,
}

/// Who waits for another device.
#[derive(Default)]
struct Waiting {
    list: Vec<(Condition, oneshot::Sender<()>)>,
    /// The news of peers up to which they were asked.
    asked_at: u64,
    /// How long the list may become before whoever does not wait any more is looked for.
    swept_above: usize,
}

impl Listeners {
    pub(super) fn new() -> (Arc<Self>, watch::Receiver<u64>) {
        let (groups, counted) = watch::channel(0);
        let listeners = Self {
            sessions: Mutex::default(),
            waiting: Mutex::default(),
            groups: Mutex::new(Some(groups)),
        };
        (Arc::new(listeners), counted)
    }

    /// Makes what wakes the driver of a session.
    pub(crate) fn add_session(&self, id: SessionId) -> Arc<Wake> {
        let wake = Arc::new(Wake::default());
        lock(&self.sessions).insert(id, wake.clone());
        wake
    }

    /// Forgets a session.
    pub(crate) fn remove_session(&self, id: SessionId) {
        lock(&self.sessions).remove(&id);
    }

    /// Answers when `condition` holds; called on the replica's thread, so that nothing happens in between.
    ///
    /// The answer is dropped when the thread ends, and the condition when nobody waits any more.
    pub(crate) fn when(
        &self,
        replica: &Replica,
        mut condition: Condition,
        answer: oneshot::Sender<()>,
    ) {
        if condition(replica) {
            let _ = answer.send(());
        } else {
            lock(&self.waiting).add(condition, answer);
        }
    }

    /// Tells whoever a group that is durable now concerns.
    pub(super) fn after_group(&self, replica: &mut Replica) {
        let awakened = replica.take_awakened();
        if !awakened.is_empty() {
            let sessions = lock(&self.sessions);
            for wake in awakened.iter().filter_map(|id| sessions.get(id)) {
                wake.wake();
            }
        }
        lock(&self.waiting).ask(replica);
        if let Some(groups) = &*lock(&self.groups) {
            groups.send_modify(|groups| *groups += 1);
        }
    }

    /// Tells everybody that there will be no more groups.
    pub(super) fn end(&self) {
        lock(&self.waiting).list.clear();
        lock(&self.groups).take();
        // Each driver asks its session for more, and hears that there is none.
        for wake in lock(&self.sessions).values() {
            wake.wake();
        }
    }
}

impl Waiting {
    /// Adds one. Without news nobody is asked, for as long as there is no network: who gave up waiting goes here.
    fn add(&mut self, condition: Condition, answer: oneshot::Sender<()>) {
        if self.list.len() >= self.swept_above {
            self.list.retain(|(_, answer)| !answer.is_closed());
            self.swept_above = (2 * self.list.len()).max(WAITING_SWEPT);
        }
        self.list.push((condition, answer));
    }

    /// Answers whoever does not have to wait any more.
    fn ask(&mut self, replica: &Replica) {
        let news = replica.peer_news();
        if self.asked_at == news {
            return;
        }
        self.asked_at = news;
        let asked = std::mem::take(&mut self.list).into_iter();
        self.list = asked
            .filter_map(|(mut condition, answer)| {
                if answer.is_closed() {
                    return None;
                }
                if condition(replica) {
                    let _ = answer.send(());
                    return None;
                }
                Some((condition, answer))
            })
            .collect();
    }
}

/// What is behind these locks is whole after each operation, whoever panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Wakes the driver of a session; being woken twice before it looks is being woken once.
#[derive(Debug, Default)]
pub(crate) struct Wake {
    woken: AtomicBool,
    waker: AtomicWaker,
}

impl Wake {
    /// Wakes it.
    pub(crate) fn wake(&self) {
        self.woken.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Whether it was woken since this was last ready; if not, the context is woken when it is.
    pub(crate) fn poll(&self, context: &mut Context<'_>) -> Poll<()> {
        self.waker.register(context.waker());
        if self.woken.swap(false, Ordering::AcqRel) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_gave_up_waiting_takes_no_room_for_ever() {
        let mut waiting = Waiting::default();
        let (answer, _patient) = oneshot::channel();
        waiting.add(Box::new(|_| false), answer);
        for _ in 0..10_000 {
            let (answer, gone) = oneshot::channel();
            drop(gone);
            waiting.add(Box::new(|_| false), answer);
        }
        assert!(waiting.list.len() <= WAITING_SWEPT + 1);
        let patient = waiting
            .list
            .iter()
            .filter(|(_, answer)| !answer.is_closed());
        assert_eq!(patient.count(), 1);
    }
}
