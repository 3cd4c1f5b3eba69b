//! Texts that people and programs give: paths, keys, JSON, rules, ids, links. What is read is written as it was meant,
//! and what is not is an error that can be shown.

use driftless_document::{
    EntryId, FieldKey, FieldPath, RecordId, Rules, canonical_number, is_canonical, nest,
    number_text, parse_node, parse_record, read_json,
};
use driftless_engine::EnvelopeId;
use driftless_protocol::InviteLink;

/// Characters of an error's sentence, at most: it is shown on a screen.
const SENTENCE: usize = 4_000;

pub(super) fn run(input: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(input);
    paths(&text)?;
    json(&text)?;
    rules(&text, input)?;
    names(&text)
}

fn paths(text: &str) -> Result<(), String> {
    match FieldPath::parse(text) {
        Ok(path) => {
            if FieldPath::parse(&path.to_key()).as_ref() != Ok(&path) {
                return Err(format!("the path {path:?} is written as another"));
            }
        }
        Err(error) => shown(&error)?,
    }
    match FieldKey::parse(text) {
        Some(key) if key.to_key() != text => Err(format!("the key `{text}` is written otherwise")),
        _ => Ok(()),
    }
}

fn json(text: &str) -> Result<(), String> {
    if let Err(error) = parse_node(text) {
        shown(&error)?;
    }
    match parse_record(text) {
        Ok(fields) => drop(nest(&fields)),
        Err(error) => shown(&error)?,
    }
    if is_canonical(text) && read_json(text).is_err() {
        return Err("canonical JSON is no JSON".into());
    }
    if let Some(number) = canonical_number(text) {
        let again = number_text(&number);
        let again = again.as_deref().and_then(canonical_number);
        if again.as_ref() != Some(&number) {
            return Err(format!("the number {text} is written as another"));
        }
    }
    Ok(())
}

fn rules(text: &str, input: &[u8]) -> Result<(), String> {
    if let Err(error) = Rules::from_canonical(input) {
        shown(&error)?;
    }
    match Rules::read(text) {
        Ok(rules) => match Rules::from_canonical(rules.canonical().as_bytes()) {
            Ok(again) if again.canonical() == rules.canonical() => Ok(()),
            other => Err(format!("rules are read back as {other:?}")),
        },
        Err(error) => {
            shown(&error)?;
            shown(&error.remedy())
        }
    }
}

fn names(text: &str) -> Result<(), String> {
    let same = [
        text.parse::<RecordId>()
            .map_or(true, |id| id.to_string().parse() == Ok(id)),
        text.parse::<EntryId>()
            .map_or(true, |id| id.to_string().parse() == Ok(id)),
        text.parse::<EnvelopeId>()
            .map_or(true, |id| id.to_string().parse() == Ok(id)),
        InviteLink::parse(text).map_or(true, |link| InviteLink::parse(&link.to_text()) == Ok(link)),
    ];
    match same {
        [true, true, true, true] => Ok(()),
        _ => Err(format!("`{text}` is a name that is written as another")),
    }
}

fn shown(error: &impl ToString) -> Result<(), String> {
    let sentence = error.to_string();
    if sentence.is_empty() || sentence.chars().count() > SENTENCE {
        return Err(format!(
            "an error of {} bytes is to be shown",
            sentence.len()
        ));
    }
    Ok(())
}
