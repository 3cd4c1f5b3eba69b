//! The golden files: the bytes of everything that is stored, sent or signed, as some release wrote them.
//!
//! A crate encodes a fixed value and compares it with its file: whatever writes the bytes later, they stay. The files
//! are hex text in `files/<crate>/<name>.hex`; [`LIST`] names each with the types it holds. A file that is not in the
//! list, an entry without a file and an encoded type without an entry are found by `tidy`; an entry that no test
//! compared is found by `cargo xtask golden --check`, which runs the tests and asks which files were looked at.
//!
//! A dependency of tests only, and of nothing published. After a change that is meant:
//! `cargo xtask golden --write`, and a line in docs/format.md or docs/protocol.md that says what changed.

mod list;

use std::fmt::{Debug, Write as _};
use std::path::{Path, PathBuf};
use std::{env, fs, io};

pub use list::{Entry, LIST};

/// Set to `write`, the files are made anew instead of compared; refused where `CI` is set.
pub const MODE: &str = "GOLDEN";
/// Names a folder in which every comparison that held leaves an empty file `<crate>.<name>`.
pub const SEEN: &str = "GOLDEN_SEEN";

/// Bytes on a line of a golden file.
const LINE_BYTES: usize = 32;

/// The golden files of one crate.
#[derive(Clone, Copy, Debug)]
pub struct Goldens {
    crate_name: &'static str,
}

impl Goldens {
    /// Those of the crate in this folder below `crates/`.
    pub const fn of(crate_name: &'static str) -> Self {
        Self { crate_name }
    }

    /// Makes sure that the file `name` holds exactly these bytes.
    ///
    /// # Panics
    ///
    /// If it does not, or if the list does not name it: this is an assertion of a test.
    #[track_caller]
    pub fn holds(self, name: &str, bytes: &[u8]) {
        self.compare(name, "hex", &hex(bytes));
    }

    /// Makes sure that the file `name` holds exactly this text; for tables that a person reads.
    ///
    /// # Panics
    ///
    /// As [`Goldens::holds`].
    #[track_caller]
    pub fn holds_text(self, name: &str, text: &str) {
        self.compare(name, "txt", text);
    }

    #[track_caller]
    fn compare(self, name: &str, ending: &str, text: &str) {
        let listed = LIST
            .iter()
            .any(|entry| entry.crate_name == self.crate_name && entry.name == name);
        let what = format!("{}/{name}", self.crate_name);
        assert!(listed, "{what} is not in crates/golden/src/list.rs");
        let path = folder()
            .join(self.crate_name)
            .join(format!("{name}.{ending}"));
        let compared = mode().and_then(|mode| compare(mode, &path, text));
        if let Err(mismatch) = compared {
            panic!("{what}: {mismatch}");
        }
        if let Some(seen) = env::var_os(SEEN) {
            let mark = PathBuf::from(seen).join(format!("{}.{name}", self.crate_name));
            fs::write(&mark, "").unwrap_or_else(|error| panic!("{}: {error}", mark.display()));
        }
    }

    /// Makes sure that a value is written as the file `name` has it, and that the file reads as the value.
    ///
    /// # Panics
    ///
    /// If either is not so: this is an assertion of a test.
    #[track_caller]
    pub fn round_trip<T: PartialEq + Debug, E: Debug>(
        self,
        name: &str,
        value: &T,
        encode: impl Fn(&T) -> Vec<u8>,
        decode: impl Fn(&[u8]) -> Result<T, E>,
    ) {
        self.holds(name, &encode(value));
        let bytes = self.bytes(name);
        match decode(&bytes) {
            Ok(read) => assert_eq!(&read, value, "{}/{name} reads otherwise", self.crate_name),
            Err(error) => panic!("{}/{name} cannot be read: {error:?}", self.crate_name),
        }
    }

    /// What the file `name` holds.
    ///
    /// # Panics
    ///
    /// If it is not there or is not hex: this is an assertion of a test.
    #[track_caller]
    pub fn bytes(self, name: &str) -> Vec<u8> {
        let path = folder().join(self.crate_name).join(format!("{name}.hex"));
        let text =
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        parse(&text).unwrap_or_else(|| panic!("{} is not hex", path.display()))
    }
}

/// The folder with all golden files, a folder a crate.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("files")
}

/// The text of a golden file with these bytes.
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2 + bytes.len() / LINE_BYTES + 1);
    for line in bytes.chunks(LINE_BYTES) {
        for byte in line {
            // Writing to a string does not fail.
            let _ = write!(text, "{byte:02x}");
        }
        text.push('\n');
    }
    text
}

fn parse(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u32> = text
        .chars()
        .filter(|letter| *letter != '\n')
        .map(|letter| letter.to_digit(16))
        .collect::<Option<_>>()?;
    let pairs = digits.chunks(2);
    pairs
        .map(|pair| u8::try_from(pair.first()? * 16 + pair.get(1)?).ok())
        .collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Compare,
    Write,
}

fn mode() -> Result<Mode, Mismatch> {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    match env::var(MODE) {
        Ok(value) if value == "write" && is_set("CI") => Err(Mismatch::WriteInCi),
        Ok(value) if value == "write" => Ok(Mode::Write),
        _ => Ok(Mode::Compare),
    }
}

/// Why a golden file does not hold what it should.
#[derive(Debug)]
enum Mismatch {
    WriteInCi,
    Differs { line: usize, found: String },
    Io { source: io::Error },
}

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::WriteInCi => f.write_str("golden files are not written where CI is set"),
            Self::Differs { line, found } => write!(
                f,
                "it is not what the golden file holds, from line {line} on; it is now\n{found}\
                 if that is meant: cargo xtask golden --write"
            ),
            Self::Io { source } => write!(
                f,
                "the golden file cannot be read or written: {source}; to make it: cargo xtask golden --write"
            ),
        }
    }
}

fn compare(mode: Mode, path: &Path, found: &str) -> Result<(), Mismatch> {
    let io = |source| Mismatch::Io { source };
    if mode == Mode::Write {
        let parent = path.parent().unwrap_or(path);
        fs::create_dir_all(parent).map_err(io)?;
        // Tests run side by side: one that only reads must never see half a file.
        let new = path.with_extension("new");
        fs::write(&new, found).map_err(io)?;
        fs::rename(&new, path).map_err(io)?;
    }
    let expected = fs::read_to_string(path).map_err(io)?;
    if expected == found {
        return Ok(());
    }
    let same = expected
        .lines()
        .zip(found.lines())
        .take_while(|(expected, found)| expected == found)
        .count();
    Err(Mismatch::Differs {
        line: same + 1,
        found: found.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_bytes_than_the_file_has_are_told_with_their_place() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("crate/name.hex");
        let text = hex(&(0..100).collect::<Vec<u8>>());
        assert!(matches!(
            compare(Mode::Compare, &path, &text),
            Err(Mismatch::Io { .. })
        ));
        compare(Mode::Write, &path, &text).expect("it is written");
        compare(Mode::Compare, &path, &text).expect("it holds them");
        let mut other: Vec<u8> = (0..100).collect();
        other[70] ^= 1;
        for (other, place) in [(&other[..], 3), (&other[..64], 3), (&[], 1)] {
            match compare(Mode::Compare, &path, &hex(other)) {
                Err(Mismatch::Differs { line, .. }) => assert_eq!(line, place),
                result => panic!("{result:?}"),
            }
        }
    }

    #[test]
    fn hex_comes_back_and_nothing_else_is_hex() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(parse(&hex(&bytes)).as_deref(), Some(&bytes[..]));
        assert_eq!(hex(&bytes).lines().count(), 8);
        for wrong in ["0", "0g", "00 11"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_name_stands_once_in_the_list() {
        let mut names: Vec<_> = LIST.iter().map(|e| (e.crate_name, e.name)).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
