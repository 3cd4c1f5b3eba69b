//! What the conflict log tells of how a workspace is used.

use driftless_engine::{Insight, InsightCount, RecordKey, Replica};
use serde_json::{Value as Json, json};

use super::Conflicts;
use crate::error::Error;

impl Conflicts {
    /// Counts what was merged, opened and decided, and names the `fields` fields in which most overlapped.
    ///
    /// It reads the rows and, of the records that were edited apart, their histories: a part at a time, so that others
    /// have their turn. Equal on equal devices. Dropping the future gives it up.
    pub async fn insight(&self, fields: usize) -> Result<Insight, Error> {
        let mut count = InsightCount::new();
        let mut after: Option<RecordKey> = None;
        loop {
            let from = after.take();
            let step = move |replica: &Replica| {
                let next = replica.count_insight(&mut count, from.as_ref())?;
                Ok((count, next))
            };
            let (counted, next) = self.actor.read(step).await?;
            count = counted;
            match next {
                Some(next) => after = Some(next),
                None => return Ok(count.finish(fields)),
            }
        }
    }
}

/// An insight as JSON; nothing in it depends on the device that answers, or on now.
///
/// `{auto_merges, merged_by_type, merged_by_policy, opened, decided, undone, acknowledged, open, decision_seconds, hottest:
/// [{collection, path, entries, open}]}`; `decision_seconds` is null where nothing was decided.
pub fn insight_to_json(insight: &Insight) -> Json {
    const MS_A_SECOND: i64 = 1_000;
    let hottest = insight.hottest.iter().map(|field| {
        json!({
            "collection": field.collection,
            "path": field.path,
            "entries": field.entries,
            "open": field.open,
        })
    });
    json!({
        "auto_merges": insight.auto_merges,
        "merged_by_type": insight.merged_by_type,
        "merged_by_policy": insight.merged_by_policy,
        "opened": insight.opened,
        "decided": insight.decided,
        "undone": insight.undone,
        "acknowledged": insight.acknowledged,
        "open": insight.open,
        "decision_seconds": insight.decision_ms.map(|ms| ms / MS_A_SECOND),
        "hottest": hottest.collect::<Vec<_>>(),
    })
}
