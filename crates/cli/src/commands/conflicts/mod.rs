//! `driftless conflicts`: what overlapped, and deciding it.

mod decide;
mod list;
mod show;
mod watch;

use crate::conflict_args::{Conflicts, ConflictsAction, ConflictsList};
use crate::context::Context;
use crate::failure::Failure;
use crate::review;

pub(crate) async fn run(context: &mut Context, arguments: Conflicts) -> Result<(), Failure> {
    let action = arguments
        .action
        .unwrap_or_else(|| ConflictsAction::List(ConflictsList::default()));
    // Whoever watches, or is asked key by key, holds the folder, or works beside whoever does.
    let action = match action {
        ConflictsAction::Review(arguments) => return review::run(context, arguments).await,
        ConflictsAction::Watch(arguments) => return watch::run(context, arguments).await,
        action => action,
    };
    context
        .with_database(async |database, output| match action {
            ConflictsAction::List(arguments) => list::list(database, output, arguments).await,
            ConflictsAction::Show(arguments) => {
                let conflict = database.conflicts().get(&arguments.name.entry).await?;
                show::print(output, &conflict, arguments.full)
            }
            ConflictsAction::Resolve(arguments) => {
                decide::resolve(database, output, arguments).await
            }
            ConflictsAction::Acknowledge(arguments) => {
                decide::acknowledge(database, output, arguments).await
            }
            ConflictsAction::Undo(name) => decide::undo(database, output, &name.entry).await,
            ConflictsAction::Export => {
                let lines = database.conflicts().export().await?;
                lines.iter().try_for_each(|line| output.line(line))
            }
            ConflictsAction::Review(_) | ConflictsAction::Watch(_) => Ok(()), // above
        })
        .await
}
