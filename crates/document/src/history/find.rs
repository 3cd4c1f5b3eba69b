//! Which state of a record a person means by a version, or by a change.

use std::collections::BTreeSet;

use super::{Heads, History, HistoryError, tally};
use crate::ids::{ChangeHash, Version};

/// Hexadecimal digits of a version.
const VERSION_DIGITS: usize = 32;
/// Hexadecimal digits of a change's hash.
const CHANGE_DIGITS: usize = 64;

impl History {
    /// The heads of the state that `name` names: a version or a change's hash, as a whole or the beginning that
    /// no other one here has. A change's hash names what its author saw after it.
    ///
    /// Looked through are the versions after each step of the history, those after each change as its author saw
    /// it, and those of `arrived`: the order in which the changes came here, each after its past, and so the
    /// versions that were shown here. All heads are changes of this history.
    pub fn find(
        &self,
        name: &str,
        arrived: &[ChangeHash],
    ) -> Result<Vec<ChangeHash>, HistoryError> {
        let no_such_version = || HistoryError::NoSuchVersion {
            name: name.to_owned(),
        };
        let beginning = Beginning::parse(name).ok_or_else(no_such_version)?;
        let mut found = BTreeSet::new();
        for change in &self.changes {
            let alone = vec![change.hash];
            tally::add(1);
            if beginning.fits(&change.hash.0) || beginning.fits(&Version::of(&alone).0) {
                found.insert(alone);
            }
        }
        self.find_along(0..self.changes.len(), &beginning, &mut found);
        let known = arrived.iter().filter_map(|hash| self.index.get(hash));
        self.find_along(known.copied(), &beginning, &mut found);
        let count = found.len();
        match (found.pop_first(), count) {
            (None, _) => Err(no_such_version()),
            (Some(heads), 1) => Ok(heads),
            _ => Err(HistoryError::AmbiguousVersion {
                name: name.to_owned(),
                count,
            }),
        }
    }

    /// Whether a name is that of one version or change as a whole, so that nothing else can fit it.
    pub fn is_whole_name(name: &str) -> bool {
        matches!(name.len(), VERSION_DIGITS | CHANGE_DIGITS)
    }

    /// The states that fit on the way through some changes.
    fn find_along(
        &self,
        order: impl Iterator<Item = usize>,
        beginning: &Beginning,
        found: &mut BTreeSet<Vec<ChangeHash>>,
    ) {
        let mut heads = Heads::default();
        for n in order {
            heads.push(&self.changes[n]);
            if beginning.fits(&heads.version().0) {
                found.insert(heads.sorted());
            }
        }
    }
}

/// The first hexadecimal digits of something.
struct Beginning(Vec<u8>);

impl Beginning {
    fn parse(name: &str) -> Option<Self> {
        if name.is_empty() || name.len() > CHANGE_DIGITS {
            return None;
        }
        let digit = |letter: char| letter.to_digit(16).and_then(|digit| digit.try_into().ok());
        name.chars().map(digit).collect::<Option<_>>().map(Self)
    }

    fn fits(&self, bytes: &[u8]) -> bool {
        let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
        self.0.len() <= bytes.len() * 2 && self.0.iter().copied().eq(digits.take(self.0.len()))
    }
}
