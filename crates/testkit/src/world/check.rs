//! What must hold once everybody has met everybody.

use std::collections::BTreeSet;

use driftless_document::{ChangeHash, Row};
use driftless_engine::{
    ConflictFilter, ConflictView, DigestReport, EngineError, RecordKey, SyncState,
};
use driftless_protocol::Code;
use driftless_store::{Batch, Kv as _, MemoryKv};

use super::checks;
use super::judge;
use super::place::{Expect, Place};
use super::{Canary, Outcome, While, World, Wrong};
use crate::schedule::{COLLECTIONS, Write};

/// Records whose state of sync is asked for on each replica in the end.
const RECORDS_ASKED: usize = 4;

/// Everything that equal replicas have in common.
#[derive(Debug, PartialEq)]
struct Content {
    rows: Vec<(RecordKey, Row)>,
    conflicts: Vec<ConflictView>,
    digest: DigestReport,
}

impl World {
    /// All faults end, and every two meet; then nobody has anything new for anybody.
    pub(super) fn heal(&mut self) -> Result<(), Wrong> {
        for n in 0..self.places.len() {
            self.settle(n)?;
        }
        self.run_dry()?;
        let mut held: BTreeSet<ChangeHash> = BTreeSet::new();
        for n in 0..self.places.len() {
            held.extend(&self.places[n].durable);
            held.extend(&self.places[n].dropped);
        }
        // In this order each has everything after one round.
        let pairs: Vec<_> = (0..self.places.len())
            .flat_map(|a| (0..a).map(move |b| (b, a)))
            .collect();
        for round in 0..2 {
            for (a, b) in &pairs {
                let summary = self.sync(*a, *b).during(|| format!("meeting {round}"))?;
                let moved = summary.envelopes_sent + summary.envelopes_received;
                if round > 0 && (moved > 0 || summary.round_trips > 1) {
                    return Err(Wrong::new(format!(
                        "devices {a} and {b} have everything and do not keep silent: {summary:?}"
                    )));
                }
            }
        }
        let mut excused = self.excused_at(0)?;
        let is_split = |code| code == Code::Equivocation;
        excused.extend(judge::held_back(&self.places[0], is_split)?);
        for (n, place) in self.places.iter().enumerate() {
            let there: BTreeSet<_> = place.durable.iter().copied().collect();
            let lost = held.difference(&there);
            let lost = lost.filter(|change| !excused.contains(change));
            let lost = lost
                .filter(|change| !self.of_leaver.contains(change))
                .count();
            if lost > 0 {
                return Err(Wrong::new(format!(
                    "{lost} of {} changes that were held somewhere did not reach device {n}",
                    held.len()
                )));
            }
        }
        Ok(())
    }

    /// Everything else.
    pub(super) fn check(mut self) -> Result<Outcome, Wrong> {
        self.spoil()?;
        let first = self.content(0)?;
        for n in 1..self.places.len() {
            let other = self.content(n)?;
            differ(&first, &other).during(|| format!("devices 0 and {n}"))?;
        }
        for n in 0..self.places.len() {
            let place = &self.places[n];
            let refusals = self.removes || self.splits || !self.refused.is_empty();
            check_alone(place, refusals, self.strange).during(|| format!("device {n}"))?;
        }
        let unseen = self.canary == Some(Canary::UnseenChange);
        judge::check(&self.places[0], unseen)?;
        for n in 0..self.places.len() {
            self.check_again(n, &first)?;
        }
        let digest = &first.digest;
        self.trace.update(&digest.records_digest);
        self.trace.update(&digest.conflicts_digest);
        Ok(Outcome {
            changes: self.places[0].durable.len(),
            conflicts: first.conflicts.len(),
            places: self.places.len(),
            frames: self.frames,
            rests: self.rests,
            openings: self.openings,
            trace: *self.trace.finalize().as_bytes(),
        })
    }

    fn content(&self, n: usize) -> Result<Content, Wrong> {
        let replica = self.places[n].seen()?;
        let mut rows = Vec::new();
        for collection in COLLECTIONS {
            let keys = self.keys_of(n, collection)?;
            for record in keys {
                let key = RecordKey {
                    collection: collection.to_owned(),
                    record,
                };
                let row = replica.get(collection, record)?;
                rows.extend(row.map(|row| (key, row)));
            }
        }
        Ok(Content {
            rows,
            conflicts: replica.conflicts(&ConflictFilter::default())?,
            digest: replica.digest()?,
        })
    }

    /// The records that a place has changes of, deleted ones included.
    pub(super) fn keys_of(
        &self,
        n: usize,
        collection: &str,
    ) -> Result<BTreeSet<driftless_document::RecordId>, Wrong> {
        let events = self.places[n].seen()?.changes_since(0, usize::MAX)?;
        let keys = events.into_iter().map(|event| event.key);
        Ok(keys
            .filter(|key| key.collection == collection)
            .map(|key| key.record)
            .collect())
    }

    /// Closed and opened again, it is the same; the last of them even without its store.
    fn check_again(&mut self, n: usize, first: &Content) -> Result<(), Wrong> {
        if let Some(replica) = self.places[n].replica.take() {
            replica.close()?;
        }
        if n + 1 == self.places.len() {
            self.places[n].device.kv = MemoryKv::with_history();
        }
        self.places[n]
            .open(Expect::Fits)
            .during(|| format!("opening device {n} at the end"))?;
        let again = self.content(n)?;
        differ(first, &again).during(|| format!("device {n}, opened again"))
    }

    /// Breaks what a canary says.
    fn spoil(&mut self) -> Result<(), Wrong> {
        match self.canary {
            Some(Canary::LateWrite) => {
                self.write(1, Write::Insert { collection: 1 })?;
                self.settle(1)
            }
            Some(Canary::LostValue) => {
                let device = &self.places[0].device;
                let keys = device.keys();
                let some = usize::try_from(self.frames).unwrap_or(0) % keys.len();
                device.kv.lose_key(&keys[some]);
                Ok(())
            }
            Some(Canary::WrongValue) => {
                let device = &self.places[0].device;
                let keys = device.keys();
                let some = usize::try_from(self.frames).unwrap_or(0) % (keys.len() - 1);
                let mut batch = Batch::new();
                let value = device.kv.get(&keys[some + 1]).map_err(EngineError::from)?;
                batch.put(keys[some].clone(), value.unwrap_or_default());
                Ok(device.kv.apply(&batch).map_err(EngineError::from)?)
            }
            _ => Ok(()),
        }
    }
}

/// What one replica must be by itself; `refusals` says whether anybody said that they refuse something, `strange`
/// whether there may be something that nobody applies.
fn check_alone(place: &Place, refusals: bool, strange: bool) -> Result<(), Wrong> {
    let replica = place.seen()?;
    replica.check_store()?;
    let report = replica.verify(&mut |_| ())?;
    if !report.problems.is_empty() {
        return Err(Wrong::new(format!(
            "verify finds: {}",
            report.problems.join("; ")
        )));
    }
    let status = replica.status()?;
    // Who refused something and got it after all, from another or before a cut, has not said so.
    let is_pending = status.pending + status.pending_changes > 0 && !refusals;
    if (status.quarantined > 0 && !place.shrinks && !strange) || is_pending {
        return Err(Wrong::new(format!(
            "everybody has everything, and the status says: {} quarantined, {} records with {} changes pending",
            status.quarantined, status.pending, status.pending_changes
        )));
    }
    let own = replica.member_view(&place.device_id)?;
    checks::told_of_copies(place.is_twice, status.elsewhere.is_some(), own.lines)?;
    let events = replica.changes_since(0, RECORDS_ASKED)?;
    let keys = events.into_iter().map(|event| event.key);
    for key in keys {
        let sync = replica.record_sync(&key.collection, key.record)?;
        let is_refused = refusals && matches!(sync.state, SyncState::Refused { .. });
        if sync.state != SyncState::Synced && !is_refused {
            return Err(Wrong::new(format!(
                "everybody has everything, and the record {} is said to be {:?}",
                key.record, sync.state
            )));
        }
    }
    Ok(())
}

fn differ(a: &Content, b: &Content) -> Result<(), Wrong> {
    let what = if a.rows != b.rows {
        let pair = a.rows.iter().zip(&b.rows).find(|(a, b)| a != b);
        format!("rows differ, the first pair: {pair:?}")
    } else if a.conflicts != b.conflicts {
        let pair = a.conflicts.iter().zip(&b.conflicts).find(|(a, b)| a != b);
        format!("conflict logs differ, the first pair: {pair:?}")
    } else if a.digest != b.digest {
        format!("digests differ: {:?} and {:?}", a.digest, b.digest)
    } else {
        return Ok(());
    };
    Err(Wrong::new(what))
}
