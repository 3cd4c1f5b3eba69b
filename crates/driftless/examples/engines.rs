//! Measures both store engines on the same work and prints a table in Markdown.
//!
//! `cargo run --release -p driftless --example engines -- [RECORDS [EDITS]]`, by default 1,000 records and 100,000
//! edits. Bytes are exact for one machine and build; times count only as ratios within one run.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use driftless::{Collection, Database, Error, Options, RecordId, StoreEngine};
use serde_json::json;
use tokio::task::JoinSet;

/// Edits that wait together, as of so many writers.
const WRITERS: usize = 64;

/// Reads of one record each, spread over all.
const READS: usize = 20_000;

/// Of what is quick, the quickest of so many passes counts: the rest is what else the machine did.
const PASSES: usize = 5;

/// What one engine did.
struct Figures {
    edit: Duration,
    /// The store's files at their largest while edits were made.
    store_peak_bytes: u64,
    store_bytes: u64,
    live_bytes: u64,
    journal_bytes: u64,
    close: Duration,
    open: Duration,
    get: Duration,
    compact: Duration,
    compacted_store_bytes: u64,
    compacted_journal_bytes: u64,
    rebuild: Duration,
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1).map(|argument| {
        argument.parse().unwrap_or_else(|_| {
            panic!("`{argument}` is no number; usage: engines [RECORDS [EDITS]]")
        })
    });
    let records: usize = arguments.next().unwrap_or(1_000);
    let edits: usize = arguments.next().unwrap_or(100_000);
    let home = tempfile::tempdir().expect("there is a temporary folder");
    let mut all = Vec::new();
    for engine in [StoreEngine::Sled, StoreEngine::Redb] {
        eprintln!("{engine}: {edits} edits of {records} records");
        all.push(measure(&home.path().join(engine.name()), engine, records, edits).await?);
    }
    print(&all[0], &all[1]);
    Ok(())
}

async fn measure(
    dir: &Path,
    engine: StoreEngine,
    records: usize,
    edits: usize,
) -> Result<Figures, Error> {
    let database = Database::create(dir, Options::named("d").with_engine(engine)).await?;
    let people = database.collection("people");
    let ids = fill(&people, records).await?;
    let started = Instant::now();
    let mut store_peak_bytes = 0;
    for first in (0..edits).step_by(WRITERS) {
        edit(&people, &ids, first..edits.min(first + WRITERS)).await?;
        if first % (WRITERS * 16) == 0 {
            store_peak_bytes = store_peak_bytes.max(folder_bytes(&live(dir)));
        }
    }
    let edit = started.elapsed();
    let close = timed(database.close()).await?.0;

    let mut open = Duration::MAX;
    for _ in 0..PASSES {
        let (took, database) = timed(Database::open(dir, Options::default())).await?;
        open = open.min(took);
        database.close().await?;
    }
    let database = Database::open(dir, Options::default()).await?;
    let mut report = database.store().await?;
    while report.rewritten_bytes.is_some() {
        tokio::time::sleep(Duration::from_millis(50)).await;
        report = database.store().await?;
    }
    let people = database.collection("people");
    let mut get = Duration::MAX;
    for _ in 0..PASSES {
        let started = Instant::now();
        for n in 0..READS {
            people.get(ids[n * 7919 % ids.len()]).await?;
        }
        get = get.min(started.elapsed());
    }
    let (compact, compacted) = timed(database.compact()).await?;
    let digest = database.digest().await?;
    database.close().await?;
    let compacted_store_bytes = folder_bytes(&live(dir));
    let compacted_journal_bytes = folder_bytes(&dir.join("journal"));
    let (rebuild, database) = timed(Database::rebuild(dir, Options::default())).await?;
    assert_eq!(
        database.digest().await?,
        digest,
        "a rebuild changes nothing"
    );
    database.close().await?;
    Ok(Figures {
        edit,
        store_peak_bytes,
        store_bytes: report.bytes,
        live_bytes: report.live_bytes,
        journal_bytes: compacted.journal_before_bytes,
        close,
        open,
        get,
        compact,
        compacted_store_bytes,
        compacted_journal_bytes,
        rebuild,
    })
}

async fn fill(people: &Collection, records: usize) -> Result<Vec<RecordId>, Error> {
    let mut ids = Vec::new();
    for n in 0..records {
        let fields = json!({
            "name": format!("person {n}"), "email": format!("person{n}@example.org"),
            "address": {"street": format!("{n} Main Street"), "city": "Bern", "zip": "3000"},
            "age": n % 90, "member": n % 2 == 0, "note": "none yet",
        });
        ids.push(people.insert(fields).await?.0);
    }
    Ok(ids)
}

async fn edit(
    people: &Collection,
    ids: &[RecordId],
    numbers: std::ops::Range<usize>,
) -> Result<(), Error> {
    let mut waiting = JoinSet::new();
    for n in numbers {
        let (people, id) = (people.clone(), ids[n * 31 % ids.len()]);
        waiting.spawn(async move {
            let fields = json!({"age": n % 97, "note": format!("edit {n}")});
            people.update(id, fields).await.map(drop)
        });
    }
    while let Some(edited) = waiting.join_next().await {
        edited.expect("an edit does not panic")?;
    }
    Ok(())
}

async fn timed<T>(work: impl Future<Output = Result<T, Error>>) -> Result<(Duration, T), Error> {
    let started = Instant::now();
    let value = work.await?;
    Ok((started.elapsed(), value))
}

fn live(dir: &Path) -> PathBuf {
    let current = fs::read_to_string(dir.join("CURRENT")).expect("CURRENT is there");
    let name = current.split_whitespace().next().expect("it names a store");
    dir.join(name)
}

/// Bytes of the files below a folder; one that is removed meanwhile counts nothing.
fn folder_bytes(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => folder_bytes(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

fn print(sled: &Figures, redb: &Figures) {
    println!("| | sled | redb |");
    println!("|---|---|---|");
    let bytes = |what: &str, of: &dyn Fn(&Figures) -> u64| {
        println!(
            "| {what} | {} | {} |",
            megabytes(of(sled)),
            megabytes(of(redb))
        );
    };
    bytes("data in the store", &|f| f.live_bytes);
    bytes("store, at most while edits are made", &|f| {
        f.store_peak_bytes
    });
    bytes("store, closed", &|f| f.store_bytes);
    bytes("store, after `compact`", &|f| f.compacted_store_bytes);
    bytes("journal", &|f| f.journal_bytes);
    bytes("journal, after `compact`", &|f| f.compacted_journal_bytes);
    let times = |what: &str, of: &dyn Fn(&Figures) -> Duration| {
        let ratio = of(redb).as_secs_f64() / of(sled).as_secs_f64();
        println!("| {what} | 1 | {ratio:.2} |");
        eprintln!("{what}: sled {:?}, redb {:?}", of(sled), of(redb));
    };
    times("time of the edits", &|f| f.edit);
    times("time of a `get` by id", &|f| f.get);
    times("time of opening", &|f| f.open);
    times("time of closing", &|f| f.close);
    times("time of `compact`", &|f| f.compact);
    times("time of `rebuild`", &|f| f.rebuild);
}

fn megabytes(bytes: u64) -> String {
    let tenths = (bytes + 50_000) / 100_000;
    format!("{}.{} MB", tenths / 10, tenths % 10)
}
