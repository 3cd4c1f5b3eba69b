//! Where a folder is, and whether it is the one that was last open: what a copy holds was written elsewhere.
//!
//! `PLACE` in the folder is one line: the folder's number on its file system, when it was made in nanoseconds since 1970,
//! and its path, with `-` for what the system does not tell. It is a hint. One that is missing, cannot be read or was
//! written by another system says nothing of a place. That it is there, whatever is in it, says that the folder was open once:
//! it comes after the journal's first group, so a folder that has it and an empty journal has lost what was in that.
//!
//! A folder that is renamed keeps its number and its time; one that is copied, restored from a backup or moved to another
//! disk has others. Where only the number differs it is the same: some file systems give numbers anew at every start.

use std::{
    fs::{self, File, Metadata},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use crate::{folder::StoreFolder, limits::PLACE_BYTES_MAX};

pub(crate) const PLACE: &str = "PLACE";
const PLACE_NEW: &str = "PLACE.new";
/// What the system does not tell.
const UNKNOWN: &str = "-";

/// Where what a folder holds was last open, if that was another folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopiedFrom {
    /// The path of that folder; none where it is no text.
    pub path: Option<PathBuf>,
    /// Whether that folder is still there.
    pub is_there: bool,
}

/// A folder, as its file system knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    number: Option<u64>,
    made_ns: Option<u128>,
    path: Option<PathBuf>,
}

impl StoreFolder {
    /// Where the folder's content was last open, if that was another folder: this one is a copy of that, was restored from
    /// a backup, or was moved to another disk.
    pub fn copied_from(&self) -> Option<CopiedFrom> {
        let before = read(&self.dir().join(PLACE))?;
        let now = Place::of(self.dir()).ok()?;
        if now.is(&before) {
            return None;
        }
        let there = before.path.as_deref().and_then(|path| Place::of(path).ok());
        Some(CopiedFrom {
            is_there: there.is_some_and(|there| there == before),
            path: before.path,
        })
    }

    /// Notes that the folder is open here; says whether that was to be noted.
    pub fn note_place(&self) -> io::Result<bool> {
        let now = Place::of(self.dir())?;
        if read(&self.dir().join(PLACE)).as_ref() == Some(&now) {
            return Ok(false);
        }
        self.check_place()
            .map_err(|error| io::Error::new(io::ErrorKind::NotFound, error))?;
        let new = self.dir().join(PLACE_NEW);
        let mut file = File::create(&new)?;
        file.write_all(now.line().as_bytes())?;
        file.sync_all()?;
        fs::rename(new, self.dir().join(PLACE))?;
        Ok(true)
    }
}

impl Place {
    fn of(folder: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(folder)?;
        let path = fs::canonicalize(folder)?;
        let since_1970 = metadata.created().ok();
        let since_1970 = since_1970.and_then(|made| made.duration_since(UNIX_EPOCH).ok());
        Ok(Self {
            number: number(&metadata),
            made_ns: since_1970.map(|since| since.as_nanos()),
            path: path
                .to_str()
                .is_some_and(|path| !path.contains('\n'))
                .then_some(path),
        })
    }

    /// Whether it is the same folder, wherever it is now.
    fn is(&self, before: &Place) -> bool {
        let same_number = self.number.is_some() && self.number == before.number;
        let same_path = self.path.is_some() && self.path == before.path;
        match (self.made_ns, before.made_ns) {
            (Some(ours), Some(theirs)) => ours == theirs && (same_number || same_path),
            _ => same_number || same_path,
        }
    }

    fn line(&self) -> String {
        let number = self.number.map(|number| number.to_string());
        let made = self.made_ns.map(|made| made.to_string());
        let path = self.path.as_deref().and_then(Path::to_str);
        format!(
            "{} {} {}\n",
            number.as_deref().unwrap_or(UNKNOWN),
            made.as_deref().unwrap_or(UNKNOWN),
            path.unwrap_or(UNKNOWN)
        )
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_suffix('\n')?.splitn(3, ' ');
        let (number, made, path) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self {
            number: match number {
                UNKNOWN => None,
                number => Some(number.parse().ok()?),
            },
            made_ns: match made {
                UNKNOWN => None,
                made => Some(made.parse().ok()?),
            },
            path: (path != UNKNOWN).then(|| PathBuf::from(path)),
        })
    }
}

fn read(path: &Path) -> Option<Place> {
    let mut text = String::new();
    let file = File::open(path).ok()?;
    file.take(PLACE_BYTES_MAX).read_to_string(&mut text).ok()?;
    Place::parse(&text)
}

#[cfg(unix)]
#[expect(
    clippy::unnecessary_wraps,
    reason = "other systems do not tell the number"
)]
fn number(metadata: &Metadata) -> Option<u64> {
    use std::os::unix::fs::MetadataExt as _;
    Some(metadata.ino())
}

#[cfg(not(unix))]
fn number(_: &Metadata) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(number: u64, made_ns: Option<u128>, path: &str) -> Place {
        Place {
            number: Some(number),
            made_ns,
            path: Some(PathBuf::from(path)),
        }
    }

    #[test]
    fn a_renamed_folder_is_the_same_and_a_copied_one_is_not() {
        let before = place(7, Some(100), "/a");
        assert!(place(7, Some(100), "/b").is(&before), "renamed");
        assert!(place(8, Some(100), "/a").is(&before), "numbers given anew");
        assert!(!place(8, Some(200), "/b").is(&before), "copied");
        assert!(!place(8, Some(200), "/a").is(&before), "restored");
        assert!(
            !place(7, Some(200), "/a").is(&before),
            "restored, and its number was free"
        );
        assert!(!place(8, None, "/b").is(&before));
        assert!(
            place(8, None, "/a").is(&before),
            "nobody can tell, so nothing is said"
        );
    }

    #[test]
    fn a_line_reads_as_it_was_written_and_nothing_else_is_one() {
        for place in [
            place(7, Some(1_700_000_000_000_000_001), "/srv/ann/my laptop"),
            Place {
                number: None,
                made_ns: None,
                path: None,
            },
        ] {
            assert_eq!(Place::parse(&place.line()), Some(place));
        }
        for other in ["", "\n", "7\n", "7 8\n", "7 x /a\n", "7 8 /a"] {
            assert_eq!(Place::parse(other), None, "{other:?}");
        }
        assert_eq!(place(7, Some(8), "/a").line(), "7 8 /a\n");
    }
}
