//! [`Operation`]: one thing a process did to the files below a folder, and the bytes of a log of them.
//!
//! Only what succeeded is in a log, and what failed on purpose where that matters. Paths are relative to the folder,
//! with `/` between names; the folder itself is the empty path. A log that ends in the middle of an operation is that
//! of a process that was killed while it wrote it: the operation is not there.

/// What was opened; counted from 1 through a log, never given twice.
pub type Handle = u64;

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A file or folder was opened.
    Open {
        /// What it is called from now on.
        handle: Handle,
        /// Where it is.
        path: String,
        /// Whether this made the file.
        created: bool,
        /// Whether this emptied the file.
        emptied: bool,
    },
    /// Bytes were written.
    Write {
        /// To what.
        handle: Handle,
        /// From which byte of the file on.
        offset: u64,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// A file was cut or made longer.
    SetLength {
        /// Which.
        handle: Handle,
        /// Its length in bytes.
        length: u64,
    },
    /// What was written to a file, or the names in a folder, are durable from now on.
    Sync {
        /// Which.
        handle: Handle,
    },
    /// The same was asked and failed: of what was written before, no later sync makes anything durable.
    SyncFailed {
        /// Which.
        handle: Handle,
    },
    /// A file or folder was renamed; what was there is gone.
    Rename {
        /// From where.
        from: String,
        /// To where.
        to: String,
    },
    /// A file was removed.
    Remove {
        /// Which.
        path: String,
    },
    /// A folder was made.
    MakeFolder {
        /// Which.
        path: String,
    },
    /// An empty folder was removed.
    RemoveFolder {
        /// Which.
        path: String,
    },
    /// Something that the process says of itself.
    Mark {
        /// What.
        text: String,
    },
}

const OPEN: u8 = 1;
const WRITE: u8 = 2;
const SET_LENGTH: u8 = 3;
const SYNC: u8 = 4;
const SYNC_FAILED: u8 = 5;
const RENAME: u8 = 6;
const REMOVE: u8 = 7;
const MAKE_FOLDER: u8 = 8;
const REMOVE_FOLDER: u8 = 9;
const MARK: u8 = 10;

impl Operation {
    /// Adds its bytes to a log: a tag, then numbers of 8 bytes and texts with their lengths, little-endian.
    pub fn encode(&self, log: &mut Vec<u8>) {
        match self {
            Self::Open {
                handle,
                path,
                created,
                emptied,
            } => {
                put(
                    log,
                    OPEN,
                    &[*handle, u64::from(*created), u64::from(*emptied)],
                );
                put_bytes(log, path.as_bytes());
            }
            Self::Write {
                handle,
                offset,
                bytes,
            } => {
                put(log, WRITE, &[*handle, *offset]);
                put_bytes(log, bytes);
            }
            Self::SetLength { handle, length } => put(log, SET_LENGTH, &[*handle, *length]),
            Self::Sync { handle } => put(log, SYNC, &[*handle]),
            Self::SyncFailed { handle } => put(log, SYNC_FAILED, &[*handle]),
            Self::Rename { from, to } => {
                put(log, RENAME, &[]);
                put_bytes(log, from.as_bytes());
                put_bytes(log, to.as_bytes());
            }
            Self::Remove { path } => put_text(log, REMOVE, path),
            Self::MakeFolder { path } => put_text(log, MAKE_FOLDER, path),
            Self::RemoveFolder { path } => put_text(log, REMOVE_FOLDER, path),
            Self::Mark { text } => put_text(log, MARK, text),
        }
    }

    /// Reads a log; `None` if it is none.
    pub fn decode_all(log: &[u8]) -> Option<Vec<Self>> {
        let mut reader = Reader { rest: log };
        let mut operations = Vec::new();
        while let Some((tag, rest)) = reader.rest.split_first() {
            if !(OPEN..=MARK).contains(tag) {
                return None;
            }
            reader.rest = rest;
            let Some(operation) = decode(*tag, &mut reader) else {
                // Cut off in the middle.
                break;
            };
            operations.push(operation);
        }
        Some(operations)
    }
}

fn put(log: &mut Vec<u8>, tag: u8, numbers: &[u64]) {
    log.push(tag);
    for number in numbers {
        log.extend(number.to_le_bytes());
    }
}

fn put_bytes(log: &mut Vec<u8>, bytes: &[u8]) {
    log.extend((bytes.len() as u64).to_le_bytes());
    log.extend(bytes);
}

fn put_text(log: &mut Vec<u8>, tag: u8, text: &str) {
    put(log, tag, &[]);
    put_bytes(log, text.as_bytes());
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u64> {
        let bytes = self.take(8)?.try_into().ok()?;
        Some(u64::from_le_bytes(bytes))
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        self.take(length)
    }

    fn text(&mut self) -> Option<String> {
        self.bytes()
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }
}

/// The operation of this tag; `None` if the log ends within it.
fn decode(tag: u8, reader: &mut Reader<'_>) -> Option<Operation> {
    Some(match tag {
        OPEN => Operation::Open {
            handle: reader.number()?,
            created: reader.number()? == 1,
            emptied: reader.number()? == 1,
            path: reader.text()?,
        },
        WRITE => Operation::Write {
            handle: reader.number()?,
            offset: reader.number()?,
            bytes: reader.bytes()?.to_vec(),
        },
        SET_LENGTH => Operation::SetLength {
            handle: reader.number()?,
            length: reader.number()?,
        },
        SYNC => Operation::Sync {
            handle: reader.number()?,
        },
        SYNC_FAILED => Operation::SyncFailed {
            handle: reader.number()?,
        },
        RENAME => Operation::Rename {
            from: reader.text()?,
            to: reader.text()?,
        },
        REMOVE => Operation::Remove {
            path: reader.text()?,
        },
        MAKE_FOLDER => Operation::MakeFolder {
            path: reader.text()?,
        },
        REMOVE_FOLDER => Operation::RemoveFolder {
            path: reader.text()?,
        },
        _ => Operation::Mark {
            text: reader.text()?,
        },
    })
}
