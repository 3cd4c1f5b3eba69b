//! The conflict log and convergence: of records, on random histories; of replicas, on random schedules.

mod conflict_log;
mod convergence;
mod schedules;
mod stories;
