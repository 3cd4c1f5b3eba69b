//! Chores of the workspace; not published, and nothing published depends on it.
//!
//! [`tidy`] holds the tree to the rules of CONTRIBUTING.md that no compiler checks. It runs as
//! `cargo run -p driftless-xtask -- tidy` and as a test of this crate, so `cargo test --workspace` runs it too.

pub mod tidy;
