//! Which records the envelopes touch that somebody lacks: asked for each record of a list, read once for all of them.
//!
//! What an envelope touches never changes, so nothing here grows stale; it is bounded, and then forgotten as a whole.

use std::collections::{BTreeMap, BTreeSet};

use crate::limits;
use crate::quarantine::EnvelopeId;
use crate::types::RecordKey;

/// What was read.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    of: BTreeMap<EnvelopeId, BTreeSet<RecordKey>>,
    keys: usize,
}

impl Touched {
    /// Whether an envelope touches a record, if it was read.
    pub(crate) fn touches(&self, id: &EnvelopeId, key: &RecordKey) -> Option<bool> {
        self.of.get(id).map(|keys| keys.contains(key))
    }

    pub(crate) fn remember(&mut self, id: EnvelopeId, keys: BTreeSet<RecordKey>) {
        if self.keys + keys.len() > limits::TOUCHED_KEYS {
            *self = Self::default();
        }
        self.keys += keys.len();
        self.of.insert(id, keys);
    }
}

#[cfg(test)]
mod tests {
    use driftless_document::RecordId;
    use driftless_protocol::FeedId;

    use super::*;

    #[test]
    fn what_was_read_is_known_until_there_is_too_much_of_it() {
        let id = |n| EnvelopeId {
            feed: FeedId([1; 16]),
            n,
        };
        let key = |n: u32| {
            let mut record = [0; 16];
            record[..4].copy_from_slice(&n.to_le_bytes());
            RecordKey {
                collection: "notes".into(),
                record: RecordId(record),
            }
        };
        let mut touched = Touched::default();
        assert_eq!(touched.touches(&id(1), &key(1)), None);
        touched.remember(id(1), BTreeSet::from([key(1)]));
        assert_eq!(touched.touches(&id(1), &key(1)), Some(true));
        assert_eq!(touched.touches(&id(1), &key(2)), Some(false));
        let most = u32::try_from(limits::TOUCHED_KEYS).expect("a small number");
        touched.remember(id(2), (0..most).map(key).collect());
        assert_eq!(touched.touches(&id(1), &key(1)), None);
        assert_eq!(touched.touches(&id(2), &key(1)), Some(true));
    }
}
