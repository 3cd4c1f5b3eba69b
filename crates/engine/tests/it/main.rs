//! Stories of two and three replicas, in memory, without sockets.
#![allow(clippy::unwrap_used)]

mod convergence;
mod durability;
mod hostile;
mod live;
mod membership;
mod refused;
mod support;
