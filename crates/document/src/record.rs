//! One record: an Automerge document and its change graph.
//!
//! A record is read and changed through here only. It is never half changed: a change is applied to a copy,
//! and the copy takes the document's place when the change reads back byte for byte.

use automerge::{
    Automerge, LoadOptions, OnPartialLoad, ROOT, ReadDoc, TextEncoding, VerificationMode,
};

use crate::admission::{self, Admission, Admitted, Refusal};
use crate::change::{self, Change};
use crate::graph::{ChangeGraph, Link};
use crate::ids::{ActorId, ChangeHash, OpId};
use crate::limits;
use crate::path::{DELETED, Register};
use crate::quiet;
use crate::row::Row;
use crate::value::{Fields, Value};
use crate::write::{self, Intent, WriteError};

/// Offsets in text count Unicode code points; not saved by Automerge, so set on every load.
const ENCODING: TextEncoding = TextEncoding::UnicodeCodePoint;

/// One record: its document, loaded.
#[derive(Clone)]
pub struct Record {
    document: Box<Automerge>,
    graph: ChangeGraph,
}

/// Why stored bytes are not a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The bytes are more than a record may take.
    #[error("a stored record of {bytes} bytes is over the limit of {limit}")]
    TooLarge {
        /// Its bytes.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// Automerge does not read them.
    #[error("a stored record does not load: {reason}")]
    Malformed {
        /// What the parser says.
        reason: String,
    },
    /// The document is whole, but of other changes than expected.
    #[error("a stored record has other heads than its row says")]
    OtherHeads,
    /// The record was asked for as it was at a change that it does not have.
    #[error("the record has no change {hash}")]
    NoSuchChange {
        /// The change.
        hash: ChangeHash,
    },
}

/// Why an admitted change could not be applied: always our fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// Automerge refused or panicked.
    #[error("the admitted change {hash} does not apply: {reason}")]
    Fails {
        /// The change.
        hash: ChangeHash,
        /// What happened.
        reason: String,
    },
    /// It was applied, but reads back otherwise.
    #[error("the admitted change {hash} does not read back as it was")]
    ReadsBackOtherwise {
        /// The change.
        hash: ChangeHash,
    },
}

impl Default for Record {
    fn default() -> Self {
        Self::new()
    }
}

impl Record {
    /// A record without changes.
    pub fn new() -> Self {
        Self {
            document: Box::new(Automerge::new_with_encoding(ENCODING)),
            graph: ChangeGraph::default(),
        }
    }

    /// Loads a saved document followed by any number of loose changes, all as stored here before.
    ///
    /// `heads` are the heads it must have, sorted.
    pub fn load(bytes: &[u8], heads: &[ChangeHash]) -> Result<Self, LoadError> {
        if bytes.len() > limits::DOCUMENT_BYTES {
            return Err(LoadError::TooLarge {
                bytes: bytes.len(),
                limit: limits::DOCUMENT_BYTES,
            });
        }
        let options = LoadOptions::new()
            .text_encoding(ENCODING)
            .on_partial_load(OnPartialLoad::Error)
            .verification_mode(VerificationMode::Check);
        let loaded = quiet::catch(|| Automerge::load_with_options(bytes, options));
        let document = match loaded {
            Ok(Ok(document)) => document,
            Ok(Err(error)) => {
                return Err(LoadError::Malformed {
                    reason: error.to_string(),
                });
            }
            Err(_) => {
                return Err(LoadError::Malformed {
                    reason: "the parser panicked".into(),
                });
            }
        };
        let graph = graph_of(&document)?;
        if !graph.are_heads(heads) {
            return Err(LoadError::OtherHeads);
        }
        Ok(Self {
            document: Box::new(document),
            graph,
        })
    }

    /// The saved document: loads with equal heads. Not canonical: compare heads, never these bytes.
    pub fn save(&self) -> Vec<u8> {
        self.document.save()
    }

    /// The hashes of the changes nothing depends on, sorted.
    pub fn heads(&self) -> Vec<ChangeHash> {
        self.graph.heads()
    }

    /// How many changes it has.
    pub fn change_count(&self) -> usize {
        self.graph.len()
    }

    /// Whether the record has this change.
    pub fn has_change(&self, hash: &ChangeHash) -> bool {
        self.graph.contains(hash)
    }

    /// Whether a change with these dependencies continues the record as it is, beside nothing.
    pub fn continues_heads(&self, change: &Change) -> bool {
        self.graph.are_heads(&change.deps)
    }

    /// All changes, each after its past.
    pub fn changes(&self) -> Result<Vec<Change>, LoadError> {
        let malformed = |reason: &str| LoadError::Malformed {
            reason: reason.to_owned(),
        };
        quiet::catch(|| {
            self.document
                .get_changes(&[])
                .iter()
                .map(change::decode)
                .collect::<Result<Vec<_>, _>>()
        })
        .map_err(|_| malformed("reading its changes panicked"))?
        .map_err(malformed)
    }

    /// The record as it was at some heads, in any order: those changes and what they knew of, nothing else.
    ///
    /// It is built from the changes. Automerge could be asked to read at the heads, and would read an empty
    /// document where it does not know them.
    pub fn at(&self, heads: &[ChangeHash]) -> Result<Self, LoadError> {
        if let Some(hash) = self.graph.first_missing(heads) {
            return Err(LoadError::NoSuchChange { hash });
        }
        let past = self.graph.past(heads);
        if heads.is_empty() {
            return Ok(Self::new());
        }
        let bytes = quiet::catch(|| {
            let mut bytes = Vec::new();
            for change in self.document.get_changes(&[]) {
                if self.graph.is_in(&past, &ChangeHash(change.hash().0)) {
                    bytes.extend_from_slice(change.raw_bytes());
                }
            }
            bytes
        })
        .map_err(|_| LoadError::Malformed {
            reason: "reading its changes panicked".into(),
        })?;
        Self::load(&bytes, &self.graph.heads_of(&past))
    }

    /// The record as it reads now.
    pub fn row(&self) -> Row {
        let mut fields = Fields::new();
        let mut deleted = false;
        for item in self.document.map_range(ROOT, ..) {
            let scalar = match item.value.into_value() {
                automerge::Value::Scalar(scalar) => scalar,
                automerge::Value::Object(_) => continue, // admission lets none in
            };
            let Some(value) = Value::from_scalar(&scalar) else {
                continue; // likewise
            };
            if item.key == DELETED {
                deleted = value == Value::Bool(true);
            } else if !matches!(Register::parse(&item.key), Some(Register::Special) | None) {
                fields.insert(item.key.into_owned(), value);
            }
        }
        Row {
            heads: self.heads(),
            deleted,
            fields,
        }
    }

    /// The bytes of a change that does what `intents` say, made at the current heads, or `None` where they
    /// change nothing.
    ///
    /// `time` is the commit time: wall milliseconds shifted by 12 bits, plus a counter.
    pub fn write(
        &self,
        actor: ActorId,
        time: i64,
        intents: &[Intent],
    ) -> Result<Option<Vec<u8>>, WriteError> {
        write::write(self, actor, time, intents)
    }

    /// Checks a raw change, a peer's or our own, against the content rules; see [`Refusal`].
    ///
    /// `device_prefix` is that of the device that signed for it.
    pub fn admit(&self, raw: &[u8], device_prefix: [u8; 8]) -> Result<Admission, Refusal> {
        admission::admit(self, raw, device_prefix)
    }

    /// Applies a change that was just admitted. One that the record has already changes nothing.
    pub fn apply(&mut self, admitted: Admitted) -> Result<Change, ApplyError> {
        let Admitted { change, parsed } = admitted;
        let hash = change.hash;
        if self.graph.contains(&hash) {
            return Ok(change);
        }
        let fails = |reason: String| ApplyError::Fails { hash, reason };
        let raw = parsed.raw_bytes().to_vec();
        let applied = quiet::catch(|| {
            let mut copy = self.document.clone();
            copy.apply_changes([*parsed])?;
            let back = copy.get_change_by_hash(&automerge::ChangeHash(hash.0));
            let same = back.is_some_and(|back| back.raw_bytes() == raw);
            Ok::<_, automerge::AutomergeError>((copy, same))
        });
        match applied {
            Ok(Ok((copy, true))) => {
                self.document = copy;
                self.graph.push(Link {
                    hash,
                    actor: change.actor,
                    seq: change.seq,
                    max_op: change.max_op(),
                    deps: &change.deps,
                });
                Ok(change)
            }
            Ok(Ok((_, false))) => Err(ApplyError::ReadsBackOtherwise { hash }),
            Ok(Err(error)) => Err(fails(error.to_string())),
            Err(_) => Err(fails("Automerge panicked".into())),
        }
    }

    pub(crate) fn graph(&self) -> &ChangeGraph {
        &self.graph
    }

    /// The live operations of a register at some heads (all known), smallest first; the last one is shown.
    pub(crate) fn live_at(&self, key: &str, heads: &[ChangeHash]) -> Vec<(OpId, Value)> {
        let found = if self.graph.are_heads(heads) {
            self.document.get_all(ROOT, key)
        } else {
            let heads: Vec<_> = heads.iter().map(|h| automerge::ChangeHash(h.0)).collect();
            self.document.get_all_at(ROOT, key, &heads)
        };
        let mut live: Vec<_> = found
            .unwrap_or_default()
            .iter()
            .filter_map(|(value, id)| {
                let automerge::ObjId::Id(counter, actor, _) = id else {
                    return None;
                };
                let automerge::Value::Scalar(scalar) = value else {
                    return None;
                };
                let id = OpId {
                    counter: *counter,
                    actor: change::actor_of(actor)?,
                };
                Some((id, Value::from_scalar(scalar)?))
            })
            .collect();
        live.sort_by_key(|(id, _)| *id);
        live
    }

    /// The keys of the live registers.
    pub(crate) fn keys(&self) -> impl Iterator<Item = String> + '_ {
        self.document.keys(ROOT)
    }
}

fn graph_of(document: &Automerge) -> Result<ChangeGraph, LoadError> {
    let mut graph = ChangeGraph::default();
    for meta in document.get_changes_meta(&[]) {
        let actor = change::actor_of(&meta.actor).ok_or_else(|| LoadError::Malformed {
            reason: "an actor id that has not 16 bytes".into(),
        })?;
        let deps: Vec<_> = meta.deps.iter().map(|hash| ChangeHash(hash.0)).collect();
        graph.push(Link {
            hash: ChangeHash(meta.hash.0),
            actor,
            seq: meta.seq,
            max_op: meta.max_op,
            deps: &deps,
        });
    }
    Ok(graph)
}
