//! `driftless outbox`: what was made here and is not yet everywhere it should be.

use std::io;
use std::path::Path;

use driftless::{Database, Discarded, Draft, EnvelopeId, OutboxItem, PeerState, RecordKey};
use serde_json::json;

use crate::caller::Caller;
use crate::commands::quarantine::page;
use crate::context::Context;
use crate::failure::Failure;
use crate::item_args::{Outbox, OutboxAction, Page};
use crate::output::{Output, clean, count};
use crate::table::Table;
use crate::time_text;

/// Bytes of a draft's file: far more than an envelope can hold as text.
const DRAFT_BYTES: u64 = 64 * 1024 * 1024;

pub(crate) async fn run(context: &mut Context, arguments: Outbox) -> Result<(), Failure> {
    let action = arguments
        .action
        .unwrap_or_else(|| OutboxAction::List(Page::default()));
    if let OutboxAction::Apply(arguments) = action {
        let draft = read_draft(&*context.caller(), &arguments.file).await?;
        return context
            .with_database(async |database, output| apply(database, output, draft).await)
            .await;
    }
    context
        .with_database(async |database, output| match action {
            OutboxAction::List(arguments) => list(database, output, &arguments).await,
            OutboxAction::Show(name) => {
                let item = database.outbox().get(&name.item).await?;
                print(output, &item)
            }
            OutboxAction::Retry(name) => {
                let item = database.outbox().get(&name.item).await?;
                let json = driftless::Outbox::to_json(&item);
                output.answer(&json, &clean(&item.prospect()))
            }
            OutboxAction::Export(name) => {
                let id = database.outbox().find(&name.item).await?;
                output.document(&database.outbox().export(id).await?)
            }
            OutboxAction::Discard(name) => {
                let id = database.outbox().find(&name.item).await?;
                discard(database, output, id).await
            }
            OutboxAction::Apply(_) => Ok(()), // above: its file is read first
        })
        .await
}

async fn list(database: &Database, output: &mut Output, arguments: &Page) -> Result<(), Failure> {
    let items = database.outbox().list(page(arguments)?).await?;
    if output.json() {
        let json = |item| driftless::Outbox::to_json(item);
        return items.iter().try_for_each(|item| output.object(&json(item)));
    }
    if items.is_empty() {
        return output.line("every change made here is held by another device");
    }
    let mut table = Table::new(["ITEM", "WHEN", "RECORDS", "CHANGES", "STATE"]).keep_whole(0);
    let mut refused = 0;
    for item in &items {
        let state = match item.refused() {
            Some(code) => format!("refused: {code}"),
            None => "pending".into(),
        };
        refused += u64::from(item.refused().is_some());
        table.push([
            item.id.to_string().as_str(),
            &item.time_ms.map_or_else(String::new, time_text::minutes),
            &item.records.len().to_string(),
            &item.changes.to_string(),
            &state,
        ]);
    }
    output.table(&table)?;
    let changes = items.iter().map(|item| item.changes).sum();
    output.line(&format!(
        "{} with {}, {refused} refused",
        count(items.len() as u64, "item"),
        count(changes, "change"),
    ))
}

fn print(output: &mut Output, item: &OutboxItem) -> Result<(), Failure> {
    if output.json() {
        return output.object(&driftless::Outbox::to_json(item));
    }
    output.line(&format!("item {}", item.id))?;
    if let Some(time_ms) = item.time_ms {
        output.line(&format!("made {}", time_text::minutes(time_ms)))?;
    }
    output.line(&clean(&item.prospect()))?;
    print_records(output, &item.records, item.changes)?;
    let mut table = Table::new(["DEVICE", "STATE", "WHY"]);
    for peer in &item.peers {
        let why = match peer.state {
            PeerState::Refused(code) => code.sentence(),
            _ => "",
        };
        let name = peer.name.clone();
        table.push([
            name.unwrap_or_else(|| peer.device.to_string()).as_str(),
            peer.state.as_str(),
            why,
        ]);
    }
    output.table(&table)
}

/// The records of an item, and how many changes it has.
pub(super) fn print_records(
    output: &mut Output,
    records: &[RecordKey],
    changes: u64,
) -> Result<(), Failure> {
    output.line(&format!(
        "{} of {}",
        count(changes, "change"),
        count(records.len() as u64, "record")
    ))?;
    records.iter().try_for_each(|key| {
        let collection = clean(&key.collection);
        output.line(&format!("  {collection} {}", key.record))
    })
}

/// Discards an item, and prints its draft; what else there is to say goes to standard error.
///
/// A draft that gets lost is no loss: discarding the item again prints it again.
pub(super) async fn discard(
    database: &Database,
    output: &mut Output,
    id: EnvelopeId,
) -> Result<(), Failure> {
    let Discarded::TakenBack { draft, resting } = database.quarantine().discard(id).await? else {
        return output.answer(
            &json!({ "id": id.to_string(), "discarded": "dismissed" }),
            "left out of the list on this device: it is held and passed on as before",
        );
    };
    let resting: Vec<_> = resting.iter().map(ToString::to_string).collect();
    if output.json() {
        return output.object(&json!({
            "id": id.to_string(),
            "discarded": "taken_back",
            "draft": draft.to_json(),
            "resting": resting,
        }));
    }
    output.say(&format!(
        "taken back, for every device: {}; `driftless outbox apply FILE` writes the draft again",
        count(draft.edits() as u64, "edit")
    ));
    if !resting.is_empty() {
        output.say(&format!(
            "refused with it, because they rest on it: {}",
            resting.join(" ")
        ));
    }
    output.document(&draft.to_json())
}

/// Reads and checks a draft, from the file as whoever typed the command finds it.
async fn read_draft(caller: &dyn Caller, path: &Path) -> Result<Draft, Failure> {
    let malformed = |message: String| Failure::Usage {
        message: format!("{}: {message}", path.display()),
        remedy: "Give a draft as `driftless outbox discard` printed it.".into(),
    };
    let content = caller.read_file(path, DRAFT_BYTES).await;
    let bytes = content.map_err(|source| match source.kind() {
        io::ErrorKind::FileTooLarge => malformed(source.to_string()),
        _ => Failure::File {
            action: "read",
            path: path.to_owned(),
            source,
        },
    })?;
    let text = String::from_utf8(bytes).map_err(|_| malformed("it is not UTF-8 text".into()))?;
    Draft::parse(&text).map_err(|error| malformed(error.to_string()))
}

async fn apply(database: &Database, output: &mut Output, draft: Draft) -> Result<(), Failure> {
    let applied = database.outbox().apply(draft).await?;
    if output.json() {
        return output.object(&driftless::Outbox::applied_to_json(&applied));
    }
    for skipped in &applied.skipped {
        output.line(&format!(
            "skipped {} of {} {}: {}",
            clean(&skipped.path),
            clean(&skipped.key.collection),
            skipped.key.record,
            clean(&skipped.reason)
        ))?;
    }
    output.line(&format!(
        "{} written, {} as they were, {} skipped",
        count(applied.written, "edit"),
        applied.unchanged,
        applied.skipped.len()
    ))
}
