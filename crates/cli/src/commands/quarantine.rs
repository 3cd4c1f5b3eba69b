//! `driftless quarantine`: what is held and not applied.

use std::fmt::Write as _;

use driftless::{
    Database, EnvelopeId, ErrorKind, ItemPage, Millis, QuarantineItem, Retried, Void, VoidItem,
};
use serde_json::json;

use crate::commands::outbox;
use crate::context::Context;
use crate::failure::Failure;
use crate::item_args::{ItemOrAll, Page, Quarantine, QuarantineAction, QuarantineList};
use crate::output::{Output, clean, count};
use crate::table::Table;
use crate::time_text;

pub(crate) async fn run(context: &mut Context, arguments: Quarantine) -> Result<(), Failure> {
    let action = arguments
        .action
        .unwrap_or_else(|| QuarantineAction::List(QuarantineList::default()));
    context
        .with_database(async |database, output| match action {
            QuarantineAction::List(arguments) => list(database, output, arguments).await,
            QuarantineAction::Show(name) => show(database, output, &name.item).await,
            QuarantineAction::Retry(name) => retry(database, output, &name.item).await,
            QuarantineAction::Adopt(named) => adopt(database, output, named).await,
            QuarantineAction::Reissue(named) => reissue(database, output, named).await,
            QuarantineAction::Export(name) => {
                let item = database.quarantine().get(&name.item).await?;
                let export = database.quarantine().export(item.id).await?;
                output.document(&export)
            }
            QuarantineAction::Discard(name) => {
                let item = database.quarantine().get(&name.item).await?;
                outbox::discard(database, output, item.id).await
            }
        })
        .await
}

async fn list(
    database: &Database,
    output: &mut Output,
    arguments: QuarantineList,
) -> Result<(), Failure> {
    let page = ItemPage {
        settled: arguments.all,
        ..page(&arguments.page)?
    };
    let items = database.quarantine().list(page).await?;
    if output.json() {
        let json = |item| driftless::Quarantine::to_json(item);
        return items.iter().try_for_each(|item| output.object(&json(item)));
    }
    if items.is_empty() {
        return output.line("nothing is refused");
    }
    let mut table = Table::new(["ITEM", "DEVICE", "WHEN", "RECORDS", "WHY", "STATE"]).keep_whole(0);
    for item in &items {
        table.push([
            item.id.to_string().as_str(),
            &author(item),
            &item.time_ms.map_or_else(String::new, time_text::minutes),
            &item.records.len().to_string(),
            item.code.as_str(),
            item.state.as_str(),
        ]);
    }
    output.table(&table)?;
    output.line(&format!(
        "{}; `driftless quarantine show ITEM` explains one",
        count(items.len() as u64, "item")
    ))
}

/// The page of a list that is asked for.
pub(super) fn page(page: &Page) -> Result<ItemPage, Failure> {
    let after = page.after.as_deref().map(|after| {
        after.parse::<EnvelopeId>().map_err(|error| Failure::Usage {
            message: error.to_string(),
            remedy: "Give the whole id of the last item of the page before.".into(),
        })
    });
    Ok(ItemPage {
        after: after.transpose()?,
        limit: page.limit,
        settled: false,
    })
}

fn author(item: &QuarantineItem) -> String {
    author_name(item.own, item.device_name.as_deref())
}

fn author_name(own: bool, name: Option<&str>) -> String {
    match (own, name) {
        (true, _) => "this device".into(),
        (false, Some(name)) => name.to_owned(),
        (false, None) => "an unknown device".into(),
    }
}

/// One item; or what is none and does not count all the same, and whoever names it wants to know why.
async fn show(database: &Database, output: &mut Output, name: &str) -> Result<(), Failure> {
    let missing = match database.quarantine().get(name).await {
        Ok(item) => return print(output, &item),
        Err(error) if error.kind() == ErrorKind::NotFound => error,
        Err(error) => return Err(error.into()),
    };
    match database.quarantine().void(name).await {
        Ok(item) => print_void(output, &item),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(missing.into()),
        Err(error) => Err(error.into()),
    }
}

fn print_void(output: &mut Output, item: &VoidItem) -> Result<(), Failure> {
    if output.json() {
        return output.object(&driftless::Quarantine::void_to_json(item));
    }
    output.line(&format!("{} is void, and not in the quarantine", item.id))?;
    let author = author_name(item.own, item.device_name.as_deref());
    output.line(&made_by(&author, item.time_ms))?;
    output.line(item.why.sentence())?;
    outbox::print_records(output, &item.records, item.changes)
}

fn made_by(author: &str, time_ms: Option<Millis>) -> String {
    let when = time_ms.map_or_else(|| "at an unknown time".to_owned(), time_text::minutes);
    format!("made by {}, {when}", clean(author))
}

async fn retry(database: &Database, output: &mut Output, name: &str) -> Result<(), Failure> {
    let item = database.quarantine().get(name).await?;
    match database.quarantine().retry(item.id).await? {
        Retried::Unchanged(item) => output.answer(
            &json!({
                "applied": false,
                "item": driftless::Quarantine::to_json(&item),
                "message": item.waits_for.sentence(),
            }),
            &format!(
                "still refused: {} {}",
                clean(&sentence(&item)),
                item.waits_for.sentence()
            ),
        ),
        Retried::Admitted { with } => output.answer(
            &json!({ "applied": true, "id": item.id.to_string(), "with": with }),
            &format!("applied, and {} that rested on it", count(with, "other")),
        ),
        // Of a later library.
        _ => output.line("judged again"),
    }
}

async fn adopt(database: &Database, output: &mut Output, named: ItemOrAll) -> Result<(), Failure> {
    let adopted = match named.item {
        Some(name) => {
            let id = match database.quarantine().get(&name).await {
                Ok(item) => item.id,
                // What is void for the want of an admission can be adopted as well.
                Err(error) => match database.quarantine().void(&name).await {
                    Ok(item) if item.why == Void::NotCurrent => item.id,
                    _ => return Err(error.into()),
                },
            };
            database.quarantine().adopt(vec![id]).await?
        }
        None => database.quarantine().adopt_all().await?,
    };
    let refused = adopted.refused.iter();
    let mut text = format!("adopted {}", count(adopted.applied.len() as u64, "item"));
    for item in &adopted.refused {
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "\nnot applied: {} {}",
            item.id,
            clean(&sentence(item))
        );
    }
    output.answer(
        &json!({
            "adopted": adopted.applied.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "refused": refused.map(driftless::Quarantine::to_json).collect::<Vec<_>>(),
        }),
        &text,
    )
}

async fn reissue(
    database: &Database,
    output: &mut Output,
    named: ItemOrAll,
) -> Result<(), Failure> {
    let reissued = match named.item {
        Some(name) => {
            let item = database.quarantine().get(&name).await?;
            database.quarantine().reissue(item.id).await?;
            vec![item.id]
        }
        None => database.quarantine().reissue_all().await?,
    };
    let ids: Vec<_> = reissued.iter().map(ToString::to_string).collect();
    output.answer(
        &json!({ "reissued": ids }),
        &format!("wrote {} again", count(reissued.len() as u64, "item")),
    )
}

/// Why it is refused, with what is known besides.
fn sentence(item: &QuarantineItem) -> String {
    if item.detail.is_empty() {
        return item.code.sentence().to_owned();
    }
    let sentence = item.code.sentence().trim_end_matches('.');
    format!("{sentence} ({}).", item.detail)
}

fn print(output: &mut Output, item: &QuarantineItem) -> Result<(), Failure> {
    if output.json() {
        return output.object(&driftless::Quarantine::to_json(item));
    }
    output.line(&format!("item {} ({})", item.id, item.state.as_str()))?;
    output.line(&made_by(&author(item), item.time_ms))?;
    output.line(&clean(&sentence(item)))?;
    output.line(&item.waits_for.sentence())?;
    outbox::print_records(output, &item.records, item.changes)
}
