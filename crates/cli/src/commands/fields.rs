//! The commands that change counters, texts, lists and sets.

use std::io;
use std::path::Path;

use driftless::{Edit, FieldPath, Value};
use serde_json::json;

use super::records::{edit, write};
use crate::args::{FieldName, RecordName};
use crate::assign;
use crate::caller::{Caller, named};
use crate::context::Context;
use crate::failure::Failure;
use crate::field_args::{Increment, Members, Push, PutAt, RemoveAt, Text};
use crate::output::clean;

/// Bytes of a file that a text is replaced by: far more than one change may hold.
const TEXT_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// `driftless increment`: one change, however many counters.
pub(crate) async fn increment(context: &mut Context, arguments: &Increment) -> Result<(), Failure> {
    let edits = arguments
        .counters
        .iter()
        .map(|argument| {
            let (field, by) = assign::split(argument)?;
            let path = assign::parse_field(field)?;
            let digits = by.strip_prefix('+').unwrap_or(by);
            match digits.parse() {
                Ok(by) if !digits.starts_with('+') => Ok(Edit::Increment { path, by }),
                _ => Err(Failure::Usage {
                    message: format!(
                        "`{by}` is not what the counter `{path}` can be incremented by"
                    ),
                    remedy: format!("Give an integer, such as {path}=+3 or {path}=-2."),
                }),
            }
        })
        .collect::<Result<_, _>>()?;
    edit(context, &arguments.name, edits).await
}

/// `driftless text`: edits a text, or prints it.
pub(crate) async fn text(context: &mut Context, arguments: Text) -> Result<(), Failure> {
    let Text {
        named: FieldName { name, field },
        at,
        delete,
        insert,
        replace,
        replace_file,
    } = arguments;
    let path = assign::parse_field(&field)?;
    if let Some(file) = replace_file {
        return replace_by(context, &name, path, &file).await;
    }
    let edit_of = match (replace, at, delete, insert) {
        (Some(text), ..) => Edit::ReplaceText { path, text },
        (None, Some(at), delete, insert) if delete.is_some() || insert.is_some() => Edit::Splice {
            path,
            at,
            delete: delete.unwrap_or(0),
            insert: insert.unwrap_or_default(),
        },
        (None, None, None, Some(text)) => Edit::AppendText { path, text },
        (None, None, None, None) => return print_text(context, &name, &path).await,
        _ => {
            return Err(Failure::Usage {
                message: "a place in the text is given, and nothing to do there".into(),
                remedy: "Give --delete N, --insert TEXT, or both.".into(),
            });
        }
    };
    edit(context, &name, vec![edit_of]).await
}

/// Replaces a text by a file, which is read where the folder is open: what a process reads that finds the folder
/// busy, it has no more when the one that holds it asks.
async fn replace_by(
    context: &mut Context,
    name: &RecordName,
    path: FieldPath,
    file: &Path,
) -> Result<(), Failure> {
    let caller = context.caller();
    write(context, name, "saved", async |collection, id| {
        let text = read_text(&*caller, file).await?;
        let edits = vec![Edit::ReplaceText { path, text }];
        Ok(collection.edit(id, edits).await?)
    })
    .await
}

async fn print_text(
    context: &mut Context,
    name: &RecordName,
    path: &FieldPath,
) -> Result<(), Failure> {
    context
        .with_database(async |database, output| {
            let collection = database.collection(&name.collection);
            let id = collection.find(&name.record).await?;
            let record = collection
                .get(id)
                .await?
                .filter(|record| !record.deleted)
                .ok_or_else(|| Failure::Deleted {
                    collection: name.collection.clone(),
                    record: id.to_string(),
                })?;
            let Some(Value::Text(text)) = record.at(path) else {
                let is = record.at(path).map_or("absent", type_of);
                return Err(Failure::Usage {
                    message: format!("the field `{path}` is no text; it is {is}"),
                    remedy: "`get` shows every field.".into(),
                });
            };
            if output.json() {
                return output.object(&json!({
                    "id": id.to_string(),
                    "collection": name.collection,
                    "version": record.version.to_string(),
                    "text": text,
                    "length": text.chars().count(),
                }));
            }
            text.split('\n')
                .try_for_each(|line| output.line(&clean(line)))
        })
        .await
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Counter(_) => "a counter",
        Value::List(_) => "a list",
        Value::Set(_) => "a set",
        _ => "a value",
    }
}

/// A whole file as whoever typed the command finds it. Standard input with nothing in it is refused: it may be closed,
/// or what should write it has failed, and the text would be gone.
async fn read_text(caller: &dyn Caller, file: &Path) -> Result<String, Failure> {
    let usage = |what: &str, remedy: &str| Failure::Usage {
        message: format!("{} {what}", named(file).display()),
        remedy: remedy.to_owned(),
    };
    let content = caller.read_file(file, TEXT_BYTES_MAX).await;
    let bytes = content.map_err(|source| match source.kind() {
        io::ErrorKind::FileTooLarge => usage(
            &format!("does not fit: {source}"),
            "Give a shorter text; nothing was written.",
        ),
        _ => Failure::File {
            action: "read",
            path: named(file).to_owned(),
            source,
        },
    })?;
    if bytes.is_empty() && named(file) != file {
        return Err(usage(
            "has nothing in it",
            "Give it the text; --replace \"\" empties the field.",
        ));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        usage(
            &format!("is not UTF-8 at byte {at}"),
            "Give a text as UTF-8.",
        )
    })
}

/// `driftless push`: new elements, in the order they are given.
pub(crate) async fn push(context: &mut Context, arguments: &Push) -> Result<(), Failure> {
    let values = arguments.values.iter();
    let values = values.map(|value| assign::parse_element(&arguments.named.field, value));
    let edit_of = Edit::InsertElements {
        path: assign::parse_field(&arguments.named.field)?,
        at: arguments.at,
        values: values.collect::<Result<_, _>>()?,
    };
    edit(context, &arguments.named.name, vec![edit_of]).await
}

/// `driftless put-at`: another value for an element.
pub(crate) async fn put_at(context: &mut Context, arguments: &PutAt) -> Result<(), Failure> {
    let edit_of = Edit::PutElement {
        path: assign::parse_field(&arguments.named.field)?,
        at: arguments.at,
        value: assign::parse_element(&arguments.named.field, &arguments.value)?,
    };
    edit(context, &arguments.named.name, vec![edit_of]).await
}

/// `driftless remove-at`: elements go.
pub(crate) async fn remove_at(context: &mut Context, arguments: &RemoveAt) -> Result<(), Failure> {
    let edit_of = Edit::RemoveElements {
        path: assign::parse_field(&arguments.named.field)?,
        at: arguments.at,
        count: arguments.count,
    };
    edit(context, &arguments.named.name, vec![edit_of]).await
}

/// `driftless add`: one change, however many members.
pub(crate) async fn add(context: &mut Context, arguments: &Members) -> Result<(), Failure> {
    let edits = members(arguments)?;
    let edits = edits.map(|(path, member)| Edit::AddMember { path, member });
    edit(context, &arguments.name, edits.collect()).await
}

/// `driftless remove`: one change, however many members.
pub(crate) async fn remove(context: &mut Context, arguments: &Members) -> Result<(), Failure> {
    let edits = members(arguments)?;
    let edits = edits.map(|(path, member)| Edit::RemoveMember { path, member });
    edit(context, &arguments.name, edits.collect()).await
}

fn members(arguments: &Members) -> Result<impl Iterator<Item = (FieldPath, Value)>, Failure> {
    let members = arguments.members.iter().map(|argument| {
        let (field, text) = assign::split(argument)?;
        let member = assign::parse_element(field, text)?;
        Ok((assign::parse_field(field)?, member))
    });
    Ok(members.collect::<Result<Vec<_>, Failure>>()?.into_iter())
}
