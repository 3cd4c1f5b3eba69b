//! Looking after what is stored: what is wrong with it ([`inspect`]), and mending it ([`mend_journal`]).
//!
//! Looking changes nothing: what a repair would do is done in memory, over the files as they are, and looked at. A
//! repair keeps every frame of the journal that is whole. What rests on what is gone waits (`core/waiting.rs`).

mod fault;
mod inspect;
mod mend;
mod remains;

pub use fault::{Fault, FaultPart, FaultRemedy};
pub use inspect::{Inspected, inspect};
pub use mend::{MendedJournal, mend_journal};
pub use remains::Remains;
