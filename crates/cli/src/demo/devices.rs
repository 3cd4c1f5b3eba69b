//! The two devices of the demo and the link between them.

use std::path::{Path, PathBuf};

use driftless::{Database, InviteOptions, Options, Server, SyncReport};

use super::edits::Side;
use crate::failure::Failure;

/// A free port of this machine, and of nobody else's.
const LOOPBACK: &str = "127.0.0.1:0";

/// Two devices of one workspace; the laptop listens, the phone dials.
pub(super) struct Devices {
    pub(super) laptop: Database,
    pub(super) phone: Database,
    server: Option<Server>,
    place: PathBuf,
}

impl Devices {
    /// The phone joins the laptop's workspace over the network.
    pub(super) async fn join(laptop: Database, place: &Path) -> Result<Self, Failure> {
        let server = laptop.sync().serve(LOOPBACK).await?;
        let link = laptop.invite(InviteOptions::to(server.url())).await?;
        let options = Options::named(Side::Phone.name());
        let phone = Database::join(folder(place, Side::Phone), &link, options).await?;
        Ok(Self {
            laptop,
            phone,
            server: Some(server),
            place: place.to_owned(),
        })
    }

    pub(super) fn of(&self, side: Side) -> &Database {
        match side {
            Side::Laptop => &self.laptop,
            Side::Phone => &self.phone,
        }
    }

    /// Where the laptop listens, while there is a link.
    pub(super) fn url(&self) -> Option<String> {
        self.server.as_ref().map(Server::url)
    }

    /// Cuts the link: nobody listens any more.
    pub(super) async fn cut(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop().await;
        }
    }

    /// Brings the link back if it was cut, and syncs until both have everything.
    pub(super) async fn sync(&mut self) -> Result<SyncReport, Failure> {
        let server = match self.server.take() {
            Some(server) => server,
            None => self.laptop.sync().serve(LOOPBACK).await?,
        };
        let url = server.url();
        self.server = Some(server);
        Ok(self.phone.sync().once(&url).await?)
    }

    /// Closes both, so that nothing of them is left but their folders.
    pub(super) async fn close(mut self) -> Result<PathBuf, Failure> {
        self.cut().await;
        self.laptop.close().await?;
        self.phone.close().await?;
        Ok(self.place)
    }

    /// Opens both folders again.
    pub(super) async fn open(place: &Path) -> Result<Self, Failure> {
        let open = async |side| Database::open(folder(place, side), Options::default()).await;
        Ok(Self {
            laptop: open(Side::Laptop).await?,
            phone: open(Side::Phone).await?,
            server: None,
            place: place.to_owned(),
        })
    }
}

/// The folder of a device.
pub(super) fn folder(place: &Path, side: Side) -> PathBuf {
    place.join(side.name())
}

/// Deletes the store in a device's folder, and leaves the journal.
pub(super) fn delete_store(folder: &Path) -> Result<(), Failure> {
    let failed = |source| Failure::File {
        action: "delete the store in",
        path: folder.to_owned(),
        source,
    };
    let current = std::fs::read_to_string(folder.join("CURRENT")).map_err(failed)?;
    std::fs::remove_dir_all(folder.join(current.trim())).map_err(failed)
}
