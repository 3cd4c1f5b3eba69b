//! Conflicts as a table: what was there, what each side made of it, and which device, when.

use std::collections::BTreeSet;

use driftless::Conflict;
use serde_json::Value as Json;

use crate::output::plain;
use crate::table::Table;
use crate::time_text;

/// The path of entries about a record as a whole.
pub(crate) const DELETED: &str = "$deleted";
/// Characters of an id that are shown at least.
const SHORTEST_ID: usize = 8;

/// A line for what was there before, then a line a candidate, with the number that `--keep` takes.
///
/// What the lines of an entry have in common, and its status, stands on the first. `record` says how a record
/// is called.
pub(crate) fn conflict_table(
    conflicts: &[Conflict],
    record: impl Fn(&Conflict) -> String,
) -> Table {
    let headers = [
        "CONFLICT", "RECORD", "FIELD", "N", "VALUE", "DEVICE", "WHEN",
    ];
    let ids = ShortIds::of(conflicts.iter().map(|conflict| conflict.id().to_string()));
    let mut table = Table::new(headers)
        .keep_whole(0)
        .keep_whole(3)
        .keep_whole(6);
    for conflict in conflicts {
        let field = field(conflict);
        let base: Vec<_> = conflict
            .base()
            .iter()
            .map(|value| shown(conflict, value))
            .collect();
        table.push([
            ids.short(&conflict.id().to_string()),
            &record(conflict),
            &field,
            "was",
            &base.join(" | "),
            "",
            conflict.status().as_str(),
        ]);
        for (n, choice) in conflict.candidates().into_iter().enumerate() {
            let device = choice.author.device_name.as_deref().unwrap_or("?");
            let when = time_text::minutes(choice.author.time_ms);
            table.push([
                "",
                "",
                "",
                &n.to_string(),
                &shown(conflict, &choice.value),
                device,
                &when,
            ]);
        }
    }
    table
}

/// How records are called where nothing better is known: by the beginning of their ids, behind the collection
/// where there are several.
pub(crate) fn record_names(conflicts: &[Conflict]) -> impl Fn(&Conflict) -> String {
    let ids = ShortIds::of(
        conflicts
            .iter()
            .map(|conflict| conflict.record().to_string()),
    );
    let collections: BTreeSet<_> = conflicts.iter().map(Conflict::collection).collect();
    let several = collections.len() > 1;
    move |conflict| {
        let id = conflict.record().to_string();
        let short = ids.short(&id);
        if several {
            format!("{} {short}", conflict.collection())
        } else {
            short.to_owned()
        }
    }
}

/// A value of an entry as a person reads it.
pub(crate) fn shown(conflict: &Conflict, value: &Json) -> String {
    if is_fields(value) {
        return "(fields below it)".to_owned();
    }
    match (is_absent(value), conflict.path() == DELETED) {
        (true, true) => "(deleted)".to_owned(),
        (false, true) => "(kept)".to_owned(),
        (true, false) => "(absent)".to_owned(),
        (false, false) => plain(value),
    }
}

/// Whether a value is the mark that stands for no value.
pub(crate) fn is_absent(value: &Json) -> bool {
    is_mark(value, "$absent")
}

/// Whether a value is the mark that stands for the fields below.
pub(crate) fn is_fields(value: &Json) -> bool {
    is_mark(value, "$fields")
}

fn is_mark(value: &Json, name: &str) -> bool {
    value
        .as_object()
        .is_some_and(|object| object.len() == 1 && object.get(name) == Some(&Json::Bool(true)))
}

/// How many characters of ids tell them apart.
pub(crate) struct ShortIds {
    length: usize,
}

impl ShortIds {
    pub(crate) fn of(ids: impl Iterator<Item = String>) -> Self {
        let sorted: BTreeSet<_> = ids.collect();
        let longest_in_common = sorted
            .iter()
            .zip(sorted.iter().skip(1))
            .map(|(one, next)| {
                one.bytes()
                    .zip(next.bytes())
                    .take_while(|(a, b)| a == b)
                    .count()
            })
            .max();
        Self {
            length: longest_in_common.map_or(SHORTEST_ID, |common| SHORTEST_ID.max(common + 1)),
        }
    }

    /// The beginning of an id, which has ASCII characters only.
    pub(crate) fn short<'a>(&self, id: &'a str) -> &'a str {
        id.get(..self.length).unwrap_or(id)
    }
}

/// What an entry is about, in a few words: the field, the member of a set, the place of an element now.
pub(crate) fn field(conflict: &Conflict) -> String {
    match (conflict.path(), conflict.member()) {
        (DELETED, _) => "(record)".into(),
        (path, None) => match conflict.index() {
            Some(index) => format!("{path}[{index}]"),
            None => path.into(),
        },
        (path, Some(member)) => format!("{path}={}", plain(&member)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_as_long_as_it_takes_to_tell_them_apart() {
        let short = |ids: &[&str]| -> Vec<String> {
            let short_ids = ShortIds::of(ids.iter().map(ToString::to_string));
            ids.iter()
                .map(|id| short_ids.short(id).to_owned())
                .collect()
        };
        assert_eq!(
            short(&["3f2a9c01-1111", "4f2a9c01-1111"]),
            ["3f2a9c01", "4f2a9c01"]
        );
        assert_eq!(
            short(&["01a2045d-6e56", "01a2045d-6f56"]),
            ["01a2045d-6e", "01a2045d-6f"]
        );
        assert_eq!(
            short(&["3f2a9c01-1111", "3f2a9c01-1111"]),
            ["3f2a9c01", "3f2a9c01"]
        );
        assert_eq!(short(&["abc"]), ["abc"]);
    }
}
