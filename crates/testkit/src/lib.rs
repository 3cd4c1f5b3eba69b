//! Shared test helpers of Driftless, a dependency of tests only.
//!
//! * [`oracle`] computes the conflict log by brute force, sharing no code with the crate it checks.
//! * [`past`] says what a record read at any of its changes, likewise.
//! * [`histories`] are random plans of edits and deliveries; [`plain`] carries one out as data alone, fast,
//!   and [`replicas`] on real records.

pub mod histories;
pub mod oracle;
pub mod past;
pub mod plain;
pub mod replicas;
