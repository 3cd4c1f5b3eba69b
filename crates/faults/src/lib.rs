//! What a real disk can do to a real process, done on purpose: powers are cut, processes killed, operations fail.
//!
//! | concept | module | what it is |
//! |---|---|---|
//! | [`Operation`] | `operation` | one thing that a process did to its files, and the bytes of a log of them |
//! | [`Seam`] | `seam` | how the program asks for its own operations to be recorded or spoilt |
//! | [`Disk`], [`Loss`] | `disk`, `loss` | what a disk may hold of it after a power loss |
//! | [`Recording`] | `recording` | a log and the disks that may be left of it |
//! | [`Program`] | `workload` | what the recorded process does, and says |
//! | [`History`], [`judge`] | `history`, `judge` | what must be there, and whether it is |
//! | [`power()`], [`kill()`], [`failing()`] | | the three ways to break a process |
//! | [`spoil()`] | `spoil` | folders that something else than a crash has spoilt |
//! | [`mending()`] | `mending` | repairs of such folders, interrupted anywhere and run again |
//!
//! It is no simulation: the process is a real one with the real library, sled and redb, on the files of the operating
//! system; only the disk below is made up. Nothing here is published. It runs on Linux with the GNU C library.

#![cfg(all(target_os = "linux", target_env = "gnu"))]

mod dice;
mod disk;
mod failing;
mod history;
mod judge;
mod kill;
mod loss;
mod mending;
mod operation;
mod power;
mod process;
mod recording;
mod seam;
mod spoil;
mod tree;
mod workload;

pub use dice::Dice;
pub use disk::{Disk, LogError, SECTOR_BYTES};
pub use failing::{FailingTally, failing};
pub use history::History;
pub use judge::{Opened, judge};
pub use kill::{KillTally, kill};
pub use loss::{Bytes, Hole, Loss, Names};
pub use mending::{MendingTally, mending};
pub use operation::{Handle, Operation};
pub use power::{Tally, power};
pub use process::{Child, parse_engine, parse_fault, scratch};
pub use recording::{Cut, Recording};
pub use seam::{Counted, Failure, Fault, Seam};
pub use spoil::{SpoilTally, spoil};
pub use tree::Tree;
pub use workload::{Program, run};
