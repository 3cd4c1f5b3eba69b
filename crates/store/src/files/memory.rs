//! [`MemoryFiles`]: files in memory that fail and lose power on request.
//!
//! The model is the unkind one. A file is what its readers see and what the platter holds; what was done since the
//! last sync lies between. A sync that fails forgets what lies between while readers go on seeing it, as Linux does.
//! A name that was not synced with the folder is gone after a crash, together with its file.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{FileOperation, Files, FilesError};

/// Files in memory; clones share their content and their faults.
#[derive(Clone, Debug, Default)]
pub struct MemoryFiles {
    disk: Arc<Mutex<Disk>>,
}

#[derive(Debug, Default)]
struct Disk {
    inodes: BTreeMap<u64, Inode>,
    names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    next_inode: u64,
    salts: u64,
    operations: u64,
    fail_at: Option<u64>,
    halt_at: Option<u64>,
    syncs_fail: bool,
}

#[derive(Clone, Debug, Default)]
struct Inode {
    seen: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    SetLength(usize),
}

/// Bytes a disk writes at once: less than that is never torn.
const SECTOR_BYTES: usize = 512;

impl MemoryFiles {
    /// Returns an empty folder on a disk without faults.
    pub fn new() -> MemoryFiles {
        MemoryFiles::default()
    }

    /// Returns how many operations of [`Files`] there have been, failed ones included.
    pub fn operations(&self) -> u64 {
        self.disk().operations
    }

    /// Lets the `count`-th operation from now (1 is the next) fail, once; a write that fails has written its first half.
    pub fn fail_operation(&self, count: u64) {
        let mut disk = self.disk();
        disk.fail_at = Some(disk.operations + count);
    }

    /// Lets the `count`-th operation from now and all that follow fail, until [`MemoryFiles::crash`]: the power went.
    pub fn halt_at_operation(&self, count: u64) {
        let mut disk = self.disk();
        disk.halt_at = Some(disk.operations + count);
    }

    /// Lets every sync fail, or no longer.
    pub fn fail_syncs(&self, fail: bool) {
        self.disk().syncs_fail = fail;
    }

    /// Clears all faults without losing anything: the process ended, the machine did not.
    pub fn heal(&self) {
        let mut disk = self.disk();
        disk.fail_at = None;
        disk.halt_at = None;
        disk.syncs_fail = false;
    }

    /// Drops all that was not synced and clears all faults: the power went and came back.
    pub fn crash(&self) {
        self.lose(&mut |_| false);
    }

    /// Like [`MemoryFiles::crash`], but each sector, length and name that was not synced is kept or lost by a coin drawn from `seed`.
    pub fn crash_torn(&self, seed: u64) {
        let mut state = seed.wrapping_mul(2).wrapping_add(1);
        self.lose(&mut |_| {
            // xorshift64: any coin will do, as long as the seed decides.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state & 0x10 != 0
        });
    }

    /// Returns what readers of a file see, or `None` without such a file.
    pub fn content(&self, name: &str) -> Option<Vec<u8>> {
        let disk = self.disk();
        let inode = disk.names.get(name)?;
        disk.inodes.get(inode).map(|inode| inode.seen.clone())
    }

    /// Sets the content of a file, creating it if need be, as if it had always been so on disk: for damage.
    pub fn set_content(&self, name: &str, content: &[u8]) {
        let mut disk = self.disk();
        let known = disk.names.get(name).copied();
        let number = known.unwrap_or_else(|| disk.add_inode());
        disk.names.insert(name.to_owned(), number);
        disk.durable_names.insert(name.to_owned(), number);
        let inode = Inode {
            seen: content.to_vec(),
            durable: content.to_vec(),
            pending: Vec::new(),
        };
        disk.inodes.insert(number, inode);
    }

    /// Removes a file as if it had never been there: for damage.
    pub fn lose_file(&self, name: &str) {
        let mut disk = self.disk();
        disk.names.remove(name);
        disk.durable_names.remove(name);
    }

    /// Returns an independent copy with the same content and no faults.
    #[must_use]
    pub fn duplicate(&self) -> MemoryFiles {
        let disk = self.disk();
        let copy = Disk {
            inodes: disk.inodes.clone(),
            names: disk.names.clone(),
            durable_names: disk.durable_names.clone(),
            next_inode: disk.next_inode,
            salts: disk.salts,
            ..Disk::default()
        };
        MemoryFiles {
            disk: Arc::new(Mutex::new(copy)),
        }
    }

    fn lose(&self, keep: &mut dyn FnMut(&str) -> bool) {
        let mut disk = self.disk();
        for inode in disk.inodes.values_mut() {
            let changes = std::mem::take(&mut inode.pending);
            for change in changes {
                inode.keep_parts(change, keep);
            }
            inode.seen = inode.durable.clone();
        }
        let mut names = disk.durable_names.clone();
        for (name, inode) in &disk.names {
            if names.get(name) != Some(inode) && keep(name) {
                names.insert(name.clone(), *inode);
            }
        }
        names.retain(|name, _| disk.names.contains_key(name) || !keep(name));
        disk.names = names.clone();
        disk.durable_names = names;
        disk.fail_at = None;
        disk.halt_at = None;
        disk.syncs_fail = false;
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        // A panic of another test thread leaves plain data behind.
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(
        &self,
        operation: FileOperation,
        name: &str,
    ) -> Result<MutexGuard<'_, Disk>, FilesError> {
        let mut disk = self.disk();
        disk.operations += 1;
        let now = disk.operations;
        let is_sync = matches!(
            operation,
            FileOperation::SyncData | FileOperation::SyncFolder
        );
        if disk.fail_at == Some(now)
            || disk.halt_at.is_some_and(|halt| now >= halt)
            || (is_sync && disk.syncs_fail)
        {
            let halted = disk.halt_at.is_some_and(|halt| now >= halt);
            if operation == FileOperation::SyncData
                && let Ok(inode) = disk.inode(operation, name)
                && !halted
            {
                inode.pending.clear();
            }
            let source = io::Error::other("asked to fail");
            return Err(FilesError::new(operation, name, source));
        }
        Ok(disk)
    }

    fn write_half(&self, name: &str, offset: u64, bytes: &[u8]) {
        let mut disk = self.disk();
        if disk.halt_at.is_none_or(|halt| disk.operations == halt)
            && let Ok(inode) = disk.inode(FileOperation::Write, name)
        {
            inode.change(Change::Write {
                offset: to_usize(offset),
                bytes: bytes[..bytes.len() / 2].to_vec(),
            });
        }
    }
}

impl Disk {
    fn add_inode(&mut self) -> u64 {
        self.next_inode += 1;
        self.inodes.insert(self.next_inode, Inode::default());
        self.next_inode
    }

    fn inode(&mut self, operation: FileOperation, name: &str) -> Result<&mut Inode, FilesError> {
        self.names
            .get(name)
            .and_then(|number| self.inodes.get_mut(number))
            .ok_or_else(|| FilesError::new(operation, name, io::ErrorKind::NotFound.into()))
    }
}

impl Inode {
    fn change(&mut self, change: Change) {
        change.clone().apply(&mut self.seen);
        self.pending.push(change);
    }

    fn sync(&mut self) {
        for change in std::mem::take(&mut self.pending) {
            change.apply(&mut self.durable);
        }
    }

    fn keep_parts(&mut self, change: Change, keep: &mut dyn FnMut(&str) -> bool) {
        match change {
            Change::SetLength(_) => {
                if keep("") {
                    change.apply(&mut self.durable);
                }
            }
            Change::Write { offset, bytes } => {
                let mut done = 0;
                while done < bytes.len() {
                    let at = offset + done;
                    let sector_end = (at / SECTOR_BYTES + 1) * SECTOR_BYTES;
                    let count = (sector_end - at).min(bytes.len() - done);
                    if keep("") {
                        let part = bytes[done..done + count].to_vec();
                        let part = Change::Write {
                            offset: at,
                            bytes: part,
                        };
                        part.apply(&mut self.durable);
                    }
                    done += count;
                }
            }
        }
    }
}

impl Change {
    fn apply(self, content: &mut Vec<u8>) {
        match self {
            Change::SetLength(length) => content.resize(length, 0),
            Change::Write { offset, bytes } => {
                let end = offset + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[offset..end].copy_from_slice(&bytes);
            }
        }
    }
}

impl Files for MemoryFiles {
    fn list(&self) -> Result<Vec<String>, FilesError> {
        let disk = self.begin(FileOperation::List, "folder")?;
        Ok(disk.names.keys().cloned().collect())
    }

    fn create_new(&mut self, name: &str) -> Result<(), FilesError> {
        let mut disk = self.begin(FileOperation::Create, name)?;
        if disk.names.contains_key(name) {
            let source = io::ErrorKind::AlreadyExists.into();
            return Err(FilesError::new(FileOperation::Create, name, source));
        }
        let number = disk.add_inode();
        disk.names.insert(name.to_owned(), number);
        Ok(())
    }

    fn write_at(&mut self, name: &str, offset: u64, bytes: &[u8]) -> Result<(), FilesError> {
        let mut disk = match self.begin(FileOperation::Write, name) {
            Ok(disk) => disk,
            Err(error) => {
                self.write_half(name, offset, bytes);
                return Err(error);
            }
        };
        disk.inode(FileOperation::Write, name)?
            .change(Change::Write {
                offset: to_usize(offset),
                bytes: bytes.to_vec(),
            });
        Ok(())
    }

    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> Result<(), FilesError> {
        let mut disk = self.begin(FileOperation::Read, name)?;
        let inode = disk.inode(FileOperation::Read, name)?;
        let start = to_usize(offset);
        let found = inode.seen.get(start..start.saturating_add(buffer.len()));
        let Some(found) = found else {
            let source = io::ErrorKind::UnexpectedEof.into();
            return Err(FilesError::new(FileOperation::Read, name, source));
        };
        buffer.copy_from_slice(found);
        Ok(())
    }

    fn length(&self, name: &str) -> Result<u64, FilesError> {
        let mut disk = self.begin(FileOperation::Length, name)?;
        Ok(disk.inode(FileOperation::Length, name)?.seen.len() as u64)
    }

    fn set_length(&mut self, name: &str, length: u64) -> Result<(), FilesError> {
        let mut disk = self.begin(FileOperation::SetLength, name)?;
        disk.inode(FileOperation::SetLength, name)?
            .change(Change::SetLength(to_usize(length)));
        Ok(())
    }

    fn sync_data(&mut self, name: &str) -> Result<(), FilesError> {
        let mut disk = self.begin(FileOperation::SyncData, name)?;
        disk.inode(FileOperation::SyncData, name)?.sync();
        Ok(())
    }

    fn sync_folder(&mut self) -> Result<(), FilesError> {
        let mut disk = self.begin(FileOperation::SyncFolder, "folder")?;
        disk.durable_names = disk.names.clone();
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), FilesError> {
        let mut disk = self.begin(FileOperation::Rename, from)?;
        disk.inode(FileOperation::Rename, from)?;
        if let Some(number) = disk.names.remove(from) {
            disk.names.insert(to.to_owned(), number);
        }
        Ok(())
    }

    fn remove(&mut self, name: &str) -> Result<(), FilesError> {
        let mut disk = self.begin(FileOperation::Remove, name)?;
        disk.inode(FileOperation::Remove, name)?;
        disk.names.remove(name);
        Ok(())
    }

    fn fresh_salt(&mut self) -> Result<u64, FilesError> {
        let mut disk = self.begin(FileOperation::FreshSalt, "a segment")?;
        disk.salts += 1;
        // Spread over all bits (splitmix64), and the same in every run.
        Ok(disk.salts.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn another(&self) -> Box<dyn Files> {
        Box::new(self.clone())
    }
}

fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX / 2)
}
