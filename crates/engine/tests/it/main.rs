//! Stories of two and three replicas, in memory, without sockets.
#![allow(clippy::unwrap_used)]

mod convergence;
mod discard;
mod durability;
mod hostile;
mod live;
mod membership;
mod quarantine;
mod refused;
mod schedules;
mod support;
