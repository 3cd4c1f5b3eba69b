//! [`Disk`]: what a disk may hold after any part of a log, and what a power loss may leave of it.
//!
//! A disk has for each file what is durable, what processes see, and what was written in between; for each folder the
//! same of its names. A sync of a file covers its bytes and its length, never its name; a sync of a folder covers
//! the names in it. Everything else may be kept or lost by a [`Loss`]: sector by sector of what was written, and name by
//! name. A sector that was written several times holds some earlier state of itself, never a later write without one
//! before it. A rename within a folder is kept whole or not at all.
//!
//! This is stricter than file systems are: on most, syncing a file makes its name durable too, and names come to disk in
//! order.

use std::collections::{BTreeMap, BTreeSet};

use crate::loss::{Hole, Loss};
use crate::operation::{Handle, Operation};
use crate::tree::Tree;

/// Bytes that a disk writes all or nothing.
pub const SECTOR_BYTES: u64 = 512;

const ROOT: usize = 0;

/// A log that does not fit what is on the disk: the recorder missed something.
#[derive(Debug, thiserror::Error)]
#[error("operation {at} does not fit: {what}")]
pub struct LogError {
    /// The number of the operation, from 0.
    pub at: usize,
    /// Why.
    pub what: String,
}

/// A disk on which operations are carried out one after the other.
#[derive(Clone, Debug)]
pub struct Disk {
    nodes: Vec<Node>,
    handles: BTreeMap<Handle, usize>,
    /// Changes of names that no sync has covered, in order.
    names: Vec<NameChange>,
    done: usize,
    /// What a sync that fails does to what it should have covered.
    failing: Loss,
}

#[derive(Clone, Debug)]
enum Node {
    File(File),
    Folder(Folder),
}

#[derive(Clone, Debug, Default)]
struct File {
    durable: Vec<u8>,
    visible: Vec<u8>,
    pending: Vec<Pending>,
}

#[derive(Clone, Debug, Default)]
struct Folder {
    durable: BTreeMap<String, usize>,
    visible: BTreeMap<String, usize>,
}

/// A change of a file that no sync has covered.
#[derive(Clone, Debug)]
struct Pending {
    /// The number of the operation.
    at: usize,
    change: Change,
}

#[derive(Clone, Debug)]
enum Change {
    Write { offset: u64, bytes: Vec<u8> },
    Length(u64),
}

/// A change of a folder's names that no sync has covered.
#[derive(Clone, Debug)]
struct NameChange {
    at: usize,
    folder: usize,
    change: Naming,
}

#[derive(Clone, Debug)]
enum Naming {
    Put {
        name: String,
        node: usize,
    },
    Take {
        name: String,
    },
    Move {
        from: String,
        to: String,
        node: usize,
    },
}

impl Disk {
    /// A disk on which a folder lies durably.
    pub fn of(tree: &Tree) -> Self {
        let mut disk = Self {
            nodes: vec![Node::Folder(Folder::default())],
            handles: BTreeMap::new(),
            names: Vec::new(),
            done: 0,
            failing: Loss::everything(),
        };
        for (path, content) in &tree.entries {
            let (above, name) = split(path);
            let node = disk.nodes.len();
            disk.nodes.push(match content {
                None => Node::Folder(Folder::default()),
                Some(bytes) => Node::File(File {
                    durable: bytes.clone(),
                    visible: bytes.clone(),
                    pending: Vec::new(),
                }),
            });
            let above = disk.find(above).unwrap_or(ROOT);
            if let Node::Folder(folder) = &mut disk.nodes[above] {
                folder.durable.insert(name.to_owned(), node);
                folder.visible.insert(name.to_owned(), node);
            }
        }
        disk
    }

    /// Says what a sync that fails leaves of the bytes it should have covered; without it, nothing.
    #[must_use]
    pub fn failing_with(mut self, failing: Loss) -> Self {
        self.failing = failing;
        self
    }

    /// How many operations were carried out.
    pub fn done(&self) -> usize {
        self.done
    }

    /// Carries out the next operation.
    pub fn carry_out(&mut self, operation: &Operation) -> Result<(), LogError> {
        let at = self.done;
        self.step(at, operation)
            .map_err(|what| LogError { at, what })?;
        self.done += 1;
        Ok(())
    }

    fn step(&mut self, at: usize, operation: &Operation) -> Result<(), String> {
        match operation {
            Operation::Open {
                handle,
                path,
                created,
                emptied,
            } => {
                if *created {
                    self.put(at, path, Node::File(File::default()))?;
                }
                let node = self.find(path).ok_or_else(|| no_such(path))?;
                self.handles.insert(*handle, node);
                if *emptied {
                    self.change(*handle, at, Change::Length(0))?;
                }
                Ok(())
            }
            Operation::Write {
                handle,
                offset,
                bytes,
            } => {
                let (offset, bytes) = (*offset, bytes.clone());
                self.change(*handle, at, Change::Write { offset, bytes })
            }
            Operation::SetLength { handle, length } => {
                self.change(*handle, at, Change::Length(*length))
            }
            Operation::Sync { handle } => self.sync(*handle, None),
            Operation::SyncFailed { handle } => {
                let failing = self.failing.clone();
                self.sync(*handle, Some(&failing))
            }
            Operation::Rename { from, to } => self.rename(at, from, to),
            Operation::Remove { path } | Operation::RemoveFolder { path } => {
                let (folder, name) = self.place(path)?;
                let change = Naming::Take { name };
                self.name(NameChange { at, folder, change });
                Ok(())
            }
            Operation::MakeFolder { path } if path.is_empty() => Ok(()),
            Operation::MakeFolder { path } => self.put(at, path, Node::Folder(Folder::default())),
            Operation::Mark { .. } => Ok(()),
        }
    }

    fn put(&mut self, at: usize, path: &str, node: Node) -> Result<(), String> {
        let (folder, name) = self.place(path)?;
        self.nodes.push(node);
        let node = self.nodes.len() - 1;
        let change = Naming::Put { name, node };
        self.name(NameChange { at, folder, change });
        Ok(())
    }

    fn rename(&mut self, at: usize, from: &str, to: &str) -> Result<(), String> {
        let node = self.find(from).ok_or_else(|| no_such(from))?;
        let (folder, from) = self.place(from)?;
        let (into, to) = self.place(to)?;
        if into != folder {
            // Each folder is synced by itself: the file may be durable in both, or in neither.
            let change = Naming::Put { name: to, node };
            self.name(NameChange {
                at,
                folder: into,
                change,
            });
            let change = Naming::Take { name: from };
            self.name(NameChange { at, folder, change });
            return Ok(());
        }
        let change = Naming::Move { from, to, node };
        self.name(NameChange { at, folder, change });
        Ok(())
    }

    fn name(&mut self, change: NameChange) {
        if let Node::Folder(folder) = &mut self.nodes[change.folder] {
            change.change.apply(&mut folder.visible);
        }
        self.names.push(change);
    }

    fn change(&mut self, handle: Handle, at: usize, change: Change) -> Result<(), String> {
        let Some(Node::File(file)) = self.node_of(handle) else {
            return Err("it writes to what is no file".to_owned());
        };
        let pending = Pending { at, change };
        let kept = &mut Applying::of(&mut file.visible, &KEEP);
        kept.apply(&pending);
        file.pending.push(pending);
        Ok(())
    }

    /// Makes durable what a sync covers; one that failed covers what its loss keeps, and gives up the rest.
    fn sync(&mut self, handle: Handle, failed: Option<&Loss>) -> Result<(), String> {
        let node = *self.handles.get(&handle).ok_or("it syncs nothing")?;
        match &mut self.nodes[node] {
            Node::File(file) => {
                match failed {
                    None => file.durable.clone_from(&file.visible_but_for_failures()),
                    Some(loss) => file.durable = file.after(loss),
                }
                file.pending.clear();
            }
            // What a failed sync of names did not cover, a later one may.
            Node::Folder(_) if failed.is_some() => {}
            Node::Folder(folder) => {
                self.names.retain(|name| {
                    if name.folder == node {
                        name.change.apply(&mut folder.durable);
                    }
                    name.folder != node
                });
            }
        }
        Ok(())
    }

    fn node_of(&mut self, handle: Handle) -> Option<&mut Node> {
        let node = *self.handles.get(&handle)?;
        self.nodes.get_mut(node)
    }

    fn find(&self, path: &str) -> Option<usize> {
        let mut node = ROOT;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let Node::Folder(folder) = &self.nodes[node] else {
                return None;
            };
            node = *folder.visible.get(name)?;
        }
        Some(node)
    }

    fn place(&self, path: &str) -> Result<(usize, String), String> {
        let (above, name) = split(path);
        let folder = self.find(above).ok_or_else(|| no_such(above))?;
        Ok((folder, name.to_owned()))
    }

    /// What processes see: what a process that is killed leaves.
    pub fn visible(&self) -> Tree {
        let names = |node: usize| match &self.nodes[node] {
            Node::Folder(folder) => folder.visible.clone(),
            Node::File(_) => BTreeMap::new(),
        };
        self.tree(&names, &|file| file.visible.clone())
    }

    /// What a power loss leaves.
    pub fn after(&self, loss: &Loss) -> Tree {
        let mut folders = BTreeMap::new();
        for (node, content) in self.nodes.iter().enumerate() {
            if let Node::Folder(folder) = content {
                folders.insert(node, folder.durable.clone());
            }
        }
        for (nth, name) in self.names.iter().enumerate() {
            if loss.names.keeps(nth, self.names.len(), name.at)
                && let Some(names) = folders.get_mut(&name.folder)
            {
                name.change.apply(names);
            }
        }
        let names = |node: usize| folders.get(&node).cloned().unwrap_or_default();
        self.tree(&names, &|file| file.after(loss))
    }

    fn tree(
        &self,
        names: &dyn Fn(usize) -> BTreeMap<String, usize>,
        content: &dyn Fn(&File) -> Vec<u8>,
    ) -> Tree {
        let mut tree = Tree::default();
        let mut open = vec![(ROOT, String::new())];
        while let Some((node, prefix)) = open.pop() {
            for (name, node) in names(node) {
                let path = format!("{prefix}{name}");
                match &self.nodes[node] {
                    Node::File(file) => {
                        tree.entries.insert(path, Some(content(file)));
                    }
                    Node::Folder(_) => {
                        open.push((node, format!("{path}/")));
                        tree.entries.insert(path, None);
                    }
                }
            }
        }
        tree
    }

    /// The paths of files and folders of which a sync has not covered everything, of those that are named by now.
    pub fn uncovered(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut open = vec![(ROOT, String::new())];
        while let Some((node, path)) = open.pop() {
            match &self.nodes[node] {
                Node::File(file) if !file.pending.is_empty() => {
                    found.insert(path);
                }
                Node::File(_) => {}
                Node::Folder(folder) => {
                    if self.names.iter().any(|name| name.folder == node) {
                        found.insert(format!("{path}/"));
                    }
                    let below = |(name, node): (&String, &usize)| {
                        let slash = if path.is_empty() { "" } else { "/" };
                        (*node, format!("{path}{slash}{name}"))
                    };
                    open.extend(folder.visible.iter().map(below));
                }
            }
        }
        found
    }

    /// The numbers of the operations that no sync has covered: those on files, and those on names.
    pub fn pending(&self) -> (Vec<usize>, Vec<usize>) {
        let files = self.nodes.iter().filter_map(|node| match node {
            Node::File(file) => Some(file.pending.iter().map(|pending| pending.at)),
            Node::Folder(_) => None,
        });
        let mut files: Vec<usize> = files.flatten().collect();
        files.sort_unstable();
        (files, self.names.iter().map(|name| name.at).collect())
    }
}

impl File {
    fn after(&self, loss: &Loss) -> Vec<u8> {
        let mut content = self.durable.clone();
        let mut applying = Applying::of(&mut content, loss);
        for pending in &self.pending {
            applying.apply(pending);
        }
        content
    }

    /// What is durable and what came since: it differs from what is visible where a sync failed before.
    fn visible_but_for_failures(&self) -> Vec<u8> {
        self.after(&KEEP)
    }
}

impl Naming {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Put { name, node } => {
                names.insert(name.clone(), *node);
            }
            Self::Take { name } => {
                names.remove(name);
            }
            Self::Move { from, to, node } => {
                // What was there under the old name may have been another by then.
                if names.get(from) == Some(node) {
                    names.remove(from);
                }
                names.insert(to.clone(), *node);
            }
        }
    }
}

const KEEP: Loss = Loss::nothing();

/// Writes what a loss keeps.
struct Applying<'a> {
    content: &'a mut Vec<u8>,
    loss: &'a Loss,
    /// Sectors of which a write was lost: what came later did not reach them either.
    lost: BTreeSet<u64>,
}

impl<'a> Applying<'a> {
    fn of(content: &'a mut Vec<u8>, loss: &'a Loss) -> Self {
        Self {
            content,
            loss,
            lost: BTreeSet::new(),
        }
    }

    fn apply(&mut self, pending: &Pending) {
        match &pending.change {
            Change::Length(length) => {
                if self.loss.bytes.keeps(pending.at, 0, 1) {
                    self.resize(*length);
                    self.lost.retain(|sector| sector * SECTOR_BYTES < *length);
                }
            }
            Change::Write { offset, bytes } => self.write(pending.at, *offset, bytes),
        }
    }

    fn write(&mut self, at: usize, offset: u64, bytes: &[u8]) {
        let end = offset + bytes.len() as u64;
        let first = offset / SECTOR_BYTES;
        let sectors = end.div_ceil(SECTOR_BYTES) - first;
        for nth in 0..sectors {
            let sector = first + nth;
            if self.lost.contains(&sector) || !self.loss.bytes.keeps(at, nth, sectors) {
                self.lost.insert(sector);
                continue;
            }
            let from = (sector * SECTOR_BYTES).max(offset);
            let to = ((sector + 1) * SECTOR_BYTES).min(end);
            if (self.content.len() as u64) < to {
                self.resize(to);
            }
            let piece = &bytes[index(from - offset)..index(to - offset)];
            self.content[index(from)..index(to)].copy_from_slice(piece);
        }
        if self.loss.lengths_are_kept && (self.content.len() as u64) < end {
            self.resize(end);
        }
    }

    /// Cuts, or fills with what lies on the disk where nothing was written.
    fn resize(&mut self, length: u64) {
        let before = self.content.len();
        self.content.resize(index(length), 0);
        if let Hole::Junk(seed) = self.loss.hole
            && before < self.content.len()
        {
            let mut dice = crate::dice::Dice::of(seed, length);
            for byte in &mut self.content[before..] {
                *byte = dice.draw().to_le_bytes()[0];
            }
        }
    }
}

/// Files of a test fit into memory.
fn index(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

fn no_such(path: &str) -> String {
    format!("there is no `{path}`")
}
