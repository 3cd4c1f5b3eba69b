//! What is on the wire and what is signed: one binary, one module a story.
#![allow(clippy::unwrap_used)]

mod chunks;
mod common;
mod cursors;
mod envelopes;
mod errors;
mod golden;
mod hostile;
mod layout;
mod links;
mod membership;
mod messages;
mod noise;
mod round_trips;
mod wire_form;
