//! Whether a rule matches, condition by condition.

use crate::conflict::{Entry, Kind, Shown};
use crate::field::path_of;
use crate::path::FieldPath;
use crate::policy::{Authors, authors_of};
use crate::rules::{Rule, ValueType};

/// What rules are held against: an entry, or what one would be like.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    /// The collection of the record.
    pub collection: String,
    /// The field; none where the whole record is contested.
    pub field: Option<FieldPath>,
    /// What kind of overlap it is.
    pub kind: Kind,
    /// The types of what the sides want, each once; none where that is not known yet.
    pub types: Option<Vec<ValueType>>,
    /// How the sides came about; none where that is not known yet.
    pub history: Option<Writers>,
}

/// Who wrote, and how often.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Writers {
    /// Writes of the episode.
    pub edits: usize,
    /// Devices that made them.
    pub devices: usize,
    /// Who made each candidate.
    pub candidates: Vec<Writer>,
}

/// Who made a candidate, as far as the membership log knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Writer {
    /// The verified roles of all who want it.
    pub roles: Vec<String>,
    /// Whether the owner is among them.
    pub owner: bool,
}

impl Subject {
    /// What rules see of an entry.
    pub fn of(collection: &str, entry: &Entry, authors: &dyn Authors) -> Self {
        let mut types = Vec::new();
        for candidate in &entry.candidates {
            if let Shown::Value(value) = &candidate.shown
                && let Some(found) = ValueType::of(value)
                && !types.contains(&found)
            {
                types.push(found);
            }
        }
        let mut devices: Vec<_> = entry
            .members
            .iter()
            .map(|member| member.operation.actor.device_prefix())
            .collect();
        devices.sort_unstable();
        devices.dedup();
        let candidates = (0..entry.candidates.len()).map(|n| {
            let wrote = authors_of(entry, n);
            let roles = wrote.iter().filter_map(|actor| authors.role(*actor));
            let mut roles: Vec<_> = roles.map(str::to_owned).collect();
            roles.sort_unstable();
            roles.dedup();
            Writer {
                roles,
                owner: wrote.iter().any(|actor| authors.is_owner(*actor)),
            }
        });
        Self {
            collection: collection.to_owned(),
            field: path_of(&entry.register),
            kind: entry.kind,
            types: Some(types),
            history: Some(Writers {
                edits: entry.members.len(),
                devices: devices.len(),
                candidates: candidates.collect(),
            }),
        }
    }
}

/// A condition of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    Kind,
    Policy,
    Collection,
    Path,
    Type,
    Edits,
    Candidates,
    Devices,
    SomeRole,
    EveryRole,
    OwnerWrote,
}

/// Why a rule does not match, or may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Misfit {
    /// It does not.
    No(Condition),
    /// That depends on what is not known yet.
    Depends(Condition),
}

impl Rule {
    /// Whether the rule matches; the first condition that does not hold is why not.
    pub(super) fn fit(&self, subject: &Subject) -> Result<(), Misfit> {
        let known = [
            (Condition::Kind, self.fits_kind(subject)),
            (Condition::Policy, self.policy.decides(subject.kind)),
            (Condition::Collection, self.fits_collection(subject)),
            (Condition::Path, self.fits_path(subject)),
        ];
        if let Some((condition, _)) = known.into_iter().find(|(_, holds)| !holds) {
            return Err(Misfit::No(condition));
        }
        let mut depends = None;
        for (condition, asked, holds) in self.fits_history(subject) {
            match holds {
                _ if !asked => {}
                Some(true) => {}
                Some(false) => return Err(Misfit::No(condition)),
                None => depends = depends.or(Some(condition)),
            }
        }
        depends.map_or(Ok(()), |condition| Err(Misfit::Depends(condition)))
    }

    fn fits_kind(&self, subject: &Subject) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&subject.kind)
    }

    fn fits_collection(&self, subject: &Subject) -> bool {
        let name = &subject.collection;
        self.collections.is_empty() || self.collections.iter().any(|p| p.matches(name))
    }

    fn fits_path(&self, subject: &Subject) -> bool {
        self.paths.is_empty()
            || subject
                .field
                .as_ref()
                .is_some_and(|field| self.paths.iter().any(|p| p.matches(field)))
    }

    /// The conditions on what the sides are and how they came about: whether each is asked for, and holds.
    fn fits_history(&self, subject: &Subject) -> [(Condition, bool, Option<bool>); 7] {
        let types = subject
            .types
            .as_ref()
            .map(|types| !types.is_empty() && types.iter().all(|t| self.types.contains(t)));
        let history = subject.history.as_ref();
        let has_role = |writer: &Writer, roles: &[String]| {
            roles.iter().any(|role| writer.roles.contains(role))
        };
        let some = history.map(|history| {
            let mut writers = history.candidates.iter();
            writers.any(|writer| has_role(writer, &self.some_roles))
        });
        let every = history.map(|history| {
            let mut writers = history.candidates.iter();
            writers.all(|writer| has_role(writer, &self.every_role))
        });
        let owner = history.map(|history| {
            let wrote = history.candidates.iter().any(|writer| writer.owner);
            Some(wrote) == self.owner_wrote
        });
        [
            (Condition::Type, !self.types.is_empty(), types),
            (
                Condition::Edits,
                !self.edits.is_open(),
                history.map(|history| self.edits.has(history.edits)),
            ),
            (
                Condition::Candidates,
                !self.candidates.is_open(),
                history.map(|history| self.candidates.has(history.candidates.len())),
            ),
            (
                Condition::Devices,
                !self.devices.is_open(),
                history.map(|history| self.devices.has(history.devices)),
            ),
            (Condition::SomeRole, !self.some_roles.is_empty(), some),
            (Condition::EveryRole, !self.every_role.is_empty(), every),
            (Condition::OwnerWrote, self.owner_wrote.is_some(), owner),
        ]
    }
}
