//! What `status`, `verify` and `members list` say of a folder that was copied or restored, and of devices that are there
//! twice.

use driftless::{CopiedFolder, UsedTwice, WrittenElsewhere};
use serde_json::{Value as Json, json};

use crate::failure::Failure;
use crate::output::{Output, clean};
use crate::time_text;

/// Both for people, with what to do; nothing where there is nothing to tell.
pub(super) fn print(
    output: &mut Output,
    elsewhere: Option<&WrittenElsewhere>,
    copied: Option<&CopiedFolder>,
) -> Result<(), Failure> {
    if let Some(copied) = copied {
        let noticed = copied.seen_ms.map_or_else(String::new, |seen| {
            format!(" (noticed {})", time_text::minutes(seen))
        });
        output.line(&clean(&format!("{copied}{noticed}")))?;
    }
    if let Some(elsewhere) = elsewhere {
        let first = time_text::minutes(elsewhere.first_seen_ms);
        let last = time_text::minutes(elsewhere.last_seen_ms);
        let seen = if first == last {
            format!("seen {first}")
        } else {
            format!("first seen {first}, last {last}")
        };
        output.line(&clean(&format!("{elsewhere} ({seen})")))?;
    }
    let remedy = elsewhere.map(WrittenElsewhere::remedy);
    if let Some(remedy) = remedy.or(copied.map(CopiedFolder::remedy)) {
        output.line(remedy)?;
        output.line("`driftless status --dismiss` says that you have read this.")?;
    }
    Ok(())
}

/// What there is to tell of one device that has signed different changes with the same numbers, for people.
pub(super) fn print_used_twice(output: &mut Output, device: &UsedTwice) -> Result<(), Failure> {
    output.line(&clean(&device.to_string()))?;
    output.line(device.remedy())
}

/// The same, as the output has it; null where it has not.
pub(super) fn used_twice_json(device: Option<&UsedTwice>) -> Json {
    let Some(device) = device else {
        return Json::Null;
    };
    json!({
        "device": device.device.to_string(),
        "name": device.name,
        "waiting": device.waiting,
        "message": device.to_string(),
        "remedy": device.remedy(),
    })
}

/// What was written elsewhere, as the output has it; null where there is nothing.
pub(super) fn elsewhere_json(elsewhere: Option<&WrittenElsewhere>) -> Json {
    let Some(elsewhere) = elsewhere else {
        return Json::Null;
    };
    let feeds = elsewhere.feeds.iter().map(|feed| {
        json!({
            "feed": feed.feed.to_string(),
            "first": feed.first,
            "last": feed.last,
            "changes": feed.changes,
            "first_seen": time_text::rfc3339(feed.first_seen_ms),
            "last_seen": time_text::rfc3339(feed.last_seen_ms),
            "beside": feed.is_beside,
        })
    });
    json!({
        "changes": elsewhere.changes,
        "changes_beside": elsewhere.changes_beside,
        "feed_count": elsewhere.feed_count,
        "feeds": feeds.collect::<Vec<_>>(),
        "first_seen": time_text::rfc3339(elsewhere.first_seen_ms),
        "last_seen": time_text::rfc3339(elsewhere.last_seen_ms),
        "numbers_used_twice": elsewhere.numbers_used_twice,
        "repaired": elsewhere.was_repaired,
        "message": elsewhere.to_string(),
        "remedy": elsewhere.remedy(),
    })
}

/// Where the folder was copied from, as the output has it; null where it was not.
pub(super) fn copied_json(copied: Option<&CopiedFolder>) -> Json {
    let Some(copied) = copied else {
        return Json::Null;
    };
    json!({
        "from": copied.from,
        "was_there": copied.was_there,
        "seen": copied.seen_ms.map(time_text::rfc3339),
        "message": copied.to_string(),
        "remedy": copied.remedy(),
    })
}
