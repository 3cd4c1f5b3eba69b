//! What the argument parser says, put where a program or a person looks for it.

use clap::error::ErrorKind;
use serde_json::json;

use crate::caller::Caller;
use crate::failure::Failure;
use crate::output::Output;
use crate::standard_error::StandardError;

/// Help and version are answers; everything else is a usage error.
pub(crate) fn answer(error: clap::Error, json: bool, caller: &dyn Caller) -> Result<(), Failure> {
    let name = match error.kind() {
        ErrorKind::DisplayHelp => "help",
        ErrorKind::DisplayVersion => "version",
        _ => return Err(Failure::Arguments(error)),
    };
    let mut output = Output::new(json, caller);
    let text = if !json && caller.colors() {
        error.render().ansi().to_string()
    } else {
        error.render().to_string()
    };
    output.answer(&json!({ name: text.trim_end() }), text.trim_end())?;
    output.flush()
}

/// What is wrong, in one line.
pub(crate) fn message(error: &clap::Error) -> String {
    match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            "a command is missing".into()
        }
        _ => one_line(paragraphs(error).first().map_or("", String::as_str))
            .trim_start_matches("error: ")
            .to_owned(),
    }
}

/// What to type instead, in one line.
pub(crate) fn remedy(error: &clap::Error) -> String {
    match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            "Run `driftless --help` to see the commands.".into()
        }
        _ => one_line(&paragraphs(error).split_off(1).join("; ")),
    }
}

/// Writes it for a person, as the parser laid it out.
pub(crate) fn report(error: &clap::Error, to: &StandardError) {
    let text = error.render();
    if to.is_terminal() {
        to.print(&text.ansi().to_string());
    } else {
        to.print(&text.to_string());
    }
}

fn paragraphs(error: &clap::Error) -> Vec<String> {
    let text = error.render().to_string();
    text.split("\n\n").map(str::to_owned).collect()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
