//! Operations that fail: each in turn, and each sync by itself; what was acknowledged is there all the same.

use std::collections::BTreeMap;
use std::fs;

use tokio::runtime::Builder;

use crate::dice::Dice;
use crate::disk::Disk;
use crate::history::History;
use crate::judge::judge;
use crate::loss::Loss;
use crate::operation::{Handle, Operation};
use crate::process::{Child, scratch};
use crate::seam::{Failure, Fault};
use crate::tree::Tree;
use crate::workload::Program;

/// Power-loss images after a sync that failed, each with another opinion on what that sync left.
const IMAGES: u64 = 4;

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FailingTally {
    /// Runs with one fault each.
    pub runs: u64,
    /// Runs whose fault a process noticed.
    pub noticed: u64,
    /// Of them: a sync of the journal failed.
    pub of_journal_syncs: u64,
    /// Power-loss images after a failed sync.
    pub images: u64,
    /// Commits that were acknowledged, in all runs.
    pub acknowledged: u64,
    /// Errors that were told, by what they were said of and their code.
    pub errors: BTreeMap<String, u64>,
}

/// Runs the program without a fault, and then once for every `stride`th operation and each way it can fail, and
/// for every sync that fails. The error says what is wrong, and where it is kept.
pub fn failing(program: Program, stride: u64) -> Result<FailingTally, String> {
    let (operations, syncs) = counts(program)?;
    let mut tally = FailingTally::default();
    let mut dice = Dice::of(program.seed, 13);
    let offset = dice.below(stride);
    let mut faults = Vec::new();
    for at in (1 + offset..=operations).step_by(usize::try_from(stride).unwrap_or(1)) {
        let (broken, full) = (Failure::Broken, Failure::Full);
        faults.push(Fault::Fail { at, error: broken });
        faults.push(Fault::Fail { at, error: full });
        faults.push(Fault::Short { at });
        faults.push(Fault::Full { at });
    }
    let of_syncs = stride.div_ceil(4);
    let first = 1 + dice.below(of_syncs);
    for at in (first..=syncs).step_by(usize::try_from(of_syncs).unwrap_or(1)) {
        faults.push(Fault::FailSync { at });
    }
    for fault in faults {
        fail_once(program, fault, &mut dice, &mut tally)?;
    }
    Ok(tally)
}

/// What the program does where nothing fails; it differs a little from run to run.
fn counts(program: Program) -> Result<(u64, u64), String> {
    let home = scratch()?;
    let mut child = Child::new(&home.path().join("d"), program, &home.path().join("log"));
    child.run_to_its_end()?;
    let text = fs::read_to_string(home.path().join("log.counted"));
    let text = text.map_err(|error| format!("it did not count: {error}"))?;
    let mut numbers = text.split_whitespace().map_while(|word| word.parse().ok());
    let counts = numbers.next().zip(numbers.next());
    counts.ok_or_else(|| format!("it counted `{text}`"))
}

fn fail_once(
    program: Program,
    fault: Fault,
    dice: &mut Dice,
    tally: &mut FailingTally,
) -> Result<(), String> {
    let home = scratch()?;
    let dir = home.path().join("d");
    let mut child = Child::new(&dir, program, &home.path().join("log"));
    child.fault(fault);
    child.quietly();
    let judged = (|| {
        let status = child.run()?;
        let may_give_up = matches!(fault, Fault::Full { .. }) && status.code() == Some(1);
        if !status.success() && !may_give_up {
            return Err(format!("the process ended with {status}"));
        }
        let operations = child.operations()?;
        let mut history = History::default();
        for operation in &operations {
            if let Operation::Mark { text } = operation {
                history.hear(text);
            }
        }
        if let Some(wrong) = history.wrong.first() {
            return Err(wrong.clone());
        }
        // A making that failed is taken back, folder and all.
        let real = if dir.exists() {
            Tree::read(&dir).map_err(|error| error.to_string())?
        } else {
            Tree::default()
        };
        crate::recording::Recording {
            base: Tree::default(),
            history: History::default(),
            operations: operations.clone(),
        }
        .check(&real)?;
        let failed = failed_journal_sync(&operations)?;
        tally.runs += 1;
        tally.noticed += u64::from(!history.errors.is_empty());
        tally.of_journal_syncs += u64::from(failed);
        tally.acknowledged += history.acknowledged;
        for (error, count) in &history.errors {
            *tally.errors.entry(error.clone()).or_default() += count;
        }
        history.is_closed = false;
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        runtime.block_on(judge(&dir, program.engine, &history, true))?;
        if matches!(fault, Fault::FailSync { .. }) {
            let image = home.path().join("image");
            for _ in 0..IMAGES {
                let (tree, history) = after_power_loss(&operations, dice)?;
                tree.write(&image).map_err(|error| error.to_string())?;
                runtime.block_on(judge(&image, program.engine, &history, false))?;
                fs::remove_dir_all(&image).map_err(|error| error.to_string())?;
                tally.images += 1;
            }
        }
        Ok(())
    })();
    judged.map_err(|why: String| format!("{fault:?}: {why}\nkept in {}", home.keep().display()))
}

/// Whether a sync of the journal failed; an error if something was acknowledged after it, before the folder was opened again.
fn failed_journal_sync(operations: &[Operation]) -> Result<bool, String> {
    let mut journal: Vec<Handle> = Vec::new();
    let (mut found, mut is_poisoned) = (false, false);
    for operation in operations {
        match operation {
            Operation::Open { handle, path, .. }
                if path.starts_with("journal/") && !path.contains("pack") =>
            {
                journal.push(*handle);
            }
            Operation::SyncFailed { handle } if journal.contains(handle) => {
                (found, is_poisoned) = (true, true);
            }
            Operation::Mark { text } if text == "opening" => is_poisoned = false,
            Operation::Mark { text } if is_poisoned && text.starts_with("done") => {
                return Err(format!("after a failed sync of the journal: {text}"));
            }
            _ => {}
        }
    }
    Ok(found)
}

/// Some disk that may be left at some moment after a sync failed.
fn after_power_loss(operations: &[Operation], dice: &mut Dice) -> Result<(Tree, History), String> {
    let is_failure = |operation: &Operation| matches!(operation, Operation::SyncFailed { .. });
    let failed = operations.iter().position(is_failure).unwrap_or(0);
    let left = (operations.len() - failed) as u64;
    let at = failed + 1 + usize::try_from(dice.below(left)).unwrap_or(0);
    let failing = match dice.below(3) {
        0 => Loss::everything(),
        _ => Loss::random(dice),
    };
    let mut disk = Disk::of(&Tree::default()).failing_with(failing);
    let mut history = History::default();
    for operation in &operations[..at] {
        disk.carry_out(operation)
            .map_err(|error| error.to_string())?;
        if let Operation::Mark { text } = operation {
            history.hear(text);
        }
    }
    history.is_closed = false;
    Ok((disk.after(&Loss::random(dice)), history))
}
