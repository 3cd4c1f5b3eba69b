//! [`Conflicts`]: what overlapped, and how it was decided.

mod bulk;
mod entry;
mod explain;
mod insight;
mod watch;

use driftless_document::{EntryId, Status};
use driftless_engine::{ConflictFilter, ConflictPosition, Decision, Replica};
use serde_json::json;

use crate::actor::Actor;
use crate::commit::Commit;
use crate::error::Error;
use crate::limits::{CONFLICTS_A_READ, MEMBERS_A_PAGE};
use crate::options::ProgressCallback;

pub use bulk::{BulkReport, Skipped};
pub use entry::{Author, Choice, Conflict, ConflictMember, ConflictReview, MemberAct};
pub(crate) use entry::{author_to_json, shown_to_json};
pub use explain::Explained;
pub use insight::insight_to_json;
pub use watch::{ConflictEvent, ConflictWatch};

/// The conflict log: every overlap of edits that were made apart, the same on every device.
///
/// Reading it, deciding and undoing are edits like any other: they need no network, and travel with the next sync.
///
/// ```
/// use driftless::{ConflictFilter, Database, Error, InviteOptions, Options, Resolution};
/// use serde_json::json;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Error> {
/// # let folder = tempfile::tempdir().expect("there is a temporary folder");
/// # let home = folder.path();
/// # let laptop = Database::create(home.join("laptop"), Options::named("laptop")).await?;
/// # let notes = laptop.collection("notes");
/// # let (id, _) = notes.insert(json!({"title": "Shopping"})).await?;
/// # let server = laptop.sync().serve("127.0.0.1:0").await?;
/// # let link = laptop.invite(InviteOptions::to(server.url())).await?;
/// # let phone = Database::join(home.join("phone"), &link, Options::named("phone")).await?;
/// # phone.sync().again().await?;
/// # notes.update(id, json!({"title": "Groceries"})).await?;
/// # phone.collection("notes").update(id, json!({"title": "Errands"})).await?;
/// # phone.sync().again().await?;
/// // Two devices gave the title another value, neither knowing of the other.
/// let conflicts = phone.conflicts();
/// let open = conflicts.page(ConflictFilter::open(), None, 20).await?;
/// let conflict = &open.entries[0];
/// assert_eq!(conflict.candidates().len(), 2);
///
/// // One of the two stands, here at once and everywhere with the next sync. Then it does not any more.
/// conflicts.resolve(conflict, Resolution::Keep(0)).await?;
/// let decided = conflicts.get(&conflict.id().to_string()).await?;
/// assert_eq!(decided.resolved().map(|choice| choice.value), Some(conflict.candidates()[0].value.clone()));
/// # server.stop().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Conflicts {
    actor: Actor,
    progress: Option<ProgressCallback>,
}

/// How a person decides an entry: for one of its candidates, counted from 0, for another value, or for both.
pub type Resolution = Decision;

/// Some entries in their order: by collection, record, path and id.
#[derive(Clone, Debug, PartialEq)]
pub struct ConflictPage {
    /// The entries.
    pub entries: Vec<Conflict>,
    /// What the next page begins after; `None` where this is the last. As text it is one word, to keep or to send.
    pub next: Option<ConflictPosition>,
}

/// Some members of an entry; all stay readable for good.
#[derive(Clone, Debug, PartialEq)]
pub struct ConflictMembers {
    /// The entry, by the id it has now.
    pub entry: EntryId,
    /// The members, in the same order on every device.
    pub members: Vec<ConflictMember>,
    /// How many there are in all.
    pub total: usize,
}

impl Conflicts {
    pub(crate) fn new(actor: Actor, progress: Option<ProgressCallback>) -> Self {
        Self { actor, progress }
    }

    /// The entries that fit a filter, ordered by collection, record, path and id.
    pub async fn list(&self, filter: ConflictFilter) -> Result<Vec<Conflict>, Error> {
        let views = self
            .actor
            .read(move |replica| replica.conflicts(&filter))
            .await?;
        Ok(views.into_iter().map(Conflict::new).collect())
    }

    /// At most `limit` of the entries that fit a filter, behind `after` or from the first.
    ///
    /// Entries that come and go between two pages make none be missed or shown twice.
    pub async fn page(
        &self,
        filter: ConflictFilter,
        after: Option<ConflictPosition>,
        limit: usize,
    ) -> Result<ConflictPage, Error> {
        let read = move |replica: &Replica| replica.conflicts_page(&filter, after.as_ref(), limit);
        let page = self.actor.read(read).await?;
        Ok(ConflictPage {
            entries: page.entries.into_iter().map(Conflict::new).collect(),
            next: page.next,
        })
    }

    /// How many entries fit a filter.
    pub async fn count(&self, filter: ConflictFilter) -> Result<u64, Error> {
        let count = move |replica: &Replica| replica.count_conflicts(&filter);
        self.actor.read(count).await
    }

    /// One entry, by its id, an id it had before, or the beginning of either.
    pub async fn get(&self, id: &str) -> Result<Conflict, Error> {
        let id = id.to_owned();
        let view = self
            .actor
            .read(move |replica| replica.conflict(&id))
            .await?;
        Ok(Conflict::new(view))
    }

    /// At most `limit` members of an entry, from the `first`, counted from 0; `id` is as with [`Conflicts::get`].
    pub async fn members(
        &self,
        id: &str,
        first: usize,
        limit: usize,
    ) -> Result<ConflictMembers, Error> {
        let id = id.to_owned();
        let read = move |replica: &Replica| replica.conflict_members(&id, first, limit);
        let page = self.actor.read(read).await?;
        let members = page.members.iter();
        Ok(ConflictMembers {
            entry: page.entry,
            members: members
                .map(|(member, device)| ConflictMember::new(member, device.as_ref()))
                .collect(),
            total: page.total,
        })
    }

    /// Decides an open entry, here and, with the next sync, everywhere.
    ///
    /// An entry that was decided, or has grown, since it was read is an error of kind `Conflict`, which has the entry
    /// as it is now: [`Error::conflict`]. Nothing is written then.
    pub async fn resolve(
        &self,
        conflict: &Conflict,
        resolution: Resolution,
    ) -> Result<Commit, Error> {
        let (id, seen) = (conflict.id(), conflict.view().entry.members.len());
        let resolve = move |replica: &mut Replica| replica.resolve(id, Some(seen), &resolution);
        let commit = self.actor.write(resolve).await?;
        Ok(self.commit(conflict, commit))
    }

    /// Says of an open entry that it may stay as it is, here and, with the next sync, everywhere.
    ///
    /// It closes the entry without writing the field. A write that was made without knowing of it opens the entry
    /// again. `note` says why, in at most 1,000 characters; it may be empty. Errors are as with
    /// [`Conflicts::resolve`].
    pub async fn acknowledge(&self, conflict: &Conflict, note: &str) -> Result<Commit, Error> {
        let (id, seen) = (conflict.id(), conflict.view().entry.members.len());
        let note = note.to_owned();
        let acknowledge = move |replica: &mut Replica| replica.acknowledge(id, Some(seen), &note);
        let commit = self.actor.write(acknowledge).await?;
        Ok(self.commit(conflict, commit))
    }

    /// Opens an entry again that was decided or acknowledged, here and, with the next sync, everywhere.
    ///
    /// What the record shows stays as it was decided until somebody decides anew. An entry that is open, that has
    /// grown or that was decided otherwise since it was read is an error, which has the entry as it is now.
    pub async fn undo(&self, conflict: &Conflict) -> Result<Commit, Error> {
        let (id, seen) = (conflict.id(), conflict.view().entry.clone());
        let undo = move |replica: &mut Replica| replica.undo(id, Some(&seen));
        let commit = self.actor.write(undo).await?;
        Ok(self.commit(conflict, commit))
    }

    /// Tells what becomes of the entries that fit a filter and wait for a person, those that do so now first; the
    /// filter's status does not count.
    pub fn watch(&self, filter: ConflictFilter) -> ConflictWatch {
        ConflictWatch::new(&self.actor, filter)
    }

    /// Every entry, whatever its status, as one line of JSON each; equal on equal devices, whatever programs they run.
    ///
    /// What a program's own policy picks is left out: such an entry is `open` and `provisional` here, and names the
    /// function. [`Conflicts::list`] has what this program shows.
    ///
    /// An entry of more than a hundred members has lines of its own for the others, each behind the entry's:
    /// `{"id", "first", "members"}`.
    pub async fn export(&self) -> Result<Vec<String>, Error> {
        let mut lines = Vec::new();
        let mut after = None;
        loop {
            let all = ConflictFilter::default();
            let page = self.page(all, after, CONFLICTS_A_READ).await?;
            let stored = page.entries.into_iter().map(Conflict::without_customs);
            for entry in stored.filter(|entry| entry.status() != Status::Agreed) {
                lines.push(entry.to_json().to_string());
                let members: Vec<_> = entry
                    .members()
                    .iter()
                    .map(ConflictMember::to_json)
                    .collect();
                for (n, some) in members.chunks(MEMBERS_A_PAGE).enumerate().skip(1) {
                    let first = n * MEMBERS_A_PAGE;
                    let line =
                        json!({ "id": entry.id().to_string(), "first": first, "members": some });
                    lines.push(line.to_string());
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(lines),
            }
        }
    }

    fn commit(&self, conflict: &Conflict, commit: driftless_engine::Commit) -> Commit {
        Commit::new(&self.actor, commit, conflict.view().key.clone())
    }
}

impl std::fmt::Debug for Conflicts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Conflicts").finish_non_exhaustive()
    }
}
