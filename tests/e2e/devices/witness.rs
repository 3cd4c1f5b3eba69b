//! What the commands of a session acknowledged, to be found again at its end.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::fleet::{NAMES, Seat};
use crate::support::text;

/// A record as the commands name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Record {
    pub collection: &'static str,
    /// Its id, or `key:VALUE`.
    pub name: String,
}

/// What one device was told to be durable.
#[derive(Debug)]
pub enum Write {
    /// A field that got a value which nobody else ever writes.
    Set { path: String, value: String },
    /// A conflict that was decided.
    Decided { conflict: String },
    /// Something else that is a change: a field or the record is gone or back.
    Changed,
}

/// By record, what each device acknowledged there.
#[derive(Debug, Default)]
pub struct Witness {
    told: BTreeMap<Record, Vec<(usize, Write)>>,
    writes: u64,
}

impl Witness {
    pub fn note(&mut self, record: &Record, device: usize, write: Write) {
        self.told
            .entry(record.clone())
            .or_default()
            .push((device, write));
        self.writes += 1;
    }

    pub fn writes(&self) -> u64 {
        self.writes
    }

    /// Looks for all of it in the histories that the device shows.
    pub fn finds_everything(&self, seat: &Seat) {
        for (record, told) in &self.told {
            let history = seat
                .device
                .lines(["history", record.collection, &record.name]);
            for (device, write) in told {
                assert!(
                    history
                        .iter()
                        .any(|step| is_by(step, *device) && has(step, write)),
                    "{} lost what {} acknowledged in {record:?}: {write:?}; there is {history:#?}",
                    seat.device.name,
                    NAMES[*device]
                );
            }
            for (device, name) in NAMES.iter().enumerate() {
                let steps = history.iter().filter(|step| is_by(step, device)).count();
                let changes = told
                    .iter()
                    .filter(|(by, write)| *by == device && !matches!(write, Write::Decided { .. }))
                    .count();
                assert!(
                    steps >= changes,
                    "{} has {steps} of {changes} changes of {name} in {record:?}: {history:#?}",
                    seat.device.name
                );
            }
        }
    }
}

fn is_by(step: &Json, device: usize) -> bool {
    text(&step["device_name"]) == NAMES[device]
}

fn has(step: &Json, write: &Write) -> bool {
    let list = |field: &str| step[field].as_array().cloned().unwrap_or_default();
    match write {
        Write::Set { path, value } => list("fields")
            .iter()
            .any(|field| field["path"] == **path && field["after"] == **value),
        Write::Decided { conflict } => list("decisions")
            .iter()
            .any(|decision| decision["conflict"] == **conflict),
        Write::Changed => true,
    }
}
