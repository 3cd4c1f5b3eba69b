//! The keys of a document of rules, for who reads one and for the schema.

/// The keys of the whole.
pub(super) const DOCUMENT: [&str; 2] = ["version", "rule"];

pub(super) const NAME: &str = "name";
pub(super) const COLLECTION: &str = "collection";
pub(super) const PATH: &str = "path";
pub(super) const TYPE: &str = "type";
pub(super) const KIND: &str = "kind";
pub(super) const EDITS: &str = "edits";
pub(super) const CANDIDATES: &str = "candidates";
pub(super) const DEVICES: &str = "devices";
pub(super) const SOME_ROLE: &str = "some_role";
pub(super) const EVERY_ROLE: &str = "every_role";
pub(super) const OWNER_WROTE: &str = "owner_wrote";
pub(super) const POLICY: &str = "policy";

/// The keys of a rule.
pub(super) const RULE: [&str; 12] = [
    NAME,
    COLLECTION,
    PATH,
    TYPE,
    KIND,
    EDITS,
    CANDIDATES,
    DEVICES,
    SOME_ROLE,
    EVERY_ROLE,
    OWNER_WROTE,
    POLICY,
];

/// The keys of a range.
pub(super) const RANGE: [&str; 2] = ["min", "max"];

/// The policies that are given nothing.
pub(super) const PLAIN_POLICIES: [&str; 12] = [
    "review",
    "max",
    "min",
    "any_true",
    "all_true",
    "longest",
    "first_edit",
    "most_edits",
    "prefer_owner",
    "latest",
    "edit_wins",
    "delete_wins",
];

pub(super) const RANK: &str = "rank";
pub(super) const PREFER_ROLE: &str = "prefer_role";
pub(super) const CUSTOM: &str = "custom";

/// The policies that are given something: a table with one of these keys.
pub(super) const GIVEN_POLICIES: [&str; 3] = [RANK, PREFER_ROLE, CUSTOM];
