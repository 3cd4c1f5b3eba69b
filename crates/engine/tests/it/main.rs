//! Stories of two and three replicas, in memory, without sockets.
#![allow(clippy::unwrap_used)]

mod convergence;
mod discard;
mod durability;
mod history;
mod hostile;
mod live;
mod membership;
mod packing;
mod packing_format;
mod packing_size;
mod quarantine;
mod refused;
mod rules;
mod support;
