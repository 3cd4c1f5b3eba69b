//! Deciding many entries at once.

use driftless_document::EntryId;
use driftless_engine::{BulkRule, ConflictFilter, RecordKey, Replica};
use serde_json::{Value as Json, json};

use super::{Conflict, Conflicts};
use crate::error::Error;
use crate::progress::Progress;

/// What a bulk did, or would do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BulkReport {
    /// The entries that were decided.
    pub decided: Vec<EntryId>,
    /// The entries that fit the filter and were left as they are.
    pub skipped: Vec<Skipped>,
}

/// An entry that a bulk left as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Skipped {
    /// The entry.
    pub conflict: Conflict,
    /// Why.
    pub reason: Error,
}

impl BulkReport {
    /// The report as JSON: `{decided: [id], skipped: [{id, code, message, remedy}]}`.
    pub fn to_json(&self) -> Json {
        let decided: Vec<_> = self.decided.iter().map(ToString::to_string).collect();
        let skipped = self.skipped.iter().map(|skipped| {
            json!({
                "id": skipped.conflict.id().to_string(),
                "code": skipped.reason.code(),
                "message": skipped.reason.message(),
                "remedy": skipped.reason.remedy(),
            })
        });
        json!({ "decided": decided, "skipped": skipped.collect::<Vec<_>>() })
    }
}

impl Conflicts {
    /// Decides all entries that fit a filter by one rule, here and, with the next sync, everywhere.
    ///
    /// A filter without a status means the open ones. A record is decided whole, as one change, or not at all; an
    /// entry that the rule does not fit is left as it is, and the report says why. What came while this was under
    /// way may be left, too: nobody has read it. Dropping the future gives the rest up. How far it is, is told as
    /// [`Progress::Deciding`].
    pub async fn decide_all(
        &self,
        filter: ConflictFilter,
        rule: BulkRule,
    ) -> Result<BulkReport, Error> {
        self.bulk(filter, rule, false).await
    }

    /// What [`Conflicts::decide_all`] would do; nothing is written.
    pub async fn preview_all(
        &self,
        filter: ConflictFilter,
        rule: BulkRule,
    ) -> Result<BulkReport, Error> {
        self.bulk(filter, rule, true).await
    }

    async fn bulk(
        &self,
        filter: ConflictFilter,
        rule: BulkRule,
        preview: bool,
    ) -> Result<BulkReport, Error> {
        let mut report = BulkReport::default();
        let mut after: Option<RecordKey> = None;
        loop {
            let (filter, rule) = (filter.clone(), rule.clone());
            let from = after.take();
            let decide = move |replica: &mut Replica| {
                replica.decide_some(&filter, &rule, from.as_ref(), preview)
            };
            let step = self.actor.write(decide).await?;
            report.decided.extend(step.decided);
            for skipped in step.skipped {
                let reason = Error::from(skipped.reason);
                let conflicts = skipped.conflicts.into_iter().map(Conflict::new);
                report.skipped.extend(conflicts.map(|conflict| Skipped {
                    conflict,
                    reason: reason.clone(),
                }));
            }
            if let Some(progress) = &self.progress {
                progress(Progress::Deciding {
                    decided: report.decided.len() as u64,
                    skipped: report.skipped.len() as u64,
                });
            }
            match step.next {
                Some(next) => after = Some(next),
                None => return Ok(report),
            }
        }
    }
}
