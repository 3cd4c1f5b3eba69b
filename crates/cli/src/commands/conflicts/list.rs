//! `driftless conflicts list`, and the filters that other commands share with it.

use std::time::{Duration, SystemTime};

use driftless::{Conflict, ConflictFilter, Database, DeviceId, Kind, Millis, RecordId, Status};
use serde_json::json;

use crate::assign;
use crate::conflict_args::{ConflictsList, Filters, KindName, StatusName};
use crate::conflict_table::{DELETED, conflict_table, record_names};
use crate::failure::Failure;
use crate::output::{Output, clean, count};

/// What begins the name of a record that is named by its key.
const KEY_NAME: &str = "key:";

pub(super) async fn list(
    database: &Database,
    output: &mut Output,
    arguments: ConflictsList,
) -> Result<(), Failure> {
    let status = arguments.status.map(StatusName::status);
    let filter = filter(database, arguments.filters, status).await?;
    let log = database.conflicts();
    if arguments.count {
        let found = log.count(filter).await?;
        return output.answer(&json!({ "count": found }), &count(found, "conflict"));
    }
    let (conflicts, more) = match (arguments.limit, arguments.after) {
        (None, None) => (log.list(filter).await?, false),
        (limit, after) => {
            let after = match after {
                Some(after) => Some(log.get(&after).await?.position()),
                None => None,
            };
            if limit == Some(0) {
                return Err(Failure::Usage {
                    message: "a page of no entries has no end".into(),
                    remedy: "Give --limit at least 1.".into(),
                });
            }
            let page = log.page(filter, after, limit.unwrap_or(usize::MAX)).await?;
            (page.entries, page.next.is_some())
        }
    };
    if output.json() {
        return conflicts
            .iter()
            .try_for_each(|conflict| output.object(&conflict.to_json()));
    }
    print(output, &conflicts, more)
}

/// Prints the entries as a table; `more` says whether a page follows.
fn print(output: &mut Output, conflicts: &[Conflict], more: bool) -> Result<(), Failure> {
    let Some(last) = conflicts.last() else {
        return output.line("no conflicts");
    };
    output.table(&conflict_table(conflicts, record_names(conflicts)))?;
    let is_open = |conflict: &&Conflict| conflict.status() == Status::Open;
    let open = conflicts.iter().filter(is_open).count();
    let how = if open == 0 {
        ""
    } else {
        "; `driftless conflicts review` walks through them"
    };
    let all = count(conflicts.len() as u64, "conflict");
    output.line(&format!("{all}, {open} open{how}"))?;
    if more {
        output.line(&format!("there are more: --after {}", last.id()))?;
    }
    Ok(())
}

/// What the filters that were typed mean.
pub(super) async fn filter(
    database: &Database,
    filters: Filters,
    status: Option<Status>,
) -> Result<ConflictFilter, Failure> {
    let record = match (&filters.record, &filters.collection) {
        (None, _) => None,
        (Some(name), Some(collection)) => Some(database.collection(collection).find(name).await?),
        (Some(name), None) => Some(whole_id(name)?),
    };
    let path = filters.path.map(|path| {
        // The register of a record's deletion has a name of ours, which is no field's path.
        if path == DELETED {
            Ok(path)
        } else {
            assign::parse_field(&path).map(|path| path.to_key())
        }
    });
    let author = match filters.author {
        Some(name) => Some(device(database, &name).await?),
        None => None,
    };
    let now = now_ms();
    Ok(ConflictFilter {
        status,
        kind: filters.kind.map(KindName::kind),
        collection: filters.collection,
        record,
        path: path.transpose()?,
        author,
        before_ms: filters.older_than.map(|age| now - millis(age)),
        since_ms: filters.newer_than.map(|age| now - millis(age)),
    })
}

fn whole_id(name: &str) -> Result<RecordId, Failure> {
    name.parse().map_err(|_| Failure::Usage {
        message: if name.starts_with(KEY_NAME) {
            format!("`{name}` names a record only within its collection")
        } else {
            format!("`{name}` is no whole id")
        },
        remedy: "Give the collection, too: --collection C --record ID.".into(),
    })
}

/// The device that is called so, or whose id begins so.
pub(super) async fn device(database: &Database, name: &str) -> Result<DeviceId, Failure> {
    let members = database.status().await?.members;
    let is_called = |member: &&driftless::MemberView| member.name == name;
    let mut found: Vec<_> = members.iter().filter(is_called).collect();
    if found.is_empty() && !name.is_empty() {
        let begin = name.to_ascii_lowercase();
        let begins =
            |member: &&driftless::MemberView| member.device.to_string().starts_with(&begin);
        found = members.iter().filter(begins).collect();
    }
    match found[..] {
        [member] => Ok(member.device),
        [] => Err(Failure::Usage {
            message: format!("no device of the workspace is called `{}`", clean(name)),
            remedy: "`driftless status --json` has their names and ids.".into(),
        }),
        ref several => Err(Failure::Usage {
            message: format!("{} devices are called `{}`", several.len(), clean(name)),
            remedy: "Name it by its id: `driftless status --json` has them.".into(),
        }),
    }
}

fn now_ms() -> Millis {
    // A clock before 1970 has no entry older than it.
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, millis)
}

fn millis(time: Duration) -> Millis {
    Millis::try_from(time.as_millis()).unwrap_or(Millis::MAX)
}

impl StatusName {
    fn status(self) -> Status {
        match self {
            Self::Open => Status::Open,
            Self::Resolved => Status::Resolved,
            Self::Acknowledged => Status::Acknowledged,
            Self::AutoMerged => Status::AutoMerged,
        }
    }
}

impl KindName {
    fn kind(self) -> Kind {
        match self {
            Self::Integrity => Kind::Integrity,
            Self::RecordDeleted => Kind::RecordDeleted,
            Self::Text => Kind::Text,
            Self::ListElement => Kind::ListElement,
            Self::PutDelete => Kind::PutDelete,
            Self::PutPut => Kind::PutPut,
        }
    }
}
