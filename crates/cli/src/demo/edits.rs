//! The edits of the demo: drawn from a seed, made on both devices while they do not see each other.

use driftless::{Collection, RecordId};
use serde_json::{Value as Json, json};

use super::random::Random;
use crate::failure::Failure;

/// One of the two devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Laptop,
    Phone,
}

impl Side {
    /// Its name, in the workspace too.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Laptop => "laptop",
            Self::Phone => "phone",
        }
    }
}

/// What the demo needs to know of an airport to edit it.
#[derive(Clone, Debug)]
pub(super) struct Airport {
    pub(super) id: RecordId,
    pub(super) iata: String,
    pub(super) name: String,
    pub(super) city: String,
}

impl Airport {
    fn text(&self, field: &str) -> &str {
        if field == "city" {
            &self.city
        } else {
            &self.name
        }
    }
}

/// One edit, and so one change.
#[derive(Clone, Debug)]
pub(super) struct Edit {
    pub(super) side: Side,
    pub(super) record: RecordId,
    pub(super) wish: Wish,
}

/// What an edit does.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Wish {
    Set { field: &'static str, value: String },
    Clear { field: &'static str },
    Delete,
}

/// A kind of meeting of edits.
#[derive(Clone, Copy, Debug)]
enum Meeting {
    OneSideOnly,
    DifferentFields,
    SameValue,
    SameField,
    SetAgainstClear,
    DeleteAgainstEdit,
}

/// How many records meet in which way.
const MEETINGS: [(Meeting, usize, &str); 6] = [
    (Meeting::OneSideOnly, 100, "edited on one device only"),
    (
        Meeting::DifferentFields,
        100,
        "edited on both, in different fields",
    ),
    (Meeting::SameValue, 10, "given the same new value on both"),
    (
        Meeting::SameField,
        32,
        "given different values in the same field",
    ),
    (
        Meeting::SetAgainstClear,
        4,
        "changed on one and emptied on the other",
    ),
    (
        Meeting::DeleteAgainstEdit,
        4,
        "deleted on one and edited on the other",
    ),
];

/// How many records are edited in which way, for people.
pub(super) fn described() -> impl Iterator<Item = (usize, &'static str)> {
    MEETINGS
        .into_iter()
        .map(|(_, records, words)| (records, words))
}

/// How many conflicts the edits of any seed make: a record in each.
pub(super) fn conflicts_drawn() -> u64 {
    MEETINGS
        .iter()
        .filter(|(meeting, ..)| {
            matches!(
                meeting,
                Meeting::SameField | Meeting::SetAgainstClear | Meeting::DeleteAgainstEdit
            )
        })
        .map(|(_, records, _)| *records as u64)
        .sum()
}

/// The edits of a seed; every record is edited in one way only.
pub(super) fn draw(seed: u64, airports: &[Airport]) -> Vec<Edit> {
    let mut random = Random::new(seed);
    let mut order: Vec<_> = airports.iter().collect();
    random.shuffle(&mut order);
    let mut airports = order.into_iter();
    let mut edits = Vec::new();
    for (meeting, records, _) in MEETINGS {
        for airport in airports.by_ref().take(records) {
            edits.extend(meet(meeting, airport, &mut random));
        }
    }
    edits
}

fn meet(meeting: Meeting, airport: &Airport, random: &mut Random) -> Vec<Edit> {
    let (one, other) = if random.below(2) == 0 {
        (Side::Laptop, Side::Phone)
    } else {
        (Side::Phone, Side::Laptop)
    };
    let fields = if random.below(2) == 0 {
        ["name", "city"]
    } else {
        ["city", "name"]
    };
    let edit = |side, wish| Edit {
        side,
        record: airport.id,
        wish,
    };
    let mut set = |side, field| {
        let value = new_text(side, airport.text(field), random);
        edit(side, Wish::Set { field, value })
    };
    match meeting {
        Meeting::OneSideOnly => vec![set(one, fields[0])],
        Meeting::DifferentFields => vec![set(one, fields[0]), set(other, fields[1])],
        Meeting::SameValue => {
            let first = set(one, fields[0]);
            let second = edit(other, first.wish.clone());
            vec![first, second]
        }
        Meeting::SameField => vec![set(one, fields[0]), set(other, fields[0])],
        Meeting::SetAgainstClear => {
            vec![
                set(one, fields[0]),
                edit(other, Wish::Clear { field: fields[0] }),
            ]
        }
        Meeting::DeleteAgainstEdit => vec![edit(one, Wish::Delete), set(other, fields[0])],
    }
}

/// A new text for a field; the devices use different words, so that two of them never agree by chance.
fn new_text(side: Side, old: &str, random: &mut Random) -> String {
    const WORDS: [[&str; 4]; 2] = [
        ["Regional", "County", "Memorial", "North"],
        ["Municipal", "Field", "Executive", "West"],
    ];
    let words = WORDS[usize::from(side == Side::Phone)];
    let word = words[random.below(words.len())];
    format!("{old} {word}").trim_start().to_owned()
}

impl Edit {
    /// Makes the edit; durable when it returns.
    pub(super) async fn make(&self, collection: &Collection) -> Result<(), Failure> {
        match &self.wish {
            Wish::Set { field, value } => {
                collection
                    .update(self.record, json!({ *field: value }))
                    .await?
            }
            Wish::Clear { field } => collection.unset(self.record, &[*field]).await?,
            Wish::Delete => collection.delete(self.record).await?,
        };
        Ok(())
    }

    /// What it wants, as a candidate of a conflict shows it.
    pub(super) fn value(&self) -> Json {
        match &self.wish {
            Wish::Set { value, .. } => json!(value),
            Wish::Clear { .. } | Wish::Delete => json!({ "$absent": true }),
        }
    }

    /// The field it is about, unless it is about the record as a whole.
    pub(super) fn field(&self) -> Option<&'static str> {
        match self.wish {
            Wish::Set { field, .. } | Wish::Clear { field } => Some(field),
            Wish::Delete => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn airports() -> Vec<Airport> {
        (0..300)
            .map(|n| Airport {
                id: RecordId::from_key("airports", &[&n.to_string()]),
                iata: format!("{n:03}"),
                name: format!("Airport {n}"),
                city: String::new(),
            })
            .collect()
    }

    #[test]
    fn equal_seeds_make_equal_edits() {
        let draw = |seed| format!("{:?}", draw(seed, &airports()));
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn forty_records_conflict_whatever_the_seed() {
        assert_eq!(conflicts_drawn(), 40);
        for seed in 0..20 {
            let edits = draw(seed, &airports());
            assert_eq!(edits.len(), 100 + 2 * 150);
            let records: BTreeSet<_> = edits.iter().map(|edit| edit.record).collect();
            assert_eq!(records.len(), 250);
        }
    }
}
