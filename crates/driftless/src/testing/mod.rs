//! [`pair`]: two devices that have joined, and a link between them that can be cut, for tests.
//!
//! Everything is real: two folders on the disk, a socket on the loopback interface, the handshake. Where that is
//! too real, [`MemoryNetwork`] takes the place of the sockets, and [`NoNetwork`] shows a program without any.

mod network;

use std::path::{Path, PathBuf};

pub use network::{MemoryNetwork, NoNetwork};

use crate::{Database, Error, InviteOptions, Options, Server, SyncReport};

/// Two devices of one workspace.
#[derive(Debug)]
pub struct Pair {
    /// The device that made the workspace; it serves.
    pub a: Database,
    /// The device that joined; it dials.
    pub b: Database,
    /// What connects them.
    pub link: Link,
}

/// The link between two devices.
#[derive(Debug)]
pub struct Link {
    a: Database,
    b: Database,
    server: Option<Server>,
    /// Where `a` listens, or listened.
    address: String,
    folders: Scratch,
}

/// Makes a workspace with two devices, `a` and `b`, in temporary folders that go with the link.
pub async fn pair() -> Result<Pair, Error> {
    let folders = Scratch::new()?;
    let a = Database::create(folders.path("a"), Options::named("a")).await?;
    let server = a.sync().serve("127.0.0.1:0").await?;
    let address = server.url();
    let link = a.invite(InviteOptions::to(&address)).await?;
    let b = Database::join(folders.path("b"), &link, Options::named("b")).await?;
    Ok(Pair {
        link: Link {
            a: a.clone(),
            b: b.clone(),
            server: Some(server),
            address,
            folders,
        },
        a,
        b,
    })
}

impl Link {
    /// Cuts the link: until it is restored, syncing fails as it does without a network.
    pub async fn cut(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop().await;
        }
    }

    /// Restores a link that was cut.
    pub async fn restore(&mut self) -> Result<(), Error> {
        if self.server.is_none() {
            let server = self.a.sync().serve("127.0.0.1:0").await?;
            self.address = server.url();
            self.server = Some(server);
        }
        Ok(())
    }

    /// Syncs the two devices until both have everything; `b` dials.
    pub async fn sync(&self) -> Result<SyncReport, Error> {
        self.b.sync().once(&self.address).await
    }

    /// Where `a` listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The folder of both devices' folders, `a` and `b`.
    pub fn folder(&self) -> &Path {
        &self.folders.dir
    }
}

/// A temporary folder that is removed when it is dropped.
#[derive(Debug)]
struct Scratch {
    dir: PathBuf,
}

impl Scratch {
    fn new() -> Result<Self, Error> {
        let mut name = [0; 8];
        (Options::default().randomness)().fill(&mut name);
        let name = u64::from_le_bytes(name);
        let dir = std::env::temp_dir().join(format!("driftless-pair-{name:016x}"));
        std::fs::create_dir(&dir).map_err(|error| Error::scratch(&dir, error))?;
        Ok(Self { dir })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays in a temporary folder does no harm.
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}
