//! The quarantine: envelopes that are held and passed on, and not applied; listed, explained, judged again.
//!
//! A verdict is a function of the envelope, its past and the membership log, so judging again changes nothing by
//! itself: it helps after an update of this program, and is done without being asked where a member's standing
//! changes. What is shown here decides nothing; [`Replica::discard`] does.

use std::fmt;
use std::str::FromStr;

use driftless_document::read_change;
use driftless_protocol::{Code, DeviceId, Envelope, FeedId};
use driftless_store::Visit;

use crate::clock::Millis;
use crate::core::{Judgement, TakenBack, Verdict};
use crate::error::EngineError;
use crate::replica::Replica;
use crate::space::{self, Space};
use crate::types::{RecordKey, Void};

/// What the settings begin with that say which items of others were dismissed; the item's id follows.
const DISMISSED_NOTE: &str = "dismissed/";

/// Names an envelope: its feed and its number there. As text `FEED:N`, the feed in hex.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnvelopeId {
    /// The feed.
    pub feed: FeedId,
    /// The number, from 1.
    pub n: u64,
}

impl EnvelopeId {
    /// The feed an envelope is signed for, and its number: its place too, unless that is a branch (`Core::id_of`).
    pub(crate) fn signed(envelope: &Envelope) -> Self {
        let header = envelope.header();
        Self {
            feed: header.feed,
            n: header.n,
        }
    }
}

impl fmt::Display for EnvelopeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.feed, self.n)
    }
}

impl fmt::Debug for EnvelopeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not `FEED:N`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not the id of a held change: 32 hex digits, a colon and a number")]
pub struct EnvelopeIdError {
    /// The text.
    pub text: String,
}

impl FromStr for EnvelopeId {
    type Err = EnvelopeIdError;

    fn from_str(text: &str) -> Result<Self, EnvelopeIdError> {
        let id = text.split_once(':').and_then(|(feed, n)| {
            let (feed, n) = (feed.parse().ok()?, n.parse().ok()?);
            Some(Self { feed, n })
        });
        id.ok_or_else(|| EnvelopeIdError {
            text: text.to_owned(),
        })
    }
}

/// Which items of a list to show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ItemPage {
    /// Only what comes after this item: the last one of the page before.
    pub after: Option<EnvelopeId>,
    /// At most so many; all without it.
    pub limit: Option<usize>,
    /// Also those that are settled: taken back by their author, or dismissed here.
    pub settled: bool,
}

/// What could make a quarantined envelope count.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitsFor {
    /// A newer release of this program.
    NewerVersion,
    /// That its author's standing as a member changes, or that an owner or admin adopts it.
    Admission,
    /// That an owner or admin adopts it: its device was removed.
    Adoption,
    /// That what it rests on is applied.
    Refused(EnvelopeId),
    /// That its device writes it again: it has signed two different changes with one number.
    Reissue,
    /// The same, and it is for this device to do when a person asks for it: another run of it wrote it.
    ReissueHere,
    /// Nothing: its author has taken it back.
    TakenBack,
    /// Nothing: its device has written it again.
    Reissued,
    /// Nothing: it breaks the rules of this release.
    Nothing,
}

impl WaitsFor {
    /// Whether judging it again can change anything, once what it waits for has come.
    pub fn retry_helps(&self) -> bool {
        matches!(
            self,
            Self::NewerVersion | Self::Admission | Self::Adoption | Self::Refused(_)
        )
    }

    /// What a person can be told.
    pub fn sentence(&self) -> String {
        match self {
            Self::NewerVersion => {
                "It is applied once this device runs a release that understands it.".into()
            }
            Self::Admission => {
                "It is applied by itself once a member lets its device in again.".into()
            }
            Self::Adoption => {
                "It is applied on every device once an owner or admin adopts it, here or elsewhere: `driftless \
                 quarantine adopt`."
                    .into()
            }
            Self::Refused(id) => format!("It is applied by itself once {id} is."),
            Self::Reissue => "Its device writes it again by itself when it syncs.".into(),
            Self::ReissueHere => {
                "Another run of this device wrote it and writes it again by itself; where that is gone, \
                 `driftless quarantine reissue` does so here."
                    .into()
            }
            Self::Reissued => "Its device has written it again.".into(),
            Self::TakenBack => {
                "No device applies it; its author gets its draft again by discarding it again."
                    .into()
            }
            Self::Nothing => {
                "No release that judges as this one does applies it: its author can discard it."
                    .into()
            }
        }
    }
}

/// Where an item of the quarantine stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ItemState {
    /// Nothing was decided about it.
    Open,
    /// Its author has taken it back, for everybody.
    TakenBack,
    /// Its device has written it again.
    Reissued,
    /// It was dismissed on this device: held and passed on as before, and not listed.
    Dismissed,
}

impl ItemState {
    /// The stable text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::TakenBack => "taken_back",
            Self::Reissued => "reissued",
            Self::Dismissed => "dismissed",
        }
    }
}

/// An envelope that is held and passed on, and not applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuarantineItem {
    /// Its name.
    pub id: EnvelopeId,
    /// Whose it is; `None` where the list of members does not know it.
    pub device: Option<DeviceId>,
    /// The name of that device.
    pub device_name: Option<String>,
    /// Whether it was made on this device.
    pub own: bool,
    /// When its device says that it was made.
    pub time_ms: Option<Millis>,
    /// Why it is not applied.
    pub code: Code,
    /// More about it.
    pub detail: String,
    /// The records it touches, as far as it can be read.
    pub records: Vec<RecordKey>,
    /// How many changes it has, as far as it can be read.
    pub changes: u64,
    /// What could make it count.
    pub waits_for: WaitsFor,
    /// Where it stands.
    pub state: ItemState,
}

/// An envelope that is applied for the sake of what rests on it, or twice, and does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VoidItem {
    /// Its name.
    pub id: EnvelopeId,
    /// Whose it is; `None` where the list of members does not know it.
    pub device: Option<DeviceId>,
    /// The name of that device.
    pub device_name: Option<String>,
    /// Whether it was made on this device.
    pub own: bool,
    /// When its device says that it was made.
    pub time_ms: Option<Millis>,
    /// Why it does not count.
    pub why: Void,
    /// The records it touches.
    pub records: Vec<RecordKey>,
    /// How many changes it has.
    pub changes: u64,
}

/// What judging again came to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Retried {
    /// It is applied now, and so many that rest on it.
    Admitted {
        /// Other items that left the quarantine with it.
        with: u64,
    },
    /// The verdict is what it was.
    Unchanged(Box<QuarantineItem>),
}

impl Replica {
    /// What is held and not applied, in the order of feeds and numbers.
    pub fn quarantine(&self, page: &ItemPage) -> Result<Vec<QuarantineItem>, EngineError> {
        let limit = page.limit.unwrap_or(usize::MAX);
        let mut items = Vec::new();
        for id in self.quarantined_after(page.after)? {
            if items.len() >= limit {
                break;
            }
            let item = self.quarantine_item(id)?;
            if page.settled || item.state == ItemState::Open {
                items.push(item);
            }
        }
        Ok(items)
    }

    pub(crate) fn quarantined_after(
        &self,
        after: Option<EnvelopeId>,
    ) -> Result<Vec<EnvelopeId>, EngineError> {
        let keys = self.core.keys;
        let from = after.map_or_else(Vec::new, |id| {
            keys.numbered(Space::Quarantine, &id.feed, id.n.saturating_add(1))
        });
        let mut found = Vec::new();
        let space = keys.space(Space::Quarantine);
        self.core.base.scan(&space, &from, &mut |key, _| {
            found.push(space::numbered_of(key));
            Visit::Continue
        })?;
        let ids = found.into_iter().map(|found| {
            let (feed, n) = found?;
            Ok(EnvelopeId { feed, n })
        });
        ids.collect()
    }

    /// How many items nothing was decided about.
    pub(crate) fn quarantined_open(&self) -> Result<u64, EngineError> {
        let mut open = 0;
        for id in self.quarantined_after(None)? {
            open += u64::from(self.state_of(id)? == ItemState::Open);
        }
        Ok(open)
    }

    /// Where an item stands.
    pub(crate) fn state_of(&self, id: EnvelopeId) -> Result<ItemState, EngineError> {
        self.item_state(&self.read_envelope(&id.feed, id.n)?)
    }

    /// One item of the quarantine, settled or not.
    pub fn quarantine_item(&self, id: EnvelopeId) -> Result<QuarantineItem, EngineError> {
        let (code, detail) = self.verdict(id)?.ok_or_else(|| EngineError::NotFound {
            what: "quarantined change",
            name: id.to_string(),
        })?;
        let envelope = self.read_envelope(&id.feed, id.n)?;
        let author = self.author_of(&id.feed);
        let detail = match self.left_out(id)? {
            Some(left_out) => format!("{detail}; not written again: {left_out}"),
            None => detail,
        };
        Ok(QuarantineItem {
            id,
            own: id.feed.belongs_to(&self.device()),
            device: author.as_ref().map(|(device, _)| *device),
            device_name: author.map(|(_, name)| name),
            time_ms: time_of(&envelope),
            code,
            detail,
            records: records_of(&envelope),
            changes: changes_of(&envelope),
            waits_for: self.waits_for(&envelope, code)?,
            state: self.item_state(&envelope)?,
        })
    }

    /// The item that a person names: `FEED:N`, or a beginning of its feed and the whole number.
    pub fn find_quarantined(&self, name: &str) -> Result<EnvelopeId, EngineError> {
        named("quarantined change", name, self.quarantined_after(None)?)
    }

    /// What a person names as if it were in the quarantine, and is applied without counting: the same names.
    pub fn find_void(&self, name: &str) -> Result<VoidItem, EngineError> {
        let void = self.core.void_envelopes()?;
        let id = named("void change", name, void.iter().map(|(id, _)| *id))?;
        let why = void.into_iter().find(|(other, _)| *other == id);
        let (_, why) = why.ok_or_else(|| EngineError::NotFound {
            what: "void change",
            name: name.to_owned(),
        })?;
        let envelope = self.read_envelope(&id.feed, id.n)?;
        let author = self.author_of(&id.feed);
        Ok(VoidItem {
            id,
            own: id.feed.belongs_to(&self.device()),
            device: author.as_ref().map(|(device, _)| *device),
            device_name: author.map(|(_, name)| name),
            time_ms: time_of(&envelope),
            why,
            records: records_of(&envelope),
            changes: changes_of(&envelope),
        })
    }

    /// Judges an item again.
    ///
    /// Where the verdict is another one now, everything is derived again from the journal, so that what follows
    /// is what a rebuild comes to. What is staged is committed before.
    pub fn retry_quarantined(&mut self, id: EnvelopeId) -> Result<Retried, EngineError> {
        self.check_usable()?;
        self.commit_group()?;
        let item = self.quarantine_item(id)?;
        let envelope = self.read_envelope(&id.feed, id.n)?;
        let before = self.quarantined_after(None)?.len();
        let judgement = self.core.judge_in_place(&envelope)?;
        if is_verdict(&item, &judgement) {
            return Ok(Retried::Unchanged(Box::new(item)));
        }
        self.rederive()?;
        if self.core.is_quarantined(&id.feed, id.n)? {
            let item = self.quarantine_item(id)?;
            return Ok(Retried::Unchanged(Box::new(item)));
        }
        let after = self.quarantined_after(None)?.len();
        let with = before.saturating_sub(after).saturating_sub(1);
        Ok(Retried::Admitted { with: with as u64 })
    }

    pub(crate) fn verdict(&self, id: EnvelopeId) -> Result<Option<(Code, String)>, EngineError> {
        let key = self.core.keys.numbered(Space::Quarantine, &id.feed, id.n);
        let Some(bytes) = self.core.base.get(&key)? else {
            return Ok(None);
        };
        let verdict = Verdict::decode(&bytes)?;
        Ok(Some((verdict.code, verdict.detail)))
    }

    fn item_state(&self, envelope: &Envelope) -> Result<ItemState, EngineError> {
        let note = dismissed_note(self.core.id_of(envelope)?);
        Ok(if self.core.take_back_asked(envelope) {
            ItemState::TakenBack
        } else if self.core.is_reissued(&TakenBack::of(envelope))?
            && self.left_out(self.core.id_of(envelope)?)?.is_none()
        {
            ItemState::Reissued
        } else if self.setting(&note)?.is_some() {
            ItemState::Dismissed
        } else {
            ItemState::Open
        })
    }

    /// Leaves an item of another device out of the list on this device; it is held and passed on as before.
    pub(crate) fn dismiss(&mut self, id: EnvelopeId) -> Result<(), EngineError> {
        self.set_setting(&dismissed_note(id), &[1])
    }

    /// The member whose feed it is.
    pub(crate) fn author_of(&self, feed: &FeedId) -> Option<(DeviceId, String)> {
        let members = self.core.log.resolved().into_iter();
        members
            .map(|(member, _)| (member.device, member.name.clone()))
            .find(|(device, _)| feed.belongs_to(device))
    }

    fn waits_for(&self, envelope: &Envelope, code: Code) -> Result<WaitsFor, EngineError> {
        Ok(match code {
            Code::NeedsNewerVersion => WaitsFor::NewerVersion,
            Code::NotAllowed => WaitsFor::Admission,
            Code::PastRemoval => WaitsFor::Adoption,
            Code::Equivocation => self.waits_for_reissue(envelope)?,
            _ if self.core.is_taken_back(envelope) => WaitsFor::TakenBack,
            _ => match self.rests_on(envelope)? {
                Some(id) => WaitsFor::Refused(id),
                None => WaitsFor::Nothing,
            },
        })
    }

    fn waits_for_reissue(&self, envelope: &Envelope) -> Result<WaitsFor, EngineError> {
        let id = self.core.id_of(envelope)?;
        let is_own = id.feed.belongs_to(&self.device());
        Ok(if self.core.is_reissued(&TakenBack::of(envelope))? {
            WaitsFor::Reissued
        } else if is_own && !self.is_lost(id)? {
            WaitsFor::ReissueHere
        } else {
            WaitsFor::Reissue
        })
    }

    /// A refused envelope that this one rests on, if there is one.
    pub(crate) fn rests_on(&self, envelope: &Envelope) -> Result<Option<EnvelopeId>, EngineError> {
        let id = self.core.id_of(envelope)?;
        for (collection, item, payload) in envelope.items() {
            let key = RecordKey::of(collection, item);
            for raw in &payload.changes {
                let Ok(change) = read_change(raw) else {
                    continue;
                };
                for hash in &change.deps {
                    let refused = self.core.refused_change(&key, hash)?;
                    if let Some(refused) = refused.filter(|refused| refused.id != id) {
                        return Ok(Some(refused.id));
                    }
                }
            }
        }
        Ok(None)
    }
}

/// Whether judging again came to what is stored.
fn is_verdict(item: &QuarantineItem, judgement: &Judgement) -> bool {
    match judgement {
        Judgement::Hold => item.code == Code::NeedsNewerVersion,
        Judgement::Quarantine(code, detail, _) => (*code, detail) == (item.code, &item.detail),
        Judgement::Rests(detail, _) => (Code::ChangeRefused, detail) == (item.code, &item.detail),
        // What of it was not written again stands behind.
        Judgement::NotCurrent(code, detail) => {
            *code == item.code && item.detail.starts_with(detail)
        }
        // What is held was taken once: if it cannot be judged now, the store is what has changed.
        Judgement::Apply(_) | Judgement::Void(..) | Judgement::Missing(..) => false,
    }
}

fn dismissed_note(id: EnvelopeId) -> String {
    format!("{DISMISSED_NOTE}{id}")
}

/// The one id that a name means: the whole, or a beginning of the feed with the whole number.
pub(crate) fn named(
    what: &'static str,
    name: &str,
    ids: impl IntoIterator<Item = EnvelopeId>,
) -> Result<EnvelopeId, EngineError> {
    let not_found = || EngineError::NotFound {
        what,
        name: name.to_owned(),
    };
    let (feed, n) = name.split_once(':').ok_or_else(not_found)?;
    let n: u64 = n.parse().map_err(|_| not_found())?;
    let feed = feed.to_ascii_lowercase();
    if feed.is_empty() {
        return Err(not_found());
    }
    let fits = |id: &EnvelopeId| id.n == n && id.feed.to_string().starts_with(&feed);
    let found: Vec<_> = ids.into_iter().filter(fits).collect();
    match found[..] {
        [] => Err(not_found()),
        [id] => Ok(id),
        _ => Err(EngineError::Ambiguous {
            what,
            name: name.to_owned(),
            count: found.len(),
        }),
    }
}

/// When an envelope's device says that it made it.
pub(crate) fn time_of(envelope: &Envelope) -> Option<Millis> {
    const COUNTER_BITS: u32 = 12;
    let (body, _) = envelope.known()?;
    Some(body.meta.time >> COUNTER_BITS)
}

/// The records an envelope touches, each once, in its order.
pub(crate) fn records_of(envelope: &Envelope) -> Vec<RecordKey> {
    let items = envelope.items().into_iter();
    let mut records: Vec<_> = items
        .map(|(collection, item, _)| RecordKey::of(collection, item))
        .collect();
    records.dedup();
    records
}

/// How many changes an envelope brings with it.
pub(crate) fn changes_of(envelope: &Envelope) -> u64 {
    let items = envelope.items().into_iter();
    items
        .map(|(_, _, payload)| payload.changes.len() as u64)
        .sum()
}
