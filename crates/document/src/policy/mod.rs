//! Policies: how a contested field is shown where nobody has decided yet.
//!
//! A [`Policy`] picks one of an entry's candidates, or none: then it falls to `review`, which means that Automerge's
//! own pick is shown and the entry stays open for a person. What it picks is a function of the entry and of
//! [`Authors`], so every device that holds the same picks the same; nothing is ever written for it. Which policy an
//! entry gets is for [`Rules`](crate::Rules) to say, what becomes of the entry for [`Entry::verdict`].
//!
//! Where two candidates are as good as each other, the one with the greatest (counter, actor) is picked, as Automerge
//! does by itself; `first_edit` alone takes the smallest. By whom an edit was made tells no two editors apart:
//! `prefer_role` and `prefer_owner` pick nothing where the best authors want different things.

mod authors;
mod custom;
mod pick;

pub use authors::{Authors, NoAuthors, ROLES};
pub use custom::{CustomInput, CustomPolicy, Customs};
pub(crate) use pick::authors_of;

use crate::conflict::{Entry, Kind, Shown};
use crate::value::Value;

/// What picks the side of an entry that is shown while nobody has decided it.
#[derive(Clone, Debug, PartialEq, Default)]
#[non_exhaustive]
pub enum Policy {
    /// Nothing is picked: Automerge's own pick is shown, the same everywhere, and the entry stays open for a person.
    #[default]
    Review,
    /// The greatest of numbers, times, texts (by code points) or truth values.
    Max,
    /// The smallest of them.
    Min,
    /// True where a side says true.
    AnyTrue,
    /// True where all sides say true.
    AllTrue,
    /// The text with the most characters, or the bytes that are most.
    Longest,
    /// The value that stands first in this list; all sides must be in it.
    Rank(Vec<Value>),
    /// The side that says it was written first.
    FirstEdit,
    /// The side whose device wrote most often; of a record, the side with more writes.
    MostEdits,
    /// The side whose author has the role that stands first in this list.
    PreferRole(Vec<String>),
    /// The side whose author is the owner.
    PreferOwner,
    /// The side that says it was written last.
    Latest,
    /// What the function of this name picks, where the program has installed one.
    Custom(String),
    /// Of a record that was deleted on one side: it is kept.
    EditWins,
    /// Of a record that was deleted on one side: it is deleted.
    DeleteWins,
}

impl Policy {
    /// The stable name, without what it is given: `rank`, not its list.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Review => "review",
            Self::Max => "max",
            Self::Min => "min",
            Self::AnyTrue => "any_true",
            Self::AllTrue => "all_true",
            Self::Longest => "longest",
            Self::Rank(_) => "rank",
            Self::FirstEdit => "first_edit",
            Self::MostEdits => "most_edits",
            Self::PreferRole(_) => "prefer_role",
            Self::PreferOwner => "prefer_owner",
            Self::Latest => "latest",
            Self::Custom(_) => "custom",
            Self::EditWins => "edit_wins",
            Self::DeleteWins => "delete_wins",
        }
    }

    /// Whether it can have something to say of entries of this kind: a rule with it passes over all others.
    ///
    /// Texts are merged by their type and integrity is for people, so no policy decides those.
    pub fn decides(&self, kind: Kind) -> bool {
        let of_values = matches!(kind, Kind::PutPut | Kind::PutDelete | Kind::ListElement);
        match self {
            Self::EditWins | Self::DeleteWins => kind == Kind::RecordDeleted,
            Self::Max
            | Self::Min
            | Self::AnyTrue
            | Self::AllTrue
            | Self::Longest
            | Self::Rank(_) => of_values,
            _ => of_values || kind == Kind::RecordDeleted,
        }
    }

    /// Which candidate it picks, counted from 0; none where it falls to `review`.
    ///
    /// A custom policy picks nothing here: [`Customs::pick`] asks its function.
    pub fn pick(&self, entry: &Entry, authors: &dyn Authors) -> Option<usize> {
        if !self.decides(entry.kind) || entry.is_merged_by_type() {
            return None;
        }
        match self {
            Self::Review | Self::Custom(_) => None,
            Self::Max => pick::extreme(entry, std::cmp::Ordering::Greater),
            Self::Min => pick::extreme(entry, std::cmp::Ordering::Less),
            Self::AnyTrue => pick::truth(entry, true),
            Self::AllTrue => pick::truth(entry, false),
            Self::Longest => pick::longest(entry),
            Self::Rank(order) => pick::ranked(entry, order),
            Self::FirstEdit => pick::first_edit(entry),
            Self::MostEdits => pick::most_edits(entry),
            Self::PreferRole(roles) => pick::preferred(entry, |actor| {
                let role = authors.role(actor)?;
                roles.iter().position(|preferred| preferred == role)
            }),
            Self::PreferOwner => {
                pick::preferred(entry, |actor| authors.is_owner(actor).then_some(0))
            }
            Self::Latest => pick::latest(entry),
            Self::EditWins => pick::side(entry, &Shown::Keep),
            Self::DeleteWins => pick::side(entry, &Shown::Absent),
        }
    }

    /// What it does, in words that end a sentence beginning with "it shows".
    pub fn in_words(&self) -> String {
        let text = match self {
            Self::Review => "what Automerge picks, and leaves the choice to a person",
            Self::Max => "the greatest value",
            Self::Min => "the smallest value",
            Self::AnyTrue => "true if any side says true",
            Self::AllTrue => "true only if all sides say true",
            Self::Longest => "the longest text",
            Self::Rank(order) => {
                let names: Vec<_> = order
                    .iter()
                    .map(|value| crate::json::value_to_json(value).to_string())
                    .collect();
                return format!("the value that stands first in {}", names.join(", "));
            }
            Self::FirstEdit => "the edit that says it was made first",
            Self::MostEdits => "the side that was edited most often",
            Self::PreferRole(roles) => {
                return format!(
                    "the edit of the author whose role stands first in {}",
                    roles.join(", ")
                );
            }
            Self::PreferOwner => "the edit of the owner",
            Self::Latest => "the edit that says it was made last",
            Self::Custom(name) => return format!("what the program's function `{name}` picks"),
            Self::EditWins => "the record, edited and not deleted",
            Self::DeleteWins => "the record as deleted",
        };
        text.to_owned()
    }
}
