//! Shared test helpers of Driftless, a dependency of tests only.
//!
//! * [`oracle`] computes the conflict log by brute force, sharing no code with the crate it checks.
//! * [`past`] says what a record read at any of its changes, likewise.
//! * [`histories`] are random plans of edits and deliveries; [`plain`] carries one out as data alone, fast,
//!   and [`replicas`] on real records.
//! * [`schedule`] is what may happen to a few devices, as data; [`world`] carries one out on real replicas, heals,
//!   and checks; [`shrink`] makes a failing one smaller. [`device`] and [`wire`] are what a world is made of.

pub mod device;
pub mod histories;
pub mod oracle;
pub mod past;
pub mod plain;
pub mod replicas;
pub mod schedule;
pub mod shrink;
pub mod wire;
pub mod world;
