//! What can be typed after `members`.

use clap::{Args, Subcommand};

use crate::help;

#[derive(Debug, Args)]
pub(crate) struct WorkspaceMembers {
    /// What to do; listing is the default
    #[command(subcommand)]
    pub(crate) action: Option<MembersAction>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum MembersAction {
    /// List every device that was ever let in
    #[command(after_help = help::MEMBERS_LIST)]
    List,
    /// Remove a device from the workspace
    #[command(after_help = help::MEMBERS_REMOVE)]
    Remove(MemberName),
}

#[derive(Debug, Args)]
pub(crate) struct MemberName {
    /// Its name, or the beginning of its key
    #[arg(value_name = "NAME|DEVICE")]
    pub(crate) member: String,
}
