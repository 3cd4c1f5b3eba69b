//! What a program that embeds Driftless can rely on, with real folders and real sockets.
//!
//! Every test runs on a current-thread runtime: a call that blocked its thread would stop the other side too.
#![allow(clippy::unwrap_used)]

mod clocks;
mod commits;
mod conflicts;
mod fields;
mod folders;
mod growth;
mod history;
mod lifecycle;
mod live;
mod live_sockets;
mod offline;
mod packing;
mod quarantine;
mod records;
mod refusals;
mod remedies;
mod sockets;
mod stores;
mod support;
mod syncing;
mod threads;
