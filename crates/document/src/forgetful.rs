//! Nothing is remembered: see `remembered.rs`, which takes the place of this with the feature `remember-records`.

use crate::admission::{Admission, Refusal};
use crate::ids::ChangeHash;
use crate::record::{LoadError, Record};

/// What made a record: not kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lineage;

impl Lineage {
    pub(crate) const EMPTY: Self = Self;

    #[expect(clippy::unused_self, reason = "the other one needs it")]
    pub(crate) fn with(self, _change: &ChangeHash) -> Self {
        Self
    }
}

pub(crate) fn record(_lineage: Lineage) -> Option<Record> {
    None
}

pub(crate) fn made(_lineage: Lineage, _record: &Record) {}

pub(crate) fn loaded(
    _bytes: &[u8],
    _heads: &[ChangeHash],
    load: impl FnOnce(Lineage) -> Result<Record, LoadError>,
) -> Result<Record, LoadError> {
    load(Lineage)
}

pub(crate) fn admission(
    _lineage: Lineage,
    _raw: &[u8],
    _device_prefix: [u8; 8],
    admit: impl FnOnce() -> Result<Admission, Refusal>,
) -> Result<Admission, Refusal> {
    admit()
}
