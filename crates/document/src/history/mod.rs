//! What happened to a record, change by change: who wrote which field, and what it read there before.
//!
//! A pure function of the record's changes. **The order** is that of (first operation counter, actor, hash). A
//! change's first operation is one more than the greatest of its past, so every change stands after all it knew
//! of, and replicas that hold the same changes give the same list, in whatever order they came. Nothing is
//! ordered by the times that changes claim.
//!
//! What a change replaced is read off its operations: admission demands that each names exactly what was live
//! where the change was made. So `before` is what the author saw, never what happens to precede it in the list.
//!
//! Not here: who an actor is (the engine knows the members), and what overlapped (the conflict log says that).
//! Who calls it: the engine's history and its reads of the past.

mod around;
mod find;
mod step;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub use step::{Decided, Deletion, FieldWrite, HistoryStep, How};

use crate::change::Change;
use crate::ids::{ChangeHash, Version};

/// A record's changes in the order of its history.
#[derive(Clone, Debug)]
pub struct History {
    changes: Vec<Change>,
    index: BTreeMap<ChangeHash, usize>,
}

/// Which part of a history to show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryOptions {
    /// Only changes that write this field or one below it, and of those only that; a path such as
    /// `address.city`, or `$deleted`.
    pub field: Option<String>,
    /// Only so many, the newest ones; all without it.
    pub limit: Option<usize>,
    /// Only what stands before this change: the page before one that begins with it.
    pub before: Option<ChangeHash>,
}

/// One page of a history.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HistoryPage {
    /// The steps, the oldest first.
    pub steps: Vec<HistoryStep>,
    /// How many more there are before them that fit the options.
    pub earlier: usize,
}

/// Why a history has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// The record has no such change.
    #[error("the record has no change {hash}")]
    NoSuchChange {
        /// Its hash.
        hash: ChangeHash,
    },
    /// No version that is known here is called so, and no change.
    #[error("no version of the record that is known here is `{name}`")]
    NoSuchVersion {
        /// What was looked for.
        name: String,
    },
    /// The beginning of a version is that of several.
    #[error("`{name}` fits {count} versions of the record")]
    AmbiguousVersion {
        /// What was looked for.
        name: String,
        /// How many states of the record it fits.
        count: usize,
    },
}

impl History {
    /// The history of a record with these changes, in any order; each is there with its whole past.
    pub fn of(mut changes: Vec<Change>) -> Self {
        changes.sort_by_key(|change| (change.start_op, change.actor, change.hash));
        changes.dedup_by_key(|change| change.hash);
        let index = changes.iter().enumerate().map(|(n, c)| (c.hash, n));
        Self {
            index: index.collect(),
            changes,
        }
    }

    /// How many changes there are.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether there is no change.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// A part of the history, the oldest step first.
    ///
    /// The cost is linear in the changes and their operations, plus, for each step shown, the heads there were, and
    /// for each increment of a counter that is shown, the changes its author knew of.
    pub fn page(&self, options: &HistoryOptions) -> Result<HistoryPage, HistoryError> {
        let end = match options.before {
            None => self.changes.len(),
            Some(hash) => *self
                .index
                .get(&hash)
                .ok_or(HistoryError::NoSuchChange { hash })?,
        };
        let field = options.field.as_deref();
        let fits = |n: &usize| step::writes_field(&self.changes[*n], field);
        let fitting: Vec<usize> = (0..end).filter(fits).collect();
        let earlier = fitting
            .len()
            .saturating_sub(options.limit.unwrap_or(usize::MAX));
        let mut wanted = fitting[earlier..].iter().copied().peekable();
        let mut steps = Vec::with_capacity(fitting.len() - earlier);
        let mut heads = Heads::default();
        let mut values = step::Values::default();
        let around = around::Around::of(self);
        for (n, change) in self.changes[..end].iter().enumerate() {
            if wanted.peek().is_none() {
                break;
            }
            let apart = !heads.are_known_to(change);
            heads.push(change);
            if wanted.next_if_eq(&n).is_some() {
                let shown = step::Shown {
                    apart,
                    version: heads.version(),
                    field,
                    around: &around,
                };
                steps.push(values.step(change, &shown));
            }
            values.push(change);
        }
        Ok(HistoryPage { steps, earlier })
    }
}

/// The heads of a growing set of changes, each of which comes after its past.
#[derive(Default)]
struct Heads(BTreeSet<ChangeHash>);

impl Heads {
    fn push(&mut self, change: &Change) {
        tally::add(change.deps.len() + 1);
        for dep in &change.deps {
            self.0.remove(dep);
        }
        self.0.insert(change.hash);
    }

    /// Whether a change that comes next knew all that is here. Its past is here, so no head lies within it but as
    /// one of its dependencies.
    fn are_known_to(&self, change: &Change) -> bool {
        // More heads than it names: it cannot have known them all.
        self.0.len() <= change.deps.len()
            && self.0.iter().all(|head| {
                tally::add(1);
                change.deps.binary_search(head).is_ok()
            })
    }

    fn sorted(&self) -> Vec<ChangeHash> {
        tally::add(self.0.len());
        self.0.iter().copied().collect()
    }

    fn version(&self) -> Version {
        Version::of(&self.sorted())
    }
}

/// Counts steps of work, in tests of what a long history costs.
mod tally {
    #[cfg(test)]
    thread_local! {
        static WORK: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    }

    #[cfg(test)]
    pub(super) fn add(steps: usize) {
        WORK.set(WORK.get() + steps);
    }

    #[cfg(not(test))]
    pub(super) fn add(_steps: usize) {}

    /// What was counted on this thread since the last call.
    #[cfg(test)]
    pub(super) fn take() -> usize {
        WORK.replace(0)
    }
}
