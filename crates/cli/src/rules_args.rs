//! What can be typed after `rules`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::args::RecordName;
use crate::help;

#[derive(Debug, Args)]
pub(crate) struct Rules {
    /// What to do; showing is the default
    #[command(subcommand)]
    pub(crate) action: Option<RulesAction>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RulesAction {
    /// Check a file of rules without setting them
    #[command(after_help = help::RULES_CHECK)]
    Check(RulesFile),
    /// Set the rules of the workspace, for all devices
    #[command(after_help = help::RULES_SET)]
    Set(RulesFile),
    /// Show the rules that hold
    #[command(after_help = help::RULES_SHOW)]
    Show,
    /// Say which rule decides about a field, and why
    #[command(after_help = help::RULES_EXPLAIN)]
    Explain(RulesExplain),
}

#[derive(Debug, Args)]
pub(crate) struct RulesFile {
    /// The file, TOML or JSON
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct RulesExplain {
    #[command(flatten)]
    pub(crate) name: RecordName,
    /// The field, as in address.city; `$deleted` for the record as a whole
    #[arg(value_name = "FIELD")]
    pub(crate) field: String,
}
