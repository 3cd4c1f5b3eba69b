//! Stories of two and three replicas, in memory, without sockets.
#![allow(clippy::unwrap_used)]

mod convergence;
mod deciding;
mod deciding_many;
mod discard;
mod draft_steps;
mod durability;
mod equivocation;
mod explaining;
mod fields;
mod forger;
mod history;
mod hostile;
mod large;
mod live;
mod membership;
mod packing;
mod packing_format;
mod packing_size;
mod quarantine;
mod reading;
mod refused;
mod removal;
mod rules;
mod split_live;
mod support;
mod trace;
