//! Whether a store on disk is what the last process left there.
//!
//! The engines make no promise about power loss that their files keep, so a store is trusted only with a proof. A clean
//! close syncs every file below the store's folder and writes the proof, a *seal*: their names, lengths and hashes. While
//! a store is open a mark with the machine's boot id stands in its place: it tells a killed process, whose writes the
//! operating system still has, from a machine that lost power, whose writes may be gone in any order.
//!
//! | beside `store-1` | and | trust |
//! |---|---|---|
//! | `store-1.seal` | everything matches | `Clean` |
//! | `store-1.seal` | a file differs, is missing or extra, or the seal is unreadable | `Damaged` |
//! | `store-1.open` | the boot id is this one | `Unclean { same_boot: true }` |
//! | `store-1.open`, or neither | the boot id is another, unknown or unreadable | `Unclean { same_boot: false }` |
//! | | there is no `store-1` | `Missing` |
//!
//! `mark_open` writes the mark before it removes the seal. If the removal is lost with the power, the seal is compared with
//! files that have changed since, or have not; either answer is right.
//! Checking and sealing read every byte of the store: about a second for each gigabyte, once per start and per close.
//!
//! ```text
//! seal; numbers are big-endian
//!   0  8  "DRIFSEAL"
//!   8  1  format version, 1
//!   9  1  length of the boot id, 0 if unknown; then the boot id
//!      4  number of files, then for each, in ascending order of names:
//!           2  length of its name, then its name in UTF-8, `/` between folders
//!           8  length of the file
//!          32  BLAKE3 of its content
//!     32  BLAKE3 of all the above
//!
//! mark: the boot id and a newline
//! ```

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fmt,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use thiserror::Error;

use crate::{
    files::sync_folder,
    limits::{SEAL_BYTES_MAX, SEALED_FILES_MAX, SMALL_FILE_BYTES_MAX, STORE_DEPTH_MAX},
};

const MAGIC: &[u8; 8] = b"DRIFSEAL";
const VERSION: u8 = 1;
const HASH_BYTES: usize = 32;

/// How far a store on disk can be believed; these are all there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// It was closed, and every byte is as it was then.
    Clean,
    /// It was not closed.
    Unclean {
        /// The machine has not been restarted since, so the operating system lost nothing.
        same_boot: bool,
    },
    /// It was closed, and is not what it was then.
    Damaged {
        /// The first difference found.
        what: StoreDamage,
    },
    /// There is no store.
    Missing,
}

/// How a store differs from its seal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreDamage {
    /// The seal itself makes no sense or cannot be read.
    Seal,
    /// A file has other content or another length.
    Differs {
        /// Its name below the store's folder.
        name: String,
    },
    /// A file is not there.
    MissingFile {
        /// Its name below the store's folder.
        name: String,
    },
    /// A file is there that was not.
    ExtraFile {
        /// Its name below the store's folder.
        name: String,
    },
    /// The folder or a file in it cannot be read, or is of a kind no engine makes.
    Unreadable {
        /// Where.
        path: PathBuf,
    },
}

impl fmt::Display for StoreDamage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreDamage::Seal => write!(formatter, "the seal is unreadable"),
            StoreDamage::Differs { name } => write!(formatter, "{name} differs"),
            StoreDamage::MissingFile { name } => write!(formatter, "{name} is missing"),
            StoreDamage::ExtraFile { name } => write!(formatter, "{name} is extra"),
            StoreDamage::Unreadable { path } => {
                write!(formatter, "{} is unreadable", path.display())
            }
        }
    }
}

/// A seal or mark that could not be written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SealError {
    /// The disk failed.
    #[error("{} could not be sealed", store.display())]
    Io {
        /// The store's folder.
        store: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The store has something no engine makes: a link, a name that is not text, too many or too deep files.
    #[error("{} cannot be sealed", path.display())]
    Unsealable {
        /// Where.
        path: PathBuf,
    },
}

/// Says how far the store in `store` can be believed, changing nothing.
///
/// Reads every byte of a store that has a seal: about a second for each gigabyte. What cannot be read is damage.
pub fn check_seal(store: &Path) -> Trust {
    match store.try_exists() {
        Ok(true) => {}
        Ok(false) => return Trust::Missing,
        Err(_) => return unreadable(store),
    }
    let seal = match read_at_most(&seal_path(store), SEAL_BYTES_MAX) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return unclean(store),
        Err(_) => {
            let what = StoreDamage::Seal;
            return Trust::Damaged { what };
        }
    };
    let Some(sealed) = decode_seal(&seal) else {
        let what = StoreDamage::Seal;
        return Trust::Damaged { what };
    };
    match compare(store, sealed) {
        Ok(None) => Trust::Clean,
        Ok(Some(what)) => Trust::Damaged { what },
        Err(SealError::Unsealable { path }) => {
            let what = StoreDamage::Unreadable { path };
            Trust::Damaged { what }
        }
        Err(SealError::Io { store, .. }) => unreadable(&store),
    }
}

fn unreadable(path: &Path) -> Trust {
    let path = path.to_owned();
    let what = StoreDamage::Unreadable { path };
    Trust::Damaged { what }
}

fn unclean(store: &Path) -> Trust {
    let mark = read_at_most(&mark_path(store), SMALL_FILE_BYTES_MAX);
    let same_boot = match (mark, boot_id()) {
        (Ok(Some(mark)), Some(now)) => mark.strip_suffix(b"\n") == Some(now.as_bytes()),
        _ => false,
    };
    Trust::Unclean { same_boot }
}

/// Whether a store has a seal, whatever it says: it was closed, and nobody has written to it or its journal since.
pub fn has_seal(store: &Path) -> bool {
    seal_path(store).exists()
}

/// Marks a store as open, durably, and removes its seal: to be called before an engine may write to it.
pub fn mark_open(store: &Path) -> Result<(), SealError> {
    let mark = format!("{}\n", boot_id().unwrap_or_default());
    write_beside(&mark_path(store), mark.as_bytes())
        .and_then(|()| remove_if_there(&seal_path(store)))
        .and_then(|()| sync_folder(parent(store)))
        .map_err(io_at(store))
}

/// Seals a store that was closed, durably, and removes its mark.
///
/// Reads and syncs every file of the store, and every folder that has one: about a second for each gigabyte. No engine may
/// have it open.
pub fn write_seal(store: &Path) -> Result<(), SealError> {
    let boot = boot_id().unwrap_or_default();
    let mut files = BTreeMap::new();
    let mut folders = BTreeSet::from([store.to_owned()]);
    let found = list_files(store)?;
    for (name, path) in found {
        let file = hash_file(&path, Sync::Yes).map_err(io_at(store))?;
        files.insert(name, file);
        folders.insert(parent(&path).to_owned());
    }
    // The sync of a file covers its bytes, not its name.
    for folder in folders {
        sync_folder(&folder).map_err(io_at(&folder))?;
    }
    write_beside(&seal_path(store), &encode_seal(&boot, &files))
        .and_then(|()| remove_if_there(&mark_path(store)))
        .and_then(|()| sync_folder(parent(store)))
        .map_err(io_at(store))
}

/// Removes the seal and the mark of a store that is no longer there.
pub(crate) fn remove_marks(store: &Path) -> io::Result<()> {
    remove_if_there(&seal_path(store))?;
    remove_if_there(&mark_path(store))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SealedFile {
    length: u64,
    hash: [u8; HASH_BYTES],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sync {
    Yes,
    No,
}

fn compare(
    store: &Path,
    mut sealed: BTreeMap<String, SealedFile>,
) -> Result<Option<StoreDamage>, SealError> {
    for (name, path) in list_files(store)? {
        let Some(expected) = sealed.remove(&name) else {
            return Ok(Some(StoreDamage::ExtraFile { name }));
        };
        let metadata = fs::metadata(&path).map_err(io_at(&path))?;
        // A length is cheaper to compare than a hash.
        if metadata.len() != expected.length
            || hash_file(&path, Sync::No).map_err(io_at(&path))? != expected
        {
            return Ok(Some(StoreDamage::Differs { name }));
        }
    }
    let missing = sealed.into_keys().next();
    Ok(missing.map(|name| StoreDamage::MissingFile { name }))
}

fn hash_file(path: &Path, sync: Sync) -> io::Result<SealedFile> {
    let mut file = File::open(path)?;
    if sync == Sync::Yes {
        file.sync_all()?;
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(&mut file)?;
    Ok(SealedFile {
        length: hasher.count(),
        hash: *hasher.finalize().as_bytes(),
    })
}

/// Returns all files below a store's folder by their names.
fn list_files(store: &Path) -> Result<BTreeMap<String, PathBuf>, SealError> {
    let mut files = BTreeMap::new();
    list_folder(store, "", 0, &mut files)?;
    Ok(files)
}

fn list_folder(
    folder: &Path,
    prefix: &str,
    depth: u32,
    files: &mut BTreeMap<String, PathBuf>,
) -> Result<(), SealError> {
    for entry in fs::read_dir(folder).map_err(io_at(folder))? {
        let entry = entry.map_err(io_at(folder))?;
        let path = entry.path();
        let kind = entry.file_type().map_err(io_at(&path))?;
        let unsealable = SealError::Unsealable { path: path.clone() };
        let Ok(name) = entry.file_name().into_string() else {
            return Err(unsealable);
        };
        let name = format!("{prefix}{name}");
        if kind.is_dir() && depth < STORE_DEPTH_MAX {
            list_folder(&path, &format!("{name}/"), depth + 1, files)?;
        } else if kind.is_file()
            && files.len() < SEALED_FILES_MAX as usize
            && u16::try_from(name.len()).is_ok()
        {
            files.insert(name, path);
        } else {
            return Err(unsealable);
        }
    }
    Ok(())
}

fn encode_seal(boot: &str, files: &BTreeMap<String, SealedFile>) -> Vec<u8> {
    let mut seal = MAGIC.to_vec();
    seal.push(VERSION);
    seal.push(u8::try_from(boot.len()).expect("a boot id is that short"));
    seal.extend_from_slice(boot.as_bytes());
    let count = u32::try_from(files.len()).expect("there are no more files than the limit");
    seal.extend_from_slice(&count.to_be_bytes());
    for (name, file) in files {
        let length = u16::try_from(name.len()).expect("names were compared with the limit");
        seal.extend_from_slice(&length.to_be_bytes());
        seal.extend_from_slice(name.as_bytes());
        seal.extend_from_slice(&file.length.to_be_bytes());
        seal.extend_from_slice(&file.hash);
    }
    let hash = blake3::hash(&seal);
    seal.extend_from_slice(hash.as_bytes());
    seal
}

/// Reads a seal; anything that is not exactly one is `None`.
fn decode_seal(seal: &[u8]) -> Option<BTreeMap<String, SealedFile>> {
    let (content, hash) = seal.split_last_chunk::<HASH_BYTES>()?;
    if blake3::hash(content).as_bytes() != hash {
        return None;
    }
    let mut rest = content;
    let magic: [u8; 8] = take(&mut rest)?;
    let [version, boot_length] = take(&mut rest)?;
    if &magic != MAGIC || version != VERSION {
        return None;
    }
    rest = rest.get(usize::from(boot_length)..)?;
    let count = u32::from_be_bytes(take(&mut rest)?);
    if count > SEALED_FILES_MAX {
        return None;
    }
    let mut files = BTreeMap::new();
    for _ in 0..count {
        let length = u16::from_be_bytes(take(&mut rest)?);
        let (name, after) = rest.split_at_checked(usize::from(length))?;
        rest = after;
        let name = String::from_utf8(name.to_vec()).ok()?;
        let length = u64::from_be_bytes(take(&mut rest)?);
        let hash = take(&mut rest)?;
        files.insert(name, SealedFile { length, hash });
    }
    rest.is_empty().then_some(files)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*taken)
}

/// Returns what is different after each start of this machine, if it says.
fn boot_id() -> Option<String> {
    let path = Path::new("/proc/sys/kernel/random/boot_id");
    let bytes = read_at_most(path, SMALL_FILE_BYTES_MAX - 1).ok()??;
    let text = String::from_utf8(bytes).ok()?;
    let id = text.trim();
    (!id.is_empty() && id.len() <= 64).then(|| id.to_owned())
}

/// Reads a file up to `limit` bytes; a longer one is an error, one that is not there is `None`.
fn read_at_most(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(Some(bytes))
}

/// Writes a file whole or not at all; its name becomes durable with the folder.
fn write_beside(path: &Path, content: &[u8]) -> io::Result<()> {
    let new = with_suffix(path, ".new");
    let mut file = File::create(&new)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    sync_folder(parent(path))
}

pub(crate) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn seal_path(store: &Path) -> PathBuf {
    with_suffix(store, ".seal")
}

fn mark_path(store: &Path) -> PathBuf {
    with_suffix(store, ".open")
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn io_at(store: &Path) -> impl FnOnce(io::Error) -> SealError {
    let store = store.to_owned();
    move |source| SealError::Io { store, source }
}

#[cfg(test)]
mod golden_tests {
    use driftless_golden::Goldens;

    use super::*;

    #[test]
    fn a_seal_stays_as_it_is_written() {
        let file = |name: &str, length: u64| {
            let hash = [name.len().to_le_bytes()[0]; HASH_BYTES];
            (name.to_owned(), SealedFile { length, hash })
        };
        let files: BTreeMap<_, _> = [file("db", 300), file("snap/\u{e9}", 0)].into();
        Goldens::of("store").round_trip(
            "seal",
            &files,
            |files| encode_seal("5f0c-boot", files),
            |bytes| decode_seal(bytes).ok_or("no seal"),
        );
    }

    #[test]
    fn a_mark_stays_as_it_is_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = folder.path().join("store-1");
        mark_open(&store).expect("it is written");
        let mark = fs::read_to_string(mark_path(&store)).expect("it is there");
        let boot = boot_id().unwrap_or_default();
        let fixed = match boot.as_str() {
            "" => format!("5f0c-boot{mark}"),
            boot => mark.replace(boot, "5f0c-boot"),
        };
        Goldens::of("store").holds_text("mark", &fixed);
    }
}
