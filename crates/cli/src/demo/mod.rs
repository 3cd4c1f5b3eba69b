//! `driftless demo`: two devices, one collection of airports, edits made apart, one conflict log.
//!
//! Nothing is made up for it: two folders with sled stores, a WebSocket on the loopback interface, the import,
//! the sync and the conflict log that every other command uses. What it claims at the end it has counted.

mod audit;
mod devices;
mod edits;
mod random;
mod story;

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::args::Demo;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::output::Output;

/// Runs the demo in folders that go at its end, or in the one that was named.
pub(crate) async fn run(output: &mut Output, arguments: Demo) -> Result<(), Failure> {
    let interrupt = Interrupt::listen()?;
    let place = match arguments.keep {
        Some(dir) => Place::Kept(new_or_empty(dir)?),
        None => Place::Temporary(temporary()?),
    };
    // Being asked to end drops the devices, and then their folders.
    tokio::select! {
        result = story::tell(output, &place, arguments.seed) => result,
        () = interrupt.wait() => Err(Failure::Interrupted {
            done: "the demo was left in the middle".into(),
            remedy: "Run it again, with an empty folder if it is to be kept.",
        }),
    }
}

/// Where the two device folders are.
enum Place {
    /// In a folder that was named; they stay.
    Kept(PathBuf),
    /// In a folder that goes.
    Temporary(TempDir),
}

impl Place {
    fn path(&self) -> &Path {
        match self {
            Self::Kept(dir) => dir,
            Self::Temporary(dir) => dir.path(),
        }
    }

    fn is_kept(&self) -> bool {
        matches!(self, Self::Kept(_))
    }
}

fn temporary() -> Result<TempDir, Failure> {
    TempDir::with_prefix("driftless-demo-").map_err(|source| Failure::File {
        action: "make a folder in",
        path: std::env::temp_dir(),
        source,
    })
}

fn new_or_empty(dir: PathBuf) -> Result<PathBuf, Failure> {
    let file = |action: &'static str| {
        let path = dir.clone();
        move |source| Failure::File {
            action,
            path,
            source,
        }
    };
    std::fs::create_dir_all(&dir).map_err(file("make the folder"))?;
    let mut entries = std::fs::read_dir(&dir).map_err(file("read the folder"))?;
    match entries.next() {
        None => Ok(dir),
        Some(_) => Err(Failure::Usage {
            message: format!("{} is not empty", dir.display()),
            remedy: "Name a new or empty folder: --keep DIR.".into(),
        }),
    }
}
