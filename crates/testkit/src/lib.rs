//! Shared test helpers of Driftless, a dependency of tests only.
//!
//! * [`oracle`] computes the conflict log by brute force, sharing no code with the crate it checks; [`past`] says what
//!   a record read at any of its changes, and [`sequence`] what stands in a text or list, likewise.
//! * [`histories`] are random plans of edits, decisions and deliveries; [`plain`] carries one out as data alone, fast,
//!   and [`replicas`] on real records. [`differential`] holds the conflict log of one against the oracle's, and
//!   [`story`] tells one.
//! * [`schedule`] is what may happen to a few devices, as data; [`world`] carries one out on real replicas, heals,
//!   and checks. [`world::simulate`] lets everything fail instead, at random, in a time of its own. [`device`], its
//!   disk's [`ills`] and [`wire`] are what a world is made of.
//! * [`members`] are random histories of devices that are removed, adopted and let back in, against an oracle of theirs.
//! * [`damage`] does harm to a device's journal and store after a random history, and repairs it.
//! * [`mutations`] are altered inputs of every kind that comes from outside, and what must hold of each.
//! * [`targets`] are the bodies of the fuzz targets, and their kept inputs.
//! * [`shrink`] makes a failing plan or schedule smaller.

pub mod damage;
pub mod device;
pub mod differential;
pub mod histories;
pub mod ills;
pub mod known;
pub mod members;
pub mod mutations;
pub mod oracle;
pub mod past;
pub mod plain;
pub mod replicas;
pub mod schedule;
pub mod sequence;
pub mod shrink;
pub mod story;
pub mod targets;
pub mod view;
pub mod wire;
pub mod world;
