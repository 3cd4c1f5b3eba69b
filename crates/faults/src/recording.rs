//! [`Recording`]: what a process did to a folder, and the disks that may be left of it.

use crate::dice::Dice;
use crate::disk::{Disk, LogError};
use crate::history::History;
use crate::loss::{Bytes, Hole, Loss, Names};
use crate::operation::Operation;
use crate::tree::Tree;

/// A folder as it was, and what was done to it.
#[derive(Clone, Debug)]
pub struct Recording {
    /// What lay there, durably, before.
    pub base: Tree,
    /// What was said before.
    pub history: History,
    /// What was done, and said.
    pub operations: Vec<Operation>,
}

/// One disk that may be left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// So many operations were done.
    pub at: usize,
    /// And then the power was lost, or the process killed.
    pub loss: Option<Loss>,
}

/// How many of the newest operations that no sync has covered are lost, or kept, each by itself.
const EACH: usize = 6;

impl Recording {
    /// Carries out all of it; the error says where it does not fit, or differs from the `real` folder.
    pub fn check(&self, real: &Tree) -> Result<(), String> {
        let mut disk = Disk::of(&self.base);
        for operation in &self.operations {
            disk.carry_out(operation)
                .map_err(|error| error.to_string())?;
        }
        let Some(difference) = disk.visible().difference(real) else {
            return Ok(());
        };
        Err(format!(
            "what was recorded is not what is there: {difference}"
        ))
    }

    /// Whether, whenever a commit was acknowledged, a sync had covered every byte and every name in the journal, and those
    /// of the store too whenever the database was closed; for a process that asks for one commit after the other.
    pub fn check_covered(&self) -> Result<(), String> {
        let mut disk = Disk::of(&self.base);
        for operation in &self.operations {
            disk.carry_out(operation)
                .map_err(|error| error.to_string())?;
            let Operation::Mark { text } = operation else {
                continue;
            };
            let of: &[&str] = match text.as_str() {
                "closed" => &["journal", "store-"],
                text if text.starts_with("done") => &["journal"],
                _ => continue,
            };
            let uncovered = disk.uncovered();
            // A store that was set aside is looked at by people only.
            let counts = |path: &&String| !path.contains(".damaged");
            let mut wanted = uncovered
                .iter()
                .filter(|path| of.iter().any(|of| path.starts_with(of)) && counts(path));
            if let Some(path) = wanted.next() {
                return Err(format!("at `{text}` no sync has covered all of {path}"));
            }
        }
        Ok(())
    }

    /// Every prefix, killed, with everything kept and with everything lost, and with each of the newest operations lost, kept,
    /// or torn by itself.
    pub fn systematic(&self) -> Result<Vec<Cut>, LogError> {
        let mut cuts = Vec::new();
        let mut disk = Disk::of(&self.base);
        for operation in &self.operations {
            disk.carry_out(operation)?;
            let at = disk.done();
            match operation {
                // A mark asks for more of the same disk.
                Operation::Mark { .. } => {
                    cuts.push(Cut {
                        at,
                        loss: Some(Loss::everything()),
                    });
                    continue;
                }
                Operation::Open {
                    created, emptied, ..
                } if !created && !emptied => continue,
                _ => {}
            }
            cuts.push(Cut { at, loss: None });
            let mut add = |names: Names, bytes: Bytes| {
                for (hole, lengths_are_kept) in
                    [(Hole::Zeros, false), (Hole::Junk(at as u64), true)]
                {
                    let loss = Loss {
                        names: names.clone(),
                        bytes: bytes.clone(),
                        hole,
                        lengths_are_kept,
                    };
                    cuts.push(Cut {
                        at,
                        loss: Some(loss),
                    });
                }
            };
            add(Names::All, Bytes::All);
            add(Names::None, Bytes::None);
            add(Names::All, Bytes::None);
            add(Names::None, Bytes::All);
            let (writes, names) = disk.pending();
            for write in writes.iter().rev().take(EACH) {
                add(Names::All, Bytes::Without(*write));
                add(Names::All, Bytes::Only(*write));
            }
            for name in names.iter().rev().take(EACH) {
                add(Names::Without(*name), Bytes::All);
                add(Names::Only(*name), Bytes::All);
            }
            if let Operation::Write { bytes, .. } = operation {
                let sectors = (bytes.len() as u64).div_ceil(512);
                for torn in [1, 2, sectors / 2, sectors.saturating_sub(1)] {
                    add(Names::All, Bytes::Beginning(at - 1, torn));
                    add(Names::All, Bytes::End(at - 1, torn));
                }
            }
        }
        Ok(cuts)
    }

    /// So many cuts: half of the systematic ones, or all if there are fewer, and as many of random losses.
    pub(crate) fn some(&self, images: usize, dice: &mut Dice) -> Result<Vec<Cut>, LogError> {
        let mut cuts = self.systematic()?;
        let wanted = images.div_ceil(2).min(cuts.len());
        for nth in 0..wanted {
            let left = (cuts.len() - nth) as u64;
            let other = nth + usize::try_from(dice.below(left)).unwrap_or(0);
            cuts.swap(nth, other);
        }
        cuts.truncate(wanted);
        while cuts.len() < images {
            let all = self.operations.len() as u64 + 1;
            let at = usize::try_from(dice.below(all)).unwrap_or(0);
            let loss = Some(Loss::random(dice));
            cuts.push(Cut { at, loss });
        }
        Ok(cuts)
    }

    /// Shows each cut, in the order of how much was done, with the disk that is left and what was said until then; stops at an error.
    pub fn each<E>(
        &self,
        mut cuts: Vec<Cut>,
        mut show: impl FnMut(&Cut, Tree, &History) -> Result<(), E>,
    ) -> Result<(), E> {
        cuts.sort_by_key(|cut| cut.at);
        let mut disk = Disk::of(&self.base);
        let mut history = self.history.clone();
        for cut in cuts {
            while disk.done() < cut.at {
                let operation = &self.operations[disk.done()];
                // It was carried out once when it was checked.
                if disk.carry_out(operation).is_err() {
                    return Ok(());
                }
                match operation {
                    Operation::Mark { text } => history.hear(text),
                    _ => history.is_closed = false,
                }
            }
            let tree = match &cut.loss {
                None => disk.visible(),
                Some(loss) => disk.after(loss),
            };
            show(&cut, tree, &history)?;
        }
        Ok(())
    }
}
