//! The `driftless` binary, end to end: real processes, real folders, real sockets.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "tests: a failed expectation is the report"
)]

#[path = "e2e/chain.rs"]
mod chain;
#[path = "e2e/conflict_log.rs"]
mod conflict_log;
#[path = "e2e/conflicts.rs"]
mod conflicts;
#[path = "e2e/contract.rs"]
mod contract;
#[path = "e2e/copies.rs"]
mod copies;
#[path = "e2e/damage.rs"]
mod damage;
#[path = "e2e/demo.rs"]
mod demo;
#[path = "e2e/devices.rs"]
mod devices;
#[path = "e2e/disk.rs"]
mod disk;
#[path = "e2e/engines.rs"]
mod engines;
#[cfg(unix)]
#[path = "e2e/entries.rs"]
mod entries;
#[path = "e2e/fields.rs"]
mod fields;
#[cfg(target_os = "linux")]
#[path = "e2e/flood.rs"]
mod flood;
#[path = "e2e/folders.rs"]
mod folders;
#[path = "e2e/gate.rs"]
mod gate;
#[path = "e2e/help.rs"]
mod help;
#[path = "e2e/history.rs"]
mod history;
#[path = "e2e/import.rs"]
mod import;
#[path = "e2e/json.rs"]
mod json;
#[path = "e2e/malformed.rs"]
mod malformed;
#[path = "e2e/members.rs"]
mod members;
#[path = "e2e/quarantine.rs"]
mod quarantine;
#[path = "e2e/races.rs"]
mod races;
#[path = "e2e/records.rs"]
mod records;
#[path = "e2e/refusals.rs"]
mod refusals;
#[cfg(unix)]
#[path = "e2e/review.rs"]
mod review;
#[path = "e2e/rules.rs"]
mod rules;
#[path = "e2e/serve.rs"]
mod serve;
#[cfg(unix)]
#[path = "e2e/served.rs"]
mod served;
#[path = "e2e/signals.rs"]
mod signals;
#[path = "e2e/storage.rs"]
mod storage;
#[path = "e2e/support.rs"]
mod support;
#[path = "e2e/sync.rs"]
mod sync;
#[cfg(unix)]
#[path = "e2e/terminal.rs"]
mod terminal;
#[path = "e2e/usage.rs"]
mod usage;
#[path = "e2e/watch.rs"]
mod watch;
