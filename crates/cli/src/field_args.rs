//! The arguments of the commands for counters, texts, lists and sets.

use std::path::PathBuf;

use clap::Args;

use crate::args::{FieldName, RecordName, number};

#[derive(Debug, Args)]
pub(crate) struct Increment {
    #[command(flatten)]
    pub(crate) name: RecordName,
    /// The counters, each with what is added: +3, or -2
    #[arg(value_name = "FIELD=BY", required = true)]
    pub(crate) counters: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Text {
    #[command(flatten)]
    pub(crate) named: FieldName,
    /// Where, in characters from the beginning [default: the end]
    #[arg(long, value_name = "N", value_parser = number, allow_negative_numbers = true, conflicts_with_all = ["replace", "replace_file"])]
    pub(crate) at: Option<usize>,
    /// Take so many characters out there
    #[arg(long, value_name = "N", value_parser = number, allow_negative_numbers = true, requires = "at")]
    pub(crate) delete: Option<usize>,
    /// Put these characters in there
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, conflicts_with_all = ["replace", "replace_file"])]
    pub(crate) insert: Option<String>,
    /// Make it read so; only what differs is changed
    #[arg(
        long,
        value_name = "TEXT",
        allow_hyphen_values = true,
        conflicts_with = "replace_file"
    )]
    pub(crate) replace: Option<String>,
    /// Make it read as this file does; - is standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) replace_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Push {
    #[command(flatten)]
    pub(crate) named: FieldName,
    /// The new elements: JSON if the whole value is JSON, else text
    #[arg(value_name = "VALUE", required = true, allow_negative_numbers = true)]
    pub(crate) values: Vec<String>,
    /// Before the element at this place, from 0 [default: at the end]
    #[arg(long, value_name = "N", value_parser = number, allow_negative_numbers = true)]
    pub(crate) at: Option<usize>,
}

#[derive(Debug, Args)]
pub(crate) struct PutAt {
    #[command(flatten)]
    pub(crate) named: FieldName,
    /// Which element, from 0
    #[arg(value_name = "N", value_parser = number, allow_negative_numbers = true)]
    pub(crate) at: usize,
    /// Its new value: JSON if the whole value is JSON, else text
    #[arg(value_name = "VALUE", allow_negative_numbers = true)]
    pub(crate) value: String,
}

#[derive(Debug, Args)]
pub(crate) struct RemoveAt {
    #[command(flatten)]
    pub(crate) named: FieldName,
    /// The first element, from 0
    #[arg(value_name = "N", value_parser = number, allow_negative_numbers = true)]
    pub(crate) at: usize,
    /// How many go
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = number, allow_negative_numbers = true)]
    pub(crate) count: usize,
}

/// Of `add` and `remove`.
#[derive(Debug, Args)]
pub(crate) struct Members {
    #[command(flatten)]
    pub(crate) name: RecordName,
    /// The sets, each with a member: JSON if the whole value is JSON, else text
    #[arg(value_name = "FIELD=MEMBER", required = true)]
    pub(crate) members: Vec<String>,
}
