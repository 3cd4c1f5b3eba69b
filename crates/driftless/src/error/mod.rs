//! [`Error`]: what went wrong, in words a person can act on.
//!
//! Every error of the crates below becomes one of these in `from.rs`, and nowhere else.

mod cases;
mod from;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use driftless_engine::ConflictView;
use driftless_protocol::Class;

use crate::conflicts::Conflict;

pub(crate) use from::{is_kv_damage, is_store_damage};

/// Why a database did not do what was asked.
///
/// Displays as its message. Equal codes mean the same thing for good.
#[derive(Clone)]
pub struct Error {
    code: &'static str,
    class: Class,
    kind: ErrorKind,
    message: String,
    remedy: Cow<'static, str>,
    retry: bool,
    retry_after: Option<Duration>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
    conflict: Option<Arc<Conflict>>,
}

/// What a caller can do about an error, coarsely; the command line turns each into an exit code. Complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// What was asked for makes no sense as it stands.
    Usage,
    /// What was named is not there.
    NotFound,
    /// It is not allowed, here or by the other side.
    Refused,
    /// The other side could not be reached, or went away.
    Network,
    /// Somebody else has what is needed.
    Busy,
    /// Something changed since it was read.
    Conflict,
    /// The disk, or what is on it.
    Storage,
    /// Anything else.
    Other,
}

impl Error {
    /// The stable name of this error, such as `folder_busy`.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// What kind of thing went wrong, by the taxonomy that devices share.
    pub fn class(&self) -> Class {
        self.class
    }

    /// What a caller can do about it, coarsely.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What happened, in a sentence that names the place.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it, in a sentence.
    pub fn remedy(&self) -> &str {
        &self.remedy
    }

    /// Whether the same call can succeed later without anybody doing something.
    pub fn retry(&self) -> bool {
        self.retry
    }

    /// After what time the other side asked to be tried again, where it did.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The entry of the conflict log as it is now, where a decision on it was refused.
    pub fn conflict(&self) -> Option<&Conflict> {
        self.conflict.as_deref()
    }

    fn about(mut self, current: ConflictView) -> Self {
        self.conflict = Some(Arc::new(Conflict::new(current)));
        self
    }

    /// The same error, with what was being done in front of its message.
    fn during(mut self, what: &str) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }

    fn with_source(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }
}

/// Errors are equal when they say the same.
impl PartialEq for Error {
    fn eq(&self, other: &Self) -> bool {
        (self.code, &self.message) == (other.code, &other.message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("code", &self.code)
            .field("message", &self.message)
            .field("remedy", &self.remedy)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn std::error::Error + 'static))
    }
}
