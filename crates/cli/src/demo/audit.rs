//! Looks at both devices and counts: equal records, conflicts, and edits that are nowhere to be seen.

use std::collections::BTreeMap;

use driftless::{Conflict, ConflictFilter, Database, Kind, RecordId, RecordView};
use serde_json::Value as Json;

use super::edits::{Edit, Wish};
use crate::failure::Failure;

/// What one device holds.
pub(super) struct Holding {
    records: BTreeMap<RecordId, RecordView>,
    pub(super) conflicts: Vec<Conflict>,
    export: Vec<String>,
    digest: driftless::DigestReport,
}

impl Holding {
    /// Reads the records, deleted ones included, and the conflict log.
    pub(super) async fn of(
        database: &Database,
        collection: &str,
        ids: &[RecordId],
    ) -> Result<Self, Failure> {
        let collection = database.collection(collection);
        let mut records = BTreeMap::new();
        for id in ids {
            if let Some(record) = collection.get(*id).await? {
                records.insert(*id, record);
            }
        }
        let conflicts = database.conflicts();
        Ok(Self {
            records,
            conflicts: conflicts.list(ConflictFilter::default()).await?,
            export: conflicts.export().await?,
            digest: database.digest().await?,
        })
    }

    /// Whether the edit is what the device shows.
    fn shows(&self, edit: &Edit) -> bool {
        self.records.get(&edit.record).is_some_and(|record| {
            let fields = record.fields();
            match &edit.wish {
                Wish::Set { field, value } => {
                    fields.get(*field) == Some(&Json::from(value.as_str()))
                }
                Wish::Clear { field } => !fields.contains_key(*field),
                Wish::Delete => record.deleted,
            }
        })
    }

    /// Whether the edit is a side of a conflict, with all it wanted.
    fn logs(&self, edit: &Edit) -> bool {
        self.conflicts
            .iter()
            .filter(|conflict| conflict.record() == edit.record)
            .any(|conflict| {
                let wanted = if conflict.kind() != Kind::RecordDeleted {
                    (Some(conflict.path()) == edit.field()).then(|| edit.value())
                } else if edit.wish == Wish::Delete {
                    Some(edit.value())
                } else {
                    // The record is kept for the sake of the edit, which must be in it then.
                    self.shows(edit).then(|| Json::from("keep"))
                };
                wanted.is_some_and(|wanted| {
                    conflict.candidates().iter().any(|choice| {
                        choice.value == wanted
                            && choice.author.device_name.as_deref() == Some(edit.side.name())
                    })
                })
            })
    }
}

/// What the two devices have in common.
pub(super) struct Audit {
    /// Records that are the same on both, deleted ones included.
    pub(super) records_equal: u64,
    /// Entries of the conflict log, the same on both.
    pub(super) conflicts: u64,
    /// Edits that are a side of a conflict.
    pub(super) edits_in_conflict: u64,
    /// Edits that merged by themselves: shown on both, and no side of any conflict.
    pub(super) edits_merged: u64,
    /// Edits that a device neither shows nor logs.
    pub(super) edits_lost: u64,
}

/// Compares the two, and looks for every edit on both.
pub(super) fn audit(laptop: &Holding, phone: &Holding, edits: &[Edit]) -> Result<Audit, Failure> {
    let mut audit = Audit {
        records_equal: 0,
        conflicts: laptop.export.len() as u64,
        edits_in_conflict: 0,
        edits_merged: 0,
        edits_lost: 0,
    };
    for (id, record) in &laptop.records {
        audit.records_equal += u64::from(phone.records.get(id) == Some(record));
    }
    for edit in edits {
        let sides = [laptop, phone];
        if sides.iter().all(|side| side.logs(edit)) {
            audit.edits_in_conflict += 1;
        } else if sides.iter().all(|side| side.shows(edit)) {
            audit.edits_merged += 1;
        } else {
            audit.edits_lost += 1;
        }
    }
    let differences = [
        (
            laptop.records.len() != phone.records.len(),
            "one device has more records than the other",
        ),
        (
            audit.records_equal != laptop.records.len() as u64,
            "records differ",
        ),
        (laptop.export != phone.export, "the conflict logs differ"),
        (laptop.digest != phone.digest, "the digests differ"),
    ];
    match differences.iter().find(|(differ, _)| *differ) {
        Some((_, reason)) => Err(Failure::Demo {
            reason: (*reason).to_owned(),
        }),
        None => Ok(audit),
    }
}
