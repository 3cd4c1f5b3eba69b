//! Membership records: who may take part in a workspace, as a small signed log.
//!
//! A record is its content (version, workspace, author, parents, kind, body) and the author's signature over it. The
//! outline is frozen: a kind that is not known is kept, verified and passed on. A record's hash is BLAKE3 of its
//! content, so a signature cannot be changed into another record.
//!
//! This module knows what one record may look like. What the log as a whole means is for its owner to say.

mod body;

use thiserror::Error;

pub use body::{
    Accuse, Admit, Adopt, EnvelopeName, Genesis, Invite, Join, RecordBody, Remove, Role, SetRules,
};

use crate::codec::{self, DecodeError, Encode, Encoder, ToBytesError, wire};
use crate::identity::{self, DeviceKey, Domain, Signature};
use crate::ids::{DeviceId, Hash, WorkspaceId, first_bytes};
use crate::limits;

/// The version of the records this release writes.
pub const RECORD_VERSION: u8 = 1;

/// Why something is not a membership record, or not a valid one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The bytes do not decode.
    #[error("the record does not decode: {0}")]
    Bytes(#[from] DecodeError),
    /// Only a genesis names no workspace, and it names none.
    #[error("the record names a workspace where it must not, or none where it must")]
    Workspace,
    /// Parents that are missing, too many, out of order, or not those this kind has.
    #[error("the record's parents are not those a record of its kind has")]
    Parents,
    /// A name that is empty, too long, or has control characters.
    #[error(
        "a name is empty, longer than {} characters, or has control characters",
        limits::DEVICE_NAME_CHARS
    )]
    Name,
    /// A region that is too long.
    #[error("the region's name is too long")]
    Region,
    /// An invite for nobody, or for too many.
    #[error("an invite is for 1 to {} uses", limits::INVITE_USES)]
    Uses,
    /// Rules that are empty, or larger than rules are.
    #[error("rules have 1 to {} bytes", limits::RULES)]
    Rules,
    /// A cut that is out of order, too long, or names feeds of another device.
    #[error(
        "a cut names at most {} feeds of the device, each once and in order",
        limits::CUT_FEEDS
    )]
    Cut,
    /// Adopted envelopes that are none, too many, or out of order.
    #[error(
        "1 to {} envelopes are adopted at once, each once and in order",
        limits::ADOPTED
    )]
    Adopted,
    /// Two headers that prove nothing.
    #[error(
        "an accusation has two different headers, in order, of one place in one feed of the device"
    )]
    Accusation,
    /// The record is too large.
    #[error("a record of {length} bytes is too large")]
    TooLarge {
        /// The size in bytes.
        length: usize,
    },
    /// The author's signature does not verify.
    #[error("the author's signature does not verify")]
    Signature,
    /// A Join that does not belong to the invite it is held against.
    #[error("the join does not belong to this invite")]
    OtherInvite,
    /// The invite key's signature does not verify.
    #[error("the invite key's signature does not verify")]
    InviteSignature,
}

/// One signed entry of the membership log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    content: Content,
    signature: Signature,
    hash: Hash,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Content {
    version: u8,
    workspace: Option<WorkspaceId>,
    author: DeviceId,
    parents: Vec<Hash>,
    body: RecordBody,
}

struct ContentForm {
    version: u8,
    workspace: Option<WorkspaceId>,
    author: DeviceId,
    parents: Vec<Hash>,
    kind: u8,
    body: Vec<u8>,
}

wire!(ContentForm {
    version,
    workspace,
    author,
    parents: list(limits::MEMBERSHIP_HEADS),
    kind,
    body: bytes(limits::RECORD),
});

struct RecordForm {
    content: ContentForm,
    signature: Signature,
}

wire!(RecordForm { content, signature });

impl Record {
    /// Makes and signs a record; `workspace` is none for a genesis only. For a Join see [`Record::join`].
    pub fn sign(
        key: &DeviceKey,
        workspace: Option<WorkspaceId>,
        mut parents: Vec<Hash>,
        body: RecordBody,
    ) -> Result<Self, RecordError> {
        parents.sort_unstable();
        parents.dedup();
        let content = Content {
            version: RECORD_VERSION,
            workspace,
            author: key.device_id(),
            parents,
            body,
        };
        content.check()?;
        let bytes = content.bytes();
        let length = bytes.len() + 64;
        if length > limits::RECORD {
            return Err(RecordError::TooLarge { length });
        }
        Ok(Self {
            signature: key.sign(Domain::Membership, &bytes),
            hash: Hash::of(&bytes),
            content,
        })
    }

    /// Starts a workspace; its id is [`Record::workspace`] of the result.
    pub fn genesis(key: &DeviceKey, genesis: Genesis) -> Result<Self, RecordError> {
        Self::sign(key, None, Vec::new(), RecordBody::Genesis(genesis))
    }

    /// Asks to join, with the device's key and the one-time key of the invite.
    pub fn join(
        key: &DeviceKey,
        workspace: WorkspaceId,
        invite: Hash,
        invite_key: &DeviceKey,
        name: &str,
    ) -> Result<Self, RecordError> {
        let join = Join {
            invite,
            name: name.to_owned(),
            invite_signature: NO_SIGNATURE,
        };
        let draft = Content {
            version: RECORD_VERSION,
            workspace: Some(workspace),
            author: key.device_id(),
            parents: vec![invite],
            body: RecordBody::Join(join.clone()),
        };
        let invite_signature = invite_key.sign(Domain::JoinInvite, &draft.bytes());
        let body = RecordBody::Join(Join {
            invite_signature,
            ..join
        });
        Self::sign(key, Some(workspace), vec![invite], body)
    }

    /// The record's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.content.bytes();
        bytes.extend_from_slice(self.signature.as_bytes());
        bytes
    }

    /// Reads a record; checks its form, but no signature.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let form: RecordForm = codec::decode_version(bytes, limits::RECORD, RECORD_VERSION)?;
        let hash = Hash::of(&bytes[..bytes.len() - 64]);
        let content = form.content.read()?;
        content.check()?;
        Ok(Self {
            content,
            signature: form.signature,
            hash,
        })
    }

    /// Checks the author's signature. A Join also needs [`Record::verify_join`].
    pub fn verify(&self) -> Result<(), RecordError> {
        let author = &self.content.author;
        if identity::verify(
            author,
            Domain::Membership,
            &self.content.bytes(),
            &self.signature,
        ) {
            Ok(())
        } else {
            Err(RecordError::Signature)
        }
    }

    /// Checks that this record is a Join for that invite, signed by the invite's key.
    ///
    /// Whether the invite has expired or is used up is not checked here.
    pub fn verify_join(&self, invite: &Self) -> Result<(), RecordError> {
        let (RecordBody::Join(join), RecordBody::Invite(offer)) =
            (&self.content.body, &invite.content.body)
        else {
            return Err(RecordError::OtherInvite);
        };
        if join.invite != invite.hash || self.content.workspace != invite.content.workspace {
            return Err(RecordError::OtherInvite);
        }
        let unsigned = Content {
            body: RecordBody::Join(Join {
                invite_signature: NO_SIGNATURE,
                ..join.clone()
            }),
            ..self.content.clone()
        };
        if identity::verify(
            &offer.key,
            Domain::JoinInvite,
            &unsigned.bytes(),
            &join.invite_signature,
        ) {
            Ok(())
        } else {
            Err(RecordError::InviteSignature)
        }
    }

    /// BLAKE3 of the record's content, without the signature.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// The record's version.
    pub fn version(&self) -> u8 {
        self.content.version
    }

    /// The workspace: the one the record names or, for a genesis, the one it starts.
    pub fn workspace(&self) -> WorkspaceId {
        self.content
            .workspace
            .unwrap_or_else(|| WorkspaceId::of_genesis(&self.hash))
    }

    /// Who signed it.
    pub fn author(&self) -> DeviceId {
        self.content.author
    }

    /// The records right before it, sorted.
    pub fn parents(&self) -> &[Hash] {
        &self.content.parents
    }

    /// What it says.
    pub fn body(&self) -> &RecordBody {
        &self.content.body
    }

    /// The author's signature.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }
}

/// The id of the workspace that a genesis record starts; none when the record is no genesis.
pub fn workspace_id_of(genesis: &Record) -> Option<WorkspaceId> {
    matches!(genesis.body(), RecordBody::Genesis(_)).then(|| genesis.workspace())
}

/// Sixteen bytes that are equal exactly when two sets of membership heads are; the order does not matter.
pub fn membership_digest(heads: &[Hash]) -> [u8; 16] {
    let mut heads = heads.to_vec();
    heads.sort_unstable();
    heads.dedup();
    let mut hasher = blake3::Hasher::new_derive_key("driftless/1 2026 membership digest");
    for head in &heads {
        hasher.update(head.as_bytes());
    }
    first_bytes(hasher.finalize().as_bytes())
}

const NO_SIGNATURE: Signature = Signature::from_bytes([0; 64]);

impl Content {
    fn bytes(&self) -> Vec<u8> {
        codec::encode(self)
    }

    fn check(&self) -> Result<(), RecordError> {
        let genesis = matches!(self.body, RecordBody::Genesis(_));
        if genesis != self.workspace.is_none() {
            return Err(RecordError::Workspace);
        }
        let parents_fit = match &self.body {
            RecordBody::Genesis(_) => self.parents.is_empty(),
            RecordBody::Join(join) => self.parents == [join.invite],
            RecordBody::Merge => (2..=limits::MEMBERSHIP_HEADS).contains(&self.parents.len()),
            _ => (1..=limits::MEMBERSHIP_HEADS).contains(&self.parents.len()),
        };
        if !parents_fit || !self.parents.is_sorted_by(|a, b| a < b) {
            return Err(RecordError::Parents);
        }
        self.body.check()
    }
}

impl Encode for Content {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), ToBytesError> {
        let form = ContentForm {
            version: self.version,
            workspace: self.workspace,
            author: self.author,
            parents: self.parents.clone(),
            kind: self.body.kind(),
            body: self.body.bytes(),
        };
        form.encode(encoder)
    }
}

impl ContentForm {
    fn read(self) -> Result<Content, DecodeError> {
        Ok(Content {
            version: self.version,
            workspace: self.workspace,
            author: self.author,
            parents: self.parents,
            body: RecordBody::read(self.kind, self.body)?,
        })
    }
}
