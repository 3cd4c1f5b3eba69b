//! [`Members`]: which devices are in the workspace.

use driftless_engine::{MemberView, Replica};
use driftless_protocol::DeviceId;
use serde_json::{Value as Json, json};

use crate::actor::Actor;
use crate::error::Error;

/// The devices of the workspace: listed, and removed.
///
/// ```
/// use driftless::{Database, Error, ErrorKind, Options};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Error> {
/// # let folder = tempfile::tempdir().expect("there is a temporary folder");
/// let database = Database::create(folder.path().join("laptop"), Options::named("laptop")).await?;
/// let members = database.members().list().await?;
/// assert_eq!((members.len(), members[0].name.as_str()), (1, "laptop"));
/// let refused = database.members().remove(members[0].device).await.expect_err("it owns the workspace");
/// assert_eq!(refused.kind(), ErrorKind::Refused);
/// # database.close().await
/// # }
/// ```
#[derive(Clone)]
pub struct Members {
    actor: Actor,
}

impl Members {
    pub(crate) fn new(actor: Actor) -> Self {
        Self { actor }
    }

    /// Every device that was ever let in, in the order in which that happened.
    pub async fn list(&self) -> Result<Vec<MemberView>, Error> {
        self.actor.read(|replica| Ok(replica.member_list())).await
    }

    /// One device, by its name or by the beginning of its key in hex.
    pub async fn get(&self, name: &str) -> Result<MemberView, Error> {
        let name = name.to_owned();
        let get = move |replica: &Replica| {
            let device = replica.find_member(&name)?;
            replica.member_view(&device)
        };
        self.actor.read(get).await
    }

    /// Removes a device: what is held of it here counts for ever, what comes of it later waits in the quarantine, and
    /// whoever has heard of it sends it nothing any more.
    ///
    /// Only the owner and admins may, and neither an owner nor oneself is removed: an error of kind `Refused`.
    pub async fn remove(&self, device: DeviceId) -> Result<MemberView, Error> {
        let remove = move |replica: &mut Replica| replica.remove_member(&device);
        self.actor.write(remove).await
    }

    /// A device as JSON.
    pub fn to_json(member: &MemberView) -> Json {
        json!({
            "device": member.device.to_string(),
            "name": member.name,
            "role": member.role.as_str(),
            "state": member.state.as_str(),
            "removed_by": member.removed_by.map(|device| device.to_string()),
            "lines": member.lines,
        })
    }
}

impl std::fmt::Debug for Members {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Members").finish_non_exhaustive()
    }
}
