//! What is kept of what is applied and does not count: envelopes, and the changes of each record.
//!
//! Why it does not is found by `judge` and by `reissues`; what a record reads without it by `driftless-document`.

use std::collections::{BTreeMap, BTreeSet};

use driftless_document::{ChangeHash, Counted, Record};
use driftless_store::{KeyBuilder, KeyReader, Visit};

use super::Core;
use crate::error::EngineError;
use crate::quarantine::EnvelopeId;
use crate::space::{self, Space};
use crate::types::{RecordKey, Void};

const FORMAT: u8 = 2;

impl Void {
    fn number(self) -> u8 {
        match self {
            Self::NotCurrent => 1,
            Self::Duplicate => 2,
        }
    }

    fn read(reader: &mut KeyReader<'_>) -> Result<Self, EngineError> {
        match reader.take_u8()? {
            1 => Ok(Self::NotCurrent),
            2 => Ok(Self::Duplicate),
            _ => Err(EngineError::store_damaged(
                "something does not count for an unknown reason",
            )),
        }
    }
}

/// The value of a void envelope.
pub(super) fn encode_envelope(why: Void) -> Vec<u8> {
    let value = KeyBuilder::new().push_u8(FORMAT);
    value.push_u8(why.number()).finish()
}

fn begin(bytes: &[u8]) -> Result<KeyReader<'_>, EngineError> {
    let mut reader = KeyReader::new(bytes);
    if reader.take_u8()? != FORMAT {
        return Err(EngineError::store_damaged(
            "a note of what does not count has another format",
        ));
    }
    Ok(reader)
}

impl Core {
    /// Whether some envelope may be void.
    pub(crate) fn has_void(&self) -> bool {
        !self.currency.wanted.is_empty() || !self.reissues.is_empty()
    }

    /// The void envelopes, each with why it is.
    pub(crate) fn void_envelopes(&self) -> Result<Vec<(EnvelopeId, Void)>, EngineError> {
        let mut found = Vec::new();
        let space = self.keys.space(Space::Void);
        self.base.scan(&space, &[], &mut |key, value| {
            let why = begin(value).and_then(|mut reader| Void::read(&mut reader));
            found.push((space::numbered_of(key), why));
            Visit::Continue
        })?;
        let found = found.into_iter().map(|(id, why)| {
            let (feed, n) = id?;
            Ok((EnvelopeId { feed, n }, why?))
        });
        found.collect()
    }

    pub(super) fn load_wanted(&mut self) -> Result<(), EngineError> {
        let void = self.void_envelopes()?.into_iter();
        let wanted = void.filter(|(_, why)| *why == Void::NotCurrent);
        self.currency.wanted.extend(wanted.map(|(id, _)| id));
        Ok(())
    }

    /// The changes of a record that are void.
    pub(crate) fn void_changes(
        &self,
        key: &RecordKey,
    ) -> Result<BTreeSet<ChangeHash>, EngineError> {
        Ok(self.void_changes_with_why(key)?.into_keys().collect())
    }

    /// What they wrote to in the record, as it counts.
    pub(crate) fn counted(&self, key: &RecordKey, record: &Record) -> Result<Counted, EngineError> {
        if !self.has_void() {
            return Ok(Counted::default());
        }
        Ok(record.counted(&self.void_changes(key)?)?)
    }

    /// Void changes of a record, each with why it is.
    pub(crate) fn void_changes_with_why(
        &self,
        key: &RecordKey,
    ) -> Result<BTreeMap<ChangeHash, Void>, EngineError> {
        let bytes = self.base.get(&self.keys.record(Space::VoidChanges, key))?;
        let Some(bytes) = bytes else {
            return Ok(BTreeMap::new());
        };
        let mut reader = begin(&bytes)?;
        let mut void = BTreeMap::new();
        while !reader.rest().is_empty() {
            let why = Void::read(&mut reader)?;
            void.insert(ChangeHash(reader.take_fixed()?), why);
        }
        Ok(void)
    }

    pub(super) fn stage_void_changes(
        &mut self,
        key: &RecordKey,
        why: Void,
        changes: impl Iterator<Item = ChangeHash>,
    ) -> Result<(), EngineError> {
        let mut void = self.void_changes_with_why(key)?;
        void.extend(changes.map(|hash| (hash, why)));
        let value = KeyBuilder::new().push_u8(FORMAT);
        let value = void.iter().fold(value, |value, (hash, why)| {
            value.push_u8(why.number()).push_fixed(&hash.0)
        });
        let place = self.keys.record(Space::VoidChanges, key);
        self.base.put(place, value.finish());
        Ok(())
    }
}
