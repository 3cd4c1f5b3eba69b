//! `driftless repair`: what is whole is kept, what is damaged is fetched from another device.

use driftless::{Database, MissingRun, RepairReport, Sync, SyncReport};
use serde_json::json;

use super::verify::{fault_json, look, missing_json, needs_mending};
use crate::args::Repair;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{clean, count};

pub(crate) async fn run(context: &mut Context, arguments: Repair) -> Result<(), Failure> {
    // Before the folder is read as a whole, which takes long.
    if let Some(peer) = &arguments.peer {
        Sync::check_address(peer)?;
    }
    let interrupt = context.interrupt()?;
    if arguments.dry_run {
        let report = look(context, &interrupt).await?;
        return print_plan(context, &report);
    }
    let database = tokio::select! {
        database = Database::repair(context.dir()?, context.options("")) => database?,
        () = interrupt.wait() => return Err(interrupted()),
    };
    let report = database.opening().repaired.clone().unwrap_or_default();
    let fetched = tokio::select! {
        fetched = fetch(&database, arguments.peer.as_deref()) => fetched,
        () = interrupt.wait() => Err(interrupted()),
    };
    let missing = database.missing().await;
    let result = fetched.and_then(|fetched| Ok((fetched, missing?)));
    // What was repaired is told even where nothing could be fetched.
    if let Err(failure) = &result {
        context.say(&clean(&format!(
            "{}; fetching failed: {failure}",
            summary(&report)
        )));
    }
    let (fetched, missing) = context.close_after(database, result).await?;
    print(context, &report, fetched.as_ref(), &missing)
}

fn interrupted() -> Failure {
    Failure::Interrupted {
        done: "the repair is not finished".into(),
        remedy: "Run the command again: it goes on.",
    }
}

async fn fetch(database: &Database, peer: Option<&str>) -> Result<Option<SyncReport>, Failure> {
    match peer {
        Some(url) => Ok(Some(database.sync().once(url).await?)),
        None => Ok(None),
    }
}

fn print_plan(context: &mut Context, report: &driftless::VerifyReport) -> Result<(), Failure> {
    if context.output.json() {
        let object = json!({
            "faults": report.faults.iter().map(fault_json).collect::<Vec<_>>(),
            "missing": report.missing.iter().map(missing_json).collect::<Vec<_>>(),
            "waiting": report.waiting,
        });
        return context.output.object(&object);
    }
    if !needs_mending(&report.faults) {
        context
            .output
            .line("nothing here is damaged: a repair would change nothing")?;
    }
    for fault in &report.faults {
        context.output.line(&clean(&fault.to_string()))?;
    }
    print_missing(context, &report.missing, report.waiting)
}

fn print(
    context: &mut Context,
    report: &RepairReport,
    fetched: Option<&SyncReport>,
    missing: &[MissingRun],
) -> Result<(), Failure> {
    if context.output.json() {
        let set_aside = report.set_aside.iter();
        let object = json!({
            "faults": report.faults.iter().map(fault_json).collect::<Vec<_>>(),
            "segments_mended": report.segments_mended,
            "frames_kept": report.frames_kept,
            "frames_restored": report.frames_restored,
            "store_rebuilt": report.store_rebuilt,
            "set_aside": set_aside.map(|path| path.display().to_string()).collect::<Vec<_>>(),
            "waiting": report.waiting,
            "fetched": fetched.map(|report| report.records_received),
            "missing": missing.iter().map(missing_json).collect::<Vec<_>>(),
        });
        return context.output.object(&object);
    }
    context.output.line(&summary(report))?;
    for fault in &report.faults {
        context.output.line(&clean(&fault.to_string()))?;
    }
    for path in &report.set_aside {
        let line = format!("what was damaged is in {}", path.display());
        context.output.line(&clean(&line))?;
    }
    if let Some(fetched) = fetched {
        context.output.line(&format!(
            "fetched {}",
            count(fetched.records_received, "record")
        ))?;
    }
    let waiting = if missing.is_empty() {
        0
    } else {
        report.waiting
    };
    print_missing(context, missing, waiting)
}

/// What was done, in a line.
fn summary(report: &RepairReport) -> String {
    match (report.segments_mended, report.store_rebuilt) {
        (0, false) => "nothing here is damaged".to_owned(),
        (0, true) => "the store was derived again from the journal, nothing is lost".to_owned(),
        (segments, _) => format!(
            "mended {} of the journal and kept {} in it that are whole",
            count(segments, "file"),
            count(report.frames_kept, "frame"),
        ),
    }
}

fn print_missing(
    context: &mut Context,
    missing: &[MissingRun],
    waiting: u64,
) -> Result<(), Failure> {
    for run in missing {
        let device = run
            .device
            .as_ref()
            .map_or("a device that is not known", |(_, name)| name);
        let number = run.last - run.first + 1;
        context.output.line(&clean(&format!(
            "{} of {device} is missing: sync with a device that has it",
            count(number, "envelope")
        )))?;
    }
    if waiting > 0 {
        context.output.line(&format!(
            "{} whole and kept, and waiting for what is missing",
            count(waiting, "envelope")
        ))?;
    }
    Ok(())
}
