//! The same database for programs without async: tests, scripts, bindings.
//!
//! Every type here is a handle on the one of the same name at the root of the crate, and every call runs that
//! one's on a thread of this module's own and waits for it. The thread starts with the first call and serves
//! the whole process.
//!
//! ```
//! use driftless::blocking::Database;
//! use driftless::{Error, Options};
//! use serde_json::json;
//!
//! # fn main() -> Result<(), Error> {
//! # let folder = tempfile::tempdir().expect("there is a temporary folder");
//! let database = Database::create(folder.path().join("laptop"), Options::named("laptop"))?;
//! let (id, _) = database.collection("notes").insert(json!({"title": "Shopping"}))?;
//! assert_eq!(database.collection("notes").get(id)?.map(|note| note.deleted), Some(false));
//! database.close()
//! # }
//! ```
//!
//! Calls may come from any thread. Inside an async runtime they work as well, but stop the thread they are
//! called on while they wait: a call that waits for something this very thread would have to do, such as a server
//! on a runtime with one thread, ends only with its timeout. There, use the async types.

mod conflicts;
mod database;
mod sync;

use std::future::Future;
use std::sync::{OnceLock, mpsc};

use tokio::runtime::{Builder, Runtime};

use crate::error::Error;

pub use conflicts::{ConflictWatch, Conflicts};
pub use database::{Collection, Database, StatusWatch};
pub use sync::{Connection, Server, Sync};

/// Runs a future on the thread of this module and waits for it.
///
/// It is not entered from here, so that being inside another runtime makes no difference.
fn wait<T: Send + 'static>(
    future: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    let (answer, answered) = mpsc::sync_channel(1);
    runtime()?.spawn(async move {
        // Whoever asked waits, or has panicked.
        let _ = answer.send(future.await);
    });
    answered
        .recv()
        .unwrap_or_else(|_| Err(Error::bug("a blocking call panicked")))
}

fn runtime() -> Result<&'static Runtime, Error> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let started = Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("driftless-blocking")
        .enable_all()
        .build()
        .map_err(Error::no_thread)?;
    // Two threads may have come here at once; the runtime that is too many must not be dropped inside another.
    if let Err(second) = RUNTIME.set(started) {
        second.shutdown_background();
    }
    RUNTIME
        .get()
        .ok_or_else(|| Error::bug("the thread for blocking calls is gone"))
}
