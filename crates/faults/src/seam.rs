//! [`Seam`]: how a program asks for its own file operations to be recorded or spoilt.
//!
//! The program itself is between its code and the C library (`bin/faults/interpose`); the library here knows only
//! what can be asked of it.

use std::path::Path;

/// What goes wrong, once, among the operations below the folder. Operations are counted from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// One operation fails.
    Fail {
        /// Which.
        at: u64,
        /// With which error of the operating system.
        error: Failure,
    },
    /// One write writes half of its bytes and says so.
    Short {
        /// Which operation.
        at: u64,
    },
    /// From an operation on there is no room for anything more.
    Full {
        /// From which.
        at: u64,
    },
    /// The process is killed before an operation; half of a write is done.
    Kill {
        /// Which.
        at: u64,
    },
    /// Nothing goes wrong, but syncs of files, or of folders, do not cover anything: what a program does that forgets them.
    Uncovered {
        /// Whether those of folders.
        folders: bool,
    },
    /// One sync of a file or folder fails; syncs are counted by themselves.
    FailSync {
        /// Which.
        at: u64,
    },
}

/// How an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// `EIO`.
    Broken,
    /// `ENOSPC`.
    Full,
}

/// What was counted since recording began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Operations that a fault can hit.
    pub operations: u64,
    /// Syncs among them.
    pub syncs: u64,
    /// Whether the fault has come.
    pub hit: bool,
}

/// Stands between a program and its files.
pub trait Seam: Sync {
    /// Records what is done below `folder` from now on: into the file `log`, or into memory.
    fn record(&self, folder: &Path, log: Option<&Path>, fault: Fault);

    /// Ends recording; what was recorded into memory, and what was counted.
    fn stop(&self) -> (Vec<u8>, Counted);

    /// What was counted so far.
    fn counted(&self) -> Counted;

    /// Writes a mark into the log.
    fn mark(&self, text: &str);

    /// Lets the machine have been started anew: its boot id is what this file says.
    fn reboot(&self, boot_id: &Path);
}
