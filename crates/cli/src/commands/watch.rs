//! `driftless watch`: changes and conflicts as they come, until it is interrupted.

use std::collections::{BTreeMap, BTreeSet};

use driftless::{
    ChangeEvent, Conflict, ConflictFilter, Database, DeviceId, EntryId, RecordKey, Status,
};
use serde_json::json;

use crate::args::Watch;
use crate::context::Context;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::output::{Output, clean};
use crate::served::ServedError;
use crate::time_text;

/// Changes that are read at a time: what is held of them in memory is small.
const CHANGES_A_READ: usize = 256;

pub(crate) async fn run(context: &mut Context, arguments: Watch) -> Result<(), Failure> {
    until_interrupted(context, async |database, output| {
        watch(database, output, arguments).await
    })
    .await
}

/// Holds the folder while `work` looks at it, until that ends or is interrupted.
pub(super) async fn until_interrupted(
    context: &mut Context,
    work: impl AsyncFnOnce(&Database, &mut Output) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let interrupt = context.interrupt()?;
    let database = context.open_unless(&interrupt).await?;
    // Whoever watches holds the folder: what others do with it, this process carries out, and sees.
    let host = if context.is_served() {
        None
    } else {
        context.carry_out_for_others(&database)
    };
    let result = tokio::select! {
        result = work(&database, &mut context.output) => result,
        () = interrupt.wait() => ended(&interrupt),
    };
    if let Some(host) = host {
        host.stop().await;
    }
    context.close_after(database, result).await
}

/// Being interrupted is how watching ends; that the process which serves the folder ends is not.
fn ended(interrupt: &Interrupt) -> Result<(), Failure> {
    if interrupt.is_by_holder() {
        Err(ServedError::Ending.into())
    } else {
        Ok(())
    }
}

async fn watch(database: &Database, output: &mut Output, arguments: Watch) -> Result<(), Failure> {
    let mut commits = database.commits();
    let mut watcher = Watcher::begin(database, arguments).await?;
    output.say("watching");
    loop {
        watcher.print_new(database, output).await?;
        output.flush()?;
        commits.next().await?;
    }
}

/// What was printed so far.
struct Watcher {
    collection: Option<String>,
    /// The last change that was looked at.
    seq: u64,
    /// Every entry of the conflict log, as it was last seen.
    seen: BTreeMap<EntryId, Seen>,
    names: BTreeMap<DeviceId, String>,
}

/// As much of an entry as shows whether it is another one now.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    status: Status,
    candidates: usize,
    decided: Option<String>,
}

impl Seen {
    fn of(conflict: &Conflict) -> Self {
        Self {
            status: conflict.status(),
            candidates: conflict.candidates().len(),
            decided: conflict.resolved().map(|choice| choice.author.change),
        }
    }

    fn is_open(&self) -> bool {
        self.status == Status::Open
    }
}

impl Watcher {
    async fn begin(database: &Database, arguments: Watch) -> Result<Self, Failure> {
        // Before the log is read: what comes in between is looked at again.
        let last = database.last_change().await?;
        let filter = ConflictFilter {
            collection: arguments.collection.clone(),
            ..ConflictFilter::default()
        };
        let known = database.conflicts().list(filter).await?;
        Ok(Self {
            collection: arguments.collection,
            seq: arguments.since.unwrap_or(last),
            seen: known
                .iter()
                .map(|conflict| (conflict.id(), Seen::of(conflict)))
                .collect(),
            names: BTreeMap::new(),
        })
    }

    /// Prints what was committed since the last time.
    async fn print_new(&mut self, database: &Database, output: &mut Output) -> Result<(), Failure> {
        // Where something was taken back there are fewer changes now, and the next one has a number that was had before.
        self.seq = self.seq.min(database.last_change().await?);
        loop {
            let changes = database.changes_since(self.seq, CHANGES_A_READ).await?;
            let Some(last) = changes.last() else {
                return Ok(());
            };
            self.seq = last.seq;
            let mut records = BTreeSet::new();
            for change in changes {
                if !self.is_watched(&change.key) {
                    continue;
                }
                let name = self.name(database, change.device).await?;
                print_change(output, &change, &name)?;
                records.insert((change.key.collection, change.key.record));
            }
            for (collection, record) in records {
                let filter = ConflictFilter {
                    collection: Some(collection),
                    record: Some(record),
                    ..ConflictFilter::default()
                };
                for conflict in database.conflicts().list(filter).await? {
                    if let Some(what) = self.note(&conflict) {
                        print_conflict(output, what, &conflict)?;
                    }
                }
            }
        }
    }

    fn is_watched(&self, key: &RecordKey) -> bool {
        self.collection
            .as_ref()
            .is_none_or(|collection| *collection == key.collection)
    }

    /// What a device is called; one that joined meanwhile is asked for once.
    async fn name(&mut self, database: &Database, device: DeviceId) -> Result<String, Failure> {
        if !self.names.contains_key(&device) {
            let members = database.status().await?.members;
            self.names.extend(
                members
                    .into_iter()
                    .map(|member| (member.device, member.name)),
            );
        }
        let name = self.names.entry(device).or_insert_with(|| "?".to_owned());
        Ok(name.clone())
    }

    /// Takes note of an entry, and says what became of it; `None` if nothing did.
    fn note(&mut self, conflict: &Conflict) -> Option<&'static str> {
        let now = Seen::of(conflict);
        // Entries that grew together have one id, and go by the others.
        let also = conflict.also().iter().copied();
        let ids = std::iter::once(conflict.id()).chain(also);
        let before: Vec<_> = ids.filter_map(|id| self.seen.remove(&id)).collect();
        let what = match &before[..] {
            [] if now.status == Status::Agreed => None,
            [] if now.is_open() => Some("opened"),
            [] => Some("recorded"),
            [before] if *before == now => None,
            before => match (before.iter().any(Seen::is_open), now.is_open()) {
                (true, false) => Some("closed"),
                (false, true) => Some("opened"),
                _ => Some("changed"),
            },
        };
        self.seen.insert(conflict.id(), now);
        what
    }
}

fn print_change(output: &mut Output, change: &ChangeEvent, name: &str) -> Result<(), Failure> {
    let time = time_text::rfc3339(change.time_ms);
    output.answer(
        &json!({
            "event": "change",
            "seq": change.seq,
            "time": time,
            "device": change.device.to_string(),
            "device_name": name,
            "collection": change.key.collection,
            "record": change.key.record.to_string(),
            "change": change.change.to_string(),
        }),
        &format!(
            "{time} change {} {} by {}",
            clean(&change.key.collection),
            change.key.record,
            clean(name),
        ),
    )
}

fn print_conflict(output: &mut Output, what: &str, conflict: &Conflict) -> Result<(), Failure> {
    let status = conflict.status().as_str();
    // The line of an entry has the time of what made it so.
    let choices = conflict.candidates().into_iter().chain(conflict.resolved());
    let latest = choices.map(|choice| choice.author.time_ms).max();
    let time = latest.map_or_else(String::new, time_text::rfc3339);
    output.answer(
        &json!({
            "event": "conflict",
            "what": what,
            "time": time,
            "id": conflict.id().to_string(),
            "status": status,
            "collection": conflict.collection(),
            "record": conflict.record().to_string(),
            "path": conflict.path(),
        }),
        &format!(
            "{time} conflict {} {what} ({status}): {} of {} {}",
            conflict.id(),
            clean(conflict.path()),
            clean(conflict.collection()),
            conflict.record(),
        ),
    )
}
