//! [`Actor`]: the one thread that owns a replica, and how everybody else reaches it.
//!
//! A replica blocks on disks and is used by one thread at a time, so it has a thread of its own and is sent
//! jobs. The thread takes all jobs that wait, runs each, commits what they staged with one fdatasync, and only
//! then answers any of them: an answer means durable, and nobody sees what is not.
//!
//! Dropping the last handle closes the replica like [`Actor::close`] does, only that nobody waits for it.
//!
//! After a panic inside a read the thread goes on. After one inside anything that writes, or a failed commit,
//! what the replica holds in memory may not be what the journal says: it is dropped, after a panic its store is
//! set aside, and every later call gets the reason. Opening the folder again starts from the journal.

mod listeners;
mod thread;

#[cfg(test)]
mod tests;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use driftless_document::catch_quietly;
use driftless_engine::{Clock, EngineError, Millis, Replica};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

use crate::error::{Error, is_store_damage};
use crate::limits::JOBS_QUEUED;
use crate::live_store::{LiveStore, Rewritten, StoreReport};
use crate::opening::Held;
use listeners::Listeners;
use thread::Thread;

pub(crate) use listeners::{Condition, Wake};

/// A handle on the thread that owns a replica.
#[derive(Clone)]
pub(crate) struct Actor {
    shared: Arc<Shared>,
}

/// A handle that does not keep the thread, and so the folder.
#[derive(Clone)]
pub(crate) struct WeakActor {
    shared: Weak<Shared>,
}

impl WeakActor {
    /// The actor, unless its last handle was dropped: then the database is closed, or about to be.
    pub(crate) fn upgrade(&self) -> Result<Actor, Error> {
        let shared = self.shared.upgrade().ok_or_else(Error::closed)?;
        Ok(Actor { shared })
    }
}

struct Shared {
    queue: Sender<Message>,
    /// One permit for each job that may wait; closed when the thread has ended and let go of the folder.
    room: Arc<Semaphore>,
    /// Never has a permit: waiting for one is waiting for the thread's end.
    gone: Arc<Semaphore>,
    notes: Arc<Notes>,
    listeners: Arc<Listeners>,
    /// Counts the groups that wrote; closed when the thread has ended.
    groups: watch::Receiver<u64>,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for WeakActor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WeakActor").finish_non_exhaustive()
    }
}

/// What either side has to tell the other.
#[derive(Default)]
struct Notes {
    /// Why the thread ended by itself, once it did.
    ended: OnceLock<Error>,
    /// Why the store should be derived again at the next opening, if it should.
    suspect: OnceLock<String>,
    /// How many groups were committed.
    commits: watch::Sender<u64>,
    /// How the thread reaches its own queue, without keeping it open.
    queue: OnceLock<Weak<Shared>>,
}

impl Notes {
    fn take_note(&self, error: &EngineError) {
        if is_store_damage(error) {
            let _ = self.suspect.set(error.to_string());
        }
    }

    /// Has the thread go round once more, after what waits already.
    fn wake(&self) {
        if let Some(shared) = self.queue.get().and_then(Weak::upgrade) {
            Actor { shared }.post_as(Access::Read, |_| ());
        }
    }
}

enum Message {
    Job(Job),
    /// Something about the store's files, which are no replica's business.
    Store(Box<dyn FnOnce(&mut LiveStore) + Send>),
    Close(Close),
    Rebuild(Rebuild),
}

/// The wish to close the replica.
struct Close {
    answer: oneshot::Sender<Result<(), Error>>,
    /// Until when what makes the folder small may go on; it can be left to a later process.
    tidy_until: Option<Instant>,
}

/// Another replica for the same folder.
struct Rebuild {
    run: Box<dyn FnOnce(Held) -> Result<Held, Error> + Send>,
    answer: oneshot::Sender<Result<(), Error>>,
}

struct Job {
    access: Access,
    run: Box<dyn FnOnce(&mut Replica) -> Finish + Send>,
    /// Given back when the thread takes the job.
    permit: Option<OwnedSemaphorePermit>,
}

/// What is left of a job after it ran: it answers when what was staged is durable, or not.
type Finish = Box<dyn FnOnce(&mut Replica, Committed)>;

/// Whether what the group staged is durable.
type Committed = Result<(), Error>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write,
}

impl Actor {
    /// Starts the thread and opens the replica on it; `open` also says what its opener wants to know.
    pub(crate) async fn start<T: Send + 'static>(
        clock: Arc<dyn Clock>,
        open: impl FnOnce() -> Result<(Held, T), Error> + Send + 'static,
    ) -> Result<(Self, T), Error> {
        let (queue, jobs) = channel();
        let room = Arc::new(Semaphore::new(JOBS_QUEUED));
        let gone = Arc::new(Semaphore::new(0));
        let notes = Arc::new(Notes::default());
        let (opened, answer) = oneshot::channel();
        let (listeners, groups) = Listeners::new();
        let closes = thread::ClosesOnDrop([room.clone(), gone.clone()], listeners.clone());
        let mut thread = Thread::new(jobs, notes.clone(), closes);
        std::thread::Builder::new()
            .name("driftless".to_owned())
            .spawn(move || {
                let held = match open() {
                    Err(error) => return drop(opened.send(Err(error))),
                    Ok((held, told)) => {
                        // Whoever does not wait any more has dropped the queue: the replica is closed at once.
                        let _ = opened.send(Ok(told));
                        held
                    }
                };
                thread.live(held);
            })
            .map_err(Error::no_thread)?;
        let told = answer
            .await
            .unwrap_or_else(|_| Err(Error::bug("opening the folder panicked")))?;
        let shared = Shared {
            queue,
            room,
            gone,
            notes,
            listeners,
            groups,
            clock,
        };
        let actor = Self {
            shared: Arc::new(shared),
        };
        let _ = actor.shared.notes.queue.set(Arc::downgrade(&actor.shared));
        // What the thread began before it could be reached may be done.
        actor.shared.notes.wake();
        Ok((actor, told))
    }

    /// A handle that does not keep it.
    pub(crate) fn downgrade(&self) -> WeakActor {
        WeakActor {
            shared: Arc::downgrade(&self.shared),
        }
    }

    /// Wall time as the options have it.
    pub(crate) fn now(&self) -> Millis {
        self.shared.clock.now()
    }

    /// Who is told when a group is durable.
    pub(crate) fn listeners(&self) -> &Listeners {
        &self.shared.listeners
    }

    /// Whether the replica is closed.
    pub(crate) fn has_ended(&self) -> bool {
        self.shared.gone.is_closed()
    }

    /// Counts the groups that wrote; closed when the replica is.
    pub(crate) fn groups(&self) -> watch::Receiver<u64> {
        self.shared.groups.clone()
    }

    /// Answers when `condition` holds, with an error when it never will; dropping the answer forgets it.
    pub(crate) async fn when(&self, condition: Condition) -> Result<oneshot::Receiver<()>, Error> {
        let (answer, answered) = oneshot::channel();
        let own = self.shared.listeners.clone();
        self.read(move |replica| {
            own.when(replica, condition, answer);
            Ok(())
        })
        .await?;
        Ok(answered)
    }

    /// Has the store hand what it holds to the operating system.
    pub(crate) async fn flush(&self) -> Result<(), Error> {
        self.read(Replica::flush).await
    }

    /// Reads; what other jobs staged before is durable when this answers.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Replica) -> Result<T, EngineError> + Send + 'static,
    ) -> Result<T, Error> {
        self.run(Access::Read, |replica| job(replica), self.own_result())
            .await
    }

    /// Writes; what was written is durable when this answers.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Replica) -> Result<T, EngineError> + Send + 'static,
    ) -> Result<T, Error> {
        self.run(Access::Write, job, self.own_result()).await
    }

    /// A job that failed by itself tells its own story, whatever became of its group.
    fn own_result<T>(
        &self,
    ) -> impl FnOnce(&mut Replica, Result<T, EngineError>, Committed) -> Result<T, Error> + use<T>
    {
        let notes = self.shared.notes.clone();
        move |_, result, committed| match result {
            Ok(value) => committed.map(|()| value),
            Err(error) => {
                notes.take_note(&error);
                Err(error.into())
            }
        }
    }

    /// Runs `job`, and `then` when what it staged is durable.
    pub(crate) async fn write_then<A: 'static, T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Replica) -> A + Send + 'static,
        then: impl FnOnce(&mut Replica, A) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let then = |replica: &mut Replica, value, committed: Committed| {
            committed.map(|()| then(replica, value))
        };
        self.run(Access::Write, job, then).await
    }

    /// Leaves a job that nobody waits for.
    pub(crate) fn post(&self, job: impl FnOnce(&mut Replica) + Send + 'static) {
        self.post_as(Access::Write, job);
    }

    fn post_as(&self, access: Access, job: impl FnOnce(&mut Replica) + Send + 'static) {
        let run = Box::new(|replica: &mut Replica| {
            job(replica);
            Box::new(|_: &mut Replica, _| {}) as Finish
        });
        let job = Job {
            access,
            run,
            permit: None,
        };
        // A replica that is closed has forgotten what this would tell it.
        let _ = self.shared.queue.send(Message::Job(job));
    }

    /// What the store takes on disk.
    pub(crate) async fn store_report(&self) -> Result<StoreReport, Error> {
        let (answer, answered) = oneshot::channel();
        self.about_store(answered, |store| {
            let _ = answer.send(store.report());
        })
        .await
    }

    /// Rewrites the store; dropping the future gives that up.
    pub(crate) async fn rewrite_store(&self) -> Result<Rewritten, Error> {
        let (answer, answered) = oneshot::channel();
        self.about_store(answered, |store| store.request(answer))
            .await
    }

    async fn about_store<T>(
        &self,
        answered: oneshot::Receiver<Result<T, Error>>,
        ask: impl FnOnce(&mut LiveStore) + Send + 'static,
    ) -> Result<T, Error> {
        let message = Message::Store(Box::new(ask));
        if self.shared.queue.send(message).is_err() {
            return Err(self.reason());
        }
        answered
            .await
            .unwrap_or_else(|_| Err(self.reason_or_panic()))
    }

    /// Runs what waits, closes the replica, seals the store and lets go of the folder. Before that the folder is made
    /// small, where that is due: for so long at most, if it is said how long.
    pub(crate) async fn close(&self, tidy_for: Option<Duration>) -> Result<(), Error> {
        let (answer, closed) = oneshot::channel();
        let close = Close {
            answer,
            tidy_until: tidy_for.and_then(|time| Instant::now().checked_add(time)),
        };
        let _ = self.shared.queue.send(Message::Close(close));
        let answer = closed.await;
        // However it ended: when this returns, the folder is free.
        let _ = self.shared.gone.acquire().await;
        // Closed before is fine, unless it ended badly.
        answer.unwrap_or_else(|_| self.shared.notes.ended.get().cloned().map_or(Ok(()), Err))
    }

    /// Puts another replica in the place of this one after all that waits; a failure ends the thread.
    pub(crate) async fn rebuild(
        &self,
        run: impl FnOnce(Held) -> Result<Held, Error> + Send + 'static,
    ) -> Result<(), Error> {
        let (answer, answered) = oneshot::channel();
        let run = Box::new(run);
        let rebuild = Message::Rebuild(Rebuild { run, answer });
        if self.shared.queue.send(rebuild).is_err() {
            return Err(self.reason());
        }
        answered
            .await
            .unwrap_or_else(|_| Err(self.reason_or_panic()))
    }

    /// Counts the groups that were committed.
    pub(crate) fn commits(&self) -> watch::Receiver<u64> {
        self.shared.notes.commits.subscribe()
    }

    /// Waits until the thread has ended, and says why it did.
    pub(crate) async fn ended(&self) -> Error {
        // It never has a permit.
        let _ = self.shared.gone.acquire().await;
        self.reason()
    }

    async fn run<A: 'static, T: Send + 'static>(
        &self,
        access: Access,
        job: impl FnOnce(&mut Replica) -> A + Send + 'static,
        finish: impl FnOnce(&mut Replica, A, Committed) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let permit = self.shared.room.clone().acquire_owned().await;
        let permit = permit.map_err(|_| self.reason())?;
        let (answer, answered) = oneshot::channel();
        let run = Box::new(|replica: &mut Replica| {
            let value = job(replica);
            Box::new(move |replica: &mut Replica, committed: Committed| {
                // Whoever does not wait any more does not want to know.
                let _ = answer.send(finish(replica, value, committed));
            }) as Finish
        });
        let job = Job {
            access,
            run,
            permit: Some(permit),
        };
        if self.shared.queue.send(Message::Job(job)).is_err() {
            return Err(self.reason());
        }
        // A job that is dropped without an answer has panicked, or came after the close.
        answered
            .await
            .unwrap_or_else(|_| Err(self.reason_or_panic()))
    }

    /// Why nobody answers.
    pub(crate) fn reason(&self) -> Error {
        self.shared
            .notes
            .ended
            .get()
            .cloned()
            .unwrap_or_else(Error::closed)
    }

    fn reason_or_panic(&self) -> Error {
        match self.shared.notes.ended.get() {
            Some(reason) => reason.clone(),
            None if self.shared.room.is_closed() => Error::closed(),
            None => panicked(),
        }
    }
}

/// What `f` gives, or `None` if it panicked; the panic hook has told the story.
pub(crate) fn guarded<T>(f: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(f)).ok()
}

/// The same for what reads files that may be damaged: an engine panics on some, and a sentence tells that.
pub(crate) fn guarded_quietly<T>(f: impl FnOnce() -> T) -> Option<T> {
    catch_quietly(f).ok()
}

fn panicked() -> Error {
    Error::bug("the thread of the database panicked")
}
