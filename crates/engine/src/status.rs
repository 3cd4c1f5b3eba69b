//! How the replica stands, what it has in common with others, and whether what it derived is right.

use std::collections::{BTreeMap, BTreeSet};

use driftless_document::Status;
use driftless_protocol::{BodyForm, DeviceId, Envelope, FeedId};
use driftless_store::{KeyBuilder, KeyReader, MemoryKv, Visit};

use crate::clock::Millis;
use crate::core::{Core, StoredRow};
use crate::error::EngineError;
use crate::replica::Replica;
use crate::space::{self, Space};
use crate::types::{
    ConflictFilter, DigestReport, MemberView, PeerView, RecordKey, Replayed, StatusReport,
    VerifyReport,
};

/// What the notes about peers begin with; the device's hex key follows.
const PEER_NOTE: &str = "peer/";
const PEER_FORMAT: u8 = 1;

/// What is remembered of a peer.
#[derive(Clone, Debug, Default)]
pub(crate) struct PeerNote {
    pub(crate) address: String,
    pub(crate) last_sync_ms: Option<Millis>,
    /// Per feed, up to where the peer has said that it holds it.
    pub(crate) held: BTreeMap<FeedId, u64>,
}

impl PeerNote {
    fn encode(&self) -> Vec<u8> {
        let mut value = KeyBuilder::new()
            .push_u8(PEER_FORMAT)
            .push_str(&self.address)
            .push_i64(self.last_sync_ms.unwrap_or(-1));
        for (feed, last) in &self.held {
            value = value.push_fixed(&feed.0).push_u64(*last);
        }
        value.finish()
    }

    fn decode(bytes: &[u8]) -> Result<Self, EngineError> {
        let mut reader = KeyReader::new(bytes);
        reader.take_u8()?;
        let address = reader.take_string()?;
        let last = reader.take_i64()?;
        let mut held = BTreeMap::new();
        while !reader.rest().is_empty() {
            held.insert(FeedId(reader.take_fixed()?), reader.take_u64()?);
        }
        Ok(Self {
            address,
            last_sync_ms: (last >= 0).then_some(last),
            held,
        })
    }
}

impl Replica {
    /// Remembers where a peer was reached.
    pub fn remember_peer(&mut self, device: DeviceId, address: &str) -> Result<(), EngineError> {
        let mut note = self.peer_note(&device)?.unwrap_or_default();
        address.clone_into(&mut note.address);
        self.set_peer_note(&device, &note)
    }

    pub(crate) fn peer_note(&self, device: &DeviceId) -> Result<Option<PeerNote>, EngineError> {
        let bytes = self.setting(&format!("{PEER_NOTE}{device}"))?;
        bytes.map(|bytes| PeerNote::decode(&bytes)).transpose()
    }

    pub(crate) fn set_peer_note(
        &mut self,
        device: &DeviceId,
        note: &PeerNote,
    ) -> Result<(), EngineError> {
        self.set_setting(&format!("{PEER_NOTE}{device}"), &note.encode())
    }

    fn peer_notes(&self) -> Result<Vec<(DeviceId, PeerNote)>, EngineError> {
        let mut found = Vec::new();
        let mut result = Ok(());
        let space = self.core.keys.space(Space::Note);
        self.core.base.scan(&space, &[], &mut |key, value| {
            let note = space::note_of(key)
                .map_err(EngineError::from)
                .and_then(|name| {
                    let device = name.strip_prefix(PEER_NOTE).and_then(|id| id.parse().ok());
                    let note =
                        device.map(|device: DeviceId| Ok((device, PeerNote::decode(value)?)));
                    note.transpose()
                });
            match note {
                Ok(note) => found.extend(note),
                Err(error) => result = Err(error),
            }
            Visit::Continue
        })?;
        result.map(|()| found)
    }

    pub(crate) fn load_peers(
        &self,
    ) -> Result<BTreeMap<DeviceId, BTreeMap<FeedId, u64>>, EngineError> {
        let notes = self.peer_notes()?.into_iter();
        Ok(notes.map(|(device, note)| (device, note.held)).collect())
    }

    /// How the replica stands.
    pub fn status(&self) -> Result<StatusReport, EngineError> {
        let device = self.device();
        let resolved = self.core.log.resolved();
        let name_of = |device: &DeviceId| {
            let member = resolved.iter().find(|(member, _)| member.device == *device);
            member.map(|(member, _)| member.name.clone())
        };
        let open = ConflictFilter {
            status: Some(Status::Open),
            ..ConflictFilter::default()
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
            conflicts_open: self.conflicts(&open)?.len() as u64,
            peers: self
                .peer_notes()?
                .into_iter()
                .map(|(device, note)| PeerView {
                    device,
                    name: name_of(&device),
                    address: (!note.address.is_empty()).then_some(note.address),
                    last_sync_ms: note.last_sync_ms,
                })
                .collect(),
            members: resolved
                .iter()
                .map(|(member, granted)| MemberView {
                    device: member.device,
                    name: member.name.clone(),
                    role: member.role,
                    granted: *granted,
                })
                .collect(),
            cursor_entries: self.core.feeds.cursor().len() as u64,
            quarantined,
            journal_bytes: self.journal.bytes(),
            needs_newer_version: self.core.log.has_unknown() || self.has_unknown_envelope()?,
        })
    }

    fn live_records(&self) -> Result<u64, EngineError> {
        Ok(self.collections()?.iter().map(|(_, count)| count).sum())
    }

    /// The records, and the changes, made here that no peer has acknowledged as held.
    fn pending(&self) -> Result<(u64, u64), EngineError> {
        let mut records = BTreeSet::<RecordKey>::new();
        let mut changes = 0;
        for (feed, state) in self.core.feeds.of_device(self.device().prefix()) {
            let held = self.peers.values().filter_map(|held| held.get(feed)).max();
            for n in held.map_or(1, |held| held + 1)..=state.last {
                if self.covered_elsewhere(feed, n) || self.core.is_quarantined(feed, n)? {
                    continue;
                }
                let envelope = self.read_envelope(feed, n)?;
                for (collection, item, _) in envelope.items() {
                    changes += item.last_seq - item.first_seq + 1;
                    records.insert(RecordKey {
                        collection: collection.to_owned(),
                        record: driftless_document::RecordId(item.record),
                    });
                }
            }
        }
        Ok((records.len() as u64, changes))
    }

    /// Whether some peer holds a later feed of this device whose chain leads back to this envelope.
    fn covered_elsewhere(&self, feed: &FeedId, n: u64) -> bool {
        self.peers.values().any(|held| {
            let mut at: Vec<(FeedId, u64)> = held
                .iter()
                .filter(|(id, _)| id.device_prefix() == feed.device_prefix())
                .map(|(id, last)| (*id, *last))
                .collect();
            while let Some((id, last)) = at.pop() {
                if id == *feed && n <= last {
                    return true;
                }
                let before = self.core.feeds.get(&id).and_then(|feed| feed.predecessor);
                at.extend(before.map(|before| (before.feed, before.n)));
            }
            false
        })
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
            let row = StoredRow::decode(bytes)?.row;
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
        let derived = Core::open(
            Box::new(MemoryKv::new()),
            self.device(),
            &self.journal,
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
        ];
        for (space, what) in spaces {
            let ours = self.contents(space)?;
            let theirs = derived_contents(&derived, space)?;
            compare(what, &ours, &theirs, &mut report.problems);
            match space {
                Space::Envelope => report.envelopes = ours.len() as u64,
                Space::Row => report.records = ours.len() as u64,
                Space::Commit => report.changes = ours.len() as u64,
                _ => {}
            }
        }
        report.conflicts = self.conflicts(&ConflictFilter::default())?.len() as u64;
        self.verify_documents(&mut report.problems)?;
        Ok(report)
    }

    /// Every stored document loads, with the heads and the values its row says.
    fn verify_documents(&self, problems: &mut Vec<String>) -> Result<(), EngineError> {
        let mut keys = Vec::new();
        self.core.scan_rows(None, &mut |key, bytes| {
            keys.push((key, StoredRow::decode(bytes)?.row));
            Ok(Visit::Continue)
        })?;
        for (key, row) in keys {
            match self.core.load_record(&key, &row.heads) {
                Ok(record) if record.row() == row => {}
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
