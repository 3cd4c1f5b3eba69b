//! Reading many entries, in the order in which they lie in the store.

use driftless_document::{Entry, EntryId, Evidence, Member, Status};
use driftless_store::Visit;

use super::{ConflictFilter, ConflictPage, ConflictPosition, view};
use crate::error::EngineError;
use crate::replica::Replica;
use crate::space::{self, Space};
use crate::types::{ConflictView, DeviceName, RecordKey};

/// Some members of an entry, with who they are.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberPage {
    /// The entry, by the id it has now.
    pub entry: EntryId,
    /// The members, in (counter, actor) order, each with the device that the members' list knows for its author.
    pub members: Vec<(Member, Option<DeviceName>)>,
    /// How many there are in all.
    pub total: usize,
}

impl Replica {
    /// The entries that fit a filter, ordered by (collection, record, path, id).
    pub fn conflicts(&self, filter: &ConflictFilter) -> Result<Vec<ConflictView>, EngineError> {
        let mut views = Vec::new();
        self.visit_conflicts(filter, None, &mut |view| {
            views.push(view);
            Visit::Continue
        })?;
        views.into_iter().map(|view| self.placed(view)).collect()
    }

    /// At most `limit` of the entries that fit a filter, behind `after` or from the first.
    ///
    /// Entries that come, go and grow between two pages make no entry be missed or shown twice, unless it joined
    /// another one. The cost is that of the entries looked at, from `after` to the last one of the page.
    pub fn conflicts_page(
        &self,
        filter: &ConflictFilter,
        after: Option<&ConflictPosition>,
        limit: usize,
    ) -> Result<ConflictPage, EngineError> {
        let limit = limit.max(1);
        let mut page = ConflictPage {
            entries: Vec::new(),
            next: None,
        };
        self.visit_conflicts(filter, after, &mut |view| {
            if page.entries.len() == limit {
                page.next = page.entries.last().map(ConflictPosition::of);
                return Visit::Stop;
            }
            page.entries.push(view);
            Visit::Continue
        })?;
        let entries = page.entries.into_iter().map(|view| self.placed(view));
        page.entries = entries.collect::<Result<_, _>>()?;
        Ok(page)
    }

    /// How many entries fit a filter.
    pub fn count_conflicts(&self, filter: &ConflictFilter) -> Result<u64, EngineError> {
        let mut count = 0;
        self.visit_conflicts(filter, None, &mut |_| {
            count += 1;
            Visit::Continue
        })?;
        Ok(count)
    }

    /// At most `limit` members of an entry, from the `first`, counted from 0: an entry keeps them all for good.
    pub fn conflict_members(
        &self,
        id: &str,
        first: usize,
        limit: usize,
    ) -> Result<MemberPage, EngineError> {
        let view = self.conflict(id)?;
        let total = view.entry.members.len();
        let members = view.entry.members.into_iter().skip(first).take(limit);
        let members = members.map(|member| {
            let device = view.devices.get(&member.operation.actor).cloned();
            (member, device)
        });
        Ok(MemberPage {
            entry: view.entry.id,
            members: members.collect(),
            total,
        })
    }

    /// Shows the entries that fit a filter, behind `after` or from the first, in their order, until told to stop.
    ///
    /// The places of elements are left out.
    pub(super) fn visit_conflicts(
        &self,
        filter: &ConflictFilter,
        after: Option<&ConflictPosition>,
        visit: &mut dyn FnMut(ConflictView) -> Visit,
    ) -> Result<(), EngineError> {
        let members = self.members();
        let from = after.map(|after| &after.key);
        self.visit_records(filter, from, &mut |key, evidence| {
            let mut entries = evidence.entries;
            entries.sort_by(|a, b| (&a.register, a.id).cmp(&(&b.register, b.id)));
            let is_new = |entry: &Entry| {
                after.is_none_or(|after| {
                    (&key, &entry.register, entry.id) > (&after.key, &after.path, after.id)
                })
            };
            let wanted = entries.into_iter().filter(|entry| filter.fits_entry(entry));
            for entry in wanted.filter(|entry| is_new(entry)) {
                // Most entries of a log are decided: no view is made of one that is not asked for.
                let is_settled = !entry.outcomes.is_empty();
                if is_settled && filter.status.is_some_and(|s| s != Status::Resolved) {
                    continue;
                }
                let view = view(&self.core.rules, key.clone(), entry, &members);
                let fits = filter.status.is_none_or(|status| status == view.status);
                if fits && visit(view) == Visit::Stop {
                    return Visit::Stop;
                }
            }
            Visit::Continue
        })
    }

    /// Shows what overlapped in each record that a filter allows, in their order, from `from` or the first.
    pub(super) fn visit_records(
        &self,
        filter: &ConflictFilter,
        from: Option<&RecordKey>,
        visit: &mut dyn FnMut(RecordKey, Evidence) -> Visit,
    ) -> Result<(), EngineError> {
        let keys = &self.core.keys;
        let prefix = match (&filter.collection, filter.record) {
            (Some(collection), Some(record)) => {
                let collection = collection.clone();
                keys.record(Space::Conflict, &RecordKey { collection, record })
            }
            (Some(collection), None) => keys.collection(Space::Conflict, collection),
            (None, _) => keys.space(Space::Conflict),
        };
        let from = from.map_or_else(Vec::new, |key| keys.record(Space::Conflict, key));
        let mut result = Ok(());
        self.core.base.scan(&prefix, &from, &mut |key, value| {
            let shown = space::record_of(key).map_err(EngineError::from);
            let shown = shown.and_then(|key| {
                if !filter.fits_record(&key) {
                    return Ok(Visit::Continue);
                }
                Ok(visit(key, Evidence::decode(value)?))
            });
            shown.unwrap_or_else(|error| {
                result = Err(error);
                Visit::Stop
            })
        })?;
        result
    }
}
