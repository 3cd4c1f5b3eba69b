//! Edits of a text: where they meet, and how they read.

use std::collections::{BTreeMap, BTreeSet};

use driftless_document::{Action, Change, MemberAction, OpId, Span, Value};

use super::Oracle;
use super::acts::Act;
use crate::sequence::{self, Element};

/// What an act on a text tells of it at most, of each kind, in characters.
const TOLD: usize = 4_096;
/// What a candidate shows of a text at most, in bytes.
const SHOWN: usize = 64 * 1_024;

/// What one change does to one text.
pub(super) struct Edit {
    /// The elements of others that it took out.
    removed: BTreeSet<OpId>,
    /// For each of its insertions the element of others that it stands behind, or the head.
    gaps: BTreeSet<Option<OpId>>,
}

impl Edit {
    pub(super) fn of(change: &Change, key: &str) -> Self {
        let numbered = change.numbered().filter(|(_, o)| o.key == key);
        let mut own = BTreeMap::<OpId, Option<OpId>>::new();
        let (mut removed, mut gaps) = (BTreeSet::new(), BTreeSet::new());
        for (id, operation) in numbered {
            match &operation.action {
                Action::Insert { after, .. } => {
                    let mut foreign = *after;
                    while let Some(behind) = foreign.and_then(|element| own.get(&element)) {
                        foreign = *behind;
                    }
                    own.insert(id, *after);
                    gaps.insert(foreign);
                }
                Action::DeleteElement { element } if !own.contains_key(element) => {
                    removed.insert(*element);
                }
                _ => {}
            }
        }
        Self { removed, gaps }
    }

    /// Whether two edits made apart overlap; of broken eyes, only where both put something in.
    pub(super) fn meets(&self, other: &Self, insertions_only: bool) -> bool {
        if !self.gaps.is_disjoint(&other.gaps) {
            return true;
        }
        let beside = |removed: &BTreeSet<OpId>, gaps: &BTreeSet<Option<OpId>>| {
            removed.iter().any(|element| gaps.contains(&Some(*element)))
        };
        let inserts = !self.gaps.is_empty() || !other.gaps.is_empty();
        !insertions_only
            && (beside(&self.removed, &other.gaps)
                || beside(&other.removed, &self.gaps)
                || (inserts && !self.removed.is_disjoint(&other.removed)))
    }
}

impl Oracle<'_> {
    /// How a text reads after some changes, cut.
    pub(super) fn text(&self, key: &str, includes: impl Fn(usize) -> bool) -> Value {
        let elements = sequence::elements(self.operations(key, includes));
        let mut text = sequence::text(&elements);
        let end = (0..=SHOWN.min(text.len())).rev();
        let mut end = end.filter(|&at| text.is_char_boundary(at));
        text.truncate(end.next().unwrap_or(0));
        Value::Text(text)
    }

    /// What one change took out of a text and put in.
    pub(super) fn text_edit(&self, key: &str, act: &Act) -> MemberAction {
        let before = |n: usize| self.precedes(n, act.change);
        let after = |n: usize| n == act.change || self.precedes(n, act.change);
        let (mut deleted, mut inserted) = (String::new(), String::new());
        for step in self.steps(key, before, after) {
            match step {
                Difference::Removed(letter) => deleted.push_str(&letter),
                Difference::PutIn(letter) => inserted.push_str(&letter),
                Difference::Kept => {}
            }
        }
        let cut = |text: String| text.chars().take(TOLD).collect::<String>();
        MemberAction::Text {
            deleted: cut(deleted),
            inserted: cut(inserted),
        }
    }

    /// Where in the text at an act's change that lies which some changes it knew of did, itself among them: a piece
    /// ends where a character stands that none of them put in.
    pub(super) fn spans(&self, key: &str, members: &[&Act], act: &Act) -> Vec<Span> {
        let after = |n: usize| n == act.change || self.precedes(n, act.change);
        let is_one = |n: usize| after(n) && members.iter().any(|member| member.change == n);
        let (mut put_in, mut removed) = (BTreeSet::new(), BTreeSet::new());
        for (id, operation) in self.operations(key, is_one) {
            match &operation.action {
                Action::Insert { .. } => put_in.insert(id),
                Action::DeleteElement { element } => removed.insert(*element),
                _ => false,
            };
        }
        let mut spans: Vec<Span> = Vec::new();
        let mut in_span = false;
        let mut at = 0;
        for element in sequence::elements(self.operations(key, after)) {
            let is_there = !element.live.is_empty();
            let is_theirs = put_in.contains(&element.id);
            if is_there && !is_theirs {
                in_span = false;
            } else if is_there || (removed.contains(&element.id) && !is_theirs) {
                if !in_span {
                    in_span = true;
                    spans.push(Span {
                        change: self.changes[act.change].hash,
                        at,
                        deleted: 0,
                        inserted: 0,
                    });
                }
                let span = spans.last_mut().expect("one was just begun");
                span.inserted += u64::from(is_there);
                span.deleted += u64::from(!is_there);
            }
            at += u64::from(is_there);
        }
        spans
    }

    /// The characters of a text before and after, in its order, those left out that are in neither.
    fn steps(
        &self,
        key: &str,
        before: impl Fn(usize) -> bool,
        after: impl Fn(usize) -> bool,
    ) -> Vec<Difference> {
        let letter = |element: &Element| match element.live.values().next_back() {
            Some(Value::String(letter)) => Some(letter.clone()),
            _ => None,
        };
        let then = sequence::elements(self.operations(key, before));
        let then: BTreeMap<OpId, Option<String>> = then
            .iter()
            .map(|element| (element.id, letter(element)))
            .collect();
        let now = sequence::elements(self.operations(key, after));
        now.iter()
            .filter_map(|element| {
                let was = then.get(&element.id).cloned().flatten();
                match (was, letter(element)) {
                    (None, None) => None,
                    (Some(_), Some(_)) => Some(Difference::Kept),
                    (Some(letter), None) => Some(Difference::Removed(letter)),
                    (None, Some(letter)) => Some(Difference::PutIn(letter)),
                }
            })
            .collect()
    }
}

/// What became of one character.
#[derive(Clone, Debug, PartialEq)]
enum Difference {
    Kept,
    Removed(String),
    PutIn(String),
}
