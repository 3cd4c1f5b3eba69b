//! Which change of a record knew of which: the only source of causality here.
//!
//! `pred` of an operation is not causality (a put after a delete replaces nothing, though it knew).

use std::collections::BTreeMap;

use crate::change::Change;
use crate::ids::{ActorId, ChangeHash};

/// A set of changes of one graph, by index.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Set {
    words: Vec<u64>,
}

impl Set {
    pub(crate) fn with_room(len: usize) -> Self {
        Self {
            words: vec![0; len.div_ceil(64)],
        }
    }

    pub(crate) fn insert(&mut self, index: usize) {
        self.words[index / 64] |= 1 << (index % 64);
    }

    pub(crate) fn contains(&self, index: usize) -> bool {
        self.words
            .get(index / 64)
            .is_some_and(|word| word >> (index % 64) & 1 == 1)
    }
}

/// What some change knew of: a set of changes of one graph, often all there were.
#[derive(Clone, Debug)]
pub(crate) struct Seen(Option<Set>);

impl Seen {
    pub(crate) fn contains(&self, index: usize) -> bool {
        self.0.as_ref().is_none_or(|past| past.contains(index))
    }
}

/// What the graph keeps of one change.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) hash: ChangeHash,
    pub(crate) actor: ActorId,
    pub(crate) seq: u64,
    pub(crate) max_op: u64,
    /// When it was made, as it claims.
    pub(crate) time: i64,
    pub(crate) deps: Vec<usize>,
    /// How many changes directly knew of it.
    pub(crate) children: u32,
}

/// The changes of one record and their dependencies, in an order in which every change follows its past.
#[derive(Clone, Debug, Default)]
pub(crate) struct ChangeGraph {
    nodes: Vec<Node>,
    index: BTreeMap<ChangeHash, usize>,
    last_seq: BTreeMap<ActorId, u64>,
    heads: Vec<usize>,
    max_op: u64,
}

/// What a change made at some heads must continue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Continues {
    /// The largest sequence number of the actor in that past; 0 if none.
    pub(crate) seq: u64,
    /// The largest operation counter in that past; 0 if none.
    pub(crate) max_op: u64,
}

impl ChangeGraph {
    /// That of some changes, each after its past; dependencies that are none of them are left out.
    pub(crate) fn of(changes: &[Change]) -> Self {
        let mut graph = Self::default();
        for change in changes {
            graph.push(Link::of(change));
        }
        graph
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn contains(&self, hash: &ChangeHash) -> bool {
        self.index.contains_key(hash)
    }

    /// The hashes of the heads, sorted.
    pub(crate) fn heads(&self) -> Vec<ChangeHash> {
        let mut heads: Vec<_> = self.heads.iter().map(|&n| self.nodes[n].hash).collect();
        heads.sort_unstable();
        heads
    }

    /// The places of the heads.
    pub(crate) fn head_places(&self) -> impl Iterator<Item = usize> + '_ {
        self.heads.iter().copied()
    }

    /// The places of the changes that the one at a place directly knew of.
    pub(crate) fn deps_of(&self, place: usize) -> &[usize] {
        &self.nodes[place].deps
    }

    /// How many changes directly knew of the one at a place.
    pub(crate) fn children_of(&self, place: usize) -> u32 {
        self.nodes[place].children
    }

    /// The hash of the change at a place.
    pub(crate) fn hash_at(&self, place: usize) -> ChangeHash {
        self.nodes[place].hash
    }

    /// Who made the change at a place.
    pub(crate) fn actor_at(&self, place: usize) -> ActorId {
        self.nodes[place].actor
    }

    /// When the change at a place was made, as it claims.
    pub(crate) fn time_at(&self, place: usize) -> i64 {
        self.nodes[place].time
    }

    /// The last sequence number of `actor`, whatever its place in the graph.
    pub(crate) fn last_seq(&self, actor: &ActorId) -> u64 {
        self.last_seq.get(actor).copied().unwrap_or(0)
    }

    /// The place of an actor's last change, if it made one.
    pub(crate) fn last_of(&self, actor: &ActorId) -> Option<usize> {
        let seq = self.last_seq.get(actor)?;
        let is_it = |node: &Node| node.actor == *actor && node.seq == *seq;
        self.nodes.iter().rposition(is_it)
    }

    /// The first of these hashes that is no change of this graph.
    pub(crate) fn first_missing(&self, hashes: &[ChangeHash]) -> Option<ChangeHash> {
        hashes.iter().find(|hash| !self.contains(hash)).copied()
    }

    /// Whether these hashes (all known, sorted) are exactly the heads.
    pub(crate) fn are_heads(&self, sorted: &[ChangeHash]) -> bool {
        self.heads.len() == sorted.len() && self.heads() == sorted
    }

    /// What a change with these dependencies (all known, sorted) knew of.
    pub(crate) fn seen(&self, deps: &[ChangeHash]) -> Seen {
        Seen((!self.are_heads(deps)).then(|| self.past(deps)))
    }

    /// The place of a change, if it is there.
    pub(crate) fn place(&self, hash: &ChangeHash) -> Option<usize> {
        self.index.get(hash).copied()
    }

    /// What a change of `actor` that knew of these continues.
    pub(crate) fn continues(&self, actor: &ActorId, seen: &Seen) -> Continues {
        let Seen(Some(past)) = seen else {
            return Continues {
                seq: self.last_seq(actor),
                max_op: self.max_op,
            };
        };
        let known = self.nodes.iter().enumerate();
        let mut found = Continues { seq: 0, max_op: 0 };
        for (_, node) in known.filter(|(n, _)| past.contains(*n)) {
            found.max_op = found.max_op.max(node.max_op);
            if node.actor == *actor {
                found.seq = found.seq.max(node.seq);
            }
        }
        found
    }

    /// These changes and everything they knew of.
    pub(crate) fn past(&self, hashes: &[ChangeHash]) -> Set {
        let mut past = Set::with_room(self.nodes.len());
        let mut open: Vec<usize> = hashes
            .iter()
            .filter_map(|h| self.index.get(h))
            .copied()
            .collect();
        while let Some(n) = open.pop() {
            if !past.contains(n) {
                past.insert(n);
                open.extend(&self.nodes[n].deps);
            }
        }
        past
    }

    /// Whether a change lies in a set of this graph.
    pub(crate) fn is_in(&self, set: &Set, hash: &ChangeHash) -> bool {
        self.index.get(hash).is_some_and(|&n| set.contains(n))
    }

    /// The hashes of the changes of a set that no other change of it knew of, sorted.
    pub(crate) fn heads_of(&self, set: &Set) -> Vec<ChangeHash> {
        let mut known = Set::with_room(self.nodes.len());
        let inside = || (0..self.nodes.len()).filter(|&n| set.contains(n));
        for dep in inside().flat_map(|n| &self.nodes[n].deps) {
            known.insert(*dep);
        }
        let heads = inside().filter(|&n| !known.contains(n));
        let mut heads: Vec<_> = heads.map(|n| self.nodes[n].hash).collect();
        heads.sort_unstable();
        heads
    }

    /// Adds a change whose dependencies are all known.
    pub(crate) fn push(&mut self, link: Link<'_>) {
        let n = self.nodes.len();
        let deps: Vec<usize> = link
            .deps
            .iter()
            .filter_map(|h| self.index.get(h))
            .copied()
            .collect();
        for &dep in &deps {
            self.nodes[dep].children += 1;
        }
        self.heads.retain(|head| !deps.contains(head));
        self.heads.push(n);
        self.index.insert(link.hash, n);
        self.max_op = self.max_op.max(link.max_op);
        let last = self.last_seq.entry(link.actor).or_insert(0);
        *last = (*last).max(link.seq);
        self.nodes.push(Node {
            hash: link.hash,
            actor: link.actor,
            seq: link.seq,
            max_op: link.max_op,
            time: link.time,
            deps,
            children: 0,
        });
    }
}

/// What a change says of its place in the graph.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link<'a> {
    pub(crate) hash: ChangeHash,
    pub(crate) actor: ActorId,
    pub(crate) seq: u64,
    pub(crate) max_op: u64,
    pub(crate) time: i64,
    pub(crate) deps: &'a [ChangeHash],
}

impl<'a> Link<'a> {
    pub(crate) fn of(change: &'a Change) -> Self {
        Self {
            hash: change.hash,
            actor: change.actor,
            seq: change.seq,
            max_op: change.max_op(),
            time: change.time,
            deps: &change.deps,
        }
    }
}

#[cfg(test)]
impl ChangeGraph {
    /// A graph of changes each given by its device and by the numbers of the changes that it directly knew of.
    pub(crate) fn of_numbers<'a>(changes: impl Iterator<Item = (u8, &'a [usize])>) -> Self {
        let hash = |n: usize| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&(n as u64).to_be_bytes());
            ChangeHash(bytes)
        };
        let mut graph = Self::default();
        for (n, (device, deps)) in changes.enumerate() {
            let deps: Vec<_> = deps.iter().map(|&dep| hash(dep)).collect();
            graph.push(Link {
                hash: hash(n),
                actor: ActorId([device; 16]),
                seq: n as u64 + 1,
                max_op: n as u64 + 1,
                time: 0,
                deps: &deps,
            });
        }
        graph
    }
}
