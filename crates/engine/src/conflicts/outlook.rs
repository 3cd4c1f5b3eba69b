//! What becomes of two edits that are made apart, by the field's type and the rules in force.
//!
//! What depends on values, authors or clocks that nobody knows yet is said to depend on them; it is never guessed.

use driftless_document::{FieldPath, FieldType, Kind, Policy, Status, Subject, Value, ValueType};

use crate::rules::InForce;

/// What becomes of two edits that do not know of each other, where each gives the field a value of the type it has.
#[derive(Clone, Debug, PartialEq)]
pub struct Outlook {
    /// What is done here.
    pub ours: Deed,
    /// What is done there.
    pub theirs: Deed,
    /// What becomes of both.
    pub fate: Fate,
    /// The rule that matches, counted from 0; none where none does, or nothing is left for rules.
    pub rule: Option<usize>,
    /// The policy that follows; none where nothing is left for rules, or which one matches depends on the edits.
    pub policy: Option<Policy>,
}

/// What somebody does to a field or its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Deed {
    /// Gives the field a value.
    Set,
    /// Gives the field the very value that the other side gives it.
    SetSame,
    /// Empties the field.
    Unset,
    /// Edits another field of the record.
    SetOther,
    /// Adds to the counter, or takes away from it.
    Increment,
    /// Edits a text or list in one place.
    EditHere,
    /// Edits a text or list in another place.
    EditElsewhere,
    /// Puts new elements into the list.
    Insert,
    /// Gives an element of the list another value, the one that the other side writes.
    PutElement,
    /// Removes that element of the list.
    RemoveElement,
    /// Adds a member to the set.
    Add,
    /// Removes that member from the set.
    RemoveMember,
    /// Deletes the record.
    DeleteRecord,
}

/// What becomes of two edits. Complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Both take effect, and there is nothing to log.
    Merged,
    /// Both want the same: there is nothing to log.
    Agreed,
    /// Both are in the log, and the field's type says what is shown.
    MergedByType,
    /// Both are in the log, and the policy picks what is shown.
    DecidedByPolicy,
    /// Both are in the log; the policy picks what is shown where it tells the two apart, and otherwise a person decides.
    PolicyOrPerson,
    /// Both are in the log; which rule matches, and so who decides, depends on how the edits come about.
    DependsOnEdits,
    /// Both are in the log, one is shown, and a person decides.
    Open,
}

impl Fate {
    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Merged => "merged",
            Self::Agreed => "agreed",
            Self::MergedByType => "merged_by_type",
            Self::DecidedByPolicy => "decided_by_policy",
            Self::PolicyOrPerson => "policy_or_person",
            Self::DependsOnEdits => "depends_on_edits",
            Self::Open => "open",
        }
    }

    /// What the status of the entry can be; nothing where there is no entry.
    pub fn statuses(self) -> &'static [Status] {
        match self {
            Self::Merged | Self::Agreed => &[],
            Self::MergedByType | Self::DecidedByPolicy => &[Status::AutoMerged],
            Self::PolicyOrPerson | Self::DependsOnEdits => &[Status::AutoMerged, Status::Open],
            Self::Open => &[Status::Open],
        }
    }

    /// Whether rules have a say in it.
    pub(super) fn is_for_rules(self) -> bool {
        matches!(
            self,
            Self::DecidedByPolicy | Self::PolicyOrPerson | Self::DependsOnEdits | Self::Open
        )
    }
}

impl Deed {
    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Set => "set",
            Self::SetSame => "set_same",
            Self::Unset => "unset",
            Self::SetOther => "set_other",
            Self::Increment => "increment",
            Self::EditHere => "edit_here",
            Self::EditElsewhere => "edit_elsewhere",
            Self::Insert => "insert",
            Self::PutElement => "put_element",
            Self::RemoveElement => "remove_element",
            Self::Add => "add",
            Self::RemoveMember => "remove_member",
            Self::DeleteRecord => "delete_record",
        }
    }

    fn leaves_nothing(self) -> bool {
        matches!(self, Self::Unset | Self::RemoveElement)
    }
}

/// A field, or a record, as rules see it before it is edited apart.
pub(super) struct Foresight<'a> {
    pub(super) rules: &'a InForce,
    pub(super) collection: &'a str,
    /// None for the record as a whole.
    pub(super) field: Option<FieldPath>,
    /// The type of what the field holds, or of all elements of the list; none where that is not known.
    pub(super) value_type: Option<ValueType>,
}

impl Foresight<'_> {
    pub(super) fn of_record(&self) -> Vec<Outlook> {
        vec![
            self.contested(Deed::DeleteRecord, Deed::SetOther, Kind::RecordDeleted),
            self.contested(Deed::SetOther, Deed::DeleteRecord, Kind::RecordDeleted),
            certain(Deed::DeleteRecord, Deed::DeleteRecord, Fate::Agreed),
        ]
    }

    pub(super) fn of_field(&self, field_type: FieldType) -> Vec<Outlook> {
        let element = |ours, theirs| self.contested(ours, theirs, Kind::ListElement);
        let (ours, mut outlooks) = match field_type {
            FieldType::Counter => (
                Deed::Increment,
                vec![certain(Deed::Increment, Deed::Increment, Fate::Merged)],
            ),
            FieldType::Text => (
                Deed::EditHere,
                vec![
                    certain(Deed::EditHere, Deed::EditElsewhere, Fate::Merged),
                    certain(Deed::EditHere, Deed::EditHere, Fate::MergedByType),
                ],
            ),
            FieldType::List => (
                Deed::Insert,
                vec![
                    certain(Deed::Insert, Deed::Insert, Fate::Merged),
                    element(Deed::PutElement, Deed::PutElement),
                    element(Deed::PutElement, Deed::RemoveElement),
                    certain(Deed::RemoveElement, Deed::RemoveElement, Fate::Agreed),
                ],
            ),
            FieldType::Set => (
                Deed::Add,
                vec![
                    certain(Deed::Add, Deed::Add, Fate::Merged),
                    certain(Deed::Add, Deed::RemoveMember, Fate::MergedByType),
                    certain(Deed::RemoveMember, Deed::RemoveMember, Fate::Agreed),
                ],
            ),
            _ => (
                Deed::Set,
                vec![
                    self.contested(Deed::Set, Deed::Set, Kind::PutPut),
                    certain(Deed::Set, Deed::SetSame, Fate::Agreed),
                    self.contested(Deed::Set, Deed::Unset, Kind::PutDelete),
                    certain(Deed::Unset, Deed::Unset, Fate::Agreed),
                ],
            ),
        };
        outlooks.push(certain(ours, Deed::SetOther, Fate::Merged));
        outlooks.push(self.contested(ours, Deed::DeleteRecord, Kind::RecordDeleted));
        outlooks
    }

    /// What rules make of an entry of this kind between two edits.
    fn contested(&self, ours: Deed, theirs: Deed, kind: Kind) -> Outlook {
        let of_record = kind == Kind::RecordDeleted;
        let types = self.value_type.map(|found| vec![found]);
        let walk = self.rules.rules().explain(&Subject {
            collection: self.collection.to_owned(),
            field: self.field.clone().filter(|_| !of_record),
            kind,
            types: if of_record { Some(Vec::new()) } else { types },
            history: None,
        });
        let leaves_nothing = ours.leaves_nothing() || theirs.leaves_nothing();
        let policy = walk.policy.as_ref();
        Outlook {
            ours,
            theirs,
            fate: policy.map_or(Fate::DependsOnEdits, |policy| {
                self.fate(policy, kind, leaves_nothing)
            }),
            rule: walk.rule,
            policy: walk.policy,
        }
    }

    /// What a policy makes of two sides, of which one may want nothing to be there.
    fn fate(&self, policy: &Policy, kind: Kind, leaves_nothing: bool) -> Fate {
        let of_values = matches!(
            policy,
            Policy::Max
                | Policy::Min
                | Policy::AnyTrue
                | Policy::AllTrue
                | Policy::Longest
                | Policy::Rank(_)
        );
        match policy {
            Policy::Review => Fate::Open,
            Policy::Custom(name) if !self.rules.has_custom(name) => Fate::Open,
            // No policy takes an element out of a list.
            _ if kind == Kind::ListElement && leaves_nothing && !of_values => Fate::PolicyOrPerson,
            _ if leaves_nothing && of_values => Fate::Open,
            Policy::EditWins
            | Policy::DeleteWins
            | Policy::FirstEdit
            | Policy::MostEdits
            | Policy::Latest => Fate::DecidedByPolicy,
            Policy::Max | Policy::Min => self.of_types(&[
                ValueType::Bool,
                ValueType::Int,
                ValueType::Float,
                ValueType::String,
                ValueType::Timestamp,
            ]),
            Policy::AnyTrue | Policy::AllTrue => self.of_types(&[ValueType::Bool]),
            Policy::Longest => self.of_types(&[ValueType::String, ValueType::Bytes]),
            // Who writes what is not known.
            _ => Fate::PolicyOrPerson,
        }
    }

    /// The fate under a policy that tells values of these types apart, and no others.
    fn of_types(&self, types: &[ValueType]) -> Fate {
        match self.value_type {
            None => Fate::PolicyOrPerson,
            Some(found) if types.contains(&found) => Fate::DecidedByPolicy,
            Some(_) => Fate::Open,
        }
    }
}

/// The type of a value, or of all elements of a list.
pub(super) fn value_type(shown: Option<&Value>) -> Option<ValueType> {
    match shown? {
        Value::List(elements) => {
            let first = elements.first().and_then(ValueType::of)?;
            let is_first = |element| ValueType::of(element) == Some(first);
            elements.iter().all(is_first).then_some(first)
        }
        value => ValueType::of(value),
    }
}

fn certain(ours: Deed, theirs: Deed, fate: Fate) -> Outlook {
    Outlook {
        ours,
        theirs,
        fate,
        rule: None,
        policy: None,
    }
}
