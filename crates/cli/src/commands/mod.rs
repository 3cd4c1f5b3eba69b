//! One function a command: it asks the library and prints the answer.

mod compact;
mod conflicts;
mod elsewhere;
mod explain;
mod fields;
mod history;
mod import;
mod init;
mod invite;
mod join;
mod maintenance;
mod members;
mod outbox;
mod quarantine;
mod records;
mod repair;
mod rules;
mod serve;
mod sync;
mod verify;
mod watch;

pub(crate) use import::{IMPORT_FILE_BYTES_MAX, import_checked};

use std::ffi::OsString;
use std::sync::Arc;

use driftless::Database;

use crate::args::{Arguments, Command, Get};
use crate::caller::Caller;
use crate::context::Context;
use crate::demo;
use crate::failure::Failure;
use crate::served::{self, ServedError};

/// The error of a folder that another process holds.
pub(crate) const FOLDER_BUSY: &str = "folder_busy";

/// Runs the command that was typed, or has it run where the folder is held, and gives the exit code.
pub(crate) async fn run(
    arguments: Arguments,
    typed: &[OsString],
    caller: Arc<dyn Caller>,
) -> Result<u8, Failure> {
    let alone = arguments.command.needs_folder_for_itself();
    let mut context = Context::new(arguments.global, caller.clone());
    match finish(&mut context, arguments.command).await {
        Ok(()) => Ok(0),
        Err(Failure::Database(busy)) if busy.code() == FOLDER_BUSY => {
            let dir = context.dir()?;
            match alone {
                None => served::ask(&caller, dir, typed, busy).await,
                Some(command) => Err(match served::who_serves(dir).await {
                    Some(pid) => {
                        let dir = dir.to_owned();
                        ServedError::NotForOthers { dir, pid, command }.into()
                    }
                    None => busy.into(),
                }),
            }
        }
        Err(failure) => Err(failure),
    }
}

/// Runs a command for another process, on a database that is open here.
pub(crate) async fn carry_out(
    arguments: Arguments,
    caller: Arc<dyn Caller>,
    database: Database,
) -> Result<(), Failure> {
    let mut context = Context::served(arguments.global.json, caller, &database);
    if let Some(command) = arguments.command.needs_folder_for_itself() {
        let (dir, pid) = (database.dir().to_owned(), std::process::id());
        return Err(ServedError::NotForOthers { dir, pid, command }.into());
    }
    finish(&mut context, arguments.command).await
}

/// Runs the command and passes its answer on.
async fn finish(context: &mut Context, command: Command) -> Result<(), Failure> {
    let result = dispatch(context, command).await;
    result.and(context.output.flush())
}

async fn dispatch(context: &mut Context, command: Command) -> Result<(), Failure> {
    match command {
        Command::Init(arguments) => init::run(context, &arguments).await,
        Command::Import(arguments) => import::run(context, arguments).await,
        Command::Insert(arguments) => records::insert(context, &arguments).await,
        Command::List(arguments) => records::list(context, &arguments).await,
        Command::Get(Get { name, at: None }) => records::get(context, &name).await,
        Command::Get(Get { name, at: Some(at) }) => history::get_at(context, &name, &at).await,
        Command::History(arguments) => history::run(context, arguments).await,
        Command::Set(arguments) => records::set(context, &arguments).await,
        Command::Unset(arguments) => records::unset(context, &arguments).await,
        Command::Increment(arguments) => fields::increment(context, &arguments).await,
        Command::Text(arguments) => fields::text(context, arguments).await,
        Command::Push(arguments) => fields::push(context, &arguments).await,
        Command::PutAt(arguments) => fields::put_at(context, &arguments).await,
        Command::RemoveAt(arguments) => fields::remove_at(context, &arguments).await,
        Command::Add(arguments) => fields::add(context, &arguments).await,
        Command::Remove(arguments) => fields::remove(context, &arguments).await,
        Command::Delete(name) => records::delete(context, &name).await,
        Command::Restore(name) => records::restore(context, &name).await,
        Command::Invite(arguments) => invite::run(context, arguments).await,
        Command::Join(arguments) => join::run(context, &arguments).await,
        Command::Serve(arguments) => serve::run(context, arguments).await,
        Command::Sync(arguments) => sync::run(context, arguments).await,
        Command::Watch(arguments) => watch::run(context, arguments).await,
        Command::Explain(arguments) => explain::run(context, arguments).await,
        Command::Conflicts(arguments) => conflicts::run(context, arguments).await,
        Command::Rules(arguments) => rules::run(context, arguments).await,
        Command::Members(arguments) => members::run(context, arguments).await,
        Command::Quarantine(arguments) => quarantine::run(context, arguments).await,
        Command::Outbox(arguments) => outbox::run(context, arguments).await,
        Command::Status(arguments) => maintenance::status(context, &arguments).await,
        Command::Digest => maintenance::digest(context).await,
        Command::Verify => verify::run(context).await,
        Command::Repair(arguments) => repair::run(context, arguments).await,
        Command::Rebuild(arguments) => maintenance::rebuild(context, &arguments).await,
        Command::Compact => compact::run(context).await,
        Command::Demo(arguments) => demo::run(&mut context.output, arguments).await,
    }
}
