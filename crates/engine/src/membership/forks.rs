//! Where feeds went on in two ways, as the log's accusations prove.
//!
//! A place is accused once two headers of one feed are known that have one number and follow the same header. Whatever
//! header stands at such a place begins a **branch**: it and all that follows from it has its place under the branch's
//! name instead of the feed's, never counts, and what rests on it does not either. So the feed ends before its first
//! accused place, on every device, whichever branch that device holds or wrote.

use std::collections::{BTreeMap, BTreeSet};

use driftless_protocol::{Accuse, FeedId, Hash, Header, SignedHeader};

/// A branch that an accusation names.
#[derive(Clone, Debug)]
pub(crate) struct Branch {
    /// The header it begins with.
    pub(crate) root: SignedHeader,
}

/// All accused places, and the branches that begin there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Forks {
    /// Feed, number, and the hash of the header before.
    places: BTreeSet<(FeedId, u64, Hash)>,
    branches: BTreeMap<FeedId, Branch>,
}

fn place_of(header: &Header) -> (FeedId, u64, Hash) {
    (header.feed, header.n, header.prev)
}

impl Forks {
    pub(super) fn add(&mut self, accuse: &Accuse) {
        for root in [&accuse.first, &accuse.second] {
            self.places.insert(place_of(&root.header));
            let name = root.header.feed.branch(&root.header.hash());
            let branch = Branch { root: root.clone() };
            self.branches.entry(name).or_insert(branch);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The accused places.
    pub(crate) fn places(&self) -> &BTreeSet<(FeedId, u64, Hash)> {
        &self.places
    }

    /// Whether a feed has an accused place.
    pub(crate) fn concern(&self, feed: &FeedId) -> bool {
        let mut of_feed = self.places.range((*feed, 0, Hash([0; 32]))..);
        of_feed.next().is_some_and(|(of, _, _)| of == feed)
    }

    /// Whether a header stands at an accused place, so that a branch begins with it.
    pub(crate) fn begins_at(&self, header: &Header) -> bool {
        self.places.contains(&place_of(header))
    }

    /// The branch of this name, where an accusation names it.
    pub(crate) fn branch(&self, name: &FeedId) -> Option<&Branch> {
        self.branches.get(name)
    }

    /// Some branch that begins where a header stands.
    pub(crate) fn beside(&self, header: &Header) -> Option<&Branch> {
        let mut branches = self.branches.values();
        branches.find(|branch| place_of(&branch.root.header) == place_of(header))
    }
}
