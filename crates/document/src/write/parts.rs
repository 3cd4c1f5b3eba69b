//! How what an edit does becomes changes: one, or several in a row where it is more than one may hold.
//!
//! The operations are numbered already, one after the other. So a row of changes that has them all, each on top of the
//! one before it, says the same as one change would, and each of them is an honest change of its own.

use std::collections::BTreeSet;
use std::ops::Range;

use super::WriteError;
use crate::admission::Refusal;
use crate::change::{Action, Change, Operation};
use crate::chunks;
use crate::genesis::Genesis;
use crate::graph::Continues;
use crate::ids::{ActorId, ChangeHash, OpId};
use crate::limits;
use crate::prescan;

/// All that an edit does.
pub(crate) struct Parts {
    pub(super) actor: ActorId,
    pub(super) time: i64,
    /// The record's heads, where the edit is made.
    pub(super) heads: Vec<ChangeHash>,
    /// What stands there.
    pub(super) past: Continues,
    /// The counter of the first operation.
    pub(super) start_op: u64,
    pub(super) operations: Vec<Operation>,
    /// The keys of the texts, lists and counters that the record does not have.
    pub(super) creates: BTreeSet<String>,
}

/// What the next change stands on.
struct Place {
    deps: Vec<ChangeHash>,
    seq: u64,
    /// What the changes before it made.
    created: BTreeSet<String>,
}

impl Parts {
    /// The bytes of one change that does it all.
    pub(crate) fn one(mut self) -> Result<Vec<u8>, WriteError> {
        let place = self.beginning();
        let (raw, _, _) = self.change(0..self.operations.len(), &place)?;
        Ok(raw)
    }

    /// The bytes of as many changes as it takes, each on top of the one before it.
    pub(crate) fn all(mut self) -> Result<Vec<Vec<u8>>, WriteError> {
        let mut place = self.beginning();
        let mut parts = Vec::new();
        let mut left = Vec::new();
        left.push(0..self.operations.len());
        while let Some(range) = left.pop() {
            match self.change(range.clone(), &place) {
                Ok((raw, hash, creates)) => {
                    parts.push(raw);
                    place.deps = vec![hash];
                    place.seq += 1;
                    place.created.extend(creates);
                }
                Err(WriteError::TooMuch { .. }) if range.len() > 1 => {
                    let middle = range.start + range.len() / 2;
                    left.push(middle..range.end);
                    left.push(range.start..middle);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(parts)
    }

    fn beginning(&mut self) -> Place {
        Place {
            deps: std::mem::take(&mut self.heads),
            seq: self.past.seq + 1,
            created: BTreeSet::new(),
        }
    }

    /// The change that does these of the operations, its hash, and what it makes.
    fn change(
        &mut self,
        range: Range<usize>,
        place: &Place,
    ) -> Result<(Vec<u8>, ChangeHash, Vec<String>), WriteError> {
        check("operations", range.len(), limits::CHANGE_OPERATIONS)?;
        let keys: BTreeSet<&String> = self.operations[range.clone()]
            .iter()
            .map(|operation| &operation.key)
            .collect();
        let makes = |key: &&&String| self.creates.contains(**key) && !place.created.contains(**key);
        let creates: Vec<String> = keys
            .iter()
            .filter(makes)
            .map(|key| (*key).clone())
            .collect();
        if range.start == 0 && creates.is_empty() {
            // A genesis change has one operation, so the numbers differ only where there is nothing else.
            self.renumber(self.past.max_op + 1);
        }
        let mut deps = place.deps.clone();
        let genesis = creates.iter().filter_map(|key| Genesis::of(key));
        deps.extend(genesis.map(|genesis| genesis.hash));
        deps.sort_unstable();
        check("dependencies", deps.len(), limits::CHANGE_DEPS)?;
        let change = Change {
            hash: ChangeHash([0; 32]), // not part of the encoding: it is computed from it
            actor: self.actor,
            seq: place.seq,
            start_op: self.start_op + range.start as u64,
            deps,
            time: self.time,
            creates,
            operations: self.operations[range].to_vec(),
        };
        if change.max_op() > limits::RECORD_OPERATIONS {
            return Err(WriteError::RecordFull);
        }
        let encoded = change.encode();
        let raw = chunks::join(&change.creates, encoded.raw_bytes());
        check("bytes", raw.len(), limits::CHANGE_BYTES)?;
        if let Err(Refusal::OverLimit { what, count, limit }) = prescan::check(encoded.raw_bytes())
        {
            return Err(WriteError::TooMuch { what, count, limit });
        }
        Ok((raw, ChangeHash(encoded.hash().0), change.creates))
    }

    /// Counts the operations from another number: the first change makes nothing.
    fn renumber(&mut self, start_op: u64) {
        let by = self.start_op - start_op;
        if by == 0 {
            return;
        }
        // Only where the record has no change: all of this actor that is named is the edit's own.
        let own = |id: &mut OpId| {
            if id.actor == self.actor {
                id.counter -= by;
            }
        };
        for operation in &mut self.operations {
            operation.pred.iter_mut().for_each(own);
            match &mut operation.action {
                Action::Insert { after, .. } => after.iter_mut().for_each(own),
                Action::PutElement { element, .. } | Action::DeleteElement { element } => {
                    own(element);
                }
                Action::Put(_) | Action::Delete | Action::Increment(_) => {}
            }
        }
        self.start_op = start_op;
    }
}

fn check(what: &'static str, count: usize, limit: usize) -> Result<(), WriteError> {
    if count > limit {
        return Err(WriteError::TooMuch { what, count, limit });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;

    #[test]
    fn an_edit_of_a_record_whose_history_is_full_is_refused() {
        let edit = |max_op| Parts {
            actor: ActorId([1; 16]),
            time: 0,
            heads: vec![ChangeHash([7; 32])],
            past: Continues { seq: 5, max_op },
            start_op: max_op + 1,
            operations: vec![
                Operation {
                    key: "a".into(),
                    action: Action::Put(Value::Null),
                    pred: Vec::new(),
                };
                2
            ],
            creates: BTreeSet::new(),
        };
        let most = limits::RECORD_OPERATIONS;
        assert!(edit(most - 2).one().is_ok());
        assert_eq!(edit(most - 1).one(), Err(WriteError::RecordFull));
        // Not the half that there would be room for: an edit is all or nothing.
        assert_eq!(edit(most - 1).all(), Err(WriteError::RecordFull));
        assert_eq!(edit(most).all(), Err(WriteError::RecordFull));
    }
}
