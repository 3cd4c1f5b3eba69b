//! Envelopes: what a device puts into its feed, signed, chained, and verifiable in parts.
//!
//! The full form, which the journal keeps, is the header, its signature, a byte that says whether parts are left
//! out, the body and the payloads. The wire form ([`Envelope::encode_wire`]) leaves out what the receiver can
//! derive. No hash of bytes as they are sent is signed: the header signs the body's hash (see `skeleton.rs`), and the
//! body's items commit to their changes.
//!
//! Invariants: an `Envelope` keeps every limit and order of its parts; encoding one and decoding the bytes gives it
//! back; nothing is verified by decoding, only by [`Envelope::verify`].

mod body;
mod header;
mod partial;
mod skeleton;
mod wire;

use thiserror::Error;

pub use body::{
    BODY_VERSION, Body, Group, Item, ItemPayload, Kind, Meta, Payload, check_commitment, commitment,
};
pub use header::{HEADER_FORMAT, Header, HeaderDraft, Predecessor, SignedHeader};
pub use partial::{Keep, PartialBody, PartialGroup, PartialItem, UnknownBody};
pub use wire::{Agreed, ChangeHash, WireContext};

use crate::codec::{self, DecodeError};
use crate::identity::{DeviceKey, Signature};
use crate::ids::{DeviceId, Hash};
use crate::limits;
use skeleton::Skeleton;

/// Why something is not an envelope, or not the envelope it says it is.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// The bytes do not decode.
    #[error("the envelope does not decode: {0}")]
    Bytes(#[from] DecodeError),
    /// The number is 0.
    #[error("envelopes are numbered from 1")]
    Number,
    /// The feed, or the one before it, has the name of a branch.
    #[error("an envelope is signed for a feed, never for a branch of one")]
    Branch,
    /// The first envelope has a hash of one before, or a later one has none.
    #[error("the hash of the header before does not fit the number")]
    Previous,
    /// A predecessor that is not another feed of the same device, or not in the first envelope.
    #[error("the predecessor is not another feed of the same device, named by the first envelope")]
    Predecessor,
    /// Membership heads that are none, too many, or not in order.
    #[error("the membership heads are not 1 to 16 in ascending order")]
    Membership,
    /// Extensions out of order or, like the application's version, over their limit.
    #[error("the meta part has extensions out of order or a part over its limit")]
    Meta,
    /// A kind that this release cannot make.
    #[error("this release does not make envelopes of this kind")]
    Kind,
    /// A group without items.
    #[error("a group has no items")]
    EmptyGroup,
    /// A collection name that is empty, too long, or not after the one before.
    #[error("a collection name is empty, too long or out of order")]
    Collection,
    /// Sequence numbers that start at 0 or end before they start.
    #[error("an item's sequence numbers do not start at 1 or later and ascend")]
    Item,
    /// An item without changes, or an empty change.
    #[error("an item has no changes, or an empty one")]
    EmptyChange,
    /// Too many items.
    #[error("{items} items, more than one envelope may have")]
    TooManyItems {
        /// How many, as far as they were counted.
        items: usize,
    },
    /// Too many changes.
    #[error("{changes} changes, more than one envelope may have")]
    TooManyChanges {
        /// How many, as far as they were counted.
        changes: usize,
    },
    /// Not one payload for each item.
    #[error("{items} items with {payloads} payloads")]
    PayloadCount {
        /// How many items there are.
        items: usize,
        /// How many payloads there are.
        payloads: usize,
    },
    /// The full form is over its limit.
    #[error("an envelope of {length} bytes is too large")]
    TooLarge {
        /// The size in bytes.
        length: usize,
    },
    /// The feed is not one of the device's.
    #[error("the feed is not one of the device that should have signed")]
    OtherDevice,
    /// The signature does not verify.
    #[error("the signature does not verify")]
    Signature,
    /// The body is not the one that was signed.
    #[error("the body is not the one that was signed")]
    BodyHash,
    /// The sender left out what only a function for change hashes can restore, and that gave none.
    #[error("a commitment was left out and could not be computed")]
    NoChangeHash,
}

/// One signed, numbered entry of a feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    signed: SignedHeader,
    /// The header's hash, kept because everything that follows refers to it.
    hash: Hash,
    body: BodyForm,
}

/// The body, as far as it is here and understood.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyForm {
    /// All of it.
    Known {
        /// What the envelope says.
        body: Body,
        /// The changes.
        payload: Payload,
    },
    /// Parts are erased or left out; the rest still verifies.
    Partial(PartialBody),
    /// A newer version or another kind: held and passed on, not applied.
    Unknown(UnknownBody),
}

impl Envelope {
    /// Makes and signs an envelope; refuses what breaks a limit or an order.
    pub fn seal(
        key: &DeviceKey,
        draft: HeaderDraft,
        body: Body,
        payload: Payload,
    ) -> Result<Self, EnvelopeError> {
        if !draft.feed.belongs_to(&key.device_id()) {
            return Err(EnvelopeError::OtherDevice);
        }
        body.check(&payload)?;
        let body = BodyForm::Known { body, payload };
        let header = draft.finish(body.hash());
        header.check()?;
        let envelope = Self::from_parts(SignedHeader::sign(header, key), body);
        match envelope.encode().len() {
            length if length > limits::ENVELOPE => Err(EnvelopeError::TooLarge { length }),
            _ => Ok(envelope),
        }
    }

    /// Puts an envelope together again from what it was taken apart into; the signature is not checked.
    pub fn restore(
        draft: HeaderDraft,
        signature: Signature,
        body: Body,
        payload: Payload,
    ) -> Result<Self, EnvelopeError> {
        body.check(&payload)?;
        let header = draft.finish(body.hash());
        header.check()?;
        let body = BodyForm::Known { body, payload };
        Ok(Self::from_parts(SignedHeader { header, signature }, body))
    }

    /// The full form.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = codec::encode(&self.signed);
        self.body.to_skeleton().put(&mut bytes);
        bytes
    }

    /// Reads the full form; checks limits, orders and the canonical form, but no signature.
    pub fn decode(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        match bytes.first() {
            Some(&found) if found != HEADER_FORMAT => {
                return Err(DecodeError::UnknownVersion { found }.into());
            }
            _ => {}
        }
        let (signed, rest) = codec::decode_prefix::<SignedHeader>(bytes, limits::ENVELOPE)?;
        signed.header.check()?;
        let envelope = Self::from_parts(signed, BodyForm::read(Skeleton::take(rest)?)?);
        if envelope.encode() == bytes {
            Ok(envelope)
        } else {
            Err(DecodeError::NotCanonical.into())
        }
    }

    /// Checks that the device signed the header, and that the body is the one that was signed.
    ///
    /// Not checked: that the header follows the one before ([`Header::follows`]), and that the changes are those the
    /// items commit to ([`check_commitment`]), since that takes the hashes of changes.
    pub fn verify(&self, device: &DeviceId) -> Result<(), EnvelopeError> {
        self.signed.verify(device)?;
        if self.body.hash() == self.signed.header.body {
            Ok(())
        } else {
            Err(EnvelopeError::BodyHash)
        }
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.signed.header
    }

    /// The header with its signature.
    pub fn signed_header(&self) -> &SignedHeader {
        &self.signed
    }

    /// The signature.
    pub fn signature(&self) -> &Signature {
        &self.signed.signature
    }

    /// The header's hash, which the next header and cursors name.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// The body, as far as it is here and understood.
    pub fn body(&self) -> &BodyForm {
        &self.body
    }

    /// The body and the changes, when all of it is here and understood.
    pub fn known(&self) -> Option<(&Body, &Payload)> {
        match &self.body {
            BodyForm::Known { body, payload } => Some((body, payload)),
            _ => None,
        }
    }

    /// Each item that is here with its collection and changes; none of a body that is not understood.
    pub fn items(&self) -> Vec<(&str, &Item, &ItemPayload)> {
        match &self.body {
            BodyForm::Known { body, payload } => body
                .items()
                .zip(&payload.items)
                .map(|((name, item), payload)| (name, item, payload))
                .collect(),
            BodyForm::Partial(partial) => partial.kept().collect(),
            BodyForm::Unknown(_) => Vec::new(),
        }
    }

    /// The envelope with less in it: `choose` says what to keep of each item. What is left verifies as before.
    ///
    /// A body that is not understood stays as it is.
    #[must_use]
    pub fn reduced(&self, choose: &dyn Fn(&str, &Item) -> Keep) -> Self {
        let mut partial = match &self.body {
            BodyForm::Known { body, payload } => PartialBody::of(body, payload),
            BodyForm::Partial(partial) => partial.clone(),
            BodyForm::Unknown(_) => return self.clone(),
        };
        partial.reduce(choose);
        Self {
            signed: self.signed.clone(),
            hash: self.hash,
            body: BodyForm::of_partial(partial),
        }
    }

    fn from_parts(signed: SignedHeader, body: BodyForm) -> Self {
        Self {
            hash: signed.header.hash(),
            signed,
            body,
        }
    }
}

impl BodyForm {
    fn of_partial(partial: PartialBody) -> Self {
        if !partial.is_whole() {
            return Self::Partial(partial);
        }
        let (body, payload) = partial.into_kept();
        Self::Known { body, payload }
    }

    /// Reads what is understood of a skeleton.
    fn read(skeleton: Skeleton) -> Result<Self, EnvelopeError> {
        if skeleton.version != BODY_VERSION {
            return Ok(Self::Unknown(UnknownBody {
                skeleton,
                kind: None,
            }));
        }
        let meta: Meta = codec::decode(&skeleton.meta, limits::META)?;
        meta.check()?;
        if !meta.kind.is_known() {
            return Ok(Self::Unknown(UnknownBody {
                skeleton,
                kind: Some(meta.kind),
            }));
        }
        PartialBody::read(meta, skeleton).map(Self::of_partial)
    }

    fn to_skeleton(&self) -> Skeleton {
        match self {
            Self::Known { body, payload } => PartialBody::of(body, payload).to_skeleton(),
            Self::Partial(partial) => partial.to_skeleton(),
            Self::Unknown(unknown) => unknown.skeleton.clone(),
        }
    }

    /// The body's hash.
    pub fn hash(&self) -> Hash {
        match self {
            Self::Known { body, .. } => body.hash(),
            Self::Partial(partial) => partial.hash(),
            Self::Unknown(unknown) => unknown.skeleton.hash(),
        }
    }
}
