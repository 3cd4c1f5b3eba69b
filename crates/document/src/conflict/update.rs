//! The log after some changes came, from the log before: only what they can have changed is computed anew.
//!
//! What is computed is the same as [`evidence`](super::evidence()) of all changes; a property test and `verify` hold
//! the two side by side. Why so little suffices:
//!
//! * An entry is about one register. A change alters entries of the registers it writes, of those whose entries it
//!   names in a review, and, by touching the record, of `$deleted`; no others.
//! * What a change contests lies in its fork. So the **window** that is looked at begins where the fork of the
//!   earliest new change does. Before it lies a change that everything in the window knew of.
//! * An entry before the window changes only if it is not settled, or not by what lies before the window: then the
//!   window begins at that entry's fork.

use std::collections::{BTreeMap, BTreeSet};

use super::episode::Place;
use super::evidence::Found;
use super::forks::Forks;
use super::history::{History, Leaf, Start, TEXT};
use super::window::Scan;
use super::{Entry, Evidence, Kind, ReviewAction, reviews, shape};
use crate::change::{Action, Change};
use crate::ids::{ActorId, ChangeHash, EntryId, OpId, RecordId};
use crate::path::DELETED;
use crate::record::{LoadError, Record};
use crate::value::Value;

impl Record {
    /// What overlapped in this record, given what did before `came` were applied to it.
    ///
    /// The same as [`evidence`](crate::evidence()) of all its changes. `before` is that of the changes without
    /// `came`, which are the last ones applied, in any order.
    pub fn evidence_after(
        &self,
        collection: &str,
        record: RecordId,
        before: &Evidence,
        came: &[Change],
    ) -> Result<Evidence, LoadError> {
        let place = Place { collection, record };
        let Some(concern) = Concern::of(before, came) else {
            return Ok(super::evidence(collection, record, &self.changes()?));
        };
        let mut update = Update {
            record: self,
            place,
            before,
            came,
            concern,
            genesis: self.genesis_places(),
            found: Found::default(),
        };
        update.look()?;
        update.look_at_shapes()?;
        Ok(update.found.into_evidence())
    }
}

/// Which registers and entries some changes are about.
#[derive(Default)]
struct Concern<'a> {
    leaves: BTreeSet<Leaf<'a>>,
    /// The names of those.
    registers: BTreeSet<String>,
    /// Entries that they name.
    entries: BTreeSet<EntryId>,
    /// Whether one of them deletes or restores the record.
    writes_deleted: bool,
}

impl<'a> Concern<'a> {
    /// That of some changes, or none where it can be anything: they name an entry that is not known.
    fn of(before: &'a Evidence, came: &'a [Change]) -> Option<Self> {
        let mut concern = Self::default();
        for step in came.iter().flat_map(|change| &change.operations) {
            if let Some(id) = reviews::entry_named(&step.key) {
                let mut entries = before.entries.iter();
                let entry = entries.find(|entry| entry.names().any(|name| name == id))?;
                concern.entries.insert(entry.id);
                if entry.kind != Kind::Integrity {
                    concern.add(leaf_of(entry)?);
                }
                continue;
            }
            if step.key.starts_with('$') && step.key != DELETED {
                continue;
            }
            concern.writes_deleted |= step.key == DELETED;
            concern.add(whole(DELETED)); // by touching the record
            match &step.action {
                Action::Increment(_) => {}
                Action::Put(_) | Action::Delete => concern.add(whole(&step.key)),
                _ if step.key.ends_with(TEXT) => concern.add(whole(&step.key)),
                Action::PutElement { element, .. } | Action::DeleteElement { element } => {
                    let (key, element) = (step.key.as_str(), Some(*element));
                    concern.add(Leaf { key, element });
                }
                Action::Insert { .. } => {}
            }
        }
        Some(concern)
    }

    fn add(&mut self, leaf: Leaf<'a>) {
        if self.leaves.insert(leaf) {
            self.registers.insert(leaf.name());
        }
    }

    /// Whether an entry that lies before the window can change all the same.
    fn reaches(&self, entry: &Entry, is_in_window: impl Fn(&ChangeHash) -> bool) -> bool {
        if self.entries.contains(&entry.id) {
            return entry.kind != Kind::Integrity;
        }
        let is_written = match entry.kind {
            Kind::Integrity | Kind::Text => false, // what settles a text names the entry
            Kind::RecordDeleted => self.writes_deleted, // a touch settles nothing
            _ => self.registers.contains(&entry.register),
        };
        let reopened = |entry: &Entry| {
            let mut reviews = entry.reviews.iter();
            reviews.any(|review| review.what == ReviewAction::Reopen)
        };
        is_written
            && (!entry.is_settled()
                || reopened(entry)
                || entry.outcomes.iter().any(|o| is_in_window(&o.change)))
    }
}

fn whole(key: &str) -> Leaf<'_> {
    Leaf { key, element: None }
}

/// The leaf that an entry is about.
fn leaf_of(entry: &Entry) -> Option<Leaf<'_>> {
    if entry.kind != Kind::ListElement {
        return Some(whole(&entry.register));
    }
    let (key, element) = entry.register.rsplit_once('/')?;
    let (counter, actor) = element.split_once('@')?;
    let actor = u128::from_str_radix(actor, 16).ok()?.to_be_bytes();
    let element = OpId {
        counter: counter.parse().ok()?,
        actor: ActorId(actor),
    };
    let leaf = Leaf {
        key,
        element: Some(element),
    };
    (leaf.name() == entry.register).then_some(leaf)
}

struct Update<'a> {
    record: &'a Record,
    place: Place<'a>,
    before: &'a Evidence,
    came: &'a [Change],
    concern: Concern<'a>,
    genesis: BTreeSet<usize>,
    found: Found,
}

impl Update<'_> {
    /// Computes the overlaps in the window, and keeps those that lie elsewhere.
    fn look(&mut self) -> Result<(), LoadError> {
        let window = self.window();
        let read = self.read(window)?;
        let changes: Vec<&Change> = self.all(window, &read);
        let start = Before {
            record: self.record,
            from: window,
            heads: self.record.heads_before(window),
        };
        let concern = &self.concern;
        let wanted = |leaf: Leaf<'_>| concern.leaves.contains(&leaf);
        let history = History::new(&changes, Forks::of(&changes), &start, &wanted);
        let mut found = Found::default();
        found.overlaps(&history, self.place);
        let graph = self.record.graph();
        let is_kept = |register: &str, change: Option<&ChangeHash>| {
            let place = change.and_then(|change| graph.place(change));
            !concern.registers.contains(register) || place.is_none_or(|place| place < window)
        };
        let entries = self.before.entries.iter().filter(|entry| {
            let first = entry.members.first().map(|member| &member.change);
            entry.kind != Kind::Integrity && is_kept(&entry.register, first)
        });
        found.entries.extend(entries.cloned());
        let agreed = self.before.agreed.iter();
        let agreed = agreed.filter(|agreed| is_kept(&agreed.register, Some(&agreed.change)));
        found.agreed.extend(agreed.cloned());
        self.found = found;
        Ok(())
    }

    /// The changes of the window that have to be read, those that just came are at hand.
    fn read(&self, window: usize) -> Result<BTreeMap<usize, Change>, LoadError> {
        let at_hand: BTreeSet<_> = self
            .came
            .iter()
            .map(|change| self.at(&change.hash))
            .collect();
        let places = window..self.record.graph().len();
        let missing = places.filter(|n| !at_hand.contains(n) && !self.genesis.contains(n));
        self.record.changes_at(&missing.collect(), window)
    }

    /// All changes of the window, in the order of the graph.
    fn all<'b>(&'b self, window: usize, read: &'b BTreeMap<usize, Change>) -> Vec<&'b Change> {
        let came = self
            .came
            .iter()
            .map(|change| (self.at(&change.hash), change));
        let mut all: BTreeMap<usize, &Change> = came.filter(|(at, _)| *at >= window).collect();
        all.extend(read.iter().map(|(at, change)| (*at, change)));
        all.into_values().collect()
    }

    fn at(&self, change: &ChangeHash) -> usize {
        self.record.graph().place(change).unwrap_or(0)
    }

    /// Where the window begins, as a place in the graph.
    fn window(&self) -> usize {
        let mut scan = Scan::new(self.record.graph(), &self.genesis);
        let first = self.came.iter().map(|change| self.at(&change.hash)).min();
        let mut from = scan.fork_of(first.unwrap_or(0));
        loop {
            let is_in_window = |change: &ChangeHash| self.at(change) >= from;
            let entries = self.before.entries.iter().filter_map(|entry| {
                let reached = self.concern.reaches(entry, is_in_window);
                reached.then(|| entry.members.first().map(|member| &member.change))?
            });
            let agreed = self.before.agreed.iter().filter(|agreed| {
                let is_record = agreed.register == DELETED && !self.concern.writes_deleted;
                !is_record && self.concern.registers.contains(&agreed.register)
            });
            let changes = entries.chain(agreed.map(|agreed| &agreed.change));
            match changes.map(|change| self.at(change)).min() {
                Some(earlier) if earlier < from => from = scan.fork_of(earlier),
                _ => return from,
            }
        }
    }

    /// Keeps the integrity entries, or computes them anew where a change is about them.
    fn look_at_shapes(&mut self) -> Result<(), LoadError> {
        let steps = self.came.iter().flat_map(|change| &change.operations);
        let keys: BTreeSet<&str> = steps.map(|step| step.key.as_str()).collect();
        let are_there = self
            .before
            .entries
            .iter()
            .any(|e| e.kind == Kind::Integrity);
        if !are_there && !keys.iter().any(|key| self.record.is_in_clash(key)) {
            return Ok(());
        }
        let row = self.record.row();
        let clashes = row.clashes();
        let kept = clashes.map(|field| {
            let mut entries = self.before.entries.iter();
            let entry = entries.find(|e| e.kind == Kind::Integrity && e.register == field)?;
            let is_about = keys.iter().any(|key| {
                let rest = key.strip_prefix(field);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            });
            (!is_about && !self.concern.entries.contains(&entry.id)).then(|| entry.clone())
        });
        if let Some(kept) = kept.collect::<Option<Vec<_>>>() {
            self.found.entries.extend(kept);
            return Ok(());
        }
        let changes = self.record.changes()?;
        let changes: Vec<&Change> = changes.iter().collect();
        let history = History::new(
            &changes,
            Forks::of(&changes),
            &super::evidence::Nothing,
            &|_| true,
        );
        self.found
            .entries
            .extend(shape::entries(&history, self.place));
        Ok(())
    }
}

/// A record as it was before its changes from some place on.
struct Before<'a> {
    record: &'a Record,
    from: usize,
    heads: Vec<ChangeHash>,
}

impl Start for Before<'_> {
    fn live(&self, leaf: Leaf<'_>) -> Vec<(OpId, Value)> {
        match leaf.element {
            _ if self.heads.is_empty() => Vec::new(),
            None => self.record.live_at(leaf.key, &self.heads),
            Some(element) => {
                let sequence = self.record.sequence(leaf.key);
                let live = sequence.map(|s| s.live(&element, |n| n < self.from));
                let live = live.into_iter().flatten();
                live.map(|(id, value)| (id, value.clone())).collect()
            }
        }
    }

    fn elements(&self, key: &str) -> Vec<(OpId, Value)> {
        let sequence = self.record.sequence(key);
        let elements = sequence.map(|s| s.read(|n| n < self.from));
        let elements = elements.into_iter().flatten();
        elements.map(|(id, value)| (id, value.clone())).collect()
    }
}
