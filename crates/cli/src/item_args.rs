//! What can be typed after `quarantine` and `outbox`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::help;

#[derive(Debug, Args)]
pub(crate) struct Quarantine {
    /// What to do; listing is the default
    #[command(subcommand)]
    pub(crate) action: Option<QuarantineAction>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum QuarantineAction {
    /// List what is held and not applied
    #[command(after_help = help::QUARANTINE_LIST)]
    List(QuarantineList),
    /// Explain one item
    #[command(after_help = help::QUARANTINE_SHOW)]
    Show(ItemName),
    /// Judge an item again
    #[command(after_help = help::QUARANTINE_RETRY)]
    Retry(ItemName),
    /// Let an item count that a removed device had not sent
    #[command(after_help = help::QUARANTINE_ADOPT)]
    Adopt(ItemOrAll),
    /// Write again what another run of this device wrote, where that run is gone
    #[command(after_help = help::QUARANTINE_REISSUE)]
    Reissue(ItemOrAll),
    /// Print everything there is of an item, as JSON
    #[command(after_help = help::QUARANTINE_EXPORT)]
    Export(ItemName),
    /// Take an item of this device back, or leave another's out of the list
    #[command(after_help = help::QUARANTINE_DISCARD)]
    Discard(ItemName),
}

#[derive(Debug, Args)]
pub(crate) struct ItemOrAll {
    /// The item: its id, or the beginning of its id, a colon and its number
    #[arg(
        value_name = "ID",
        required_unless_present = "all",
        conflicts_with = "all"
    )]
    pub(crate) item: Option<String>,
    /// Every item with which this can be done
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Debug, Default, Args)]
pub(crate) struct QuarantineList {
    #[command(flatten)]
    pub(crate) page: Page,
    /// Also what is settled: taken back by its author, or discarded here
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Outbox {
    /// What to do; listing is the default
    #[command(subcommand)]
    pub(crate) action: Option<OutboxAction>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum OutboxAction {
    /// List what no other device holds yet, or has refused
    #[command(after_help = help::OUTBOX_LIST)]
    List(Page),
    /// Show how one item stands with every device
    #[command(after_help = help::OUTBOX_SHOW)]
    Show(ItemName),
    /// Say what becomes of an item, and what helps
    #[command(after_help = help::OUTBOX_RETRY)]
    Retry(ItemName),
    /// Print everything there is of an item, as JSON
    #[command(after_help = help::OUTBOX_EXPORT)]
    Export(ItemName),
    /// Take a refused item back, for everybody, and print its writes as a draft
    #[command(after_help = help::OUTBOX_DISCARD)]
    Discard(ItemName),
    /// Write a draft, as far as it still fits
    #[command(after_help = help::OUTBOX_APPLY)]
    Apply(Apply),
}

/// Which part of a list.
#[derive(Debug, Default, Args)]
pub(crate) struct Page {
    /// At most so many items
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// Only what comes after this item: the last one of the page before
    #[arg(long, value_name = "ID")]
    pub(crate) after: Option<String>,
}

/// One item.
#[derive(Debug, Args)]
pub(crate) struct ItemName {
    /// The item: its id, or the beginning of its id, a colon and its number
    #[arg(value_name = "ID")]
    pub(crate) item: String,
}

#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// The draft that `discard` printed
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}
