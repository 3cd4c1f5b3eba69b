//! One leaf inside one fork: who contests whom, and what becomes of it.

use super::clocks::{CommonPast, Extent, Fork};
use super::contest::{self, Groups, Point, Relation};
use super::forks::within;
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

    /// A put, and of a record its deletion.
    fn is_strong(self, act: &Act<'_>) -> bool {
        match self {
            Self::Record => act.what == What::Put(&Value::Bool(true)),
            _ => act.what != What::Delete,
        }
    }
}

/// What one change does to a leaf: a write, or (on `$deleted`) a touch.
#[derive(Clone, Copy)]
struct Act<'a> {
    change: usize,
    operation: OpId,
    what: What<'a>,
}

#[derive(Clone, Copy, PartialEq)]
enum What<'a> {
    Put(&'a Value),
    Delete,
    Touch,
}

impl<'a> Act<'a> {
    fn of(write: &Step<'a>) -> Self {
        Self {
            change: write.change,
            operation: write.operation,
            what: write.value.map_or(What::Delete, What::Put),
        }
    }

    fn is_touch(&self) -> bool {
        self.what == What::Touch
    }

    fn action(&self) -> MemberAction {
        match self.what {
            What::Put(value) => MemberAction::Put(value.clone()),
            What::Delete => MemberAction::Delete,
            What::Touch => MemberAction::Touch,
        }
    }
}

/// All acts on one leaf inside one fork, in history order.
pub(super) struct Acts<'a> {
    history: &'a History<'a>,
    fork: &'a Fork,
    leaf: Leaf<'a>,
    sort: Sort,
    /// All steps on the leaf, wherever in the history.
    steps: &'a [Step<'a>],
    all: Vec<Act<'a>>,
}

impl<'a> Acts<'a> {
    /// `steps` are all steps on the leaf.
    pub(super) fn of(
        history: &'a History<'a>,
        leaf: Leaf<'a>,
        steps: &'a [Step<'a>],
        fork: &'a Fork,
    ) -> Self {
        let sort = Sort::of(leaf);
        let inside = &steps[within(steps, &fork.range, |step| step.change)];
        let writes = inside.iter().filter(|step| step.is_write);
        let mut all: Vec<_> = writes.map(Act::of).collect();
        if sort == Sort::Record && all.iter().any(|act| sort.is_strong(act)) {
            all.extend(touches(history, fork));
            all.sort_by_key(|act| act.change);
        }
        Self {
            history,
            fork,
            leaf,
            sort,
            steps,
            all,
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
                strong: self.sort.is_strong(act),
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
        let from = self
            .steps
            .partition_point(|step| step.change < self.fork.range.start);
        let writes = self.steps[from..].iter().filter(|step| step.is_write);
        let settled = case.settle(&writes.map(|write| (write.change, Act::of(write))));
        let mut outcomes: Vec<_> = settled
            .outcomes
            .iter()
            .map(|(change, act)| candidate(self.history, self.shown(act), *change, act.operation))
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
        let deletes = |&n: &usize| self.all[n].what == What::Delete;
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
            let shown = self.shown(act);
            if self.sort == Sort::Record && grouped.iter().any(|c| c.shown == shown) {
                continue;
            }
            grouped.push(candidate(self.history, shown, act.change, act.operation));
        }
        grouped
    }

    fn shown(&self, act: &Act<'_>) -> Shown {
        let of_record = self.sort == Sort::Record;
        match act.what {
            What::Put(Value::Bool(true)) if of_record => Shown::Absent,
            _ if of_record => Shown::Keep,
            What::Put(value) => Shown::Value(value.clone()),
            _ => Shown::Absent,
        }
    }

    fn base(&self, common: &CommonPast<'_>) -> Vec<Shown> {
        let live = self
            .history
            .live(self.leaf, self.steps, |n| common.includes(n));
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
            let (change, time) = self.history.change(act.change);
            Member {
                operation: act.operation,
                action: act.action(),
                change,
                time,
                candidate: is_candidate[n],
            }
        };
        members.iter().map(member).collect()
    }
}

/// The changes of a fork that edit fields and neither delete nor restore the record, each with its smallest such
/// operation; without those whose past already reads deleted.
fn touches(history: &History<'_>, fork: &Fork) -> Vec<Act<'static>> {
    let reads_deleted = history.reads_deleted(fork);
    let touch = |(change, deleted): (usize, bool)| {
        let counter = history.ledger.touch(change).filter(|_| !deleted)?;
        let actor = history.graph.actor_at(change);
        Some(Act {
            change,
            operation: OpId { counter, actor },
            what: What::Touch,
        })
    };
    let changes = fork.range.clone().zip(reads_deleted);
    changes.filter_map(touch).collect()
}

pub(super) fn candidate(
    history: &History<'_>,
    shown: Shown,
    change: usize,
    operation: OpId,
) -> Candidate {
    let (change, time) = history.change(change);
    Candidate {
        shown,
        operation,
        change,
        time,
    }
}
