//! The short form in which an envelope travels: what the receiver can derive is left out.
//!
//! ```text
//! byte        version 1 in the high four bits; bit 0: membership heads are given; bit 1: the body is in short form
//! signature   64 bytes
//! membership  a list of hashes, when given; else the heads the two sides agreed on
//! predecessor an optional predecessor, only when n is 1
//! body        short form, or the stored form
//! ```
//! Workspace, feed, n and the hash of the header before are the receiver's own; the body's hash is computed. In the
//! short form an item leaves out its actor when that is the feed's id, and its commitment when it follows from the
//! salt and the last change. A wrong guess cannot pass: the header it gives does not fit the signature.

use crate::codec::{
    self, Budget, Decode, DecodeError, Decoder, Encode, Encoder, FromBytesError, ToBytesError,
    blobs, wire,
};
use crate::envelope::body::{Body, Group, Item, ItemPayload, Meta, Payload, commitment};
use crate::envelope::header::{HeaderDraft, Predecessor, SignedHeader};
use crate::envelope::skeleton::Skeleton;
use crate::envelope::{BodyForm, Envelope, EnvelopeError};
use crate::identity::Signature;
use crate::ids::{FeedId, Hash, WorkspaceId};
use crate::limits;

/// Gives the hash of a raw change, or none when the bytes are no change.
pub type ChangeHash<'a> = &'a dyn Fn(&[u8]) -> Option<[u8; 32]>;

/// What both sides of a session know.
#[derive(Clone, Copy)]
pub struct Agreed<'a> {
    /// The membership heads both have, sorted; empty when they have not agreed on any.
    pub membership: &'a [Hash],
    /// How to hash a change; without it commitments are sent, and those left out cannot be restored.
    pub change_hash: Option<ChangeHash<'a>>,
}

/// What the receiver knows of an envelope before it arrives.
#[derive(Clone, Copy)]
pub struct WireContext<'a> {
    /// The workspace of the session.
    pub workspace: WorkspaceId,
    /// The feed, as the message says.
    pub feed: FeedId,
    /// The number, as the message says.
    pub n: u64,
    /// The receiver's hash of header n - 1 of the feed; zero when n is 1.
    pub prev: Hash,
    /// What both sides know.
    pub agreed: Agreed<'a>,
}

const VERSION: u8 = 1;
const MEMBERSHIP_GIVEN: u8 = 1;
const SHORT_BODY: u8 = 2;

impl Envelope {
    /// The wire form, for a session with this agreement.
    pub fn encode_wire(&self, agreed: &Agreed<'_>) -> Vec<u8> {
        let header = &self.signed.header;
        let mut first = VERSION << 4;
        if header.membership != agreed.membership {
            first |= MEMBERSHIP_GIVEN;
        }
        let known = self.known();
        if known.is_some() {
            first |= SHORT_BODY;
        }
        let mut bytes = vec![first];
        bytes.extend(codec::encode(&self.signed.signature));
        if first & MEMBERSHIP_GIVEN != 0 {
            bytes.extend(codec::encode(&HeadsForm {
                heads: header.membership.clone(),
            }));
        }
        if header.n == 1 {
            bytes.extend(codec::encode(&header.predecessor));
        }
        match known {
            Some((body, payload)) => {
                bytes.extend(codec::encode(&ShortBody::of(
                    body,
                    payload,
                    header.feed,
                    agreed.change_hash,
                )));
            }
            None => self.body.to_skeleton().put(&mut bytes),
        }
        bytes
    }

    /// Reads a wire form; checks limits, orders and the canonical form, but no signature.
    ///
    /// When the context is not the sender's, the envelope that results does not [`verify`](Envelope::verify).
    pub fn decode_wire(bytes: &[u8], context: &WireContext<'_>) -> Result<Self, EnvelopeError> {
        if bytes.len() > limits::ENVELOPE {
            return Err(DecodeError::TooLong {
                length: bytes.len(),
                limit: limits::ENVELOPE,
            }
            .into());
        }
        let (&first, rest) = bytes.split_first().ok_or(DecodeError::Truncated)?;
        if first >> 4 != VERSION {
            return Err(DecodeError::UnknownVersion { found: first >> 4 }.into());
        }
        if first & 0x0f & !(MEMBERSHIP_GIVEN | SHORT_BODY) != 0 {
            return Err(DecodeError::Malformed.into());
        }
        let (signature, rest): (Signature, _) = exact(rest)?;
        let (membership, rest) = if first & MEMBERSHIP_GIVEN == 0 {
            (context.agreed.membership.to_vec(), rest)
        } else {
            let (form, rest): (HeadsForm, _) = exact(rest)?;
            (form.heads, rest)
        };
        let (predecessor, rest): (Option<Predecessor>, _) = if context.n == 1 {
            exact(rest)?
        } else {
            (None, rest)
        };
        let body = if first & SHORT_BODY == 0 {
            let skeleton = Skeleton::take(rest)?;
            let mut again = Vec::with_capacity(rest.len());
            skeleton.put(&mut again);
            if again != rest {
                return Err(DecodeError::NotCanonical.into());
            }
            BodyForm::read(skeleton)?
        } else {
            let short: ShortBody = codec::decode(rest, limits::ENVELOPE)?;
            let (body, payload) = short.expand(context)?;
            body.check(&payload)?;
            BodyForm::Known { body, payload }
        };
        let draft = HeaderDraft {
            workspace: context.workspace,
            feed: context.feed,
            n: context.n,
            prev: context.prev,
            predecessor,
            membership,
        };
        let header = draft.finish(body.hash());
        header.check()?;
        let envelope = Self::from_parts(SignedHeader { header, signature }, body);
        // Only a wire form near the limit can have a full form over it.
        if bytes.len() < limits::ENVELOPE / 2 {
            return Ok(envelope);
        }
        match envelope.encode().len() {
            length if length > limits::ENVELOPE => Err(EnvelopeError::TooLarge { length }),
            _ => Ok(envelope),
        }
    }
}

/// A value at the start of the bytes, in canonical form.
fn exact<T: Encode + Decode<Budget>>(bytes: &[u8]) -> Result<(T, &[u8]), DecodeError> {
    let (value, rest) = codec::decode_prefix::<T>(bytes, limits::ENVELOPE)?;
    let read = &bytes[..bytes.len() - rest.len()];
    if codec::encode(&value) == read {
        Ok((value, rest))
    } else {
        Err(DecodeError::NotCanonical)
    }
}

struct HeadsForm {
    heads: Vec<Hash>,
}

wire!(HeadsForm {
    heads: list(limits::MEMBERSHIP_HEADS)
});

struct ShortBody {
    meta: Meta,
    groups: Vec<ShortGroup>,
}

wire!(ShortBody {
    meta,
    groups: list(limits::GROUPS)
});

struct ShortGroup {
    collection: String,
    items: Vec<ShortItem>,
}

wire!(ShortGroup {
    collection: text(limits::COLLECTION_NAME),
    items: list(limits::ITEMS)
});

struct ShortItem {
    record: [u8; 16],
    /// None when it is the feed's id.
    actor: Option<[u8; 16]>,
    first_seq: u64,
    /// How many changes follow the first.
    more: u64,
    /// None when it follows from the salt and the last change.
    commitment: Option<Hash>,
    salt: [u8; 16],
    changes: Vec<Vec<u8>>,
}

const ACTOR_GIVEN: u8 = 1;
const COMMITMENT_GIVEN: u8 = 2;

impl Encode for ShortItem {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), ToBytesError> {
        let actor = if self.actor.is_some() { ACTOR_GIVEN } else { 0 };
        let commitment = if self.commitment.is_some() {
            COMMITMENT_GIVEN
        } else {
            0
        };
        (actor | commitment).encode(encoder)?;
        self.record.encode(encoder)?;
        if let Some(actor) = &self.actor {
            actor.encode(encoder)?;
        }
        self.first_seq.encode(encoder)?;
        self.more.encode(encoder)?;
        if let Some(commitment) = &self.commitment {
            commitment.encode(encoder)?;
        }
        self.salt.encode(encoder)?;
        blobs::put(&self.changes, encoder)
    }
}

impl Decode<Budget> for ShortItem {
    fn decode<D: Decoder<Context = Budget>>(decoder: &mut D) -> Result<Self, FromBytesError> {
        let given = u8::decode(decoder)?;
        if given & !(ACTOR_GIVEN | COMMITMENT_GIVEN) != 0 {
            return Err(FromBytesError::InvalidBooleanValue(given));
        }
        let record = Decode::decode(decoder)?;
        let actor = if given & ACTOR_GIVEN == 0 {
            None
        } else {
            Some(Decode::decode(decoder)?)
        };
        let first_seq = Decode::decode(decoder)?;
        let more = Decode::decode(decoder)?;
        let commitment = if given & COMMITMENT_GIVEN == 0 {
            None
        } else {
            Some(Decode::decode(decoder)?)
        };
        let salt = Decode::decode(decoder)?;
        let changes = blobs::take(decoder, "changes", limits::CHANGES)?;
        Ok(Self {
            record,
            actor,
            first_seq,
            more,
            commitment,
            salt,
            changes,
        })
    }
}

/// The commitment that salt and changes give, when changes can be hashed.
fn derive(
    salt: &[u8; 16],
    changes: &[Vec<u8>],
    change_hash: Option<ChangeHash<'_>>,
) -> Option<Hash> {
    let hash = change_hash?(changes.last()?)?;
    Some(commitment(salt, &hash))
}

impl ShortBody {
    fn of(
        body: &Body,
        payload: &Payload,
        feed: FeedId,
        change_hash: Option<ChangeHash<'_>>,
    ) -> Self {
        let mut payloads = payload.items.iter();
        let mut groups = Vec::with_capacity(body.groups.len());
        for group in &body.groups {
            let items = group
                .items
                .iter()
                .zip(&mut payloads)
                .map(|(item, payload)| ShortItem {
                    record: item.record,
                    actor: (item.actor != feed.to_bytes()).then_some(item.actor),
                    first_seq: item.first_seq,
                    more: item.last_seq - item.first_seq,
                    commitment: (derive(&payload.salt, &payload.changes, change_hash)
                        != Some(item.commitment))
                    .then_some(item.commitment),
                    salt: payload.salt,
                    changes: payload.changes.clone(),
                });
            groups.push(ShortGroup {
                collection: group.collection.clone(),
                items: items.collect(),
            });
        }
        Self {
            meta: body.meta.clone(),
            groups,
        }
    }

    fn expand(self, context: &WireContext<'_>) -> Result<(Body, Payload), EnvelopeError> {
        let mut payload = Payload::default();
        let mut groups = Vec::with_capacity(self.groups.len());
        for group in self.groups {
            let mut items = Vec::with_capacity(group.items.len());
            for short in group.items {
                items.push(short.describe(context)?);
                payload.items.push(ItemPayload {
                    salt: short.salt,
                    changes: short.changes,
                });
            }
            groups.push(Group {
                collection: group.collection,
                items,
            });
        }
        Ok((
            Body {
                meta: self.meta,
                groups,
            },
            payload,
        ))
    }
}

impl ShortItem {
    fn describe(&self, context: &WireContext<'_>) -> Result<Item, EnvelopeError> {
        let derived = || derive(&self.salt, &self.changes, context.agreed.change_hash);
        Ok(Item {
            record: self.record,
            actor: self.actor.unwrap_or(context.feed.to_bytes()),
            first_seq: self.first_seq,
            last_seq: self
                .first_seq
                .checked_add(self.more)
                .ok_or(EnvelopeError::Item)?,
            commitment: self
                .commitment
                .or_else(derived)
                .ok_or(EnvelopeError::NoChangeHash)?,
        })
    }
}
