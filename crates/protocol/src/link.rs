//! The invitation link: what an inviter gives to a joiner, as one text.
//!
//! `driftless://join/` and, in base64url without padding, the encoded link and the first four bytes of its hash.
//! The check finds typing and copying errors; it protects against nothing else. The text has only letters, digits
//! and `-_:/.`, so it survives a shell, a chat and a QR code.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use thiserror::Error;

use crate::codec::{self, DecodeError, wire};
use crate::identity::DeviceKey;
use crate::ids::{DeviceId, Hash, WorkspaceId, first_bytes};
use crate::limits;

const SCHEME: &str = "driftless://join/";
const VERSION: u8 = 1;
const CHECK: usize = 4;

/// An invitation: where to go, what to join, and the secret that lets one in.
#[derive(Clone, PartialEq, Eq)]
pub struct InviteLink {
    version: u8,
    /// The workspace to join.
    pub workspace: WorkspaceId,
    /// The hash of the Invite record.
    pub invite: Hash,
    /// The seed of the invite's one-time key; whoever has it can join.
    pub secret: [u8; 32],
    /// The device that made the invitation, to be compared with the one that answers.
    pub inviter: DeviceId,
    /// Where to connect: `host:port` or a WebSocket URL, at most [`limits::ADDRESS`] bytes of visible ASCII.
    pub address: String,
}

wire!(InviteLink {
    version,
    workspace,
    invite,
    secret,
    inviter,
    address: text(limits::ADDRESS)
});

/// Why a text is not an invitation link.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The text does not start as a link does.
    #[error("this is not an invitation link")]
    NotALink,
    /// The text has more characters than any link.
    #[error("the link has {length} characters, more than any link has")]
    TooLong {
        /// How many bytes the text has.
        length: usize,
    },
    /// A part is missing or a character is wrong.
    #[error("the link is damaged: a part is missing, or a character is wrong")]
    Damaged,
    /// The link was made by a newer release.
    #[error("the link was made by a newer release (version {found})")]
    NewerVersion {
        /// The link's version.
        found: u8,
    },
    /// The address is empty, too long or has characters no address has.
    #[error("the address in the link is no address")]
    Address,
}

impl LinkError {
    /// What the person does about it.
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::NotALink => "Paste the text that starts with driftless://join/.",
            Self::TooLong { .. } => "Copy the link alone, without the text around it.",
            Self::Damaged => "Copy the whole link again, or ask for it to be sent once more.",
            Self::NewerVersion { .. } => {
                "Update Driftless on this device, then use the link again."
            }
            Self::Address => {
                "Ask for a new link, made with the address at which the device can be reached."
            }
        }
    }
}

impl InviteLink {
    /// Makes a link; errors only when the address is not one.
    pub fn new(
        workspace: WorkspaceId,
        invite: Hash,
        invite_key: &DeviceKey,
        inviter: DeviceId,
        address: &str,
    ) -> Result<Self, LinkError> {
        let link = Self {
            version: VERSION,
            workspace,
            invite,
            secret: *invite_key.seed(),
            inviter,
            address: address.to_owned(),
        };
        link.check().map(|()| link)
    }

    /// The one-time key of the invite.
    pub fn invite_key(&self) -> DeviceKey {
        DeviceKey::from_seed(&self.secret)
    }

    /// The link as text. Whoever reads it can join.
    ///
    /// Not `Display`, so that it does not get into a log by itself.
    pub fn to_text(&self) -> String {
        let mut bytes = codec::encode(self);
        bytes.extend(check_of(&bytes));
        format!("{SCHEME}{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Reads a link; white space around it is ignored.
    pub fn parse(text: &str) -> Result<Self, LinkError> {
        let text = text.trim();
        let Some(coded) = text.strip_prefix(SCHEME) else {
            return Err(LinkError::NotALink);
        };
        if text.len() > limits::LINK {
            return Err(LinkError::TooLong { length: text.len() });
        }
        let bytes = URL_SAFE_NO_PAD
            .decode(coded)
            .map_err(|_| LinkError::Damaged)?;
        let (bytes, check) = bytes
            .split_last_chunk::<CHECK>()
            .ok_or(LinkError::Damaged)?;
        if check_of(bytes) != *check {
            return Err(LinkError::Damaged);
        }
        let link: Self =
            codec::decode_version(bytes, limits::LINK, VERSION).map_err(|error| match error {
                DecodeError::UnknownVersion { found } => LinkError::NewerVersion { found },
                _ => LinkError::Damaged,
            })?;
        link.check().map(|()| link)
    }

    fn check(&self) -> Result<(), LinkError> {
        let fits = (1..=limits::ADDRESS).contains(&self.address.len());
        if fits && self.address.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(())
        } else {
            Err(LinkError::Address)
        }
    }
}

impl FromStr for InviteLink {
    type Err = LinkError;

    fn from_str(text: &str) -> Result<Self, LinkError> {
        Self::parse(text)
    }
}

impl fmt::Debug for InviteLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InviteLink")
            .field("version", &self.version)
            .field("workspace", &self.workspace)
            .field("invite", &self.invite)
            .field("secret", &"hidden")
            .field("inviter", &self.inviter)
            .field("address", &self.address)
            .finish()
    }
}

fn check_of(bytes: &[u8]) -> [u8; CHECK] {
    first_bytes(&blake3::derive_key(
        "driftless/1 2026 check of an invitation link",
        bytes,
    ))
}
