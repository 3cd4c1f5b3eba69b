//! [`OverlayFiles`]: files whose changes stay in memory, over others that are only read.
//!
//! So what mending a journal would do can be done and looked at while the disk stays as it is. Nothing is durable here.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{FileOperation, Files, FilesError};

/// A folder as it would be after changes that are kept in memory; the one below is never written to.
pub struct OverlayFiles {
    below: Box<dyn Files>,
    /// What was written, by name; `None` is a file that was removed.
    changed: Arc<Mutex<BTreeMap<String, Option<Vec<u8>>>>>,
}

impl OverlayFiles {
    /// Shows what is in `below`.
    pub fn over(below: Box<dyn Files>) -> OverlayFiles {
        OverlayFiles {
            below,
            changed: Arc::default(),
        }
    }

    fn changed(&self) -> MutexGuard<'_, BTreeMap<String, Option<Vec<u8>>>> {
        // Each entry is replaced as a whole: whoever panicked left whole ones.
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the file holds now, for changing it.
    fn content(&self, name: &str) -> Result<Vec<u8>, FilesError> {
        if let Some(content) = self.changed().get(name) {
            return content
                .clone()
                .ok_or_else(|| not_there(FileOperation::Read, name));
        }
        let length = self.below.length(name)?;
        let length = usize::try_from(length).map_err(|_| {
            FilesError::new(
                FileOperation::Read,
                name,
                io::ErrorKind::FileTooLarge.into(),
            )
        })?;
        let mut content = vec![0; length];
        self.below.read_at(name, 0, &mut content)?;
        Ok(content)
    }

    fn put(&self, name: &str, content: Option<Vec<u8>>) {
        self.changed().insert(name.to_owned(), content);
    }
}

fn not_there(operation: FileOperation, name: &str) -> FilesError {
    FilesError::new(operation, name, io::ErrorKind::NotFound.into())
}

fn index(offset: u64, operation: FileOperation, name: &str) -> Result<usize, FilesError> {
    usize::try_from(offset)
        .map_err(|_| FilesError::new(operation, name, io::ErrorKind::FileTooLarge.into()))
}

impl Files for OverlayFiles {
    fn list(&self) -> Result<Vec<String>, FilesError> {
        let mut names = self.below.list()?;
        for (name, content) in self.changed().iter() {
            let at = names.binary_search(name);
            match (at, content) {
                (Err(at), Some(_)) => names.insert(at, name.clone()),
                (Ok(at), None) => drop(names.remove(at)),
                _ => {}
            }
        }
        Ok(names)
    }

    fn create_new(&mut self, name: &str) -> Result<(), FilesError> {
        if self.list()?.iter().any(|there| there == name) {
            let source = io::ErrorKind::AlreadyExists.into();
            return Err(FilesError::new(FileOperation::Create, name, source));
        }
        self.put(name, Some(Vec::new()));
        Ok(())
    }

    fn write_at(&mut self, name: &str, offset: u64, bytes: &[u8]) -> Result<(), FilesError> {
        let mut content = self.content(name)?;
        let at = index(offset, FileOperation::Write, name)?;
        let end = at + bytes.len();
        if content.len() < end {
            content.resize(end, 0);
        }
        content[at..end].copy_from_slice(bytes);
        self.put(name, Some(content));
        Ok(())
    }

    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> Result<(), FilesError> {
        let changed = self.changed();
        let Some(content) = changed.get(name) else {
            return self.below.read_at(name, offset, buffer);
        };
        let content = content
            .as_ref()
            .ok_or_else(|| not_there(FileOperation::Read, name))?;
        let at = index(offset, FileOperation::Read, name)?;
        let bytes = content.get(at..).and_then(|rest| rest.get(..buffer.len()));
        let bytes = bytes.ok_or_else(|| {
            FilesError::new(
                FileOperation::Read,
                name,
                io::ErrorKind::UnexpectedEof.into(),
            )
        })?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }

    fn length(&self, name: &str) -> Result<u64, FilesError> {
        match self.changed().get(name) {
            Some(Some(content)) => Ok(content.len() as u64),
            Some(None) => Err(not_there(FileOperation::Length, name)),
            None => self.below.length(name),
        }
    }

    fn set_length(&mut self, name: &str, length: u64) -> Result<(), FilesError> {
        let mut content = self.content(name)?;
        content.resize(index(length, FileOperation::SetLength, name)?, 0);
        self.put(name, Some(content));
        Ok(())
    }

    fn sync_data(&mut self, _name: &str) -> Result<(), FilesError> {
        Ok(())
    }

    fn sync_folder(&mut self) -> Result<(), FilesError> {
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), FilesError> {
        let content = self.content(from)?;
        self.put(to, Some(content));
        self.put(from, None);
        Ok(())
    }

    fn remove(&mut self, name: &str) -> Result<(), FilesError> {
        self.length(name)?;
        self.put(name, None);
        Ok(())
    }

    fn fresh_salt(&mut self) -> Result<u64, FilesError> {
        self.below.fresh_salt()
    }

    fn another(&self) -> Box<dyn Files> {
        Box::new(OverlayFiles {
            below: self.below.another(),
            changed: Arc::clone(&self.changed),
        })
    }
}
