//! [`Tree`]: what lies below a folder: names, and the bytes of files.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

/// All files and folders below a folder, by their paths with `/` between names; `None` is a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// What there is; a folder comes before what is in it.
    pub entries: BTreeMap<String, Option<Vec<u8>>>,
}

impl Tree {
    /// Reads a folder; sockets and links are left out.
    pub fn read(folder: &Path) -> io::Result<Self> {
        let mut tree = Self::default();
        tree.read_into(folder, "")?;
        Ok(tree)
    }

    fn read_into(&mut self, folder: &Path, prefix: &str) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let path = format!("{prefix}{}", name.to_string_lossy());
            let kind = entry.file_type()?;
            if kind.is_dir() {
                self.read_into(&entry.path(), &format!("{path}/"))?;
                self.entries.insert(path, None);
            } else if kind.is_file() {
                self.entries.insert(path, Some(fs::read(entry.path())?));
            }
        }
        Ok(())
    }

    /// Writes it into a folder, which is made and must not be there.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir(folder)?;
        for (path, content) in &self.entries {
            let at = folder.join(path);
            match content {
                None => fs::create_dir(&at)?,
                Some(bytes) => fs::write(&at, bytes)?,
            }
        }
        Ok(())
    }

    /// A hash of all of it.
    pub fn hash(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        for (path, content) in &self.entries {
            hasher.update(&(path.len() as u64).to_le_bytes());
            hasher.update(path.as_bytes());
            let length = content
                .as_ref()
                .map_or(u64::MAX, |bytes| bytes.len() as u64);
            hasher.update(&length.to_le_bytes());
            hasher.update(content.as_deref().unwrap_or_default());
        }
        *hasher.finalize().as_bytes()
    }

    /// The first path at which two differ, for a person.
    pub fn difference(&self, other: &Self) -> Option<String> {
        for (path, content) in &self.entries {
            match other.entries.get(path) {
                None => return Some(format!("{path} is in the first only")),
                Some(found) if found != content => {
                    let length = |content: &Option<Vec<u8>>| content.as_ref().map(Vec::len);
                    let (one, two) = (length(content), length(found));
                    return Some(format!("{path} differs ({one:?} and {two:?} bytes)"));
                }
                Some(_) => {}
            }
        }
        let extra = other
            .entries
            .keys()
            .find(|path| !self.entries.contains_key(*path));
        extra.map(|path| format!("{path} is in the second only"))
    }
}
