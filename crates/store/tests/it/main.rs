//! Tests of the crate from outside, in one binary.
#![allow(clippy::unwrap_used)]

mod conformance;
mod disk_engines;
mod folder;
mod golden;
mod journal;
mod journal_crash;
mod journal_damage;
mod journal_mending;
mod journal_packing;
mod key;
mod rewrite;
mod seal;
mod sled_kv;
