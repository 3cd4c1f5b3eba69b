//! The picks themselves: functions of an entry, with ties broken by (counter, actor).

use std::cmp::Ordering;

use crate::conflict::{Candidate, Entry, Kind, MemberAction, Shown};
use crate::ids::{ActorId, OpId};
use crate::json::compare_numbers;
use crate::value::Value;

/// The candidate that is best by some measure, which must know all of them; among equals the last written.
fn best<T: Ord>(entry: &Entry, measure: impl Fn(&Candidate) -> Option<T>) -> Option<usize> {
    let measured: Option<Vec<_>> = entry.candidates.iter().map(measure).collect();
    let measured = measured?.into_iter().zip(&entry.candidates).enumerate();
    measured
        .max_by(|(_, (a, x)), (_, (b, y))| a.cmp(b).then(x.operation.cmp(&y.operation)))
        .map(|(n, _)| n)
}

/// The values of all candidates, where each has one.
fn values(entry: &Entry) -> Option<Vec<&Value>> {
    let values = entry
        .candidates
        .iter()
        .map(|candidate| match &candidate.shown {
            Shown::Value(value) => Some(value),
            _ => None,
        });
    values.collect()
}

/// The greatest or the smallest value, where all can be compared.
pub(super) fn extreme(entry: &Entry, wanted: Ordering) -> Option<usize> {
    let values = values(entry)?;
    let mut best = 0;
    for n in 0..values.len() {
        let order = compare(values[n], values[best])?;
        let later = operation(entry, n) > operation(entry, best);
        if order == wanted || (order == Ordering::Equal && later) {
            best = n;
        }
    }
    (!values.is_empty()).then_some(best)
}

/// How two values compare, or none where they are of kinds that do not.
fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)), // UTF-8 sorts as code points do
        (Value::Timestamp(a), Value::Timestamp(b)) => Some(a.cmp(b)),
        _ => compare_numbers(a, b),
    }
}

/// `any_true`: a candidate that says `wanted`, or else one that does not; all must be truth values.
pub(super) fn truth(entry: &Entry, wanted: bool) -> Option<usize> {
    best(entry, |candidate| match candidate.shown {
        Shown::Value(Value::Bool(value)) => Some(value == wanted),
        _ => None,
    })
}

pub(super) fn longest(entry: &Entry) -> Option<usize> {
    let texts = best(entry, |candidate| match &candidate.shown {
        Shown::Value(Value::String(text)) => Some(text.chars().count()),
        _ => None,
    });
    texts.or_else(|| {
        best(entry, |candidate| match &candidate.shown {
            Shown::Value(Value::Bytes(bytes)) => Some(bytes.len()),
            _ => None,
        })
    })
}

/// The value that stands first in `order`, where all stand in it.
pub(super) fn ranked(entry: &Entry, order: &[Value]) -> Option<usize> {
    best(entry, |candidate| match &candidate.shown {
        Shown::Value(value) => {
            let place = order.iter().position(|listed| listed == value)?;
            Some(std::cmp::Reverse(place))
        }
        _ => None,
    })
}

pub(super) fn latest(entry: &Entry) -> Option<usize> {
    best(entry, |candidate| Some(candidate.time))
}

pub(super) fn first_edit(entry: &Entry) -> Option<usize> {
    let candidates = entry.candidates.iter().enumerate();
    candidates
        .min_by_key(|(_, candidate)| (candidate.time, candidate.operation))
        .map(|(n, _)| n)
}

/// The candidate whose side wrote most often: in a field its author's device, of a record who deletes or keeps.
pub(super) fn most_edits(entry: &Entry) -> Option<usize> {
    best(entry, |candidate| {
        Some(
            entry
                .members
                .iter()
                .filter(|member| {
                    if entry.kind == Kind::RecordDeleted {
                        side_of(&member.action) == candidate.shown
                    } else {
                        let device = candidate.actor().device_prefix();
                        member.operation.actor.device_prefix() == device
                    }
                })
                .count(),
        )
    })
}

/// Of a record: which side a write or touch is on.
fn side_of(action: &MemberAction) -> Shown {
    match action {
        MemberAction::Put(Value::Bool(true)) => Shown::Absent,
        _ => Shown::Keep,
    }
}

/// The candidate whose author stands first, where `place` gives the author's place and somebody has one.
///
/// Where different things are wanted by authors with equal places nothing is picked: that tells nobody apart.
pub(super) fn preferred(entry: &Entry, place: impl Fn(ActorId) -> Option<usize>) -> Option<usize> {
    let places: Vec<_> = (0..entry.candidates.len())
        .map(|n| authors_of(entry, n).into_iter().filter_map(&place).min())
        .collect();
    let first = places.iter().flatten().min()?;
    let best: Vec<usize> = (0..places.len())
        .filter(|&n| places[n].as_ref() == Some(first))
        .collect();
    let shown = &entry.candidates[best[0]].shown;
    let agree = best.iter().all(|&n| entry.candidates[n].shown == *shown);
    let last = best.into_iter().max_by_key(|&n| operation(entry, n));
    last.filter(|_| agree)
}

/// Who wants a candidate: of a record all of its side, of a field who wrote it.
pub(crate) fn authors_of(entry: &Entry, n: usize) -> Vec<ActorId> {
    let candidate = &entry.candidates[n];
    if entry.kind != Kind::RecordDeleted {
        return vec![candidate.actor()];
    }
    let members = entry.members.iter();
    let side = members.filter(|member| side_of(&member.action) == candidate.shown);
    side.map(|member| member.operation.actor)
        .chain([candidate.actor()])
        .collect()
}

/// Of a record: the candidate of one side.
pub(super) fn side(entry: &Entry, wanted: &Shown) -> Option<usize> {
    let shown = |candidate: &Candidate| candidate.shown == *wanted;
    entry.candidates.iter().position(shown)
}

fn operation(entry: &Entry, n: usize) -> OpId {
    entry.candidates[n].operation
}
