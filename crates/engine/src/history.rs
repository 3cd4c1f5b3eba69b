//! A record's history, and the record as it was.
//!
//! Nothing of it is stored: it is read from the record's changes, at a cost linear in their number. Who made a
//! change is known from the envelope that carried it, and from nothing the change claims: a change is admitted
//! only under the signature of the feed that its actor id is, and the membership log says whose feed that is.

use std::collections::BTreeSet;

use driftless_document::{ChangeHash, History, HistoryOptions, RecordId, Row};
use driftless_store::Visit;

use crate::conflicts::device_names;
use crate::error::EngineError;
use crate::records::event_of;
use crate::replica::Replica;
use crate::space::{self, Space};
use crate::types::{RecordHistory, RecordKey};

impl Replica {
    /// What the changes of a record did, deleted or not, the oldest first; see [`History`] for the order.
    pub fn history(
        &self,
        collection: &str,
        id: RecordId,
        options: &HistoryOptions,
    ) -> Result<RecordHistory, EngineError> {
        let (key, _) = self.existing(collection, id)?;
        let changes = self.core.record(&key)?.changes()?;
        let page = History::of(changes).page(options)?;
        let actors = page.steps.iter().map(|step| step.actor);
        let mut void = self.core.void_changes_with_why(&key)?;
        let shown: BTreeSet<_> = page.steps.iter().map(|step| step.change).collect();
        void.retain(|hash, _| shown.contains(hash));
        Ok(RecordHistory {
            devices: device_names(actors, &self.members()),
            earlier: page.earlier as u64,
            steps: page.steps,
            void,
            key,
        })
    }

    /// The row of a record as it was at a version that was shown here or that a device gave a change of its own;
    /// `version` is its name, the name of a change, or the beginning of either.
    pub fn get_at(
        &self,
        collection: &str,
        id: RecordId,
        version: &str,
    ) -> Result<Row, EngineError> {
        let (key, row) = self.existing(collection, id)?;
        if row.version().to_string() == version {
            return Ok(row);
        }
        let record = self.core.record(&key)?;
        let history = History::of(record.changes()?);
        let heads = match history.find(version, &[]) {
            Ok(heads) if History::is_whole_name(version) => heads,
            _ => history.find(version, &self.arrivals(&key)?)?,
        };
        Ok(record.at(&heads)?.row())
    }

    /// The changes of a record in the order in which they were committed here; reads the whole order of commits.
    fn arrivals(&self, wanted: &RecordKey) -> Result<Vec<ChangeHash>, EngineError> {
        let mut arrived = Vec::new();
        let mut result = Ok(());
        let space = self.core.keys.space(Space::Commit);
        self.core.base.scan(&space, &[], &mut |key, value| {
            let event = space::seq_of(key)
                .map_err(EngineError::from)
                .and_then(|seq| event_of(seq, value));
            match event {
                Ok((event, _)) if event.key == *wanted => arrived.push(event.change),
                Ok(_) => {}
                Err(error) => {
                    result = Err(error);
                    return Visit::Stop;
                }
            }
            Visit::Continue
        })?;
        result.map(|()| arrived)
    }
}
