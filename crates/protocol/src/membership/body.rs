//! What a membership record can say.

use crate::codec::{self, DecodeError, wire};
use crate::envelope::{EnvelopeError, Header, SignedHeader};
use crate::identity::Signature;
use crate::ids::{DeviceId, FeedId, Hash};
use crate::limits;
use crate::membership::RecordError;

/// What a member may do; more rights compare greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Role {
    /// Stores and passes on, and cannot read.
    Relay,
    /// Reads.
    Viewer,
    /// Reads and writes.
    Editor,
    /// Also manages members.
    Admin,
    /// Everything.
    Owner,
}

impl Role {
    /// The number on the wire; the gaps leave room.
    pub const fn number(self) -> u8 {
        match self {
            Self::Relay => 10,
            Self::Viewer => 20,
            Self::Editor => 30,
            Self::Admin => 40,
            Self::Owner => 50,
        }
    }

    /// The role of a number, when it is known.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            10 => Some(Self::Relay),
            20 => Some(Self::Viewer),
            30 => Some(Self::Editor),
            40 => Some(Self::Admin),
            50 => Some(Self::Owner),
            _ => None,
        }
    }

    /// The stable text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Relay => "relay",
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The first record of a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Genesis {
    /// The owner's device name, 1 to 64 characters.
    pub owner_name: String,
    /// Which table of limits changes are held to.
    pub limits_version: u32,
    /// Random bytes, so that equal workspaces have different ids.
    pub nonce: [u8; 16],
    /// The device that numbers records, if any.
    pub orderer: Option<DeviceId>,
    /// The hash of the recovery key, if any.
    pub recovery: Option<Hash>,
    /// Where the data may be, at most 32 bytes; may be empty.
    pub region: String,
    /// The hash of the rules, if any.
    pub rules: Option<Hash>,
}

wire!(Genesis {
    owner_name: text(limits::DEVICE_NAME),
    limits_version,
    nonce,
    orderer,
    recovery,
    region: text(limits::REGION),
    rules,
});

/// A standing offer to join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// The one-time public key; whoever has its secret can join.
    pub key: DeviceId,
    /// The role that joining gives.
    pub role: Role,
    /// When it ends: milliseconds since 1970.
    pub expires_ms: i64,
    /// How many may use it, 1 to 10,000.
    pub uses: u32,
}

struct InviteForm {
    key: DeviceId,
    role: u8,
    expires_ms: i64,
    uses: u32,
}

wire!(InviteForm {
    key,
    role,
    expires_ms,
    uses
});

/// A device's wish to become a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    /// The hash of the Invite record; also the record's only parent.
    pub invite: Hash,
    /// The device's name, 1 to 64 characters.
    pub name: String,
    /// The invite key's signature over the record's content with these 64 bytes zero.
    pub invite_signature: Signature,
}

wire!(Join {
    invite,
    name: text(limits::DEVICE_NAME),
    invite_signature
});

/// A member's word that a Join is in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admit {
    /// The hash of the Join record.
    pub join: Hash,
}

wire!(Admit { join });

/// Which rules hold in the workspace from here on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetRules {
    /// The rules in the form in which they travel, 1 to 32 KiB: what they mean is not this crate's to know.
    pub rules: Vec<u8>,
}

wire!(SetRules {
    rules: bytes(limits::RULES)
});

/// One envelope, named so that no other can be meant: by its feed, its number and the hash of its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnvelopeName {
    /// The feed.
    pub feed: FeedId,
    /// The number, from 1.
    pub n: u64,
    /// The hash of its header.
    pub hash: Hash,
}

wire!(EnvelopeName { feed, n, hash });

/// A device is no member from here on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remove {
    /// The device.
    pub device: DeviceId,
    /// The last envelope of each of its feeds that counts, in the order of the feeds, at most 256; with it counts what
    /// lies before it in its feed, and the feeds that this one goes on from.
    pub cut: Vec<EnvelopeName>,
}

wire!(Remove {
    device,
    cut: list(limits::CUT_FEEDS),
});

/// Some envelopes count though they lie past a cut, or their device's admission does not stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adopt {
    /// Which ones, sorted, 1 to 256.
    pub envelopes: Vec<EnvelopeName>,
}

wire!(Adopt {
    envelopes: list(limits::ADOPTED),
});

/// A device has signed two envelopes of one feed with one number.
///
/// Both follow the same header, so this is where the feed went on in two ways.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accuse {
    /// The device.
    pub device: DeviceId,
    /// One of the two headers; of the two hashes its is the lesser.
    pub first: SignedHeader,
    /// The other.
    pub second: SignedHeader,
}

wire!(Accuse {
    device,
    first,
    second,
});

impl Accuse {
    /// The accusation that two headers prove, in whichever order they are given; [`Accuse::verify`] says whether they do.
    pub fn of(device: DeviceId, one: SignedHeader, other: SignedHeader) -> Self {
        let (first, second) = if one.header.hash() < other.header.hash() {
            (one, other)
        } else {
            (other, one)
        };
        Self {
            device,
            first,
            second,
        }
    }

    /// Whether the two are different headers in one place of one feed of the device.
    fn check(&self) -> Result<(), RecordError> {
        let (first, second) = (&self.first.header, &self.second.header);
        let place = |header: &Header| (header.workspace, header.feed, header.n, header.prev);
        let fits = self.first.check().is_ok()
            && self.second.check().is_ok()
            && first.feed.belongs_to(&self.device)
            && place(first) == place(second)
            && first.hash() < second.hash();
        if fits {
            Ok(())
        } else {
            Err(RecordError::Accusation)
        }
    }

    /// Checks that the device signed both headers.
    pub fn verify(&self) -> Result<(), EnvelopeError> {
        self.first.verify(&self.device)?;
        self.second.verify(&self.device)
    }
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordBody {
    /// The workspace begins.
    Genesis(Genesis),
    /// Somebody may join.
    Invite(Invite),
    /// A device wants to join.
    Join(Join),
    /// A device is a member.
    Admit(Admit),
    /// Several heads become one.
    Merge,
    /// The rules of the workspace change.
    SetRules(SetRules),
    /// A device is removed.
    Remove(Remove),
    /// Envelopes are adopted.
    Adopt(Adopt),
    /// A device is accused of having signed two envelopes with one number.
    Accuse(Box<Accuse>),
    /// A kind, or a role, of a newer release: kept and passed on.
    Unknown {
        /// The kind's number.
        kind: u8,
        /// The body's bytes.
        bytes: Vec<u8>,
    },
}

const GENESIS: u8 = 1;
const INVITE: u8 = 2;
const JOIN: u8 = 3;
const ADMIT: u8 = 4;
const MERGE: u8 = 5;
const SET_RULES: u8 = 6;
const REMOVE: u8 = 7;
const ADOPT: u8 = 8;
const ACCUSE: u8 = 9;

impl RecordBody {
    pub(super) fn kind(&self) -> u8 {
        match self {
            Self::Genesis(_) => GENESIS,
            Self::Invite(_) => INVITE,
            Self::Join(_) => JOIN,
            Self::Admit(_) => ADMIT,
            Self::Merge => MERGE,
            Self::SetRules(_) => SET_RULES,
            Self::Remove(_) => REMOVE,
            Self::Adopt(_) => ADOPT,
            Self::Accuse(_) => ACCUSE,
            Self::Unknown { kind, .. } => *kind,
        }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Genesis(genesis) => codec::encode(genesis),
            Self::Invite(invite) => codec::encode(&InviteForm {
                key: invite.key,
                role: invite.role.number(),
                expires_ms: invite.expires_ms,
                uses: invite.uses,
            }),
            Self::Join(join) => codec::encode(join),
            Self::Admit(admit) => codec::encode(admit),
            Self::Merge => Vec::new(),
            Self::SetRules(set) => codec::encode(set),
            Self::Remove(remove) => codec::encode(remove),
            Self::Adopt(adopt) => codec::encode(adopt),
            Self::Accuse(accuse) => codec::encode(&**accuse),
            Self::Unknown { bytes, .. } => bytes.clone(),
        }
    }

    pub(super) fn read(kind: u8, bytes: Vec<u8>) -> Result<Self, DecodeError> {
        let limit = limits::RECORD;
        Ok(match kind {
            GENESIS => Self::Genesis(codec::decode(&bytes, limit)?),
            INVITE => {
                let form: InviteForm = codec::decode(&bytes, limit)?;
                match Role::from_number(form.role) {
                    Some(role) => Self::Invite(Invite {
                        key: form.key,
                        role,
                        expires_ms: form.expires_ms,
                        uses: form.uses,
                    }),
                    None => Self::Unknown { kind, bytes },
                }
            }
            JOIN => Self::Join(codec::decode(&bytes, limit)?),
            ADMIT => Self::Admit(codec::decode(&bytes, limit)?),
            MERGE if bytes.is_empty() => Self::Merge,
            MERGE => return Err(DecodeError::Trailing { left: bytes.len() }),
            SET_RULES => Self::SetRules(codec::decode(&bytes, limit)?),
            REMOVE => Self::Remove(codec::decode(&bytes, limit)?),
            ADOPT => Self::Adopt(codec::decode(&bytes, limit)?),
            ACCUSE => Self::Accuse(Box::new(codec::decode(&bytes, limit)?)),
            _ => Self::Unknown { kind, bytes },
        })
    }

    pub(super) fn check(&self) -> Result<(), RecordError> {
        match self {
            Self::Genesis(genesis) => {
                check_name(&genesis.owner_name)?;
                if genesis.region.len() > limits::REGION {
                    Err(RecordError::Region)
                } else {
                    Ok(())
                }
            }
            Self::Invite(invite) if !(1..=limits::INVITE_USES).contains(&invite.uses) => {
                Err(RecordError::Uses)
            }
            Self::Join(join) => check_name(&join.name),
            Self::SetRules(set) if !(1..=limits::RULES).contains(&set.rules.len()) => {
                Err(RecordError::Rules)
            }
            Self::Remove(remove) => remove.check(),
            Self::Accuse(accuse) => accuse.check(),
            Self::Adopt(adopt) => {
                let sorted = adopt.envelopes.is_sorted_by(|a, b| a < b);
                let fits = (1..=limits::ADOPTED).contains(&adopt.envelopes.len());
                if sorted && fits && adopt.envelopes.iter().all(|name| name.n > 0) {
                    Ok(())
                } else {
                    Err(RecordError::Adopted)
                }
            }
            _ => Ok(()),
        }
    }
}

impl Remove {
    fn check(&self) -> Result<(), RecordError> {
        let own = |name: &EnvelopeName| name.n > 0 && name.feed.belongs_to(&self.device);
        let fits = self.cut.len() <= limits::CUT_FEEDS && self.cut.iter().all(own);
        if fits && self.cut.is_sorted_by(|a, b| a.feed < b.feed) {
            Ok(())
        } else {
            Err(RecordError::Cut)
        }
    }
}

fn check_name(name: &str) -> Result<(), RecordError> {
    let fits = !name.is_empty() && name.chars().count() <= limits::DEVICE_NAME_CHARS;
    if fits && !name.chars().any(char::is_control) {
        Ok(())
    } else {
        Err(RecordError::Name)
    }
}
