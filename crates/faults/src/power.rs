//! Power-loss images: a real process is recorded, disks that may be left of it are made, and each is opened.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use tokio::runtime::{Builder, Runtime};

use crate::dice::Dice;
use crate::history::History;
use crate::judge::{Opened, judge};
use crate::operation::Operation;
use crate::process::{Child, scratch};
use crate::recording::{Cut, Recording};
use crate::seam::{Fault, Seam};
use crate::tree::Tree;
use crate::workload::Program;

/// One in so many images is written to, closed and opened once more.
const THOROUGH: u64 = 8;

/// Of one in so many images the opening is recorded too, and images are made of that.
const AGAIN: u64 = 40;

/// Images of one opening.
const AGAIN_IMAGES: usize = 20;

/// What was found of the images of one recording.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Images that were opened; no two are equal.
    pub images: u64,
    /// How many of them are of an opening of another.
    pub again: u64,
    /// How many of them were left by a process that was killed.
    pub killed: u64,
    /// Images that were made and equal to one before.
    pub equal: u64,
    /// How they opened.
    pub opened: BTreeMap<Opened, u64>,
    /// Operations that were recorded.
    pub operations: u64,
    /// Commits that were acknowledged in the recordings.
    pub acknowledged: u64,
}

impl Tally {
    /// Takes in another.
    pub fn add(&mut self, other: &Self) {
        self.images += other.images;
        self.again += other.again;
        self.killed += other.killed;
        self.equal += other.equal;
        self.operations += other.operations;
        self.acknowledged += other.acknowledged;
        for (opened, count) in &other.opened {
            *self.opened.entry(*opened).or_default() += count;
        }
    }
}

/// Records one run of a program and opens at most `images` of what may be left of it.
///
/// The error says what is wrong, of which image, and where that is kept. With a fault that makes syncs useless an error
/// has to come: that is how this is tested itself.
pub fn power(
    program: Program,
    images: usize,
    fault: Fault,
    seam: &dyn Seam,
) -> Result<Tally, String> {
    let home = scratch()?;
    let boots = boot_ids(home.path())?;
    let dir = home.path().join("d");
    let log = home.path().join("log");
    let mut child = Child::new(&dir, program, &log);
    child.boot_id(&boots[0]);
    child.fault(fault);
    child.run_to_its_end()?;
    let recording = Recording {
        base: Tree::default(),
        history: History::default(),
        operations: child.operations()?,
    };
    let real = Tree::read(&dir).map_err(|error| error.to_string())?;
    recording.check(&real)?;
    if !program.together {
        recording.check_covered()?;
    }
    fs::remove_dir_all(&dir).map_err(|error| error.to_string())?;

    let mut power = Power {
        program,
        seam,
        runtime: Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?,
        home: home.path(),
        boots,
        seen: BTreeSet::new(),
        tally: Tally::default(),
        dice: Dice::of(program.seed, 7),
    };
    power.tally.operations = recording.operations.len() as u64;
    let done = |operation: &&Operation| matches!(operation, Operation::Mark { text } if text.starts_with("done"));
    power.tally.acknowledged = recording.operations.iter().filter(done).count() as u64;
    let cuts = recording.some(images, &mut power.dice);
    let cuts = cuts.map_err(|error| error.to_string())?;
    let opened = power.open_all(&recording, cuts, 0);
    let tally = power.tally;
    if let Err(why) = opened {
        return Err(keep(home, &log, &why));
    }
    Ok(tally)
}

/// Three machines that were started once each.
fn boot_ids(home: &Path) -> Result<[PathBuf; 3], String> {
    let paths = [1, 2, 3].map(|nth| home.join(format!("boot-{nth}")));
    for (nth, path) in paths.iter().enumerate() {
        let id = format!("{nth}{nth}{nth}{nth}0000-0000-4000-8000-000000000000\n");
        fs::write(path, id).map_err(|error| error.to_string())?;
    }
    Ok(paths)
}

fn keep(home: tempfile::TempDir, log: &Path, why: &str) -> String {
    let path = home.keep();
    format!(
        "{why}\nkept: the folder as it was left in {}, its log in {}",
        path.join("image").display(),
        log.display()
    )
}

struct Power<'a> {
    program: Program,
    seam: &'a dyn Seam,
    runtime: Runtime,
    home: &'a Path,
    boots: [PathBuf; 3],
    seen: BTreeSet<[u8; 32]>,
    tally: Tally,
    dice: Dice,
}

impl Power<'_> {
    fn open_all(
        &mut self,
        recording: &Recording,
        cuts: Vec<Cut>,
        depth: usize,
    ) -> Result<(), String> {
        recording.each(cuts, |cut, tree, history| {
            self.open(cut, &tree, history, depth).map_err(|why| {
                let last = &recording.operations[..cut.at];
                let last: Vec<String> = last.iter().rev().take(8).map(short).collect();
                format!("{why}\nimage: {cut:?}, at depth {depth}\nlast operations, the newest first: {last:#?}")
            })
        })
    }

    fn open(
        &mut self,
        cut: &Cut,
        tree: &Tree,
        history: &History,
        depth: usize,
    ) -> Result<(), String> {
        let mut hash = tree.hash();
        hash[0] ^= u8::from(cut.loss.is_none());
        for (at, byte) in history.acknowledged.to_le_bytes().iter().enumerate() {
            hash[at + 1] ^= byte;
        }
        if !self.seen.insert(hash) {
            self.tally.equal += 1;
            return Ok(());
        }
        self.tally.images += 1;
        self.tally.again += u64::from(depth > 0);
        self.tally.killed += u64::from(cut.loss.is_none());
        let after = depth + usize::from(cut.loss.is_some());
        self.seam.reboot(&self.boots[after.min(2)]);
        let dir = self.home.join("image");
        clear(&dir)?;
        tree.write(&dir).map_err(|error| error.to_string())?;
        let records = depth == 0 && self.tally.images.is_multiple_of(AGAIN);
        if records {
            self.seam.record(&dir, None, Fault::None);
        }
        let thorough = !records && self.dice.below(THOROUGH) == 0;
        let judged = judge(&dir, self.program.engine, history, thorough);
        let judged = self.runtime.block_on(judged);
        let log = records.then(|| self.seam.stop().0);
        let opened = match judged {
            Ok(opened) => opened,
            Err(why) => {
                // What is kept is the image, not what opening made of it.
                clear(&dir)?;
                tree.write(&dir).map_err(|error| error.to_string())?;
                return Err(why);
            }
        };
        *self.tally.opened.entry(opened).or_default() += 1;
        match log {
            Some(log) if history.is_created => self.again(tree, history, &log),
            _ => Ok(()),
        }
    }

    /// The power is lost once more, while the folder is opened.
    fn again(&mut self, tree: &Tree, history: &History, log: &[u8]) -> Result<(), String> {
        let mut history = history.clone();
        history.is_closed = false;
        let recording = Recording {
            base: tree.clone(),
            history,
            operations: Operation::decode_all(log).ok_or("the log of an opening is none")?,
        };
        let real = Tree::read(&self.home.join("image")).map_err(|error| error.to_string())?;
        recording.check(&real)?;
        let cuts = recording.some(AGAIN_IMAGES, &mut self.dice);
        let cuts = cuts.map_err(|error| error.to_string())?;
        self.open_all(&recording, cuts, 1)
    }
}

fn clear(dir: &Path) -> Result<(), String> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.to_string()),
        _ => Ok(()),
    }
}

/// An operation without its bytes.
pub(crate) fn short(operation: &Operation) -> String {
    match operation {
        Operation::Write {
            handle,
            offset,
            bytes,
        } => {
            format!(
                "Write {{ handle: {handle}, offset: {offset}, {} bytes }}",
                bytes.len()
            )
        }
        other => format!("{other:?}"),
    }
}
