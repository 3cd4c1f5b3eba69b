//! `driftless conflicts show`: one entry with all there is to know, its sides next to each other.

use driftless::{Choice, Conflict, Kind, Status};
use serde_json::Value as Json;

use crate::conflict_table::{DELETED, is_absent, shown};
use crate::failure::Failure;
use crate::output::{Output, clean};
use crate::sides::{COLUMNS_OF_NO_TERMINAL, Layout, Paint, Said, Side, Sides, lay_out};
use crate::time_text;

/// Characters of JSON that stand on one line; more are spread over several.
const JSON_ON_A_LINE: usize = 40;

/// Prints one entry.
pub(super) fn print(output: &mut Output, conflict: &Conflict, full: bool) -> Result<(), Failure> {
    if output.json() {
        return output.object(&conflict.to_json());
    }
    output.line(&format!("conflict {}", conflict.id()))?;
    output.line(&format!(
        "{} of {} {}: {}, {}",
        match conflict.path() {
            DELETED => "the record itself".to_owned(),
            path => clean(path),
        },
        clean(conflict.collection()),
        conflict.record(),
        in_words(conflict.kind()),
        standing(conflict.status()),
    ))?;
    output.line("")?;
    let layout = Layout {
        columns: output.width().unwrap_or(COLUMNS_OF_NO_TERMINAL),
        paint: if output.colors() {
            Paint::Colors
        } else {
            Paint::Signs
        },
        full,
    };
    let laid_out = lay_out(&sides(conflict), layout);
    laid_out
        .lines
        .iter()
        .try_for_each(|line| output.line(line))?;
    if laid_out.is_short {
        output.line("")?;
        output.line("What is long is left out in part; --full shows all of it.")?;
    }
    match conflict.resolved() {
        None => Ok(()),
        Some(choice) => {
            output.line("")?;
            output.line(&format!(
                "{} decided it: {}",
                by(&choice),
                shown(conflict, &choice.value)
            ))
        }
    }
}

/// The entry's sides in words.
fn sides(conflict: &Conflict) -> Sides {
    let said = |value: &Json| said(conflict, value);
    let sides = conflict.candidates().into_iter().map(|choice| Side {
        said: said(&choice.value),
        by: by(&choice),
    });
    Sides {
        base: conflict.base().iter().map(said).collect(),
        sides: sides.collect(),
    }
}

fn by(choice: &Choice) -> String {
    let device = choice.author.device_name.as_deref();
    let device = clean(device.unwrap_or("an unknown device"));
    let when = time_text::minutes(choice.author.time_ms);
    format!("{device}, {when}")
}

/// A value as a person reads it: nothing reads the same as something else.
fn said(conflict: &Conflict, value: &Json) -> Said {
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
