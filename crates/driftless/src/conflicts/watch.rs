//! [`ConflictWatch`]: what becomes of the entries that wait for a person, as it happens.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use driftless_document::EntryId;
use driftless_engine::{ConflictChange, ConflictFilter, ConflictNews, EngineError, Replica};
use serde_json::{Value as Json, json};
use tokio::sync::watch;

use super::Conflict;
use crate::actor::{Actor, WeakActor};
use crate::error::Error;

/// Something that became of an entry that waits, or waited, for a person.
#[derive(Clone, Debug, PartialEq)]
pub struct ConflictEvent {
    /// What.
    pub what: ConflictChange,
    /// The entry, by the id it was told of last.
    pub id: EntryId,
    /// The entry as it stands; `None` where it is gone: its sides agree now, or one was withdrawn.
    pub conflict: Option<Conflict>,
}

impl ConflictEvent {
    fn new(news: ConflictNews) -> Self {
        Self {
            what: news.what,
            id: news.id,
            conflict: news.view.map(Conflict::new),
        }
    }

    /// The event as JSON: `{what, id, conflict}`, where `conflict` is the entry as [`Conflict::to_json`] has it.
    pub fn to_json(&self) -> Json {
        json!({
            "what": self.what.as_str(),
            "id": self.id.to_string(),
            "conflict": self.conflict.as_ref().map(Conflict::to_json),
        })
    }
}

/// Tells what becomes of the entries that wait for a person: those that are open now first, then each that opens,
/// changes or is closed, here or by what other devices send.
///
/// What comes and goes before it is asked is not told. It keeps no database open.
#[derive(Debug)]
pub struct ConflictWatch {
    actor: WeakActor,
    groups: watch::Receiver<u64>,
    state: Arc<Mutex<State>>,
    /// Whether there may be news.
    may_differ: bool,
}

/// Kept apart, so that news that were read by a call that was given up are not lost.
#[derive(Debug)]
struct State {
    watch: driftless_engine::ConflictWatch,
    news: VecDeque<ConflictNews>,
}

impl State {
    fn look(&mut self, replica: &Replica) -> Result<(), EngineError> {
        self.news.extend(replica.conflict_news(&mut self.watch)?);
        Ok(())
    }
}

impl ConflictWatch {
    pub(super) fn new(actor: &Actor, filter: ConflictFilter) -> Self {
        let state = State {
            watch: driftless_engine::ConflictWatch::new(filter),
            news: VecDeque::new(),
        };
        Self {
            actor: actor.downgrade(),
            groups: actor.groups(),
            state: Arc::new(Mutex::new(state)),
            may_differ: true,
        }
    }

    /// What happened next, as soon as it did.
    ///
    /// An error says that the database was closed. Dropping the future loses nothing.
    pub async fn next_event(&mut self) -> Result<ConflictEvent, Error> {
        loop {
            if let Some(news) = with(&self.state, |state| state.news.pop_front()) {
                return Ok(ConflictEvent::new(news));
            }
            if !self.may_differ {
                self.groups.changed().await.map_err(|_| Error::closed())?;
            }
            self.look().await?;
        }
    }

    /// Forgets what it would tell now, such as what is open already, and how many events that were: from here on it
    /// tells what happens later.
    pub async fn skip(&mut self) -> Result<usize, Error> {
        self.look().await?;
        let skipped = with(&self.state, |state| std::mem::take(&mut state.news));
        Ok(skipped.len())
    }

    async fn look(&mut self) -> Result<(), Error> {
        self.may_differ = true;
        // Before it is read: what comes in between is looked at again.
        self.groups.mark_unchanged();
        let state = self.state.clone();
        let look = move |replica: &Replica| with(&state, |state| state.look(replica));
        self.actor.upgrade()?.read(look).await?;
        self.may_differ = false;
        Ok(())
    }
}

/// A look that panicked leaves the state as it was, or with more news told than were kept: it is usable.
fn with<T>(state: &Mutex<State>, f: impl FnOnce(&mut State) -> T) -> T {
    f(&mut state.lock().unwrap_or_else(PoisonError::into_inner))
}
