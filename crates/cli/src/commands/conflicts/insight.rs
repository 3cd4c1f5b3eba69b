//! `driftless conflicts insight`: what the log tells of how the workspace is used.

use driftless::{Database, insight_to_json};

use crate::conflict_args::Insight;
use crate::failure::Failure;
use crate::output::{Output, thousands};
use crate::sides::{COLUMNS_OF_NO_TERMINAL, paragraph};
use crate::table::Table;

/// Milliseconds of a second.
const SECOND_MS: i64 = 1_000;

pub(super) async fn run(
    database: &Database,
    output: &mut Output,
    arguments: &Insight,
) -> Result<(), Failure> {
    let insight = database.conflicts().insight(arguments.fields).await?;
    if output.json() {
        return output.object(&insight_to_json(&insight));
    }
    for (number, what) in [
        (
            insight.auto_merges,
            "times edits made apart were merged without a word",
        ),
        (insight.agreed, "fields in which all sides wrote the same"),
        (
            insight.merged_by_type,
            "overlaps merged by the field's type",
        ),
        (insight.merged_by_policy, "overlaps merged by a policy"),
        (insight.opened, "overlaps for a person:"),
        (insight.decided, "  decided"),
        (insight.acknowledged, "  acknowledged"),
        (insight.open, "  open"),
        (insight.undone, "decisions taken back"),
    ] {
        output.line(&format!("{:>9} {what}", thousands(number)))?;
    }
    if let Some(time_ms) = insight.decision_ms {
        let time = seconds(time_ms / SECOND_MS);
        output.line(&format!(
            "{time:>9} from overlap to decision, half of them in less"
        ))?;
    }
    if !insight.hottest.is_empty() {
        output.line("")?;
        output.table(&hottest(&insight))?;
    }
    for suggestion in &insight.suggestions {
        let sentence = format!(
            "The policy `{}` would have decided {} of {} decisions on {} of {} as people did.",
            suggestion.policy,
            thousands(suggestion.alike),
            thousands(suggestion.decisions),
            suggestion.path,
            suggestion.collection,
        );
        output.line("")?;
        let columns = output.width().unwrap_or(COLUMNS_OF_NO_TERMINAL);
        let lines = paragraph(&sentence, columns);
        lines.iter().try_for_each(|line| output.line(line))?;
    }
    Ok(())
}

/// The fields with the most conflicts.
fn hottest(insight: &driftless::Insight) -> Table {
    let mut table = Table::new(["COLLECTION", "FIELD", "CONFLICTS", "OPEN"]);
    for field in &insight.hottest {
        table.push([
            field.collection.as_str(),
            &field.path,
            &thousands(field.entries),
            &thousands(field.open),
        ]);
    }
    table
}

/// A time a person can read: `42s`, `7m`, `3h`, `12d`.
fn seconds(seconds: i64) -> String {
    match seconds {
        ..=119 => format!("{seconds}s"),
        120..=7_199 => format!("{}m", seconds / 60),
        7_200..=172_799 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_in_the_unit_that_fits() {
        let said = [0, 119, 120, 7_199, 7_200, 172_799, 172_800].map(seconds);
        assert_eq!(said, ["0s", "119s", "2m", "119m", "2h", "47h", "2d"]);
    }
}
