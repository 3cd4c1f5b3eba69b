//! One register inside one fork: who contests whom, and what becomes of it.

use std::ops::Range;

use super::evidence::{History, Write};
use super::forks::Fork;
use super::{Candidate, Entry, Kind, Member, MemberAction, Shown};
use crate::change::Action;
use crate::ids::{EntryId, OpId, RecordId};
use crate::path::DELETED;
use crate::value::Value;

/// What one change does to a register: a write, or (on `$deleted`) a touch.
#[derive(Clone)]
struct Act {
    change: usize,
    operation: OpId,
    action: MemberAction,
}

/// All acts on one register inside one fork, in (counter, actor) order.
pub(super) struct Acts {
    acts: Vec<Act>,
    of_record: bool,
}

impl Acts {
    pub(super) fn of(history: &History<'_>, register: &str, fork: &Fork) -> Self {
        let writes = within(history.writes(register), &fork.range);
        let mut acts: Vec<Act> = writes
            .iter()
            .map(|write| Act {
                change: write.change,
                operation: write.operation,
                action: History::member_action(write),
            })
            .collect();
        let of_record = register == DELETED;
        if of_record && !acts.is_empty() {
            acts.extend(
                history
                    .touches(fork)
                    .into_iter()
                    .map(|(change, operation)| Act {
                        change,
                        operation,
                        action: MemberAction::Touch,
                    }),
            );
        }
        acts.sort_by_key(|act| act.operation);
        Self { acts, of_record }
    }

    /// Whether two acts contest each other: neither knew of the other, and they do not commute.
    fn contest(&self, fork: &Fork, x: &Act, y: &Act) -> bool {
        if x.change == y.change || fork.knew(x.change, y.change) || fork.knew(y.change, x.change) {
            return false;
        }
        if self.of_record {
            return wants_deleted(x) != wants_deleted(y)
                && !(x.action == MemberAction::Touch && y.action == MemberAction::Touch);
        }
        !(x.action == MemberAction::Delete && y.action == MemberAction::Delete)
    }
}

/// On `$deleted`: whether the act deletes the record. An absent register reads false.
fn wants_deleted(act: &Act) -> bool {
    act.action == MemberAction::Put(Value::Bool(true))
}

/// The writes whose change lies in a range; `writes` are in history order.
fn within<'w, 'a>(writes: &'w [Write<'a>], range: &Range<usize>) -> &'w [Write<'a>] {
    let from = writes.partition_point(|write| write.change < range.start);
    let to = writes.partition_point(|write| write.change < range.end);
    &writes[from..to]
}

/// A connected group of acts that contest each other, as indexes into the acts, ascending.
pub(super) struct Episode<'a> {
    fork: &'a Fork,
    acts: &'a Acts,
    members: Vec<usize>,
}

/// The episodes among some acts: the connected components of two or more of "contests".
pub(super) fn episodes_of<'a>(fork: &'a Fork, acts: &'a Acts) -> Vec<Episode<'a>> {
    let mut group = UnionFind::new(acts.acts.len());
    for (i, x) in acts.acts.iter().enumerate() {
        for (j, y) in acts.acts.iter().enumerate().skip(i + 1) {
            if acts.contest(fork, x, y) {
                group.join(i, j);
            }
        }
    }
    group
        .groups()
        .into_iter()
        .filter(|members| members.len() > 1)
        .map(|members| Episode {
            fork,
            acts,
            members,
        })
        .collect()
}

impl Episode<'_> {
    pub(super) fn entry(
        &self,
        collection: &str,
        record: RecordId,
        register: &str,
        history: &History<'_>,
    ) -> Entry {
        let reach = self.reach();
        let candidates = self.candidates(&reach);
        let acts = &self.acts.acts;
        let id_of = |n: &usize| EntryId::of(collection, record, register, acts[*n].operation);
        let mut ids = self.members.iter().map(id_of);
        let id = ids.next().expect("an episode has two members or more");
        let common = self
            .fork
            .common_past(self.members.iter().map(|&n| acts[n].change));
        Entry {
            id,
            also: ids.collect(),
            register: register.to_owned(),
            kind: self.kind(),
            base: self.base(&history.live(register, common)),
            candidates: self.grouped(&candidates, history),
            members: self.members(&candidates, history),
            outcomes: self.outcomes(register, history),
        }
    }

    fn kind(&self) -> Kind {
        let deletes = |&n: &usize| self.acts.acts[n].action == MemberAction::Delete;
        if self.acts.of_record {
            Kind::RecordDeleted
        } else if self.members.iter().any(deletes) {
            Kind::PutDelete
        } else {
            Kind::PutPut
        }
    }

    /// Whether act `later` knew of act `earlier`.
    fn succeeds(&self, later: usize, earlier: usize) -> bool {
        let acts = &self.acts.acts;
        self.fork.knew(acts[later].change, acts[earlier].change)
    }

    /// The members, and the acts that succeed some but not all of them. Acts after the fork succeed all.
    fn reach(&self) -> Vec<usize> {
        let in_reach = |n: &usize| {
            let known = self
                .members
                .iter()
                .filter(|&&m| self.succeeds(*n, m))
                .count();
            self.members.binary_search(n).is_ok() || (known > 0 && known < self.members.len())
        };
        (0..self.acts.acts.len()).filter(in_reach).collect()
    }

    /// Those of the reach that none of it supersedes; a touch supersedes only touches.
    fn candidates(&self, reach: &[usize]) -> Vec<usize> {
        let touches = |n: usize| self.acts.acts[n].action == MemberAction::Touch;
        let supersedes = |later: usize, earlier: usize| {
            self.succeeds(later, earlier) && (!touches(later) || touches(earlier))
        };
        let stands = |n: &usize| !reach.iter().any(|&later| supersedes(later, *n));
        reach.iter().copied().filter(stands).collect()
    }

    /// One candidate a side: of a record, all deletions are one, and all touches and restores.
    fn grouped(&self, candidates: &[usize], history: &History<'_>) -> Vec<Candidate> {
        let mut grouped: Vec<Candidate> = Vec::new();
        for &n in candidates {
            let act = &self.acts.acts[n];
            let shown = self.shown(&act.action);
            if self.acts.of_record && grouped.iter().any(|c| c.shown == shown) {
                continue;
            }
            grouped.push(candidate(shown, act.change, act.operation, history));
        }
        grouped
    }

    fn shown(&self, action: &MemberAction) -> Shown {
        match action {
            MemberAction::Put(Value::Bool(true)) if self.acts.of_record => Shown::Absent,
            _ if self.acts.of_record => Shown::Keep,
            MemberAction::Put(value) => Shown::Value(value.clone()),
            MemberAction::Delete | MemberAction::Touch => Shown::Absent,
        }
    }

    fn base(&self, live: &[&Value]) -> Vec<Shown> {
        if self.acts.of_record {
            let deleted = live.last() == Some(&&Value::Bool(true));
            return vec![if deleted { Shown::Absent } else { Shown::Keep }];
        }
        if live.is_empty() {
            return vec![Shown::Absent];
        }
        live.iter()
            .map(|&value| Shown::Value(value.clone()))
            .collect()
    }

    fn members(&self, candidates: &[usize], history: &History<'_>) -> Vec<Member> {
        let member = |&n: &usize| {
            let act = &self.acts.acts[n];
            let change = &history.changes[act.change];
            Member {
                operation: act.operation,
                action: act.action.clone(),
                change: change.hash,
                time: change.time,
                candidate: candidates.contains(&n),
            }
        };
        self.members.iter().map(member).collect()
    }

    /// The writes that succeed every member, and no other write that does.
    fn outcomes(&self, register: &str, history: &History<'_>) -> Vec<Candidate> {
        let settles = |write: &&Write<'_>| {
            let knew = |&n: &usize| self.fork.knew(write.change, self.acts.acts[n].change);
            self.members.iter().all(knew)
        };
        let writes = history.writes(register);
        let inside: Vec<_> = within(writes, &self.fork.range)
            .iter()
            .filter(settles)
            .collect();
        if !inside.is_empty() {
            return self.earliest(&inside, self.fork, history);
        }
        // After the fork every write knew all of it: the first ones settle.
        let after = &writes[writes.partition_point(|w| w.change < self.fork.range.end)..];
        let Some(first) = after.first() else {
            return Vec::new();
        };
        match history.forks.holding(first.change) {
            None => self.earliest(&[first], self.fork, history),
            Some(fork) => {
                let there: Vec<_> = within(after, &fork.range).iter().collect();
                self.earliest(&there, fork, history)
            }
        }
    }

    /// Those of some writes of one fork that knew of no other of them, as decisions.
    fn earliest(
        &self,
        writes: &[&Write<'_>],
        fork: &Fork,
        history: &History<'_>,
    ) -> Vec<Candidate> {
        let knew_another = |write: &Write<'_>| {
            writes.len() > 1 && writes.iter().any(|w| fork.knew(write.change, w.change))
        };
        let mut earliest: Vec<_> = writes
            .iter()
            .filter(|write| !knew_another(write))
            .map(|write| {
                let shown = self.shown(&match write.action {
                    Action::Put(value) => MemberAction::Put(value.clone()),
                    _ => MemberAction::Delete,
                });
                candidate(shown, write.change, write.operation, history)
            })
            .collect();
        earliest.sort_by_key(|outcome| outcome.operation);
        earliest
    }
}

fn candidate(shown: Shown, change: usize, operation: OpId, history: &History<'_>) -> Candidate {
    let change = &history.changes[change];
    Candidate {
        shown,
        operation,
        change: change.hash,
        time: change.time,
    }
}

/// Groups of numbers, joined in any order.
struct UnionFind {
    parent: Vec<usize>,
}

impl UnionFind {
    fn new(len: usize) -> Self {
        Self {
            parent: (0..len).collect(),
        }
    }

    fn root(&mut self, mut n: usize) -> usize {
        while self.parent[n] != n {
            self.parent[n] = self.parent[self.parent[n]];
            n = self.parent[n];
        }
        n
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.parent[a.max(b)] = a.min(b);
    }

    /// The groups, each ascending, by their smallest number.
    fn groups(mut self) -> Vec<Vec<usize>> {
        let mut groups = std::collections::BTreeMap::<usize, Vec<usize>>::new();
        for n in 0..self.parent.len() {
            let root = self.root(n);
            groups.entry(root).or_default().push(n);
        }
        groups.into_values().collect()
    }
}
