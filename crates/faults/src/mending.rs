//! A repair is recorded, disks that may be left of it are made, and each is repaired again: it must come to the same.
//!
//! The folder is one that a program wrote and something else than a crash has spoilt, as in `spoil`: in its journal, and
//! sometimes in its store too. What a repair makes of it that nobody interrupts is what is to come of every one that was
//! interrupted at some operation, by a kill or with the power, and run again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use driftless::{Database, Error, Options, StoreEngine};
use tokio::runtime::{Builder, Runtime};

use crate::dice::Dice;
use crate::operation::Operation;
use crate::process::{Child, scratch};
use crate::recording::{Cut, Recording};
use crate::seam::{Fault, Seam};
use crate::spoil::{TOLD, spoil_file, unclose};
use crate::tree::Tree;
use crate::workload::{Program, all, options, slot_of, state_of};

/// Settings of the folder: what nobody signs, and the store may still know when the journal does not.
const SETTINGS: u64 = 6;
/// Tries to spoil a folder so that a repair mends its journal.
const TRIES: u32 = 50;
/// One in so many images is opened once more after the repair.
const THOROUGH: u64 = 8;

/// Of one in so many images the repair is recorded too, and images are made of that.
const AGAIN: u64 = 60;
/// Images of such a repair.
const AGAIN_IMAGES: usize = 15;

/// What was found of the images of some repairs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MendingTally {
    /// Repairs that were recorded.
    pub repairs: u64,
    /// Images that were repaired; no two of one repair are equal.
    pub images: u64,
    /// How many of them were left by a process that was killed.
    pub killed: u64,
    /// How many of them opened before they were repaired again.
    pub opened: u64,
    /// Operations that were recorded.
    pub operations: u64,
    /// Envelopes that were gone after a repair.
    pub missing: u64,
    /// Folders that nobody can repair, and that say so.
    pub beyond: u64,
}

/// What is in a folder after a repair.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Outcome {
    digests: [[u8; 32]; 2],
    slots: BTreeMap<u64, String>,
    settings: Vec<Option<Vec<u8>>>,
    /// Envelopes, changes, records, conflicts, envelopes that wait.
    counts: [u64; 5],
    problems: BTreeSet<String>,
    missing: BTreeSet<(String, u64, u64)>,
}

/// What is to come of a repair, however often it is interrupted.
struct Wanted {
    outcome: Outcome,
    /// The damaged files that are to be kept.
    aside: BTreeSet<Vec<u8>>,
}

/// Records repairs and repairs at most `images` of what may be left of each, `images_wanted` in all.
///
/// The error says what is wrong, of which image, and where that is kept. With a fault that makes the syncs of repairs useless
/// an error has to come: that is how this is tested itself.
pub fn mending(
    engine: StoreEngine,
    seed: u64,
    images_wanted: u64,
    of_one: u64,
    fault: Fault,
    seam: &dyn Seam,
) -> Result<MendingTally, String> {
    let mut dice = Dice::of(seed, 19);
    let mut tally = MendingTally::default();
    while tally.images < images_wanted {
        let home = scratch()?;
        let boot = home.path().join("boot");
        fs::write(&boot, "11110000-0000-4000-8000-000000000000\n").map_err(text)?;
        let mut mending = Mending {
            options: options(engine),
            seam,
            fault,
            runtime: Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(text)?,
            boot,
            dir: home.path().join("image"),
            dice: Dice::of(dice.draw(), 23),
            tally: MendingTally::default(),
        };
        let images = of_one.min(images_wanted - tally.images);
        let done = mending.one(engine, home.path(), images);
        if let Err(why) = done {
            return Err(format!("{why}\nkept in {}", home.keep().display()));
        }
        tally.add(&mending.tally);
    }
    Ok(tally)
}

impl MendingTally {
    fn add(&mut self, other: &Self) {
        self.repairs += other.repairs;
        self.images += other.images;
        self.killed += other.killed;
        self.opened += other.opened;
        self.operations += other.operations;
        self.missing += other.missing;
        self.beyond += other.beyond;
    }
}

struct Mending<'a> {
    options: Options,
    seam: &'a dyn Seam,
    fault: Fault,
    runtime: Runtime,
    /// The boot id of the machine after a power loss.
    boot: PathBuf,
    dir: PathBuf,
    dice: Dice,
    tally: MendingTally,
}

impl Mending<'_> {
    fn one(&mut self, engine: StoreEngine, home: &Path, images: u64) -> Result<(), String> {
        let whole = self.folder(engine, home)?;
        let Some((spoilt, what)) = self.spoilt(&whole)? else {
            return Err("nothing that was spoilt needed a repair".to_owned());
        };
        spoilt.write(&home.join("spoilt")).map_err(text)?;
        self.images_of(&spoilt, images)
            .map_err(|why| format!("{what}: {why}"))
    }

    /// A folder that was closed, with settings in it.
    fn folder(&mut self, engine: StoreEngine, home: &Path) -> Result<Tree, String> {
        let program = Program {
            engine,
            seed: self.dice.draw(),
            steps: 40,
            heavy: self.dice.below(3) == 0,
            together: true,
            verifies: false,
        };
        let dir = home.join("d");
        Child::new(&dir, program, &home.join("log")).run_to_its_end()?;
        let options = &self.options;
        self.runtime
            .block_on(async {
                let database = Database::open(&dir, options.clone()).await?;
                for n in 0..SETTINGS {
                    database.set_setting(&setting(n), &[7; 40]).await?;
                }
                database.close().await
            })
            .map_err(told)?;
        let mut tree = Tree::read(&dir).map_err(text)?;
        // The images lie elsewhere, which is no news.
        tree.entries.remove("PLACE");
        Ok(tree)
    }

    /// The folder spoilt so that a repair mends its journal; what was done to it.
    fn spoilt(&mut self, whole: &Tree) -> Result<Option<(Tree, String)>, String> {
        for _ in 0..TRIES {
            let mut tree = whole.clone();
            let mut what = Vec::new();
            if self.dice.below(3) == 0 {
                unclose(&mut tree);
                what.push("not closed".to_owned());
            }
            for _ in 0..=self.dice.below(3) {
                let of_journal = self.dice.below(5) > 0;
                what.extend(self.spoil_part(&mut tree, of_journal));
            }
            clear(&self.dir)?;
            tree.write(&self.dir).map_err(text)?;
            match self
                .runtime
                .block_on(Database::repair(&self.dir, self.options.clone()))
            {
                Ok(database) => {
                    let report = database.opening().repaired.clone().unwrap_or_default();
                    self.runtime.block_on(database.close()).map_err(told)?;
                    if report.segments_mended > 0 {
                        return Ok(Some((tree, what.join(", "))));
                    }
                }
                Err(error) if TOLD.contains(&error.code()) => self.tally.beyond += 1,
                Err(error) => {
                    return Err(format!(
                        "{}: repairing says {}",
                        what.join(", "),
                        told(error)
                    ));
                }
            }
        }
        Ok(None)
    }

    fn spoil_part(&mut self, tree: &mut Tree, of_journal: bool) -> Option<String> {
        let files: Vec<(String, usize)> = tree
            .entries
            .iter()
            .filter(|(path, _)| path.starts_with(if of_journal { "journal/" } else { "store-" }))
            .filter_map(|(path, content)| Some((path.clone(), content.as_ref()?.len())))
            .filter(|(_, length)| *length > 0)
            .collect();
        let nth = self.dice.below(files.len().max(1) as u64);
        let (path, length) = files.get(usize::try_from(nth).ok()?)?;
        let at = usize::try_from(self.dice.below(*length as u64)).ok()?;
        let act = spoil_file(tree, path, at, &mut self.dice);
        Some(format!("{act} in {path} at {at} of {length}"))
    }

    fn images_of(&mut self, spoilt: &Tree, images: u64) -> Result<(), String> {
        let (outcome, _) = self.repair(spoilt, false)?;
        let wanted = Wanted {
            aside: aside(&self.dir)?,
            outcome,
        };
        let runs = wanted.outcome.missing.iter();
        self.tally.missing += runs.map(|(_, first, last)| last - first + 1).sum::<u64>();
        let images = usize::try_from(images).unwrap_or(usize::MAX);
        self.interrupted(spoilt, &wanted, images, 0)
    }

    /// Records a repair, and repairs what may be left of it.
    fn interrupted(
        &mut self,
        base: &Tree,
        wanted: &Wanted,
        images: usize,
        depth: u32,
    ) -> Result<(), String> {
        let (found, log) = self.repair(base, true)?;
        same(&wanted.outcome, &found)
            .map_err(|why| format!("repaired twice it is not the same: {why}"))?;
        let recording = Recording {
            base: base.clone(),
            history: crate::history::History::default(),
            operations: Operation::decode_all(&log).ok_or("the log of a repair is none")?,
        };
        recording.check(&Tree::read(&self.dir).map_err(text)?)?;
        self.tally.repairs += 1;
        self.tally.operations += recording.operations.len() as u64;
        let of_killed = images / 3;
        let mut cuts = recording
            .some(images - of_killed, &mut self.dice)
            .map_err(text)?;
        for _ in 0..of_killed {
            let at = self.dice.below(recording.operations.len() as u64 + 1);
            let at = usize::try_from(at).unwrap_or(0);
            cuts.push(Cut { at, loss: None });
        }
        let mut seen = BTreeSet::new();
        recording.each(cuts, |cut, tree, _| {
            if !seen.insert(tree.hash()) {
                return Ok(());
            }
            let checked = self.image(cut, &tree, wanted).map_err(|why| {
                let _ = clear(&self.dir).map(|()| tree.write(&self.dir));
                let last = recording.operations[..cut.at].iter().rev().take(6);
                let last: Vec<String> = last.map(crate::power::short).collect();
                format!("{why}\nimage: {cut:?}, at depth {depth}\nlast operations, the newest first: {last:#?}")
            });
            checked?;
            if depth == 0 && self.tally.images.is_multiple_of(AGAIN) {
                return self.interrupted(&tree, wanted, AGAIN_IMAGES, 1);
            }
            Ok(())
        })
    }

    /// Repairs a folder; what came of it, and what was done.
    fn repair(&mut self, tree: &Tree, recorded: bool) -> Result<(Outcome, Vec<u8>), String> {
        clear(&self.dir)?;
        tree.write(&self.dir).map_err(text)?;
        if recorded {
            self.seam.record(&self.dir, None, self.fault);
        }
        let outcome = self.runtime.block_on(repaired(&self.dir, &self.options));
        let log = if recorded {
            self.seam.stop().0
        } else {
            Vec::new()
        };
        Ok((outcome?, log))
    }

    /// One that was interrupted: looked at, perhaps opened, repaired again.
    fn image(&mut self, cut: &Cut, tree: &Tree, wanted: &Wanted) -> Result<(), String> {
        let Wanted {
            outcome: wanted,
            aside: aside_of,
        } = wanted;
        self.tally.images += 1;
        self.tally.killed += u64::from(cut.loss.is_none());
        if cut.loss.is_some() {
            self.seam.reboot(&self.boot);
        }
        clear(&self.dir)?;
        tree.write(&self.dir).map_err(text)?;
        let (dir, options) = (&self.dir, &self.options);
        let looked = self
            .runtime
            .block_on(Database::inspect(dir, options.clone()));
        looked.map_err(|error| format!("looking says {}", told(error)))?;
        if self.dice.below(2) == 0 {
            match self.runtime.block_on(Database::open(dir, options.clone())) {
                Ok(database) => {
                    self.tally.opened += 1;
                    let found = self.runtime.block_on(outcome(&database)).map_err(told)?;
                    self.runtime.block_on(database.close()).map_err(told)?;
                    same(wanted, &found).map_err(|why| format!("it opened, and {why}"))?;
                }
                Err(error) if TOLD.contains(&error.code()) => {}
                Err(error) => return Err(format!("opening says {}", told(error))),
            }
        }
        let found = self.runtime.block_on(repaired(dir, options))?;
        same(wanted, &found).map_err(|why| format!("repaired again, {why}"))?;
        if let Some(gone) = aside_of.difference(&aside(dir)?).next() {
            return Err(format!(
                "a damaged file of {} bytes is not set aside any more",
                gone.len()
            ));
        }
        if self.dice.below(THOROUGH) == 0 {
            let opened = self.runtime.block_on(async {
                let database = Database::open(dir, options.clone()).await?;
                let found = outcome(&database).await?;
                let rebuilt = database.opening().rebuilt.clone();
                database.close().await?;
                Ok::<_, Error>((found, rebuilt))
            });
            let (found, rebuilt) =
                opened.map_err(|error| format!("after the repair opening says {}", told(error)))?;
            same(wanted, &found).map_err(|why| format!("opened after the repair, {why}"))?;
            if let Some(why) = rebuilt {
                return Err(format!("opened after the repair, it was rebuilt: {why}"));
            }
        }
        Ok(())
    }
}

/// Repairs what is in a folder, and says what it is then.
async fn repaired(dir: &Path, options: &Options) -> Result<Outcome, String> {
    let database = Database::repair(dir, options.clone()).await;
    let database = database.map_err(|error| format!("repairing says {}", told(error)))?;
    let found = outcome(&database).await.map_err(told)?;
    database.close().await.map_err(told)?;
    Ok(found)
}

async fn outcome(database: &Database) -> Result<Outcome, Error> {
    let digest = database.digest().await?;
    let report = database.verify().await?;
    let records = all(database).await?;
    let mut settings = Vec::new();
    for n in 0..SETTINGS {
        settings.push(database.setting(&setting(n)).await?);
    }
    let missing = report.missing.iter();
    Ok(Outcome {
        digests: [digest.records_digest, digest.conflicts_digest],
        slots: records
            .iter()
            .filter_map(|record| Some((slot_of(record)?, state_of(record))))
            .collect(),
        settings,
        counts: [
            report.envelopes,
            report.changes,
            report.records,
            report.conflicts,
            report.waiting,
        ],
        problems: report.problems.iter().cloned().collect(),
        missing: missing
            .map(|run| (run.feed.to_string(), run.first, run.last))
            .collect(),
    })
}

/// Whether two are equal; else the first thing in which they differ.
fn same(wanted: &Outcome, found: &Outcome) -> Result<(), String> {
    if wanted == found {
        return Ok(());
    }
    Err(if wanted.counts != found.counts {
        format!(
            "it has {:?} envelopes, changes, records, conflicts and envelopes that wait; not interrupted it has {:?}",
            found.counts, wanted.counts
        )
    } else if wanted.settings != found.settings {
        "its settings differ".to_owned()
    } else if wanted.missing != found.missing {
        format!(
            "{:?} are missing; not interrupted {:?}",
            found.missing, wanted.missing
        )
    } else if wanted.problems != found.problems {
        format!(
            "verify finds {:?}; not interrupted {:?}",
            found.problems, wanted.problems
        )
    } else {
        "its records differ".to_owned()
    })
}

/// The files that were set aside.
fn aside(dir: &Path) -> Result<BTreeSet<Vec<u8>>, String> {
    let folder = dir.join("journal.damaged");
    if !folder.exists() {
        return Ok(BTreeSet::new());
    }
    let tree = Tree::read(&folder).map_err(text)?;
    Ok(tree.entries.into_values().flatten().collect())
}

fn setting(n: u64) -> String {
    format!("setting {n}")
}

fn clear(dir: &Path) -> Result<(), String> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.to_string()),
        _ => Ok(()),
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn told(error: Error) -> String {
    format!("{} ({error})", error.code())
}
