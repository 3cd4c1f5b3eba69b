//! The one seam between the journal and a disk.
//!
//! [`Files`] is a flat folder of named files. [`DiskFiles`] is the real one, [`MemoryFiles`] the one that fails and
//! loses power on request. Nothing else in the journal reads, writes or syncs, so a test that makes every operation
//! of this trait fail once has seen every way in which the disk can fail.
//!
//! What is written becomes durable with [`Files::sync_data`] of that file, and a name becomes (or ceases to be)
//! durable with [`Files::sync_folder`]. After a `sync_data` that failed, nothing is known about what was written since
//! the one before: an operating system may forget it and still show it. Only writing it again helps.

mod disk;
mod memory;
mod overlay;

use std::{fmt, io};

use thiserror::Error;

pub use disk::DiskFiles;
pub(crate) use disk::{Anchor, folder_bytes, sync_folder};
pub use memory::MemoryFiles;
pub use overlay::OverlayFiles;

/// A flat folder of named files: all that the journal asks of a disk.
///
/// Offsets and lengths are in bytes. A name is given without a folder.
pub trait Files: Send {
    /// Returns the names of all files, in ascending order.
    fn list(&self) -> Result<Vec<String>, FilesError>;
    /// Creates an empty file; an existing one is an error.
    fn create_new(&mut self, name: &str) -> Result<(), FilesError>;
    /// Writes all of `bytes` at `offset`; the file grows as needed.
    fn write_at(&mut self, name: &str, offset: u64, bytes: &[u8]) -> Result<(), FilesError>;
    /// Fills `buffer` from `offset`; a file that ends before is an error.
    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> Result<(), FilesError>;
    /// Returns the length of a file.
    fn length(&self, name: &str) -> Result<u64, FilesError>;
    /// Cuts a file to `length`, or grows it with zeros.
    fn set_length(&mut self, name: &str, length: u64) -> Result<(), FilesError>;
    /// Makes the content and length of a file durable.
    fn sync_data(&mut self, name: &str) -> Result<(), FilesError>;
    /// Makes creations, renames and removals durable.
    fn sync_folder(&mut self) -> Result<(), FilesError>;
    /// Renames a file, replacing what has the new name.
    fn rename(&mut self, from: &str, to: &str) -> Result<(), FilesError>;
    /// Removes a file.
    fn remove(&mut self, name: &str) -> Result<(), FilesError>;
    /// Returns eight bytes that nobody outside can know in advance.
    fn fresh_salt(&mut self) -> Result<u64, FilesError>;
    /// Returns another handle on the same folder, for reading files that do not change any more.
    fn another(&self) -> Box<dyn Files>;
}

/// What was asked of a disk when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileOperation {
    /// Reading the names in the folder.
    List,
    /// Creating a file.
    Create,
    /// Writing bytes.
    Write,
    /// Reading bytes.
    Read,
    /// Asking for a length.
    Length,
    /// Changing a length.
    SetLength,
    /// Making a file durable.
    SyncData,
    /// Making names durable.
    SyncFolder,
    /// Renaming a file.
    Rename,
    /// Removing a file.
    Remove,
    /// Drawing randomness.
    FreshSalt,
}

impl fmt::Display for FileOperation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            FileOperation::List => "listing",
            FileOperation::Create => "creating",
            FileOperation::Write => "writing",
            FileOperation::Read => "reading",
            FileOperation::Length => "measuring",
            FileOperation::SetLength => "cutting",
            FileOperation::SyncData => "syncing",
            FileOperation::SyncFolder => "syncing the folder of",
            FileOperation::Rename => "renaming",
            FileOperation::Remove => "removing",
            FileOperation::FreshSalt => "drawing a salt for",
        })
    }
}

/// The disk failed; nobody above can mend it.
#[derive(Debug, Error)]
#[error("{operation} {name} failed")]
pub struct FilesError {
    /// What was asked.
    pub operation: FileOperation,
    /// Of which file or folder.
    pub name: String,
    /// What the operating system said.
    #[source]
    pub source: io::Error,
}

impl FilesError {
    pub(crate) fn new(operation: FileOperation, name: &str, source: io::Error) -> FilesError {
        FilesError {
            operation,
            name: name.to_owned(),
            source,
        }
    }
}
