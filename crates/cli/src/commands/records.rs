//! The commands that read and write single records.

use driftless::{
    Collection, Commit, Edit, FieldPath, Fields, Filter, ListOptions, Node, RecordId, RecordView,
};
use serde_json::{Value as Json, json};

use crate::args::{Insert, List, RecordName, Set, Unset};
use crate::assign::{self, Assignment};
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Output, clean, plain};
use crate::table::Table;

/// `driftless insert`: prints the id.
pub(crate) async fn insert(context: &mut Context, arguments: &Insert) -> Result<(), Failure> {
    let mut fields = Fields::new();
    for assignment in assign::parse_all(&arguments.fields)? {
        let leaves = assignment.node.into_fields_at(&assignment.path);
        fields.extend(leaves.map_err(|error| Failure::Usage {
            message: format!("the field `{}`: {error}", assignment.path),
            remedy: "Use a shorter path.".into(),
        })?);
    }
    context
        .with_database(async |database, output| {
            let (id, commit) = database
                .collection(&arguments.collection)
                .insert(fields)
                .await?;
            output.answer(
                &json!({ "id": id.to_string(), "version": commit.version.to_string() }),
                &id.to_string(),
            )
        })
        .await
}

/// `driftless list`: the records, or those that fit.
pub(crate) async fn list(context: &mut Context, arguments: &List) -> Result<(), Failure> {
    let options = ListOptions {
        filters: filters(&arguments.filters)?,
        limit: arguments.limit,
    };
    context
        .with_database(async |database, output| {
            let records = database
                .collection(&arguments.collection)
                .list(options)
                .await?;
            if output.json() {
                records
                    .iter()
                    .try_for_each(|record| output.object(&record.to_json()))
            } else {
                print_table(output, &records)
            }
        })
        .await
}

/// `driftless get`: one record.
pub(crate) async fn get(context: &mut Context, name: &RecordName) -> Result<(), Failure> {
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
            print_record(output, &record)
        })
        .await
}

/// `driftless set`: one change, however many fields.
pub(crate) async fn set(context: &mut Context, arguments: &Set) -> Result<(), Failure> {
    let edits = assign::parse_all(&arguments.fields)?
        .into_iter()
        .map(|Assignment { path, node, .. }| Edit::Set { path, node })
        .collect();
    edit(context, &arguments.name, edits).await
}

/// `driftless unset`: one change, however many fields.
pub(crate) async fn unset(context: &mut Context, arguments: &Unset) -> Result<(), Failure> {
    let edits = arguments
        .fields
        .iter()
        .map(|field| assign::parse_field(field).map(|path| Edit::Unset { path }))
        .collect::<Result<_, _>>()?;
    edit(context, &arguments.name, edits).await
}

/// Makes all the edits in one change.
pub(super) async fn edit(
    context: &mut Context,
    name: &RecordName,
    edits: Vec<Edit>,
) -> Result<(), Failure> {
    write(context, name, "saved", async |collection, id| {
        Ok(collection.edit(id, edits).await?)
    })
    .await
}

/// `driftless delete`: the record can be restored.
pub(crate) async fn delete(context: &mut Context, name: &RecordName) -> Result<(), Failure> {
    write(context, name, "deleted", async |collection, id| {
        Ok(collection.delete(id).await?)
    })
    .await
}

/// `driftless restore`: the record is what it was.
pub(crate) async fn restore(context: &mut Context, name: &RecordName) -> Result<(), Failure> {
    write(context, name, "restored", async |collection, id| {
        Ok(collection.restore(id).await?)
    })
    .await
}

/// Finds the record, writes, and says what came of it.
pub(super) async fn write(
    context: &mut Context,
    name: &RecordName,
    done: &str,
    work: impl AsyncFnOnce(&Collection, RecordId) -> Result<Commit, Failure>,
) -> Result<(), Failure> {
    context
        .with_database(async |database, output| {
            let collection = database.collection(&name.collection);
            let id = collection.find(&name.record).await?;
            let commit = work(&collection, id).await?;
            let text = if commit.changed {
                format!("{done} {id}")
            } else {
                format!("nothing to change in {id}")
            };
            output.answer(
                &json!({
                    "id": id.to_string(),
                    "collection": name.collection,
                    "version": commit.version.to_string(),
                    "changed": commit.changed,
                }),
                &text,
            )
        })
        .await
}

fn filters(arguments: &[String]) -> Result<Vec<Filter>, Failure> {
    arguments
        .iter()
        .map(|argument| {
            let Assignment { path, node, text } = assign::parse(argument)?;
            match node {
                Node::Leaf(value) => Ok(Filter { path, value, text }),
                Node::Object(_) => Err(object_in_filter(&path)),
            }
        })
        .collect()
}

fn object_in_filter(path: &FieldPath) -> Failure {
    Failure::Usage {
        message: format!("`{path}` is compared with an object, which is several fields"),
        remedy: format!("Compare each field: --where {path}.FIELD=VALUE."),
    }
}

/// A line a field; the id first.
pub(super) fn print_record(output: &mut Output, record: &RecordView) -> Result<(), Failure> {
    let object = record.to_json();
    if output.json() {
        return output.object(&object);
    }
    output.line(&format!(
        "{} in {}, version {}",
        record.id,
        clean(&record.collection),
        record.version
    ))?;
    for part in ["fields", "shadowed"] {
        let Some(fields) = object.get(part).and_then(Json::as_object) else {
            continue;
        };
        let mut table = Table::new([
            "FIELD",
            if part == "fields" {
                "VALUE"
            } else {
                "VALUE BESIDE IT"
            },
        ]);
        for (field, value) in fields {
            table.push([field.as_str(), &plain(value)]);
        }
        output.table(&table)?;
    }
    Ok(())
}

/// A row a record, a column a field that any of them has.
fn print_table(output: &mut Output, records: &[RecordView]) -> Result<(), Failure> {
    if records.is_empty() {
        return output.line("no records");
    }
    let fields: Vec<_> = records.iter().map(RecordView::fields).collect();
    let names: std::collections::BTreeSet<_> =
        fields.iter().flat_map(|fields| fields.keys()).collect();
    let headers = std::iter::once("id").chain(names.iter().map(|name| name.as_str()));
    let mut table = Table::new(headers).keep_whole(0);
    for (record, fields) in records.iter().zip(&fields) {
        let values = names
            .iter()
            .map(|name| fields.get(name.as_str()).map(plain).unwrap_or_default());
        table.push(std::iter::once(record.id.to_string()).chain(values));
    }
    output.table(&table)
}
