//! Deciding many entries at once by one rule: one change a record, so that a record is decided whole or not at all.

use driftless_document::{
    Candidate, EntryId, FieldKey, FieldType, Intent, Kind, Node, Row, Shown, Status,
};
use driftless_protocol::DeviceId;
use driftless_store::Visit;

use super::decide::{Decision, acknowledged, is_decided};
use super::{ConflictFilter, view};
use crate::error::EngineError;
use crate::limits;
use crate::replica::Replica;
use crate::types::{ConflictView, RecordKey};

/// Records that one step decides at most: one envelope.
const RECORDS_A_STEP: usize = 64;
/// Records that one step looks at: others have their turn in between.
const RECORDS_LOOKED_AT: usize = 2_048;

/// By which rule many entries are decided at once. None is a policy: each is one decision, made by whoever asks for it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum BulkRule {
    /// What the record shows stands; what is merged is confirmed.
    Shown,
    /// The candidate with this number stands, counted from 0.
    Keep(usize),
    /// The candidate stands that claims the latest time. Clocks may be wrong: it is for whoever knows that they are not.
    Latest,
    /// What this device wrote stands, its last candidate where it has several.
    Device(DeviceId),
    /// Both sides stand, where a field holds both.
    Both,
    /// All may stay as they are, with this note.
    Acknowledge(String),
}

/// What one step of a bulk did.
#[derive(Debug)]
pub struct BulkStep {
    /// The entries that were decided.
    pub decided: Vec<EntryId>,
    /// What was left as it is.
    pub skipped: Vec<BulkSkipped>,
    /// After which record the next step begins; none where this is the last.
    pub next: Option<RecordKey>,
}

/// Entries of one record that a bulk left as they are.
#[derive(Debug)]
pub struct BulkSkipped {
    /// The entries as they stand.
    pub conflicts: Vec<ConflictView>,
    /// Why.
    pub reason: EngineError,
}

/// Records with entries that fit, and behind which record the search goes on.
#[derive(Default)]
struct Found {
    records: Vec<(RecordKey, Vec<ConflictView>)>,
    next: Option<RecordKey>,
}

/// What is to be written to one record.
struct Plan {
    key: RecordKey,
    intents: Vec<Intent>,
    views: Vec<ConflictView>,
}

impl Replica {
    /// Decides by one rule the entries that fit a filter, of some records behind `after`, or from the first.
    ///
    /// A filter without a status means the open ones. All decisions on one record are one change. An entry that the
    /// rule does not fit is skipped, the others of its record are decided. With `preview` nothing is written, and the
    /// answer is what would be.
    pub fn decide_some(
        &mut self,
        filter: &ConflictFilter,
        rule: &BulkRule,
        after: Option<&RecordKey>,
        preview: bool,
    ) -> Result<BulkStep, EngineError> {
        if let BulkRule::Acknowledge(note) = rule {
            limits::check_note(note)?;
        }
        self.check_usable()?;
        self.core.stage_evidence()?; // earlier writes of this group count
        let found = self.bulk_records(filter, after)?;
        let mut step = BulkStep {
            decided: Vec::new(),
            skipped: Vec::new(),
            next: found.next,
        };
        let mut plans = Vec::new();
        for (key, views) in found.records {
            plans.extend(self.bulk_plan(key, views, rule, &mut step)?);
        }
        if preview {
            let planned = plans.iter().flat_map(|plan| &plan.views);
            step.decided.extend(planned.map(|view| view.entry.id));
        } else {
            self.carry_out(plans, &mut step)?;
        }
        Ok(step)
    }

    fn bulk_records(
        &self,
        filter: &ConflictFilter,
        after: Option<&RecordKey>,
    ) -> Result<Found, EngineError> {
        let status = filter.status.unwrap_or(Status::Open);
        let members = self.members();
        let mut found = Found::default();
        let mut last = None;
        let mut looked_at = 0;
        self.visit_records(filter, after, &mut |key, evidence| {
            if Some(&key) == after {
                return Visit::Continue;
            }
            if looked_at == RECORDS_LOOKED_AT || found.records.len() == RECORDS_A_STEP {
                found.next = last.take();
                return Visit::Stop;
            }
            looked_at += 1;
            let entries = evidence.entries.into_iter();
            let fitting = entries.filter(|entry| filter.fits_entry(entry));
            let views: Vec<_> = fitting
                .map(|entry| view(&self.core.rules, key.clone(), entry, &members))
                .filter(|view| view.status == status)
                .collect();
            last = Some(key.clone());
            if !views.is_empty() {
                found.records.push((key, views));
            }
            Visit::Continue
        })?;
        for (_, views) in &mut found.records {
            let placed = std::mem::take(views).into_iter();
            *views = placed
                .map(|view| self.placed(view))
                .collect::<Result<_, _>>()?;
        }
        Ok(found)
    }

    /// What a rule writes to one record; entries it does not fit are skipped.
    fn bulk_plan(
        &self,
        key: RecordKey,
        views: Vec<ConflictView>,
        rule: &BulkRule,
        step: &mut BulkStep,
    ) -> Result<Option<Plan>, EngineError> {
        let row = self.core.stored_row(&key)?.map(|stored| stored.row);
        let mut plan = Plan {
            key,
            intents: Vec::new(),
            views: Vec::new(),
        };
        for view in views {
            match self.intents_by_rule(&view, rule, row.as_ref()) {
                Ok(intents) => {
                    plan.intents.extend(intents);
                    plan.views.push(view);
                }
                Err(reason) if is_of_entry(&reason) => step.skipped.push(BulkSkipped {
                    conflicts: vec![view],
                    reason,
                }),
                Err(reason) => return Err(reason),
            }
        }
        Ok((!plan.views.is_empty()).then_some(plan))
    }

    /// Writes all in one envelope or, where that does not go, each record in one of its own.
    fn carry_out(&mut self, plans: Vec<Plan>, step: &mut BulkStep) -> Result<(), EngineError> {
        let all: Vec<_> = plans
            .iter()
            .map(|plan| (plan.key.clone(), plan.intents.clone()))
            .collect();
        match self.write(&all, false) {
            Ok(_) => {
                let written = plans.iter().flat_map(|plan| &plan.views);
                step.decided.extend(written.map(|view| view.entry.id));
                return Ok(());
            }
            Err(reason) if !is_of_record(&reason) => return Err(reason),
            Err(_) => {}
        }
        for plan in plans {
            match self.write_one(&plan.key, &plan.intents) {
                Ok(_) => step
                    .decided
                    .extend(plan.views.iter().map(|view| view.entry.id)),
                Err(reason) if is_of_record(&reason) => step.skipped.push(BulkSkipped {
                    conflicts: plan.views,
                    reason,
                }),
                Err(reason) => return Err(reason),
            }
        }
        Ok(())
    }

    fn intents_by_rule(
        &self,
        view: &ConflictView,
        rule: &BulkRule,
        row: Option<&Row>,
    ) -> Result<Vec<Intent>, EngineError> {
        if is_decided(view.status) {
            return Err(EngineError::ConflictClosed {
                current: Box::new(view.clone()),
            });
        }
        let decision = match rule {
            BulkRule::Acknowledge(note) => return Ok(vec![acknowledged(&view.entry, note)]),
            BulkRule::Keep(n) => Decision::Keep(*n),
            BulkRule::Both => Decision::Both,
            BulkRule::Latest => {
                let candidates = view.entry.candidates.iter().enumerate();
                let latest = candidates.max_by_key(|(n, candidate)| (candidate.time >> 12, *n));
                keep(latest, view, "there is no candidate")?
            }
            BulkRule::Device(device) => {
                let mut candidates = view.entry.candidates.iter().enumerate();
                let of_device = |(_, candidate): &(usize, &Candidate)| {
                    candidate.actor().device_prefix() == device.prefix()
                };
                let last = candidates.rfind(of_device);
                keep(last, view, "no candidate is of that device")?
            }
            BulkRule::Shown => shown_by(view, row)?,
        };
        self.decided(view, &decision, row)
    }
}

/// Whether it is the entry that the rule does not fit, and not the replica that cannot read.
fn is_of_entry(error: &EngineError) -> bool {
    matches!(
        error,
        EngineError::ConflictClosed { .. }
            | EngineError::NoSuchCandidate { .. }
            | EngineError::NoCandidateFits { .. }
            | EngineError::BothCannotStand { .. }
            | EngineError::DecisionDoesNotFit { .. }
    )
}

/// Whether it is what is written that cannot be written, and not the replica that cannot write.
fn is_of_record(error: &EngineError) -> bool {
    matches!(
        error,
        EngineError::Write(_) | EngineError::TooMuch { .. } | EngineError::Peer { .. }
    )
}

fn keep(
    found: Option<(usize, &Candidate)>,
    view: &ConflictView,
    reason: &'static str,
) -> Result<Decision, EngineError> {
    let none = || EngineError::NoCandidateFits {
        reason,
        current: Box::new(view.clone()),
    };
    Ok(Decision::Keep(found.ok_or_else(none)?.0))
}

/// The decision for what a record shows now.
fn shown_by(view: &ConflictView, row: Option<&Row>) -> Result<Decision, EngineError> {
    let entry = &view.entry;
    let is_member =
        FieldKey::parse(&entry.register).is_some_and(|key| key.kind() == FieldType::Set);
    let value = row.and_then(|row| row.fields.get(&entry.register));
    let shown = match entry.kind {
        Kind::Text => return Ok(Decision::Both),
        _ if is_member => return Ok(Decision::Both),
        _ if view.picked.is_some() => view.picked.clone().unwrap_or(Shown::Absent),
        Kind::RecordDeleted if row.is_some_and(|row| row.deleted) => Shown::Absent,
        Kind::RecordDeleted => Shown::Keep,
        // The greatest of the values, as in the row of a list.
        Kind::ListElement => {
            let mut values = entry.candidates.iter().map(|candidate| &candidate.shown);
            let last = values.rfind(|shown| matches!(shown, Shown::Value(_)));
            last.cloned().unwrap_or(Shown::Absent)
        }
        _ => value.map_or(Shown::Absent, |value| Shown::Value(value.clone())),
    };
    let mut candidates = entry.candidates.iter().enumerate();
    let same = candidates.rfind(|(_, candidate)| candidate.shown == shown);
    match (same, shown) {
        // Another value was decided for before, and that was taken back.
        (None, Shown::Value(value)) => Ok(Decision::Merge(Node::Leaf(value))),
        (same, _) => keep(same, view, "no candidate is what the record shows"),
    }
}
