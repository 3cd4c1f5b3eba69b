//! What policies show in the place of what a stored row reads.

use driftless_document::{DELETED, Intent, Kind, Row, Shown, Value};

use crate::core::{Core, StoredRow};
use crate::error::EngineError;
use crate::types::RecordKey;

/// What policies show in the place of what a row reads, by register.
#[derive(Debug, Default)]
pub(crate) struct Picks {
    registers: Vec<(String, Shown)>,
    /// Of a list's element: the list's key and the element's place.
    elements: Vec<(String, usize, Value)>,
}

impl Picks {
    /// Whether a record with this row is shown as deleted.
    pub(crate) fn is_deleted(&self, row: &Row) -> bool {
        let of_record = self
            .registers
            .iter()
            .rev()
            .find(|(register, _)| register == DELETED);
        of_record.map_or(row.deleted, |(_, shown)| *shown != Shown::Keep)
    }

    pub(crate) fn apply(&self, row: &mut Row) {
        for (register, shown) in &self.registers {
            match shown {
                _ if register == DELETED => row.deleted = *shown != Shown::Keep,
                Shown::Value(value) => {
                    row.fields.insert(register.clone(), value.clone());
                }
                _ => {
                    row.fields.remove(register);
                }
            }
        }
        for (list, place, value) in &self.elements {
            if let Some(Value::List(elements)) = row.fields.get_mut(list)
                && let Some(element) = elements.get_mut(*place)
            {
                *element = value.clone();
            }
        }
    }

    /// Makes sure that an edit of what a policy shows is written, also where the document has that value already:
    /// whoever writes it has decided.
    pub(crate) fn confirm(&self, intents: &mut [Intent]) {
        for intent in intents {
            let picked = |key: &String| self.registers.iter().any(|(register, _)| register == key);
            if let Intent::Put { key, value } = intent
                && picked(key)
            {
                *intent = Intent::Settle {
                    key: std::mem::take(key),
                    value: Some(std::mem::replace(value, Value::Null)),
                };
            }
        }
    }
}

/// Which picks a row is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PickedBy {
    /// Those of every policy.
    All,
    /// Those that are the same on every device: none of a program's own.
    Common,
}

impl Core {
    /// What policies show of a record that has this row.
    pub(crate) fn picks(
        &self,
        key: &RecordKey,
        stored: &StoredRow,
        by: PickedBy,
    ) -> Result<Picks, EngineError> {
        let mut picks = Picks::default();
        if !stored.unsettled || self.rules.rules.is_empty() {
            return Ok(picks);
        }
        for entry in self.evidence_now(key)?.entries {
            let picked = match by {
                PickedBy::All => self.rules.verdict(&key.collection, &entry).2.picked,
                PickedBy::Common => self.rules.common_pick(&key.collection, &entry),
            };
            match (entry.kind, picked) {
                (_, None) => {}
                (Kind::ListElement, Some(shown)) => {
                    let place = self.record(key)?.place_of_element(&entry.register);
                    if let (Some((list, place)), Shown::Value(value)) = (place, shown) {
                        picks.elements.push((list, place, value));
                    }
                }
                (_, Some(shown)) => picks.registers.push((entry.register, shown)),
            }
        }
        Ok(picks)
    }

    /// A stored row as it is shown.
    pub(crate) fn shown_row(
        &self,
        key: &RecordKey,
        stored: StoredRow,
        by: PickedBy,
    ) -> Result<Row, EngineError> {
        let picks = self.picks(key, &stored, by)?;
        let mut row = stored.row;
        picks.apply(&mut row);
        Ok(row)
    }

    /// Whether the record of a stored row is shown as deleted; decodes the row only where a policy may say so.
    pub(crate) fn is_shown_deleted(
        &self,
        key: &RecordKey,
        bytes: &[u8],
    ) -> Result<bool, EngineError> {
        if self.rules.rules.is_empty() || !StoredRow::says_unsettled(bytes) {
            return Ok(StoredRow::says_deleted(bytes));
        }
        let stored = StoredRow::decode(bytes)?;
        Ok(self.shown_row(key, stored, PickedBy::All)?.deleted)
    }
}
