//! Systems without the sockets that this needs: a folder that is held is busy.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::Arc;

use driftless::Database;

use super::ServedError;
use crate::caller::Caller;
use crate::failure::Failure;

/// Carries out nothing.
pub(crate) struct Host;

impl Host {
    pub(crate) fn start(_: &Database, _: &Path) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) async fn stop(self) {}
}

pub(crate) async fn ask(
    _: &Arc<dyn Caller>,
    dir: &Path,
    _: &[OsString],
    busy: driftless::Error,
) -> Result<u8, Failure> {
    let path = dir.join("driftless.sock");
    let busy = Box::new(busy);
    Err(ServedError::NobodyListens { busy, path }.into())
}

pub(crate) async fn who_serves(_: &Path) -> Option<u32> {
    None
}
