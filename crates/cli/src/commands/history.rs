//! `driftless history` and `driftless get --at`: who did what to a record, and the record as it was.

use driftless::{FieldType, History, HistoryEntry, HistoryOptions, Value, Void, value_to_json};

use crate::args::{self, RecordName};
use crate::assign;
use crate::conflict_table::{DELETED, ShortIds};
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Output, clean, count, plain, thousands};
use crate::table::Table;
use crate::time_text;

use super::records::print_record;

/// Stands behind the time of a change whose author did not know of all changes before it.
const APART: &str = " *";
const ABSENT: &str = "(absent)";

/// `driftless history`: the oldest change first.
pub(crate) async fn run(context: &mut Context, arguments: args::History) -> Result<(), Failure> {
    let args::History { name, field, limit } = arguments;
    let field = field
        .map(|field| {
            // Deleting has a name of ours, which is no field's path.
            if field == DELETED {
                Ok(field)
            } else {
                assign::parse_field(&field).map(|path| path.to_key())
            }
        })
        .transpose()?;
    let options = HistoryOptions {
        field,
        limit,
        before: None,
    };
    context
        .with_database(async |database, output| {
            let collection = database.collection(&name.collection);
            let id = collection.find(&name.record).await?;
            let history = collection.history(id, options).await?;
            print(output, &history)
        })
        .await
}

/// `driftless get --at`: the record as it was, deleted or not.
pub(crate) async fn get_at(
    context: &mut Context,
    name: &RecordName,
    version: &str,
) -> Result<(), Failure> {
    context
        .with_database(async |database, output| {
            let collection = database.collection(&name.collection);
            let id = collection.find(&name.record).await?;
            let record = collection.get_at(id, version).await?;
            print_record(output, &record)?;
            if record.deleted && !output.json() {
                output.line("it was deleted then; its fields were kept")?;
            }
            Ok(())
        })
        .await
}

fn print(output: &mut Output, history: &History) -> Result<(), Failure> {
    let entries = &history.entries;
    if output.json() {
        return entries
            .iter()
            .try_for_each(|entry| output.object(&entry.to_json()));
    }
    let shown = entries.len() as u64;
    if shown + history.earlier == 0 {
        return output.line("no changes");
    }
    if !entries.is_empty() {
        output.table(&table(entries))?;
    }
    if entries.iter().any(|entry| entry.step.apart) {
        output.line("* made without knowing of all changes before it")?;
    }
    for (why, versions) in void(entries) {
        output.line(&format!("{}: {}", versions.join(", "), why.sentence()))?;
    }
    output.line(&if history.earlier == 0 {
        count(shown, "change")
    } else {
        let all = count(shown + history.earlier, "change");
        format!("the newest {} of {all}", thousands(shown))
    })
}

/// The changes that do not count, by why.
fn void(entries: &[HistoryEntry]) -> Vec<(Void, Vec<String>)> {
    let short = ShortIds::of(entries.iter().map(|entry| entry.step.version.to_string()));
    let mut found = Vec::<(Void, Vec<String>)>::new();
    for entry in entries {
        let Some(why) = entry.void else { continue };
        let version = short.short(&entry.step.version.to_string()).to_owned();
        match found.iter_mut().find(|(of, _)| *of == why) {
            Some((_, versions)) => versions.push(version),
            None => found.push((why, vec![version])),
        }
    }
    found
}

/// A line a field that was written; what the lines of a change have in common stands on the first.
fn table(entries: &[HistoryEntry]) -> Table {
    let versions = ShortIds::of(entries.iter().map(|entry| entry.step.version.to_string()));
    let decisions = entries.iter().flat_map(|entry| &entry.step.decisions);
    let conflicts = ShortIds::of(decisions.map(|decided| decided.entry.to_string()));
    let headers = ["VERSION", "WHEN", "DEVICE", "FIELD", "BEFORE", "AFTER"];
    let mut table = Table::new(headers).keep_whole(0).keep_whole(1);
    for entry in entries {
        let version = entry.step.version.to_string();
        let apart = if entry.step.apart { APART } else { "" };
        let when = time_text::minutes(entry.author.time_ms) + apart;
        let device = entry.author.device_name.as_deref().unwrap_or("?");
        let mut common = [versions.short(&version), when.as_str(), device];
        for cells in lines(entry, &conflicts) {
            table.push(common.into_iter().chain(cells.iter().map(String::as_str)));
            common = [""; 3];
        }
    }
    table
}

/// What a change did, a line each: the field, what it read there, what it made of it.
fn lines(entry: &HistoryEntry, conflicts: &ShortIds) -> Vec<[String; 3]> {
    let step = &entry.step;
    let before = |text: String| {
        if step.is_first() {
            String::new() // there was no record
        } else {
            text
        }
    };
    let mut lines = Vec::new();
    for decided in &step.decisions {
        let conflict = decided.entry.to_string();
        let short = conflicts.short(&conflict).to_owned();
        lines.push(["(conflict)".into(), short, clean(decided.how.as_str())]);
    }
    if let Some(deletion) = step.deletion {
        let [was, is] = [deletion.before, deletion.after]
            .map(|deleted| String::from(if deleted { "(deleted)" } else { "(kept)" }));
        lines.push(["(record)".into(), before(was), is]);
    }
    for write in &step.writes {
        if !matches!(write.kind, FieldType::Value | FieldType::Counter) {
            let went = |values: &[Value]| values.iter().map(shown).collect::<Vec<_>>().join(", ");
            let [removed, added] =
                [("- ", &write.removed), ("+ ", &write.added)].map(|(sign, values)| {
                    (!values.is_empty()).then(|| sign.to_owned() + &went(values))
                });
            let path = write.path.clone();
            lines.push([path, removed.unwrap_or_default(), added.unwrap_or_default()]);
            continue;
        }
        let was: Vec<_> = write.before.iter().map(shown).collect();
        let was = if was.is_empty() {
            before(ABSENT.into())
        } else {
            was.join(" | ")
        };
        let is = write.after.as_ref().map_or_else(|| ABSENT.into(), shown);
        lines.push([write.path.clone(), was, is]);
    }
    lines
}

fn shown(value: &Value) -> String {
    plain(&value_to_json(value))
}
