//! Joining a workspace: a folder and a key, an invitation shown to a member, and the membership log from it.

use std::path::Path;

use driftless_engine::Replica;
use driftless_protocol::{InviteLink, limits::DEVICE_NAME_CHARS};

use crate::background::blocking;
use crate::database::Database;
use crate::error::Error;
use crate::net::{Network, client};
use crate::new_folder::NewFolder;
use crate::opening::Opening;
use crate::options::Options;

/// Makes the folder, joins, and opens the replica.
///
/// What fails leaves nothing behind. Only a connection that is lost after the request was sent leaves the
/// folder with its key, for the member may have let that key in: trying again then goes on with it.
pub(crate) async fn join(dir: &Path, link: &str, options: Options) -> Result<Database, Error> {
    let link = InviteLink::parse(link)?;
    check_device_name(&options.device_name)?;
    let (dir_owned, options_owned) = (dir.to_owned(), options.clone());
    let folder = blocking(move || NewFolder::begin(&dir_owned, &options_owned)).await?;
    let network = Network::new(folder.key().clone(), &options);
    let welcome = match client::join(&link, &network, &options.device_name).await {
        Ok(welcome) => welcome,
        Err(failure) => {
            let undo = move || {
                if failure.in_doubt {
                    folder.keep();
                } else {
                    folder.take_back();
                }
                Err(failure.error)
            };
            return blocking(undo).await;
        }
    };
    let records = welcome.records;
    let open = move || {
        let held = folder.finish(|parts| Replica::create_joined(parts, records))?;
        Ok((held, Opening::default()))
    };
    let database = Database::start(dir, options, open).await?;
    // Without it the next sync must be told where to go; the device has joined all the same.
    if let Err(error) = database.remember_peer(welcome.peer, welcome.address).await {
        tracing::warn!(%error, "the address of the device that invited is not remembered");
    }
    Ok(database)
}

/// The check every member makes, before anything is sent.
fn check_device_name(name: &str) -> Result<(), Error> {
    let length = name.chars().count();
    if (1..=DEVICE_NAME_CHARS).contains(&length) && !name.chars().any(char::is_control) {
        Ok(())
    } else {
        Err(Error::device_name(DEVICE_NAME_CHARS))
    }
}
