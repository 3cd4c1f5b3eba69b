//! The conflict log, histories and convergence: of records, on random histories; of replicas, on random schedules.

mod conflict_log;
mod convergence;
mod damage;
mod history;
mod honest;
mod kept_histories;
mod laws;
mod members;
mod mutations;
mod schedules;
mod stories;
mod targets;
mod worlds;
