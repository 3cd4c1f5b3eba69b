//! What the conflict log tells of how a workspace is used: counts, times, the fields that overlap most.
//!
//! Nothing of it is stored. It is counted when somebody asks, from the entries and, of records whose histories fork, from
//! their changes: a function of what is held, so equal on equal devices.

use std::collections::BTreeMap;

use driftless_document::{Authors, Entry, Evidence, ReviewAction, Status, evidence, merged_forks};
use driftless_store::Visit;

use super::filter::{came_about_ms, field_of};
use super::suggest::{Foretold, Suggestion};
use super::view;
use crate::clock::Millis;
use crate::core::StoredRow;
use crate::error::EngineError;
use crate::replica::Replica;
use crate::space::{self, Space};
use crate::types::{ConflictView, RecordKey};

/// Records whose histories fork that one step counts: others have their turn in between.
const FORKED_A_STEP: usize = 64;
/// Rows that one step looks at.
const ROWS_A_STEP: usize = 8_192;

/// What the conflict log tells of how a workspace is used.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Insight {
    /// How often edits made apart were merged without an entry: in different fields, or to the same value.
    pub auto_merges: u64,
    /// Fields of records in which all sides merely agree, so that there is no entry.
    pub agreed: u64,
    /// Entries that were merged by the field's type.
    pub merged_by_type: u64,
    /// Entries that were merged by a policy.
    pub merged_by_policy: u64,
    /// Entries that asked, or ask, for a person: the three below.
    pub opened: u64,
    /// Entries that are decided.
    pub decided: u64,
    /// How often a decision was taken back.
    pub undone: u64,
    /// Entries of which somebody said that they may stay as they are.
    pub acknowledged: u64,
    /// Entries that wait.
    pub open: u64,
    /// The median time from an entry's coming about to its first decision, in milliseconds, as the devices claim.
    pub decision_ms: Option<Millis>,
    /// The fields with the most entries, the most first.
    pub hottest: Vec<HotField>,
    /// Policies that would have decided as people did, by collection and path.
    pub suggestions: Vec<Suggestion>,
}

/// A field of a collection, with what overlapped in it over all records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HotField {
    /// The collection.
    pub collection: String,
    /// The field's path, or `$deleted`.
    pub path: String,
    /// Its entries.
    pub entries: u64,
    /// Those of them that wait.
    pub open: u64,
}

/// Counts for an [`Insight`], record by record.
#[derive(Clone, Debug, Default)]
pub struct InsightCount {
    insight: Insight,
    decision_times: Vec<Millis>,
    fields: BTreeMap<(String, String), Field>,
}

/// What is counted of a field.
#[derive(Clone, Debug, Default)]
struct Field {
    entries: u64,
    open: u64,
    foretold: Foretold,
}

impl InsightCount {
    /// Begins to count.
    pub fn new() -> Self {
        Self::default()
    }

    /// What was counted, with at most `fields` of the hottest fields.
    pub fn finish(mut self, fields: usize) -> Insight {
        self.decision_times.sort_unstable();
        let middle = self.decision_times.len() / 2;
        let fields_counted = self.fields.iter();
        let suggestions = fields_counted
            .filter_map(|((collection, path), field)| field.foretold.suggestion(collection, path))
            .collect();
        let mut hottest: Vec<_> = self
            .fields
            .into_iter()
            .map(|((collection, path), field)| HotField {
                collection,
                path,
                entries: field.entries,
                open: field.open,
            })
            .collect();
        // Stable: fields with as many entries stay in the order of their names.
        hottest.sort_by_key(|field| std::cmp::Reverse(field.entries));
        hottest.truncate(fields);
        Insight {
            decision_ms: self.decision_times.get(middle).copied(),
            hottest,
            suggestions,
            ..self.insight
        }
    }

    fn add(&mut self, view: &ConflictView, authors: &dyn Authors) {
        let insight = &mut self.insight;
        match view.status {
            Status::Open => insight.open += 1,
            Status::Resolved => insight.decided += 1,
            Status::Acknowledged => insight.acknowledged += 1,
            Status::AutoMerged if view.entry.is_merged_by_type() => insight.merged_by_type += 1,
            Status::AutoMerged => insight.merged_by_policy += 1,
            _ => return,
        }
        if view.status != Status::AutoMerged {
            insight.opened += 1;
        }
        let reviews = view.entry.reviews.iter();
        let undone = reviews.filter(|review| review.what == ReviewAction::Reopen);
        insight.undone += undone.count() as u64;
        self.decision_times.extend(decision_ms(&view.entry));
        let path = field_of(&view.entry.register).to_owned();
        let field = (view.key.collection.clone(), path);
        let field = self.fields.entry(field).or_default();
        field.entries += 1;
        field.open += u64::from(view.status == Status::Open);
        field.foretold.add(&view.entry, authors);
    }
}

/// How long an entry waited for its first decision, as the devices claim; never less than nothing.
fn decision_ms(entry: &Entry) -> Option<Millis> {
    let decided = entry.outcomes.iter().map(|outcome| outcome.time >> 12);
    Some((decided.min()? - came_about_ms(entry)).max(0))
}

impl Replica {
    /// Counts some records behind `after`, or from the first, and says behind which one the count goes on; `None` when
    /// all are counted.
    ///
    /// The cost is that of reading the rows, and of those that fork the histories.
    pub fn count_insight(
        &self,
        count: &mut InsightCount,
        after: Option<&RecordKey>,
    ) -> Result<Option<RecordKey>, EngineError> {
        let (forked, next) = self.forked_records(after)?;
        let members = self.members();
        for key in forked {
            let changes = self.core.record(&key)?.changes()?;
            // Of what is merely agreed the store does not say all.
            let found = evidence(&key.collection, key.record, &changes);
            let Evidence {
                entries, agreed, ..
            } = found;
            count.insight.agreed += agreed.len() as u64;
            count.insight.auto_merges += merged_forks(&changes, &entries);
            for entry in entries {
                let view = view(&self.core.rules, key.clone(), entry, &members);
                count.add(&view, &self.core.rules);
            }
        }
        Ok(next)
    }

    /// The next records whose histories fork, and behind which record the search goes on.
    fn forked_records(
        &self,
        after: Option<&RecordKey>,
    ) -> Result<(Vec<RecordKey>, Option<RecordKey>), EngineError> {
        let rows = self.core.keys.space(Space::Row);
        let from = after.map_or_else(Vec::new, |key| self.core.keys.record(Space::Row, key));
        let (mut forked, mut last, mut looked_at) = (Vec::new(), None, 0);
        let mut goes_on = false;
        self.core.base.scan(&rows, &from, &mut |key, row| {
            if !from.is_empty() && key == from {
                return Visit::Continue;
            }
            if looked_at == ROWS_A_STEP || forked.len() == FORKED_A_STEP {
                goes_on = true;
                return Visit::Stop;
            }
            looked_at += 1;
            last = Some(key.to_vec());
            if StoredRow::says_forked(row) {
                forked.push(key.to_vec());
            }
            Visit::Continue
        })?;
        let keys = forked.iter().map(|key| space::record_of(key));
        let forked = keys.collect::<Result<Vec<_>, _>>()?;
        let last = last.filter(|_| goes_on);
        let next = last.map(|key| space::record_of(&key)).transpose()?;
        Ok((forked, next))
    }
}
