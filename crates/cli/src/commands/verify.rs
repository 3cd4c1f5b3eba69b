//! `driftless verify`: everything that is stored is checked, and nothing is changed.

use driftless::{Database, Fault, FaultRemedy, MissingRun, VerifyReport};
use serde_json::{Value as Json, json};

use super::elsewhere;
use crate::context::Context;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::output::{clean, count};

pub(crate) async fn run(context: &mut Context) -> Result<(), Failure> {
    let interrupt = context.interrupt()?;
    let report = look(context, &interrupt).await?;
    print(context, &report)?;
    outcome(report)
}

/// What is wrong in the folder, whoever holds it.
pub(super) async fn look(
    context: &Context,
    interrupt: &Interrupt,
) -> Result<VerifyReport, Failure> {
    let report = if let Some(database) = context.served_database() {
        tokio::select! {
            report = database.verify() => Some(report?),
            () = interrupt.wait() => None,
        }
    } else {
        let asked = interrupt.clone();
        let go_on = move || !asked.requested();
        // Not raced with the interrupt: the copy of the store has to be gone before this process is.
        Database::inspect_while(context.dir()?, context.options(""), go_on).await?
    };
    report.ok_or_else(|| Failure::Interrupted {
        done: "nothing was changed".into(),
        remedy: "Run the command again.",
    })
}

fn print(context: &mut Context, report: &VerifyReport) -> Result<(), Failure> {
    if context.output.json() {
        let object = json!({
            "envelopes": report.envelopes,
            "changes": report.changes,
            "records": report.records,
            "conflicts": report.conflicts,
            "problems": report.problems,
            "faults": report.faults.iter().map(fault_json).collect::<Vec<_>>(),
            "torn_bytes": report.torn_bytes,
            "missing": report.missing.iter().map(missing_json).collect::<Vec<_>>(),
            "waiting": report.waiting,
            "elsewhere": elsewhere::elsewhere_json(report.elsewhere.as_ref()),
            "copied": elsewhere::copied_json(report.copied.as_ref()),
        });
        return context.output.object(&object);
    }
    let outcome = if report.faults.is_empty() {
        "all is as the journal says".to_owned()
    } else {
        count(report.faults.len() as u64, "problem")
    };
    context.output.line(&format!(
        "checked {}, {} and {}: {outcome}",
        count(report.changes, "change"),
        count(report.records, "record"),
        count(report.conflicts, "conflict"),
    ))?;
    if report.torn_bytes > 0 {
        context.output.line(&format!(
            "the journal ends in an unfinished write of {}, which was never acknowledged",
            count(report.torn_bytes, "byte")
        ))?;
    }
    if report.waiting > 0 {
        context.output.line(&format!(
            "{} whole, and waiting for what is missing",
            count(report.waiting, "envelope")
        ))?;
    }
    for fault in &report.faults {
        context.output.line(&clean(&fault.to_string()))?;
    }
    let (elsewhere, copied) = (report.elsewhere.as_ref(), report.copied.as_ref());
    elsewhere::print(&mut context.output, elsewhere, copied)
}

fn outcome(report: VerifyReport) -> Result<(), Failure> {
    // What has to be done first.
    match report.faults.iter().map(|fault| fault.remedy).min() {
        None => Ok(()),
        Some(remedy) => Err(Failure::Unsound {
            problems: report.problems,
            remedy: remedy.sentence(),
        }),
    }
}

/// A fault as the output has it.
pub(super) fn fault_json(fault: &Fault) -> Json {
    json!({
        "part": fault.part.as_str(),
        "what": fault.what,
        "remedy": fault.remedy.as_str(),
        "file": fault.file,
        "offset": fault.offset,
        "feed": fault.feed.map(|feed| feed.to_string()),
        "n": fault.n,
        "collection": fault.collection,
        "record": fault.record.map(|record| record.to_string()),
    })
}

/// What is gone, as the output has it.
pub(super) fn missing_json(run: &MissingRun) -> Json {
    json!({
        "feed": run.feed.to_string(),
        "first": run.first,
        "last": run.last,
        "device": run.device.as_ref().map(|(device, _)| device.to_string()),
        "name": run.device.as_ref().map(|(_, name)| name),
    })
}

/// Whether some of it needs more than a sync.
pub(super) fn needs_mending(faults: &[Fault]) -> bool {
    faults.iter().any(|fault| fault.remedy != FaultRemedy::Sync)
}
