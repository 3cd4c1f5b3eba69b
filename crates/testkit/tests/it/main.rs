//! The conflict log and convergence of records, on random histories.

mod conflict_log;
mod convergence;
mod history;
