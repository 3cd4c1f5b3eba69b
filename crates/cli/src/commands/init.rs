//! `driftless init`: a new device and a new workspace.

use driftless::Database;
use serde_json::json;

use crate::args::Init;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::clean;

pub(crate) async fn run(context: &mut Context, arguments: &Init) -> Result<(), Failure> {
    let dir = context.dir()?.to_owned();
    let options = context.options(&arguments.name);
    let database = Database::create(&dir, options.with_engine(arguments.engine)).await?;
    let status = database.status().await.map_err(Failure::from);
    let status = context.close_after(database, status).await?;
    context.output.answer(
        &json!({
            "device": status.device.to_string(),
            "workspace": status.workspace.to_string(),
            "name": status.device_name,
        }),
        &format!(
            "made the device {} with a new workspace in {}",
            clean(&status.device_name),
            clean(&dir.display().to_string())
        ),
    )
}
