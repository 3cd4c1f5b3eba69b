//! One leaf inside one fork: who contests whom, and what becomes of it.

use super::clocks::{CommonPast, Extent, Fork};
use super::contest::{self, Groups, Point, Relation};
use super::history::{History, Leaf, Step};
use super::settle::Case;
use super::{Candidate, Entry, Kind, Member, MemberAction, Shown};
use crate::field::{FieldKey, FieldType};
use crate::ids::{EntryId, EntryNames, OpId, RecordId};
use crate::path::DELETED;
use crate::value::Value;

/// Whose log it is.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) collection: &'a str,
    pub(super) record: RecordId,
}

/// What kind of leaf it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sort {
    /// Whether the record is deleted.
    Record,
    /// A member of a set.
    SetMember,
    Element,
    Field,
}

impl Sort {
    fn of(leaf: Leaf<'_>) -> Self {
        let is_member = |key: FieldKey| key.kind() == FieldType::Set && key.member().is_some();
        if leaf.key == DELETED {
            Self::Record
        } else if leaf.element.is_some() {
            Self::Element
        } else if leaf.key.contains('/') && FieldKey::parse(leaf.key).is_some_and(is_member) {
            Self::SetMember
        } else {
            Self::Field
        }
    }

    fn relation(self) -> Relation {
        match self {
            Self::Record | Self::SetMember => Relation::Opposites,
            Self::Element | Self::Field => Relation::UnlessBothWeak,
        }
    }
}

/// What one change does to a leaf: a write, or (on `$deleted`) a touch.
#[derive(Clone)]
struct Act {
    change: usize,
    operation: OpId,
    action: MemberAction,
}

impl Act {
    fn is_touch(&self) -> bool {
        self.action == MemberAction::Touch
    }
}

/// All acts on one leaf inside one fork, in history order.
pub(super) struct Acts<'a> {
    history: &'a History<'a>,
    fork: &'a Fork,
    leaf: Leaf<'a>,
    sort: Sort,
    all: Vec<Act>,
}

impl<'a> Acts<'a> {
    pub(super) fn of(history: &'a History<'a>, leaf: Leaf<'a>, fork: &'a Fork) -> Self {
        let mut acts = Self {
            history,
            fork,
            leaf,
            sort: Sort::of(leaf),
            all: Vec::new(),
        };
        let writes = history
            .writes_from(leaf, fork.range.start)
            .take_while(|write| fork.range.contains(&write.change));
        acts.all.extend(writes.map(|write| Act {
            change: write.change,
            operation: write.operation,
            action: action_of(write),
        }));
        if acts.sort == Sort::Record && acts.all.iter().any(|act| acts.is_strong(act)) {
            let touches = touches(history, fork);
            acts.all.extend(touches);
            acts.all.sort_by_key(|act| act.change);
        }
        acts
    }

    /// A put, and of a record its deletion.
    fn is_strong(&self, act: &Act) -> bool {
        match self.sort {
            Sort::Record => act.action == MemberAction::Put(Value::Bool(true)),
            _ => act.action != MemberAction::Delete,
        }
    }

    /// The entries: one for each connected component of two or more of "contests".
    pub(super) fn entries(&self, place: Place<'_>) -> Vec<Entry> {
        let points: Vec<_> = self
            .all
            .iter()
            .enumerate()
            .map(|(n, act)| Point {
                n,
                change: act.change,
                strong: self.is_strong(act),
            })
            .collect();
        let mut groups = Groups::new(points.len());
        contest::join(self.fork, &points, self.sort.relation(), &mut groups);
        let components = groups.components();
        if components.is_empty() {
            return Vec::new();
        }
        let name = self.leaf.name();
        let names = EntryNames::new(place.collection, place.record, &name);
        let entry = |members: Vec<usize>| self.entry(members, &name, &names);
        components.into_iter().map(entry).collect()
    }

    fn entry(&self, mut members: Vec<usize>, name: &str, names: &EntryNames) -> Entry {
        members.sort_by_key(|&n| self.all[n].operation);
        let ids: Vec<EntryId> = members
            .iter()
            .map(|&n| names.of(self.all[n].operation))
            .collect();
        let extent = self.extent(&members);
        let reach = self.reach(&members, &extent);
        let candidates = self.candidates(&reach);
        let common = CommonPast::of(self.fork, members.iter().map(|&n| self.all[n].change));
        let reviews = self.history.reviews_of(&ids, |n| common.includes(n));
        let case = Case {
            history: self.history,
            fork: self.fork,
            members: &extent,
            reviews: &reviews,
        };
        let writes = self.history.writes_from(self.leaf, self.fork.range.start);
        let settled = case.settle(&writes.map(|write| (write.change, write)));
        let mut outcomes: Vec<_> = settled
            .outcomes
            .iter()
            .map(|(change, write)| {
                let shown = self.shown(&action_of(write));
                candidate(self.history, shown, *change, write.operation)
            })
            .collect();
        outcomes.sort_by_key(|outcome| outcome.operation);
        Entry {
            id: ids[0],
            also: ids[1..].to_vec(),
            register: name.to_owned(),
            kind: self.kind(&members),
            base: self.base(&common),
            candidates: self.grouped(&candidates),
            members: self.members(&members, &candidates),
            outcomes,
            spans: Vec::new(),
            reviews: case.reviews(&self.extent(&reach), &settled),
        }
    }

    fn extent(&self, acts: &[usize]) -> Extent {
        Extent::of(self.fork, acts.iter().map(|&n| self.all[n].change))
    }

    fn kind(&self, members: &[usize]) -> Kind {
        let deletes = |&n: &usize| self.all[n].action == MemberAction::Delete;
        match self.sort {
            Sort::Record => Kind::RecordDeleted,
            Sort::Element => Kind::ListElement,
            _ if members.iter().any(deletes) => Kind::PutDelete,
            _ => Kind::PutPut,
        }
    }

    /// The members, and the acts that succeed some but not all of them. Acts after the fork succeed all.
    fn reach(&self, members: &[usize], extent: &Extent) -> Vec<usize> {
        let mut is_member = vec![false; self.all.len()];
        for &n in members {
            is_member[n] = true;
        }
        let in_reach = |&n: &usize| {
            let change = self.all[n].change;
            is_member[n]
                || (extent.is_met_by(self.fork, change) && !extent.is_known_to(self.fork, change))
        };
        (0..self.all.len()).filter(in_reach).collect()
    }

    /// Those of the reach that none of it supersedes, in (counter, actor) order; a touch supersedes only touches.
    fn candidates(&self, reach: &[usize]) -> Vec<usize> {
        let extent = self.extent(reach);
        let reached = |touches: bool| {
            let acts = reach.iter().map(|&n| &self.all[n]);
            let those = acts.filter(|act| act.is_touch() == touches);
            extent.reached(self.fork, those.map(|act| act.change))
        };
        let (by_writes, by_touches) = (reached(false), reached(true));
        let stands = |&n: &usize| {
            let act = &self.all[n];
            let touched = act.is_touch() && by_touches.includes(self.fork, act.change);
            !touched && !by_writes.includes(self.fork, act.change)
        };
        let mut candidates: Vec<_> = reach.iter().copied().filter(stands).collect();
        candidates.sort_by_key(|&n| self.all[n].operation);
        candidates
    }

    /// One candidate a side: of a record, all deletions are one, and all touches and restores.
    fn grouped(&self, candidates: &[usize]) -> Vec<Candidate> {
        let mut grouped: Vec<Candidate> = Vec::new();
        for &n in candidates {
            let act = &self.all[n];
            let shown = self.shown(&act.action);
            if self.sort == Sort::Record && grouped.iter().any(|c| c.shown == shown) {
                continue;
            }
            grouped.push(candidate(self.history, shown, act.change, act.operation));
        }
        grouped
    }

    fn shown(&self, action: &MemberAction) -> Shown {
        let of_record = self.sort == Sort::Record;
        match action {
            MemberAction::Put(Value::Bool(true)) if of_record => Shown::Absent,
            _ if of_record => Shown::Keep,
            MemberAction::Put(value) => Shown::Value(value.clone()),
            _ => Shown::Absent,
        }
    }

    fn base(&self, common: &CommonPast<'_>) -> Vec<Shown> {
        let live = self.history.live(self.leaf, |n| common.includes(n));
        if self.sort == Sort::Record {
            let deleted = live
                .last()
                .is_some_and(|(_, value)| *value == Value::Bool(true));
            return vec![if deleted { Shown::Absent } else { Shown::Keep }];
        }
        if live.is_empty() {
            return vec![Shown::Absent];
        }
        live.into_iter()
            .map(|(_, value)| Shown::Value(value))
            .collect()
    }

    fn members(&self, members: &[usize], candidates: &[usize]) -> Vec<Member> {
        let mut is_candidate = vec![false; self.all.len()];
        for &n in candidates {
            is_candidate[n] = true;
        }
        let member = |&n: &usize| {
            let act = &self.all[n];
            let change = self.history.changes[act.change];
            Member {
                operation: act.operation,
                action: act.action.clone(),
                change: change.hash,
                time: change.time,
                candidate: is_candidate[n],
            }
        };
        members.iter().map(member).collect()
    }
}

/// The changes of a fork that edit fields and neither delete nor restore the record, each with its smallest such
/// operation; without those whose past already reads deleted.
fn touches(history: &History<'_>, fork: &Fork) -> Vec<Act> {
    let reads_deleted = history.reads_deleted(fork);
    let touch = |(change, deleted): (usize, bool)| {
        let content = history.changes[change];
        if deleted || content.operations.iter().any(|o| o.key == DELETED) {
            return None;
        }
        let (operation, _) = content.numbered().find(|(_, o)| !o.key.starts_with('$'))?;
        Some(Act {
            change,
            operation,
            action: MemberAction::Touch,
        })
    };
    let changes = fork.range.clone().zip(reads_deleted);
    changes.filter_map(touch).collect()
}

fn action_of(write: &Step<'_>) -> MemberAction {
    match write.value {
        Some(value) => MemberAction::Put(value.clone()),
        None => MemberAction::Delete,
    }
}

pub(super) fn candidate(
    history: &History<'_>,
    shown: Shown,
    change: usize,
    operation: OpId,
) -> Candidate {
    let change = history.changes[change];
    Candidate {
        shown,
        operation,
        change: change.hash,
        time: change.time,
    }
}
