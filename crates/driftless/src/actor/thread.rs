//! The thread's side: it runs the jobs, commits them as groups, and closes the replica.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use driftless_engine::Replica;
use tokio::sync::Semaphore;

use super::listeners::Listeners;
use super::{Access, Close, Finish, Job, Message, Notes, Rebuild, guarded, panicked};
use crate::error::Error;
use crate::limits::{JOBS_PER_GROUP, REWRITE_PAUSE, REWRITE_SHARE_MAX, STORE_FLUSH_AFTER};
use crate::live_store::{LiveStore, Suspect};
use crate::opening::Held;
use crate::packing::Packing;

/// The thread's side.
pub(super) struct Thread {
    /// Before the jobs: whoever finds a job dropped may see that the thread has ended.
    closes: ClosesOnDrop,
    jobs: Receiver<Message>,
    notes: Arc<Notes>,
    /// Since when the store may hold writes that its engine keeps to itself.
    unflushed_since: Option<Instant>,
    pace: Pace,
}

/// How often a store is rewritten a little while there are jobs: a third of the time.
struct Pace {
    /// What the last step took, and when it was over.
    took: Duration,
    ended: Instant,
}

impl Pace {
    /// The time that may be spent now, if it is enough for a step.
    fn share(&self) -> Option<Duration> {
        let share = self.ended.elapsed() / 2;
        (share >= self.took).then_some(share)
    }
}

/// Tells whoever waits for a place in the queue, for the end, or for news, that the thread has ended.
pub(super) struct ClosesOnDrop(pub(super) [Arc<Semaphore>; 2], pub(super) Arc<Listeners>);

impl Drop for ClosesOnDrop {
    fn drop(&mut self) {
        for semaphore in &self.0 {
            semaphore.close();
        }
        // After the semaphores: whoever asks then is told why.
        self.1.end();
    }
}

/// Why the thread stops.
enum End {
    /// Somebody asked, or nobody is left.
    Closed(Option<Close>),
    /// Somebody wants the store derived again; then it goes on.
    Rebuild(Rebuild),
    /// What is in memory is not to be trusted any more.
    Failed(Error),
    /// Nor is the store: nobody knows whose panic it was.
    Panicked,
}

impl Thread {
    pub(super) fn new(jobs: Receiver<Message>, notes: Arc<Notes>, closes: ClosesOnDrop) -> Self {
        Self {
            closes,
            jobs,
            notes,
            unflushed_since: None,
            pace: Pace {
                took: Duration::ZERO,
                ended: Instant::now(),
            },
        }
    }

    /// Serves jobs until there are no more, and closes the replica.
    pub(super) fn live(&mut self, mut held: Held) {
        while let Some(rebuilt) = self.live_once(held) {
            held = rebuilt;
        }
    }

    /// The life of one replica; whether another takes its place.
    fn live_once(&mut self, held: Held) -> Option<Held> {
        let Held {
            mut replica,
            mut store,
        } = held;
        let wake = self.notes.clone();
        let mut packing = Packing::new(&replica, Arc::new(move || wake.wake()));
        match self.serve(&mut replica, &mut store, &mut packing) {
            End::Failed(error) => {
                tracing::error!(%error, "the replica is given up; open it again");
                let _ = self.notes.ended.set(error);
            }
            End::Panicked => {
                let _ = self.notes.ended.set(panicked());
                // Dropping it may well panic again.
                let _ = guarded(|| drop(replica));
                let folder = guarded(|| store.into_folder());
                if let Some(mut folder) = folder
                    && let Err(error) = folder.set_aside("a panic while it was in use")
                {
                    tracing::error!(%error, "the store cannot be set aside");
                }
            }
            End::Rebuild(Rebuild { run, answer }) => {
                self.unflushed_since = None;
                let rebuilt = guarded(|| run(Held { replica, store }));
                match rebuilt.unwrap_or_else(|| Err(panicked())) {
                    Ok(held) => {
                        let _ = answer.send(Ok(()));
                        return Some(held);
                    }
                    Err(error) => {
                        tracing::error!(%error, "the store could not be rebuilt; open the folder again");
                        let _ = self.notes.ended.set(error.clone());
                        let _ = answer.send(Err(error));
                    }
                }
            }
            End::Closed(close) => {
                let tidy_until = close.as_ref().and_then(|close| close.tidy_until);
                let go_on = || tidy_until.is_none_or(|until| Instant::now() < until);
                let closed = guarded(|| {
                    // In a folder that is gone there is nothing to make small; closing says so.
                    if store.is_in_place() {
                        packing.finish(&mut replica, tidy_until);
                        self.settle(&mut store, &go_on);
                    }
                    let suspect = self.notes.suspect.get().map(String::as_str);
                    Held { replica, store }.close(suspect)
                });
                let closed = closed.unwrap_or_else(|| Err(panicked()));
                let untold = match close {
                    Some(close) => close.answer.send(closed).err(),
                    None => Some(closed),
                };
                if let Some(Err(error)) = untold {
                    tracing::warn!(%error, "closing failed; the next opening replays the journal");
                }
            }
        }
        None
    }

    fn serve(
        &mut self,
        replica: &mut Replica,
        store: &mut LiveStore,
        packing: &mut Packing,
    ) -> End {
        // One that took another's place may have something to say.
        self.closes.1.after_group(replica);
        store.begin_if_due();
        loop {
            if guarded(|| packing.step(replica)).is_none() {
                return End::Panicked;
            }
            let first = match self.next(replica, store) {
                Ok(first) => first,
                Err(end) => return end,
            };
            let mut finishes = Vec::new();
            let mut wrote = false;
            let mut end = None;
            let mut message = Some(first);
            while let Some(taken) = message {
                match taken {
                    Message::Close(close) => end = Some(End::Closed(Some(close))),
                    Message::Rebuild(rebuild) => end = Some(End::Rebuild(rebuild)),
                    Message::Store(ask) => ask(store),
                    Message::Job(job) => {
                        if job.access == Access::Write {
                            wrote = true;
                            self.unflushed_since.get_or_insert_with(Instant::now);
                        }
                        match run_one(job, replica) {
                            Ok(finish) => finishes.extend(finish),
                            Err(Panicked) => return End::Panicked,
                        }
                    }
                }
                let more = end.is_none() && finishes.len() < JOBS_PER_GROUP;
                message = more.then(|| self.jobs.try_recv().ok()).flatten();
            }
            if let Err(end) = self.commit(replica, finishes) {
                return end;
            }
            let listeners = &self.closes.1;
            if wrote && guarded(|| listeners.after_group(replica)).is_none() {
                return End::Panicked;
            }
            if let Some(end) = end {
                return end;
            }
            // Even if nobody ever pauses, a rewrite gets done.
            if let Err(end) = self.rewrite_between(store) {
                return end;
            }
        }
    }

    /// The next message. While there is none, has the store rewritten, and flushed when that is due.
    fn next(&mut self, replica: &Replica, store: &mut LiveStore) -> Result<Message, End> {
        while store.is_at_work() {
            if self
                .unflushed_since
                .is_some_and(|since| since.elapsed() >= STORE_FLUSH_AFTER)
            {
                self.flush(replica);
            }
            match self.jobs.recv_timeout(REWRITE_PAUSE) {
                Ok(message) => return Ok(message),
                Err(RecvTimeoutError::Disconnected) => return Err(End::Closed(None)),
                Err(RecvTimeoutError::Timeout) => self.rewrite_step(store)?,
            }
        }
        if let Some(since) = self.unflushed_since {
            let left = STORE_FLUSH_AFTER.saturating_sub(since.elapsed());
            match self.jobs.recv_timeout(left) {
                Ok(message) if !left.is_zero() => return Ok(message),
                Err(RecvTimeoutError::Disconnected) => return Err(End::Closed(None)),
                waiting => {
                    self.flush(replica);
                    store.begin_if_due();
                    if let Ok(message) = waiting {
                        return Ok(message);
                    }
                    return self.next(replica, store);
                }
            }
        }
        self.jobs.recv().map_err(|_| End::Closed(None))
    }

    /// Goes on with a rewrite while there are jobs, for half the time that these have taken.
    fn rewrite_between(&mut self, store: &mut LiveStore) -> Result<(), End> {
        let Some(share) = self.pace.share() else {
            return Ok(());
        };
        let begun = Instant::now();
        while store.is_at_work() {
            self.rewrite_step(store)?;
            if begun.elapsed() >= share.min(REWRITE_SHARE_MAX) {
                break;
            }
        }
        Ok(())
    }

    /// Copies a little of a store that is being rewritten.
    fn rewrite_step(&mut self, store: &mut LiveStore) -> Result<(), End> {
        let begun = Instant::now();
        let stepped = guarded(|| store.step()).ok_or(End::Panicked)?;
        self.pace = Pace {
            took: begun.elapsed(),
            ended: Instant::now(),
        };
        if let Err(Suspect(reason)) = stepped {
            let _ = self.notes.suspect.set(reason);
        }
        Ok(())
    }

    /// Finishes what the store should not be closed without, as long as `go_on` says so.
    fn settle(&self, store: &mut LiveStore, go_on: &dyn Fn() -> bool) {
        if self.notes.suspect.get().is_none()
            && let Err(Suspect(reason)) = store.settle(go_on)
        {
            let _ = self.notes.suspect.set(reason);
        }
    }

    fn flush(&mut self, replica: &Replica) {
        self.unflushed_since = None;
        if let Err(error) = replica.flush() {
            tracing::warn!(%error, "flushing the store failed; the journal has everything");
        }
    }

    /// Makes what was staged durable and answers every job of the group.
    fn commit(&mut self, replica: &mut Replica, finishes: Vec<Finish>) -> Result<(), End> {
        let staged = replica.has_staged();
        let Some(committed) = guarded(|| replica.commit_group()) else {
            return Err(End::Panicked);
        };
        if staged && committed.is_ok() {
            self.notes.commits.send_modify(|commits| *commits += 1);
        }
        let committed = committed.map_err(|error| {
            self.notes.take_note(&error);
            Error::from(error)
        });
        if let Err(error) = &committed {
            let _ = self.notes.ended.set(error.clone());
        }
        for finish in finishes {
            let result = committed.clone();
            if guarded(|| finish(replica, result)).is_none() {
                return Err(End::Panicked);
            }
        }
        committed.map_err(End::Failed)
    }
}

/// The replica may be in any state.
struct Panicked;

/// Runs a job; nothing comes of a read that panicked.
fn run_one(job: Job, replica: &mut Replica) -> Result<Option<Finish>, Panicked> {
    let Job {
        access,
        run,
        permit,
    } = job;
    drop(permit);
    match (guarded(|| run(replica)), access) {
        (None, Access::Write) => Err(Panicked),
        (finish, _) => Ok(finish),
    }
}
