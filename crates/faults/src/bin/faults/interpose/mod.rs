//! The program between its own code and the C library: what it does to files below a folder is recorded, and fails on demand.
//!
//! The functions in `calls.rs` have the names of the C library's. The linker takes the first definition it meets, which
//! is the program's own: so the standard library, sled and redb call them, and nothing has to be preloaded or installed.
//! What the C library does within itself does not come by here; it changes no files for us.
//!
//! One lock is held while an operation is carried out and recorded, so the log has the order in which things happened.

mod calls;
mod state;

use std::path::Path;

use driftless_faults::{Counted, Fault, Operation, Seam};

use state::Sink;

/// The seam of this program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interposed;

impl Seam for Interposed {
    fn record(&self, folder: &Path, log: Option<&Path>, fault: Fault) {
        let sink = match log {
            None => Sink::Memory(Vec::new()),
            Some(path) => Sink::File(calls::open_log(path)),
        };
        let mut state = state::lock();
        state.begin(folder, sink, fault);
    }

    fn stop(&self) -> (Vec<u8>, Counted) {
        let mut state = state::lock();
        let counted = state.counted();
        let sink = state.end();
        drop(state);
        let log = match sink {
            Sink::Memory(log) => log,
            Sink::File(fd) => {
                calls::close_log(fd);
                Vec::new()
            }
            Sink::None => Vec::new(),
        };
        (log, counted)
    }

    fn counted(&self) -> Counted {
        state::lock().counted()
    }

    fn mark(&self, text: &str) {
        let text = text.to_owned();
        state::lock().record(&Operation::Mark { text });
    }

    fn reboot(&self, boot_id: &Path) {
        state::lock().set_boot_id(boot_id);
    }
}
