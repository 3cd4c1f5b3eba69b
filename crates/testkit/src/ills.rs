//! What can be wrong with a disk beyond losing power: it is full, it does not read, it says that it has synced.
//!
//! [`MemoryFiles`] loses power and fails operations by number; this wraps it, so that a process keeps running on a
//! disk that is ill until the illness is cured.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use driftless_store::{FileOperation, Files, FilesError, MemoryFiles};

/// The illnesses of one disk; clones are those of one disk.
#[derive(Clone, Debug, Default)]
pub struct Ills {
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    full: AtomicBool,
    lies: AtomicBool,
    /// Reads until one fails, that one counted; 0 for none.
    reads: AtomicU64,
}

impl Ills {
    /// Writes that need room fail, having written their first half; or no longer.
    pub fn fill(&self, full: bool) {
        self.state.full.store(full, Ordering::Relaxed);
    }

    /// Syncs are said to be done and are not; or no longer.
    pub fn lie(&self, lies: bool) {
        self.state.lies.store(lies, Ordering::Relaxed);
    }

    /// The `count`-th read from now on fails, once.
    pub fn fail_read(&self, count: u64) {
        self.state.reads.store(count, Ordering::Relaxed);
    }

    /// Nothing is wrong any more but that it may lie.
    pub fn cure(&self) {
        self.fill(false);
        self.fail_read(0);
    }

    /// The files as somebody sees them on this disk.
    pub fn on(&self, files: &MemoryFiles) -> Box<dyn Files> {
        Box::new(IllFiles {
            files: files.clone(),
            ills: self.clone(),
        })
    }

    fn room(&self, operation: FileOperation, name: &str) -> Result<(), FilesError> {
        if self.state.full.load(Ordering::Relaxed) {
            return Err(failed(operation, name, io::ErrorKind::StorageFull.into()));
        }
        Ok(())
    }

    fn read(&self, name: &str) -> Result<(), FilesError> {
        let left = self.state.reads.load(Ordering::Relaxed);
        if left > 0 {
            self.state.reads.store(left - 1, Ordering::Relaxed);
        }
        if left == 1 {
            let source = io::Error::other("the disk does not read this");
            return Err(failed(FileOperation::Read, name, source));
        }
        Ok(())
    }
}

fn failed(operation: FileOperation, name: &str, source: io::Error) -> FilesError {
    FilesError {
        operation,
        name: name.to_owned(),
        source,
    }
}

struct IllFiles {
    files: MemoryFiles,
    ills: Ills,
}

impl Files for IllFiles {
    fn list(&self) -> Result<Vec<String>, FilesError> {
        self.files.list()
    }

    fn create_new(&mut self, name: &str) -> Result<(), FilesError> {
        self.ills.room(FileOperation::Create, name)?;
        self.files.create_new(name)
    }

    fn write_at(&mut self, name: &str, offset: u64, bytes: &[u8]) -> Result<(), FilesError> {
        if let Err(error) = self.ills.room(FileOperation::Write, name) {
            self.files
                .write_at(name, offset, &bytes[..bytes.len() / 2])?;
            return Err(error);
        }
        self.files.write_at(name, offset, bytes)
    }

    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> Result<(), FilesError> {
        self.ills.read(name)?;
        self.files.read_at(name, offset, buffer)
    }

    fn length(&self, name: &str) -> Result<u64, FilesError> {
        self.files.length(name)
    }

    fn set_length(&mut self, name: &str, length: u64) -> Result<(), FilesError> {
        self.files.set_length(name, length)
    }

    fn sync_data(&mut self, name: &str) -> Result<(), FilesError> {
        if self.ills.state.lies.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.files.sync_data(name)
    }

    fn sync_folder(&mut self) -> Result<(), FilesError> {
        self.files.sync_folder()
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), FilesError> {
        self.files.rename(from, to)
    }

    fn remove(&mut self, name: &str) -> Result<(), FilesError> {
        self.files.remove(name)
    }

    fn fresh_salt(&mut self) -> Result<u64, FilesError> {
        self.files.fresh_salt()
    }

    fn another(&self) -> Box<dyn Files> {
        self.ills.on(&self.files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_writes_half_and_reads_what_is_there_until_there_is_room() {
        let (ills, memory) = (Ills::default(), MemoryFiles::new());
        let mut files = ills.on(&memory);
        files.create_new("a").expect("there is room");
        files.write_at("a", 0, b"whole").expect("there is room");
        ills.fill(true);
        assert!(files.create_new("b").is_err());
        let full = files.write_at("a", 5, b"four").expect_err("it is full");
        assert_eq!(full.source.kind(), io::ErrorKind::StorageFull);
        assert_eq!(memory.content("a").as_deref(), Some(&b"wholefo"[..]));
        ills.cure();
        assert!(files.write_at("a", 5, b"four").is_ok());
    }

    #[test]
    fn one_read_fails_and_a_disk_that_lies_has_nothing_after_the_power_went() {
        let (ills, memory) = (Ills::default(), MemoryFiles::new());
        let mut files = ills.another_for_tests(&memory);
        files.create_new("a").expect("a file");
        files.sync_folder().expect("a name");
        files.write_at("a", 0, b"here").expect("bytes");
        ills.fail_read(2);
        let mut buffer = [0; 4];
        let reads = [(); 3].map(|()| files.read_at("a", 0, &mut buffer).is_ok());
        assert_eq!(reads, [true, false, true]);
        ills.lie(true);
        files.sync_data("a").expect("so it says");
        memory.crash();
        assert_eq!(memory.content("a").as_deref(), Some(&b""[..]));
    }

    impl Ills {
        fn another_for_tests(&self, files: &MemoryFiles) -> Box<dyn Files> {
            self.on(files).another()
        }
    }
}
