//! Chores of the workspace; not published, and nothing published depends on it.
//!
//! [`tidy`] holds the tree to the rules of CONTRIBUTING.md that no compiler checks. It runs as `cargo xtask tidy` and as a
//! test of this crate, so `cargo test --workspace` runs it too. [`golden`] runs the tests that compare golden files and
//! makes sure that they compared all of them. [`long`] starts what runs for hours.

pub mod golden;
pub mod long;
pub mod tidy;
