//! `driftless conflicts`: what overlapped, and deciding it.

mod show;

use driftless::{
    Conflict, ConflictFilter, Database, Node, RecordId, Resolution, Status, parse_node,
};
use serde_json::Value as Json;

use crate::assign;
use crate::conflict_args::{
    Conflicts, ConflictsAction, ConflictsList, Decision, Resolve, StatusName,
};
use crate::conflict_table::{DELETED, conflict_table, is_absent, record_names, shown};
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Output, clean, count};

/// What begins the name of a record that is named by its key.
const KEY_NAME: &str = "key:";

pub(crate) async fn run(context: &mut Context, arguments: Conflicts) -> Result<(), Failure> {
    let action = arguments
        .action
        .unwrap_or_else(|| ConflictsAction::List(ConflictsList::default()));
    context
        .with_database(async |database, output| match action {
            ConflictsAction::List(arguments) => list(database, output, arguments).await,
            ConflictsAction::Show(arguments) => {
                let conflict = database.conflicts().get(&arguments.name.entry).await?;
                show::print(output, &conflict, arguments.full)
            }
            ConflictsAction::Resolve(arguments) => resolve(database, output, arguments).await,
            ConflictsAction::Export => {
                let lines = database.conflicts().export().await?;
                lines.iter().try_for_each(|line| output.line(line))
            }
        })
        .await
}

async fn list(
    database: &Database,
    output: &mut Output,
    arguments: ConflictsList,
) -> Result<(), Failure> {
    let filter = filter(database, arguments).await?;
    let conflicts = database.conflicts().list(filter).await?;
    if output.json() {
        return conflicts
            .iter()
            .try_for_each(|conflict| output.object(&conflict.to_json()));
    }
    if conflicts.is_empty() {
        return output.line("no conflicts");
    }
    output.table(&conflict_table(&conflicts, record_names(&conflicts)))?;
    let is_open = |conflict: &&Conflict| conflict.status() == Status::Open;
    let open = conflicts.iter().filter(is_open).count();
    let how = if open == 0 {
        ""
    } else {
        "; `driftless conflicts resolve CONFLICT --keep N` decides one"
    };
    let all = count(conflicts.len() as u64, "conflict");
    output.line(&format!("{all}, {open} open{how}"))
}

async fn filter(database: &Database, arguments: ConflictsList) -> Result<ConflictFilter, Failure> {
    let record = match (&arguments.record, &arguments.collection) {
        (None, _) => None,
        (Some(name), Some(collection)) => Some(database.collection(collection).find(name).await?),
        (Some(name), None) => Some(whole_id(name)?),
    };
    let path = arguments.path.map(|path| {
        // The register of a record's deletion has a name of ours, which is no field's path.
        if path == DELETED {
            Ok(path)
        } else {
            assign::parse_field(&path).map(|path| path.to_key())
        }
    });
    Ok(ConflictFilter {
        status: arguments.status.map(|status| match status {
            StatusName::Open => Status::Open,
            StatusName::Resolved => Status::Resolved,
            StatusName::Acknowledged => Status::Acknowledged,
            StatusName::AutoMerged => Status::AutoMerged,
        }),
        collection: arguments.collection,
        record,
        path: path.transpose()?,
        ..ConflictFilter::default()
    })
}

fn whole_id(name: &str) -> Result<RecordId, Failure> {
    name.parse().map_err(|_| Failure::Usage {
        message: if name.starts_with(KEY_NAME) {
            format!("`{name}` names a record only within its collection")
        } else {
            format!("`{name}` is no whole id")
        },
        remedy: "Give the collection, too: --collection C --record ID.".into(),
    })
}

async fn resolve(
    database: &Database,
    output: &mut Output,
    arguments: Resolve,
) -> Result<(), Failure> {
    let conflicts = database.conflicts();
    let resolution = resolution(arguments.decision)?;
    let conflict = conflicts.get(&arguments.name.entry).await?;
    conflicts.resolve(&conflict, resolution).await?;
    let decided = conflicts.get(&arguments.name.entry).await?;
    if output.json() {
        return output.object(&decided.to_json());
    }
    let value = decided
        .resolved()
        .map_or_else(String::new, |choice| shown(&decided, &choice.value));
    output.line(&format!(
        "decided: {} of {} {} is now {value}",
        clean(decided.path()),
        clean(decided.collection()),
        decided.record(),
    ))
}

/// Reads the decision; exactly one of its two forms was typed.
fn resolution(decision: Decision) -> Result<Resolution, Failure> {
    match decision {
        Decision { keep: Some(n), .. } => Ok(Resolution::Keep(n)),
        Decision { value, .. } => read_value(&value.unwrap_or_default()).map(Resolution::Merge),
    }
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
