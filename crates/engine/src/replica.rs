//! A replica: one store of one workspace, as a state machine.

use std::collections::BTreeMap;
use std::sync::Arc;

use driftless_protocol::{
    DeviceId, DeviceKey, Envelope, FeedId, Genesis, Hash, Predecessor, Randomness,
    Record as MemberRecord, WorkspaceId,
};
use driftless_store::{FrameKind, Journal, Kv};

use crate::clock::{Clock, Millis};
use crate::core::{Core, Judgement, MEMBER_FRAME, NOTE_FRAME, OWN_ENVELOPE_FRAME, encode_note};
use crate::elsewhere::Arrived;
use crate::error::EngineError;
use crate::limits;
use crate::membership::{MembershipLog, RecordRefusal};
use crate::owner::check_let_in;
use crate::pack::history_codec;
use crate::peers::Peer;
use crate::record_ids::RecordIds;
use crate::session::{Awakened, Heard, News, Outgoing, Session, SessionId};
use crate::types::Replayed;

/// What a replica is made of.
pub struct Parts {
    /// The truth.
    pub journal: Journal,
    /// What is derived from it; empty, or what the same replica left.
    pub kv: Box<dyn Kv>,
    /// Who this device is.
    pub key: DeviceKey,
    /// Where wall time comes from.
    pub clock: Arc<dyn Clock>,
    /// Where randomness comes from.
    pub randomness: Box<dyn Randomness>,
}

/// One store of one workspace: commits, merges, the conflict log, feeds and sessions.
///
/// A state machine without clock, socket or thread. Reads are `&self`. Writes and [`Replica::handle_frame`]
/// stage what they do; [`Replica::commit_group`] makes all that is staged durable with one fdatasync and then
/// applies it in one batch. Nothing staged may be acknowledged to anybody before: [`Replica::poll_session`]
/// yields nothing while something is staged. After an error of `commit_group` the replica answers
/// [`EngineError::Broken`] to every write and must be opened again; after a read or write that the store's disk failed,
/// whoever made it, it answers with that.
pub struct Replica {
    pub(crate) journal: Journal,
    pub(crate) core: Core,
    pub(crate) key: DeviceKey,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) randomness: Box<dyn Randomness>,
    pub(crate) record_ids: RecordIds,
    pub(crate) incarnation: Option<Incarnation>,
    pub(crate) sessions: BTreeMap<SessionId, Session>,
    pub(crate) next_session: u64,
    /// What is known of each peer.
    pub(crate) peers: BTreeMap<DeviceId, Peer>,
    /// What came of this device's own feeds that this folder did not write, until that is staged.
    pub(crate) arrived: BTreeMap<FeedId, Arrived>,
    /// Counts how often all was judged anew.
    pub(crate) judged: u64,
    /// Counts what was learnt of peers.
    pub(crate) peer_news: u64,
    /// Envelopes brought into the form in which they travel.
    pub(crate) encoded: std::cell::Cell<u64>,
    /// What the staged group brings, for open sessions to hear of.
    pub(crate) news: Vec<Heard>,
    /// The session whose frame is being handled.
    pub(crate) handling: Option<SessionId>,
    /// The sessions that have something to send since they were last asked.
    pub(crate) awakened: Awakened,
    staged: bool,
    pub(crate) broken: bool,
}

/// This process's own feed, begun with its first commit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Incarnation {
    pub(crate) feed: FeedId,
    pub(crate) last: u64,
    pub(crate) head: Hash,
    pub(crate) predecessor: Option<Predecessor>,
    /// What the salts of this process's items follow from, one for each record.
    pub(crate) salt_key: [u8; 32],
}

impl Replica {
    /// Starts a new workspace; this device owns it. The genesis is durable when this returns.
    pub fn create(mut parts: Parts, device_name: &str) -> Result<Self, EngineError> {
        limits::check_device_name(device_name)?;
        let mut nonce = [0; 16];
        parts.randomness.fill(&mut nonce);
        let genesis = MemberRecord::genesis(
            &parts.key,
            Genesis {
                owner_name: device_name.to_owned(),
                limits_version: limits::LIMITS_VERSION,
                nonce,
                orderer: None,
                recovery: None,
                region: String::new(),
                rules: None,
            },
        )
        .map_err(|error| EngineError::JournalDamaged {
            reason: error.to_string(),
        })?;
        Self::create_joined(parts, vec![genesis])
    }

    /// Starts the replica of a device that was let in; `records` are the workspace's membership log.
    pub fn create_joined(parts: Parts, records: Vec<MemberRecord>) -> Result<Self, EngineError> {
        let log = MembershipLog::of_set(records).ok_or_else(|| {
            EngineError::peer(
                driftless_protocol::Code::JoinInvalid,
                "the membership records do not fit together",
            )
        })?;
        let device = parts.key.device_id();
        if log.member(&device).is_none() {
            return Err(EngineError::peer(
                driftless_protocol::Code::JoinInvalid,
                "the membership records do not admit this device",
            ));
        }
        let records: Vec<_> = log.in_order().into_iter().cloned().collect();
        let mut records = records.into_iter();
        let genesis = records.next().ok_or(EngineError::NoWorkspace)?;
        let begun = MembershipLog::begin(genesis.clone()).map_err(|_| EngineError::NoWorkspace)?;
        parts.journal.unpack_with(history_codec());
        let core = Core::begin(parts.kv, device, begun, parts.journal.packs());
        let mut replica = Self::of(
            parts.journal,
            core,
            parts.key,
            parts.clock,
            parts.randomness,
        );
        replica.journal.append(MEMBER_FRAME, &genesis.encode())?;
        replica.core.stage_genesis(&genesis);
        replica.staged = true;
        for record in records {
            replica.stage_record(record)?;
        }
        replica.commit_group()?;
        Ok(replica)
    }

    /// Opens a replica. What the store lacks of the journal is derived again, an empty store as a whole;
    /// `progress` is told how far that is.
    pub fn open(parts: Parts, progress: &mut dyn FnMut(Replayed)) -> Result<Self, EngineError> {
        let device = parts.key.device_id();
        parts.journal.unpack_with(history_codec());
        let core = Core::open(parts.kv, device, &parts.journal, progress)?;
        check_let_in(&core.log, &device)?;
        let mut replica = Self::of(
            parts.journal,
            core,
            parts.key,
            parts.clock,
            parts.randomness,
        );
        replica.peers = replica.load_peers()?;
        Ok(replica)
    }

    /// Checks that the store is whole, one read of it all: for a store whose last process did not close it.
    ///
    /// [`EngineError::StoreDamaged`] says that it must be rebuilt.
    pub fn check_store(&self) -> Result<(), EngineError> {
        self.core.check_whole()
    }

    fn of(
        journal: Journal,
        core: Core,
        key: DeviceKey,
        clock: Arc<dyn Clock>,
        randomness: Box<dyn Randomness>,
    ) -> Self {
        Self {
            journal,
            core,
            key,
            clock,
            randomness,
            record_ids: RecordIds::default(),
            incarnation: None,
            sessions: BTreeMap::new(),
            next_session: 0,
            peers: BTreeMap::new(),
            arrived: BTreeMap::new(),
            judged: 0,
            peer_news: 0,
            encoded: std::cell::Cell::new(0),
            news: Vec::new(),
            handling: None,
            awakened: Awakened::new(),
            staged: false,
            broken: false,
        }
    }

    /// The workspace.
    pub fn workspace(&self) -> WorkspaceId {
        self.core.log.workspace()
    }

    /// This device.
    pub fn device(&self) -> DeviceId {
        self.core.device
    }

    /// This device's key.
    pub fn device_key(&self) -> &DeviceKey {
        &self.key
    }

    /// Whether something waits for [`Replica::commit_group`].
    pub fn has_staged(&self) -> bool {
        self.staged
    }

    /// Makes all that is staged durable with one fdatasync, then applies it in one batch.
    ///
    /// With nothing staged it says whether a read found that the store's disk failed.
    pub fn commit_group(&mut self) -> Result<(), EngineError> {
        self.check_usable()?;
        if !self.staged {
            return Ok(());
        }
        let committed = self
            .note_arrived()
            .and_then(|()| self.admit_waiting())
            .and_then(|()| self.commit_staged());
        self.staged = false;
        let committed = committed.and_then(|()| {
            // A record that names a branch which was not named may be to be written.
            self.name_branches()?;
            if std::mem::take(&mut self.staged) {
                self.commit_staged()?;
            }
            Ok(())
        });
        if committed.is_err() {
            self.broken = true;
            self.core.discard();
            self.news.clear();
            self.arrived.clear();
        }
        committed?;
        self.spread_news();
        Ok(())
    }

    fn commit_staged(&mut self) -> Result<(), EngineError> {
        let end = self.journal.commit()?;
        self.core.apply(end)?;
        if self.core.is_stale() {
            let split = self.core.split;
            self.core.rederive(&self.journal)?;
            self.after_judging();
            if split {
                self.end_split();
                self.name_news()?;
            }
            self.admit_waiting()?;
            let end = self.journal.commit()?;
            self.core.apply(end)?;
        }
        self.end_removed();
        Ok(())
    }

    fn after_judging(&mut self) {
        // Own changes may be quarantined now: their numbers are taken all the same.
        self.incarnation = None;
        // What was refused may be applied now, and who was told of it is to know.
        self.judged += 1;
        self.awakened.extend(self.sessions.keys());
    }

    /// Derives everything again from the journal; nothing may be staged.
    pub(crate) fn rederive(&mut self) -> Result<(), EngineError> {
        let derived = self.core.rederive(&self.journal);
        self.broken |= derived.is_err();
        self.after_judging();
        derived
    }

    /// Refuses writes after a failed commit, and after the store's disk failed.
    pub(crate) fn check_usable(&self) -> Result<(), EngineError> {
        self.core.base.check_disk()?;
        if self.broken {
            return Err(EngineError::Broken);
        }
        Ok(())
    }

    /// Appends an envelope that this process wrote and stages what it does.
    pub(crate) fn stage_own(
        &mut self,
        envelope: &Envelope,
        judgement: Judgement,
    ) -> Result<(), EngineError> {
        self.stage(envelope, OWN_ENVELOPE_FRAME, judgement)
    }

    /// Appends an envelope and stages what it does.
    pub(crate) fn stage(
        &mut self,
        envelope: &Envelope,
        kind: FrameKind,
        judgement: Judgement,
    ) -> Result<(), EngineError> {
        self.check_usable()?;
        // Before the journal has it: what is appended and not staged would be committed without what it does.
        let id = self.core.id_of(envelope)?;
        let position = self.journal.append(kind, &envelope.encode())?;
        self.staged = true;
        self.note_news(News::Envelope(Outgoing {
            feed: id.feed,
            n: id.n,
            position,
            items: envelope.items().len() as u64,
        }));
        let staged = self
            .core
            .stage_envelope(envelope, (position, kind), judgement);
        // Half an envelope must not reach the store: the group fails as a whole.
        self.broken |= staged.is_err();
        staged
    }

    /// Appends a membership record and stages it.
    pub(crate) fn stage_record(&mut self, record: MemberRecord) -> Result<(), EngineError> {
        self.check_usable()?;
        if self.core.log.contains(&record.hash()) {
            return Ok(());
        }
        let bytes = record.encode();
        let hash = record.hash();
        self.core
            .stage_member(record)
            .map_err(RecordRefusal::into_error)?;
        self.journal.append(MEMBER_FRAME, &bytes)?;
        self.staged = true;
        self.note_news(News::Record(hash));
        Ok(())
    }

    /// A local setting, kept in the journal and never sent.
    pub fn setting(&self, name: &str) -> Result<Option<Vec<u8>>, EngineError> {
        Ok(self.core.base.get(&self.core.keys.note(name))?)
    }

    /// Keeps a local setting. `name` has at most [`limits::SETTING_NAME_BYTES`] bytes.
    pub fn set_setting(&mut self, name: &str, value: &[u8]) -> Result<(), EngineError> {
        self.check_usable()?;
        limits::check_setting(name, value)?;
        if self.setting(name)?.as_deref() == Some(value) {
            return Ok(());
        }
        self.journal.append(NOTE_FRAME, &encode_note(name, value))?;
        self.staged = true;
        self.core.stage_note(name, value.to_vec())
    }

    pub(crate) fn now(&self) -> Millis {
        self.clock.now()
    }

    /// Commits what is staged, hands the store's data to the system and closes it.
    pub fn close(mut self) -> Result<(), EngineError> {
        if !self.broken {
            self.commit_group()?;
        }
        self.core.base.flush()?;
        Ok(self.core.base.close()?)
    }

    /// Hands what was applied to the system: a hint, so that the next opening has less to replay.
    pub fn flush(&self) -> Result<(), EngineError> {
        Ok(self.core.base.flush()?)
    }

    /// How many envelopes were encoded for sending, for tests that count them.
    pub fn envelopes_encoded(&self) -> u64 {
        self.encoded.get()
    }

    /// Bytes of the journal.
    pub fn journal_bytes(&self) -> u64 {
        self.journal.bytes()
    }

    /// The journal's counters, for tests that count barriers.
    pub fn journal_counters(&self) -> driftless_store::Counters {
        self.journal.counters()
    }
}
