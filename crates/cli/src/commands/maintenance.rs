//! The commands that look after a device's folder.

use std::fmt::Write as _;

use driftless::{
    ConnectionStatus, MemberState, Role, RulesSummary, StatusReport, StoreReport,
    rules_summary_to_json,
};
use serde_json::{Value as Json, json};

use super::elsewhere;
use crate::args::{Rebuild, Status};
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Output, bytes, clean, count};
use crate::table::Table;
use crate::time_text;

/// `driftless status`: what this device holds, and whom it knows.
pub(crate) async fn status(context: &mut Context, arguments: &Status) -> Result<(), Failure> {
    context
        .with_database(async |database, output| {
            let status = database.status().await?;
            let store = database.store().await?;
            // There are some where the process that serves the folder answers.
            let connections = database.sync().connections();
            if output.json() {
                output.object(&status_json(&status, &store, &connections))?;
            } else {
                print_status(output, &status, &store)?;
                print_connections(output, &status, &connections)?;
            }
            if arguments.dismiss {
                database.dismiss_elsewhere().await?;
            }
            Ok(())
        })
        .await
}

fn status_json(
    status: &StatusReport,
    store: &StoreReport,
    connections: &[ConnectionStatus],
) -> Json {
    let connections: Vec<_> = connections.iter().map(ConnectionStatus::to_json).collect();
    let peers: Vec<_> = status
        .peers
        .iter()
        .map(|peer| {
            json!({
                "device": peer.device.to_string(),
                "name": peer.name,
                "address": peer.address,
                "last_sync": peer.last_sync_ms.map(time_text::rfc3339),
                "lacks": peer.lacks,
                "refused": peer.refused,
            })
        })
        .collect();
    let members: Vec<_> = status
        .members
        .iter()
        .map(|member| {
            json!({
                "device": member.device.to_string(),
                "name": member.name,
                "role": role_name(member.role),
                "state": member.state.as_str(),
            })
        })
        .collect();
    let used_twice = status.used_twice.iter();
    let used_twice = used_twice.map(|device| elsewhere::used_twice_json(Some(device)));
    json!({
        "records": status.records,
        "pending": status.pending,
        "pending_changes": status.pending_changes,
        "conflicts_open": status.conflicts_open,
        "peers": peers,
        "connections": connections,
        "cursor_entries": status.cursor_entries,
        "workspace": status.workspace.to_string(),
        "device": status.device.to_string(),
        "name": status.device_name,
        "members": members,
        "removed": is_removed(status),
        "removed_say": status.told_removed.iter().map(|d| d.name.as_str()).collect::<Vec<_>>(),
        "quarantined": status.quarantined,
        "journal_bytes": status.journal_bytes,
        "engine": store.engine.name(),
        "store_bytes": store.bytes,
        "store_live_bytes": store.live_bytes,
        "store_rewritten_bytes": store.rewritten_bytes,
        "needs_newer_version": status.needs_newer_version,
        "rules": rules_summary_to_json(&status.rules),
        "used_twice": used_twice.collect::<Vec<_>>(),
        "elsewhere": elsewhere::elsewhere_json(status.elsewhere.as_ref()),
        "copied": elsewhere::copied_json(status.copied.as_ref()),
    })
}

/// A line for each connection, with what it waits for.
fn print_connections(
    output: &mut Output,
    status: &StatusReport,
    connections: &[ConnectionStatus],
) -> Result<(), Failure> {
    for connection in connections {
        let mut members = status.members.iter();
        let peer = members.find(|member| Some(member.device) == connection.peer);
        let name = peer.map_or_else(String::new, |peer| format!(" ({})", clean(&peer.name)));
        let mut line = format!(
            "connection {}{name} is {}",
            clean(&connection.address),
            connection.state.as_str().replace('_', " ")
        );
        if let Some(next_ms) = connection.next_attempt_ms {
            let _ = write!(line, " until {}", time_text::rfc3339(next_ms));
        }
        if let Some(error) = &connection.last_error {
            let _ = write!(line, ": {}", clean(error.message()));
        }
        output.line(&line)?;
    }
    Ok(())
}

/// The rules that hold, where somebody has set some.
fn print_rules(output: &mut Output, rules: &RulesSummary) -> Result<(), Failure> {
    let Some(version) = rules.version else {
        return Ok(());
    };
    let held = match &rules.not_understood {
        None => count(rules.count as u64, "rule"),
        Some(error) => {
            let why = clean(&error.to_string());
            format!("rules that are not understood here ({why})")
        }
    };
    output.line(&format!("{held}, version {version}"))
}

fn print_status(
    output: &mut Output,
    status: &StatusReport,
    store: &StoreReport,
) -> Result<(), Failure> {
    let name = clean(&status.device_name);
    output.line(&format!("device {name} ({})", status.device))?;
    output.line(&format!("workspace {}", status.workspace))?;
    print_removed(output, status)?;
    elsewhere::print(output, status.elsewhere.as_ref(), status.copied.as_ref())?;
    output.line(&format!(
        "{}, {} open",
        count(status.records, "record"),
        count(status.conflicts_open, "conflict")
    ))?;
    output.line(&if status.peers.is_empty() {
        "no other device was ever met".to_owned()
    } else if status.pending == 0 {
        "every change made here is held by another device".to_owned()
    } else {
        format!(
            "{} with changes that no other device has acknowledged",
            count(status.pending, "record")
        )
    })?;
    if status.quarantined > 0 {
        output.line(&format!(
            "{} refused",
            count(status.quarantined, "envelope")
        ))?;
    }
    print_used_twice(output, status)?;
    output.line(&format!(
        "the journal takes {}, the store ({}) {} for {} of data{}",
        bytes(status.journal_bytes),
        store.engine,
        bytes(store.bytes),
        bytes(store.live_bytes),
        if store.rewritten_bytes.is_some() {
            ", which is being rewritten"
        } else {
            ""
        }
    ))?;
    print_rules(output, &status.rules)?;
    if status.needs_newer_version {
        output.line("something here needs a newer version of driftless")?;
    }
    output.table(&members_table(status))
}

/// The devices that still have to write again what does not count; of this one it was told already where it knows of both runs.
fn print_used_twice(output: &mut Output, status: &StatusReport) -> Result<(), Failure> {
    let told = status.elsewhere.as_ref();
    let is_told = told.is_some_and(|elsewhere| elsewhere.numbers_used_twice);
    let devices = status.used_twice.iter();
    let mut devices = devices.filter(|device| device.waiting > 0 && !(device.own && is_told));
    devices.try_for_each(|device| elsewhere::print_used_twice(output, device))
}

/// Whether this device was removed, as far as it has heard of it.
fn is_removed(status: &StatusReport) -> bool {
    let mut members = status.members.iter();
    members.any(|m| m.device == status.device && m.state == MemberState::Removed)
}

fn print_removed(output: &mut Output, status: &StatusReport) -> Result<(), Failure> {
    if is_removed(status) {
        output.line("this device was removed from the workspace")?;
    }
    for by in &status.told_removed {
        output.line(&format!(
            "{} says that this device was removed from the workspace: what is written here stays here",
            clean(&by.name)
        ))?;
    }
    Ok(())
}

fn members_table(status: &StatusReport) -> Table {
    let mut table = Table::new(["MEMBER", "ROLE", "LAST SYNC", "ADDRESS"]);
    for member in &status.members {
        let peer = status
            .peers
            .iter()
            .find(|peer| peer.device == member.device);
        let last_sync = match peer.and_then(|peer| peer.last_sync_ms) {
            Some(time_ms) => time_text::minutes(time_ms),
            None if member.device == status.device => "this device".into(),
            None if member.state == MemberState::Removed => "removed".into(),
            None if member.state == MemberState::Pending => "waits for an admission".into(),
            None => "never".into(),
        };
        let address = peer
            .and_then(|peer| peer.address.clone())
            .unwrap_or_default();
        table.push([
            member.name.as_str(),
            role_name(member.role),
            &last_sync,
            &address,
        ]);
    }
    table
}

/// `driftless digest`: equal on devices that hold the same, and nothing that may differ between them.
pub(crate) async fn digest(context: &mut Context) -> Result<(), Failure> {
    context
        .with_database(async |database, output| {
            let digest = database.digest().await?;
            let records_digest = hex(&digest.records_digest);
            let conflicts_digest = hex(&digest.conflicts_digest);
            output.answer(
                &json!({
                    "records_digest": records_digest,
                    "conflicts_digest": conflicts_digest,
                    "records": digest.records,
                }),
                &format!(
                    "records   {records_digest}\nconflicts {conflicts_digest}\n{}",
                    count(digest.records, "record")
                ),
            )
        })
        .await
}

/// `driftless rebuild`: sets the store aside and derives it again.
pub(crate) async fn rebuild(context: &mut Context, arguments: &Rebuild) -> Result<(), Failure> {
    let database = context.rebuild(arguments.engine).await?;
    let found = async { Ok((database.digest().await?, database.store().await?.engine)) };
    let found: Result<_, Failure> = found.await;
    let (digest, engine) = context.close_after(database, found).await?;
    context.output.answer(
        &json!({
            "records": digest.records,
            "records_digest": hex(&digest.records_digest),
            "conflicts_digest": hex(&digest.conflicts_digest),
            "engine": engine.name(),
        }),
        &format!(
            "rebuilt {} from the journal with {engine}",
            count(digest.records, "record")
        ),
    )
}

/// What a member may do, as a word.
fn role_name(role: Role) -> &'static str {
    match role {
        Role::Relay => "relay",
        Role::Viewer => "viewer",
        Role::Editor => "editor",
        Role::Admin => "admin",
        Role::Owner => "owner",
        _ => "of a newer version",
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a text does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
