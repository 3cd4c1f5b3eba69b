//! Envelopes of which parts are erased or left out, and envelopes that this release does not understand.

use crate::codec;
use crate::envelope::EnvelopeError;
use crate::envelope::body::{BODY_VERSION, Body, Group, Item, ItemPayload, Kind, Meta, Payload};
use crate::envelope::skeleton::{GroupSlot, ItemSlot, Skeleton, body_hash, group_hash, item_hash};
use crate::ids::Hash;
use crate::limits;

/// What to keep of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Everything.
    All,
    /// Which changes of which record there were, but neither the changes nor the salt: for erasure.
    Description,
    /// Only the hash; when that holds of all items of a group, of its name too.
    Hash,
}

/// A body of a known version and kind, with parts erased or left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartialBody {
    /// What holds of the whole.
    pub meta: Meta,
    /// The groups, in the order of their names.
    pub groups: Vec<PartialGroup>,
}

/// A group, or what is left of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartialGroup {
    /// Some items may be left out.
    Shown {
        /// The collection's name.
        collection: String,
        /// The items, in order.
        items: Vec<PartialItem>,
    },
    /// The whole group is left out; this is its hash.
    Hidden(Hash),
}

/// An item, or what is left of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartialItem {
    /// All of it.
    Kept(Item, ItemPayload),
    /// Its payload is erased.
    Erased(Item),
    /// It is left out; this is its hash.
    Hidden(Hash),
}

/// A body of a version or kind that this release does not know: verified, held and passed on, never applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownBody {
    pub(super) skeleton: Skeleton,
    pub(super) kind: Option<Kind>,
}

impl UnknownBody {
    /// The body's version.
    pub fn version(&self) -> u8 {
        self.skeleton.version
    }

    /// The body's kind, when its version is known.
    pub fn kind(&self) -> Option<Kind> {
        self.kind
    }
}

impl PartialBody {
    /// The items that are kept whole, with their collections.
    pub fn kept(&self) -> impl Iterator<Item = (&str, &Item, &ItemPayload)> {
        self.groups
            .iter()
            .filter_map(|group| match group {
                PartialGroup::Shown { collection, items } => Some((collection.as_str(), items)),
                PartialGroup::Hidden(_) => None,
            })
            .flat_map(|(collection, items)| {
                items.iter().filter_map(move |item| match item {
                    PartialItem::Kept(item, payload) => Some((collection, item, payload)),
                    _ => None,
                })
            })
    }

    pub(super) fn of(body: &Body, payload: &Payload) -> Self {
        let mut payloads = payload.items.iter();
        let mut groups = Vec::with_capacity(body.groups.len());
        for group in &body.groups {
            let items = group.items.iter().zip(&mut payloads);
            groups.push(PartialGroup::Shown {
                collection: group.collection.clone(),
                items: items
                    .map(|(item, payload)| PartialItem::Kept(*item, payload.clone()))
                    .collect(),
            });
        }
        Self {
            meta: body.meta.clone(),
            groups,
        }
    }

    /// Whether no part is left out.
    pub(super) fn is_whole(&self) -> bool {
        self.groups.iter().all(|group| match group {
            PartialGroup::Shown { items, .. } => items
                .iter()
                .all(|item| matches!(item, PartialItem::Kept(..))),
            PartialGroup::Hidden(_) => false,
        })
    }

    /// The parts that are kept whole, as a body and payload.
    pub(super) fn into_kept(self) -> (Body, Payload) {
        let mut payload = Payload::default();
        let mut groups = Vec::with_capacity(self.groups.len());
        for group in self.groups {
            let PartialGroup::Shown { collection, items } = group else {
                continue;
            };
            let mut kept = Vec::with_capacity(items.len());
            for item in items {
                let PartialItem::Kept(item, changes) = item else {
                    continue;
                };
                kept.push(item);
                payload.items.push(changes);
            }
            groups.push(Group {
                collection,
                items: kept,
            });
        }
        let meta = self.meta;
        (Body { meta, groups }, payload)
    }

    pub(super) fn hash(&self) -> Hash {
        let groups = self.groups.iter().map(|group| match group {
            PartialGroup::Shown { collection, items } => {
                group_hash(collection, items.iter().map(PartialItem::hash))
            }
            PartialGroup::Hidden(hash) => *hash,
        });
        body_hash(BODY_VERSION, &codec::encode(&self.meta), groups)
    }

    pub(super) fn reduce(&mut self, choose: &dyn Fn(&str, &Item) -> Keep) {
        for group in &mut self.groups {
            let PartialGroup::Shown { collection, items } = group else {
                continue;
            };
            for slot in items.iter_mut() {
                slot.reduce(|item| choose(collection, item));
            }
            if items
                .iter()
                .all(|item| matches!(item, PartialItem::Hidden(_)))
            {
                *group = PartialGroup::Hidden(group_hash(
                    collection,
                    items.iter().map(PartialItem::hash),
                ));
            }
        }
    }

    pub(super) fn to_skeleton(&self) -> Skeleton {
        let groups = self.groups.iter().map(|group| match group {
            PartialGroup::Shown { collection, items } => GroupSlot::Shown {
                collection: collection.clone(),
                items: items.iter().map(PartialItem::to_slot).collect(),
            },
            PartialGroup::Hidden(hash) => GroupSlot::Hidden(*hash),
        });
        Skeleton {
            version: BODY_VERSION,
            meta: codec::encode(&self.meta),
            groups: groups.collect(),
        }
    }

    /// Reads the parts of a skeleton whose version and kind are known.
    pub(super) fn read(meta: Meta, skeleton: Skeleton) -> Result<Self, EnvelopeError> {
        let mut changes = 0;
        let mut groups = Vec::with_capacity(skeleton.groups.len());
        for group in skeleton.groups {
            groups.push(match group {
                GroupSlot::Hidden(hash) => PartialGroup::Hidden(hash),
                GroupSlot::Shown { collection, items } => {
                    let items = items
                        .into_iter()
                        .map(|slot| PartialItem::read(slot, &mut changes));
                    PartialGroup::Shown {
                        collection,
                        items: items.collect::<Result<_, _>>()?,
                    }
                }
            });
        }
        Ok(Self { meta, groups })
    }
}

impl PartialItem {
    fn hash(&self) -> Hash {
        match self {
            Self::Kept(item, _) | Self::Erased(item) => item_hash(&codec::encode(item)),
            Self::Hidden(hash) => *hash,
        }
    }

    fn reduce(&mut self, choose: impl FnOnce(&Item) -> Keep) {
        let (Self::Kept(item, _) | Self::Erased(item)) = self else {
            return;
        };
        let item = *item;
        match choose(&item) {
            Keep::All => {}
            Keep::Description => *self = Self::Erased(item),
            Keep::Hash => *self = Self::Hidden(item_hash(&codec::encode(&item))),
        }
    }

    fn to_slot(&self) -> ItemSlot {
        match self {
            Self::Kept(item, payload) => ItemSlot::Kept {
                item: codec::encode(item),
                payload: codec::encode(payload),
            },
            Self::Erased(item) => ItemSlot::Erased {
                item: codec::encode(item),
            },
            Self::Hidden(hash) => ItemSlot::Hidden(*hash),
        }
    }

    fn read(slot: ItemSlot, changes: &mut usize) -> Result<Self, EnvelopeError> {
        let describe = |bytes: &[u8]| -> Result<Item, EnvelopeError> {
            let item: Item = codec::decode(bytes, limits::ITEM)?;
            item.check().map(|()| item)
        };
        match slot {
            ItemSlot::Hidden(hash) => Ok(Self::Hidden(hash)),
            ItemSlot::Erased { item } => describe(&item).map(Self::Erased),
            ItemSlot::Kept { item, payload } => {
                let payload: ItemPayload = codec::decode(&payload, limits::ENVELOPE)?;
                payload.check()?;
                // Counted while reading, so that many items cannot add up to more than one may have.
                *changes += payload.changes.len();
                if *changes > limits::CHANGES {
                    return Err(EnvelopeError::TooManyChanges { changes: *changes });
                }
                Ok(Self::Kept(describe(&item)?, payload))
            }
        }
    }
}
