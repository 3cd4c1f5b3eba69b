//! What an envelope says: its meta part, and the items grouped by collection.

use crate::codec::{
    self, Budget, Decode, Decoder, Encode, Encoder, FromBytesError, ToBytesError, wire,
};
use crate::envelope::EnvelopeError;
use crate::envelope::skeleton::{body_hash, group_hash, item_hash};
use crate::ids::Hash;
use crate::limits;

/// The body version this release writes and understands.
pub const BODY_VERSION: u8 = 1;

/// What kind of thing an envelope carries; kinds that are not known are held and passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kind(pub u8);

impl Kind {
    /// Changes of records.
    pub const CHANGES: Self = Self(1);

    /// Whether this release knows what to do with the items.
    pub const fn is_known(self) -> bool {
        self.0 == Self::CHANGES.0
    }
}

impl Encode for Kind {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), ToBytesError> {
        self.0.encode(encoder)
    }
}

impl Decode<Budget> for Kind {
    fn decode<D: Decoder<Context = Budget>>(decoder: &mut D) -> Result<Self, FromBytesError> {
        u8::decode(decoder).map(Self)
    }
}

/// What holds of an envelope as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// What the items are.
    pub kind: Kind,
    /// Whether the items are one transaction.
    pub atomic: bool,
    /// When the device says it was: hybrid clock, wall milliseconds << 12 | counter. A claim.
    pub time: i64,
    /// The hash of the schema it was written under.
    pub schema: Option<Hash>,
    /// The application's version, at most 32 bytes; may be empty.
    pub app_version: String,
    /// The epoch key the payloads are sealed with; none when they are not.
    pub epoch: Option<[u8; 8]>,
    /// Extensions (tag, bytes) with ascending tags; unknown ones are kept and signed.
    pub ext: Vec<(u16, Vec<u8>)>,
}

impl Meta {
    /// Plain changes at a time: not atomic, without schema, version, epoch or extensions.
    pub fn changes(time: i64) -> Self {
        Self {
            kind: Kind::CHANGES,
            atomic: false,
            time,
            schema: None,
            app_version: String::new(),
            epoch: None,
            ext: Vec::new(),
        }
    }

    pub(super) fn check(&self) -> Result<(), EnvelopeError> {
        let tags_ascend = self.ext.is_sorted_by(|a, b| a.0 < b.0);
        let sizes_fit = self.ext.len() <= limits::EXTENSIONS
            && self
                .ext
                .iter()
                .all(|(_, data)| data.len() <= limits::EXTENSION)
            && self.app_version.len() <= limits::APP_VERSION;
        if tags_ascend && sizes_fit {
            Ok(())
        } else {
            Err(EnvelopeError::Meta)
        }
    }
}

struct Extension {
    tag: u16,
    data: Vec<u8>,
}

wire!(Extension {
    tag,
    data: bytes(limits::EXTENSION)
});

mod extensions {
    //! The list of extensions, which is a list of pairs for the caller.
    use super::{Extension, limits};
    use crate::codec::Encode as _;
    use crate::codec::{Budget, Decoder, Encoder, FromBytesError, ToBytesError, bytes, list};

    pub(super) fn put<E: Encoder>(
        value: &[(u16, Vec<u8>)],
        encoder: &mut E,
    ) -> Result<(), ToBytesError> {
        (value.len() as u64).encode(encoder)?;
        for (tag, data) in value {
            tag.encode(encoder)?;
            bytes::put(data, encoder)?;
        }
        Ok(())
    }

    pub(super) fn take<D: Decoder<Context = Budget>>(
        decoder: &mut D,
    ) -> Result<Vec<(u16, Vec<u8>)>, FromBytesError> {
        let extensions: Vec<Extension> = list::take(decoder, "ext", limits::EXTENSIONS)?;
        Ok(extensions
            .into_iter()
            .map(|extension| (extension.tag, extension.data))
            .collect())
    }
}

impl Encode for Meta {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), ToBytesError> {
        self.kind.encode(encoder)?;
        self.atomic.encode(encoder)?;
        self.time.encode(encoder)?;
        self.schema.encode(encoder)?;
        crate::codec::text::put(&self.app_version, encoder)?;
        self.epoch.encode(encoder)?;
        extensions::put(&self.ext, encoder)
    }
}

impl Decode<Budget> for Meta {
    fn decode<D: Decoder<Context = Budget>>(decoder: &mut D) -> Result<Self, FromBytesError> {
        Ok(Self {
            kind: Decode::decode(decoder)?,
            atomic: Decode::decode(decoder)?,
            time: Decode::decode(decoder)?,
            schema: Decode::decode(decoder)?,
            app_version: crate::codec::text::take(decoder, "app_version", limits::APP_VERSION)?,
            epoch: Decode::decode(decoder)?,
            ext: extensions::take(decoder)?,
        })
    }
}

/// The body of an envelope of changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// What holds of the whole.
    pub meta: Meta,
    /// The items by collection, names ascending.
    pub groups: Vec<Group>,
}

/// The items of one collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The collection's name, 1 to 128 bytes.
    pub collection: String,
    /// At least one item.
    pub items: Vec<Item>,
}

/// Which changes of which record, and a commitment to the last of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item {
    /// The record's id.
    pub record: [u8; 16],
    /// The actor whose changes these are.
    pub actor: [u8; 16],
    /// The sequence number of the first change, from 1.
    pub first_seq: u64,
    /// The sequence number of the last change.
    pub last_seq: u64,
    /// See [`commitment`].
    pub commitment: Hash,
}

wire!(Item {
    record,
    actor,
    first_seq,
    last_seq,
    commitment
});

/// The changes themselves, item by item in the body's order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Payload {
    /// One for each item, in the order of the groups and their items.
    pub items: Vec<ItemPayload>,
}

/// The changes of one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemPayload {
    /// The salt of the commitment; destroying it makes the commitment say nothing.
    pub salt: [u8; 16],
    /// Raw change chunks, at least one, none empty; opaque here.
    pub changes: Vec<Vec<u8>>,
}

wire!(ItemPayload {
    salt,
    changes: blobs(limits::CHANGES)
});

/// What an item commits to: keyed BLAKE3 of the last change's hash.
///
/// The key is the salt, expanded to 32 bytes by BLAKE3's key derivation with the context
/// `driftless/1 2026 item commitment`. A change hash covers the changes it depends on, so committing to an actor's
/// newest change vouches for its earlier ones in the record. Without the salt nobody can test a guess.
pub fn commitment(salt: &[u8; 16], change_hash: &[u8; 32]) -> Hash {
    let key = blake3::derive_key("driftless/1 2026 item commitment", salt);
    Hash(*blake3::keyed_hash(&key, change_hash).as_bytes())
}

/// Whether an item commits to the change with this hash under this salt.
#[must_use]
pub fn check_commitment(item: &Item, salt: &[u8; 16], change_hash: &[u8; 32]) -> bool {
    item.commitment == commitment(salt, change_hash)
}

impl Item {
    pub(super) fn check(&self) -> Result<(), EnvelopeError> {
        if self.first_seq == 0 || self.first_seq > self.last_seq {
            Err(EnvelopeError::Item)
        } else {
            Ok(())
        }
    }
}

impl ItemPayload {
    pub(super) fn check(&self) -> Result<(), EnvelopeError> {
        let empty = self.changes.is_empty() || self.changes.iter().any(Vec::is_empty);
        if empty {
            Err(EnvelopeError::EmptyChange)
        } else {
            Ok(())
        }
    }
}

impl Body {
    /// The body's hash: see `skeleton.rs` for how it is made.
    pub fn hash(&self) -> Hash {
        let groups = self.groups.iter().map(|group| {
            let items = group
                .items
                .iter()
                .map(|item| item_hash(&codec::encode(item)));
            group_hash(&group.collection, items)
        });
        body_hash(BODY_VERSION, &codec::encode(&self.meta), groups)
    }

    /// The items with their collections, in the payload's order.
    pub fn items(&self) -> impl Iterator<Item = (&str, &Item)> {
        self.groups.iter().flat_map(|group| {
            group
                .items
                .iter()
                .map(|item| (group.collection.as_str(), item))
        })
    }

    /// Checks what holds of every body and payload on their own.
    pub(super) fn check(&self, payload: &Payload) -> Result<(), EnvelopeError> {
        self.meta.check()?;
        if !self.meta.kind.is_known() {
            return Err(EnvelopeError::Kind);
        }
        check_groups(
            self.groups
                .iter()
                .map(|group| (Some(group.collection.as_str()), group.items.len())),
        )?;
        let items = self.items().count();
        if items != payload.items.len() {
            return Err(EnvelopeError::PayloadCount {
                items,
                payloads: payload.items.len(),
            });
        }
        self.items().try_for_each(|(_, item)| item.check())?;
        payload.items.iter().try_for_each(ItemPayload::check)?;
        let changes: usize = payload.items.iter().map(|item| item.changes.len()).sum();
        if changes > limits::CHANGES {
            Err(EnvelopeError::TooManyChanges { changes })
        } else {
            Ok(())
        }
    }
}

/// Checks names (none for a group that is left out) and item counts of all groups.
pub(super) fn check_groups<'a>(
    groups: impl Iterator<Item = (Option<&'a str>, usize)>,
) -> Result<(), EnvelopeError> {
    let mut before = None;
    let mut items = 0;
    for (name, count) in groups {
        if count == 0 {
            return Err(EnvelopeError::EmptyGroup);
        }
        items += count;
        if items > limits::ITEMS {
            return Err(EnvelopeError::TooManyItems { items });
        }
        let Some(name) = name else { continue };
        if !(1..=limits::COLLECTION_NAME).contains(&name.len())
            || before.is_some_and(|before| before >= name)
        {
            return Err(EnvelopeError::Collection);
        }
        before = Some(name);
    }
    Ok(())
}
