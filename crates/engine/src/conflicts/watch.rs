//! What became of the entries that wait for a person since somebody looked last.
//!
//! Only records that were written since are looked at. All are when that does not tell everything: at first, when the
//! members' list has changed, and when everything was derived again.

use std::collections::{BTreeMap, BTreeSet};

use driftless_document::{EntryId, Evidence};
use driftless_protocol::Hash;
use driftless_store::Visit;

use super::ConflictFilter;
use crate::error::EngineError;
use crate::replica::Replica;
use crate::types::{ConflictView, RecordKey};

/// Changes that are read at a time.
const CHANGES_A_READ: usize = 1_000;

/// What somebody was told of the open entries that fit a filter; the filter's status does not count.
#[derive(Clone, Debug)]
pub struct ConflictWatch {
    filter: ConflictFilter,
    /// The open entries by their records.
    told: BTreeMap<RecordKey, Told>,
    /// How far everything was looked at; none at first.
    at: Option<Mark>,
}

/// The open entries of a record, each with a digest of all that it says.
type Told = BTreeMap<EntryId, [u8; 32]>;

/// Up to where the log was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mark {
    seq: u64,
    /// How often everything was derived again.
    derivations: u64,
    /// The heads of the membership log.
    membership: Vec<Hash>,
}

/// Something that became of an entry.
#[derive(Clone, Debug, PartialEq)]
pub struct ConflictNews {
    /// What.
    pub what: ConflictChange,
    /// The entry, by the id it had when it was told of last.
    pub id: EntryId,
    /// The entry as it stands; none where it is gone: its sides agree now, or one was withdrawn.
    pub view: Option<ConflictView>,
}

/// What can become of an entry that waits for a person. Complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConflictChange {
    /// It is open, and was not.
    Opened,
    /// It is open and was, and has grown, joined another one or got another rule.
    Changed,
    /// It was open and is not any more.
    Closed,
}

impl ConflictChange {
    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Changed => "changed",
            Self::Closed => "closed",
        }
    }
}

impl ConflictWatch {
    /// Begins with nothing told: every open entry is news at first.
    pub fn new(filter: ConflictFilter) -> Self {
        let filter = ConflictFilter {
            status: ConflictFilter::open().status,
            ..filter
        };
        Self {
            filter,
            told: BTreeMap::new(),
            at: None,
        }
    }
}

impl Replica {
    /// What became of the entries of a watch since it was asked last, in the order of records, closed ones first.
    ///
    /// What comes and goes between two calls is no news. Neither is what a group has staged and not committed.
    pub fn conflict_news(
        &self,
        watch: &mut ConflictWatch,
    ) -> Result<Vec<ConflictNews>, EngineError> {
        // The changes are counted already, and the log does not say yet what came of them.
        if self.core.has_evidence_to_stage() {
            return Ok(Vec::new());
        }
        let now = Mark {
            seq: self.last_change(),
            derivations: self.core.derivations,
            membership: self.core.log.heads(),
        };
        let known = watch.at.as_ref().filter(|at| {
            (at.derivations, &at.membership) == (now.derivations, &now.membership)
                && at.seq <= now.seq
        });
        let mut news = Vec::new();
        match known.map(|at| at.seq) {
            None => self.compare_all(watch, &mut news)?,
            Some(seq) => {
                for key in self.records_since(seq, &watch.filter)? {
                    let open = self.open_of(&watch.filter, &key)?;
                    self.compare(watch, key, open, &mut news)?;
                }
            }
        }
        watch.at = Some(now);
        Ok(news)
    }

    /// The records that were written since, as far as a filter allows them.
    fn records_since(
        &self,
        mut seq: u64,
        filter: &ConflictFilter,
    ) -> Result<BTreeSet<RecordKey>, EngineError> {
        let mut records = BTreeSet::new();
        loop {
            let changes = self.changes_since(seq, CHANGES_A_READ)?;
            let Some(last) = changes.last() else {
                return Ok(records);
            };
            seq = last.seq;
            let keys = changes.into_iter().map(|change| change.key);
            records.extend(keys.filter(|key| filter.fits_record(key)));
        }
    }

    fn open_of(
        &self,
        filter: &ConflictFilter,
        key: &RecordKey,
    ) -> Result<Vec<ConflictView>, EngineError> {
        self.conflicts(&ConflictFilter {
            collection: Some(key.collection.clone()),
            record: Some(key.record),
            ..filter.clone()
        })
    }

    fn compare_all(
        &self,
        watch: &mut ConflictWatch,
        news: &mut Vec<ConflictNews>,
    ) -> Result<(), EngineError> {
        let mut open: BTreeMap<RecordKey, Vec<ConflictView>> = BTreeMap::new();
        open.extend(watch.told.keys().map(|key| (key.clone(), Vec::new())));
        self.visit_conflicts(&watch.filter, None, &mut |view| {
            open.entry(view.key.clone()).or_default().push(view);
            Visit::Continue
        })?;
        for (key, views) in open {
            self.compare(watch, key, views, news)?;
        }
        Ok(())
    }

    /// Tells how the open entries of a record differ from those that were told of.
    fn compare(
        &self,
        watch: &mut ConflictWatch,
        key: RecordKey,
        open: Vec<ConflictView>,
        news: &mut Vec<ConflictNews>,
    ) -> Result<(), EngineError> {
        let before = watch.told.remove(&key).unwrap_or_default();
        let goes_on = |id: &EntryId| {
            let mut entries = open.iter().map(|view| &view.entry);
            entries.any(|entry| entry.id == *id || entry.also.contains(id))
        };
        for id in before.keys().filter(|id| !goes_on(id)) {
            let view = match self.entry(*id) {
                Ok(view) => Some(view),
                Err(EngineError::NotFound { .. }) => None,
                Err(error) => return Err(error),
            };
            news.push(ConflictNews {
                what: ConflictChange::Closed,
                id: *id,
                view,
            });
        }
        let mut now = Told::new();
        for view in open {
            let digest = digest_of(&view);
            let id = view.entry.id;
            now.insert(id, digest);
            let told = std::iter::once(&id).chain(&view.entry.also);
            let what = match told.filter_map(|id| before.get(id)).collect::<Vec<_>>()[..] {
                [] => ConflictChange::Opened,
                [before] if *before == digest => continue,
                _ => ConflictChange::Changed,
            };
            news.push(ConflictNews {
                what,
                id,
                view: Some(self.placed(view)?),
            });
        }
        if !now.is_empty() {
            watch.told.insert(key, now);
        }
        Ok(())
    }
}

/// A digest of all that an entry says, and of what the rules make of it.
fn digest_of(view: &ConflictView) -> [u8; 32] {
    let evidence = Evidence {
        entries: vec![view.entry.clone()],
        unsettled: true,
        agreed: Vec::new(),
    };
    let mut hash = blake3::Hasher::new();
    let by_rules = (&view.rule, &view.policy, &view.picked, view.provisional);
    // Kept in memory only, so any form will do.
    hash.update(format!("{by_rules:?}").as_bytes());
    hash.update(&evidence.encode());
    *hash.finalize().as_bytes()
}
