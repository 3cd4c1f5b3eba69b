//! What is recorded and what is to fail.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use driftless_faults::{Counted, Failure, Fault, Handle, Operation};

use super::calls;

/// Where the machine's boot id is read.
const BOOT_ID: &[u8] = b"/proc/sys/kernel/random/boot_id";

pub(super) static STATE: Mutex<State> = Mutex::new(State::new());

/// Whether anything is asked of the functions here; until then they only pass on.
static IS_ACTIVE: AtomicBool = AtomicBool::new(false);

/// Where operations go.
pub(super) enum Sink {
    None,
    Memory(Vec<u8>),
    File(i32),
}

/// A file or folder below the folder, as a descriptor has it.
#[derive(Clone, Debug)]
pub(super) struct Tracked {
    pub(super) handle: Handle,
    pub(super) path: String,
    pub(super) appends: bool,
    pub(super) is_folder: bool,
}

pub(super) struct State {
    /// The folder, without a slash at its end; empty while nothing is recorded.
    root: Vec<u8>,
    sink: Sink,
    files: BTreeMap<i32, Tracked>,
    handles: Handle,
    fault: Fault,
    counted: Counted,
    boot_id: Option<CString>,
}

/// What an operation is, as far as it decides whether it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    Opening,
    Reading,
    /// Takes room: a new file or folder, a name.
    Making,
    Writing,
    Resizing,
    Syncing,
    Removing,
}

/// What is to be done instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    CarryOut,
    Fail(i32),
    /// Half of a write.
    Half,
    /// Half of a write, then the end of the process.
    Die,
}

pub(super) fn is_active() -> bool {
    IS_ACTIVE.load(Ordering::Acquire)
}

/// The state, whatever panicked while it was held.
pub(super) fn lock() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    const fn new() -> Self {
        Self {
            root: Vec::new(),
            sink: Sink::None,
            files: BTreeMap::new(),
            handles: 0,
            fault: Fault::None,
            counted: Counted {
                operations: 0,
                syncs: 0,
                hit: false,
            },
            boot_id: None,
        }
    }

    pub(super) fn begin(&mut self, root: &Path, sink: Sink, fault: Fault) {
        self.root = root.as_os_str().as_bytes().to_vec();
        self.sink = sink;
        self.files.clear();
        self.handles = 0;
        self.fault = fault;
        self.counted = Counted::default();
        IS_ACTIVE.store(true, Ordering::Release);
    }

    /// Descriptors that are open now are not followed any more.
    pub(super) fn end(&mut self) -> Sink {
        self.root.clear();
        self.files.clear();
        self.fault = Fault::None;
        std::mem::replace(&mut self.sink, Sink::None)
    }

    pub(super) fn counted(&self) -> Counted {
        self.counted
    }

    pub(super) fn set_boot_id(&mut self, path: &Path) {
        self.boot_id = CString::new(path.as_os_str().as_bytes()).ok();
        IS_ACTIVE.store(true, Ordering::Release);
    }

    /// The file that stands for the machine's boot id, if this is its path.
    pub(super) fn boot_id(&self, path: &[u8]) -> Option<&CString> {
        self.boot_id.as_ref().filter(|_| path == BOOT_ID)
    }

    /// The path of something below the folder, relative to it.
    pub(super) fn below(&self, path: &[u8]) -> Option<String> {
        if self.root.is_empty() {
            return None;
        }
        let rest = path.strip_prefix(self.root.as_slice())?;
        let rest = match rest {
            [] => rest,
            [b'/', rest @ ..] => rest,
            _ => return None,
        };
        let text = String::from_utf8_lossy(rest);
        Some(text.trim_end_matches('/').to_owned())
    }

    /// The same for a path that is relative to an open folder.
    pub(super) fn below_open(&self, folder: i32, path: &[u8]) -> Option<String> {
        if path.first() == Some(&b'/') {
            return self.below(path);
        }
        let folder = self.files.get(&folder).filter(|open| open.is_folder)?;
        let slash = if folder.path.is_empty() { "" } else { "/" };
        Some(format!(
            "{}{slash}{}",
            folder.path,
            String::from_utf8_lossy(path)
        ))
    }

    pub(super) fn tracked(&self, fd: i32) -> Option<&Tracked> {
        self.files.get(&fd)
    }

    pub(super) fn track(
        &mut self,
        fd: i32,
        path: String,
        appends: bool,
        is_folder: bool,
    ) -> Handle {
        self.handles += 1;
        let handle = self.handles;
        let open = Tracked {
            handle,
            path,
            appends,
            is_folder,
        };
        self.files.insert(fd, open);
        handle
    }

    pub(super) fn track_copy(&mut self, of: i32, fd: i32) {
        match self.files.get(&of).cloned() {
            Some(open) => self.files.insert(fd, open),
            None => self.files.remove(&fd),
        };
    }

    pub(super) fn untrack(&mut self, fd: i32) {
        self.files.remove(&fd);
    }

    pub(super) fn record(&mut self, operation: &Operation) {
        match &mut self.sink {
            Sink::None => {}
            Sink::Memory(log) => operation.encode(log),
            Sink::File(fd) => {
                let mut bytes = Vec::new();
                operation.encode(&mut bytes);
                calls::append_to_log(*fd, &bytes);
            }
        }
    }

    /// Whether a sync of such a descriptor is taken for one that covers something.
    pub(super) fn covers(&self, fd: i32) -> bool {
        let is_folder = self.files.get(&fd).is_some_and(|open| open.is_folder);
        self.fault != Fault::Uncovered { folders: is_folder }
    }

    /// Counts an operation, and says what is to become of it.
    pub(super) fn judge(&mut self, doing: Doing) -> Verdict {
        self.counted.operations += 1;
        let now = self.counted.operations;
        if doing == Doing::Syncing {
            self.counted.syncs += 1;
        }
        let verdict = match self.fault {
            Fault::Fail { at, error } if at == now => Verdict::Fail(match error {
                Failure::Broken => libc::EIO,
                Failure::Full => libc::ENOSPC,
            }),
            Fault::Short { at } if at == now && doing == Doing::Writing => Verdict::Half,
            Fault::Kill { at } if at == now => Verdict::Die,
            Fault::FailSync { at } if doing == Doing::Syncing && at == self.counted.syncs => {
                Verdict::Fail(libc::EIO)
            }
            Fault::Full { at } if at <= now => match doing {
                Doing::Making | Doing::Writing | Doing::Resizing => Verdict::Fail(libc::ENOSPC),
                Doing::Opening | Doing::Reading | Doing::Syncing | Doing::Removing => {
                    Verdict::CarryOut
                }
            },
            _ => Verdict::CarryOut,
        };
        self.counted.hit |= verdict != Verdict::CarryOut;
        verdict
    }
}
