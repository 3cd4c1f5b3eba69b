//! Everything that is derived from the journal: documents, rows, the conflict log, feeds, the membership log.
//!
//! A [`Core`] is a pure function of the journal's frames in their order. It knows no clock but the one it is
//! told and writes nothing but what it stages in its store, so the same frames give the same store again:
//! `rebuild` and `verify` rest on that.

mod branches;
mod check;
mod current;
mod judge;
mod known;
mod packed;
mod reissues;
mod rows;
mod stage;
mod take_back;
mod void;
mod waiting;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use driftless_protocol::{DeviceId, Envelope, FeedId, Hash, Record as MemberRecord};
use driftless_store::{
    Frame, FrameKind, Journal, KeyBuilder, KeyReader, Kv, Packs, Position, Visit,
};

use current::Currency;
pub(crate) use current::Verdict;
pub(crate) use judge::{Judgement, Update};
pub(crate) use packed::PackedIndex;
use reissues::Reissues;
pub(crate) use rows::StoredRow;
use stage::Contested;
pub(crate) use stage::EnvelopePlace;
pub(crate) use take_back::{RefusedChange, TakenBack, reissue_meta, take_back_meta};
pub(crate) use waiting::Waiting;

use crate::base::Base;
use crate::clock::HybridClock;
use crate::documents::Documents;
use crate::error::EngineError;
use crate::feeds::{Feed, Feeds};
use crate::membership::{Forks, MembershipLog, RecordRefusal};
use crate::owner;
use crate::rules::InForce;
use crate::space::{self, Keys, Space};
use crate::touched::Touched;
use crate::types::{RecordKey, Replayed};

/// A frame that holds an envelope that came from a peer, in its full form.
pub(crate) const ENVELOPE_FRAME: FrameKind = FrameKind(1);
/// A frame that holds a membership record.
pub(crate) const MEMBER_FRAME: FrameKind = FrameKind(2);
/// A frame that holds a local setting: name and value as a tuple.
pub(crate) const NOTE_FRAME: FrameKind = FrameKind(3);
/// A frame that holds an envelope which was written here: by this folder, or by the one it is a copy of.
pub(crate) const OWN_ENVELOPE_FRAME: FrameKind = FrameKind(4);

/// How many keys a replay stages before it applies them.
const REPLAY_BATCH_KEYS: usize = 4_096;

/// What is derived from the journal.
pub(crate) struct Core {
    pub(crate) base: Base,
    pub(crate) keys: Keys,
    pub(crate) device: DeviceId,
    pub(crate) log: MembershipLog,
    /// Those of its records that the store has: fewer, while all is derived with the whole log.
    stored_members: BTreeSet<Hash>,
    pub(crate) feeds: Feeds,
    pub(crate) state: State,
    pub(crate) packed: PackedIndex,
    /// What lies before it in the journal is listed as packed as soon as it is staged.
    packed_before: Position,
    documents: RefCell<Documents>,
    /// What was read of envelopes that somebody lacks.
    pub(crate) touched: RefCell<Touched>,
    /// Records whose conflict entries are to be computed before the batch is applied.
    contested: BTreeMap<RecordKey, Contested>,
    /// In a batch, the records with void changes whose rows show these until it ends.
    behind: Option<BTreeSet<RecordKey>>,
    /// The rules that hold, and whom they know.
    pub(crate) rules: InForce,
    /// What of the log concerns envelopes.
    currency: Currency,
    /// The envelopes whose authors took them back, each with whether it is kept all the same.
    take_backs: BTreeMap<TakenBack, bool>,
    /// Which envelopes that issue others again count.
    reissues: Reissues,
    /// Whether a take-back came to count, or no longer counts, since the last pass over the journal.
    turned: bool,
    /// How often everything was derived again since this was opened.
    pub(crate) derivations: u64,
    /// What rests on what is gone from the journal.
    pub(crate) waiting: Waiting,
    /// Whether something is gone from the journal.
    has_gaps: bool,
    /// Where feeds went on in two ways, as what is derived knows it.
    pub(crate) forks: Forks,
    /// Whether the log has accusations by which feeds that are held are still to be split into branches.
    pub(crate) split: bool,
}

/// The counters that go with every batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct State {
    /// The journal is applied up to here.
    pub(crate) applied: Position,
    /// The number of the last committed change.
    pub(crate) seq: u64,
    /// The last commit time.
    pub(crate) clock: HybridClock,
    /// The feed this device last wrote to.
    pub(crate) own_feed: Option<FeedId>,
    /// How many membership records there are.
    members: u64,
    /// How many settings there are.
    notes: u64,
    /// How many envelopes were taken back.
    take_backs: u64,
    /// How many records there are, deleted ones included.
    records: u64,
    /// What lies before it in the journal is listed as packed, the rest one by one.
    pub(crate) listed_packed: Position,
    /// The number of the last change that is listed as packed.
    pub(crate) seq_packed: u64,
    /// Whether some envelopes were judged by grants that have changed since: then all is derived again.
    stale: bool,
}

const STATE_FORMAT: u8 = 7;

impl Default for State {
    fn default() -> Self {
        Self {
            applied: Position::START,
            seq: 0,
            clock: HybridClock::default(),
            own_feed: None,
            members: 0,
            notes: 0,
            take_backs: 0,
            records: 0,
            listed_packed: Position::START,
            seq_packed: 0,
            stale: false,
        }
    }
}

impl State {
    /// What it counts: a function of the journal.
    pub(crate) fn counts(&self) -> [u64; 5] {
        [
            self.seq,
            self.members,
            self.notes,
            self.take_backs,
            self.records,
        ]
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        KeyBuilder::new()
            .push_u8(STATE_FORMAT)
            .push_fixed(&self.applied.to_bytes())
            .push_u64(self.seq)
            .push_i64(self.clock.last)
            .push_fixed(&self.own_feed.map_or([0; 16], |feed| feed.0))
            .push_u64(self.members)
            .push_u64(self.notes)
            .push_u64(self.take_backs)
            .push_u64(self.records)
            .push_fixed(&self.listed_packed.to_bytes())
            .push_u64(self.seq_packed)
            .push_u8(u8::from(self.stale))
            .finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, EngineError> {
        let mut reader = KeyReader::new(bytes);
        if reader.take_u8()? != STATE_FORMAT {
            return Err(EngineError::store_damaged("its state has another format"));
        }
        let applied = Position::from_bytes(reader.take_fixed()?);
        let seq = reader.take_u64()?;
        let clock = HybridClock {
            last: reader.take_i64()?,
        };
        let own = reader.take_fixed::<16>()?;
        let members = reader.take_u64()?;
        let notes = reader.take_u64()?;
        let take_backs = reader.take_u64()?;
        let records = reader.take_u64()?;
        let listed_packed = Position::from_bytes(reader.take_fixed()?);
        let seq_packed = reader.take_u64()?;
        let stale = reader.take_u8()? != 0;
        reader.finish()?;
        Ok(Self {
            applied,
            seq,
            clock,
            own_feed: (own != [0; 16]).then_some(FeedId(own)),
            members,
            notes,
            take_backs,
            records,
            listed_packed,
            seq_packed,
            stale,
        })
    }
}

impl Core {
    /// A store that holds nothing yet.
    pub(crate) fn begin(
        kv: Box<dyn Kv>,
        device: DeviceId,
        log: MembershipLog,
        packs: Packs,
    ) -> Self {
        Self::begin_with(Base::new(kv), device, log, packs)
    }

    /// What is to be derived from the journal; what lies before `packed_before` will be listed as packed.
    pub(crate) fn of_journal(
        kv: Box<dyn Kv>,
        device: DeviceId,
        journal: &Journal,
        packed_before: Position,
    ) -> Result<Self, EngineError> {
        let log = log_of(journal)?;
        owner::check(&log, owner::owner_of(journal)?, device, journal.has_gaps())?;
        let mut core = Self::begin(kv, device, log, journal.packs());
        core.packed_before = packed_before;
        Ok(core)
    }

    /// Derives everything from the journal; half of it once `progress` says no.
    pub(crate) fn derive(
        &mut self,
        journal: &Journal,
        progress: &mut dyn FnMut(Replayed) -> Visit,
    ) -> Result<Visit, EngineError> {
        let gone_through = self.replay(journal, progress)?;
        if !self.state.stale || gone_through == Visit::Stop {
            return Ok(gone_through);
        }
        self.rederive_while(journal, &mut |Replayed { total, .. }| {
            progress(Replayed { done: total, total })
        })
    }

    /// Opens what an earlier process left, or builds it anew where the store is empty.
    pub(crate) fn open(
        kv: Box<dyn Kv>,
        device: DeviceId,
        journal: &Journal,
        progress: &mut dyn FnMut(Replayed),
    ) -> Result<Self, EngineError> {
        let mut told = |at| {
            progress(at);
            Visit::Continue
        };
        let mut first = None;
        kv.read(&mut |snapshot| {
            snapshot.scan(&[], None, &mut |key, _| {
                first = Some(key.to_vec());
                Visit::Stop
            })
        })?;
        let Some(first) = first else {
            let mut core = Self::of_journal(kv, device, journal, journal.packs().end())?;
            core.derive(journal, &mut told)?;
            return Ok(core);
        };
        let mut core = Self::load(kv, device, &first, journal)?;
        owner::check(&core.log, core.owner()?, device, journal.has_gaps())?;
        if !core.state.stale {
            core.replay(journal, &mut told)?;
        }
        if core.state.stale {
            core.log = log_of(journal)?;
            core.rederive(journal)?;
        }
        // What a process that ended early left to be done.
        while core.list_packed()? {}
        Ok(core)
    }

    fn load(
        kv: Box<dyn Kv>,
        device: DeviceId,
        first_key: &[u8],
        journal: &Journal,
    ) -> Result<Self, EngineError> {
        let workspace = first_key
            .get(..16)
            .and_then(|id| id.try_into().ok())
            .map(driftless_protocol::WorkspaceId)
            .ok_or_else(|| EngineError::store_damaged("its first key names no workspace"))?;
        let base = Base::new(kv);
        let keys = Keys(workspace);
        let state = base
            .get(&keys.space(Space::State))?
            .ok_or_else(|| EngineError::store_damaged("its state is missing"))?;
        let state = State::decode(&state)?;
        // First: that writes are gone is worse news than anything that is wrong with the store.
        if state.applied > journal.end() {
            return Err(EngineError::JournalShort {
                applied: state.applied,
                end: journal.end(),
            });
        }
        let log = if state.stale {
            log_of(journal)? // the store may have none of it yet
        } else {
            load_log(&base, keys)?
        };
        if !state.stale && log.hashes().count() as u64 != state.members {
            return Err(EngineError::store_damaged("a membership record is missing"));
        }
        let mut feeds = Feeds::default();
        let mut found = Ok(());
        base.scan(&keys.space(Space::Feed), &[], &mut |key, value| {
            match (space::feed_of(key), Feed::decode(value)) {
                (Ok(id), Ok(feed)) => feeds.restore(id, feed),
                (Err(error), _) | (_, Err(error)) => found = Err(error),
            }
            Visit::Continue
        })?;
        found?;
        let packs = journal.packs();
        if state.listed_packed > packs.end() {
            return Err(EngineError::store_damaged(
                "it lists envelopes as packed that are not",
            ));
        }
        let mut core = Self::begin_with(base, device, log, packs);
        core.stored_members = core.log.hashes().copied().collect();
        core.feeds = feeds;
        core.packed_before = state.listed_packed;
        core.state = state;
        core.load_take_backs()?;
        core.load_reissues()?;
        core.follow_log();
        core.split = false;
        core.load_wanted()?;
        core.load_packed()?;
        core.load_waiting()?;
        if !core.state.stale {
            core.check_is_of(journal)?;
        }
        Ok(core)
    }

    fn begin_with(base: Base, device: DeviceId, log: MembershipLog, packs: Packs) -> Self {
        let mut core = Self {
            base,
            keys: Keys(log.workspace()),
            device,
            feeds: Feeds::default(),
            state: State::default(),
            packed_before: packs.end(),
            packed: PackedIndex::new(packs),
            documents: RefCell::default(),
            touched: RefCell::default(),
            contested: BTreeMap::new(),
            behind: None,
            rules: InForce::of(&log),
            currency: Currency::default(),
            take_backs: BTreeMap::new(),
            reissues: Reissues::default(),
            turned: false,
            forks: log.forks().clone(),
            split: false,
            log,
            stored_members: BTreeSet::new(),
            derivations: 0,
            waiting: Waiting::default(),
            has_gaps: false,
        };
        core.follow_log();
        core
    }

    /// Applies what the journal has beyond what the store says is applied, until `progress` says no.
    fn replay(
        &mut self,
        journal: &Journal,
        progress: &mut dyn FnMut(Replayed) -> Visit,
    ) -> Result<Visit, EngineError> {
        self.has_gaps = journal.has_gaps();
        let from = self.state.applied;
        let total = journal.replay_bytes(from);
        let mut done = 0u64;
        let mut wanted = Visit::Continue;
        let outer = self.begin_batch();
        journal.replay(from, &mut |frame: Frame| {
            if self.base.staged_keys() > REPLAY_BATCH_KEYS {
                self.apply(frame.position)?;
                wanted = progress(Replayed { done, total });
                if wanted == Visit::Stop {
                    return Ok(wanted);
                }
            }
            done += frame.bytes.len() as u64;
            self.replay_frame(&frame)?;
            // What follows may lie on a branch: all is derived again, with the whole log.
            Ok::<_, EngineError>(if self.split {
                Visit::Stop
            } else {
                Visit::Continue
            })
        })?;
        if self.split || wanted == Visit::Stop {
            self.discard();
            self.end_batch(outer)?;
            return Ok(wanted);
        }
        self.end_batch(outer)?;
        if self.base.has_staged() || self.state.applied < journal.end() {
            self.apply(journal.end())?;
            wanted = progress(Replayed { done: total, total });
        }
        self.packed.look_again();
        Ok(wanted)
    }

    fn replay_frame(&mut self, frame: &Frame) -> Result<(), EngineError> {
        let damaged = |reason: String| EngineError::JournalDamaged { reason };
        match frame.kind {
            MEMBER_FRAME => {
                let record = MemberRecord::decode(&frame.bytes)
                    .map_err(|error| damaged(error.to_string()))?;
                if self.has_gaps {
                    self.replay_record_beside_gaps(record, frame.position);
                    return Ok(());
                }
                self.stage_member(record).map_err(|refusal| {
                    damaged(format!("a membership record does not fit: {refusal:?}"))
                })
            }
            ENVELOPE_FRAME | OWN_ENVELOPE_FRAME => {
                let envelope =
                    Envelope::decode(&frame.bytes).map_err(|error| damaged(error.to_string()))?;
                if self.has_gaps {
                    return self.replay_beside_gaps(&envelope, (frame.position, frame.kind));
                }
                let judgement = match self.judge(&envelope)? {
                    Judgement::Missing(code, detail) => {
                        return Err(damaged(format!(
                            "an envelope does not fit what precedes it: {code}: {detail}"
                        )));
                    }
                    judgement => judgement,
                };
                self.stage_envelope(&envelope, (frame.position, frame.kind), judgement)
            }
            NOTE_FRAME => {
                let (name, value) = decode_note(&frame.bytes)?;
                self.stage_note(&name, value)
            }
            other => Err(damaged(format!(
                "a frame of the unknown kind {}: it was written by a newer version",
                other.0
            ))),
        }
    }

    /// Applies what is staged; the journal is applied up to `applied` with it.
    pub(crate) fn apply(&mut self, applied: Position) -> Result<(), EngineError> {
        self.settle_rows()?;
        self.stage_evidence()?;
        self.state.applied = applied;
        let listed = applied.min(self.packed_before);
        self.state.listed_packed = self.state.listed_packed.max(listed);
        self.state.members = self.stored_members.len() as u64;
        self.state.take_backs = self.take_backs.len() as u64;
        let state = self.state.encode();
        self.base.put(self.keys.space(Space::State), state);
        Ok(self.base.apply()?)
    }

    /// Checks and stages a membership record; one that is here already is no error.
    pub(crate) fn stage_member(&mut self, record: MemberRecord) -> Result<(), RecordRefusal> {
        let (hash, bytes) = (record.hash(), record.encode());
        let is_new = self.log.insert(record)?;
        self.base.put(self.keys.member(&hash), bytes);
        self.stored_members.insert(hash);
        self.end_waiting_of_record(&hash);
        if !is_new {
            // Where all is derived the log is known from the beginning.
            return Ok(());
        }
        // What waits is judged with the whole log, as it will be when all is derived again.
        self.state.stale |= !self.waiting.envelopes.is_empty();
        self.rules.follow(&self.log);
        self.state.stale |= self.follow_log();
        if !self.split {
            self.forks = self.log.forks().clone();
        }
        Ok(())
    }

    /// Stages a local setting.
    pub(crate) fn stage_note(&mut self, name: &str, value: Vec<u8>) -> Result<(), EngineError> {
        let key = self.keys.note(name);
        self.state.notes += u64::from(self.base.get(&key)?.is_none());
        self.base.put(key, value);
        Ok(())
    }

    /// Stages the record the log began with.
    pub(crate) fn stage_genesis(&mut self, genesis: &MemberRecord) {
        let hash = genesis.hash();
        self.base.put(self.keys.member(&hash), genesis.encode());
        self.stored_members.insert(hash);
    }

    /// Whether a device's admission stands when all membership records are looked at.
    pub(crate) fn is_granted(&self, device: &DeviceId) -> bool {
        self.log.standing().active(device).is_some()
    }

    pub(crate) fn is_stale(&self) -> bool {
        self.state.stale
    }

    /// Derives everything again: some envelopes are judged otherwise than when they came.
    ///
    /// One pass, and another for each time that what somebody took back turns out to carry others' work: that
    /// only grows, so there is an end. Then one more, where that changed which of several counts that issue one envelope again.
    pub(crate) fn rederive(&mut self, journal: &Journal) -> Result<(), EngineError> {
        self.rederive_while(journal, &mut |_| Visit::Continue)?;
        Ok(())
    }

    /// The same until `progress`, which is told of each pass, says no: half of it then, and stale as before.
    fn rederive_while(
        &mut self,
        journal: &Journal,
        progress: &mut dyn FnMut(Replayed) -> Visit,
    ) -> Result<Visit, EngineError> {
        self.begin_currency();
        self.split = false;
        self.forks = self.log.forks().clone();
        if !self.log.standing().removals.is_empty() {
            self.take_backs.clear(); // some may not count any more
        }
        loop {
            self.turned = false;
            self.reissues.begin_pass();
            if self.rederive_once(journal, progress)? == Visit::Stop {
                return Ok(Visit::Stop);
            }
            if !self.turned && !self.reissues.differs() {
                break;
            }
        }
        self.state.stale = false;
        self.apply(journal.end())?;
        Ok(Visit::Continue)
    }

    fn rederive_once(
        &mut self,
        journal: &Journal,
        progress: &mut dyn FnMut(Replayed) -> Visit,
    ) -> Result<Visit, EngineError> {
        self.derivations += 1;
        self.base.discard();
        self.contested.clear();
        self.behind.iter_mut().for_each(BTreeSet::clear);
        for key in self.base.keys(&self.keys.0.0)? {
            self.base.delete(key);
        }
        self.documents.get_mut().clear();
        self.stored_members.clear();
        self.feeds = Feeds::default();
        self.waiting = Waiting::default();
        self.packed.forget();
        self.packed_before = journal.packs().end();
        // Stays stale on disk until the last batch: a crash in between begins again.
        self.state = State {
            clock: self.state.clock,
            stale: true,
            ..State::default()
        };
        self.replay(journal, progress)
    }

    /// Forgets what was staged for a write that failed half-way.
    pub(crate) fn discard(&mut self) {
        self.touched.take(); // numbers of envelopes are given anew
        self.base.discard();
        self.contested.clear();
        self.behind.iter_mut().for_each(BTreeSet::clear);
        self.documents.get_mut().clear();
    }
}

/// Whether a frame holds an envelope.
pub(crate) fn holds_envelope(kind: FrameKind) -> bool {
    kind == ENVELOPE_FRAME || kind == OWN_ENVELOPE_FRAME
}

/// The envelope that lies in the journal at a place.
pub(crate) fn envelope_at(journal: &Journal, at: Position) -> Result<Envelope, EngineError> {
    Ok(envelope_and_kind_at(journal, at)?.0)
}

/// The same, with the kind of its frame: that says whether it was written here.
pub(crate) fn envelope_and_kind_at(
    journal: &Journal,
    at: Position,
) -> Result<(Envelope, FrameKind), EngineError> {
    let frame = journal.read(at)?;
    let envelope = Envelope::decode(&frame.bytes).map_err(|error| EngineError::JournalDamaged {
        reason: format!("the envelope at {at}: {error}"),
    })?;
    Ok((envelope, frame.kind))
}

/// The bytes of a note frame.
pub(crate) fn encode_note(name: &str, value: &[u8]) -> Vec<u8> {
    KeyBuilder::new().push_str(name).push_bytes(value).finish()
}

pub(crate) fn decode_note(bytes: &[u8]) -> Result<(String, Vec<u8>), EngineError> {
    let mut reader = KeyReader::new(bytes);
    let name = reader.take_string()?;
    let value = reader.take_bytes()?;
    reader.finish()?;
    Ok((name, value))
}

/// The membership records of a journal, as far as they fit together where some of it is gone.
pub(crate) fn log_of(journal: &Journal) -> Result<MembershipLog, EngineError> {
    if journal.has_gaps() {
        waiting::log_beside_gaps(journal)
    } else {
        whole_log(journal)
    }
}

/// All membership records of the journal: envelopes are judged by the whole log.
fn whole_log(journal: &Journal) -> Result<MembershipLog, EngineError> {
    let damaged = |reason: String| EngineError::JournalDamaged { reason };
    let mut log: Option<MembershipLog> = None;
    journal.replay(Position::START, &mut |frame: Frame| {
        if frame.kind == MEMBER_FRAME {
            let record =
                MemberRecord::decode(&frame.bytes).map_err(|error| damaged(error.to_string()))?;
            let placed = match &mut log {
                None => MembershipLog::begin(record).map(|begun| log = Some(begun)),
                Some(log) => log.insert(record).map(|_| ()),
            };
            placed.map_err(|refusal| {
                damaged(format!("a membership record does not fit: {refusal:?}"))
            })?;
        }
        Ok::<_, EngineError>(Visit::Continue)
    })?;
    log.ok_or(EngineError::NoWorkspace)
}

fn load_log(base: &Base, keys: Keys) -> Result<MembershipLog, EngineError> {
    let mut records = Vec::new();
    base.scan(&keys.space(Space::Member), &[], &mut |_, value| {
        records.push(MemberRecord::decode(value));
        Visit::Continue
    })?;
    let records: Result<Vec<_>, _> = records.into_iter().collect();
    let records = records.map_err(|error| EngineError::store_damaged(error.to_string()))?;
    MembershipLog::of_set(records)
        .ok_or_else(|| EngineError::store_damaged("its membership records do not fit together"))
}
