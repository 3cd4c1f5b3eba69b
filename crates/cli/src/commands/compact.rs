//! `driftless compact`: the folder made as small as it gets, now.

use driftless::CompactReport;
use serde_json::json;

use crate::context::Context;
use crate::failure::Failure;
use crate::output::bytes;

pub(crate) async fn run(context: &mut Context) -> Result<(), Failure> {
    let interrupt = context.interrupt()?;
    let database = context.open_unless(&interrupt).await?;
    let result: Result<CompactReport, Failure> = tokio::select! {
        report = database.compact() => report.map_err(Failure::from),
        () = interrupt.wait() => Err(Failure::Interrupted {
            done: "what was not finished is as it was".into(),
            remedy: "Run the command again.",
        }),
    };
    let report = context.close_after(database, result).await?;
    context.output.answer(
        &json!({
            "store_bytes_before": report.store_before_bytes,
            "store_bytes_after": report.store_after_bytes,
            "journal_bytes_before": report.journal_before_bytes,
            "journal_bytes_after": report.journal_after_bytes,
        }),
        &format!(
            "the store took {} and takes {}, the journal took {} and takes {}",
            bytes(report.store_before_bytes),
            bytes(report.store_after_bytes),
            bytes(report.journal_before_bytes),
            bytes(report.journal_after_bytes),
        ),
    )
}
