//! The thread's side: it runs the jobs, commits them as groups, and closes the replica.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Instant;

use driftless_engine::Replica;
use tokio::sync::{Semaphore, oneshot};

use super::listeners::Listeners;
use super::{Access, Finish, Job, Message, Notes, Rebuild, guarded, panicked};
use crate::error::Error;
use crate::limits::{JOBS_PER_GROUP, STORE_FLUSH_AFTER};
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
    Closed(Option<oneshot::Sender<Result<(), Error>>>),
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
            mut folder,
        } = held;
        let wake = self.notes.clone();
        let mut packing = Packing::new(&replica, Arc::new(move || wake.wake()));
        match self.serve(&mut replica, &mut packing) {
            End::Failed(error) => {
                tracing::error!(%error, "the replica is given up; open it again");
                let _ = self.notes.ended.set(error);
            }
            End::Panicked => {
                let _ = self.notes.ended.set(panicked());
                // Dropping it may well panic again.
                let _ = guarded(|| drop(replica));
                if let Err(error) = folder.set_aside("a panic while it was in use") {
                    tracing::error!(%error, "the store cannot be set aside");
                }
            }
            End::Rebuild(Rebuild { run, answer }) => {
                self.unflushed_since = None;
                let rebuilt = guarded(|| run(Held { replica, folder }));
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
            End::Closed(waiting) => {
                let suspect = self.notes.suspect.get().map(String::as_str);
                let closed = guarded(|| {
                    packing.finish(&mut replica);
                    Held { replica, folder }.close(suspect)
                });
                let closed = closed.unwrap_or_else(|| Err(panicked()));
                if let Err(error) = &closed {
                    tracing::warn!(%error, "closing failed; the next opening replays the journal");
                }
                if let Some(waiting) = waiting {
                    let _ = waiting.send(closed);
                }
            }
        }
        None
    }

    fn serve(&mut self, replica: &mut Replica, packing: &mut Packing) -> End {
        // One that took another's place may have something to say.
        self.closes.1.after_group(replica);
        loop {
            if guarded(|| packing.step(replica)).is_none() {
                return End::Panicked;
            }
            let Some(first) = self.next(replica) else {
                return End::Closed(None);
            };
            let mut finishes = Vec::new();
            let mut wrote = false;
            let mut end = None;
            let mut message = Some(first);
            while let Some(taken) = message {
                match taken {
                    Message::Close(waiting) => end = Some(End::Closed(Some(waiting))),
                    Message::Rebuild(rebuild) => end = Some(End::Rebuild(rebuild)),
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
        }
    }

    /// The next message; `None` when no handle is left. Has the store written when that is due.
    fn next(&mut self, replica: &Replica) -> Option<Message> {
        if let Some(since) = self.unflushed_since {
            let left = STORE_FLUSH_AFTER.saturating_sub(since.elapsed());
            match self.jobs.recv_timeout(left) {
                Ok(message) if !left.is_zero() => return Some(message),
                Err(RecvTimeoutError::Disconnected) => return None,
                waiting => {
                    self.flush(replica);
                    if let Ok(message) = waiting {
                        return Some(message);
                    }
                }
            }
        }
        self.jobs.recv().ok()
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
