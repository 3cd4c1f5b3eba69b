//! Processes that are killed: at a random moment, or at an operation; the next one goes on in the same folder.

use std::path::Path;
use std::thread;
use std::time::Duration;

use driftless::StoreEngine;
use tokio::runtime::Builder;

use crate::dice::Dice;
use crate::history::History;
use crate::judge::judge;
use crate::operation::Operation;
use crate::process::{Child, scratch};
use crate::seam::Fault;
use crate::workload::Program;

/// Kills in one folder; then another is begun, so that opening stays quick.
const IN_ONE_FOLDER: u64 = 50;

/// One process in so many verifies what it finds.
const VERIFIES: u64 = 10;

/// Steps of a process that nobody kills.
const STEPS: u64 = 200;

/// Operations after which a process that is killed at an operation is killed, at most.
const OPERATIONS: u64 = 400;

/// The longest time a process that is killed at some moment lives.
const LIFE: Duration = Duration::from_millis(120);

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KillTally {
    /// Processes that were killed.
    pub kills: u64,
    /// How many of them at an operation.
    pub at_operations: u64,
    /// How many of them before they had opened the folder.
    pub opening: u64,
    /// Commits that were acknowledged.
    pub acknowledged: u64,
    /// How many folders there were; each was verified at its end.
    pub folders: u64,
}

/// Kills so many processes; the error says what is wrong, and where it is kept.
pub fn kill(engine: StoreEngine, seed: u64, kills: u64) -> Result<KillTally, String> {
    let mut tally = KillTally::default();
    let mut dice = Dice::of(seed, 11);
    while tally.kills < kills {
        let home = scratch()?;
        let folder = Folder {
            engine,
            seed: dice.draw(),
            home: home.path(),
        };
        let wanted = (kills - tally.kills).min(IN_ONE_FOLDER);
        if let Err(why) = folder.kill(wanted, &mut dice, &mut tally) {
            return Err(format!("{why}\nkept in {}", home.keep().display()));
        }
        tally.folders += 1;
    }
    Ok(tally)
}

struct Folder<'a> {
    engine: StoreEngine,
    seed: u64,
    home: &'a Path,
}

impl Folder<'_> {
    fn kill(&self, wanted: u64, dice: &mut Dice, tally: &mut KillTally) -> Result<(), String> {
        let dir = self.home.join("d");
        let mut history = History::default();
        let mut killed = 0;
        for nth in 0.. {
            if killed == wanted {
                break;
            }
            let program = Program {
                engine: self.engine,
                seed: self.seed,
                steps: STEPS,
                heavy: dice.below(8) == 0,
                together: true,
                verifies: nth % VERIFIES == VERIFIES - 1,
            };
            let mut child = Child::new(&dir, program, &self.home.join(format!("log-{nth}")));
            child.first(history.last);
            let at_operation = dice.below(3) > 0;
            let was_killed = if at_operation {
                let at = 1 + dice.below(OPERATIONS);
                child.fault(Fault::Kill { at });
                !child.run()?.success()
            } else {
                kill_after(&mut child, dice)?
            };
            let operations = child.operations().unwrap_or_default();
            let acknowledged = history.acknowledged;
            for operation in &operations {
                if let Operation::Mark { text } = operation {
                    history.hear(text);
                }
            }
            check(&history).map_err(|why| format!("process {nth}: {why}"))?;
            if was_killed {
                killed += 1;
                tally.kills += 1;
                tally.at_operations += u64::from(at_operation);
                tally.opening += u64::from(history.acknowledged == acknowledged);
            }
        }
        history.is_closed = false;
        tally.acknowledged += history.acknowledged;
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        runtime.block_on(judge(&dir, self.engine, &history, true))?;
        Ok(())
    }
}

fn check(history: &History) -> Result<(), String> {
    if let Some(wrong) = history.wrong.first() {
        return Err(wrong.clone());
    }
    match history.errors.iter().next() {
        Some((error, _)) => Err(format!("an error where only a kill was: {error}")),
        None => Ok(()),
    }
}

/// Starts it and kills it at some moment; says whether it was still there.
fn kill_after(child: &mut Child, dice: &mut Dice) -> Result<bool, String> {
    let life = LIFE.mul_f64(f64::from(u32::try_from(dice.below(1_000)).unwrap_or(0)) / 1_000.0);
    let mut process = child.start()?;
    thread::sleep(life);
    process.kill().map_err(|error| error.to_string())?;
    let status = process.wait().map_err(|error| error.to_string())?;
    Ok(!status.success())
}
