//! Damage to a file of a folder.

use std::fs;
use std::path::{Path, PathBuf};

use driftless_testkit::histories::Dice;

use crate::support::files_below;

/// Files that are no part of what is looked at: the key makes the device who it is, and what a repair set aside is not read.
fn is_held(path: &Path, folder: &Path) -> bool {
    let inside = path.strip_prefix(folder).unwrap();
    let first = inside.components().next().unwrap().as_os_str();
    !["device.key", "driftless.lock", "journal.damaged", "PLACE"]
        .iter()
        .any(|name| first == *name)
}

/// Harms one file, and says how.
pub fn harm(folder: &Path, dice: &mut Dice) -> String {
    let mut files: Vec<PathBuf> = files_below(folder);
    files.retain(|path| is_held(path, folder));
    files.sort();
    let of = |part: &str| -> Vec<PathBuf> {
        let path = folder.join(part);
        let inside = files.iter().filter(|file| file.starts_with(&path));
        inside.cloned().collect()
    };
    let journal = of("journal");
    // The journal is a few files among many, and what counts.
    let files = match dice.below(2) {
        0 if !journal.is_empty() => journal,
        _ => files,
    };
    let file = &files[dice.below(files.len())];
    let mut bytes = fs::read(file).unwrap();
    let at = dice.below(bytes.len().max(1));
    let harm = match dice.below(6) {
        0 => {
            fs::remove_file(file).unwrap();
            return format!("{} is removed", file.display());
        }
        1 => {
            bytes.truncate(at);
            "cut off"
        }
        2 => {
            let to = bytes.len().min(at + 512);
            bytes[at..to].fill(0);
            "512 zeros"
        }
        3 => {
            bytes.extend((0..100).map(|_| dice.roll().to_le_bytes()[0]));
            "100 bytes at its end, and not"
        }
        _ => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << dice.below(8);
            }
            "a bit"
        }
    };
    fs::write(file, &bytes).unwrap();
    format!("{}: {harm} at {at}", file.display())
}
