//! The frozen outline of every body, whatever its version: opaque parts and how they hash to one.
//!
//! ```text
//! item    = H(0, item bytes)
//! group   = H(1, length of the name, name, item hashes)
//! meta    = H(2, meta bytes)
//! root    = H(3, meta hash, group hashes)
//! body    = H(4, version byte, root)
//! ```
//! `H(tag, ...)` is BLAKE3 of the tag byte and the parts one after the other; the name's length is a variable-length
//! integer. Any item or group can be replaced by its hash and the rest still verifies. Because parts are opaque here,
//! a body of a version or kind that is not known verifies as well as any other. Payloads are not part of the root:
//! items commit to them.

use crate::codec::{
    self, Budget, Decode, DecodeError, Decoder, Encode, Encoder, FromBytesError, ToBytesError,
    bytes, list, text, wire,
};
use crate::envelope::EnvelopeError;
use crate::envelope::body::check_groups;
use crate::ids::Hash;
use crate::limits;

/// A body and its payload, with every part opaque and some perhaps left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Skeleton {
    pub(super) version: u8,
    pub(super) meta: Vec<u8>,
    pub(super) groups: Vec<GroupSlot>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum GroupSlot {
    Shown {
        collection: String,
        items: Vec<ItemSlot>,
    },
    Hidden(Hash),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ItemSlot {
    Kept { item: Vec<u8>, payload: Vec<u8> },
    Erased { item: Vec<u8> },
    Hidden(Hash),
}

impl ItemSlot {
    fn hash(&self) -> Hash {
        match self {
            Self::Kept { item, .. } | Self::Erased { item } => item_hash(item),
            Self::Hidden(hash) => *hash,
        }
    }
}

pub(super) fn item_hash(item: &[u8]) -> Hash {
    tagged(0, &[item])
}

pub(super) fn group_hash(collection: &str, items: impl Iterator<Item = Hash>) -> Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[1]);
    hasher.update(&codec::encode(&(collection.len() as u64)));
    hasher.update(collection.as_bytes());
    for item in items {
        hasher.update(item.as_bytes());
    }
    Hash(*hasher.finalize().as_bytes())
}

pub(super) fn body_hash(version: u8, meta: &[u8], groups: impl Iterator<Item = Hash>) -> Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[3]);
    hasher.update(tagged(2, &[meta]).as_bytes());
    for group in groups {
        hasher.update(group.as_bytes());
    }
    tagged(4, &[&[version], hasher.finalize().as_bytes()])
}

fn tagged(tag: u8, parts: &[&[u8]]) -> Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[tag]);
    for part in parts {
        hasher.update(part);
    }
    Hash(*hasher.finalize().as_bytes())
}

impl Skeleton {
    pub(super) fn hash(&self) -> Hash {
        let groups = self.groups.iter().map(|group| match group {
            GroupSlot::Shown { collection, items } => {
                group_hash(collection, items.iter().map(ItemSlot::hash))
            }
            GroupSlot::Hidden(hash) => *hash,
        });
        body_hash(self.version, &self.meta, groups)
    }

    /// Whether no part is left out.
    pub(super) fn is_whole(&self) -> bool {
        self.groups.iter().all(|group| match group {
            GroupSlot::Shown { items, .. } => items
                .iter()
                .all(|item| matches!(item, ItemSlot::Kept { .. })),
            GroupSlot::Hidden(_) => false,
        })
    }

    fn check(&self) -> Result<(), EnvelopeError> {
        check_groups(self.groups.iter().map(|group| match group {
            GroupSlot::Shown { collection, items } => (Some(collection.as_str()), items.len()),
            GroupSlot::Hidden(_) => (None, 1),
        }))
    }

    /// Appends the stored form: a byte that says whether parts are left out, the body, the payloads.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        let whole = self.is_whole();
        out.push(if whole { WHOLE } else { PARTIAL });
        out.extend(codec::encode(&Stored {
            skeleton: self,
            whole,
        }));
    }

    /// The payloads of the items that are kept, in order.
    fn payloads(&self) -> impl Iterator<Item = &[u8]> {
        let items = self.groups.iter().flat_map(|group| match group {
            GroupSlot::Shown { items, .. } => items.as_slice(),
            GroupSlot::Hidden(_) => &[],
        });
        items.filter_map(|item| match item {
            ItemSlot::Kept { payload, .. } => Some(payload.as_slice()),
            _ => None,
        })
    }

    /// Reads the stored form; the caller has bounded the bytes and checks that they are canonical.
    pub(super) fn take(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        let (&form, rest) = bytes.split_first().ok_or(DecodeError::Truncated)?;
        let (mut skeleton, rest) = match form {
            WHOLE => {
                let (form, rest) = codec::decode_prefix::<WholeForm>(rest, limits::ENVELOPE)?;
                (form.into_skeleton(), rest)
            }
            PARTIAL => {
                let (form, rest) = codec::decode_prefix::<PartialForm>(rest, limits::ENVELOPE)?;
                (
                    Self {
                        version: form.version,
                        meta: form.meta,
                        groups: form.groups,
                    },
                    rest,
                )
            }
            _ => return Err(DecodeError::Malformed.into()),
        };
        skeleton.check()?;
        let (payload, rest) = codec::decode_prefix::<PayloadForm>(rest, limits::ENVELOPE)?;
        if !rest.is_empty() {
            return Err(DecodeError::Trailing { left: rest.len() }.into());
        }
        skeleton.fill(payload.payloads)?;
        Ok(skeleton)
    }

    /// Puts the payloads into the items that are kept; there must be as many of one as of the other.
    fn fill(&mut self, payloads: Vec<Vec<u8>>) -> Result<(), EnvelopeError> {
        let count = payloads.len();
        let mut kept = 0;
        let mut payloads = payloads.into_iter();
        for group in &mut self.groups {
            let GroupSlot::Shown { items, .. } = group else {
                continue;
            };
            for item in items {
                if let ItemSlot::Kept { payload, .. } = item {
                    kept += 1;
                    *payload = payloads.next().unwrap_or_default();
                }
            }
        }
        if kept == count {
            Ok(())
        } else {
            Err(EnvelopeError::PayloadCount {
                items: kept,
                payloads: count,
            })
        }
    }
}

/// A skeleton to be written, borrowed: payloads are large.
struct Stored<'a> {
    skeleton: &'a Skeleton,
    whole: bool,
}

impl Encode for Stored<'_> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), ToBytesError> {
        let skeleton = self.skeleton;
        skeleton.version.encode(encoder)?;
        bytes::put(&skeleton.meta, encoder)?;
        list::put_length(skeleton.groups.len(), encoder)?;
        for group in &skeleton.groups {
            match group {
                GroupSlot::Shown { collection, items } if self.whole => {
                    text::put(collection, encoder)?;
                    list::put_length(items.len(), encoder)?;
                    items
                        .iter()
                        .try_for_each(|item| item.put_description(encoder))?;
                }
                group => group.encode(encoder)?,
            }
        }
        list::put_length(skeleton.payloads().count(), encoder)?;
        skeleton
            .payloads()
            .try_for_each(|payload| bytes::put(payload, encoder))
    }
}

impl ItemSlot {
    fn put_description<E: Encoder>(&self, encoder: &mut E) -> Result<(), ToBytesError> {
        match self {
            Self::Kept { item, .. } | Self::Erased { item } => bytes::put(item, encoder),
            Self::Hidden(hash) => hash.encode(encoder),
        }
    }
}

const WHOLE: u8 = 0;
const PARTIAL: u8 = 1;

struct WholeForm {
    version: u8,
    meta: Vec<u8>,
    groups: Vec<WholeGroup>,
}

wire!(WholeForm {
    version,
    meta: bytes(limits::META),
    groups: list(limits::GROUPS)
});

struct WholeGroup {
    collection: String,
    items: Vec<Vec<u8>>,
}

wire!(WholeGroup {
    collection: text(limits::COLLECTION_NAME),
    items: blobs(limits::ITEMS)
});

struct PartialForm {
    version: u8,
    meta: Vec<u8>,
    groups: Vec<GroupSlot>,
}

wire!(PartialForm {
    version,
    meta: bytes(limits::META),
    groups: list(limits::GROUPS)
});

struct PayloadForm {
    payloads: Vec<Vec<u8>>,
}

wire!(PayloadForm {
    payloads: blobs(limits::ITEMS)
});

impl WholeForm {
    fn into_skeleton(self) -> Skeleton {
        let groups = self.groups.into_iter().map(|group| GroupSlot::Shown {
            collection: group.collection,
            items: group
                .items
                .into_iter()
                .map(|item| ItemSlot::Kept {
                    item,
                    payload: Vec::new(),
                })
                .collect(),
        });
        Skeleton {
            version: self.version,
            meta: self.meta,
            groups: groups.collect(),
        }
    }
}

impl Encode for GroupSlot {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), ToBytesError> {
        match self {
            Self::Shown { collection, items } => {
                0_u8.encode(encoder)?;
                text::put(collection, encoder)?;
                list::put(items, encoder)
            }
            Self::Hidden(hash) => {
                1_u8.encode(encoder)?;
                hash.encode(encoder)
            }
        }
    }
}

impl Decode<Budget> for GroupSlot {
    fn decode<D: Decoder<Context = Budget>>(decoder: &mut D) -> Result<Self, FromBytesError> {
        match u8::decode(decoder)? {
            0 => Ok(Self::Shown {
                collection: text::take(decoder, "collection", limits::COLLECTION_NAME)?,
                items: list::take(decoder, "items", limits::ITEMS)?,
            }),
            1 => Hash::decode(decoder).map(Self::Hidden),
            found => Err(FromBytesError::InvalidBooleanValue(found)),
        }
    }
}

impl Encode for ItemSlot {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), ToBytesError> {
        match self {
            Self::Kept { item, .. } => {
                0_u8.encode(encoder)?;
                bytes::put(item, encoder)
            }
            Self::Erased { item } => {
                1_u8.encode(encoder)?;
                bytes::put(item, encoder)
            }
            Self::Hidden(hash) => {
                2_u8.encode(encoder)?;
                hash.encode(encoder)
            }
        }
    }
}

impl Decode<Budget> for ItemSlot {
    fn decode<D: Decoder<Context = Budget>>(decoder: &mut D) -> Result<Self, FromBytesError> {
        match u8::decode(decoder)? {
            0 => Ok(Self::Kept {
                item: bytes::take(decoder, "item", limits::ITEM)?,
                payload: Vec::new(),
            }),
            1 => Ok(Self::Erased {
                item: bytes::take(decoder, "item", limits::ITEM)?,
            }),
            2 => Hash::decode(decoder).map(Self::Hidden),
            found => Err(FromBytesError::InvalidBooleanValue(found)),
        }
    }
}
