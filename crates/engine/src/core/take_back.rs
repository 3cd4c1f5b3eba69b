//! Envelopes that their author has taken back, and when that counts.
//!
//! A device takes back an envelope of its own by naming it in a later one, in an extension of its meta part. So
//! the decision travels as everything else does, and every replica comes to the same records whichever of the
//! two it got first. It counts as long as no other device has built on what was taken back: what others rest on
//! is kept, or one member could take everybody's work away. Both are functions of the set of envelopes.
//!
//! Who is told: `judge` asks; `stage` notes what an envelope takes back, and what it rests on. Whenever that
//! changes the verdict on something that is held, everything is derived again.

use std::collections::BTreeSet;

use driftless_document::ChangeHash;
use driftless_protocol::{Envelope, FeedId, Hash, Meta};
use driftless_store::{KeyBuilder, KeyReader, Visit};

use super::Core;
use crate::error::EngineError;
use crate::quarantine::EnvelopeId;
use crate::space::{self, Space};
use crate::types::RecordKey;

/// The extension of an envelope that takes others back: feed (16), number (8, big-endian), hash (32) of each.
const TAKE_BACK_TAG: u16 = 1;
/// The extension of an envelope that says which one its device has issued again, and which one that one has; in the same
/// form.
const REISSUE_TAG: u16 = 2;
const REFERENCE_BYTES: usize = 16 + 8 + 32;
const FORMAT: u8 = 1;
const REFUSED_FORMAT: u8 = 2;

/// An envelope that its author named in order to take it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TakenBack {
    /// The feed it is signed for, and its number there: not its place on this device, which may be a branch.
    pub(crate) id: EnvelopeId,
    /// The hash of its header: a number alone may mean two envelopes where a folder was copied.
    pub(crate) hash: Hash,
}

impl TakenBack {
    pub(crate) fn of(envelope: &Envelope) -> Self {
        Self {
            id: EnvelopeId::signed(envelope),
            hash: envelope.hash(),
        }
    }
}

/// Where a change lies that is not applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RefusedChange {
    /// The envelope it came in.
    pub(crate) id: EnvelopeId,
    /// What was taken back, itself or below it, so that it is not applied; empty where it is refused for good.
    pub(crate) taken_back: BTreeSet<TakenBack>,
    /// Whether it lies on a branch of a feed, or rests on what does: then what rests on it waits as well.
    pub(crate) on_branch: bool,
}

impl RefusedChange {
    fn encode(&self) -> Vec<u8> {
        let mut value = KeyBuilder::new()
            .push_u8(REFUSED_FORMAT)
            .push_u8(u8::from(self.on_branch))
            .push_fixed(&self.id.feed.0)
            .push_u64(self.id.n);
        for below in &self.taken_back {
            value = value
                .push_fixed(&below.id.feed.0)
                .push_u64(below.id.n)
                .push_fixed(&below.hash.0);
        }
        value.finish()
    }

    fn decode(bytes: &[u8]) -> Result<Self, EngineError> {
        let mut reader = KeyReader::new(bytes);
        reader.take_u8()?;
        let on_branch = reader.take_u8()? != 0;
        let id = take_id(&mut reader)?;
        let mut taken_back = BTreeSet::new();
        while !reader.rest().is_empty() {
            let id = take_id(&mut reader)?;
            let hash = Hash(reader.take_fixed()?);
            taken_back.insert(TakenBack { id, hash });
        }
        Ok(Self {
            id,
            taken_back,
            on_branch,
        })
    }
}

fn take_id(reader: &mut KeyReader<'_>) -> Result<EnvelopeId, EngineError> {
    Ok(EnvelopeId {
        feed: FeedId(reader.take_fixed()?),
        n: reader.take_u64()?,
    })
}

/// The meta part of an envelope without changes that takes another one back.
pub(crate) fn take_back_meta(time: i64, named: &TakenBack) -> Meta {
    let mut meta = Meta::changes(time);
    meta.ext.push((TAKE_BACK_TAG, references(&[*named])));
    meta
}

/// The meta part of an envelope that issues `lost` again, which took back what it takes back now. Where that one issued
/// another one again itself, the first one that was lost is named too.
pub(crate) fn reissue_meta(time: i64, lost: &Envelope) -> Meta {
    let mut meta = Meta::changes(time);
    let taken_back = named_by(lost, TAKE_BACK_TAG);
    if !taken_back.is_empty() {
        meta.ext.push((TAKE_BACK_TAG, references(&taken_back)));
    }
    let mut named = vec![TakenBack::of(lost)];
    named.extend(reissued_by(lost).last());
    meta.ext.push((REISSUE_TAG, references(&named)));
    meta
}

fn references(named: &[TakenBack]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(named.len() * REFERENCE_BYTES);
    for named in named {
        bytes.extend(named.id.feed.0);
        bytes.extend(named.id.n.to_be_bytes());
        bytes.extend(named.hash.0);
    }
    bytes
}

/// Which envelopes one says its device has issued again: the last one is the first that was lost.
pub(super) fn reissued_by(envelope: &Envelope) -> Vec<TakenBack> {
    named_by(envelope, REISSUE_TAG)
}

/// What an envelope names in an extension: only envelopes of its own device; bytes that are no list of them mean nothing.
fn named_by(envelope: &Envelope, tag: u16) -> Vec<TakenBack> {
    let Some((body, _)) = envelope.known() else {
        return Vec::new();
    };
    let mut extensions = body.meta.ext.iter();
    let Some((_, bytes)) = extensions.find(|(of, _)| *of == tag) else {
        return Vec::new();
    };
    if bytes.len() % REFERENCE_BYTES != 0 {
        return Vec::new();
    }
    let named = bytes.chunks_exact(REFERENCE_BYTES).filter_map(|bytes| {
        let (feed, rest) = bytes.split_first_chunk::<16>()?;
        let (n, hash) = rest.split_first_chunk::<8>()?;
        let id = EnvelopeId {
            feed: FeedId(*feed),
            n: u64::from_be_bytes(*n),
        };
        let hash = Hash(hash.try_into().ok()?);
        Some(TakenBack { id, hash })
    });
    let prefix = envelope.header().feed.device_prefix();
    named
        .filter(|named| named.id.feed.device_prefix() == prefix)
        .collect()
}

impl Core {
    /// Whether an envelope's author has taken it back, and nobody else has built on it.
    pub(crate) fn is_taken_back(&self, envelope: &Envelope) -> bool {
        self.take_backs.get(&TakenBack::of(envelope)) == Some(&false)
    }

    /// Whether an envelope's author has asked to take it back, whether that counts or not.
    pub(crate) fn take_back_asked(&self, envelope: &Envelope) -> bool {
        self.take_backs.contains_key(&TakenBack::of(envelope))
    }

    /// Takes note of what an envelope takes back.
    pub(super) fn stage_take_backs(&mut self, envelope: &Envelope) -> Result<(), EngineError> {
        for named in named_by(envelope, TAKE_BACK_TAG) {
            let known = self.take_backs.get(&named).copied();
            self.stage_take_back(&named, known.unwrap_or(false));
            if known.is_none() && self.is_admitted(&named)? {
                self.turn();
            }
        }
        Ok(())
    }

    /// What others rest on is kept: `feed` is of who rests on what was taken back.
    pub(super) fn keep_for_others(&mut self, feed: FeedId, taken_back: &BTreeSet<TakenBack>) {
        let others = taken_back
            .iter()
            .filter(|below| below.id.feed.device_prefix() != feed.device_prefix());
        for below in others {
            self.stage_take_back(below, true);
            self.turn();
        }
    }

    fn stage_take_back(&mut self, named: &TakenBack, kept: bool) {
        self.take_backs.insert(*named, kept);
        let value = KeyBuilder::new()
            .push_u8(FORMAT)
            .push_u8(u8::from(kept))
            .finish();
        self.base.put(self.keys.take_back(named), value);
    }

    /// Everything is to be derived again.
    pub(super) fn turn(&mut self) {
        self.turned = true;
        self.state.stale = true;
    }

    fn is_admitted(&self, named: &TakenBack) -> Result<bool, EngineError> {
        let place = self.envelope_place(&named.id.feed, named.id.n)?;
        let is_held = place.is_some_and(|place| place.hash == named.hash);
        Ok(is_held && !self.is_quarantined(&named.id.feed, named.id.n)?)
    }

    pub(super) fn load_take_backs(&mut self) -> Result<(), EngineError> {
        let mut found = Vec::new();
        let space = self.keys.space(Space::TakeBack);
        self.base.scan(&space, &[], &mut |key, value| {
            found.push((space::envelope_of(key), value.get(1) == Some(&1)));
            Visit::Continue
        })?;
        for (named, kept) in found {
            self.take_backs.insert(named?, kept);
        }
        Ok(())
    }

    /// Where a change of a record is that was refused.
    pub(crate) fn refused_change(
        &self,
        key: &RecordKey,
        hash: &ChangeHash,
    ) -> Result<Option<RefusedChange>, EngineError> {
        let bytes = self.base.get(&self.keys.refused_change(key, hash))?;
        bytes.map(|bytes| RefusedChange::decode(&bytes)).transpose()
    }

    /// Notes where a change is that was refused; the first envelope it came in counts.
    pub(super) fn stage_refused_change(
        &mut self,
        key: &RecordKey,
        hash: &ChangeHash,
        refused: &RefusedChange,
    ) -> Result<(), EngineError> {
        if self.refused_change(key, hash)?.is_none() {
            let place = self.keys.refused_change(key, hash);
            self.base.put(place, refused.encode());
        }
        Ok(())
    }
}
