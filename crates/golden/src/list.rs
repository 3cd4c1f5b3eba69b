//! Which golden files there are.

/// One golden file.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The folder of the crate below `crates/`.
    pub crate_name: &'static str,
    /// The name of the file, without `.hex` or `.txt`.
    pub name: &'static str,
    /// What it holds, in a few words.
    pub what: &'static str,
    /// The types of the crate whose encoding it holds, as the source names them.
    pub types: &'static [&'static str],
}

const fn document(name: &'static str, what: &'static str, types: &'static [&'static str]) -> Entry {
    entry("document", name, what, types)
}

const fn protocol(name: &'static str, what: &'static str, types: &'static [&'static str]) -> Entry {
    entry("protocol", name, what, types)
}

const fn store(name: &'static str, what: &'static str, types: &'static [&'static str]) -> Entry {
    entry("store", name, what, types)
}

const fn engine(name: &'static str, what: &'static str, types: &'static [&'static str]) -> Entry {
    entry("engine", name, what, types)
}

const fn entry(
    crate_name: &'static str,
    name: &'static str,
    what: &'static str,
    types: &'static [&'static str],
) -> Entry {
    Entry {
        crate_name,
        name,
        what,
        types,
    }
}

/// Every golden file, in the order of docs/format.md and docs/protocol.md.
///
/// A type that is stored or sent stands with the file that holds its bytes; `tidy` finds one that stands nowhere.
pub const LIST: &[Entry] = &[
    document("register_keys", "paths and their register keys", &[]),
    document(
        "change",
        "a raw change as `Record::write` makes it",
        &["Change"],
    ),
    document(
        "change_typed",
        "a raw change that makes and changes a counter, a text, a list and sets, behind its genesis changes",
        &["Change"],
    ),
    document("saved_document", "a saved Automerge document", &[]),
    document(
        "derived_names",
        "id of a keyed record, of a conflict entry; a version; a change hash",
        &["RecordId", "EntryId", "ChangeHash"],
    ),
    document("row", "a row with every kind of value", &["Row", "Value"]),
    document(
        "row_typed",
        "a row with a counter, a text, a list and sets",
        &["Row", "Value"],
    ),
    document(
        "evidence",
        "conflict entries of every kind, candidate and action",
        &[
            "Evidence",
            "Agreed",
            "Entry",
            "Kind",
            "Shown",
            "Candidate",
            "Member",
            "MemberAction",
            "Span",
            "Review",
            "ReviewAction",
            "OpId",
            "ActorId",
        ],
    ),
    document(
        "rules",
        "rules with every condition and policy, in the form in which they travel, and their version",
        &[],
    ),
    store(
        "journal_segment_1",
        "the first segment: header, groups, frames",
        &["SegmentHeader"],
    ),
    store("journal_segment_2", "a segment after the first", &[]),
    store("journal_pack_1", "a packed segment", &["PackHeader"]),
    store(
        "journal_mended_1",
        "what is left of a damaged segment",
        &["MendHeader"],
    ),
    store("position", "a position in the journal", &[]),
    store("key_tuple", "a tuple of every kind of element", &[]),
    store("stored_value", "a value behind its header", &[]),
    store("stored_head", "the head of a value in chunks", &["Head"]),
    store("stored_chunk", "a chunk", &[]),
    store(
        "sled_tree",
        "what sled holds of a small and a long value",
        &[],
    ),
    store(
        "redb_tables",
        "what redb holds of a small and a long value",
        &[],
    ),
    store("seal", "the seal of a store", &[]),
    store("mark", "the mark of an open store", &[]),
    store("current", "CURRENT", &[]),
    store("current_redb", "CURRENT of a store of redb", &[]),
    engine("note_frame", "a journal frame with a local setting", &[]),
    engine(
        "note_elsewhere",
        "the setting on a feed of this device that another folder wrote",
        &["Arrived"],
    ),
    engine(
        "note_copied",
        "the setting on where a folder was copied from",
        &["CopiedFolder"],
    ),
    engine("space_01_state", "position, counters, own feed", &["State"]),
    engine("space_02_member", "membership records by hash", &[]),
    engine("space_03_feed", "a feed, and one after another", &["Feed"]),
    engine(
        "space_04_envelope",
        "places of envelopes",
        &["EnvelopePlace"],
    ),
    engine(
        "space_05_row",
        "rows with what belongs to the record",
        &["StoredRow"],
    ),
    engine("space_06_document", "loose changes", &[]),
    engine("space_07_conflict", "conflict entries of a record", &[]),
    engine("space_08_alias", "records by conflict entry", &[]),
    engine("space_09_commit", "commits by number", &[]),
    engine(
        "space_10_quarantine",
        "an envelope that is not applied",
        &["Verdict"],
    ),
    engine(
        "space_11_refused_change",
        "a change that is not applied",
        &["RefusedChange"],
    ),
    engine(
        "space_12_note",
        "settings, the note on a peer among them",
        &["Peer"],
    ),
    engine(
        "space_13_packed_envelopes",
        "stretches of packed envelopes",
        &["Stretch"],
    ),
    engine(
        "space_14_packed_commits",
        "stretches of packed commits",
        &[],
    ),
    engine("space_15_take_back", "what its author took back", &[]),
    engine("space_16_void", "what is applied and void", &[]),
    engine(
        "space_17_void_changes",
        "which changes of a record are void",
        &[],
    ),
    engine(
        "space_18_known",
        "the membership heads that an envelope and a change name",
        &[],
    ),
    engine(
        "space_19_lost",
        "an envelope on a branch that is to be written again",
        &[],
    ),
    engine(
        "space_20_waiting",
        "where an envelope lies that waits for what is gone",
        &[],
    ),
    engine(
        "space_21_waiting_record",
        "the same of a membership record",
        &[],
    ),
    engine(
        "space_22_reissued",
        "an envelope that its device has written again",
        &[],
    ),
    entry(
        "cli",
        "import_types",
        "the setting with the column types of an import",
        &[],
    ),
    protocol("device_id", "the public key of a device", &[]),
    protocol("feed_id", "a feed id", &[]),
    protocol("branch_id", "the id of a branch of that feed", &[]),
    protocol("workspace_id", "the id of a workspace", &[]),
    protocol(
        "signatures_by_domain",
        "a signature for each use",
        &["Signature"],
    ),
    protocol(
        "envelope",
        "the full form, body whole",
        &[
            "Envelope",
            "SignedHeader",
            "Header",
            "Meta",
            "Kind",
            "Stored",
            "WholeForm",
            "WholeGroup",
            "Item",
            "ItemPayload",
            "PayloadForm",
        ],
    ),
    protocol(
        "envelope_first",
        "the first of a feed that has one before, with all of meta",
        &["Predecessor", "Extension"],
    ),
    protocol(
        "envelope_reduced",
        "the full form, parts left out",
        &["PartialForm", "GroupSlot", "ItemSlot"],
    ),
    protocol("envelope_hash", "the hash of an envelope", &[]),
    protocol("envelope_body_hash", "the hash of a body", &[]),
    protocol(
        "envelope_wire",
        "the wire form",
        &["ShortBody", "ShortGroup", "ShortItem"],
    ),
    protocol(
        "envelope_wire_heads_given",
        "the wire form with membership heads",
        &["HeadsForm"],
    ),
    protocol(
        "envelope_first_wire",
        "the wire form of the first of a feed",
        &[],
    ),
    protocol(
        "record_genesis",
        "a membership record: genesis",
        &["Record", "RecordForm", "ContentForm", "Content", "Genesis"],
    ),
    protocol(
        "record_invite",
        "a membership record: invite",
        &["InviteForm"],
    ),
    protocol("record_join", "a membership record: join", &["Join"]),
    protocol("record_admit", "a membership record: admit", &["Admit"]),
    protocol("record_merge", "a membership record: merge", &[]),
    protocol(
        "record_set_rules",
        "a membership record: set rules",
        &["SetRules"],
    ),
    protocol(
        "record_remove",
        "a membership record: remove, with a cut",
        &["Remove", "EnvelopeName"],
    ),
    protocol(
        "record_adopt",
        "a membership record: adopt",
        &["Adopt", "EnvelopeName"],
    ),
    protocol(
        "record_accuse",
        "a membership record: accuse",
        &["Accuse", "SignedHeader"],
    ),
    protocol("membership_digest", "the digest of membership heads", &[]),
    protocol("link", "an invitation link", &["InviteLink"]),
    protocol("handshake_1", "the dialler's first handshake message", &[]),
    protocol(
        "handshake_2",
        "the listener's, with its binding",
        &["Binding"],
    ),
    protocol("handshake_3", "the dialler's second, with its binding", &[]),
    protocol(
        "handshake_hash",
        "the hash of that handshake, prologue included",
        &[],
    ),
    protocol("workspace_tag", "the workspace in a Hello", &[]),
    protocol("frame", "a frame of two messages", &["Message"]),
    protocol("message_hello", "a message", &["Hello"]),
    protocol("message_proof", "a message", &["ProofForm"]),
    protocol("message_join", "a message", &["JoinForm"]),
    protocol("message_welcome", "a message", &["RecordsForm"]),
    protocol("message_membershiphave", "a message", &["HaveForm"]),
    protocol("message_membership", "a message", &[]),
    protocol(
        "message_cursor",
        "a message",
        &["CursorForm", "CursorMark", "MarkForm", "RunSet", "Step"],
    ),
    protocol("message_position", "a message", &["PositionForm"]),
    protocol("message_envelope", "a message", &["EnvelopeForm"]),
    protocol("message_chunk", "a message", &["Chunk"]),
    protocol("message_credit", "a message", &["CreditForm"]),
    protocol("message_ahead", "a message", &["AheadForm"]),
    protocol("message_askheader", "a message", &["AskHeaderForm"]),
    protocol("message_header", "a message", &[]),
    protocol("message_done", "a message", &[]),
    protocol("message_ack", "a message", &["Ack", "HeldRun", "Refusal"]),
    protocol("message_error", "a message", &["ErrorForm", "Code"]),
    protocol("message_bye", "a message", &[]),
    protocol(
        "ack_signed_bytes",
        "what an acknowledgement signs",
        &["AckContent"],
    ),
    protocol("cursor_digest", "the digest of a cursor", &["CursorEntry"]),
    protocol("codes", "number, text, class and retry of every code", &[]),
];
