//! From the errors of the crates below to ours: the one place.
//!
//! Each variant is named, or a test fails (`tests.rs`); the last row of a match is for what the compiler cannot know.

#![expect(
    clippy::match_same_arms,
    reason = "naming a variant beside the row for all others is the point"
)]

use std::io::ErrorKind;
use std::time::Duration;

use driftless_document::{HistoryError, JsonError, PathError, RulesError, WriteError};
use driftless_engine::{DraftError, EngineError, SessionFailure};
use driftless_protocol::{Code, LinkError};
use driftless_store::{CopyError, FolderError, JournalError, KvError, SealError};

use super::Error;
use super::cases::{self, Case};

impl From<EngineError> for Error {
    fn from(error: EngineError) -> Self {
        use EngineError as E;
        let message = error.to_string();
        match error {
            E::NotFound { .. } => cases::NOT_FOUND.says(message),
            E::Ambiguous { .. } => cases::AMBIGUOUS.says(message),
            E::Deleted { .. } => cases::RECORD_DELETED.says(message),
            E::CollectionName { .. } | E::DeviceName { .. } => cases::BAD_NAME.says(message),
            E::Path(error) => error.into(),
            E::History(HistoryError::AmbiguousVersion { .. }) => {
                cases::AMBIGUOUS_VERSION.says(message)
            }
            E::History(HistoryError::NoSuchVersion { .. } | HistoryError::NoSuchChange { .. }) => {
                cases::UNKNOWN_VERSION.says(message)
            }
            E::Write(error) => of_write(&error).says(message),
            E::NamedTwice { .. } => cases::BAD_VALUE.says(message),
            E::TooMuch { .. } | E::NoteTooLong { .. } => cases::TOO_LARGE.says(message),
            E::DecisionDoesNotFit { current, .. } => cases::BAD_VALUE.says(message).about(*current),
            E::ConflictClosed { current } => cases::CONFLICT_CLOSED.says(message).about(*current),
            E::ConflictOpen { current } => cases::CONFLICT_OPEN.says(message).about(*current),
            E::ConflictGrown { current } => cases::CONFLICT_GROWN.says(message).about(*current),
            E::NoSuchCandidate { current, .. } => {
                cases::NO_SUCH_CANDIDATE.says(message).about(*current)
            }
            E::BothCannotStand {
                remedy, current, ..
            } => {
                let mut ours = cases::BOTH_CANNOT_STAND.says(message).about(*current);
                ours.remedy = remedy.into();
                ours
            }
            E::NoCandidateFits { current, .. } => {
                cases::NO_CANDIDATE_FITS.says(message).about(*current)
            }
            E::NotAllowed { .. } => Self::of_code(Code::NotAllowed, Some(&message)),
            E::NotAdoptable { .. } => cases::NOT_ADOPTABLE.says(message),
            E::NotReissuable { .. } => cases::NOT_REISSUABLE.says(message),
            E::NotDiscardable { .. } => cases::NOT_DISCARDABLE.says(message),
            E::Journal(error) => error.into(),
            E::Store(error) => error.into(),
            E::StoreDamaged { .. } | E::JournalShort { .. } => cases::STORE_DAMAGED.says(message),
            E::JournalDamaged { .. } => cases::JOURNAL_DAMAGED.says(message),
            E::MembershipLost { .. } => cases::MEMBERSHIP_LOST.says(message),
            E::OtherKey { .. } => cases::WRONG_KEY.says(message),
            E::NoWorkspace => cases::NO_STORE.says(message),
            E::Peer { code, detail } => Self::of_code(code, Some(&detail)),
            E::Broken => cases::STORAGE_FAILED.says(message),
            E::OwnChangeRefused(_) | E::Apply(_) => Self::bug(message),
            // None is left; a test looks for each by its name.
            _ => Self::bug(message),
        }
    }
}

fn of_write(error: &WriteError) -> &'static cases::Case {
    use WriteError as W;
    match error {
        W::OtherType { .. }
        | W::HasNoFields { .. }
        | W::HasFields { .. }
        | W::StaysInside { .. }
        | W::CannotUnset { .. } => &cases::OTHER_TYPE,
        W::OutOfRange { .. } => &cases::OUT_OF_RANGE,
        W::TooMuch { .. } => &cases::TOO_LARGE,
        W::RecordFull => &cases::RECORD_FULL,
        W::NotAField { .. }
        | W::NotFinite { .. }
        | W::NotCanonical { .. }
        | W::DoesNotFit { .. }
        | W::IncrementTooLarge { .. }
        | W::NotAMember { .. } => &cases::BAD_VALUE,
        _ => &cases::BAD_VALUE,
    }
}

impl From<RulesError> for Error {
    fn from(error: RulesError) -> Self {
        let mut says = cases::BAD_RULES.says(error.to_string());
        says.remedy = error.remedy().into();
        says
    }
}

impl From<FolderError> for Error {
    fn from(error: FolderError) -> Self {
        let message = error.to_string();
        match error {
            FolderError::NotFound { dir } => {
                cases::NO_STORE.says(format!("{} holds no workspace", dir.display()))
            }
            FolderError::AlreadyHoldsStore { dir } => Self::folder_exists(&dir),
            FolderError::Busy { dir, pid } => {
                let who = match pid {
                    Some(pid) if pid == std::process::id() => "this process".to_owned(),
                    Some(pid) => format!("process {pid}"),
                    None => "another process".to_owned(),
                };
                cases::FOLDER_BUSY.says(format!("{} is in use by {who}", dir.display()))
            }
            FolderError::BadCurrent { .. }
            | FolderError::UnknownEngine { .. }
            | FolderError::Incomplete {
                missing: "CURRENT", ..
            } => cases::STORE_UNNAMED.says(message),
            FolderError::Incomplete { .. } => cases::FOLDER_DAMAGED.says(message),
            FolderError::BadSeed { .. } => cases::WRONG_KEY.says(message),
            FolderError::SeedExists { dir } => {
                let place = dir.display().to_string();
                Self::key_store(&place, "there is one already")
            }
            FolderError::Gone { .. } => cases::FOLDER_GONE.says(message),
            FolderError::Journal(error) => error.into(),
            FolderError::Io { source, .. } => storage(source.kind())
                .says(format!("{message}: {source}"))
                .with_source(source),
            _ => cases::STORAGE_FAILED.says(message),
        }
    }
}

impl From<JournalError> for Error {
    fn from(error: JournalError) -> Self {
        let message = error.to_string();
        match error {
            JournalError::Files(error) => {
                let reason = &error.source;
                storage(reason.kind())
                    .says(format!("the journal: {message}: {reason}"))
                    .with_source(error)
            }
            JournalError::Absent => cases::FOLDER_DAMAGED.says(message),
            JournalError::Damaged { .. }
            | JournalError::NoFrame { .. }
            | JournalError::RepairUnfinished => cases::JOURNAL_DAMAGED.says(message),
            JournalError::UnknownFormat { .. } | JournalError::UnknownKey { .. } => {
                cases::NEWER_FORMAT.says(message)
            }
            JournalError::FrameTooLong { .. } => cases::TOO_LARGE.says(message),
            JournalError::AlreadyExists
            | JournalError::NoCodec { .. }
            | JournalError::NotPackable { .. }
            | JournalError::NotClosed { .. } => Self::bug(message),
            JournalError::Full | JournalError::Poisoned => cases::STORAGE_FAILED.says(message),
            _ => cases::STORAGE_FAILED.says(message),
        }
    }
}

impl From<KvError> for Error {
    fn from(error: KvError) -> Self {
        let reason = std::error::Error::source(&error)
            .map_or_else(String::new, |source| format!(": {source}"));
        let message = format!("{error}{reason}");
        match error {
            KvError::KeyTooLong { .. } | KvError::ValueTooLong { .. } => {
                cases::TOO_LARGE.says(message)
            }
            KvError::Damaged { .. }
            | KvError::DoesNotOpen { .. }
            | KvError::UnsyncedFile { .. }
            | KvError::Engine(_) => cases::STORE_DAMAGED.says(message),
            KvError::UnknownFormat { .. } | KvError::UnknownKey { .. } => {
                cases::NEWER_FORMAT.says(message)
            }
            KvError::Injected => cases::STORAGE_FAILED.says(message),
            KvError::Io(source) => storage(source.kind()).says(message).with_source(source),
            _ => cases::STORAGE_FAILED.says(message),
        }
    }
}

impl From<CopyError> for Error {
    fn from(error: CopyError) -> Self {
        let message = error.to_string();
        match error {
            CopyError::Source(error) | CopyError::Target(error) => {
                Self::from(error).during(&message)
            }
            CopyError::Flip(error) => Self::from(error).during(&message),
            CopyError::Differs { .. } => Self::bug(message),
            CopyError::NoCopy => cases::STORAGE_FAILED.says(message),
            _ => cases::STORAGE_FAILED.says(message),
        }
    }
}

impl From<SealError> for Error {
    fn from(error: SealError) -> Self {
        let message = error.to_string();
        match error {
            SealError::Io { source, .. } => storage(source.kind())
                .says(format!("{message}: {source}"))
                .with_source(source),
            SealError::Unsealable { .. } => cases::STORE_DAMAGED.says(message),
            _ => cases::STORE_DAMAGED.says(message),
        }
    }
}

impl From<JsonError> for Error {
    fn from(error: JsonError) -> Self {
        cases::BAD_VALUE
            .says(format!("the value cannot be kept as it is: {error}"))
            .with_source(error)
    }
}

impl From<PathError> for Error {
    fn from(error: PathError) -> Self {
        cases::BAD_PATH.says(error.to_string()).with_source(error)
    }
}

impl From<DraftError> for Error {
    fn from(error: DraftError) -> Self {
        cases::BAD_DRAFT.says(error.to_string()).with_source(error)
    }
}

impl From<LinkError> for Error {
    fn from(error: LinkError) -> Self {
        let mut ours = cases::BAD_LINK.says(error.to_string());
        ours.remedy = error.remedy().into();
        ours
    }
}

impl From<SessionFailure> for Error {
    fn from(failure: SessionFailure) -> Self {
        let mut error = Self::of_code(failure.code, Some(&failure.detail));
        let seconds = u64::from(failure.retry_after_s);
        error.retry_after = (seconds > 0).then(|| Duration::from_secs(seconds));
        error
    }
}

/// What a person does about a disk depends on what the system says.
fn storage(kind: ErrorKind) -> &'static Case {
    match kind {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            &cases::DISK_FULL
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => &cases::NOT_WRITABLE,
        _ => &cases::STORAGE_FAILED,
    }
}

/// Whether the store, and not the journal, is what is wrong: then it can be derived again.
pub(crate) fn is_store_damage(error: &EngineError) -> bool {
    match error {
        EngineError::StoreDamaged { .. } | EngineError::JournalShort { .. } => true,
        EngineError::Store(error) => is_kv_damage(error),
        _ => false,
    }
}

/// Whether a store that answers this should be derived again.
pub(crate) fn is_kv_damage(error: &KvError) -> bool {
    matches!(
        error,
        KvError::Damaged { .. }
            | KvError::DoesNotOpen { .. }
            | KvError::UnsyncedFile { .. }
            | KvError::Engine(_)
    )
}
