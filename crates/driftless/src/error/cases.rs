//! The errors this crate finds itself: codes, sentences and remedies.

use std::borrow::Cow;
use std::fmt::Display;

use driftless_protocol::{Class, Code};

use super::{Error, ErrorKind};

/// A code of this crate with what is always true of it.
pub(super) struct Case {
    pub(super) code: &'static str,
    pub(super) class: Class,
    pub(super) kind: ErrorKind,
    pub(super) retry: bool,
    pub(super) remedy: &'static str,
}

impl Case {
    pub(super) fn says(&self, message: impl Into<String>) -> Error {
        Error {
            code: self.code,
            class: self.class,
            kind: self.kind,
            message: message.into(),
            remedy: Cow::Borrowed(self.remedy),
            retry: self.retry,
            retry_after: None,
            source: None,
            conflict: None,
        }
    }
}

macro_rules! cases {
    ($($name:ident = $code:literal, $class:ident, $kind:ident, $retry:literal, $remedy:literal;)*) => {
        $(pub(super) const $name: Case = Case {
            code: $code,
            class: Class::$class,
            kind: ErrorKind::$kind,
            retry: $retry,
            remedy: $remedy,
        };)*

        /// All of them: this crate's part of the taxonomy.
        #[cfg(test)]
        pub(super) const ALL: &[&Case] = &[$(&$name),*];
    };
}

cases! {
    BAD_ADDRESS = "bad_address", Validation, Usage, false,
        "Write the address as ws://HOST:PORT, for example ws://192.168.1.20:7717.";
    TLS_UNSUPPORTED = "tls_unsupported", Validation, Usage, false,
        "Use the ws:// address of the device: what is sent is encrypted between the two devices all the same.";
    NO_PEER = "no_peer", Validation, Usage, false,
        "Give the address of a device, as in ws://192.168.1.20:7717.";
    BAD_LINK = "bad_link", Validation, Usage, false,
        "Copy the whole invitation link again.";
    BAD_VALUE = "bad_value", Validation, Usage, false,
        "Change the value; nothing was written.";
    BAD_RULES = "bad_rules", Validation, Usage, false,
        "Mend the rules where the message says; nothing was set.";
    OTHER_TYPE = "other_type", Validation, Usage, false,
        "Use what changes a field of its type, or another field; nothing was written.";
    OUT_OF_RANGE = "out_of_range", Validation, Usage, false,
        "Read the field again, and count from 0; nothing was written.";
    BAD_NAME = "bad_name", Validation, Usage, false,
        "Choose another name; nothing was written.";
    BAD_PATH = "bad_path", Validation, Usage, false,
        "Write the field as in address.city, with a \\ before a dot that belongs to a name.";
    TOO_LARGE = "too_large", Quota, Usage, false,
        "Write it in smaller parts; nothing was written.";
    RECORD_FULL = "record_full", Quota, Usage, false,
        "Go on in a new record with what this one holds; nothing was written.";
    NOT_FOUND = "not_found", Validation, NotFound, false,
        "Check the name; a listing shows what there is.";
    AMBIGUOUS = "ambiguous", Validation, Usage, false,
        "Give more of the id.";
    AMBIGUOUS_VERSION = "ambiguous", Validation, Usage, false,
        "Give more of the version; the record's history has them all.";
    UNKNOWN_VERSION = "unknown_version", Validation, NotFound, false,
        "Look at the record's history for the versions that this device knows; a sync may bring more.";
    RECORD_DELETED = "record_deleted", Validation, NotFound, false,
        "Restore the record first, then edit it.";
    CONFLICT_CLOSED = "conflict_closed", Conflict, Conflict, false,
        "Nothing to do; to decide otherwise, undo the decision first, or edit the field.";
    CONFLICT_OPEN = "conflict_open", Conflict, Conflict, false,
        "Nothing to do: the conflict waits for a decision.";
    BOTH_CANNOT_STAND = "both_cannot_stand", Validation, Usage, false,
        "Keep one of the candidates.";
    CONFLICT_GROWN = "conflict_grown", Conflict, Conflict, false,
        "Look at the conflict again, then decide.";
    NO_SUCH_CANDIDATE = "no_such_candidate", Validation, Usage, false,
        "Look at the conflict and count its candidates from 0.";
    NO_CANDIDATE_FITS = "no_candidate_fits", Conflict, Conflict, false,
        "Decide it by hand: keep one of its candidates, or give another value.";
    NO_STORE = "no_workspace", Storage, NotFound, false,
        "Check the folder's name, or make a workspace in it with `init` or `join`.";
    HOLDS_STORE = "workspace_exists", Conflict, Refused, false,
        "Use the workspace that is there, or choose another folder.";
    FOLDER_BUSY = "folder_busy", Conflict, Busy, true,
        "Close the other program that has it open, then try again.";
    FOLDER_DAMAGED = "folder_damaged", Storage, Storage, false,
        "Bring the missing file back from a copy of the folder, or join the workspace again in a new folder.";
    FOLDER_GONE = "folder_gone", Storage, Storage, false,
        "If it was moved, use it where it is now: nothing is lost. If it was removed, bring it back from a copy, or join again in a new folder and sync.";
    STORE_UNNAMED = "store_unnamed", Storage, Storage, false,
        "Derive the store again with `driftless rebuild`: nothing is lost. Or use the version of Driftless that wrote it.";
    JOURNAL_DAMAGED = "journal_damaged", Storage, Storage, false,
        "Run `driftless repair`: it keeps all that is whole, and what is damaged comes back with the next sync.";
    STORE_DAMAGED = "store_damaged", Storage, Storage, false,
        "Open the folder again: the store is then rebuilt from the journal, and nothing is lost.";
    STORAGE_FAILED = "storage_failed", Storage, Storage, true,
        "Check that the folder is there and may be written, and that the disk has space and is sound; what was acknowledged is safe.";
    DISK_FULL = "disk_full", Storage, Storage, false,
        "Free some space on the disk, then try again; what was acknowledged is safe.";
    NOT_WRITABLE = "not_writable", Storage, Storage, false,
        "Make the folder and everything in it readable and writable for this user, then try again; what was acknowledged is safe.";
    BAD_DRAFT = "bad_draft", Validation, Usage, false,
        "Give a draft as `driftless outbox discard` wrote it; only its values are to be edited.";
    NOT_DISCARDABLE = "not_discardable", Conflict, Refused, false,
        "Nothing was changed. To undo what a record says, edit the record.";
    NOT_ADOPTABLE = "not_adoptable", Conflict, Refused, false,
        "Nothing was changed. Adopted is what a removed device had not sent, or what waits for an admission.";
    NOT_REISSUABLE = "not_reissuable", Conflict, Refused, false,
        "Nothing was changed. Written again is what another run of this device wrote with numbers that were taken.";
    MEMBERSHIP_LOST = "membership_lost", Storage, Storage, false,
        "Bring the folder back from a copy, or join the workspace again in a new folder. Nothing was changed here: keep this folder, for what was never synced is nowhere else.";
    NEWER_FORMAT = "needs_newer_version", Storage, Storage, false,
        "Update Driftless on this device.";
    KEY_MISSING = "device_key_missing", Storage, Storage, false,
        "Bring the key back from a copy, or join the workspace again in a new folder; what is stored is untouched, and `driftless verify` checks it without the key.";
    WRONG_KEY = "wrong_device_key", Storage, Storage, false,
        "Bring the folder's own key back from a copy, or join the workspace again in a new folder; what is stored is untouched, and `driftless verify` checks it without the key.";
    PORT_IN_USE = "port_in_use", Conflict, Busy, true,
        "Stop the other program that listens there, or choose another port.";
    CANNOT_LISTEN = "cannot_listen", Network, Usage, false,
        "Choose an address of this machine and a port above 1023, for example 127.0.0.1:7717.";
    PEER_UNREACHABLE = "peer_unreachable", Network, Network, true,
        "Check the address, and that the other device is on and serving; nothing is lost, try again later.";
    CONNECTION_LOST = "connection_lost", Network, Network, true,
        "Sync again: it goes on where it stopped.";
    NOT_DRIFTLESS = "not_driftless", Protocol, Network, false,
        "Check the address: another program answers there.";
    CLOSED = "closed", Validation, Other, false,
        "Open the database again.";
    SUSPENDED = "suspended", Validation, Other, false,
        "Resume the database first.";
    STOPPED = "stopped", Validation, Other, false,
        "Connect again.";
    SWITCHED_OFF = "switched_off", Validation, Usage, false,
        "Switch push or pull of the connection on.";
    NO_THREAD = "no_thread", Storage, Other, true,
        "Close some programs, then try again.";
}

impl Error {
    pub(crate) fn bad_address(address: &str, reason: &str) -> Self {
        BAD_ADDRESS.says(format!("`{address}` is no address of a device: {reason}"))
    }

    pub(crate) fn tls_unsupported(address: &str) -> Self {
        TLS_UNSUPPORTED.says(format!("`{address}`: wss:// is not supported yet"))
    }

    pub(crate) fn no_peer() -> Self {
        NO_PEER.says(
            "no address was given, and this device has not synced with one that has an address",
        )
    }

    pub(crate) fn folder_exists(dir: &std::path::Path) -> Self {
        HOLDS_STORE.says(format!("{} holds a workspace already", dir.display()))
    }

    pub(crate) fn not_a_workspace(dir: &std::path::Path) -> Self {
        NO_STORE.says(format!(
            "{} holds no workspace: making it was not finished",
            dir.display()
        ))
    }

    /// A store that was closed once stands beside no journal.
    pub(crate) fn journal_missing(dir: &std::path::Path) -> Self {
        JOURNAL_DAMAGED.says(format!("the journal of {} is missing", dir.display()))
    }

    pub(crate) fn key_missing(place: &str) -> Self {
        KEY_MISSING.says(format!(
            "{place}: the key of this folder's device is missing"
        ))
    }

    /// The key at `place` is not the folder's: `what` says why.
    pub(crate) fn wrong_key(place: &str, what: &str) -> Self {
        WRONG_KEY.says(format!("{place}: {what}"))
    }

    /// Whether the folder's own key is what is wanting, so that the rest can be looked at without it.
    pub(crate) fn is_about_key(&self) -> bool {
        [KEY_MISSING.code, WRONG_KEY.code].contains(&self.code)
    }

    /// A key store could not keep, load or forget the key of the database at `place`.
    pub fn key_store(place: &str, reason: impl Display) -> Self {
        STORAGE_FAILED.says(format!(
            "the device key of {place} cannot be kept: {reason}"
        ))
    }

    /// The temporary folder of a test could not be made.
    pub(crate) fn scratch(dir: &std::path::Path, source: std::io::Error) -> Self {
        STORAGE_FAILED
            .says(format!("{} could not be made: {source}", dir.display()))
            .with_source(source)
    }

    /// The connection could not be made at all.
    pub(crate) fn unreachable(address: impl Display, source: std::io::Error) -> Self {
        PEER_UNREACHABLE
            .says(format!("no device answers at {address}: {source}"))
            .with_source(source)
    }

    /// The connection was not made in time.
    pub(crate) fn unreachable_in_time(address: impl Display, seconds: u64) -> Self {
        PEER_UNREACHABLE.says(format!("no device answers at {address} within {seconds} s"))
    }

    /// It ended in the middle.
    pub(crate) fn connection_lost(reason: impl Display) -> Self {
        CONNECTION_LOST.says(format!(
            "the connection to the other device ended too early: {reason}"
        ))
    }

    /// Something answers, and it is no device.
    pub(crate) fn not_driftless(address: impl Display, reason: impl Display) -> Self {
        NOT_DRIFTLESS.says(format!(
            "what answers at {address} is no Driftless device: {reason}"
        ))
    }

    /// Listening failed.
    pub(crate) fn cannot_listen(address: &str, source: std::io::Error) -> Self {
        let case = match source.kind() {
            std::io::ErrorKind::AddrInUse => PORT_IN_USE,
            _ => CANNOT_LISTEN,
        };
        let message = match case.kind {
            ErrorKind::Busy => format!("{address} is in use by another program"),
            _ => format!("listening on {address} is not possible: {source}"),
        };
        case.says(message).with_source(source)
    }

    /// An address that was listened on before is not free any more.
    pub(crate) fn cannot_listen_again() -> Self {
        PORT_IN_USE.says("an address that this database served at is in use by another program")
    }

    /// The port of a running server could not be told.
    pub(crate) fn no_local_address(source: std::io::Error) -> Self {
        CANNOT_LISTEN
            .says(format!("the port that is listened on is unknown: {source}"))
            .with_source(source)
    }

    /// The database was closed.
    pub(crate) fn closed() -> Self {
        CLOSED.says("the database is closed")
    }

    /// The database is suspended.
    pub(crate) fn suspended() -> Self {
        SUSPENDED.says("the database is suspended: nothing is sent")
    }

    /// A sync in no direction.
    pub(crate) fn switched_off() -> Self {
        SWITCHED_OFF.says("the connection neither sends nor fetches")
    }

    /// This side ended it on purpose.
    pub(crate) fn stopped() -> Self {
        STOPPED.says("the connection was ended by this device")
    }

    /// Whether the database was closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.code == CLOSED.code
    }

    /// The operating system gave no thread.
    pub(crate) fn no_thread(source: std::io::Error) -> Self {
        NO_THREAD
            .says(format!("no thread could be started: {source}"))
            .with_source(source)
    }

    /// The JSON value is no object of fields.
    pub(crate) fn not_a_record(value: &serde_json::Value) -> Self {
        let mut text = value.to_string();
        if let Some((end, _)) = text.char_indices().nth(80) {
            text.truncate(end);
            text.push('…');
        }
        BAD_VALUE.says(format!(
            "a record is an object of fields, which this is not: {text}"
        ))
    }

    /// A device cannot have this name.
    pub(crate) fn device_name(limit: usize) -> Self {
        BAD_NAME.says(format!(
            "a device's name has 1 to {limit} characters, and no control characters"
        ))
    }

    /// Our own fault.
    pub(crate) fn bug(what: impl Display) -> Self {
        Self::of_code(Code::Bug, Some(&what.to_string()))
    }

    /// The other side was silent for too long.
    pub(crate) fn timeout(what: impl Display) -> Self {
        Self::of_code(Code::Timeout, Some(&what.to_string()))
    }

    /// An error of the taxonomy that devices share; `detail` says more about it.
    pub(crate) fn of_code(code: Code, detail: Option<&str>) -> Self {
        let message = match detail {
            None | Some("") => code.sentence().to_owned(),
            Some(detail) => format!("{} ({detail})", code.sentence().trim_end_matches('.')),
        };
        Case {
            code: code.as_str(),
            class: code.class(),
            kind: kind_of(code),
            retry: code.retry(),
            remedy: code.remedy(),
        }
        .says(message)
    }

    /// The same error, said of the peer at an address.
    pub(crate) fn at_address(self, address: impl Display) -> Self {
        self.during(&address.to_string())
    }
}

pub(super) fn kind_of(code: Code) -> ErrorKind {
    match code {
        Code::UnknownDevice
        | Code::OtherWorkspace
        | Code::InviteUnknown
        | Code::InviteUsedUp
        | Code::InviteExpired
        | Code::JoinInvalid
        | Code::NotAllowed
        | Code::ChangeRefused
        | Code::NoCommonVersion
        | Code::MembershipTooNew
        | Code::DeviceRemoved
        | Code::PastRemoval
        | Code::InviteClosed => ErrorKind::Refused,
        Code::Busy => ErrorKind::Busy,
        Code::StorageFailed => ErrorKind::Storage,
        Code::Timeout | Code::ShuttingDown | Code::HandshakeFailed => ErrorKind::Network,
        _ => ErrorKind::Other,
    }
}
