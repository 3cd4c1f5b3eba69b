//! What must hold, each a function of plain data with a test of its own that shows it find what is wrong.
//!
//! The names are those of the design: S what always holds, L what holds in the end. Some are elsewhere: S3 (a write is
//! read where it was made) beside the writes, S4 (the conflict log is that of the oracle) with the judge. There are
//! no indexes yet, so S5 (an index is a full scan) has no subject.

use std::collections::{BTreeSet, VecDeque};
use std::fmt::Debug;

use driftless_document::{Change, ChangeHash, Record};
use driftless_engine::{EngineError, EnvelopeId, SyncState, WaitsFor};
use driftless_protocol::Message;

use super::Wrong;

/// Bytes that may be on their way to one side of a connection: what it granted, one envelope beyond it, and frames.
const IN_FLIGHT_BYTES: usize = 2 * 1024 * 1024 + driftless_protocol::limits::ENVELOPE + 1024 * 1024;

fn wrong<T>(what: String) -> Result<T, Wrong> {
    Err(Wrong(what))
}

/// S1: with equal envelopes, equal changes are applied.
pub(super) fn equal_sets(one: &[ChangeHash], other: &[ChangeHash]) -> Result<(), Wrong> {
    let (one, other): (BTreeSet<_>, BTreeSet<_>) = (one.iter().collect(), other.iter().collect());
    let here = one.difference(&other).count();
    let there = other.difference(&one).count();
    if here + there == 0 {
        return Ok(());
    }
    wrong(format!(
        "L1: {here} changes are only with the first and {there} only with the other"
    ))
}

/// S1: the same is held everywhere, understood or not.
pub(super) fn unlike<T: Ord>(one: &BTreeSet<T>, other: &BTreeSet<T>) -> Result<(), Wrong> {
    let differ = one.symmetric_difference(other).count();
    if differ == 0 {
        return Ok(());
    }
    wrong(format!(
        "S1: {differ} envelopes are held by one and not by another"
    ))
}

/// S1: conflict logs are equal, in order too.
pub(super) fn equal_logs<T: PartialEq + Debug>(one: &[T], other: &[T]) -> Result<(), Wrong> {
    let differs = one.iter().zip(other).position(|(a, b)| a != b);
    if differs.is_none() && one.len() == other.len() {
        return Ok(());
    }
    wrong(format!(
        "S1: conflict logs of {} and {} entries differ, the first time at {differs:?}",
        one.len(),
        other.len()
    ))
}

/// S2: what was acknowledged is there, in the same order, whatever comes behind.
pub(super) fn kept(acknowledged: &[ChangeHash], found: &[ChangeHash]) -> Result<(), Wrong> {
    let same = acknowledged
        .iter()
        .zip(found)
        .take_while(|(a, b)| a == b)
        .count();
    if same == acknowledged.len() {
        return Ok(());
    }
    wrong(format!(
        "S2: {} changes had been acknowledged here; of the {} found on opening the first {same} are these",
        acknowledged.len(),
        found.len()
    ))
}

/// S2: the same, where what counts may change, and the order with it.
pub(super) fn kept_in_some_order<'a>(
    acknowledged: impl Iterator<Item = &'a ChangeHash>,
    found: &[ChangeHash],
) -> Result<(), Wrong> {
    let found: BTreeSet<_> = found.iter().collect();
    let lost = acknowledged
        .filter(|change| !found.contains(change))
        .count();
    if lost == 0 {
        return Ok(());
    }
    wrong(format!(
        "S2: {lost} changes had been acknowledged here and are not found on opening"
    ))
}

/// S2 and S11: the same, where the last commit's changes, so many, may look like a commit that was cut short.
pub(super) fn kept_but_for_tail(
    acknowledged: &[ChangeHash],
    found: &[ChangeHash],
    tail: usize,
) -> Result<(), Wrong> {
    let sure = acknowledged.len().saturating_sub(tail);
    kept(&acknowledged[..sure], found)?;
    let rest = &acknowledged[..found.len().clamp(sure, acknowledged.len())];
    kept(rest, found)
}

/// S3: no change stands before one that it knew of, and none knew of one that is not there.
pub(super) fn causal(changes: &[&Change]) -> Result<(), Wrong> {
    let all: BTreeSet<ChangeHash> = changes.iter().map(|change| change.hash).collect();
    let mut seen = BTreeSet::new();
    for change in changes {
        // What is none of them is a genesis change, which any replica makes itself.
        let late = change.deps.iter().find(|dep| {
            let is_made = change.seq == 1 && !all.contains(*dep);
            !seen.contains(*dep) && !is_made && all.contains(*dep)
        });
        if let Some(dep) = late {
            return wrong(format!(
                "S3: the change {} stands before {dep}, of which it knew",
                change.hash
            ));
        }
        seen.insert(change.hash);
    }
    Ok(())
}

/// S6: what is saved loads, with equal heads.
pub(super) fn loads(saved: &[u8], heads: &[ChangeHash]) -> Result<(), Wrong> {
    match Record::load(saved, heads) {
        Ok(record) if record.heads() == heads => Ok(()),
        Ok(record) => wrong(format!(
            "S6: a saved record loads with the heads {:?}, not {heads:?}",
            record.heads()
        )),
        Err(error) => wrong(format!("S6: a saved record does not load: {error}")),
    }
}

/// S7: nothing is said to who is no member but that it is none.
pub(super) fn tight_lipped(messages: &[Message]) -> Result<(), Wrong> {
    let says = messages
        .iter()
        .find(|message| !matches!(message, Message::Error { .. } | Message::Bye));
    match says {
        None => Ok(()),
        Some(message) => wrong(format!("S7: a stranger was told {message:?}")),
    }
}

/// S7: who is refused changes nothing.
pub(super) fn unchanged<T: PartialEq + Debug>(before: &T, after: &T) -> Result<(), Wrong> {
    if before == after {
        return Ok(());
    }
    wrong(format!(
        "S7: a peer that was refused changed {before:?} to {after:?}"
    ))
}

/// S8: what waits for one side is bounded.
pub(super) fn bounded(waiting: &VecDeque<Vec<u8>>) -> Result<(), Wrong> {
    let bytes: usize = waiting.iter().map(Vec::len).sum();
    if bytes <= IN_FLIGHT_BYTES {
        return Ok(());
    }
    wrong(format!("S8: {bytes} bytes wait for one side"))
}

/// S9: who is said to have something has, or once had, all of it.
pub(super) fn synced(
    changes: &BTreeSet<ChangeHash>,
    held: &BTreeSet<ChangeHash>,
) -> Result<(), Wrong> {
    let never = changes.difference(held).count();
    if never == 0 {
        return Ok(());
    }
    wrong(format!(
        "S9: it is called synced, and {never} of {} changes never were durable there",
        changes.len()
    ))
}

/// S9: where there is nobody else, nothing is called synced.
pub(super) fn named(state: SyncState, places: usize) -> Result<(), Wrong> {
    if places > 1 || state == SyncState::LocalOnly {
        return Ok(());
    }
    wrong(format!("S9: there is nobody else, and it is {state:?}"))
}

/// S10: what is counted is what is there.
pub(super) fn counted(what: &str, said: u64, there: u64) -> Result<(), Wrong> {
    if said == there {
        return Ok(());
    }
    wrong(format!(
        "S10: the status counts {said} {what}, there are {there}"
    ))
}

/// S10: a folder that was neither copied nor restored tells of nothing that was written elsewhere, and its changes go on in
/// one line.
pub(super) fn told_of_copies(is_twice: bool, tells: bool, lines: u64) -> Result<(), Wrong> {
    if is_twice || (!tells && lines <= 1) {
        return Ok(());
    }
    wrong(format!(
        "S10: nobody copied or restored the folder; it tells of changes from elsewhere: {tells}, and has {lines} lines"
    ))
}

/// S11: what was read of a damaged folder is an error that says so.
pub(super) fn typed(read: Result<Vec<String>, EngineError>) -> Result<(), Wrong> {
    match read {
        Ok(_)
        | Err(
            EngineError::Journal(_)
            | EngineError::JournalDamaged { .. }
            | EngineError::JournalShort { .. }
            | EngineError::Store(_)
            | EngineError::StoreDamaged { .. }
            | EngineError::NoWorkspace,
        ) => Ok(()),
        Err(error) => wrong(format!(
            "S11: a damaged folder is said to be another error: {error:?}"
        )),
    }
}

/// S11: what is read of a store that was damaged is what it was; of a value that is gone it may be nothing.
pub(super) fn right<T: PartialEq + Debug>(
    is_gone: bool,
    was: Option<&T>,
    found: Option<&T>,
) -> Result<(), Wrong> {
    if was == found || (is_gone && found.is_none()) {
        return Ok(());
    }
    wrong(format!(
        "S11: a damaged store reads as {found:?}, and had {was:?}"
    ))
}

/// S12: an envelope that is held is one that its device made.
pub(super) fn authored<T: Ord + Debug>(
    held: &BTreeSet<T>,
    made: &BTreeSet<T>,
) -> Result<(), Wrong> {
    match held.difference(made).next() {
        None => Ok(()),
        Some(forged) => wrong(format!(
            "S12: {forged:?} is held, and its device never made it"
        )),
    }
}

/// S12: what an honest device wrote where its feed was split is written again in the end.
pub(super) fn issued_again(id: &EnvelopeId, waits_for: &WaitsFor) -> Result<(), Wrong> {
    if *waits_for == WaitsFor::Reissued {
        return Ok(());
    }
    wrong(format!(
        "S12: {id} lies on a branch and waits for {waits_for:?}"
    ))
}

/// L1: so much time, in milliseconds, is enough.
pub(super) fn bounded_time(took: i64, most: i64) -> Result<(), Wrong> {
    if took <= most {
        return Ok(());
    }
    wrong(format!(
        "L1: after {took} ms something still moves; at most {most} were to be needed"
    ))
}

/// L2: a kept connection is open, or a timer leads to its next attempt.
pub(super) fn armed(is_open: bool, is_armed: bool) -> Result<(), Wrong> {
    if is_open || is_armed {
        return Ok(());
    }
    wrong("L2: nothing leads to the next attempt to connect".to_owned())
}

/// L2: where nothing is on its way, both sides have said that they are level, and are.
pub(super) fn rests(level: [bool; 2], lacking: [usize; 2]) -> Result<(), Wrong> {
    if level != [true, true] {
        return wrong(
            "L2: the session stalls: nothing is on its way, and it is not over".to_owned(),
        );
    }
    if lacking != [0, 0] {
        return wrong(format!(
            "L2: the session is silent, and the sides lack {lacking:?} changes of each other"
        ));
    }
    Ok(())
}

/// L3: a replica whose commit failed does nothing more: it neither commits nor writes nor sends.
pub(super) fn poisoned(commits: bool, writes: bool, silent: bool) -> Result<(), Wrong> {
    if commits && writes && silent {
        return Ok(());
    }
    wrong(format!(
        "L3: after a failed commit: refuses to commit {commits}, to write {writes}, keeps silent {silent}"
    ))
}

#[cfg(test)]
mod tests {
    use driftless_document::{ActorId, Operation};
    use driftless_protocol::Code;

    use super::*;

    fn hashes(numbers: impl IntoIterator<Item = u8>) -> Vec<ChangeHash> {
        let numbers = numbers.into_iter();
        numbers.map(|n| ChangeHash([n; 32])).collect()
    }

    fn set(numbers: impl IntoIterator<Item = u8>) -> BTreeSet<ChangeHash> {
        hashes(numbers).into_iter().collect()
    }

    fn said(result: Result<(), Wrong>) -> String {
        result.err().map_or_else(|| "nothing".into(), |w| w.0)
    }

    #[test]
    fn sets_and_logs_that_differ_are_found() {
        assert!(equal_sets(&hashes([1, 2]), &hashes([2, 1])).is_ok());
        let differ = said(equal_sets(&hashes([1, 2]), &hashes([2])));
        assert_eq!(
            differ,
            "L1: 1 changes are only with the first and 0 only with the other"
        );
        assert!(unlike(&set([1]), &set([1])).is_ok());
        assert!(said(unlike(&set([1, 2]), &set([2, 3]))).starts_with("S1: 2 envelopes"));
        assert!(equal_logs(&[1, 2], &[1, 2]).is_ok());
        assert!(said(equal_logs(&[1, 2], &[2, 1])).starts_with("S1"));
        assert!(said(equal_logs(&[1, 2], &[1])).starts_with("S1"));
    }

    #[test]
    fn what_was_acknowledged_and_is_lost_is_found() {
        let acknowledged = hashes(1..=5);
        assert!(kept(&acknowledged, &hashes(1..=7)).is_ok());
        assert!(said(kept(&acknowledged, &hashes(1..=4))).starts_with("S2"));
        assert!(said(kept(&acknowledged, &hashes([1, 2, 4, 3, 5]))).starts_with("S2"));
        assert!(kept_but_for_tail(&acknowledged, &hashes(1..=3), 2).is_ok());
        assert!(kept_but_for_tail(&acknowledged, &hashes(1..=4), 2).is_ok());
        assert!(said(kept_but_for_tail(&acknowledged, &hashes(1..=2), 2)).starts_with("S2"));
        let other_tail = hashes([1, 2, 3, 9, 5]);
        assert!(said(kept_but_for_tail(&acknowledged, &other_tail, 2)).starts_with("S2"));
    }

    #[test]
    fn a_change_before_its_past_is_found() {
        let change = |n: u8, deps: &[u8]| Change {
            hash: ChangeHash([n; 32]),
            actor: ActorId([1; 16]),
            seq: u64::from(n),
            start_op: u64::from(n),
            time: 0,
            deps: hashes(deps.iter().copied()),
            creates: Vec::new(),
            operations: Vec::<Operation>::new(),
        };
        let (first, second) = (change(1, &[]), change(2, &[1]));
        assert!(causal(&[&first, &second]).is_ok());
        assert!(said(causal(&[&second, &first])).starts_with("S3"));
    }

    #[test]
    fn a_saved_record_that_does_not_load_as_it_was_is_found() {
        let record = Record::new();
        assert!(loads(&record.save(), &record.heads()).is_ok());
        assert!(said(loads(&record.save(), &hashes([1]))).starts_with("S6"));
        assert!(said(loads(b"no record", &[])).starts_with("S6"));
    }

    #[test]
    fn a_word_to_a_stranger_and_what_a_stranger_did_are_found() {
        let error = Message::Error {
            code: Code::UnknownDevice,
            detail: String::new(),
            retry_after_s: 0,
        };
        assert!(tight_lipped(&[error.clone(), Message::Bye]).is_ok());
        assert!(said(tight_lipped(&[error, Message::Done])).starts_with("S7"));
        assert!(unchanged(&1, &1).is_ok());
        assert!(said(unchanged(&1, &2)).starts_with("S7"));
    }

    #[test]
    fn a_queue_without_bound_is_found() {
        let frame = vec![0; 60_000];
        let mut waiting = VecDeque::from([frame.clone()]);
        assert!(bounded(&waiting).is_ok());
        waiting.extend(std::iter::repeat_n(frame, 200));
        assert!(said(bounded(&waiting)).starts_with("S8"));
    }

    #[test]
    fn what_is_called_synced_or_counted_wrongly_is_found() {
        assert!(synced(&set([1, 2]), &set([1, 2, 3])).is_ok());
        assert!(said(synced(&set([1, 2]), &set([1]))).starts_with("S9"));
        assert!(named(SyncState::Synced, 2).is_ok());
        assert!(said(named(SyncState::Synced, 1)).starts_with("S9"));
        assert!(told_of_copies(true, true, 2).is_ok());
        assert!(told_of_copies(false, false, 1).is_ok());
        assert!(said(told_of_copies(false, true, 1)).starts_with("S10"));
        assert!(said(told_of_copies(false, false, 2)).starts_with("S10"));
        assert!(counted("records", 3, 3).is_ok());
        assert!(said(counted("records", 3, 4)).starts_with("S10"));
    }

    #[test]
    fn damage_that_is_called_something_else_is_found() {
        let damaged = EngineError::JournalDamaged {
            reason: "a bit".into(),
        };
        assert!(typed(Err(damaged)).is_ok());
        let other = EngineError::NotFound {
            what: "record",
            name: "x".into(),
        };
        assert!(said(typed(Err(other))).starts_with("S11"));
        assert!(right(false, Some(&1), Some(&1)).is_ok());
        assert!(right(true, Some(&1), None).is_ok());
        for (is_gone, found) in [(false, None), (false, Some(&2)), (true, Some(&2))] {
            assert!(said(right(is_gone, Some(&1), found)).starts_with("S11"));
        }
    }

    #[test]
    fn an_envelope_that_nobody_made_is_found() {
        let made = BTreeSet::from([1, 2]);
        assert!(authored(&BTreeSet::from([1]), &made).is_ok());
        assert!(said(authored(&BTreeSet::from([1, 3]), &made)).starts_with("S12"));
    }

    #[test]
    fn what_is_lost_is_found_in_any_order() {
        let acknowledged = hashes([1, 2]);
        let lost = |found| said(kept_in_some_order(acknowledged.iter(), &hashes(found)));
        assert_eq!(lost([2, 1]), "nothing");
        assert!(lost([2, 3]).starts_with("S2: 1 changes"));
    }

    #[test]
    fn what_nobody_wrote_again_is_found() {
        let feed = driftless_protocol::FeedId([1; 16]);
        let id = EnvelopeId { feed, n: 1 };
        assert!(issued_again(&id, &WaitsFor::Reissued).is_ok());
        for waits_for in [WaitsFor::Reissue, WaitsFor::ReissueHere] {
            assert!(said(issued_again(&id, &waits_for)).starts_with("S12"));
        }
    }

    #[test]
    fn what_does_not_come_to_rest_or_waits_for_nothing_is_found() {
        assert!(bounded_time(5, 5).is_ok());
        assert!(said(bounded_time(6, 5)).starts_with("L1"));
        assert!(armed(false, true).is_ok() && armed(true, false).is_ok());
        assert!(said(armed(false, false)).starts_with("L2"));
        assert!(rests([true, true], [0, 0]).is_ok());
        assert!(said(rests([true, false], [0, 0])).contains("stalls"));
        assert!(said(rests([true, true], [0, 3])).contains("silent"));
        assert!(poisoned(true, true, true).is_ok());
        assert!(said(poisoned(true, false, true)).starts_with("L3"));
    }
}
