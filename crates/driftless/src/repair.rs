//! Looking at a folder that may be damaged, and repairing it.
//!
//! [`inspect`] changes nothing: it reads the journal's files, and a copy of the store in the folder for temporary files. A
//! repair does first in memory what it is about to do, so that one that cannot succeed leaves all as it was.
//!
//! In this order: `repair.unfinished` is written, damaged segments are mended (their files are set aside), what the store
//! still knows of the journal is appended, the store is set aside and derived again, `CURRENT` names the new one,
//! damaged files are moved to `journal.damaged`, `repair.unfinished` is removed. Until then the folder does not open, and
//! a repair that is run again goes on.
//!
//! Everything here blocks.

use std::path::{Path, PathBuf};

use driftless_engine::{
    CopiedFolder, EngineError, Fault, FaultPart, MissingRun, Remains, Replayed, Replica,
    VerifyReport, history_codec, inspect as look, mend_journal,
};
use driftless_protocol::DeviceKey;
use driftless_store::{
    Files, KnownEnd, Kv, Mending, StoreFolder, Trust, Visit, check_seal, has_seal,
};

use crate::actor::guarded_quietly;
use crate::error::Error;
use crate::keys;
use crate::opening::{self, Attempt, GIVEN_UP, Held, Opening};
use crate::options::Options;
use crate::progress::Progress;
use crate::scratch::StoreCopy;

/// What a repair found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RepairReport {
    /// What was wrong.
    pub faults: Vec<Fault>,
    /// Segments of the journal that were damaged.
    pub segments_mended: u64,
    /// Envelopes, membership records and settings of these segments that were whole, and were kept.
    pub frames_kept: u64,
    /// Membership records and settings that the journal had lost, and the store still had.
    pub frames_restored: u64,
    /// Whether the store was derived again.
    pub store_rebuilt: bool,
    /// Where the damaged files of the journal are now.
    pub set_aside: Vec<PathBuf>,
    /// What was held here and is not there any more: it comes back with a sync.
    pub missing: Vec<MissingRun>,
    /// Envelopes that are whole, and wait for what is missing.
    pub waiting: u64,
}

/// Checks everything in a folder that no process has open, and changes nothing. `None` once `go_on` says no.
pub(crate) fn inspect(
    dir: &Path,
    options: &Options,
    go_on: &dyn Fn() -> bool,
) -> Result<Option<VerifyReport>, Error> {
    let folder = StoreFolder::open_to_rebuild(dir)?;
    let (key, fault) = match keys::load(&folder, options) {
        Ok(key) => (Some(key), None),
        Err(error) if error.is_about_key() => (None, Some(key_fault(&error, dir, options))),
        Err(error) => return Err(error),
    };
    let found = Found::of(&folder, key.as_ref(), options, go_on)?;
    Ok(found.map(|found| {
        let mut report = found.report;
        // First: without the key nothing can be done about the rest.
        report.faults.splice(..0, fault);
        report.problems = report.faults.iter().map(ToString::to_string).collect();
        report
    }))
}

/// Repairs what is damaged in a folder, and opens it.
pub(crate) fn repair(dir: &Path, options: &Options) -> Result<(Held, Opening), Error> {
    let folder = StoreFolder::open_to_rebuild(dir)?;
    let key = keys::load(&folder, options)?;
    let found = Found::of(&folder, Some(&key), options, &|| true)?;
    let Some(found) = found else {
        return Err(Error::bug("a repair that nobody ended was ended"));
    };
    let mut faults = found.report.faults.iter();
    if let Some(fault) = faults.find(|fault| fault.part == FaultPart::Key) {
        let place = keys::told_place(dir, options);
        return Err(Error::wrong_key(&place, &fault.what));
    }
    // Whatever it did, the folder would not open, and be another than it was.
    if let Some(error) = found.hopeless {
        return Err(error.into());
    }
    let mut report = RepairReport {
        faults: found.report.faults,
        ..RepairReport::default()
    };
    if found.is_journal_clean {
        let (held, mut opening) = if report.faults.is_empty() {
            drop(folder);
            opening::open(dir, options)?
        } else {
            report.store_rebuilt = true;
            let trouble = format!("the store {} is damaged", folder.live_name());
            Attempt::of(folder, key, options).rebuild(&trouble)?
        };
        report.store_rebuilt |= opening.rebuilt.is_some();
        opening.repaired = Some(report);
        return Ok((held, opening));
    }
    mend(folder, key, options, &found.remains, report)
}

fn mend(
    folder: StoreFolder,
    key: DeviceKey,
    options: &Options,
    remains: &Remains,
    mut report: RepairReport,
) -> Result<(Held, Opening), Error> {
    let files = folder.journal_files()?;
    let mended = mend_journal(files.another(), remains, &mut |_| Visit::Continue)?;
    let Some(mended) = mended else {
        return Err(Error::bug("a repair that nobody ended was ended"));
    };
    report.segments_mended = mended.survey.damaged.len() as u64;
    report.frames_kept = mended.kept;
    report.frames_restored = mended.restored;
    report.store_rebuilt = true;
    let reason =
        "the journal was damaged and is repaired: the store is derived from it again".to_owned();
    let attempt = Attempt::of(folder, key, options);
    let rebuilt = attempt.rebuild_from(mended.journal, reason, &mut |replica: &mut Replica| {
        replica.note_lost(remains)?;
        report.missing = replica.missing()?;
        report.waiting = replica.waiting().0;
        Ok(())
    });
    let (held, mut opening) = rebuilt?;
    report.set_aside = held.store.folder().set_aside_segments()?;
    let mut mending = Mending::of(files.another(), history_codec(), KnownEnd::Unknown);
    mending.finish().map_err(EngineError::from)?;
    opening.repaired = Some(report);
    Ok((held, opening))
}

/// That there is no key, or none that reads.
fn key_fault(error: &Error, dir: &Path, options: &Options) -> Fault {
    let place = format!("{}: ", keys::told_place(dir, options));
    let message = error.message();
    let mut fault = Fault::of_key(message.strip_prefix(&place).unwrap_or(message));
    fault.file = options.keys.file_name().map(str::to_owned);
    fault
}

/// What is in a folder.
struct Found {
    report: VerifyReport,
    remains: Remains,
    is_journal_clean: bool,
    /// Why a repair would not succeed, where it would not.
    hopeless: Option<EngineError>,
}

impl Found {
    fn of(
        folder: &StoreFolder,
        key: Option<&DeviceKey>,
        options: &Options,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Option<Self>, Error> {
        let mut progress = |replayed: Replayed| {
            if replayed.done > 0 {
                options.tell(Progress::Verifying {
                    done_bytes: replayed.done,
                    total_bytes: replayed.total,
                });
            }
            if go_on() {
                Visit::Continue
            } else {
                Visit::Stop
            }
        };
        let files = folder.journal_files()?;
        let misnamed = folder.misnamed().into_iter();
        let mut faults: Vec<_> = misnamed
            .map(|why| Fault::of_store("CURRENT", why))
            .collect();
        let store = Store::of(folder, options, &mut faults, go_on)?;
        if !go_on() {
            return Ok(None); // without all of the store
        }
        let kv = store.as_ref().map(|store| &*store.kv);
        let remains = kv.and_then(|kv| guarded_quietly(|| Remains::of(kv).ok()).flatten());
        let remains = if has_seal(folder.live_store()) {
            Some(remains.unwrap_or_default().of_closed())
        } else {
            remains
        };
        let is_compared = store.as_ref().is_some_and(|store| store.is_believed);
        let compared = kv.filter(|_| is_compared);
        let device = key.map(DeviceKey::device_id);
        let mut look_beside = |store: Option<&dyn Kv>| {
            guarded_quietly(|| look(&files, store, remains.as_ref(), device, &mut progress))
        };
        let mut inspected = look_beside(compared);
        if inspected.is_none() && compared.is_some() {
            let why = format!("it cannot be read: {GIVEN_UP}");
            faults.push(Fault::of_store(folder.live_name(), why));
            inspected = look_beside(None);
        }
        let inspected = inspected.ok_or_else(|| Error::bug("reading the folder panicked"))??;
        let copied = folder.copied_from().map(|copied| {
            let path = copied.path.map(|path| path.display().to_string());
            CopiedFolder::unopened(path, copied.is_there)
        });
        Ok(inspected.map(|mut inspected| {
            inspected.report.copied = copied.or(inspected.report.copied);
            faults.append(&mut inspected.report.faults);
            for fault in faults.iter_mut().filter(|f| f.part == FaultPart::Key) {
                fault.file = options.keys.file_name().map(str::to_owned);
            }
            inspected.report.problems = faults.iter().map(ToString::to_string).collect();
            inspected.report.faults = faults;
            Self {
                report: inspected.report,
                remains: remains.unwrap_or_default(),
                is_journal_clean: inspected.survey.is_clean(),
                hopeless: inspected.hopeless,
            }
        }))
    }
}

/// A copy of the folder's store, to be looked at.
struct Store {
    kv: Box<dyn Kv>,
    /// Whether it can be compared with the journal.
    is_believed: bool,
    _copy: StoreCopy,
}

impl Store {
    /// `None` where there is none that opens, or once `go_on` says no.
    fn of(
        folder: &StoreFolder,
        options: &Options,
        faults: &mut Vec<Fault>,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Option<Self>, Error> {
        let (path, name) = (folder.live_store(), folder.live_name());
        let trust = check_seal(path);
        let engine = folder.live_engine();
        let is_believed = match &trust {
            Trust::Missing => {
                faults.push(Fault::of_store(&name, "the store is not there"));
                false
            }
            Trust::Damaged { what } => {
                faults.push(Fault::of_store(&name, what.to_string()));
                true
            }
            Trust::Clean => true,
            // A machine that went down leaves any mixture, and the next opening begins anew.
            Trust::Unclean { same_boot } => *same_boot || engine.outlives_power_loss(path),
        };
        let path = match trust {
            Trust::Missing => folder.dir().join(format!("{name}.damaged")),
            _ => path.to_owned(),
        };
        let Some(copy) = StoreCopy::of(&path, go_on)? else {
            return Ok(None);
        };
        match guarded_quietly(|| engine.open_unsealed(copy.path(), options.cache_bytes)) {
            Some(Ok(kv)) => Ok(Some(Self {
                kv,
                is_believed,
                _copy: copy,
            })),
            Some(Err(error)) if is_believed => {
                faults.push(Fault::of_store(name, format!("it does not open: {error}")));
                Ok(None)
            }
            None if is_believed => {
                let why = format!("it does not open: {GIVEN_UP}");
                faults.push(Fault::of_store(name, why));
                Ok(None)
            }
            _ => Ok(None),
        }
    }
}
