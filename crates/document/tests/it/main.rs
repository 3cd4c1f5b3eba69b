//! Records, admission and paths, through the public surface.
#![allow(clippy::unwrap_used)]

mod admission;
mod bytes;
mod conflicts;
mod fields;
mod fields_any;
mod fields_hostile;
mod golden;
mod honest;
mod hostile;
mod incremental;
mod mutants;
mod overlaps;
mod paths;
mod policies;
mod record;
mod rules;
mod support;
mod transactions;
mod typed;
mod void;
