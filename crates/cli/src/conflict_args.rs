//! What can be typed after `conflicts`.

use clap::{Args, Subcommand, ValueEnum};

use crate::help;

#[derive(Debug, Args)]
pub(crate) struct Conflicts {
    /// What to do; listing is the default
    #[command(subcommand)]
    pub(crate) action: Option<ConflictsAction>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConflictsAction {
    /// List the entries of the conflict log
    #[command(after_help = help::CONFLICTS_LIST)]
    List(ConflictsList),
    /// Show one entry
    #[command(after_help = help::CONFLICTS_SHOW)]
    Show(Show),
    /// Decide an open entry, here and on every device
    #[command(after_help = help::CONFLICTS_RESOLVE)]
    Resolve(Resolve),
    /// Write the whole log as JSON lines, equal on devices that hold the same
    #[command(after_help = help::CONFLICTS_EXPORT)]
    Export,
}

#[derive(Debug, Default, Args)]
pub(crate) struct ConflictsList {
    /// Only entries of this status
    #[arg(long, value_name = "STATUS")]
    pub(crate) status: Option<StatusName>,
    /// Only entries of this collection
    #[arg(long, value_name = "C")]
    pub(crate) collection: Option<String>,
    /// Only entries of this record; a short id or `key:VALUE` needs the collection, too
    #[arg(long, value_name = "ID")]
    pub(crate) record: Option<String>,
    /// Only entries of this field
    #[arg(long, value_name = "FIELD")]
    pub(crate) path: Option<String>,
}

/// Where an entry stands.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum StatusName {
    /// A person has to decide
    Open,
    /// A later write knew both sides
    Resolved,
    /// Somebody who saw both sides let it stand
    Acknowledged,
    /// Decided by the field's type or a policy
    AutoMerged,
}

/// One entry of the conflict log.
#[derive(Debug, Args)]
pub(crate) struct EntryName {
    /// The entry: its id, or the beginning of its id
    #[arg(value_name = "ID")]
    pub(crate) entry: String,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    #[command(flatten)]
    pub(crate) name: EntryName,
    /// Show long texts whole, and every write that took part
    #[arg(long)]
    pub(crate) full: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Resolve {
    #[command(flatten)]
    pub(crate) name: EntryName,
    #[command(flatten)]
    pub(crate) decision: Decision,
}

/// What is decided: exactly one of the two.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Decision {
    /// Keep candidate N, counted from 0
    #[arg(long, value_name = "N")]
    pub(crate) keep: Option<usize>,
    /// Take another value, given as JSON
    #[arg(long, value_name = "JSON", allow_hyphen_values = true)]
    pub(crate) value: Option<String>,
}
