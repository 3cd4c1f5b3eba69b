//! The files of the workspace, read into memory.

use std::fs;
use std::path::Path;

use super::TidyError;

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its path below the root, with `/` between folders.
    pub path: String,
    /// Its text; empty where it is not UTF-8.
    pub text: String,
}

/// All files below a root, ordered by path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    files: Vec<File>,
}

impl Tree {
    /// A tree of these files, given as (path, text).
    pub fn of(files: &[(&str, &str)]) -> Self {
        let mut files: Vec<_> = files
            .iter()
            .map(|(path, text)| File {
                path: (*path).to_owned(),
                text: (*text).to_owned(),
            })
            .collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Self { files }
    }

    /// Reads all files below `root`, but for what git ignores: `.git`, every `target`, and the names that
    /// `.gitignore` lists.
    pub fn read(root: &Path) -> Result<Self, TidyError> {
        let ignored = fs::read_to_string(root.join(".gitignore")).unwrap_or_default();
        let ignored: Vec<_> = ignored
            .lines()
            .map(|line| line.trim().trim_matches('/'))
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .collect();
        let mut tree = Self::default();
        tree.read_folder(root, "", &ignored)?;
        tree.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(tree)
    }

    fn read_folder(&mut self, dir: &Path, below: &str, ignored: &[&str]) -> Result<(), TidyError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| TidyError::Read { path, source }
        };
        for entry in fs::read_dir(dir).map_err(failed(dir))? {
            let entry = entry.map_err(failed(dir))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{below}{name}");
            if name == ".git" || name == "target" || ignored.contains(&path.as_str()) {
                continue;
            }
            let kind = entry.file_type().map_err(failed(&entry.path()))?;
            if kind.is_dir() {
                self.read_folder(&entry.path(), &format!("{path}/"), ignored)?;
            } else {
                let bytes = fs::read(entry.path()).map_err(failed(&entry.path()))?;
                let text = String::from_utf8(bytes).unwrap_or_default();
                self.files.push(File { path, text });
            }
        }
        Ok(())
    }

    /// All files.
    pub fn files(&self) -> &[File] {
        &self.files
    }

    /// The file at a path.
    pub fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Whether there is a file at a path, or a folder with files.
    pub fn has(&self, path: &str) -> bool {
        let folder = format!("{path}/");
        self.files
            .iter()
            .any(|file| file.path == path || file.path.starts_with(&folder))
    }

    /// The files whose names end so.
    pub fn ending<'a>(&'a self, suffix: &'a str) -> impl Iterator<Item = &'a File> {
        self.files
            .iter()
            .filter(move |file| file.path.ends_with(suffix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_read_but_for_what_is_built() {
        let root = super::super::workspace_root();
        let tree = Tree::read(&root).expect("the workspace can be read");
        assert!(tree.has("crates/xtask/src/tidy"));
        assert!(tree.file("Cargo.toml").is_some());
        assert!(!tree.has(".git") && !tree.has("target"));
    }

    #[test]
    fn a_folder_is_there_when_a_file_is_in_it() {
        let tree = Tree::of(&[("docs/a.md", "")]);
        assert!(tree.has("docs") && tree.has("docs/a.md"));
        assert!(!tree.has("doc") && !tree.has("docs/a"));
    }
}
