//! What can be typed after `rules`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::args::Explain;
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
    Explain(Explain),
}

#[derive(Debug, Args)]
pub(crate) struct RulesFile {
    /// The file, TOML or JSON; - is standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}
