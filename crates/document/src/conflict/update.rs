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

use std::collections::BTreeSet;

use super::episode::Place;
use super::evidence::{Found, Whole};
use super::history::{History, Leaf, Source};
use super::ledger::TEXT;
use super::window::Scan;
use super::{Entry, Evidence, Kind, ReviewAction, reviews, shape};
use crate::change::{Action, Change};
use crate::graph::ChangeGraph;
use crate::ids::{ActorId, ChangeHash, EntryId, OpId, RecordId};
use crate::path::DELETED;
use crate::record::{LoadError, Record};
use crate::sequence::Sequence;
use crate::value::Value;

impl Record {
    /// What overlapped in this record, given what did before `came` were applied to it.
    ///
    /// The same as [`evidence`](crate::evidence()) of all its changes. `before` is that of the changes without
    /// `came`, which are the last ones applied, in any order. The record remembers what it took apart for this.
    pub fn evidence_after(
        &mut self,
        collection: &str,
        record: RecordId,
        before: &Evidence,
        came: &[Change],
    ) -> Result<Evidence, LoadError> {
        let place = Place { collection, record };
        let Some(concern) = Concern::of(before, came) else {
            return Ok(super::evidence(collection, record, &self.changes()?));
        };
        let genesis = self.genesis_places();
        let mut scan = Scan::new(self.graph(), &genesis);
        let window = concern.window(self.graph(), &mut scan, before, came);
        let forks = scan.forks_from(window);
        self.take_down(window)?;
        let ledger = self.ledger();
        let beside = Beside(self);
        let update = Update {
            record: self,
            place,
            before,
            came,
            concern,
            window,
        };
        let history = History {
            graph: self.graph(),
            genesis: &genesis,
            ledger,
            source: &beside,
            forks,
        };
        let mut found = update.overlaps(&history);
        found.entries.extend(update.shapes()?);
        Ok(found.into_evidence())
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
            concern.add(Leaf::whole(DELETED)); // by touching the record
            match &step.action {
                Action::Increment(_) => {}
                Action::Put(_) | Action::Delete => concern.add(Leaf::whole(&step.key)),
                _ if step.key.ends_with(TEXT) => concern.add(Leaf::whole(&step.key)),
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

    /// Where the window begins, as a place in the graph.
    fn window(
        &self,
        graph: &ChangeGraph,
        scan: &mut Scan<'_>,
        before: &Evidence,
        came: &[Change],
    ) -> usize {
        let at = |change: &ChangeHash| graph.place(change).unwrap_or(0);
        let first = came.iter().map(|change| at(&change.hash)).min();
        let mut from = scan.fork_of(first.unwrap_or(0));
        loop {
            let is_in_window = |change: &ChangeHash| at(change) >= from;
            let entries = before.entries.iter().filter_map(|entry| {
                let reached = self.reaches(entry, is_in_window);
                reached.then(|| entry.members.first().map(|member| &member.change))?
            });
            let agreed = before.agreed.iter().filter(|agreed| {
                let is_record = agreed.register == DELETED && !self.writes_deleted;
                !is_record && self.registers.contains(&agreed.register)
            });
            let changes = entries.chain(agreed.map(|agreed| &agreed.change));
            match changes.map(at).min() {
                Some(earlier) if earlier < from => from = scan.fork_of(earlier),
                _ => return from,
            }
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

/// The leaf that an entry is about.
fn leaf_of(entry: &Entry) -> Option<Leaf<'_>> {
    if entry.kind != Kind::ListElement {
        return Some(Leaf::whole(&entry.register));
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
    window: usize,
}

impl Update<'_> {
    /// Computes the overlaps in the window, and keeps those that lie elsewhere.
    fn overlaps(&self, history: &History<'_>) -> Found {
        let mut found = Found::default();
        found.overlaps(history, self.concern.leaves.iter().copied(), self.place);
        let is_kept = |register: &str, change: Option<&ChangeHash>| {
            let place = change.and_then(|change| history.graph.place(change));
            !self.concern.registers.contains(register)
                || place.is_none_or(|place| place < self.window)
        };
        let entries = self.before.entries.iter().filter(|entry| {
            let first = entry.members.first().map(|member| &member.change);
            entry.kind != Kind::Integrity && is_kept(&entry.register, first)
        });
        found.entries.extend(entries.cloned());
        let agreed = self.before.agreed.iter();
        let agreed = agreed.filter(|agreed| is_kept(&agreed.register, Some(&agreed.change)));
        found.agreed.extend(agreed.cloned());
        found
    }

    /// The integrity entries: kept, or computed anew where a change is about them.
    fn shapes(&self) -> Result<Vec<Entry>, LoadError> {
        let steps = self.came.iter().flat_map(|change| &change.operations);
        let keys: BTreeSet<&str> = steps.map(|step| step.key.as_str()).collect();
        let before = &self.before.entries;
        let are_there = before.iter().any(|e| e.kind == Kind::Integrity);
        if !are_there && !keys.iter().any(|key| self.record.is_in_clash(key)) {
            return Ok(Vec::new());
        }
        let row = self.record.row();
        let clashes = row.clashes();
        let kept = clashes.map(|field| {
            let mut entries = before.iter();
            let entry = entries.find(|e| e.kind == Kind::Integrity && e.register == field)?;
            let is_about = keys.iter().any(|key| {
                let rest = key.strip_prefix(field);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            });
            (!is_about && !self.concern.entries.contains(&entry.id)).then(|| entry.clone())
        });
        if let Some(kept) = kept.collect::<Option<Vec<_>>>() {
            return Ok(kept);
        }
        let whole = Whole::of(&self.record.changes()?);
        Ok(shape::entries(&whole.history(), self.place))
    }
}

/// A record as what lies beside its ledger.
struct Beside<'a>(&'a Record);

impl Source for Beside<'_> {
    fn sequence(&self, key: &str) -> Option<&Sequence> {
        self.0.sequence(key)
    }

    fn live_before(&self, key: &str) -> Vec<(OpId, Value)> {
        let heads = self.0.ledger().heads_before();
        if heads.is_empty() {
            return Vec::new();
        }
        self.0.live_at(key, heads)
    }
}
