//! How the replica stands, what it has in common with others, and whether what it derived is right.

use std::collections::{BTreeMap, BTreeSet};

use driftless_protocol::{BodyForm, DeviceId, Envelope, FeedId};
use driftless_store::{MemoryKv, Visit};

use crate::conflicts::ConflictFilter;
use crate::core::{Core, StoredRow};
use crate::error::EngineError;
use crate::replica::Replica;
use crate::rules::PickedBy;
use crate::space::{self, Space};
use crate::types::{DigestReport, Replayed, StatusReport, VerifyReport};

impl Replica {
    /// How the replica stands.
    pub fn status(&self) -> Result<StatusReport, EngineError> {
        let device = self.device();
        let resolved = self.core.log.resolved();
        let name_of = |device: &DeviceId| {
            let member = resolved.iter().find(|(member, _)| member.device == *device);
            member.map(|(member, _)| member.name.clone())
        };
        let (pending, pending_changes) = self.pending()?;
        let quarantined = self.quarantined_open()?;
        Ok(StatusReport {
            workspace: self.workspace(),
            device,
            device_name: name_of(&device).unwrap_or_default(),
            records: self.live_records()?,
            pending,
            pending_changes,
            conflicts_open: self.count_conflicts(&ConflictFilter::open())?,
            peers: self.peer_views(name_of),
            members: self.member_list(),
            told_removed: self.told_removed(),
            cursor_entries: self.core.feeds.cursor().len() as u64,
            quarantined,
            journal_bytes: self.journal.bytes(),
            needs_newer_version: self.core.log.has_unknown()
                || self.core.rules.is_newer()
                || self.has_unknown_envelope()?,
            rules: self.core.rules.summary(),
        })
    }

    fn live_records(&self) -> Result<u64, EngineError> {
        Ok(self.collections()?.iter().map(|(_, count)| count).sum())
    }

    pub(crate) fn read_envelope(&self, feed: &FeedId, n: u64) -> Result<Envelope, EngineError> {
        let place = self.core.envelope_place(feed, n)?.ok_or_else(|| {
            EngineError::store_damaged(format!("envelope {n} of feed {feed} is not listed"))
        })?;
        let frame = self.journal.read(place.position)?;
        Envelope::decode(&frame.bytes).map_err(|error| EngineError::JournalDamaged {
            reason: format!("envelope {n} of feed {feed}: {error}"),
        })
    }

    fn has_unknown_envelope(&self) -> Result<bool, EngineError> {
        for key in self
            .core
            .base
            .keys(&self.core.keys.space(Space::Quarantine))?
        {
            let (feed, n) = space::numbered_of(&key)?;
            if matches!(self.read_envelope(&feed, n)?.body(), BodyForm::Unknown(_)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What equal replicas have in common; nothing in it depends on the replica that answers.
    pub fn digest(&self) -> Result<DigestReport, EngineError> {
        let mut records = blake3::Hasher::new_derive_key("driftless records digest 1");
        let mut live = 0;
        self.core.scan_rows(None, &mut |key, bytes| {
            // What a program's own function picks is no other device's.
            let stored = StoredRow::decode(bytes)?;
            let row = self.core.shown_row(&key, stored, PickedBy::Common)?;
            live += u64::from(!row.deleted);
            for part in [key.collection.as_bytes(), &key.record.0, &row.encode()] {
                records.update(&(part.len() as u64).to_le_bytes());
                records.update(part);
            }
            Ok(Visit::Continue)
        })?;
        let mut conflicts = blake3::Hasher::new_derive_key("driftless conflicts digest 1");
        let space = self.core.keys.space(Space::Conflict);
        self.core.base.scan(&space, &[], &mut |key, value| {
            for part in [&key[space.len()..], value] {
                conflicts.update(&(part.len() as u64).to_le_bytes());
                conflicts.update(part);
            }
            Visit::Continue
        })?;
        Ok(DigestReport {
            records_digest: *records.finalize().as_bytes(),
            conflicts_digest: *conflicts.finalize().as_bytes(),
            records: live,
        })
    }

    /// Derives everything again from the journal, beside the store, and compares.
    ///
    /// Checks on the way every frame's checksum, every signature, chain and change.
    pub fn verify(&self, progress: &mut dyn FnMut(Replayed)) -> Result<VerifyReport, EngineError> {
        let derived = Core::derive(
            Box::new(MemoryKv::new()),
            self.device(),
            &self.journal,
            self.core.state.listed_packed,
            progress,
        )?;
        let mut report = VerifyReport::default();
        let spaces = [
            (Space::Member, "membership record"),
            (Space::Feed, "feed"),
            (Space::Envelope, "envelope place"),
            (Space::Row, "row"),
            (Space::Conflict, "conflict entry"),
            (Space::Alias, "conflict id"),
            (Space::Commit, "commit"),
            (Space::Quarantine, "quarantined envelope"),
            (Space::Note, "setting"),
            (Space::RefusedChange, "refused change"),
            (Space::TakeBack, "envelope that was taken back"),
            (Space::Void, "void envelope"),
            (Space::VoidChanges, "record's list of void changes"),
            (Space::Known, "note of what a change knew of removals"),
            (Space::PackedEnvelopes, "stretch of packed envelopes"),
            (Space::PackedCommits, "stretch of packed commits"),
        ];
        for (space, what) in spaces {
            let ours = self.contents(space)?;
            let theirs = derived_contents(&derived, space)?;
            compare(what, &ours, &theirs, &mut report.problems);
            match space {
                Space::Envelope => {
                    report.envelopes = ours.len() as u64 + self.core.packed.envelopes();
                }
                Space::Row => report.records = ours.len() as u64,
                Space::Commit => {
                    report.changes = ours.len() as u64 + self.core.state.seq_packed;
                }
                _ => {}
            }
        }
        report.conflicts = self.count_conflicts(&ConflictFilter::default())?;
        self.verify_documents(&mut report.problems)?;
        Ok(report)
    }

    /// Every stored document loads, with the heads and the values its row says.
    fn verify_documents(&self, problems: &mut Vec<String>) -> Result<(), EngineError> {
        let mut keys = Vec::new();
        self.core.scan_rows(None, &mut |key, bytes| {
            let stored = StoredRow::decode(bytes)?;
            keys.push((key, stored.row, stored.void));
            Ok(Visit::Continue)
        })?;
        for (key, row, void) in keys {
            match self.core.load_record(&key, &row.heads) {
                Ok(record) if self.core.row_of(&key, &record, void)? == row => {}
                Ok(_) => problems.push(format!(
                    "the document of record {} of `{}` reads otherwise than its row",
                    key.record, key.collection
                )),
                Err(error) => problems.push(format!(
                    "the document of record {} of `{}` does not load: {error}",
                    key.record, key.collection
                )),
            }
        }
        Ok(())
    }

    fn contents(&self, space: Space) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, EngineError> {
        derived_contents(&self.core, space)
    }
}

fn derived_contents(core: &Core, space: Space) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, EngineError> {
    let mut contents = BTreeMap::new();
    core.base
        .scan(&core.keys.space(space), &[], &mut |key, value| {
            contents.insert(key.to_vec(), value.to_vec());
            Visit::Continue
        })?;
    Ok(contents)
}

/// How many problems of one kind are spelled out.
const SPELLED_OUT: usize = 10;

fn compare(
    what: &str,
    ours: &BTreeMap<Vec<u8>, Vec<u8>>,
    derived: &BTreeMap<Vec<u8>, Vec<u8>>,
    problems: &mut Vec<String>,
) {
    let keys: BTreeSet<_> = ours.keys().chain(derived.keys()).collect();
    let wrong = keys
        .into_iter()
        .filter_map(|key| match (ours.get(key), derived.get(key)) {
            (Some(ours), Some(derived)) if ours == derived => None,
            (Some(_), Some(_)) => Some((key, "differs from what the journal says")),
            (None, _) => Some((key, "is missing in the store")),
            (_, None) => Some((key, "does not follow from the journal")),
        });
    for (n, (key, how)) in wrong.enumerate() {
        if n == SPELLED_OUT {
            problems.push(format!("more of kind {what} differ"));
            break;
        }
        let name = space::record_of(key).map_or_else(
            |_| String::new(),
            |key| format!(" of record {} of `{}`", key.record, key.collection),
        );
        problems.push(format!("a {what}{name} {how}"));
    }
}
