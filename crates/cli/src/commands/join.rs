//! `driftless join`: a new device that becomes a member of a workspace.

use driftless::Database;
use serde_json::json;

use crate::args::Join;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::clean;

pub(crate) async fn run(context: &mut Context, arguments: &Join) -> Result<(), Failure> {
    let dir = context.dir()?.to_owned();
    let options = context.options(&arguments.name);
    let options = options.with_engine(arguments.engine);
    let database = Database::join(&dir, &arguments.link, options).await?;
    let status = database.status().await.map_err(Failure::from);
    let status = context.close_after(database, status).await?;
    let members: Vec<_> = status
        .members
        .iter()
        .map(|member| member.name.as_str())
        .collect();
    context.output.answer(
        &json!({
            "device": status.device.to_string(),
            "workspace": status.workspace.to_string(),
            "name": status.device_name,
            "members": members,
        }),
        &format!(
            "{} joined a workspace of {}; `driftless sync` brings the records",
            clean(&status.device_name),
            clean(&members.join(", "))
        ),
    )
}
