//! [`Conflict`]: one entry of the conflict log, as it stood when it was read.

use driftless_document::{
    Candidate, ChangeHash, EntryId, FieldKey, FieldType, Kind, Member, MemberAction, Policy,
    RecordId, Review, ReviewAction, Shown, Span, Status, value_to_json,
};
use driftless_engine::{
    ConflictPosition, ConflictView, DeviceName, Millis, RecordKey, came_about_ms,
};
use driftless_protocol::DeviceId;
use serde_json::{Value as Json, json};

use crate::limits::MEMBERS_A_PAGE;
use crate::time::rfc3339;

/// One entry of the conflict log, as it stood when it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Conflict {
    view: ConflictView,
}

/// Who wrote something, and when they say they did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// The device; `None` where the list of members does not know it.
    pub device: Option<DeviceId>,
    /// The name it joined with.
    pub device_name: Option<String>,
    /// Milliseconds since 1970: a claim, for people to read.
    pub time_ms: i64,
    /// The change, in hex.
    pub change: String,
}

/// One side of an entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// What it reads there: JSON, `{"$absent": true}` for nothing, `"keep"` for keeping a record,
    /// `{"$fields": true}` for the fields below.
    pub value: Json,
    /// Who made it.
    pub author: Author,
}

/// One write that took part in an entry, or an edit that wants its record kept.
#[derive(Clone, Debug, PartialEq)]
pub struct ConflictMember {
    /// What it did.
    pub act: MemberAct,
    /// Who made it.
    pub author: Author,
    /// Whether it is, or is part of, one of the candidates; the others were replaced before anybody decided.
    pub candidate: bool,
}

/// What a member did.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum MemberAct {
    /// Gave the field a value.
    Put(Json),
    /// Emptied the field.
    Delete,
    /// Edited another field of the record, and so wants the record kept.
    Touch,
    /// Edited a text; of a long edit, its beginning.
    Text {
        /// What it removed.
        deleted: String,
        /// What it put in.
        inserted: String,
    },
    /// Something that only a later Driftless knows.
    Other,
}

/// Something that somebody said of an entry: a decision, an acknowledgement, that it is open again.
#[derive(Clone, Debug, PartialEq)]
pub struct ConflictReview {
    /// What.
    pub what: ReviewAction,
    /// Who said it.
    pub author: Author,
    /// Whether it holds now: what was taken back or overtaken does not.
    pub stands: bool,
}

impl Conflict {
    pub(crate) fn new(view: ConflictView) -> Self {
        Self { view }
    }

    /// Its id, the same on every device.
    pub fn id(&self) -> EntryId {
        self.view.entry.id
    }

    /// Other ids it goes by.
    pub fn also(&self) -> &[EntryId] {
        &self.view.entry.also
    }

    /// The collection of the record.
    pub fn collection(&self) -> &str {
        &self.view.key.collection
    }

    /// The record.
    pub fn record(&self) -> RecordId {
        self.view.key.record
    }

    /// The path of the field, or `$deleted`; a member of a set and an element of a list have that of the set or list.
    pub fn path(&self) -> &str {
        FieldKey::path_in(&self.view.entry.register)
    }

    /// The member of a set that it is about, if it is about one.
    pub fn member(&self) -> Option<Json> {
        let key = FieldKey::parse(&self.view.entry.register)?;
        key.member().map(|member| value_to_json(&member))
    }

    /// The type of the field.
    pub fn field_type(&self) -> FieldType {
        FieldType::of(&self.view.entry.register)
    }

    /// Of an element of a list: where it stands now, counted from 0; none where it is there no more.
    pub fn index(&self) -> Option<usize> {
        self.view.place
    }

    /// What kind of overlap it is.
    pub fn kind(&self) -> Kind {
        self.view.entry.kind
    }

    /// Where it stands.
    pub fn status(&self) -> Status {
        self.view.status
    }

    /// What it read before the edits: one value, or several where the past was contested itself.
    pub fn base(&self) -> Vec<Json> {
        self.view.entry.base.iter().map(shown_to_json).collect()
    }

    /// What can be chosen from, in the same order on every device.
    pub fn candidates(&self) -> Vec<Choice> {
        let candidates = self.view.entry.candidates.iter();
        candidates.map(|candidate| self.choice(candidate)).collect()
    }

    /// The decision that is shown, if there is one.
    pub fn resolved(&self) -> Option<Choice> {
        let outcome = self.view.entry.outcomes.last()?;
        Some(self.choice(outcome))
    }

    /// The entry as a device shows it on which no functions are installed, the same everywhere: as it is exported.
    pub fn without_customs(self) -> Self {
        Self::new(self.view.without_customs())
    }

    /// What a policy shows while nobody has decided, as JSON; none where that is left to a person.
    pub fn picked(&self) -> Option<Json> {
        self.view.picked.as_ref().map(shown_to_json)
    }

    /// Every write that took part, in the same order on every device.
    pub fn members(&self) -> Vec<ConflictMember> {
        let members = self.view.entry.members.iter();
        let named = |member: &Member| self.view.devices.get(&member.operation.actor);
        members
            .map(|member| ConflictMember::new(member, named(member)))
            .collect()
    }

    /// What was said of it, in the same order on every device.
    pub fn reviews(&self) -> Vec<ConflictReview> {
        let reviews = self.view.entry.reviews.iter();
        let named = |review: &Review| self.view.devices.get(&review.operation.actor);
        reviews
            .map(|review| ConflictReview::new(review, named(review)))
            .collect()
    }

    /// Of a text: where each candidate differs from what all sides knew, in the text that it shows.
    pub fn spans(&self) -> &[Span] {
        &self.view.entry.spans
    }

    /// When it came to be what it is: the latest time that a member claims, in milliseconds since 1970.
    pub fn came_about_ms(&self) -> Millis {
        came_about_ms(&self.view.entry)
    }

    /// Where it stands in the order of all: what a page begins after.
    pub fn position(&self) -> ConflictPosition {
        ConflictPosition::of(&self.view)
    }

    /// The collection and the id of its record.
    pub fn record_key(&self) -> &RecordKey {
        &self.view.key
    }

    /// The whole entry, with every write that took part.
    pub fn view(&self) -> &ConflictView {
        &self.view
    }

    /// The entry as JSON; nothing in it depends on the device that answers, or on now, but for what a program's own
    /// policy picks: [`Conflict::without_customs`] leaves that out.
    ///
    /// It has the first hundred members, and how many there are as `members_total`.
    pub fn to_json(&self) -> Json {
        let also: Vec<_> = self.also().iter().map(ToString::to_string).collect();
        let candidates = self.candidates().into_iter().map(|choice| {
            let mut object = author_to_json(&choice.author);
            object["value"] = choice.value;
            object
        });
        let members = self.members();
        let some: Vec<_> = members
            .iter()
            .take(MEMBERS_A_PAGE)
            .map(ConflictMember::to_json)
            .collect();
        let resolved_by = self.resolved().map(|choice| author_to_json(&choice.author));
        let mut object = json!({
            "id": self.id().to_string(),
            "also": also,
            "collection": self.collection(),
            "record": self.record().to_string(),
            "path": self.path(),
            "kind": self.kind().as_str(),
            "status": self.status().as_str(),
            "policy": self.view.policy.as_str(),
            "rule": self.view.rule,
            "rule_name": self.view.rule_name,
            "picked_value": self.view.picked.as_ref().map(shown_to_json),
            "provisional": self.view.provisional,
            "base": self.base(),
            "candidates": candidates.collect::<Vec<_>>(),
            "resolved_by": resolved_by,
            "resolved_value": self.view.resolved.as_ref().map(shown_to_json),
            "came_about": rfc3339(self.came_about_ms()),
            "reviews": self.reviews().iter().map(ConflictReview::to_json).collect::<Vec<_>>(),
            "spans": self.spans().iter().map(span_to_json).collect::<Vec<_>>(),
            "members": some,
            "members_total": members.len(),
        });
        if self.field_type() != FieldType::Value {
            object["type"] = json!(self.field_type().as_str());
        }
        if let Some(member) = self.member() {
            object["member"] = member;
        }
        if let Policy::Custom(name) = &self.view.policy {
            object["function"] = json!(name);
        }
        if self.kind() == Kind::ListElement {
            object["index"] = json!(self.index());
            object["element"] = json!(element(&self.view.entry.register));
        }
        object
    }

    fn choice(&self, candidate: &Candidate) -> Choice {
        let named = self.view.devices.get(&candidate.actor());
        Choice {
            value: shown_to_json(&candidate.shown),
            author: Author::new(named, candidate.time, candidate.change),
        }
    }
}

impl Author {
    pub(crate) fn new(named: Option<&DeviceName>, commit_time: i64, change: ChangeHash) -> Self {
        Self {
            device: named.map(|named| named.device),
            device_name: named.map(|named| named.name.clone()),
            time_ms: wall_ms(commit_time),
            change: change.to_string(),
        }
    }
}

impl ConflictMember {
    pub(crate) fn new(member: &Member, named: Option<&DeviceName>) -> Self {
        Self {
            act: match &member.action {
                MemberAction::Put(value) => MemberAct::Put(value_to_json(value)),
                MemberAction::Delete => MemberAct::Delete,
                MemberAction::Touch => MemberAct::Touch,
                MemberAction::Text { deleted, inserted } => MemberAct::Text {
                    deleted: deleted.clone(),
                    inserted: inserted.clone(),
                },
                _ => MemberAct::Other,
            },
            author: Author::new(named, member.time, member.change),
            candidate: member.candidate,
        }
    }

    /// The member as JSON: `{action, candidate, device, device_name, time, change}`, and `value` of a put.
    pub fn to_json(&self) -> Json {
        let mut object = author_to_json(&self.author);
        object["action"] = json!(self.act.as_str());
        object["candidate"] = json!(self.candidate);
        match &self.act {
            MemberAct::Put(value) => object["value"] = value.clone(),
            MemberAct::Text { deleted, inserted } => {
                object["deleted"] = json!(deleted);
                object["inserted"] = json!(inserted);
            }
            _ => {}
        }
        object
    }
}

impl ConflictReview {
    fn new(review: &Review, named: Option<&DeviceName>) -> Self {
        Self {
            what: review.what.clone(),
            author: Author::new(named, review.time, review.change),
            stands: review.stands,
        }
    }

    /// The stable name of what was said.
    pub fn as_str(&self) -> &str {
        match &self.what {
            ReviewAction::Keep => "keep",
            ReviewAction::Merge => "merge",
            ReviewAction::Both => "both",
            ReviewAction::Acknowledge { .. } => "acknowledge",
            ReviewAction::Reopen => "reopen",
            ReviewAction::Other(word) => word,
            // Of a later Driftless.
            _ => "other",
        }
    }

    /// The review as JSON: `{what, stands, device, device_name, time, change}`, and `note` of an acknowledgement.
    pub fn to_json(&self) -> Json {
        let mut object = author_to_json(&self.author);
        object["what"] = json!(self.as_str());
        object["stands"] = json!(self.stands);
        if let ReviewAction::Acknowledge { note } = &self.what {
            object["note"] = json!(note);
        }
        object
    }
}

impl MemberAct {
    /// The stable name.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Put(_) => "put",
            Self::Delete => "delete",
            Self::Touch => "touch",
            Self::Text { .. } => "text",
            Self::Other => "other",
        }
    }
}

/// The name of an element in its register's key: the operation that put it in.
fn element(register: &str) -> Option<&str> {
    Some(register.rsplit_once('/')?.1)
}

fn span_to_json(span: &Span) -> Json {
    json!({
        "change": span.change.to_string(),
        "at": span.at,
        "deleted": span.deleted,
        "inserted": span.inserted,
    })
}

/// The wall time of a commit time, which has a counter in its lowest bits.
fn wall_ms(commit_time: i64) -> i64 {
    const COUNTER_BITS: u32 = 12;
    commit_time >> COUNTER_BITS
}

pub(crate) fn author_to_json(author: &Author) -> Json {
    json!({
        "device": author.device.map(|device| device.to_string()),
        "device_name": author.device_name,
        "time": rfc3339(author.time_ms),
        "change": author.change,
    })
}

pub(crate) fn shown_to_json(shown: &Shown) -> Json {
    match shown {
        Shown::Value(value) => value_to_json(value),
        Shown::Absent => json!({ "$absent": true }),
        Shown::Keep => json!("keep"),
        Shown::Fields => json!({ "$fields": true }),
        // Of a later Driftless.
        _ => Json::Null,
    }
}
