//! `driftless conflicts show`: one entry with all there is to know, its sides next to each other.

use driftless::{Author, Conflict, ConflictReview, Kind, MemberAct, ReviewAction, Status};
use serde_json::Value as Json;

use crate::conflict_table::{DELETED, is_absent, is_fields, shown};
use crate::failure::Failure;
use crate::output::Output;
use crate::sides::{COLUMNS_OF_NO_TERMINAL, Layout, Paint, Said, Side, Sides, lay_out, paragraph};
use crate::table::Table;
use crate::time_text;

/// Characters of JSON that stand on one line; more are spread over several.
const JSON_ON_A_LINE: usize = 40;

/// Prints one entry.
pub(super) fn print(output: &mut Output, conflict: &Conflict, full: bool) -> Result<(), Failure> {
    if output.json() {
        return output.object(&conflict.to_json());
    }
    let layout = Layout {
        columns: output.width().unwrap_or(COLUMNS_OF_NO_TERMINAL),
        paint: if output.colors() {
            Paint::Colors
        } else {
            Paint::Signs
        },
        full,
    };
    let mut lines = Vec::new();
    for sentence in about(conflict) {
        lines.extend(paragraph(&sentence, layout.columns));
    }
    lines.push(String::new());
    let laid_out = lay_out(&sides(conflict), layout);
    lines.extend(laid_out.lines);
    if let Some(choice) = conflict.resolved() {
        let value = shown(conflict, &choice.value);
        lines.push(String::new());
        let sentence = format!("{} decided it: {value}", by(&choice.author));
        lines.extend(paragraph(&sentence, layout.columns));
    }
    for review in conflict.reviews() {
        if let Some(sentence) = reviewed(&review) {
            lines.push(String::new());
            lines.extend(paragraph(&sentence, layout.columns));
        }
    }
    if laid_out.is_short {
        lines.push(String::new());
        lines.push("What is long is left out in part; --full shows all of it.".to_owned());
    }
    lines.iter().try_for_each(|line| output.line(line))?;
    if full {
        output.line("")?;
        output.table(&members(conflict))?;
    }
    Ok(())
}

/// What it is about, a sentence a line.
fn about(conflict: &Conflict) -> [String; 3] {
    [
        format!("conflict {}", conflict.id()),
        format!("record {} {}", conflict.collection(), conflict.record()),
        format!(
            "{}: {}, {}",
            match conflict.path() {
                DELETED => "the record itself",
                path => path,
            },
            in_words(conflict.kind()),
            standing(conflict.status()),
        ),
    ]
}

/// What a person said of it beside deciding.
fn reviewed(review: &ConflictReview) -> Option<String> {
    let by = by(&review.author);
    match &review.what {
        ReviewAction::Acknowledge { note } => Some(format!(
            "{by} {}{}{note}",
            if review.stands {
                "acknowledged it"
            } else {
                "acknowledged it, and that does not stand any more"
            },
            if note.is_empty() { "" } else { ": " },
        )),
        ReviewAction::Reopen if review.stands => Some(format!("{by} took the decision back")),
        _ => None,
    }
}

/// Every write that took part, in their order.
fn members(conflict: &Conflict) -> Table {
    let mut table = Table::new(["WROTE", "VALUE", "DEVICE", "WHEN"])
        .keep_whole(0)
        .keep_whole(3);
    for member in conflict.members() {
        let value = match &member.act {
            MemberAct::Put(value) => shown(conflict, value),
            MemberAct::Text { deleted, inserted } => {
                let signs = [("[-", deleted, "-]"), ("{+", inserted, "+}")];
                let signs = signs.iter().filter(|(_, text, _)| !text.is_empty());
                let signs =
                    signs.flat_map(|(before, text, behind)| [before, text.as_str(), behind]);
                signs.collect()
            }
            _ => String::new(),
        };
        table.push([
            member.act.as_str(),
            &value,
            member.author.device_name.as_deref().unwrap_or("?"),
            &time_text::minutes(member.author.time_ms),
        ]);
    }
    table
}

/// The entry's sides in words.
fn sides(conflict: &Conflict) -> Sides {
    let said = |value: &Json| said(conflict, value);
    let sides = conflict.candidates().into_iter().map(|choice| Side {
        said: said(&choice.value),
        by: by(&choice.author),
    });
    Sides {
        base: conflict.base().iter().map(said).collect(),
        sides: sides.collect(),
    }
}

fn by(author: &Author) -> String {
    let device = author.device_name.as_deref();
    let device = device.unwrap_or("an unknown device");
    let when = time_text::minutes(author.time_ms);
    format!("{device}, {when}")
}

/// A value as a person reads it: nothing reads the same as something else.
fn said(conflict: &Conflict, value: &Json) -> Said {
    if is_fields(value) {
        return Said::Word("(fields below it)");
    }
    match (is_absent(value), conflict.path() == DELETED) {
        (true, true) => Said::Word("(deleted)"),
        (false, true) => Said::Word("(kept)"),
        (true, false) => Said::Word("(absent)"),
        (false, false) => Said::Text(text(value)),
    }
}

fn text(value: &Json) -> String {
    match value {
        Json::String(text) => {
            // The number 5 and the text "5" are two sides that differ.
            let reads_as_json = serde_json::from_str::<Json>(text).is_ok();
            if reads_as_json || text.trim() != text || text.is_empty() {
                value.to_string()
            } else {
                text.clone()
            }
        }
        other => {
            let line = other.to_string();
            if line.chars().count() <= JSON_ON_A_LINE {
                line
            } else {
                format!("{other:#}")
            }
        }
    }
}

fn in_words(kind: Kind) -> &'static str {
    match kind {
        Kind::PutPut => "written on both sides",
        Kind::PutDelete => "written on one side, removed on the other",
        Kind::RecordDeleted => "deleted on one side, edited or restored on the other",
        Kind::Text => "one text, edited in one place on both sides",
        Kind::ListElement => "one element of a list, written on both sides",
        Kind::Integrity => "each side is sound, both together are not",
        // Of a later Driftless.
        other => other.as_str(),
    }
}

fn standing(status: Status) -> &'static str {
    match status {
        Status::Open => "to be decided",
        Status::Resolved => "decided",
        Status::Acknowledged => "may stay as it is",
        Status::AutoMerged => "merged by rule",
        Status::Agreed => "all sides agree",
        // Of a later Driftless.
        other => other.as_str(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_two_values_read_the_same() {
        let said = [
            json!(5),
            json!("5"),
            json!(null),
            json!("null"),
            json!(""),
            json!(" a "),
            json!("a"),
            json!("\"a\""),
            json!(true),
            json!("true"),
            json!([1, 2]),
            json!("[1,2]"),
        ]
        .map(|value| text(&value));
        assert_eq!(
            said,
            [
                "5",
                "\"5\"",
                "null",
                "\"null\"",
                "\"\"",
                "\" a \"",
                "a",
                "\"\\\"a\\\"\"",
                "true",
                "\"true\"",
                "[1,2]",
                "\"[1,2]\""
            ]
        );
        let long = json!({ "street": "Main Street 1", "city": "Bay St. Louis" });
        assert_eq!(text(&long).lines().count(), 4);
    }
}
