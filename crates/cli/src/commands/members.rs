//! `driftless members`: which devices are in the workspace.

use driftless::{Database, MemberState, MemberView, Members, StatusReport, UsedTwice};
use serde_json::Value as Json;

use super::elsewhere;
use crate::context::Context;
use crate::failure::Failure;
use crate::member_args::{MembersAction, WorkspaceMembers};
use crate::output::{Output, clean};
use crate::table::Table;

pub(crate) async fn run(context: &mut Context, arguments: WorkspaceMembers) -> Result<(), Failure> {
    let action = arguments.action.unwrap_or(MembersAction::List);
    context
        .with_database(async |database, output| match action {
            MembersAction::List => list(database, output).await,
            MembersAction::Remove(name) => remove(database, output, &name.member).await,
        })
        .await
}

async fn list(database: &Database, output: &mut Output) -> Result<(), Failure> {
    let status = database.status().await?;
    let members = &status.members;
    if output.json() {
        return members
            .iter()
            .try_for_each(|member| output.object(&json(member, &status)));
    }
    let mut table = Table::new(["MEMBER", "ROLE", "STATE", "DEVICE"]).keep_whole(3);
    for member in members {
        table.push([
            member.name.as_str(),
            member.role.as_str(),
            &state(member, database),
            &member.device.to_string(),
        ]);
    }
    output.table(&table)?;
    for device in &status.used_twice {
        elsewhere::print_used_twice(output, device)?;
    }
    let is_told = |member: &MemberView| used_twice(&status, member).is_some();
    for member in members.iter().filter(|m| m.lines > 1 && !is_told(m)) {
        output.line(&clean(&format!(
            "what {} wrote goes on in {} lines beside each other: its folder was copied, restored from an older state or repaired",
            member.name, member.lines
        )))?;
    }
    elsewhere::print(output, status.elsewhere.as_ref(), status.copied.as_ref())
}

/// A member as the output has it; of this device with what shows that its folder is there twice.
fn json(member: &MemberView, status: &StatusReport) -> Json {
    let mut json = Members::to_json(member);
    json["used_twice"] = elsewhere::used_twice_json(used_twice(status, member));
    if member.device == status.device {
        json["elsewhere"] = elsewhere::elsewhere_json(status.elsewhere.as_ref());
        json["copied"] = elsewhere::copied_json(status.copied.as_ref());
    }
    json
}

fn used_twice<'a>(status: &'a StatusReport, member: &MemberView) -> Option<&'a UsedTwice> {
    let mut devices = status.used_twice.iter();
    devices.find(|device| device.device == member.device)
}

/// How a member stands, in a word or two.
fn state(member: &MemberView, database: &Database) -> String {
    match member.state {
        MemberState::Active if member.device == database.device() => "this device".into(),
        MemberState::Pending => "waits".into(),
        state => state.as_str().to_owned(),
    }
}

async fn remove(database: &Database, output: &mut Output, name: &str) -> Result<(), Failure> {
    let member = database.members().get(name).await?;
    let removed = database.members().remove(member.device).await?;
    output.answer(
        &Members::to_json(&removed),
        &format!(
            "removed {}: what this device holds of it stays, what comes of it later waits in the quarantine",
            clean(&removed.name)
        ),
    )
}
