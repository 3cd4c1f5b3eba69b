//! Folders that were spoilt by something else than a crash: flipped, lost, cut and stale files.
//!
//! The journal decides: whatever happens to the rest is mended from it, and damage of the journal itself is told and
//! changes nothing, so that bringing the file back brings all of it back. Wrong data is never shown.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use driftless::{Database, StoreEngine};
use tokio::runtime::{Builder, Runtime};

use crate::dice::Dice;
use crate::disk::Disk;
use crate::history::History;
use crate::judge::{holds, judge};
use crate::operation::Operation;
use crate::process::{Child, scratch};
use crate::tree::Tree;
use crate::workload::{Program, options};

/// Cases of one recording.
const OF_ONE: u64 = 400;

/// Errors that say of a folder what is wrong with it; any other is a surprise.
pub(crate) const TOLD: [&str; 8] = [
    "journal_damaged",
    "folder_damaged",
    "device_key_missing",
    "store_unnamed",
    "needs_newer_version",
    "no_workspace",
    "wrong_device_key",
    "membership_lost",
];

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpoilTally {
    /// Folders that were spoilt.
    pub cases: u64,
    /// What was done to them, and how they opened.
    pub outcomes: BTreeMap<String, u64>,
}

/// Spoils so many folders; the error says what is wrong, and where it is kept.
pub fn spoil(engine: StoreEngine, seed: u64, cases: u64) -> Result<SpoilTally, String> {
    let mut tally = SpoilTally::default();
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let mut dice = Dice::of(seed, 17);
    while tally.cases < cases {
        let spoiler = Spoiler::new(engine, dice.draw(), &mut dice)?;
        for _ in 0..(cases - tally.cases).min(OF_ONE) {
            spoiler.one(&mut dice, &runtime, &mut tally)?;
        }
    }
    Ok(tally)
}

/// A folder that was closed, and as it was whenever it was closed before.
struct Spoiler {
    engine: StoreEngine,
    whole: Tree,
    earlier: Vec<Tree>,
    history: History,
}

impl Spoiler {
    fn new(engine: StoreEngine, seed: u64, dice: &mut Dice) -> Result<Self, String> {
        let home = scratch()?;
        let heavy = dice.below(4) == 0;
        let program = Program {
            engine,
            seed,
            steps: 60,
            heavy,
            together: true,
            verifies: false,
        };
        let dir = home.path().join("d");
        let mut child = Child::new(&dir, program, &home.path().join("log"));
        child.run_to_its_end()?;
        let mut disk = Disk::of(&Tree::default());
        let mut history = History::default();
        let mut earlier = Vec::new();
        for operation in child.operations()? {
            disk.carry_out(&operation)
                .map_err(|error| error.to_string())?;
            if let Operation::Mark { text } = &operation {
                history.hear(text);
                if history.is_closed {
                    earlier.push(disk.visible());
                }
            }
        }
        // The last one is what there is now.
        earlier.pop();
        history.is_closed = false;
        Ok(Self {
            engine,
            whole: disk.visible(),
            earlier,
            history,
        })
    }

    fn one(
        &self,
        dice: &mut Dice,
        runtime: &Runtime,
        tally: &mut SpoilTally,
    ) -> Result<(), String> {
        let mut tree = self.whole.clone();
        let what = self.spoil(&mut tree, dice);
        let home = scratch()?;
        let dir = home.path().join("image");
        tree.write(&dir).map_err(|error| error.to_string())?;
        let outcome = runtime.block_on(self.check(&dir, &tree)).map_err(|why| {
            let home = home.keep();
            format!("{what}: {why}\nkept in {}", home.display())
        })?;
        tally.cases += 1;
        let kind = what.split(':').next().unwrap_or_default();
        *tally
            .outcomes
            .entry(format!("{kind}: {outcome}"))
            .or_default() += 1;
        Ok(())
    }

    /// Spoils something; says what, and after a colon where.
    fn spoil(&self, tree: &mut Tree, dice: &mut Dice) -> String {
        if !self.earlier.is_empty() && dice.below(8) == 0 {
            let nth = usize::try_from(dice.below(self.earlier.len() as u64)).unwrap_or(0);
            let older = &self.earlier[nth];
            let of_journal = dice.below(2) == 0;
            replace(tree, older, of_journal);
            let part = if of_journal { "journal" } else { "store" };
            return format!("an older {part}: of closing {nth}");
        }
        let was_killed = dice.below(3) == 0;
        if was_killed {
            unclose(tree);
        }
        let files: Vec<String> = tree
            .entries
            .iter()
            .filter(|(_, content)| content.as_ref().is_some_and(|bytes| !bytes.is_empty()))
            .map(|(path, _)| path.clone())
            .collect();
        let path = files[usize::try_from(dice.below(files.len() as u64)).unwrap_or(0)].clone();
        let state = if was_killed { "killed" } else { "closed" };
        let part = path.split(['/', '-']).next().unwrap_or_default().to_owned();
        let length = tree.entries[&path].as_ref().map_or(0, Vec::len);
        let at = usize::try_from(dice.below(length as u64)).unwrap_or(0);
        let act = spoil_file(tree, &path, at, dice);
        format!("{state}, {act} in {part}: {path}, at {at} of {length}")
    }

    /// Opens it; says how.
    async fn check(&self, dir: &Path, spoilt: &Tree) -> Result<String, String> {
        let code = match Database::open(dir, options(self.engine)).await {
            Ok(database) => return self.check_open(database).await,
            Err(error) => error.code(),
        };
        if !TOLD.contains(&code) {
            return Err(format!("opening says {code}"));
        }
        match Database::rebuild(dir, options(self.engine)).await {
            Ok(database) => {
                let how = self.check_open(database).await?;
                Ok(format!("{code}, then {how}"))
            }
            Err(error) if TOLD.contains(&error.code()) => {
                self.bring_back(dir, spoilt)?;
                judge(dir, self.engine, &self.history, false).await?;
                Ok(format!("{code}, and whole once the file is back"))
            }
            Err(error) => Err(format!("opening says {code}, rebuilding {}", error.code())),
        }
    }

    async fn check_open(&self, database: Database) -> Result<String, String> {
        let opening = database.opening().clone();
        let how = if opening.journal_lost_writes {
            // Which are gone is not known here; what is there must be sound.
            let report = database.verify().await.map_err(|error| error.to_string())?;
            if let Some(problem) = report.problems.first() {
                return Err(format!("verify finds: {problem}"));
            }
            "told that acknowledged writes are gone"
        } else {
            holds(&database, &self.history).await?;
            if opening.rebuilt.is_some() {
                "rebuilt"
            } else {
                "opened"
            }
        };
        let closed = database.close().await;
        closed.map_err(|error| format!("closing: {error}"))?;
        Ok(how.to_owned())
    }

    /// Puts back what was spoilt, and nothing else: all the rest must have been left alone.
    fn bring_back(&self, dir: &Path, spoilt: &Tree) -> Result<(), String> {
        for (path, content) in &self.whole.entries {
            if let Some(bytes) = content
                && spoilt.entries.get(path) != Some(content)
                && path.strip_suffix(".seal").is_none()
            {
                fs::write(dir.join(path), bytes).map_err(|error| error.to_string())?;
            }
        }
        Ok(())
    }
}

/// Spoils one file at this place; says how.
pub(crate) fn spoil_file(tree: &mut Tree, path: &str, at: usize, dice: &mut Dice) -> &'static str {
    let Some(Some(bytes)) = tree.entries.get_mut(path) else {
        return "nothing";
    };
    match dice.below(10) {
        0..5 => {
            bytes[at] ^= 1 << dice.below(8);
            "a flipped bit"
        }
        5 => {
            let end = bytes.len().min(at + 512);
            bytes[at..end].fill(0);
            "zeros"
        }
        6 => {
            bytes.truncate(at);
            "a cut"
        }
        7 => {
            bytes.extend((0..=dice.below(600)).map(|_| dice.draw().to_le_bytes()[0]));
            "junk behind"
        }
        8 => {
            let more = 1 + usize::try_from(dice.below(64)).unwrap_or(0);
            let end = bytes.len().min(at + more);
            for byte in &mut bytes[at..end] {
                *byte = dice.draw().to_le_bytes()[0];
            }
            "junk within"
        }
        _ => {
            tree.entries.remove(path);
            "a file less"
        }
    }
}

/// Lets the folder look like that of a process that was killed after it had written everything.
pub(crate) fn unclose(tree: &mut Tree) {
    let boot_id = fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let seals: Vec<String> = tree
        .entries
        .keys()
        .filter_map(|path| path.strip_suffix(".seal").map(str::to_owned))
        .collect();
    for store in seals {
        tree.entries.remove(&format!("{store}.seal"));
        tree.entries
            .insert(format!("{store}.open"), Some(boot_id.clone()));
    }
}

/// Takes the journal from another tree, or everything else but the key.
fn replace(tree: &mut Tree, other: &Tree, of_journal: bool) {
    let is_meant = |path: &str| path != "device.key" && path.starts_with("journal") == of_journal;
    tree.entries.retain(|path, _| !is_meant(path));
    let taken = other.entries.iter().filter(|(path, _)| is_meant(path));
    tree.entries
        .extend(taken.map(|(path, content)| (path.clone(), content.clone())));
}
