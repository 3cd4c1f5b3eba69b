//! What can be typed: every command, its arguments, and an example of each.
//!
//! Only shapes are checked here; what an argument means is the command's to know.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use driftless::StoreEngine;

use crate::conflict_args::Conflicts;
use crate::duration;
use crate::field_args::{Increment, Members, Push, PutAt, RemoveAt, Text};
use crate::help;
use crate::import::Format;
use crate::item_args::{Outbox, Quarantine};
use crate::member_args::WorkspaceMembers;
use crate::rules_args::Rules;

/// Where a device is met when nobody says otherwise.
pub(crate) const DEFAULT_LISTEN: &str = "127.0.0.1:7717";
/// The address an invitation carries when nobody says otherwise.
pub(crate) const DEFAULT_ADDRESS: &str = "ws://127.0.0.1:7717";

/// Records that work offline, agree afterwards, and keep every overlapping edit in a conflict log.
#[derive(Debug, Parser)]
#[command(
    name = "driftless",
    bin_name = "driftless",
    version,
    after_help = help::DRIFTLESS,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes, before or after its other arguments.
#[derive(Clone, Debug, Args)]
pub(crate) struct Global {
    /// The device's folder [default: the environment variable `DRIFTLESS_DIR`]
    #[arg(long, global = true, value_name = "DIR", display_order = 900)]
    pub(crate) dir: Option<PathBuf>,
    /// Print JSON: one object, or one a line; errors as JSON on standard error
    #[arg(long, global = true, display_order = 901)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a new device and a new workspace
    #[command(after_help = help::INIT)]
    Init(Init),
    /// Import a CSV file, a JSON array or JSON lines into a collection
    #[command(after_help = help::IMPORT)]
    Import(Import),
    /// Insert a record and print its id
    #[command(after_help = help::INSERT)]
    Insert(Insert),
    /// List the records of a collection, in the order of their ids
    #[command(after_help = help::LIST)]
    List(List),
    /// Show one record, as it is or as it was
    #[command(after_help = help::GET)]
    Get(Get),
    /// Show who did what to a record, and when
    #[command(after_help = help::HISTORY)]
    History(History),
    /// Set fields of a record
    #[command(after_help = help::SET)]
    Set(Set),
    /// Remove fields of a record
    #[command(after_help = help::UNSET)]
    Unset(Unset),
    /// Add to counters of a record, or take from them
    #[command(after_help = help::INCREMENT)]
    Increment(Increment),
    /// Edit a text of a record, or print it
    #[command(after_help = help::TEXT)]
    Text(Text),
    /// Put new elements into a list of a record
    #[command(after_help = help::PUSH)]
    Push(Push),
    /// Give an element of a list another value
    #[command(after_help = help::PUT_AT)]
    PutAt(PutAt),
    /// Take elements out of a list
    #[command(after_help = help::REMOVE_AT)]
    RemoveAt(RemoveAt),
    /// Add members to sets of a record
    #[command(after_help = help::ADD)]
    Add(Members),
    /// Remove members from sets of a record
    #[command(after_help = help::REMOVE)]
    Remove(Members),
    /// Delete a record; it can be restored
    #[command(after_help = help::DELETE)]
    Delete(RecordName),
    /// Restore a deleted record as it was
    #[command(after_help = help::RESTORE)]
    Restore(RecordName),
    /// Print a link with which another device joins the workspace
    #[command(after_help = help::INVITE)]
    Invite(Invite),
    /// Make a new device that joins a workspace over the network
    #[command(after_help = help::JOIN)]
    Join(Join),
    /// Let other devices sync with this one, until interrupted
    #[command(
        after_help = help::SERVE,
        mut_arg("uses", |uses| uses.requires("invite")),
        mut_arg("valid_for", |valid_for| valid_for.requires("invite")),
        mut_arg("role", |role| role.requires("invite"))
    )]
    Serve(Serve),
    /// Sync with another device until both have everything
    #[command(after_help = help::SYNC)]
    Sync(Sync),
    /// Print changes and conflicts as they come, until interrupted
    #[command(after_help = help::WATCH)]
    Watch(Watch),
    /// Say how edits of a field merge that are made apart, and how those did
    #[command(after_help = help::EXPLAIN)]
    Explain(Explain),
    /// Review the conflict log and decide its entries
    #[command(after_help = help::CONFLICTS)]
    Conflicts(Conflicts),
    /// Say what a field shows that was edited apart, while nobody has decided
    #[command(after_help = help::RULES)]
    Rules(Rules),
    /// List the devices of the workspace, or remove one
    #[command(after_help = help::MEMBERS)]
    Members(WorkspaceMembers),
    /// Look at what is held and not applied: explain, adopt, export or discard it
    #[command(after_help = help::QUARANTINE)]
    Quarantine(Quarantine),
    /// Look at what no other device holds yet, or has refused
    #[command(after_help = help::OUTBOX)]
    Outbox(Outbox),
    /// Show what this device holds and whom it knows
    #[command(after_help = help::STATUS)]
    Status(Status),
    /// Print digests that are equal on devices that hold the same
    #[command(after_help = help::DIGEST)]
    Digest,
    /// Check everything that is stored, and change nothing
    #[command(after_help = help::VERIFY)]
    Verify,
    /// Mend what is damaged: keep all that is whole, fetch the rest from another device
    #[command(after_help = help::REPAIR)]
    Repair(Repair),
    /// Set the store aside and derive it again from the journal
    #[command(after_help = help::REBUILD)]
    Rebuild(Rebuild),
    /// Make the folder as small as it gets, now
    #[command(after_help = help::COMPACT)]
    Compact,
    /// Show the whole of it: two devices, edits apart, one conflict log
    #[command(after_help = help::DEMO)]
    Demo(Demo),
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// What other devices call this one
    #[arg(long, value_name = "NAME")]
    pub(crate) name: String,
    /// What keeps the store: sled or redb
    #[arg(long, value_name = "ENGINE", default_value_t)]
    pub(crate) engine: StoreEngine,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The file to read
    pub(crate) file: PathBuf,
    /// The collection that gets the records
    #[arg(long, value_name = "C")]
    pub(crate) collection: String,
    /// A field that names the record; several make a composite key
    #[arg(long, value_name = "FIELD")]
    pub(crate) key: Vec<String>,
    /// The type of a CSV column, such as `zip=string`; it is remembered
    #[arg(long, value_name = "FIELD=TYPE")]
    pub(crate) types: Vec<String>,
    /// csv, json or jsonl [default: by the file's name, then by its first character]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<Format>,
}

#[derive(Debug, Args)]
pub(crate) struct Insert {
    /// The collection
    #[arg(value_name = "C")]
    pub(crate) collection: String,
    /// The fields: JSON if the whole value is JSON, else text
    #[arg(value_name = "FIELD=VALUE", required = true)]
    pub(crate) fields: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// The collection
    #[arg(value_name = "C")]
    pub(crate) collection: String,
    /// Only records whose field has this value; all of them must hold
    #[arg(long = "where", value_name = "FIELD=VALUE")]
    pub(crate) filters: Vec<String>,
    /// At most so many records
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
}

/// One record.
#[derive(Debug, Args)]
pub(crate) struct RecordName {
    /// The collection
    #[arg(value_name = "C")]
    pub(crate) collection: String,
    /// The record: its id, the beginning of its id, or `key:VALUE`
    #[arg(value_name = "ID")]
    pub(crate) record: String,
}

/// One field of a record.
#[derive(Debug, Args)]
pub(crate) struct FieldName {
    #[command(flatten)]
    pub(crate) name: RecordName,
    /// The field, as in address.city
    #[arg(value_name = "FIELD")]
    pub(crate) field: String,
}

/// Reads a number of things, or a place among them counted from 0.
pub(crate) fn number(text: &str) -> Result<usize, &'static str> {
    text.parse()
        .map_err(|_| "write a whole number, from 0 on, such as 2")
}

#[derive(Debug, Args)]
pub(crate) struct Get {
    #[command(flatten)]
    pub(crate) name: RecordName,
    /// As it was at this version: a version or a change of its history, or the beginning of one
    #[arg(long, value_name = "VERSION")]
    pub(crate) at: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct History {
    #[command(flatten)]
    pub(crate) name: RecordName,
    /// Only what was done to this field and those below it; `$deleted` for deleting and restoring
    #[arg(long, value_name = "FIELD")]
    pub(crate) field: Option<String>,
    /// Only the newest N changes
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    pub(crate) name: RecordName,
    /// The field, as in address.city; `$deleted` for the record as a whole
    #[arg(value_name = "FIELD")]
    pub(crate) field: String,
}

#[derive(Debug, Args)]
pub(crate) struct Set {
    #[command(flatten)]
    pub(crate) name: RecordName,
    /// The fields: JSON if the whole value is JSON, else text
    #[arg(value_name = "FIELD=VALUE", required = true)]
    pub(crate) fields: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Unset {
    #[command(flatten)]
    pub(crate) name: RecordName,
    /// The fields to remove, with all fields below them
    #[arg(value_name = "FIELD", required = true)]
    pub(crate) fields: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Invite {
    /// Where the other device reaches this one
    #[arg(long, value_name = "URL", default_value = DEFAULT_ADDRESS)]
    pub(crate) address: String,
    #[command(flatten)]
    pub(crate) terms: Terms,
}

/// How long and how often an invitation holds.
#[derive(Debug, Args)]
pub(crate) struct Terms {
    /// How many devices may join with the link
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) uses: u32,
    /// How long the link holds: a number and s, m, h, d or w
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = duration::parse)]
    pub(crate) valid_for: Duration,
    /// What these devices may do: at most what this one may
    #[arg(long, value_name = "ROLE", value_enum, default_value_t)]
    pub(crate) role: InvitedRole,
}

/// The roles with which a device can be let in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum InvitedRole {
    /// Reads and writes, invites, and sets the rules
    Admin,
    /// Reads and writes, and invites
    #[default]
    Editor,
    /// Reads
    Viewer,
}

#[derive(Debug, Args)]
pub(crate) struct Join {
    /// The link that `invite` or `serve --invite` printed
    pub(crate) link: String,
    /// What other devices call this one
    #[arg(long, value_name = "NAME")]
    pub(crate) name: String,
    /// What keeps the store: sled or redb
    #[arg(long, value_name = "ENGINE", default_value_t)]
    pub(crate) engine: StoreEngine,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The address to listen on; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = DEFAULT_LISTEN)]
    pub(crate) listen: String,
    /// Print a link with which another device joins, too
    #[arg(long)]
    pub(crate) invite: bool,
    /// Where the other device reaches this one, for the link [default: where this one listens]
    #[arg(long, value_name = "URL", requires = "invite")]
    pub(crate) address: Option<String>,
    /// Keep in touch with the device that listens there, too; may be given several times
    #[arg(long = "peer", value_name = "URL")]
    pub(crate) peers: Vec<String>,
    #[command(flatten)]
    pub(crate) terms: Terms,
}

#[derive(Debug, Args)]
pub(crate) struct Sync {
    /// Where the other device listens [default: the peers this device knows]
    pub(crate) url: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Watch {
    /// Only changes and conflicts of this collection
    #[arg(value_name = "C")]
    pub(crate) collection: Option<String>,
    /// Print the changes after this number first; with --json each change has its number
    #[arg(long, value_name = "SEQ")]
    pub(crate) since: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Say that you have read that the folder was copied or restored: it is not told again
    #[arg(long)]
    pub(crate) dismiss: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Rebuild {
    /// What keeps the store from now on: sled or redb [default: what keeps it now]
    #[arg(long, value_name = "ENGINE")]
    pub(crate) engine: Option<StoreEngine>,
}

#[derive(Debug, Args)]
pub(crate) struct Repair {
    /// Fetch what is missing at once from the device at this address
    #[arg(long, value_name = "URL")]
    pub(crate) peer: Option<String>,
    /// Say what is wrong and what would be missing afterwards, and change nothing
    #[arg(long, conflicts_with = "peer")]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Leave the two device folders here; a new or empty folder
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
    /// What the edits are drawn from; equal seeds make equal edits
    #[arg(long, value_name = "N", default_value_t = 7)]
    pub(crate) seed: u64,
}

impl Command {
    /// The name of a command that a process which holds the folder cannot carry out for another one.
    pub(crate) fn needs_folder_for_itself(&self) -> Option<&'static str> {
        match self {
            Self::Init(_) => Some("init"),
            Self::Join(_) => Some("join"),
            Self::Serve(_) => Some("serve"),
            Self::Repair(_) => Some("repair"),
            Self::Demo(_) => Some("demo"),
            _ => None,
        }
    }
}

/// Whether JSON is asked for, known even where the arguments as a whole make no sense.
pub(crate) fn asks_for_json(arguments: &[OsString]) -> bool {
    arguments
        .iter()
        .skip(1)
        .take_while(|argument| *argument != "--")
        .any(|argument| argument == "--json")
}
