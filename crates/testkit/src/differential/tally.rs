//! What histories came to, and what they reached.

use std::collections::BTreeMap;
use std::fmt;

use driftless_document::{Kind, MemberAction, ReviewAction, Status};

use crate::oracle::Episode;

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
pub const REACHED: [&str; 28] = [
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
    "a shape that was acknowledged",
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

    pub(super) fn reach(&mut self, name: &'static str, is: bool) {
        if is {
            *self.reached.entry(name).or_default() += 1;
        }
    }

    pub(super) fn count(&mut self, episode: &Episode) {
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
            entry.kind == Kind::Text && episode.settled,
        );
        self.reach(
            "a shape that was acknowledged",
            entry.kind == Kind::Integrity && episode.status == Status::Acknowledged,
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
