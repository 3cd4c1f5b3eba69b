//! [`judge`]: opens a folder with the real library and holds it to what was acknowledged.

use std::collections::BTreeMap;
use std::path::Path;

use driftless::{Database, StoreEngine};
use serde_json::json;

use crate::history::History;
use crate::workload::{COLLECTION, NOTHING, all, options, slot_of, state_of};

/// The slot of a record that is written to see whether a folder can be written to.
const EXTRA: u64 = 1_000_000;

/// How a folder opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Opened {
    /// As it was.
    Believed,
    /// Its store was derived from the journal.
    Rebuilt,
    /// Not by itself; `rebuild` mended it.
    Mended,
    /// It holds no workspace, and none was said to be made; making one works.
    Nothing,
}

/// Opens the folder; the error says what is wrong with it.
///
/// It must open, or fail with an error that a rebuild mends; have all that was acknowledged, and nothing that was never
/// asked for; and verify. `thorough` writes to it, closes it and opens it once more.
pub async fn judge(
    dir: &Path,
    engine: StoreEngine,
    history: &History,
    thorough: bool,
) -> Result<Opened, String> {
    let (database, opened) =
        match Database::open(dir, options(engine)).await {
            Ok(database) if database.opening().rebuilt.is_some() => (database, Opened::Rebuilt),
            Ok(database) => (database, Opened::Believed),
            Err(error) if !history.is_created => {
                let database = match Database::create(dir, options(engine)).await {
                Ok(database) => database,
                // All of it may be there, and nobody was told.
                Err(creating) => Database::rebuild(dir, options(engine)).await.map_err(|rebuild| {
                    format!("opening says {error}, creating {creating}, and rebuilding {rebuild}")
                })?,
            };
                (database, Opened::Nothing)
            }
            Err(error) => {
                let rebuilt = Database::rebuild(dir, options(engine)).await;
                let database = rebuilt.map_err(|rebuild| {
                    format!("it does not open ({error}) and cannot be rebuilt: {rebuild}")
                })?;
                (database, Opened::Mended)
            }
        };
    if database.opening().journal_lost_writes {
        return Err("opening says that the journal lost acknowledged writes".to_owned());
    }
    if history.is_closed && opened != Opened::Believed {
        let why = database.opening().rebuilt.clone().unwrap_or_default();
        return Err(format!(
            "it was closed, and was not opened as it was: {why}"
        ));
    }
    holds(&database, history).await?;
    if thorough {
        goes_on(database, dir, engine, history).await?;
    } else {
        close(database).await?;
    }
    Ok(opened)
}

/// Has it what it must?
pub(crate) async fn holds(database: &Database, history: &History) -> Result<(), String> {
    let problems = database
        .verify()
        .await
        .map_err(|error| format!("verify: {error}"))?
        .problems;
    if let Some(problem) = problems.first() {
        return Err(format!("verify finds: {problem}"));
    }
    let records = all(database)
        .await
        .map_err(|error| format!("listing: {error}"))?;
    let mut found = BTreeMap::new();
    for record in &records {
        let slot = slot_of(record).ok_or("there is a record without a slot")?;
        if found.insert(slot, state_of(record)).is_some() {
            return Err(format!("slot {slot} has two records"));
        }
    }
    for slot in history.slots().chain(found.keys().copied()) {
        history.check_slot(slot, found.get(&slot).map_or(NOTHING, String::as_str))?;
    }
    Ok(())
}

async fn goes_on(
    database: Database,
    dir: &Path,
    engine: StoreEngine,
    history: &History,
) -> Result<(), String> {
    let collection = database.collection(COLLECTION);
    let inserted = collection.insert(json!({"slot": EXTRA, "n": 1})).await;
    let (id, _) = inserted.map_err(|error| format!("nothing can be written: {error}"))?;
    let read = collection
        .get(id)
        .await
        .map_err(|error| format!("reading: {error}"))?;
    let read = read.ok_or("what was written is not there")?;
    let mut history = history.clone();
    history.hear(&format!("begin {EXTRA} {EXTRA} {}", state_of(&read)));
    history.hear(&format!("done {EXTRA}"));
    close(database).await?;
    let database = Database::open(dir, options(engine)).await;
    let database = database.map_err(|error| format!("closed, it does not open: {error}"))?;
    if let Some(why) = &database.opening().rebuilt {
        return Err(format!("closed, it is rebuilt: {why}"));
    }
    holds(&database, &history).await?;
    close(database).await
}

async fn close(database: Database) -> Result<(), String> {
    database
        .close()
        .await
        .map_err(|error| format!("closing: {error}"))
}
