//! Looking at everything that is stored, without changing any of it.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as _;

use driftless_document::{Evidence, Record};
use driftless_protocol::{DeviceId, FeedId};
use driftless_store::{
    Batch, Files, Journal, Kv, KvError, MemoryKv, OverlayFiles, Position, Survey, Visit,
};

use super::mend::{MendedJournal, mend_journal};
use super::remains::scan_past_damage;
use super::{Fault, FaultPart, FaultRemedy, Remains};
use crate::core::{Core, EnvelopePlace, State, StoredRow, log_of};
use crate::error::EngineError;
use crate::owner::{self, check_let_in};
use crate::space::{self, Keys, Space};
use crate::types::{RecordKey, Replayed, VerifyReport};
use crate::waiting::MissingRun;

/// How many faults of one kind are told one by one.
const SPELLED_OUT: usize = 10;

/// What looking at a folder's journal and store found.
#[derive(Debug)]
pub struct Inspected {
    /// What was checked, and what is wrong.
    pub report: VerifyReport,
    /// What is wrong with the journal's files.
    pub survey: Survey,
    /// Frames of damaged segments that a repair keeps.
    pub kept: u64,
    /// Why a repair would not succeed, where it would not: what it left would not open.
    pub hopeless: Option<EngineError>,
}

/// Checks a journal and the store that is derived from it; neither is changed.
///
/// The journal is read, and derived anew in memory as a repair would leave it. Without damage in the journal the store is
/// compared with that, value by value, a copy in memory that is brought up to date where it is behind; with damage the
/// store is checked by itself. `known` is what was read of the store before, or of another one that was set aside. `device`
/// is whose key is there; a key of another device than the folder's is told, and everything is looked at all the same.
/// `None` once `progress` says no.
pub fn inspect(
    files: &dyn Files,
    store: Option<&dyn Kv>,
    known: Option<&Remains>,
    device: Option<DeviceId>,
    progress: &mut dyn FnMut(Replayed) -> Visit,
) -> Result<Option<Inspected>, EngineError> {
    let mut report = VerifyReport::default();
    let compared = store.and_then(|store| remains_of(store, &mut report.faults));
    let nothing = Remains::default();
    let remains = known.or(compared.as_ref()).unwrap_or(&nothing);
    let overlay = OverlayFiles::over(files.another());
    // The journal is gone through twice: once for its files, once for what is in them.
    let mut first_half = |at: Replayed| {
        progress(Replayed {
            done: at.done / 2,
            total: at.total,
        })
    };
    let Some(mended) = mend_journal(Box::new(overlay), remains, &mut first_half)? else {
        return Ok(None);
    };
    let faults = mended.survey.faults.iter().map(Fault::of_journal);
    report.faults.extend(faults);
    report.torn_bytes = mended.survey.torn_bytes;
    let packed_before = packed_before(compared.as_ref(), &mended);
    let mut second_half = |at: Replayed| {
        progress(Replayed {
            done: at.total / 2 + at.done.div_ceil(2),
            total: at.total,
        })
    };
    let journal = &mended.journal;
    let derived = whose(journal, remains, device, &mut report.faults).and_then(|device| {
        let kv = Box::new(MemoryKv::new());
        let mut core = Core::of_journal(kv, device, journal, packed_before)?;
        Ok((core.derive(journal, &mut second_half)?, core))
    });
    let hopeless = match derived {
        Ok((Visit::Stop, _)) => return Ok(None),
        Ok((Visit::Continue, derived)) => {
            count(&derived, &mut report)?;
            tell_missing(&derived, &mended, remains, &mut report)?;
            tell_copies(&derived, &mended, &mut report)?;
            if let Some(store) = store.zip(compared.as_ref()) {
                match check_store(store, &derived, &mended, &mut report) {
                    Err(EngineError::Store(error)) => report.faults.push(unreadable(&error)),
                    checked => checked?,
                }
            }
            check_let_in(&derived.log, &derived.device).err()
        }
        // There was one: it is not so that none was ever made here.
        Err(EngineError::NoWorkspace) if remains.is_begun || !mended.survey.is_clean() => {
            Some(BEGINNING_LOST)
        }
        Err(error) => Some(error),
    };
    report.faults.extend(hopeless.as_ref().map(hopeless_fault));
    report.problems = report.faults.iter().map(ToString::to_string).collect();
    Ok(Some(Inspected {
        report,
        survey: mended.survey,
        kept: mended.kept,
        hopeless: hopeless.filter(is_lost),
    }))
}

/// Up to where a store lists what is packed, one that is behind its journal once it is brought up to date.
fn packed_before(compared: Option<&Remains>, mended: &MendedJournal) -> Position {
    let packed = mended.journal.packs().end();
    let is_level = |found: &&Remains| found.applied == Some(mended.journal.end());
    let as_listed = |found: &&Remains| !mended.survey.is_clean() || is_level(found);
    let listed = compared.filter(as_listed);
    let listed = listed.and_then(|found| found.listed_packed);
    // What it lists may be what is damaged.
    listed.unwrap_or(packed).min(packed)
}

fn tell_copies(
    derived: &Core,
    mended: &MendedJournal,
    report: &mut VerifyReport,
) -> Result<(), EngineError> {
    report.elsewhere = derived.written_elsewhere(mended.journal.has_gaps())?;
    report.copied = derived.copied_folder()?;
    Ok(())
}

const BEGINNING_LOST: EngineError = EngineError::MembershipLost {
    what: "the record that began the workspace",
};

/// Whether it is certain that no repair mends it.
fn is_lost(error: &EngineError) -> bool {
    matches!(
        error,
        EngineError::MembershipLost { .. } | EngineError::NoWorkspace
    )
}

/// Why what is left does not read.
fn hopeless_fault(error: &EngineError) -> Fault {
    let remedy = if is_lost(error) {
        FaultRemedy::Rejoin
    } else {
        FaultRemedy::Repair
    };
    let what = format!("what is left of the journal cannot be read without more of it: {error}");
    Fault::new(FaultPart::Membership, remedy, what)
}

/// Whose journal it is; tells where the key is another device's.
fn whose(
    journal: &Journal,
    remains: &Remains,
    device: Option<DeviceId>,
    faults: &mut Vec<Fault>,
) -> Result<DeviceId, EngineError> {
    let log = log_of(journal)?;
    let resolved = log.resolved();
    let mut members = resolved.iter().map(|(member, _)| member.device);
    let of_feed = |feed: FeedId| members.clone().find(|device| feed.belongs_to(device));
    let owner = owner::owner_of(journal)?.or(remains.own_feed.and_then(of_feed));
    if let Some(device) = device {
        match owner::check(&log, owner, device, journal.has_gaps()) {
            Ok(()) => return Ok(device),
            Err(error) => faults.push(Fault::of_key(error.to_string())),
        }
    }
    // Of whom nobody knows: what is everybody's is looked at.
    owner
        .or_else(|| members.next())
        .ok_or(EngineError::NoWorkspace)
}

/// What a store says of the journal; `None` of one that its engine cannot read, which is told.
fn remains_of(store: &dyn Kv, faults: &mut Vec<Fault>) -> Option<Remains> {
    let found = Remains::of(store);
    found.map_err(|error| faults.push(unreadable(&error))).ok()
}

fn unreadable(error: &KvError) -> Fault {
    let why = error.source().map(|why| format!(": {why}"));
    let what = format!("it cannot be read: {error}{}", why.unwrap_or_default());
    Fault::new(FaultPart::Store, FaultRemedy::Rebuild, what)
}

/// What a store that was begun says of itself that cannot be: it is not opened so.
fn state_faults(compared: &Remains, journal: &Journal) -> Vec<Fault> {
    let is_gone = compared.is_begun && compared.applied.is_none();
    let ahead = compared.listed_packed > Some(journal.packs().end());
    let found = [
        (is_gone, "how far it is applied is not there"),
        (ahead, "it lists envelopes as packed that are not"),
    ];
    let found = found.into_iter().filter(|(is_so, _)| *is_so);
    found
        .map(|(_, what)| Fault::new(FaultPart::Store, FaultRemedy::Rebuild, what.to_owned()))
        .collect()
}

fn tell_missing(
    derived: &Core,
    mended: &MendedJournal,
    remains: &Remains,
    report: &mut VerifyReport,
) -> Result<(), EngineError> {
    report.missing = derived.missing(&mended.journal, &remains.feeds)?;
    report.waiting = derived.waiting_envelopes();
    report.faults.extend(report.missing.iter().map(missing));
    Ok(())
}

/// A run of envelopes that is gone, as a fault.
fn missing(run: &MissingRun) -> Fault {
    let device = run.device.as_ref();
    let name = device.map_or_else(
        || "a device that is not known".to_owned(),
        |(_, name)| format!("`{name}`"),
    );
    let what = match run.last - run.first {
        0 => format!("it was made by {name}, was held here, and is gone"),
        more => {
            format!("it and the {more} after it were made by {name}, were held here, and are gone")
        }
    };
    Fault::new(FaultPart::Envelope, FaultRemedy::Sync, what).of_envelope(run.feed, run.first)
}

fn count(derived: &Core, report: &mut VerifyReport) -> Result<(), EngineError> {
    let keys = |space| derived.base.keys(&derived.keys.space(space));
    report.envelopes = keys(Space::Envelope)?.len() as u64 + derived.packed.envelopes();
    report.changes = derived.state.seq;
    report.records = keys(Space::Row)?.len() as u64;
    derived.base.scan(
        &derived.keys.space(Space::Conflict),
        &[],
        &mut |_, value| {
            let entries = Evidence::decode(value).map_or(0, |found| found.entries.len());
            report.conflicts += entries as u64;
            Visit::Continue
        },
    )?;
    Ok(())
}

/// The spaces of the store, which part each is, and what an entry of it is called.
const SPACES: [(Space, FaultPart, &str); 19] = [
    (Space::Member, FaultPart::Membership, "membership record"),
    (Space::Feed, FaultPart::Index, "feed"),
    (Space::Envelope, FaultPart::Index, "place of an envelope"),
    (Space::Row, FaultPart::Row, "row"),
    (Space::Conflict, FaultPart::Conflict, "conflict entry"),
    (Space::Alias, FaultPart::Conflict, "conflict id"),
    (Space::Commit, FaultPart::Index, "commit"),
    (Space::Quarantine, FaultPart::Index, "quarantined envelope"),
    (Space::Note, FaultPart::Store, "setting"),
    (Space::RefusedChange, FaultPart::Index, "refused change"),
    (
        Space::TakeBack,
        FaultPart::Index,
        "envelope that was taken back",
    ),
    (Space::Void, FaultPart::Index, "void envelope"),
    (
        Space::VoidChanges,
        FaultPart::Index,
        "record's list of void changes",
    ),
    (
        Space::Reissued,
        FaultPart::Index,
        "note of what was written again",
    ),
    (
        Space::Known,
        FaultPart::Index,
        "note of what a change knew of removals",
    ),
    (
        Space::PackedEnvelopes,
        FaultPart::Index,
        "stretch of packed envelopes",
    ),
    (
        Space::PackedCommits,
        FaultPart::Index,
        "stretch of packed commits",
    ),
    (Space::Waiting, FaultPart::Index, "envelope that waits"),
    (
        Space::WaitingRecord,
        FaultPart::Index,
        "membership record that waits",
    ),
];

fn check_store(
    (store, remains): (&dyn Kv, &Remains),
    derived: &Core,
    mended: &MendedJournal,
    report: &mut VerifyReport,
) -> Result<(), EngineError> {
    report.faults.extend(state_faults(remains, &mended.journal));
    let damaged = remains.damaged.iter();
    let damaged = damaged.map(|key| damaged_value(derived.keys, key));
    tell(damaged, &mut report.faults);
    let end = mended.journal.end();
    let applied = remains.applied.filter(|applied| *applied <= end);
    let Some(applied) = applied.filter(|_| mended.survey.is_clean()) else {
        check_places(store, derived, &mut report.faults)?;
        return check_documents(store, derived, false, report);
    };
    if applied == end {
        return check_level_store(store, derived, remains, report);
    }
    // What it lacks of the journal is added to a copy, as opening does.
    let copy = Box::new(copy_of(store)?);
    match Core::open(copy, derived.device, &mended.journal, &mut |_| ()) {
        Ok(core) => check_level_store(core.base.kv(), derived, remains, report),
        Err(error) => {
            let what = format!("what it lacks of the journal cannot be added: {error}");
            let fault = Fault::new(FaultPart::Store, FaultRemedy::Rebuild, what);
            report.faults.push(fault);
            Ok(())
        }
    }
}

fn copy_of(store: &dyn Kv) -> Result<MemoryKv, KvError> {
    let mut batch = Batch::default();
    scan_past_damage(store, &[], &mut Vec::new(), &mut |key, value| {
        batch.put(key.to_vec(), value.to_vec());
    })?;
    let copy = MemoryKv::new();
    copy.apply(&batch)?;
    Ok(copy)
}

/// Of a store that has all of the journal: each value is what follows from it.
fn check_level_store(
    store: &dyn Kv,
    derived: &Core,
    remains: &Remains,
    report: &mut VerifyReport,
) -> Result<(), EngineError> {
    for (space, part, what) in SPACES {
        let (ours, theirs) = (
            contents(store, derived.keys, space)?,
            derived_contents(derived, space)?,
        );
        compare(
            (part, what),
            &ours,
            &theirs,
            &remains.damaged,
            &mut report.faults,
        );
    }
    let state = store.get(&derived.keys.space(Space::State));
    let state = state.ok().flatten();
    let state = state.and_then(|bytes| State::decode(&bytes).ok());
    if state.is_some_and(|state| state.counts() != derived.state.counts()) {
        let what = "what it counts is not what there is".to_owned();
        let fault = Fault::new(FaultPart::Store, FaultRemedy::Rebuild, what);
        report.faults.push(fault);
    }
    check_documents(store, derived, true, report)
}

/// Of a store that is ahead of its journal, or beside a damaged one: an envelope that is in both lies in one place. A store
/// from before a repair of the journal says another.
fn check_places(
    store: &dyn Kv,
    derived: &Core,
    faults: &mut Vec<Fault>,
) -> Result<(), EngineError> {
    let theirs = derived_contents(derived, Space::Envelope)?;
    let ours = contents(store, derived.keys, Space::Envelope)?;
    let place = |bytes: &Vec<u8>| EnvelopePlace::decode(bytes).ok();
    let is_elsewhere = |(key, bytes): &(&Vec<u8>, &Vec<u8>)| {
        let (ours, theirs) = (place(bytes), theirs.get(*key).and_then(place));
        let both = ours.zip(theirs);
        both.is_some_and(|(ours, theirs)| ours.hash == theirs.hash && ours != theirs)
    };
    let wrong = ours.iter().filter(is_elsewhere).map(|_| {
        let what = "a place of an envelope differs from what the journal says".to_owned();
        Fault::new(FaultPart::Index, FaultRemedy::Rebuild, what)
    });
    tell(wrong, faults);
    Ok(())
}

/// A value that fails its checksum, by what its key says.
fn damaged_value(keys: Keys, key: &[u8]) -> Fault {
    let space = SPACES
        .iter()
        .find(|(space, ..)| key.starts_with(&keys.space(*space)));
    let (part, what) = match space {
        Some((_, part, what)) => (*part, *what),
        None if key.starts_with(&keys.space(Space::Document)) => (FaultPart::Document, "document"),
        None => (FaultPart::Store, "value"),
    };
    let what = format!("a {what} in the store is not what was written");
    Fault::new(part, FaultRemedy::Rebuild, what).about(space::record_of(key).ok())
}

type Contents = BTreeMap<Vec<u8>, Vec<u8>>;

fn contents(store: &dyn Kv, keys: Keys, space: Space) -> Result<Contents, EngineError> {
    let mut contents = Contents::new();
    scan_past_damage(
        store,
        &keys.space(space),
        &mut Vec::new(),
        &mut |key, value| {
            contents.insert(key.to_vec(), value.to_vec());
        },
    )?;
    Ok(contents)
}

fn derived_contents(core: &Core, space: Space) -> Result<Contents, EngineError> {
    let mut contents = Contents::new();
    core.base
        .scan(&core.keys.space(space), &[], &mut |key, value| {
            contents.insert(key.to_vec(), value.to_vec());
            Visit::Continue
        })?;
    Ok(contents)
}

fn compare(
    (part, what): (FaultPart, &str),
    ours: &Contents,
    derived: &Contents,
    damaged: &[Vec<u8>],
    faults: &mut Vec<Fault>,
) {
    let keys: BTreeSet<_> = ours.keys().chain(derived.keys()).collect();
    let wrong = keys
        .into_iter()
        .filter(|key| !damaged.contains(key)) // told already
        .filter_map(|key| match (ours.get(key), derived.get(key)) {
            (Some(ours), Some(derived)) if ours == derived => None,
            (Some(_), Some(_)) => Some((key, "differs from what the journal says")),
            (None, _) => Some((key, "is missing in the store")),
            (_, None) => Some((key, "does not follow from the journal")),
        });
    let wrong = wrong.map(|(key, how)| {
        let record = if matches!(part, FaultPart::Row | FaultPart::Conflict) {
            space::record_of(key).ok()
        } else {
            None
        };
        Fault::new(part, FaultRemedy::Rebuild, format!("a {what} {how}")).about(record)
    });
    tell(wrong, faults);
}

/// Takes in faults of one kind, the first ones by themselves.
fn tell(found: impl Iterator<Item = Fault>, faults: &mut Vec<Fault>) {
    let mut found = found.fuse();
    faults.extend(found.by_ref().take(SPELLED_OUT));
    if let Some(first) = found.next() {
        let more = found.count() + 1;
        let what = format!("{more} more like this");
        faults.push(Fault::new(first.part, first.remedy, what));
    }
}

/// Every stored document loads, with the heads and the values its stored row says.
fn check_documents(
    store: &dyn Kv,
    derived: &Core,
    is_comparable: bool,
    report: &mut VerifyReport,
) -> Result<(), EngineError> {
    let keys = derived.keys;
    let mut wrong = Vec::new();
    for (key, bytes) in contents(store, keys, Space::Row)? {
        let (Ok(key), Ok(stored)) = (space::record_of(&key), StoredRow::decode(&bytes)) else {
            continue; // told where rows are compared
        };
        // Which changes are void is known from the whole journal.
        if stored.void && !is_comparable {
            continue;
        }
        if let Some(what) = document_fault(store, derived, &key, &stored)? {
            let fault = Fault::new(FaultPart::Document, FaultRemedy::Rebuild, what);
            wrong.push(fault.about(Some(key)));
        }
    }
    tell(wrong.into_iter(), &mut report.faults);
    Ok(())
}

fn document_fault(
    store: &dyn Kv,
    derived: &Core,
    key: &RecordKey,
    stored: &StoredRow,
) -> Result<Option<String>, EngineError> {
    let mut bytes = Vec::new();
    let prefix = derived.keys.record(Space::Document, key);
    let mut damaged = Vec::new();
    scan_past_damage(store, &prefix, &mut damaged, &mut |_, part| {
        bytes.extend_from_slice(part);
    })?;
    if !damaged.is_empty() {
        return Ok(None); // told already
    }
    Ok(match Record::load(&bytes, &stored.row.heads) {
        Err(error) => Some(format!("its document does not load: {error}")),
        Ok(record) if derived.row_of(key, &record, stored.void)? == stored.row => None,
        Ok(_) => Some("its document reads otherwise than its row".to_owned()),
    })
}
