//! What a real disk can do to a real process: a share of what `cargo xtask soak power|kill|failing` does for longer.

#![cfg(all(target_os = "linux", target_env = "gnu"))]
#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "tests: a failed expectation is the report"
)]

mod disks;
mod processes;
