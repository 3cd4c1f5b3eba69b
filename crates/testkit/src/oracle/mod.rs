//! The conflict log of one record, by brute force: all pairs of acts, full vector clocks, no forks, no indexes.
//!
//! Written from the definition in docs/conflict-log.md. It uses the types of `driftless-document` to say what
//! it found, and none of its functions.
//!
//! It can be broken on purpose, one [`Canary`] at a time: a comparison that does not notice would prove nothing.

mod acts;
mod clocks;
mod episode;
mod names;
mod reviews;
mod shape;
mod text;

use driftless_document::{Change, Entry, RecordId, Status};

use clocks::Clocks;
pub(crate) use names::{entry_id, shape_id};

/// One episode as the oracle sees it, the merely agreed ones included.
#[derive(Clone, Debug, PartialEq)]
pub struct Episode {
    /// What the log has to say of it.
    pub entry: Entry,
    /// Whether some write that nobody took back knew every member.
    pub settled: bool,
    /// Where it stands under the policy `review`.
    pub status: Status,
}

/// A fault that the oracle can be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Canary {
    /// Of each register the first two acts that contest each other are not noticed.
    DropPair,
    /// Who knew of whom is read from what operations replace, not from the graph of changes.
    Pred,
    /// Members and candidates stand in the order in which their changes came.
    ArrivalOrder,
    /// An entry is named after its last member.
    LastMember,
    /// Who edits a field of a record settles whether the record is deleted.
    TouchSettles,
    /// What knew of some members and not of all of them is left out.
    NoReach,
    /// What a `reopen` took back stands.
    NoReopen,
    /// An acknowledgement stands that does not know all of the reach.
    EarlyAcknowledgement,
    /// Texts contest each other where they put something in at one place, and nowhere else.
    InsertionsOnly,
}

impl Canary {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::DropPair,
        Self::Pred,
        Self::ArrivalOrder,
        Self::LastMember,
        Self::TouchSettles,
        Self::NoReach,
        Self::NoReopen,
        Self::EarlyAcknowledgement,
        Self::InsertionsOnly,
    ];
}

/// All episodes of a record, ordered by register and smallest member operation.
///
/// `changes` may come in any order, even the past after what knew it. A dependency that is none of them is that on
/// a genesis change, and says nothing.
pub fn episodes(collection: &str, record: RecordId, changes: &[Change]) -> Vec<Episode> {
    Oracle::new(collection, record, changes, None).episodes()
}

/// The same, with a fault.
pub fn broken(
    canary: Canary,
    collection: &str,
    record: RecordId,
    changes: &[Change],
) -> Vec<Episode> {
    Oracle::new(collection, record, changes, Some(canary)).episodes()
}

struct Oracle<'a> {
    collection: &'a str,
    record: RecordId,
    changes: &'a [Change],
    clocks: Clocks,
    canary: Option<Canary>,
}

impl<'a> Oracle<'a> {
    fn new(
        collection: &'a str,
        record: RecordId,
        changes: &'a [Change],
        canary: Option<Canary>,
    ) -> Self {
        Self {
            collection,
            record,
            changes,
            clocks: Clocks::of(changes),
            canary,
        }
    }

    fn episodes(&self) -> Vec<Episode> {
        let reviews = self.reviews();
        let mut found = self.shapes(&reviews);
        for register in self.registers() {
            for members in self.components(&register) {
                found.push(self.episode(&register, &members, &reviews));
            }
        }
        found.sort_by_key(|episode| {
            let first = episode.entry.members.iter().map(|m| m.operation).min();
            (episode.entry.register.clone(), first)
        });
        found
    }

    fn has(&self, canary: Canary) -> bool {
        self.canary == Some(canary)
    }

    /// Whether change `earlier` is in the causal past of change `later`.
    fn precedes(&self, earlier: usize, later: usize) -> bool {
        self.clocks.precedes(earlier, later)
    }
}
