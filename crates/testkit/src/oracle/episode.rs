//! One connected group of acts that contest each other, and what becomes of it.

use std::collections::BTreeSet;

use driftless_document::{
    Candidate, Entry, EntryId, Kind, Member, MemberAction, OpId, Review, ReviewAction, Shown,
    Status, Value,
};

use super::acts::{Act, Register, Sort};
use super::names::entry_id;
use super::reviews::Said;
use super::{Canary, Episode, Oracle};
use crate::sequence;

/// A write that knew of every member.
struct Settling {
    change: usize,
    operation: OpId,
    shown: Shown,
}

impl Oracle<'_> {
    pub(super) fn episode(
        &self,
        register: &Register,
        members: &[usize],
        reviews: &[Said],
    ) -> Episode {
        let acts = &register.acts;
        let ids = self.ids(register, members);
        let named = Self::naming(reviews, &ids);
        let reach = self.reach(acts, members);
        let standing = self.standing(acts, &reach);
        let (outcomes, reopened) = self.outcomes(register, members, &named);
        let settled = !outcomes.is_empty();
        let reviews = self.judged(acts, &reach, &named, &outcomes, &reopened);
        let candidates = self.candidates(register, &standing);
        let acknowledged = reviews
            .iter()
            .any(|r| r.stands && matches!(r.what, ReviewAction::Acknowledge { .. }));
        let equal = candidates
            .iter()
            .all(|candidate| candidate.shown == candidates[0].shown);
        let status = if settled {
            Status::Resolved
        } else if acknowledged {
            Status::Acknowledged
        } else if equal && register.sort != Sort::Text {
            Status::Agreed
        } else if matches!(register.sort, Sort::Text | Sort::Member) {
            Status::AutoMerged
        } else {
            Status::Open
        };
        let of_members: Vec<&Act> = members.iter().map(|&m| &acts[m]).collect();
        let spans = standing
            .iter()
            .filter(|_| register.sort == Sort::Text)
            .flat_map(|&n| self.spans(&register.key, &of_members, &acts[n]));
        let entry = Entry {
            id: ids[0],
            also: ids[1..].to_vec(),
            register: register.name.clone(),
            kind: kind(register, members),
            base: self.base(register, members),
            candidates,
            members: self.members(register, members, &standing),
            outcomes: outcomes
                .into_iter()
                .map(|o| self.candidate(o.change, o.operation, o.shown))
                .collect(),
            reviews,
            spans: spans.collect(),
        };
        Episode {
            entry,
            settled,
            status,
        }
    }

    fn ids(&self, register: &Register, members: &[usize]) -> Vec<EntryId> {
        let operations = members.iter().map(|&n| register.acts[n].operation);
        let mut ids: Vec<EntryId> = operations
            .map(|operation| entry_id(self.collection, self.record, &register.name, operation))
            .collect();
        if self.has(Canary::LastMember) {
            ids.rotate_right(1);
        }
        ids
    }

    /// The members, and what knew of some of them and not of all.
    fn reach(&self, acts: &[Act], members: &[usize]) -> Vec<usize> {
        let in_reach = |n: &usize| {
            let knew = |m: &&usize| self.precedes(acts[**m].change, acts[*n].change);
            let count = members.iter().filter(knew).count();
            members.contains(n)
                || (count >= 1 && count < members.len() && !self.has(Canary::NoReach))
        };
        (0..acts.len()).filter(in_reach).collect()
    }

    /// Those of the reach that none of it supersedes; a touch supersedes only touches.
    fn standing(&self, acts: &[Act], reach: &[usize]) -> Vec<usize> {
        let is_touch = |n: usize| acts[n].action == MemberAction::Touch;
        let supersedes = |later: usize, earlier: usize| {
            self.precedes(acts[earlier].change, acts[later].change)
                && (!is_touch(later) || is_touch(earlier))
        };
        let stands = |n: &usize| !reach.iter().any(|&later| supersedes(later, *n));
        reach.iter().copied().filter(stands).collect()
    }

    fn candidate(&self, change: usize, operation: OpId, shown: Shown) -> Candidate {
        Candidate {
            shown,
            operation,
            change: self.changes[change].hash,
            time: self.changes[change].time,
        }
    }

    /// One for each standing act; of the record, one for those that delete it and one for those that keep it.
    fn candidates(&self, register: &Register, standing: &[usize]) -> Vec<Candidate> {
        let mut candidates: Vec<Candidate> = Vec::new();
        for &n in standing {
            let act = &register.acts[n];
            let shown = self.shown(register, act);
            let is_there = candidates.iter().any(|c| c.shown == shown);
            if register.sort != Sort::Record || !is_there {
                candidates.push(self.candidate(act.change, act.operation, shown));
            }
        }
        candidates
    }

    /// What the register reads at an act's change.
    fn shown(&self, register: &Register, act: &Act) -> Shown {
        match (&act.action, register.sort) {
            (_, Sort::Text) => {
                let includes = |n: usize| n == act.change || self.precedes(n, act.change);
                Shown::Value(self.text(&register.key, includes))
            }
            (MemberAction::Put(Value::Bool(true)), Sort::Record) => Shown::Absent,
            (_, Sort::Record) => Shown::Keep,
            (MemberAction::Put(value), _) => Shown::Value(value.clone()),
            _ => Shown::Absent,
        }
    }

    /// What the register reads in what all members knew of.
    fn base(&self, register: &Register, members: &[usize]) -> Vec<Shown> {
        let common = |n: usize| self.is_common(register, members, n);
        let live = match register.sort {
            Sort::Text => return vec![Shown::Value(self.text(&register.key, common))],
            Sort::Element(id) => {
                let elements = sequence::elements(self.operations(&register.key, common));
                let element = elements.into_iter().find(|element| element.id == id);
                element.map(|element| element.live).unwrap_or_default()
            }
            _ => self.live(&register.key, common),
        };
        if register.sort == Sort::Record {
            let deleted = live.into_values().next_back() == Some(Value::Bool(true));
            return vec![if deleted { Shown::Absent } else { Shown::Keep }];
        }
        if live.is_empty() {
            return vec![Shown::Absent];
        }
        live.into_values().map(Shown::Value).collect()
    }

    /// Whether all members knew of a change.
    fn is_common(&self, register: &Register, members: &[usize], change: usize) -> bool {
        let mut members = members.iter();
        members.all(|&m| self.precedes(change, register.acts[m].change))
    }

    fn members(&self, register: &Register, members: &[usize], standing: &[usize]) -> Vec<Member> {
        let member = |&n: &usize| {
            let act = &register.acts[n];
            let action = match register.sort {
                Sort::Text => self.text_edit(&register.key, act),
                _ => act.action.clone(),
            };
            Member {
                operation: act.operation,
                action,
                change: self.changes[act.change].hash,
                time: self.changes[act.change].time,
                candidate: standing.contains(&n),
            }
        };
        members.iter().map(member).collect()
    }

    /// What settled the episode as it stands, and the reopenings that withdrew what had settled it before.
    fn outcomes(
        &self,
        register: &Register,
        members: &[usize],
        named: &[Said],
    ) -> (Vec<Settling>, BTreeSet<OpId>) {
        let mut level = self.settling(register, members, named);
        let mut withdrew = BTreeSet::new();
        loop {
            let first: Vec<bool> = level
                .iter()
                .map(|x| !level.iter().any(|y| self.precedes(y.change, x.change)))
                .collect();
            let knows_all = |said: &&Said| {
                let mut outcomes = level.iter().zip(&first).filter(|(_, first)| **first);
                outcomes.all(|(outcome, _)| self.precedes(outcome.change, said.change))
            };
            let reopenings: Vec<&Said> = named
                .iter()
                .filter(|said| said.what == ReviewAction::Reopen)
                .filter(knows_all)
                .collect();
            if level.is_empty() || reopenings.is_empty() || self.has(Canary::NoReopen) {
                let mut first = first.into_iter();
                level.retain(|_| first.next().unwrap_or(false));
                return (level, withdrew);
            }
            withdrew.extend(reopenings.iter().map(|said| said.operation));
            level.retain(|x| {
                let mut reopenings = reopenings.iter();
                reopenings.any(|said| self.precedes(said.change, x.change))
            });
        }
    }

    /// The writes that knew of every member; of a text, the decisions that name it.
    fn settling(&self, register: &Register, members: &[usize], named: &[Said]) -> Vec<Settling> {
        let knows_all = |change: usize| {
            let mut members = members.iter();
            members.all(|&m| self.precedes(register.acts[m].change, change))
        };
        if register.sort == Sort::Text {
            let mut settling: Vec<Settling> = Vec::new();
            for said in named.iter().filter(|said| said.decides()) {
                if knows_all(said.change) {
                    settling.retain(|other| other.change != said.change);
                    let includes = |n: usize| n == said.change || self.precedes(n, said.change);
                    settling.push(Settling {
                        change: said.change,
                        operation: said.operation,
                        shown: Shown::Value(self.text(&register.key, includes)),
                    });
                }
            }
            return settling;
        }
        let settles = |act: &&Act| {
            (act.action != MemberAction::Touch || self.has(Canary::TouchSettles))
                && knows_all(act.change)
        };
        let acts = register.acts.iter().filter(settles);
        acts.map(|act| Settling {
            change: act.change,
            operation: act.operation,
            shown: self.shown(register, act),
        })
        .collect()
    }

    /// What was said of the entry, and which of it stands.
    fn judged(
        &self,
        acts: &[Act],
        reach: &[usize],
        named: &[Said],
        outcomes: &[Settling],
        reopened: &BTreeSet<OpId>,
    ) -> Vec<Review> {
        let knows_reach = |change: usize| {
            self.has(Canary::EarlyAcknowledgement)
                || reach.iter().all(|&n| self.precedes(acts[n].change, change))
        };
        let taken_back = |change: usize| {
            named
                .iter()
                .any(|said| said.what == ReviewAction::Reopen && self.precedes(change, said.change))
        };
        let stands = |said: &Said| match &said.what {
            ReviewAction::Acknowledge { .. } => {
                knows_reach(said.change) && !taken_back(said.change)
            }
            ReviewAction::Reopen => reopened.contains(&said.operation),
            _ if said.decides() => outcomes.iter().any(|o| o.change == said.change),
            _ => false,
        };
        named
            .iter()
            .map(|said| Review {
                operation: said.operation,
                change: self.changes[said.change].hash,
                time: self.changes[said.change].time,
                what: said.what.clone(),
                stands: stands(said),
            })
            .collect()
    }
}

fn kind(register: &Register, members: &[usize]) -> Kind {
    let deletes = |&m: &usize| register.acts[m].action == MemberAction::Delete;
    match register.sort {
        Sort::Record => Kind::RecordDeleted,
        Sort::Text => Kind::Text,
        Sort::Element(_) => Kind::ListElement,
        _ if members.iter().any(deletes) => Kind::PutDelete,
        _ => Kind::PutPut,
    }
}
