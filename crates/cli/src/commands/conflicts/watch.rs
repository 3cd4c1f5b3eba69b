//! `driftless conflicts watch`: what becomes of the open entries, as it happens.

use driftless::{ConflictEvent, Database};

use super::list;
use crate::commands::watch::until_interrupted;
use crate::conflict_args::ConflictsWatch;
use crate::conflict_table::field;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Output, clean};
use crate::time_text;

pub(super) async fn run(context: &mut Context, arguments: ConflictsWatch) -> Result<(), Failure> {
    until_interrupted(context, async |database, output| {
        watch(database, output, arguments).await
    })
    .await
}

async fn watch(
    database: &Database,
    output: &mut Output,
    arguments: ConflictsWatch,
) -> Result<(), Failure> {
    let filter = list::filter(database, arguments.filters, None).await?;
    let mut watch = database.conflicts().watch(filter);
    if !arguments.open {
        watch.skip().await?;
    }
    output.say("watching");
    loop {
        let event = watch.next_event().await?;
        output.answer(&event.to_json(), &in_words(&event))?;
        output.flush()?;
    }
}

fn in_words(event: &ConflictEvent) -> String {
    let what = event.what.as_str();
    let Some(conflict) = &event.conflict else {
        return format!("conflict {} {what}: it is none any more", event.id);
    };
    // The line of an entry has the time of what made it so.
    let sides = conflict.candidates().into_iter().chain(conflict.resolved());
    let latest = sides.map(|choice| choice.author.time_ms).max();
    format!(
        "{} conflict {} {what} ({}): {} of {} {}",
        latest.map_or_else(String::new, time_text::rfc3339),
        event.id,
        conflict.status().as_str(),
        clean(&field(conflict)),
        clean(conflict.collection()),
        conflict.record(),
    )
}
