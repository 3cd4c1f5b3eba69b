//! `driftless conflicts resolve | acknowledge | undo`.

use driftless::{BulkRule, Conflict, Database, Node, Resolution, Status, parse_node};
use serde_json::Value as Json;

use super::list;
use crate::conflict_args::{Acknowledge, Decision, Keep, Resolve, Which};
use crate::conflict_table::{is_absent, shown};
use crate::failure::Failure;
use crate::output::{Output, clean, count};

/// Entries of a bulk that are named one by one.
const SKIPPED_SHOWN: usize = 20;

pub(super) async fn resolve(
    database: &Database,
    output: &mut Output,
    arguments: Resolve,
) -> Result<(), Failure> {
    let Resolve { which, decision } = arguments;
    if which.all {
        let rule = rule(database, decision).await?;
        return decide_all(database, output, which, rule).await;
    }
    let resolution = resolution(decision)?;
    let entry = one(&which)?;
    let conflict = as_seen(database, entry, which.seen).await?;
    let log = database.conflicts();
    log.resolve(&conflict, resolution).await?;
    let decided = log.get(entry).await?;
    if output.json() {
        return output.object(&decided.to_json());
    }
    let value = decided
        .resolved()
        .map_or_else(String::new, |choice| shown(&decided, &choice.value));
    output.line(&format!("decided: {} is now {value}", place(&decided)))
}

pub(super) async fn acknowledge(
    database: &Database,
    output: &mut Output,
    arguments: Acknowledge,
) -> Result<(), Failure> {
    let Acknowledge { which, note } = arguments;
    if which.all {
        return decide_all(database, output, which, BulkRule::Acknowledge(note)).await;
    }
    let entry = one(&which)?;
    let conflict = as_seen(database, entry, which.seen).await?;
    let log = database.conflicts();
    log.acknowledge(&conflict, &note).await?;
    let acknowledged = log.get(entry).await?;
    let said = format!("acknowledged: {} may stay as it is", place(&conflict));
    output.answer(&acknowledged.to_json(), &said)
}

/// Decides all open entries that fit by one rule, or says what that would do.
async fn decide_all(
    database: &Database,
    output: &mut Output,
    which: Which,
    rule: BulkRule,
) -> Result<(), Failure> {
    let filter = list::filter(database, which.filters, Some(Status::Open)).await?;
    let log = database.conflicts();
    let report = if which.preview {
        log.preview_all(filter, rule).await?
    } else {
        log.decide_all(filter, rule).await?
    };
    if output.json() {
        let mut object = report.to_json();
        object["preview"] = which.preview.into();
        return output.object(&object);
    }
    let verb = if which.preview {
        "would be decided"
    } else {
        "decided"
    };
    let decided = count(report.decided.len() as u64, "conflict");
    let left = report.skipped.len();
    output.line(&format!("{decided} {verb}, {left} left as they are"))?;
    for skipped in report.skipped.iter().take(SKIPPED_SHOWN) {
        output.line(&format!(
            "{} {}: {}",
            skipped.conflict.id(),
            place(&skipped.conflict),
            clean(skipped.reason.message())
        ))?;
    }
    if left > SKIPPED_SHOWN {
        output.line(&format!("and {} more", left - SKIPPED_SHOWN))?;
    }
    Ok(())
}

/// The one entry that was named; filters are for those that were not.
fn one(which: &Which) -> Result<&str, Failure> {
    let usage = |message: &str| Failure::Usage {
        message: message.to_owned(),
        remedy: "Give an ID alone, or --all with filters.".into(),
    };
    if !which.filters.words().is_empty() {
        return Err(usage("an entry that is named is not looked for by filters"));
    }
    if which.preview {
        return Err(usage("--preview is for many entries"));
    }
    which
        .entry
        .as_deref()
        .ok_or_else(|| usage("no entry is named"))
}

pub(super) async fn undo(
    database: &Database,
    output: &mut Output,
    entry: &str,
) -> Result<(), Failure> {
    let log = database.conflicts();
    let conflict = log.get(entry).await?;
    log.undo(&conflict).await?;
    let opened = log.get(entry).await?;
    let said = format!("undone: {} is open again", place(&conflict));
    output.answer(&opened.to_json(), &said)
}

/// The entry, if it is still what the person saw.
async fn as_seen(
    database: &Database,
    entry: &str,
    seen: Option<usize>,
) -> Result<Conflict, Failure> {
    let conflict = database.conflicts().get(entry).await?;
    let members = conflict.view().entry.members.len();
    if seen.is_some_and(|seen| seen != members) {
        return Err(Failure::ConflictGrown {
            conflict: Box::new(conflict),
        });
    }
    Ok(conflict)
}

fn place(conflict: &Conflict) -> String {
    format!(
        "{} of {} {}",
        clean(conflict.path()),
        clean(conflict.collection()),
        conflict.record(),
    )
}

/// Reads the decision on one entry; exactly one of its forms was typed.
fn resolution(decision: Decision) -> Result<Resolution, Failure> {
    match decision {
        Decision {
            keep: Some(Keep::Number(n)),
            ..
        } => Ok(Resolution::Keep(n)),
        Decision { both: true, .. } => Ok(Resolution::Both),
        Decision {
            value: Some(value), ..
        } => read_value(&value).map(Resolution::Merge),
        _ => Err(Failure::Usage {
            message: "`shown`, `latest` and --keep-of choose among many entries".into(),
            remedy: "Keep a candidate of one entry by its number, or give --all.".into(),
        }),
    }
}

/// Reads the rule for many entries.
async fn rule(database: &Database, decision: Decision) -> Result<BulkRule, Failure> {
    Ok(match decision {
        Decision {
            keep: Some(keep), ..
        } => match keep {
            Keep::Number(n) => BulkRule::Keep(n),
            Keep::Shown => BulkRule::Shown,
            Keep::Latest => BulkRule::Latest,
        },
        Decision {
            keep_of: Some(name),
            ..
        } => BulkRule::Device(list::device(database, &name).await?),
        Decision { both: true, .. } => BulkRule::Both,
        _ => {
            return Err(Failure::Usage {
                message: "one value for many entries is hardly meant".into(),
                remedy: "Decide with --keep, --keep-of or --both, or name one entry.".into(),
            });
        }
    })
}

fn read_value(text: &str) -> Result<Node, Failure> {
    let usage = |message: String, remedy: &str| Failure::Usage {
        message,
        remedy: remedy.into(),
    };
    let node = parse_node(text).map_err(|error| {
        usage(
            format!("--value {text}: {error}"),
            "Give JSON; a text stands in quotes: --value '\"Boston\"'.",
        )
    })?;
    if serde_json::from_str::<Json>(text).is_ok_and(|json| is_absent(&json)) {
        return Err(usage(
            "--value cannot be the mark of an absent value".into(),
            "Keep the candidate that is absent with --keep N, or decide by `driftless unset`.",
        ));
    }
    Ok(node)
}
