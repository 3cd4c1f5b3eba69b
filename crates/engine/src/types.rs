//! What goes in and out of a replica.

use std::collections::BTreeMap;

use driftless_document::{
    ActorId, ChangeHash, Entry, FieldPath, FieldType, HistoryStep, NoAuthors, Node, Policy,
    RecordId, Shown, Status, Value, Version,
};
use driftless_protocol::{Code, DeviceId, FeedId, Item, Role, WorkspaceId};

use crate::clock::Millis;
use crate::elsewhere::{CopiedFolder, WrittenElsewhere};
use crate::rules::RulesSummary;
use crate::upkeep::Fault;
use crate::used_twice::UsedTwice;
use crate::waiting::MissingRun;

/// Names a record in a workspace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordKey {
    /// Its collection.
    pub collection: String,
    /// Its id there.
    pub record: RecordId,
}

impl RecordKey {
    /// The record of an item in the group of a collection.
    pub(crate) fn of(collection: &str, item: &Item) -> Self {
        Self {
            collection: collection.to_owned(),
            record: RecordId(item.record),
        }
    }
}

/// A write that is durable on this replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The number of the last change of this replica, this one included.
    pub seq: u64,
    /// The record's version after it.
    pub version: Version,
    /// False where the write would have changed nothing, and so made no change.
    pub changed: bool,
    /// The envelope that carries it: feed and number; none where nothing changed.
    pub envelope: Option<(FeedId, u64)>,
}

/// One wish about one field.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Edit {
    /// The field shall hold this; an object replaces everything below the path. A counter, text, list or set gets the
    /// increment, the edits, the elements or the members that make it read so.
    Set {
        /// The field.
        path: FieldPath,
        /// What it shall hold.
        node: Node,
    },
    /// The field, and everything below it, shall be absent; a text or list shall be empty.
    Unset {
        /// The field.
        path: FieldPath,
    },
    /// A counter shall be so much more, or less; it is made where it is not there.
    Increment {
        /// The field.
        path: FieldPath,
        /// What is added.
        by: i64,
    },
    /// In a text, some characters shall go and others stand in their place; it is made where it is not there.
    Splice {
        /// The field.
        path: FieldPath,
        /// Where, in Unicode code points from its beginning.
        at: usize,
        /// How many code points go.
        delete: usize,
        /// What is put there.
        insert: String,
    },
    /// A text shall go on with these characters; it is made where it is not there.
    AppendText {
        /// The field.
        path: FieldPath,
        /// What is put at its end.
        text: String,
    },
    /// A text shall read so; what it reads alike already is left alone. It is made where it is not there.
    ReplaceText {
        /// The field.
        path: FieldPath,
        /// The whole text.
        text: String,
    },
    /// New elements in a list; it is made where it is not there.
    InsertElements {
        /// The field.
        path: FieldPath,
        /// Before which element, from 0; none for the end.
        at: Option<usize>,
        /// Their values.
        values: Vec<Value>,
    },
    /// An element of a list shall have this value.
    PutElement {
        /// The field.
        path: FieldPath,
        /// Which, from 0.
        at: usize,
        /// Its value.
        value: Value,
    },
    /// Some elements of a list shall go.
    RemoveElements {
        /// The field.
        path: FieldPath,
        /// The first, from 0.
        at: usize,
        /// How many.
        count: usize,
    },
    /// A set shall have this member, whoever removes it at the same time.
    AddMember {
        /// The field.
        path: FieldPath,
        /// A string, integer, boolean or finite number.
        member: Value,
    },
    /// A set shall not have this member.
    RemoveMember {
        /// The field.
        path: FieldPath,
        /// The member.
        member: Value,
    },
}

impl Edit {
    /// The field, and the type it must have.
    pub(crate) fn field(&self) -> (&FieldPath, FieldType) {
        match self {
            Self::Set { path, .. } | Self::Unset { path } => (path, FieldType::Value),
            Self::Increment { path, .. } => (path, FieldType::Counter),
            Self::Splice { path, .. }
            | Self::AppendText { path, .. }
            | Self::ReplaceText { path, .. } => (path, FieldType::Text),
            Self::InsertElements { path, .. }
            | Self::PutElement { path, .. }
            | Self::RemoveElements { path, .. } => (path, FieldType::List),
            Self::AddMember { path, .. } | Self::RemoveMember { path, .. } => {
                (path, FieldType::Set)
            }
        }
    }
}

/// A condition on one field.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    /// The field.
    pub path: FieldPath,
    /// The value it must have.
    pub value: Value,
    /// The value as it was written: a number also matches a string of the same text.
    pub text: String,
}

/// What an import did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportCounts {
    /// Records made.
    pub imported: u64,
    /// Records that had other values in the imported fields.
    pub updated: u64,
    /// Records that had the same values already.
    pub unchanged: u64,
    /// Records that are deleted here: left alone.
    pub skipped_deleted: u64,
}

/// A device and the name it goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceName {
    /// The device.
    pub device: DeviceId,
    /// Its name, from Genesis or Join.
    pub name: String,
}

/// One entry of the conflict log, as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct ConflictView {
    /// What overlapped.
    pub entry: Entry,
    /// In which record.
    pub key: RecordKey,
    /// Where it stands.
    pub status: Status,
    /// The policy that decided that.
    pub policy: Policy,
    /// The rule that gave the policy, counted from 0; none where no rule matches.
    pub rule: Option<usize>,
    /// The name of that rule, where it has one.
    pub rule_name: Option<String>,
    /// What was decided, if it was.
    pub resolved: Option<Shown>,
    /// What the policy shows while nobody has decided; none where it is `review`, or falls to it.
    pub picked: Option<Shown>,
    /// Whether the policy is a program's own that is not installed here.
    pub provisional: bool,
    /// Of an element of a list: where it stands now, counted from 0; none where it is there no more.
    pub place: Option<usize>,
    /// Who the actors of the entry are.
    pub devices: BTreeMap<ActorId, DeviceName>,
}

impl ConflictView {
    /// The entry as a device shows it on which no functions are installed: the same everywhere, whatever program asks.
    #[must_use]
    pub fn without_customs(mut self) -> Self {
        if matches!(self.policy, Policy::Custom(_)) {
            // A custom policy picks nothing by itself, whoever the authors are.
            let verdict = self.entry.verdict(&self.policy, &NoAuthors);
            self.status = verdict.status;
            self.picked = verdict.picked;
            self.provisional = verdict.provisional;
        }
        self
    }
}

/// A part of a record's history.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordHistory {
    /// The record.
    pub key: RecordKey,
    /// What its changes did, the oldest first.
    pub steps: Vec<HistoryStep>,
    /// How many more there are before them that fit what was asked for.
    pub earlier: u64,
    /// Who the actors of the steps are.
    pub devices: BTreeMap<ActorId, DeviceName>,
    /// The steps among these that do not count, each with why.
    pub void: BTreeMap<ChangeHash, Void>,
}

/// Why a change does not count that is applied: it is known to what came after it, and its values are not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Void {
    /// Its device was removed, or its admission does not stand; it is there for the sake of what rests on it.
    NotCurrent,
    /// It issues something again that another run of its device has issued again as well, and that one counts.
    Duplicate,
}

impl Void {
    /// The stable text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotCurrent => "not_current",
            Self::Duplicate => "duplicate",
        }
    }

    /// What a person can be told.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::NotCurrent => {
                "It does not count: its device is no member there. It is kept for the sake of what rests on it."
            }
            Self::Duplicate => {
                "It does not count: another run of its device wrote the same again as well, and that one counts."
            }
        }
    }
}

/// One committed change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeEvent {
    /// Its number on this replica: growing, without gaps, the same after a restart.
    pub seq: u64,
    /// The record it changed.
    pub key: RecordKey,
    /// The change.
    pub change: ChangeHash,
    /// The device that made it.
    pub device: DeviceId,
    /// When that device says it made it.
    pub time_ms: Millis,
}

/// A device this replica has met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerView {
    /// The device.
    pub device: DeviceId,
    /// Its name, where it is a member.
    pub name: Option<String>,
    /// Where it was reached.
    pub address: Option<String>,
    /// When a sync with it last came to its end.
    pub last_sync_ms: Option<Millis>,
    /// Envelopes, whoever made them, that it is not known to hold.
    pub lacks: u64,
    /// Envelopes that it holds and has refused.
    pub refused: u64,
}

/// How a record stands with the devices this one has met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordSync {
    /// Where the record is.
    pub state: SyncState,
    /// The peers that have acknowledged everything that touches it.
    pub peers: Vec<DeviceId>,
    /// Its conflict entries that a person has to decide.
    pub conflicts_open: u64,
}

/// Where the latest state of a record is known to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SyncState {
    /// Here; no peer was ever synced with.
    LocalOnly,
    /// Here; no peer has acknowledged all of it.
    Pending,
    /// Sent, and not acknowledged yet.
    InTransit,
    /// At least one peer has acknowledged all of it.
    Synced,
    /// A peer has refused a part of it.
    Refused {
        /// That peer.
        peer: DeviceId,
        /// Its reason.
        code: Code,
    },
}

impl SyncState {
    /// The stable text.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::LocalOnly => "local_only",
            Self::Pending => "pending",
            Self::InTransit => "in_transit",
            Self::Synced => "synced",
            Self::Refused { .. } => "refused",
        }
    }
}

/// A member of the workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberView {
    /// The device.
    pub device: DeviceId,
    /// Its name.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Whether it is a member now: [`MemberState::Active`].
    pub granted: bool,
    /// How it stands.
    pub state: MemberState,
    /// Who removed it, where it was.
    pub removed_by: Option<DeviceId>,
    /// How many lines of its changes go on beside each other. More than one shows that its folder was copied, restored from
    /// an older state, or repaired, and written to since; or that it is among [`StatusReport::used_twice`].
    pub lines: u64,
}

/// How a device that was let in stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MemberState {
    /// It is a member.
    Active,
    /// Its invite was used more often than it allows, or who let it in was removed: what it writes waits.
    Pending,
    /// It was removed.
    Removed,
}

impl MemberState {
    /// The stable text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Pending => "pending",
            Self::Removed => "removed",
        }
    }
}

/// How a replica stands; it says only what it knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusReport {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// This device.
    pub device: DeviceId,
    /// Its name.
    pub device_name: String,
    /// Records that are not deleted.
    pub records: u64,
    /// Records with changes made here that no peer has acknowledged as held.
    pub pending: u64,
    /// Those changes.
    pub pending_changes: u64,
    /// Conflict entries a person has to decide.
    pub conflicts_open: u64,
    /// The devices this replica has synced with.
    pub peers: Vec<PeerView>,
    /// Every device that was ever let in, with how it stands.
    pub members: Vec<MemberView>,
    /// Members who say that this device was removed.
    pub told_removed: Vec<DeviceName>,
    /// How many entries the cursor has: one a device, however often it was restarted.
    pub cursor_entries: u64,
    /// Envelopes that were refused, or wait for an admission, and that nobody has discarded.
    pub quarantined: u64,
    /// Bytes of the journal.
    pub journal_bytes: u64,
    /// Whether something was received that only a newer version understands.
    pub needs_newer_version: bool,
    /// The rules that hold.
    pub rules: RulesSummary,
    /// Devices that have signed different changes with the same numbers.
    pub used_twice: Vec<UsedTwice>,
    /// What was written under this device's key and not by this folder, until a person has read of it.
    pub elsewhere: Option<WrittenElsewhere>,
    /// Where this folder was copied from, if it was, until a person has read of it.
    pub copied: Option<CopiedFolder>,
}

/// What two equal replicas have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DigestReport {
    /// Over every record: collection, id, heads and row.
    pub records_digest: [u8; 32],
    /// Over every conflict entry that is not merely agreed.
    pub conflicts_digest: [u8; 32],
    /// Records that are not deleted.
    pub records: u64,
}

/// What a check of everything found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Envelopes read back and checked.
    pub envelopes: u64,
    /// Changes derived again.
    pub changes: u64,
    /// Records compared, deleted ones included.
    pub records: u64,
    /// Conflict entries compared.
    pub conflicts: u64,
    /// What is wrong, a sentence each; empty if all is well.
    pub problems: Vec<String>,
    /// The same, with the place and the remedy of each.
    pub faults: Vec<Fault>,
    /// Bytes at the journal's end that were half written and never acknowledged; the next opening cuts them.
    pub torn_bytes: u64,
    /// What was held here and is gone; of a journal that is damaged, what is gone once it is repaired.
    pub missing: Vec<MissingRun>,
    /// Envelopes that are whole and wait for what is missing.
    pub waiting: u64,
    /// What was written under this device's key and not by this folder, until a person has read of it. No fault.
    pub elsewhere: Option<WrittenElsewhere>,
    /// Where this folder was copied from, if it was, until a person has read of it. No fault.
    pub copied: Option<CopiedFolder>,
}

/// How far a replay of the journal is, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// Bytes read.
    pub done: u64,
    /// Bytes to read in all.
    pub total: u64,
}
