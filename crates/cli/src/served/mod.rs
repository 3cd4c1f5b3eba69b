//! A folder that a process holds stays usable: that process carries out the commands of others.
//!
//! The process that serves a folder, or watches it, listens on `driftless.sock` in it. A command that finds the
//! folder busy sends its arguments there, and passes on what comes back: standard output, standard error, the
//! exit code. The same code carries out the command on either way; only the [`Caller`](crate::caller::Caller)
//! differs. [`wire`] has the bytes.
//!
//! Invariants: the socket is there only while the folder is held; both sides talk to processes of their own user
//! only; a client that goes away, or takes nothing, costs its own command only; files that a command names are
//! read by the client.

mod error;

#[cfg(unix)]
mod client;
#[cfg(unix)]
mod host;
#[cfg(unix)]
mod limits;
#[cfg(unix)]
mod place;
#[cfg(unix)]
mod remote;
#[cfg(unix)]
mod session;
#[cfg(unix)]
mod terminal;
#[cfg(unix)]
mod wire;

#[cfg(not(unix))]
mod nowhere;

pub(crate) use error::ServedError;

#[cfg(unix)]
pub(crate) use {
    client::{ask, who_serves},
    host::Host,
};

#[cfg(not(unix))]
pub(crate) use nowhere::{Host, ask, who_serves};
