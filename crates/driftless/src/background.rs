//! Work that blocks, kept off the threads of the runtime.

use crate::error::Error;

/// Runs `work` on a thread that may block; dropping the future does not stop it.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(Error::bug(format!("work with a folder ended: {error}"))))
}
