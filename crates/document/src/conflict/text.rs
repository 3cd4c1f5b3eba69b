//! One text inside one fork: whose edits met, and what becomes of that.
//!
//! Members are whole changes. Each stands at some places of the text: the elements it removed, and for what it put
//! in the nearest element to the left that it knew. Two changes that stand at one place and knew nothing of each
//! other contest, unless all both do is remove; that is the relation of puts and deletes, place by place.

use std::collections::{BTreeMap, BTreeSet};

use super::clocks::{CommonPast, Extent, Fork};
use super::contest::{self, Groups, Point, Relation};
use super::episode::{Place, candidate};
use super::history::History;
use super::ledger::Edit;
use super::settle::Case;
use super::{Candidate, Entry, Kind, Member, MemberAction, Shown, Span};
use crate::ids::{EntryId, EntryNames, OpId};
use crate::limits;
use crate::sequence::Sequence;
use crate::value::Value;

/// All edits of one text inside one fork, in history order.
pub(super) struct Edits<'a> {
    history: &'a History<'a>,
    fork: &'a Fork,
    key: &'a str,
    all: &'a [Edit],
}

impl<'a> Edits<'a> {
    pub(super) fn of(history: &'a History<'a>, key: &'a str, fork: &'a Fork) -> Self {
        Self {
            history,
            fork,
            key,
            all: history.edits(key, fork),
        }
    }

    pub(super) fn entries(&self, place: Place<'_>) -> Vec<Entry> {
        let components = self.components();
        let Some(text) = self.history.source.sequence(self.key) else {
            return Vec::new(); // nothing was ever put in, so nothing overlaps
        };
        let names = EntryNames::new(place.collection, place.record, self.key);
        let entry = |members: Vec<usize>| self.entry(members, &names, text);
        components.into_iter().map(entry).collect()
    }

    fn components(&self) -> Vec<Vec<usize>> {
        let mut places = BTreeMap::<Option<OpId>, Vec<Point>>::new();
        for (n, edit) in self.all.iter().enumerate() {
            let change = edit.change;
            let mut stand = |place: Option<OpId>, strong: bool| {
                let points = places.entry(place).or_default();
                points.push(Point { n, change, strong });
            };
            for gap in &edit.gaps {
                stand(*gap, true);
            }
            let only_removes = edit.gaps.is_empty();
            for element in &edit.removed {
                if !edit.gaps.contains(&Some(*element)) {
                    stand(Some(*element), !only_removes);
                }
            }
        }
        let mut groups = Groups::new(self.all.len());
        for points in places.values().filter(|points| points.len() > 1) {
            contest::join(self.fork, points, Relation::UnlessBothWeak, &mut groups);
        }
        groups.components()
    }

    fn entry(&self, mut members: Vec<usize>, names: &EntryNames, text: &Sequence) -> Entry {
        members.sort_by_key(|&n| self.all[n].operation);
        let ids: Vec<EntryId> = members
            .iter()
            .map(|&n| names.of(self.all[n].operation))
            .collect();
        let extent = self.extent(&members);
        let reach: Vec<usize> = (0..self.all.len())
            .filter(|n| {
                let change = self.all[*n].change;
                members.contains(n)
                    || (extent.is_met_by(self.fork, change)
                        && !extent.is_known_to(self.fork, change))
            })
            .collect();
        let candidates = self.candidates(&reach);
        let common = CommonPast::of(self.fork, members.iter().map(|&n| self.all[n].change));
        let reviews = self.history.reviews_of(&ids, |n| common.includes(n));
        let case = Case {
            history: self.history,
            fork: self.fork,
            members: &extent,
            reviews: &reviews,
        };
        let mut decisions: Vec<_> = reviews
            .iter()
            .filter(|review| review.is_decision())
            .map(|review| (review.change, review.operation))
            .collect();
        decisions.sort_unstable();
        let settled = case.settle(&decisions.into_iter());
        let mut outcomes: Vec<_> = settled
            .outcomes
            .iter()
            .map(|&(change, operation)| self.shown_at(change, operation, text))
            .collect();
        outcomes.sort_by_key(|outcome| outcome.operation);
        let shown = |&n: &usize| {
            let edit = &self.all[n];
            self.shown_at(edit.change, edit.operation, text)
        };
        Entry {
            id: ids[0],
            also: ids[1..].to_vec(),
            register: self.key.to_owned(),
            kind: Kind::Text,
            base: vec![text_of(text, |n| common.includes(n))],
            candidates: candidates.iter().map(shown).collect(),
            members: self.members(&members, &candidates, text),
            outcomes,
            spans: self.spans(&members, &candidates, text),
            reviews: case.reviews(&self.extent(&reach), &settled),
        }
    }

    fn extent(&self, edits: &[usize]) -> Extent {
        Extent::of(self.fork, edits.iter().map(|&n| self.all[n].change))
    }

    /// Those of the reach that none of it supersedes, in (counter, actor) order.
    fn candidates(&self, reach: &[usize]) -> Vec<usize> {
        let changes = reach.iter().map(|&n| self.all[n].change);
        let reached = self.extent(reach).reached(self.fork, changes);
        let stands = |&n: &usize| !reached.includes(self.fork, self.all[n].change);
        let mut candidates: Vec<_> = reach.iter().copied().filter(stands).collect();
        candidates.sort_by_key(|&n| self.all[n].operation);
        candidates
    }

    /// What the text reads at a change.
    fn shown_at(&self, change: usize, operation: OpId, text: &Sequence) -> Candidate {
        let forks = &self.history.forks;
        let shown = text_of(text, |n| n == change || forks.knew(change, n));
        candidate(self.history, shown, change, operation)
    }

    fn members(&self, members: &[usize], candidates: &[usize], text: &Sequence) -> Vec<Member> {
        let mut places = BTreeMap::<OpId, Vec<(usize, bool)>>::new();
        for (at, &n) in members.iter().enumerate() {
            let edit = &self.all[n];
            for id in &edit.removed {
                places.entry(*id).or_default().push((at, false));
            }
            for id in &edit.inserted {
                places.entry(*id).or_default().push((at, true));
            }
        }
        let mut did = vec![(Cut::default(), Cut::default()); members.len()];
        for element in text.elements() {
            for &(at, is_new) in places.get(&element.id).map_or(&[][..], Vec::as_slice) {
                let (deleted, inserted) = &mut did[at];
                let own = self.all[members[at]].change;
                if !is_new {
                    deleted.push(element.letters());
                } else if element.is_live(|change| change == own) {
                    inserted.push(element.letters());
                }
            }
        }
        let member = |(&n, (deleted, inserted)): (&usize, (Cut, Cut))| {
            let edit = &self.all[n];
            let (change, time) = self.history.change(edit.change);
            Member {
                operation: edit.operation,
                action: MemberAction::Text {
                    deleted: deleted.0,
                    inserted: inserted.0,
                },
                change,
                time,
                candidate: candidates.contains(&n),
            }
        };
        members.iter().zip(did).map(member).collect()
    }

    /// Where in each candidate's text the members lie that it is or knew of.
    fn spans(&self, members: &[usize], candidates: &[usize], text: &Sequence) -> Vec<Span> {
        let mut spans = Vec::new();
        for &n in candidates {
            let change = self.all[n].change;
            let includes = |m: usize| m == change || self.history.forks.knew(change, m);
            let known = members.iter().map(|&m| &self.all[m]);
            let known: Vec<_> = known.filter(|edit| includes(edit.change)).collect();
            let of = |set: fn(&Edit) -> &[OpId]| -> BTreeSet<OpId> {
                known.iter().flat_map(|edit| set(edit)).copied().collect()
            };
            let (inserted, removed) = (of(|edit| &edit.inserted), of(|edit| &edit.removed));
            let mut at = 0;
            let mut span: Option<Span> = None;
            for element in text.elements() {
                let is_live = element.is_live(includes);
                let is_new = inserted.contains(&element.id);
                if is_live && !is_new {
                    spans.extend(span.take());
                } else if is_live || (removed.contains(&element.id) && !is_new) {
                    let span = span.get_or_insert_with(|| Span {
                        change: self.history.graph.hash_at(change),
                        at,
                        deleted: 0,
                        inserted: 0,
                    });
                    span.inserted += u64::from(is_live);
                    span.deleted += u64::from(!is_live);
                }
                at += u64::from(is_live);
            }
            spans.extend(span);
        }
        spans
    }
}

/// Text that is cut off after so many characters.
#[derive(Clone, Default)]
struct Cut(String, usize);

impl Cut {
    fn push(&mut self, text: &str) {
        if self.1 < limits::SHOWN_EDIT_CHARACTERS {
            self.0.push_str(text);
            self.1 += 1;
        }
    }
}

/// What a text reads after some changes, at most so much of it as an entry shows.
fn text_of(sequence: &Sequence, includes: impl Fn(usize) -> bool) -> Shown {
    let mut text = String::new();
    for element in sequence.elements().filter(|e| e.is_live(&includes)) {
        let letters = element.letters();
        if text.len() + letters.len() > limits::SHOWN_TEXT_BYTES {
            break;
        }
        text.push_str(letters);
    }
    Shown::Value(Value::Text(text))
}
