//! What can be typed after `conflicts`.

use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use crate::args::number;
use crate::duration;
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
    /// Show one entry, its sides next to each other
    #[command(after_help = help::CONFLICTS_SHOW)]
    Show(Show),
    /// Walk through the open entries and decide them with single keys
    #[command(after_help = help::CONFLICTS_REVIEW)]
    Review(Review),
    /// Decide an open entry, or all that fit, here and on every device
    #[command(
        after_help = help::CONFLICTS_RESOLVE,
        override_usage = "driftless conflicts resolve <ID|--all> <DECISION> [OPTIONS]"
    )]
    Resolve(Resolve),
    /// Say of an open entry, or of all that fit, that it may stay as it is
    #[command(
        after_help = help::CONFLICTS_ACKNOWLEDGE,
        override_usage = "driftless conflicts acknowledge <ID|--all> [OPTIONS]"
    )]
    Acknowledge(Acknowledge),
    /// Take the decision on an entry back, so that it is open again
    #[command(after_help = help::CONFLICTS_UNDO)]
    Undo(EntryName),
    /// Print what becomes of the open entries as it happens, until interrupted
    #[command(after_help = help::CONFLICTS_WATCH)]
    Watch(ConflictsWatch),
    /// Count what was merged, opened and decided, and name the fields with the most conflicts
    #[command(after_help = help::CONFLICTS_INSIGHT)]
    Insight(Insight),
    /// Write the whole log as JSON lines, equal on devices that hold the same
    #[command(after_help = help::CONFLICTS_EXPORT)]
    Export,
}

#[derive(Debug, Default, Args)]
pub(crate) struct ConflictsList {
    /// Only entries of this status
    #[arg(long, value_name = "STATUS")]
    pub(crate) status: Option<StatusName>,
    #[command(flatten)]
    pub(crate) filters: Filters,
    /// At most so many entries
    #[arg(long, value_name = "N", value_parser = number, allow_negative_numbers = true)]
    pub(crate) limit: Option<usize>,
    /// Only what comes after this entry: the last one of the page before
    #[arg(long, value_name = "ID")]
    pub(crate) after: Option<String>,
    /// Print how many there are instead
    #[arg(long, conflicts_with_all = ["limit", "after"])]
    pub(crate) count: bool,
}

/// Which entries; every filter that is given must fit.
#[derive(Debug, Default, Args)]
pub(crate) struct Filters {
    /// Only entries of this kind
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: Option<KindName>,
    /// Only entries of this collection
    #[arg(long, value_name = "C")]
    pub(crate) collection: Option<String>,
    /// Only entries of this record; a short id or `key:VALUE` needs the collection, too
    #[arg(long, value_name = "ID")]
    pub(crate) record: Option<String>,
    /// Only entries of this field
    #[arg(long, value_name = "FIELD")]
    pub(crate) path: Option<String>,
    /// Only entries in which this device took part: its name, or the beginning of its id
    #[arg(long, value_name = "DEVICE")]
    pub(crate) author: Option<String>,
    /// Only entries whose last side is older than this: a number and s, m, h, d or w
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub(crate) older_than: Option<Duration>,
    /// Only entries whose last side is at most so old
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub(crate) newer_than: Option<Duration>,
}

impl Filters {
    /// The filters as they are typed.
    pub(crate) fn words(&self) -> Vec<String> {
        let kind = self.kind.and_then(|kind| kind.to_possible_value());
        let seconds = |time: Option<Duration>| time.map(|time| format!("{}s", time.as_secs()));
        let typed = [
            ("kind", kind.map(|kind| kind.get_name().to_owned())),
            ("collection", self.collection.clone()),
            ("record", self.record.clone()),
            ("path", self.path.clone()),
            ("author", self.author.clone()),
            ("older-than", seconds(self.older_than)),
            ("newer-than", seconds(self.newer_than)),
        ];
        let given = typed
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        given
            .map(|(name, value)| format!("--{name}={value}"))
            .collect()
    }
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

/// What kind of overlap an entry is.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum KindName {
    /// Each side is sound, and both together are not
    Integrity,
    /// Deleted on one side, edited or restored on the other
    RecordDeleted,
    /// One text was edited in one place on both sides
    Text,
    /// One element of a list was written on both sides
    ListElement,
    /// Written on one side, removed on the other
    PutDelete,
    /// Written on both sides
    PutPut,
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

#[derive(Debug, Default, Args)]
pub(crate) struct Review {
    #[command(flatten)]
    pub(crate) filters: Filters,
}

#[derive(Debug, Default, Args)]
pub(crate) struct ConflictsWatch {
    /// Print those first that are open now
    #[arg(long)]
    pub(crate) open: bool,
    #[command(flatten)]
    pub(crate) filters: Filters,
}

#[derive(Debug, Args)]
pub(crate) struct Insight {
    /// So many of the fields with the most conflicts
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = number, allow_negative_numbers = true)]
    pub(crate) fields: usize,
}

/// One open entry, or all that fit: exactly one of the two.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// The entry: its id, or the beginning of its id
    #[arg(
        value_name = "ID",
        required_unless_present = "all",
        conflicts_with = "all"
    )]
    pub(crate) entry: Option<String>,
    /// All open entries that fit the filters
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) filters: Filters,
    /// With --all: say what would be done, and do nothing
    #[arg(long, requires = "all")]
    pub(crate) preview: bool,
    /// Only if so many writes take part, as `members_total` of the entry said
    #[arg(long, value_name = "N", value_parser = number, allow_negative_numbers = true, conflicts_with = "all")]
    pub(crate) seen: Option<usize>,
}

#[derive(Debug, Args)]
pub(crate) struct Resolve {
    #[command(flatten)]
    pub(crate) which: Which,
    #[command(flatten)]
    pub(crate) decision: Decision,
}

/// What is decided: exactly one of these.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Decision {
    /// Keep candidate N, counted from 0; with --all also `shown` or `latest`
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) keep: Option<Keep>,
    /// With --all: keep what this device wrote; its name, or the beginning of its id
    #[arg(long, value_name = "DEVICE")]
    pub(crate) keep_of: Option<String>,
    /// Take another value, given as JSON
    #[arg(long, value_name = "JSON", allow_hyphen_values = true)]
    pub(crate) value: Option<String>,
    /// Let both sides stand as they were merged, where the field holds both
    #[arg(long)]
    pub(crate) both: bool,
}

/// Which candidate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// The one with this number.
    Number(usize),
    /// The one that records show.
    Shown,
    /// The one that claims the latest time.
    Latest,
}

impl FromStr for Keep {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "shown" => Ok(Self::Shown),
            "latest" => Ok(Self::Latest),
            number => number
                .parse()
                .map(Self::Number)
                .map_err(|_| "it is no number from 0 on, nor `shown` or `latest`"),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Acknowledge {
    #[command(flatten)]
    pub(crate) which: Which,
    /// Why it may stay, for whoever reads it later
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true,
        allow_hyphen_values = true
    )]
    pub(crate) note: String,
}
