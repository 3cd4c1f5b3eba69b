//! What a device wrote on a branch of a feed, or on top of one, is issued again by that device, so that nothing is lost.
//!
//! What lies on a branch never counts (see `core/branches.rs`). The folder that wrote it writes its effect again, in a
//! feed of its own: what each change made of the record as it knew it. The new change knows what the old one knew, as far
//! as that counts or was issued again, and no more: what was written meanwhile, here too, stays beside it, and a conflict
//! is shown where there is one. An actor knows all that it has written; where that is more, another feed begins.
//!
//! An envelope that issues another one again names it, so both become durable together: nothing is issued twice after a
//! crash, a rebuild or a restored backup, and nothing is forgotten. A branch that another run of this device wrote is for
//! that run to issue again, or, where it is gone, for a person to ask for ([`Replica::reissue_item`]).

use std::collections::{BTreeMap, BTreeSet};

use driftless_document::{
    ActorId, Admission, Change, ChangeHash, Counted, DELETED, FieldKey, FieldType, Intent, REVIEW,
    Record, Row, Value,
};
use driftless_protocol::Envelope;

use crate::core::{TakenBack, Update, reissue_meta};
use crate::error::EngineError;
use crate::limits;
use crate::quarantine::{EnvelopeId, ItemPage, WaitsFor, records_of};
use crate::replica::{Incarnation, Replica};
use crate::space::{self, Space};
use crate::types::RecordKey;

/// What the settings begin with that say what of an item could not be issued again; the item's id follows.
const LEFT_OUT_NOTE: &str = "reissue/";
/// How many envelopes are made durable at once.
const GROUP: usize = 64;
/// How many records are kept as they were before their feed was split.
const RECORDS_KEPT: usize = 32;

/// Records with what was lost on them, as its authors knew them.
type Known = BTreeMap<RecordKey, Record>;

/// What issuing an envelope again comes to.
struct Again {
    updates: Vec<Update>,
    /// What could not be done again, in words.
    left_out: BTreeSet<String>,
}

impl Replica {
    /// Issues again what this folder wrote and an accusation takes away; says how many envelopes. Durable when this
    /// returns.
    ///
    /// To be called after opening, and when a session has come to have everything: what was issued again already, by an
    /// older copy of this folder, is here then. Where there is nothing to do it costs one look.
    pub fn reissue(&mut self) -> Result<u64, EngineError> {
        if self.broken || self.core.forks.is_empty() {
            return Ok(0);
        }
        if self.check_may_write().is_err() {
            return Ok(0); // it would be refused everywhere
        }
        let lost = self.lost()?;
        if lost.is_empty() {
            return Ok(0);
        }
        let count = self.reissue_these(lost)?.len() as u64;
        tracing::info!(
            count,
            "issued again what lay on a branch of this device's feed"
        );
        Ok(count)
    }

    /// Issues an envelope of this device again though another run of it wrote it: that one is gone, a person says.
    /// Durable when this returns.
    pub fn reissue_item(&mut self, id: EnvelopeId) -> Result<(), EngineError> {
        let item = self.quarantine_item(id)?;
        if item.waits_for != WaitsFor::ReissueHere {
            return Err(EngineError::NotReissuable { id });
        }
        match self.reissue_these(vec![id])?[..] {
            [] => Err(EngineError::NotReissuable { id }),
            _ => Ok(()),
        }
    }

    /// The same for all there are; says which.
    pub fn reissue_all(&mut self) -> Result<Vec<EnvelopeId>, EngineError> {
        let mut placed = Vec::new();
        for item in self.quarantine(&ItemPage::default())? {
            let place = self.core.envelope_place(&item.id.feed, item.id.n)?;
            if item.waits_for == WaitsFor::ReissueHere {
                placed.extend(place.map(|place| (place.position, item.id)));
            }
        }
        placed.sort_unstable();
        self.reissue_these(placed.into_iter().map(|(_, id)| id).collect())
    }

    /// Issues envelopes again, in this order; says which. What rests on something that is not here waits for that.
    fn reissue_these(&mut self, ids: Vec<EnvelopeId>) -> Result<Vec<EnvelopeId>, EngineError> {
        self.check_usable()?;
        self.check_may_write()?;
        self.commit_group()?;
        let mut known = Known::new();
        let mut done = Vec::new();
        for id in ids {
            if self.reissue_one(id, &mut known)? {
                done.push(id);
            }
            if done.len() % GROUP == GROUP - 1 {
                self.commit_group()?;
            }
        }
        self.commit_group()?;
        Ok(done)
    }

    /// What is still to be issued again, in the order in which it was written.
    fn lost(&self) -> Result<Vec<EnvelopeId>, EngineError> {
        let mut placed = Vec::new();
        for key in self.core.base.keys(&self.core.keys.space(Space::Lost))? {
            let (feed, n) = space::numbered_of(&key)?;
            let Some(place) = self.core.envelope_place(&feed, n)? else {
                continue;
            };
            let envelope = self.read_envelope(&feed, n)?;
            let named = TakenBack::of(&envelope);
            if !self.core.is_reissued(&named)? && !self.core.take_back_asked(&envelope) {
                placed.push((place.position, EnvelopeId { feed, n }));
            }
        }
        placed.sort_unstable();
        Ok(placed.into_iter().map(|(_, id)| id).collect())
    }

    /// Whether an envelope is to be issued again by this folder.
    pub(crate) fn is_lost(&self, id: EnvelopeId) -> Result<bool, EngineError> {
        let key = self.core.keys.numbered(Space::Lost, &id.feed, id.n);
        Ok(self.core.base.get(&key)?.is_some())
    }

    /// What of an item could not be issued again, where there is something.
    pub(crate) fn left_out(&self, id: EnvelopeId) -> Result<Option<String>, EngineError> {
        let note = self.setting(&format!("{LEFT_OUT_NOTE}{id}"))?;
        Ok(note.map(|note| String::from_utf8_lossy(&note).into_owned()))
    }

    /// Whether an envelope could be issued again.
    fn reissue_one(&mut self, id: EnvelopeId, known: &mut Known) -> Result<bool, EngineError> {
        let envelope = self.read_envelope(&id.feed, id.n)?;
        self.merge_membership()?;
        let Some(lost) = self.lost_in(&envelope, known)? else {
            return Ok(false);
        };
        let mut incarnation = self.incarnation();
        let mut knows_more = false;
        for lost in &lost {
            knows_more |= lost.lacks_some_of(ActorId(incarnation.feed.0))?;
        }
        if knows_more {
            self.incarnation = None;
            incarnation = self.incarnation();
        }
        let now = self.now();
        let mut clock = self.core.state.clock;
        let time = clock.tick(now);
        let mut again = self.again(lost, incarnation, time)?;
        again.updates.sort_by(|a, b| a.key.cmp(&b.key));
        let mut meta = reissue_meta(time, &envelope);
        meta.atomic = envelope.known().is_some_and(|(body, _)| body.meta.atomic);
        let sealed = match self.seal(incarnation, meta.clone(), &again.updates) {
            Ok(sealed) => sealed,
            Err(error) => {
                // It says at least that nothing more comes of it.
                again.left_out.insert(error.to_string());
                again.updates.clear();
                self.seal(incarnation, meta, &[])?
            }
        };
        let judgement = crate::core::Judgement::Apply(again.updates);
        self.stage_own(&sealed, judgement)?;
        self.advance(incarnation, &sealed);
        if !again.left_out.is_empty() {
            let left_out: Vec<_> = again.left_out.into_iter().collect();
            let mut left_out = left_out.join("; ");
            while left_out.len() > limits::SETTING_VALUE_BYTES {
                left_out.pop();
            }
            self.set_setting(&format!("{LEFT_OUT_NOTE}{id}"), left_out.as_bytes())?;
        }
        Ok(true)
    }

    /// What an envelope that is lost did to each of its records; none where it rests on what is not here.
    fn lost_in(
        &self,
        envelope: &Envelope,
        known: &mut Known,
    ) -> Result<Option<Vec<Lost>>, EngineError> {
        let mut lost = Vec::new();
        for key in records_of(envelope) {
            if known.len() >= RECORDS_KEPT && !known.contains_key(&key) {
                known.clear();
            }
            let changes = crate::draft::changes_of(envelope, &key);
            let record = self.with_lost(&key, envelope, known)?;
            let Some(effect) = effect_of(&record, &changes)? else {
                return Ok(None);
            };
            let current = self.core.record(&key)?;
            let heads = self.known_to(&changes, &key, &record, &current)?;
            lost.push(Lost {
                effect,
                base: current.at(&heads)?,
                current,
                key,
            });
        }
        Ok(Some(lost))
    }

    /// What lost changes knew of what counts: for what was lost itself that is what was issued in its place.
    fn known_to(
        &self,
        lost: &[Change],
        key: &RecordKey,
        with_lost: &Record,
        current: &Record,
    ) -> Result<Vec<ChangeHash>, EngineError> {
        let mut heads = BTreeSet::<ChangeHash>::new();
        let past: Vec<_> = lost.iter().flat_map(|change| change.deps.clone()).collect();
        for change in with_lost.at(&past)?.changes()? {
            if current.has_change(&change.hash) {
                heads.insert(change.hash);
                continue;
            }
            let Some(refused) = self.core.refused_change(key, &change.hash)? else {
                continue;
            };
            let gone = self.read_envelope(&refused.id.feed, refused.id.n)?;
            if let Some(id) = self.core.reissued_as(&gone) {
                let instead = self.read_envelope(&id.feed, id.n)?;
                let instead = crate::draft::changes_of(&instead, key).into_iter();
                let instead = instead.map(|change| change.hash);
                heads.extend(instead.filter(|hash| current.has_change(hash)));
            }
        }
        Ok(heads.into_iter().collect())
    }

    /// The changes that do again what was lost.
    fn again(
        &self,
        lost: Vec<Lost>,
        incarnation: Incarnation,
        time: i64,
    ) -> Result<Again, EngineError> {
        let mut again = Again {
            updates: Vec::new(),
            left_out: BTreeSet::new(),
        };
        let actor = ActorId(incarnation.feed.0);
        for Lost {
            key, effect, base, ..
        } in lost
        {
            let mut update = self.core.update_of(key.clone())?;
            let row = self.core.row_of(&key, &base, self.core.has_void())?;
            let counted = self.core.counted(&key, &base)?;
            let (mut intents, left_out) = effect.intents(&row);
            if intents.is_empty() && update.before.is_none() && base.change_count() == 0 {
                intents.push(exists());
            }
            let mut left_out: Vec<String> = left_out.into_iter().collect();
            let raw = write_fitting((&base, &counted), actor, time, intents, &mut left_out);
            let left_out = left_out.into_iter();
            again
                .left_out
                .extend(left_out.map(|what| format!("{}: {what}", key.record)));
            let Some(raw) = raw else {
                self.core.give_back(update);
                continue;
            };
            let current = std::mem::take(&mut update.record);
            let admitted = match current.admit(&raw, incarnation.feed.device_prefix()) {
                Ok(Admission::Admitted(admitted)) => admitted,
                Ok(_) => {
                    return Err(EngineError::store_damaged(
                        "a record has a change that this process is about to make",
                    ));
                }
                Err(refusal) => return Err(EngineError::OwnChangeRefused(refusal)),
            };
            update.forked |= !current.continues_heads(admitted.change());
            let (record, change) = current.apply(admitted)?;
            update.record = record;
            update.changes.push((change, raw));
            if let Err(bytes) = update.check_size(limits::RECORD_BYTES) {
                again
                    .left_out
                    .insert(format!("{}: it would have {bytes} bytes", key.record));
                continue;
            }
            again.updates.push(update);
        }
        Ok(again)
    }

    /// A record with what was lost on it, as far as an envelope knew it.
    fn with_lost(
        &self,
        key: &RecordKey,
        envelope: &Envelope,
        known: &mut Known,
    ) -> Result<Record, EngineError> {
        let mut record = match known.remove(key) {
            Some(record) => record,
            None => self.core.record(key)?,
        };
        // What it rests on first: each envelope with its place in the journal, which is an order of the changes.
        let mut below = BTreeMap::new();
        let mut seen = BTreeSet::new();
        let mut open = vec![envelope.clone()];
        while let Some(envelope) = open.pop() {
            let id = self.core.id_of(&envelope)?;
            let Some(place) = self.core.envelope_place(&id.feed, id.n)? else {
                continue;
            };
            for change in crate::draft::changes_of(&envelope, key) {
                for hash in change.known() {
                    if record.has_change(&hash) || !seen.insert(hash) {
                        continue;
                    }
                    if let Some(refused) = self.core.refused_change(key, &hash)?
                        && refused.id != id
                    {
                        open.push(self.read_envelope(&refused.id.feed, refused.id.n)?);
                    }
                }
            }
            below.insert(place.position, envelope);
        }
        for envelope in below.values() {
            let prefix = envelope.header().feed.device_prefix();
            for (collection, item, payload) in envelope.items() {
                if collection != key.collection || item.record != key.record.0 {
                    continue;
                }
                for raw in &payload.changes {
                    if let Ok(Admission::Admitted(admitted)) = record.admit(raw, prefix) {
                        record = record.apply(admitted)?.0;
                    }
                }
            }
        }
        known.insert(key.clone(), record.clone());
        Ok(record)
    }
}

fn exists() -> Intent {
    Intent::Put {
        key: DELETED.into(),
        value: Value::Bool(false),
    }
}

/// What of one record is lost.
struct Lost {
    key: RecordKey,
    effect: Effect,
    current: Record,
    /// The record as it knew it, as far as that counts.
    base: Record,
}

impl Lost {
    /// Whether an actor has written what it did not know.
    fn lacks_some_of(&self, actor: ActorId) -> Result<bool, EngineError> {
        let changes = self.current.changes()?;
        let mut own = changes.iter().filter(|change| change.actor == actor);
        Ok(own.any(|change| !self.base.has_change(&change.hash)))
    }
}

/// What some changes made of a record.
struct Effect {
    before: Row,
    after: Row,
    /// Whether there were words on conflicts among them.
    decides: bool,
}

/// What changes made of a record that has them; none where it lacks one.
fn effect_of(record: &Record, lost: &[Change]) -> Result<Option<Effect>, EngineError> {
    let (Some(first), Some(last)) = (lost.first(), lost.last()) else {
        return Ok(None);
    };
    if !lost.iter().all(|change| record.has_change(&change.hash)) {
        return Ok(None);
    }
    let keys = lost.iter().flat_map(|change| &change.operations);
    let mut keys = keys.map(|operation| &operation.key);
    Ok(Some(Effect {
        before: record.at(&first.deps)?.row(),
        after: record.at(&[last.hash])?.row(),
        decides: keys.any(|key| key.starts_with(REVIEW)),
    }))
}

/// The change that intents make of a record; those that do not fit are left out, each in words.
fn write_fitting(
    (base, counted): (&Record, &Counted),
    actor: ActorId,
    time: i64,
    intents: Vec<Intent>,
    left_out: &mut Vec<String>,
) -> Option<Vec<u8>> {
    if let Ok(raw) = base.write_counting(actor, time, &intents, counted) {
        return raw;
    }
    let fits = |intent: &Intent| {
        let written = base.write_counting(actor, time, std::slice::from_ref(intent), counted);
        written
            .map_err(|error| left_out.push(error.to_string()))
            .is_ok()
    };
    let fitting: Vec<_> = intents.into_iter().filter(fits).collect();
    match base.write_counting(actor, time, &fitting, counted) {
        Ok(raw) => raw,
        Err(error) => {
            left_out.push(error.to_string());
            None
        }
    }
}

impl Effect {
    /// What does the same to a record that reads `base`; and what of it cannot be done, in words.
    fn intents(&self, base: &Row) -> (Vec<Intent>, BTreeSet<String>) {
        let mut intents = Vec::new();
        let mut left_out = BTreeSet::new();
        let keys = self.before.fields.keys().chain(self.after.fields.keys());
        let keys: BTreeSet<_> = keys.collect();
        for key in keys {
            let values = [&self.before, &self.after, base].map(|row| row.fields.get(key));
            let [before, after, _] = values;
            if before != after {
                let field = FieldKey::parse(key);
                let done = field.and_then(|field| field_intents(&field, key, values));
                match done {
                    Some((done, lacks)) => {
                        intents.extend(done);
                        left_out.extend(lacks.map(|lacks| format!("{key}: {lacks}")));
                    }
                    None => {
                        left_out.insert(key.clone());
                    }
                }
            }
        }
        if self.before.deleted != self.after.deleted {
            intents.push(Intent::Put {
                key: DELETED.into(),
                value: Value::Bool(self.after.deleted),
            });
        }
        if self.decides {
            left_out.insert("a decision about a conflict".into());
        }
        (intents, left_out)
    }
}

/// What takes a field from one value to another: `values` are before, after, and what it reads where that is to be done
/// again. None where that cannot be said.
fn field_intents(
    field: &FieldKey,
    key: &str,
    values: [Option<&Value>; 3],
) -> Option<(Vec<Intent>, Option<&'static str>)> {
    let path = field.path().to_key();
    let [before, after, base] = values;
    Some(match field.kind() {
        FieldType::Value => match after {
            Some(value) => (
                vec![Intent::Put {
                    key: key.to_owned(),
                    value: value.clone(),
                }],
                None,
            ),
            None if base.is_some() => (
                vec![Intent::Remove {
                    key: key.to_owned(),
                }],
                None,
            ),
            None => (Vec::new(), None),
        },
        FieldType::Counter => {
            let of = counter_of;
            let by = of(after)?.wrapping_sub(of(before)?);
            (vec![Intent::Increment { path, by }], None)
        }
        FieldType::Text => {
            let of = text_of;
            text_intents(path, of(before)?, of(after)?, of(base)?)
        }
        FieldType::List => {
            let of = values_of;
            list_intents(path, of(before)?, of(after)?, of(base)?)
        }
        FieldType::Set => {
            let of = values_of;
            let intents = set_intents(&path, of(before)?, of(after)?, of(base)?);
            (intents, None)
        }
        _ => return None,
    })
}

fn counter_of(value: Option<&Value>) -> Option<i64> {
    match value {
        None => Some(0),
        Some(Value::Counter(is)) => Some(*is),
        Some(_) => None,
    }
}

fn text_of(value: Option<&Value>) -> Option<&str> {
    match value {
        None => Some(""),
        Some(Value::Text(text)) => Some(text),
        Some(_) => None,
    }
}

fn values_of(value: Option<&Value>) -> Option<&[Value]> {
    match value {
        None => Some(&[]),
        Some(Value::List(values) | Value::Set(values)) => Some(values),
        Some(_) => None,
    }
}

fn text_intents(
    path: String,
    before: &str,
    after: &str,
    base: &str,
) -> (Vec<Intent>, Option<&'static str>) {
    if before == base {
        let text = after.to_owned();
        return (vec![Intent::ReplaceText { path, text }], None);
    }
    let (from, to): (Vec<_>, Vec<_>) = (before.chars().collect(), after.chars().collect());
    let (at, removed, inserted) = difference(&from, &to);
    let text = to[at..at + inserted].iter().collect();
    let lacks = (removed > 0).then_some("characters that were removed");
    (vec![Intent::AppendText { path, text }], lacks)
}

fn list_intents(
    path: String,
    before: &[Value],
    after: &[Value],
    base: &[Value],
) -> (Vec<Intent>, Option<&'static str>) {
    let (at, removed, inserted) = difference(before, after);
    let values = after[at..at + inserted].to_vec();
    let is_same = before == base;
    let mut intents = Vec::new();
    if removed > 0 && is_same {
        intents.push(Intent::RemoveElements {
            path: path.clone(),
            at,
            count: removed,
        });
    }
    if !values.is_empty() {
        let at = is_same.then_some(at);
        intents.push(Intent::InsertElements { path, at, values });
    }
    let lacks = (removed > 0 && !is_same).then_some("elements that were removed");
    (intents, lacks)
}

fn set_intents(path: &str, before: &[Value], after: &[Value], base: &[Value]) -> Vec<Intent> {
    let removed = before
        .iter()
        .filter(|member| !after.contains(member) && base.contains(member));
    let removed = removed.map(|member| Intent::RemoveMember {
        path: path.to_owned(),
        member: member.clone(),
    });
    let added = after.iter().filter(|member| !before.contains(member));
    let added = added.map(|member| Intent::AddMember {
        path: path.to_owned(),
        member: member.clone(),
    });
    removed.chain(added).collect()
}

/// Where two lists differ: from which place on, how many of the one are replaced by how many of the other.
fn difference<T: PartialEq>(from: &[T], to: &[T]) -> (usize, usize, usize) {
    let same = |(a, b): &(&T, &T)| a == b;
    let at = from.iter().zip(to).take_while(same).count();
    let (from, to) = (&from[at..], &to[at..]);
    let tail = from
        .iter()
        .rev()
        .zip(to.iter().rev())
        .take_while(same)
        .count();
    (at, from.len() - tail, to.len() - tail)
}
