//! `driftless import`: a file, checked to its end, then imported block by block.
//!
//! Each block is durable when its import returns, so that an interrupted import keeps whole blocks and a
//! second run with `--key` goes on from there.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use driftless::{
    Collection, Database, FieldPath, Fields, ImportCounts, ListOptions, RecordId, Value,
};
use serde_json::{Value as Json, json};

use crate::args::Import;
use crate::caller::Caller;
use crate::context::Context;
use crate::failure::Failure;
use crate::import::{self, Checked, ColumnType, Format, ImportOptions};
use crate::interrupt::Interrupt;
use crate::output::{Output, count, thousands};
use crate::standard_error::StandardError;

/// Records of one block: the other device acknowledges, and a crash keeps, whole blocks.
const BLOCK_RECORDS: usize = 256;
/// Bytes of one block, as estimated by [`weight`]; a record over it is a block of its own.
const BLOCK_BYTES: usize = 256 * 1024;
/// Bytes of a file: all of it is checked, in memory, before anything is imported.
pub(crate) const IMPORT_FILE_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// What a field adds to the bytes of its name and value.
const FIELD_OVERHEAD_BYTES: usize = 16;

pub(crate) async fn run(context: &mut Context, arguments: Import) -> Result<(), Failure> {
    let interrupt = context.interrupt()?;
    let types = arguments
        .types
        .iter()
        .map(|argument| column_type(argument))
        .collect::<Result<Vec<_>, _>>()?;
    let mut columns = BTreeSet::new();
    if let Some((twice, _)) = types.iter().find(|(column, _)| !columns.insert(column)) {
        return Err(Failure::Usage {
            message: format!("--types names the column `{twice}` twice"),
            remedy: "Give each column one type.".into(),
        });
    }
    let database = context.open_unless(&interrupt).await?;
    let result = import(&*context.caller(), &database, arguments, types, &interrupt).await;
    let counts = context.close_after(database, result).await?;
    print(&mut context.output, counts)
}

async fn import(
    caller: &dyn Caller,
    database: &Database,
    arguments: Import,
    types: Vec<(String, ColumnType)>,
    interrupt: &Interrupt,
) -> Result<ImportCounts, Failure> {
    let keyed = !arguments.key.is_empty();
    let collection = database.collection(&arguments.collection);
    let mut remembered = remembered_types(database, &arguments.collection).await?;
    // By its name alone; that a JSON file with another name is looked at as well does no harm.
    let format = arguments
        .format
        .unwrap_or_else(|| Format::of(&arguments.file, &[]));
    if remembered.is_empty() && format == Format::Csv {
        remembered = types_in(&collection).await?;
    }
    let options = ImportOptions {
        key: arguments.key,
        types,
        remembered: remembered.clone(),
    };
    let checked = tokio::select! {
        checked = read(caller, &arguments.file, arguments.format, options) => checked?,
        () = interrupt.wait() => return Err(Failure::Interrupted {
            done: "nothing was imported yet".into(),
            remedy: "Run the command again.",
        }),
    };
    remember_types(database, &arguments.collection, remembered, &checked).await?;
    let mut progress = caller.standard_error().progress("imported", "record");
    let imported = import_checked(&collection, &checked, &mut |done, total| {
        progress.at(done, total);
        !interrupt.requested()
    })
    .await?;
    if imported.done < checked.row_count() {
        return Err(interrupted(&imported, checked.row_count(), keyed));
    }
    Ok(imported.counts)
}

/// The types of the columns that came from another device, as its records show them: this one does not
/// remember an import of its own.
async fn types_in(collection: &Collection) -> Result<BTreeMap<String, ColumnType>, Failure> {
    let mut types = BTreeMap::new();
    for record in collection.list(ListOptions::default()).await? {
        for (key, value) in &record.row.fields {
            let Ok(path) = FieldPath::parse(key) else {
                continue;
            };
            let [column] = path.segments() else {
                continue;
            };
            match value {
                Value::Int(_) | Value::Uint(_) | Value::Float(_) => {
                    types.insert(column.clone(), ColumnType::PlainNumber);
                }
                Value::String(_) => {
                    types.entry(column.clone()).or_insert(ColumnType::String);
                }
                _ => {}
            }
        }
    }
    Ok(types)
}

/// Reads and checks the whole file.
async fn read(
    caller: &dyn Caller,
    path: &Path,
    format: Option<Format>,
    options: ImportOptions,
) -> Result<Checked, Failure> {
    let path = path.to_owned();
    let content = caller.read_file(&path, IMPORT_FILE_BYTES_MAX).await;
    let bytes = content.map_err(|source| match source.kind() {
        io::ErrorKind::FileTooLarge => Failure::Usage {
            message: format!("{}: {source}", path.display()),
            remedy: "Split the file, and import its parts one after the other.".into(),
        },
        _ => Failure::File {
            action: "read",
            path: path.clone(),
            source,
        },
    })?;
    let to = caller.standard_error().clone();
    // On a thread where that may take its time.
    let checking = tokio::task::spawn_blocking(move || check(&to, &path, bytes, format, &options));
    checking
        .await
        .unwrap_or_else(|error| Err(Failure::System(std::io::Error::other(error))))
}

fn check(
    to: &StandardError,
    path: &Path,
    bytes: Vec<u8>,
    format: Option<Format>,
    options: &ImportOptions,
) -> Result<Checked, Failure> {
    let format = format.map_or_else(|| import::format_of(path, &bytes), Ok)?;
    let mut progress = to.progress("checked", "byte").on_terminals_only();
    let mut tell = |done, total| progress.at(done, total);
    Ok(import::check(path, bytes, format, options, &mut tell)?)
}

/// What was imported of a file.
#[derive(Debug, Default)]
pub(crate) struct Imported {
    /// Rows that are durable.
    pub(crate) done: u64,
    /// What became of them.
    pub(crate) counts: ImportCounts,
}

/// Imports the rows block by block; `between` is told the rows done and their total after each, and says
/// whether to go on.
pub(crate) async fn import_checked(
    collection: &Collection,
    checked: &Checked,
    between: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<Imported, Failure> {
    let mut imported = Imported::default();
    let mut block = Vec::with_capacity(BLOCK_RECORDS);
    let mut bytes = 0;
    for row in checked.rows() {
        let row = row?;
        let id = row.key.map(|key| id_of(collection.name(), &key));
        let weight = weight(&row.fields);
        if block.len() == BLOCK_RECORDS || (bytes + weight > BLOCK_BYTES && !block.is_empty()) {
            imported.add(collection, std::mem::take(&mut block)).await?;
            bytes = 0;
            if !between(imported.done, checked.row_count()) {
                return Ok(imported);
            }
        }
        bytes += weight;
        block.push((id, row.fields));
    }
    imported.add(collection, block).await?;
    between(imported.done, checked.row_count());
    Ok(imported)
}

impl Imported {
    /// Imports one block; it is durable when this returns.
    async fn add(
        &mut self,
        collection: &Collection,
        block: Vec<(Option<RecordId>, Fields)>,
    ) -> Result<(), Failure> {
        let rows = block.len() as u64;
        let counts = collection.import(block).await?;
        self.done += rows;
        self.counts.imported += counts.imported;
        self.counts.updated += counts.updated;
        self.counts.unchanged += counts.unchanged;
        self.counts.skipped_deleted += counts.skipped_deleted;
        Ok(())
    }
}

fn interrupted(imported: &Imported, total: u64, keyed: bool) -> Failure {
    Failure::Interrupted {
        done: format!(
            "{} of {} are imported and durable",
            thousands(imported.done),
            count(total, "record")
        ),
        remedy: if keyed {
            "Run the command again: it finishes, and adds nothing twice."
        } else {
            "Without --key a second run would add them again: import the rest, or begin a new collection with --key."
        },
    }
}

/// What a record takes in a block, about: its names and values, and a little for each.
fn weight(fields: &Fields) -> usize {
    fields
        .iter()
        .map(|(name, value)| {
            let value = match value {
                Value::String(text) | Value::Json(text) => text.len(),
                Value::Bytes(bytes) => bytes.len(),
                _ => 8,
            };
            name.len() + value + FIELD_OVERHEAD_BYTES
        })
        .sum()
}

fn id_of(collection: &str, key: &[String]) -> RecordId {
    let key: Vec<_> = key.iter().map(String::as_str).collect();
    RecordId::from_key(collection, &key)
}

/// Reads `column=type`; a column may have a `=` in its name, a type has none.
fn column_type(argument: &str) -> Result<(String, ColumnType), Failure> {
    let usage = |message: String| Failure::Usage {
        message,
        remedy: "Write --types COLUMN=TYPE, such as --types zip=string.".into(),
    };
    let (column, name) = argument
        .rsplit_once('=')
        .ok_or_else(|| usage(format!("--types {argument} has no `=`")))?;
    let column_type = name
        .parse()
        .map_err(|reason| usage(format!("--types {argument}: {reason}")))?;
    Ok((column.to_owned(), column_type))
}

fn setting(collection: &str) -> String {
    format!("import.types.{collection}")
}

/// The types that earlier imports gave the collection's columns.
///
/// A type of a later version is as good as none: the file's cells decide again.
async fn remembered_types(
    database: &Database,
    collection: &str,
) -> Result<BTreeMap<String, ColumnType>, Failure> {
    let Some(stored) = database.setting(&setting(collection)).await? else {
        return Ok(BTreeMap::new());
    };
    Ok(types_of(&stored))
}

fn types_of(stored: &[u8]) -> BTreeMap<String, ColumnType> {
    let types = serde_json::from_slice::<BTreeMap<String, String>>(stored).unwrap_or_default();
    types
        .into_iter()
        .filter_map(|(column, name)| Some((column, name.parse().ok()?)))
        .collect()
}

fn stored_types(types: &BTreeMap<String, ColumnType>) -> String {
    let object: serde_json::Map<_, _> = types
        .iter()
        .map(|(column, column_type)| (column.clone(), Json::from(column_type.to_string())))
        .collect();
    Json::Object(object).to_string()
}

/// Keeps the types of this file's columns beside those of other files.
async fn remember_types(
    database: &Database,
    collection: &str,
    remembered: BTreeMap<String, ColumnType>,
    checked: &Checked,
) -> Result<(), Failure> {
    let mut types = remembered.clone();
    types.extend(
        checked
            .column_types()
            .iter()
            .map(|(column, t)| (column.clone(), *t)),
    );
    if types == remembered {
        return Ok(());
    }
    Ok(database
        .set_setting(&setting(collection), stored_types(&types).as_bytes())
        .await?)
}

fn print(output: &mut Output, counts: ImportCounts) -> Result<(), Failure> {
    let skipped = match counts.skipped_deleted {
        0 => String::new(),
        skipped => format!(
            ", {} left alone because they are deleted",
            count(skipped, "record")
        ),
    };
    output.answer(
        &json!({
            "imported": counts.imported,
            "updated": counts.updated,
            "unchanged": counts.unchanged,
            "skipped_deleted": counts.skipped_deleted,
        }),
        &format!(
            "{} imported, {} updated, {} unchanged{skipped}",
            count(counts.imported, "record"),
            thousands(counts.updated),
            thousands(counts.unchanged),
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_columns_name_may_hold_an_equals_sign() {
        let (column, column_type) = column_type("a=b=string").expect("it names a type");
        assert_eq!((column.as_str(), column_type), ("a=b", ColumnType::String));
    }

    #[test]
    fn a_golden_file_holds_the_types_that_are_remembered() {
        let golden = driftless_golden::Goldens::of("cli");
        let types = [
            "string",
            "plain-number",
            "number",
            "integer",
            "float",
            "bool",
        ];
        let types: BTreeMap<_, _> = types
            .into_iter()
            .chain(["timestamp", "json"])
            .map(|name| (format!("a {name}"), name.parse().expect("a type")))
            .collect();
        golden.round_trip(
            "import_types",
            &types,
            |types| stored_types(types).into_bytes(),
            |bytes| Ok::<_, &str>(types_of(bytes)),
        );
    }

    #[test]
    fn a_type_nobody_knows_is_a_usage_error() {
        for argument in ["zip", "zip=", "zip=text"] {
            let failure = column_type(argument).expect_err("it is refused");
            assert_eq!(failure.exit_code(), 2, "{argument}");
            assert!(failure.to_string().contains(argument), "{failure}");
        }
    }
}
