//! How the replica stands, what it has in common with others, and whether what it derived is right.

use driftless_protocol::{BodyForm, DeviceId, Envelope, FeedId};
use driftless_store::Visit;

use crate::conflicts::ConflictFilter;
use crate::core::{StoredRow, envelope_at};
use crate::error::EngineError;
use crate::replica::Replica;
use crate::rules::PickedBy;
use crate::space::{self, Space};
use crate::types::{DigestReport, Replayed, StatusReport, VerifyReport};
use crate::upkeep::inspect;

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
            used_twice: self.used_twice()?,
            elsewhere: self.written_elsewhere()?,
            copied: self.copied_folder()?,
        })
    }

    fn live_records(&self) -> Result<u64, EngineError> {
        Ok(self.collections()?.iter().map(|(_, count)| count).sum())
    }

    pub(crate) fn read_envelope(&self, feed: &FeedId, n: u64) -> Result<Envelope, EngineError> {
        let place = self.core.envelope_place(feed, n)?.ok_or_else(|| {
            EngineError::store_damaged(format!("envelope {n} of feed {feed} is not listed"))
        })?;
        envelope_at(&self.journal, place.position)
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

    /// Checks everything that is stored: derives it again from the journal's files, beside the store, and compares.
    ///
    /// Checks on the way every frame's checksum, every signature, chain and change. Nothing is changed.
    pub fn verify(&self, progress: &mut dyn FnMut(Replayed)) -> Result<VerifyReport, EngineError> {
        let report = self.verify_while(&mut |replayed| {
            progress(replayed);
            Visit::Continue
        })?;
        Ok(report.unwrap_or_default())
    }

    /// Like [`Replica::verify`]; `None` once `progress` says no.
    pub fn verify_while(
        &self,
        progress: &mut dyn FnMut(Replayed) -> Visit,
    ) -> Result<Option<VerifyReport>, EngineError> {
        let files = self.journal.files();
        let store = Some(self.core.base.kv());
        let inspected = inspect(&*files, store, None, Some(self.device()), progress)?;
        Ok(inspected.map(|inspected| inspected.report))
    }
}
