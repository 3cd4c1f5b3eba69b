//! One function a command: it asks the library and prints the answer.

mod compact;
mod conflicts;
mod import;
mod init;
mod invite;
mod join;
mod maintenance;
mod records;
mod serve;
mod sync;

pub(crate) use import::import_checked;

use crate::args::{Arguments, Command};
use crate::context::Context;
use crate::demo;
use crate::failure::Failure;

/// Runs the command and passes its answer on.
pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let mut context = Context::new(arguments.global);
    let result = dispatch(&mut context, arguments.command).await;
    result.and(context.output.flush())
}

async fn dispatch(context: &mut Context, command: Command) -> Result<(), Failure> {
    match command {
        Command::Init(arguments) => init::run(context, &arguments).await,
        Command::Import(arguments) => import::run(context, arguments).await,
        Command::Insert(arguments) => records::insert(context, &arguments).await,
        Command::List(arguments) => records::list(context, &arguments).await,
        Command::Get(name) => records::get(context, &name).await,
        Command::Set(arguments) => records::set(context, &arguments).await,
        Command::Unset(arguments) => records::unset(context, &arguments).await,
        Command::Delete(name) => records::delete(context, &name).await,
        Command::Restore(name) => records::restore(context, &name).await,
        Command::Invite(arguments) => invite::run(context, arguments).await,
        Command::Join(arguments) => join::run(context, &arguments).await,
        Command::Serve(arguments) => serve::run(context, arguments).await,
        Command::Sync(arguments) => sync::run(context, arguments).await,
        Command::Conflicts(arguments) => conflicts::run(context, arguments).await,
        Command::Status => maintenance::status(context).await,
        Command::Digest => maintenance::digest(context).await,
        Command::Verify => maintenance::verify(context).await,
        Command::Rebuild(arguments) => maintenance::rebuild(context, &arguments).await,
        Command::Compact => compact::run(context).await,
        Command::Demo(arguments) => demo::run(&mut context.output, arguments).await,
    }
}
