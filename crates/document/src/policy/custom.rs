//! Policies that a program brings along.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::Authors;
use crate::conflict::{Candidate, Entry, Kind, Shown};
use crate::quiet;

/// What a custom policy is shown. It holds nothing but what is equal on every device.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CustomInput<'a> {
    /// The collection of the record.
    pub collection: &'a str,
    /// The key of the register that is contested.
    pub register: &'a str,
    /// What kind of overlap it is.
    pub kind: Kind,
    /// What the register read before the edits.
    pub base: &'a [Shown],
    /// What can be picked.
    pub candidates: &'a [Candidate],
    /// The verified role of each candidate's author, in the same order.
    pub roles: Vec<Option<&'a str>>,
}

/// A policy of a program: which candidate is shown, counted from 0, or none to leave it to a person.
///
/// It must be a pure function of its input: no clock, no randomness, no settings of the device. Otherwise two devices
/// show different things. One that panics, or picks what there is not, has picked nothing.
pub type CustomPolicy = Arc<dyn Fn(&CustomInput<'_>) -> Option<usize> + Send + Sync>;

/// The custom policies that are installed here, by name.
#[derive(Clone, Default)]
pub struct Customs {
    functions: BTreeMap<String, CustomPolicy>,
}

impl Customs {
    /// Installs a policy under a name, in place of one that had it.
    pub fn install(&mut self, name: impl Into<String>, policy: CustomPolicy) {
        self.functions.insert(name.into(), policy);
    }

    /// Whether there is one of this name.
    pub fn has(&self, name: &str) -> bool {
        self.functions.contains_key(name)
    }

    /// What the policy of this name picks; none where it is not installed, too.
    pub fn pick(
        &self,
        name: &str,
        collection: &str,
        entry: &Entry,
        authors: &dyn Authors,
    ) -> Option<usize> {
        let function = self.functions.get(name)?;
        if entry.is_merged_by_type() {
            return None;
        }
        let input = CustomInput {
            collection,
            register: &entry.register,
            kind: entry.kind,
            base: &entry.base,
            candidates: &entry.candidates,
            roles: entry
                .candidates
                .iter()
                .map(|candidate| authors.role(candidate.actor()))
                .collect(),
        };
        let picked = quiet::catch(|| function(&input)).ok().flatten();
        picked.filter(|&n| n < entry.candidates.len())
    }
}

impl fmt::Debug for Customs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.functions.keys()).finish()
    }
}
