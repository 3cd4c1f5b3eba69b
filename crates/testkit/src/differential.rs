//! Holds the conflict log of a plan's changes against what the oracle makes of them.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use driftless_document::{
    Change, Entry, Evidence, MemberAction, NoAuthors, Policy, ReviewAction, Status, evidence,
};

use crate::histories::{COLLECTION, Dice, Plan, RECORD, shuffled};
use crate::oracle::{self, Canary, Episode};
use crate::plain::Plain;
use crate::story::panic_text;

/// Orders in which the changes of each history are given besides that in which they were made.
const ORDERS: usize = 2;

/// What histories came to, in counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Histories.
    pub histories: u64,
    /// Their changes.
    pub changes: u64,
    /// Entries that the log has.
    pub found: u64,
    /// Entries that the oracle has.
    pub expected: u64,
    /// Entries that both have, equal in every field.
    pub equal: u64,
    /// What was reached, by name.
    pub reached: BTreeMap<&'static str, u64>,
}

/// What has to be reached by enough histories: every kind, every status, and what is rare.
pub const REACHED: [&str; 27] = [
    "integrity",
    "record_deleted",
    "text",
    "list_element",
    "put_delete",
    "put_put",
    "resolved",
    "acknowledged",
    "agreed",
    "auto_merged",
    "open",
    "touched",
    "three candidates",
    "several base values",
    "ids joined",
    "several outcomes",
    "three outcomes",
    "a decision that counts",
    "an acknowledgement that counts",
    "an acknowledgement that does not count",
    "a reopening that counts",
    "a reopening that does not count",
    "decided again after a reopening",
    "named by an alias",
    "several spans of one edit",
    "a set member",
    "a text that was decided",
];

impl Tally {
    /// Adds what others came to.
    pub fn add(&mut self, other: &Self) {
        self.histories += other.histories;
        self.changes += other.changes;
        self.found += other.found;
        self.expected += other.expected;
        self.equal += other.equal;
        for (name, count) in &other.reached {
            *self.reached.entry(name).or_default() += count;
        }
    }

    /// One line of it, for a ledger.
    pub fn in_short(&self) -> String {
        format!(
            "{} changes; entries: {} in the log, {} of the oracle, {} equal; precision {}, recall {}",
            self.changes,
            self.found,
            self.expected,
            self.equal,
            share(self.equal, self.found),
            share(self.equal, self.expected),
        )
    }

    /// Which of [`REACHED`] were reached fewer times than this.
    pub fn missing(&self, least: u64) -> Vec<&'static str> {
        let count = |name: &&str| self.reached.get(name).copied().unwrap_or(0);
        let mut names = REACHED.to_vec();
        names.retain(|name| count(name) < least);
        names
    }

    fn reach(&mut self, name: &'static str, is: bool) {
        if is {
            *self.reached.entry(name).or_default() += 1;
        }
    }

    fn count(&mut self, episode: &Episode) {
        let entry = &episode.entry;
        self.reach(entry.kind.as_str(), true);
        self.reach(episode.status.as_str(), true);
        let is_touch = |action: &MemberAction| *action == MemberAction::Touch;
        self.reach("touched", entry.members.iter().any(|m| is_touch(&m.action)));
        self.reach("three candidates", entry.candidates.len() >= 3);
        self.reach("several base values", entry.base.len() >= 2);
        self.reach("ids joined", entry.also.len() >= 2);
        self.reach("several outcomes", entry.outcomes.len() >= 2);
        self.reach("three outcomes", entry.outcomes.len() >= 3);
        self.reach(
            "a set member",
            entry.register.contains("tags/") && entry.members.len() > 1,
        );
        self.reach(
            "a text that was decided",
            entry.kind == driftless_document::Kind::Text && episode.settled,
        );
        let spans = |n: usize| entry.spans[n].change;
        let split = (1..entry.spans.len()).any(|n| spans(n) == spans(n - 1));
        self.reach("several spans of one edit", split);
        let mut reopened = false;
        for review in &entry.reviews {
            match (&review.what, review.stands) {
                (ReviewAction::Acknowledge { .. }, true) => {
                    self.reach("an acknowledgement that counts", true);
                }
                (ReviewAction::Acknowledge { .. }, false) => {
                    self.reach("an acknowledgement that does not count", true);
                }
                (ReviewAction::Reopen, true) => {
                    self.reach("a reopening that counts", true);
                    reopened = true;
                }
                (ReviewAction::Reopen, false) => {
                    self.reach("a reopening that does not count", true);
                }
                (_, true) => self.reach("a decision that counts", true),
                _ => {}
            }
        }
        self.reach(
            "decided again after a reopening",
            reopened && episode.settled,
        );
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            formatter,
            "{} histories, {}",
            self.histories,
            self.in_short()
        )?;
        let reached = self.reached.iter();
        let reached: Vec<String> = reached.map(|(name, n)| format!("{name}: {n}")).collect();
        write!(formatter, "reached: {}", reached.join(", "))
    }
}

/// A share as a decimal fraction: 1.0 only where it is the whole.
fn share(part: u64, whole: u64) -> String {
    if part >= whole {
        "1.0".to_owned()
    } else {
        format!("0.{:06}", part * 1_000_000 / whole)
    }
}

/// [`check`], and a panic is a failure like others.
pub fn check_caught(plan: &Plan) -> Result<Tally, String> {
    let caught = catch_unwind(AssertUnwindSafe(|| check(plan)));
    caught.unwrap_or_else(|panic| Err(panic_text(panic.as_ref())))
}

/// Carries a plan out as data and holds the log against the oracle, whatever the order of the changes.
pub fn check(plan: &Plan) -> Result<Tally, String> {
    let plain = Plain::of(plan);
    let changes = &plain.changes;
    let found = evidence(COLLECTION, RECORD, changes);
    let expected = oracle::episodes(COLLECTION, RECORD, changes);
    let mut tally = compare(&found, &expected)?;
    tally.histories = 1;
    tally.changes = changes.len() as u64;
    let named_by = |entry: &Entry| {
        let also = entry.also.iter().map(|id| format!("$review/{id}"));
        let also: Vec<String> = also.collect();
        let mut operations = changes.iter().flat_map(|change| &change.operations);
        !also.is_empty() && operations.any(|operation| also.contains(&operation.key))
    };
    let by_alias = expected.iter().any(|episode| named_by(&episode.entry));
    tally.reach("named by an alias", by_alias);

    let bytes = found.encode();
    if Evidence::decode(&bytes).ok().as_ref() != Some(&found) {
        return Err("the log does not read back as it was written".to_owned());
    }
    let mut dice = Dice(u64::from(plan.seed));
    for _ in 0..ORDERS {
        let order = shuffled(changes, &mut dice);
        if evidence(COLLECTION, RECORD, &order).encode() != bytes {
            let other = evidence(COLLECTION, RECORD, &order);
            return Err(format!(
                "in another order the log is another: {}",
                difference(&other.entries, &found.entries)
            ));
        }
    }
    Ok(tally)
}

/// Whether the log of a plan's changes differs from what an oracle, with a fault or without, makes of them.
pub fn finds(canary: Option<Canary>, plan: &Plan) -> bool {
    let plain = Plain::of(plan);
    // In an order of its own: as they were made, nobody could tell it from that of operations.
    let order = shuffled(&plain.changes, &mut Dice(u64::from(plan.seed)));
    let found = evidence(COLLECTION, RECORD, &order);
    let expected = match canary {
        Some(canary) => oracle::broken(canary, COLLECTION, RECORD, &order),
        None => oracle::episodes(COLLECTION, RECORD, &order),
    };
    compare(&found, &expected).is_err()
}

/// Holds a log against the oracle's, field by field.
pub fn compare(found: &Evidence, expected: &[Episode]) -> Result<Tally, String> {
    let mut tally = Tally::default();
    for episode in expected {
        tally.count(episode);
    }
    let stored: Vec<&Episode> = expected
        .iter()
        .filter(|episode| episode.status != Status::Agreed)
        .collect();
    let entries: Vec<Entry> = stored.iter().map(|e| e.entry.clone()).collect();
    let is_equal = |entry: &&Entry| entries.iter().any(|other| other == *entry);
    tally.found = found.entries.len() as u64;
    tally.expected = entries.len() as u64;
    tally.equal = found.entries.iter().filter(is_equal).count() as u64;
    if found.entries != entries {
        return Err(format!(
            "{} of {} entries are the oracle's {}: {}",
            tally.equal,
            tally.found,
            tally.expected,
            difference(&found.entries, &entries)
        ));
    }
    let unsettled = expected.iter().any(|episode| !episode.settled);
    if found.unsettled != unsettled {
        return Err(format!("unsettled is {}, not {unsettled}", found.unsettled));
    }
    for (entry, episode) in found.entries.iter().zip(stored) {
        let verdict = entry.verdict(&Policy::Review, &NoAuthors);
        let decided = episode.entry.outcomes.last().map(|o| o.shown.clone());
        let is_known = match episode.status {
            Status::Acknowledged => entry.is_acknowledged(),
            Status::AutoMerged => !entry.is_settled() && !entry.is_acknowledged(),
            _ => false,
        };
        if is_known {
            continue; // these verdicts are still to come
        }
        if verdict.status != episode.status || verdict.resolved != decided {
            return Err(format!(
                "the verdict {verdict:?} is not {:?}, {decided:?}: {entry:#?}",
                episode.status
            ));
        }
    }
    Ok(tally)
}

/// The first entry that differs.
fn difference(found: &[Entry], expected: &[Entry]) -> String {
    let length = found.len().max(expected.len());
    let first = (0..length).find(|&n| found.get(n) != expected.get(n));
    let first = first.unwrap_or(0);
    format!(
        "the log has {:#?}\nthe oracle has {:#?}",
        found.get(first),
        expected.get(first)
    )
}

/// The log and the oracle's episodes of some changes.
pub fn both(changes: &[Change]) -> (Evidence, Vec<Episode>) {
    (
        evidence(COLLECTION, RECORD, changes),
        oracle::episodes(COLLECTION, RECORD, changes),
    )
}
