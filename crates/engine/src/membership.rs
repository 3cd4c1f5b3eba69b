//! The membership log of one workspace: who is in, as of any of its heads, and as of the whole.
//!
//! Two questions are asked of it, and they are different ones. *At a head*: what may this device do, judged by
//! that head's past alone; an envelope is authorised by this. *Resolved*: which grants stand when all records
//! are looked at; an admission beyond its invite's uses is pending, wherever and whenever it was written.
//! Both are functions of the set of records, never of the order they came in; `standing` weighs either.

mod forks;
mod standing;

use std::cell::{OnceCell, RefCell};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use driftless_protocol::{
    Accuse, Code, DeviceId, Hash, Invite, Record as MemberRecord, RecordBody, Remove, Role,
    WorkspaceId, limits, membership_digest,
};

pub(crate) use forks::Forks;
pub(crate) use standing::{Removal, Standing, State};

use crate::clock::Millis;
use crate::error::EngineError;

/// One device that was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) device: DeviceId,
    pub(crate) name: String,
    pub(crate) role: Role,
    /// The record that let it in: Genesis or Admit.
    pub(crate) by: Hash,
}

/// Why a membership record is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RecordRefusal {
    /// It names a parent that is not here.
    MissingParent,
    /// It breaks a rule, for good.
    Invalid(Code, &'static str),
}

impl RecordRefusal {
    pub(crate) fn into_error(self) -> EngineError {
        match self {
            Self::MissingParent => {
                EngineError::peer(Code::MissingPast, "a membership record without its parents")
            }
            Self::Invalid(code, what) => EngineError::peer(code, what),
        }
    }
}

#[derive(Clone)]
struct Placed {
    record: MemberRecord,
    /// Records on the longest way from genesis: an ancestor has fewer.
    depth: u32,
}

/// All membership records of one workspace.
#[derive(Clone)]
pub(crate) struct MembershipLog {
    workspace: WorkspaceId,
    records: BTreeMap<Hash, Placed>,
    heads: BTreeSet<Hash>,
    /// The grants of each device, and how many removals there are.
    grants: BTreeMap<DeviceId, BTreeSet<Hash>>,
    removals: usize,
    /// Where feeds went on in two ways.
    forks: Forks,
    /// What all records come to, once it was asked for.
    whole: OnceCell<Standing>,
    /// What the past of some heads comes to: asked for again with each envelope, and it never changes.
    at_heads: RefCell<BTreeMap<Vec<Hash>, Arc<Standing>>>,
}

/// How many heads the pasts are kept of.
const KEPT_PASTS: usize = 16;

impl MembershipLog {
    /// The log that a workspace begins with.
    pub(crate) fn begin(genesis: MemberRecord) -> Result<Self, RecordRefusal> {
        if !matches!(genesis.body(), RecordBody::Genesis(_)) || genesis.verify().is_err() {
            return Err(invalid("the first record is no signed genesis"));
        }
        let hash = genesis.hash();
        let grants = BTreeMap::from([(genesis.author(), BTreeSet::from([hash]))]);
        Ok(Self {
            grants,
            removals: 0,
            forks: Forks::default(),
            workspace: WorkspaceId::of_genesis(&hash),
            heads: BTreeSet::from([hash]),
            whole: OnceCell::new(),
            at_heads: RefCell::default(),
            records: BTreeMap::from([(
                hash,
                Placed {
                    record: genesis,
                    depth: 0,
                },
            )]),
        })
    }

    /// The log of these records, in any order, or `None` where they do not make one.
    pub(crate) fn of_set(records: Vec<MemberRecord>) -> Option<Self> {
        let is_genesis = |r: &MemberRecord| matches!(r.body(), RecordBody::Genesis(_));
        let (genesis, mut waiting): (Vec<_>, Vec<_>) = records.into_iter().partition(is_genesis);
        let mut log = Self::begin(genesis.into_iter().next()?).ok()?;
        while !waiting.is_empty() {
            let before = waiting.len();
            let mut left = Vec::new();
            for record in waiting {
                match log.insert(record.clone()) {
                    Ok(_) => {}
                    Err(RecordRefusal::MissingParent) => left.push(record),
                    Err(RecordRefusal::Invalid(..)) => return None,
                }
            }
            if left.len() == before {
                return None;
            }
            waiting = left;
        }
        Some(log)
    }

    pub(crate) fn workspace(&self) -> WorkspaceId {
        self.workspace
    }

    pub(crate) fn contains(&self, hash: &Hash) -> bool {
        self.records.contains_key(hash)
    }

    pub(crate) fn get(&self, hash: &Hash) -> Option<&MemberRecord> {
        self.records.get(hash).map(|placed| &placed.record)
    }

    /// The records nothing names as a parent, sorted.
    pub(crate) fn heads(&self) -> Vec<Hash> {
        self.heads.iter().copied().collect()
    }

    /// At most `most` heads for a new record of `device`; its own admission lies in their past.
    pub(crate) fn parents_for(&self, device: &DeviceId, most: usize) -> Vec<Hash> {
        let mut heads = self.heads();
        if heads.len() > most {
            let by = self.member(device).map(|(member, _)| member.by);
            let own = heads
                .iter()
                .position(|head| by.is_some_and(|by| self.past(&[*head]).contains(&by)));
            heads.swap(0, own.unwrap_or(0));
            heads.truncate(most);
        }
        heads.sort_unstable();
        heads
    }

    /// All hashes, sorted.
    pub(crate) fn hashes(&self) -> impl Iterator<Item = &Hash> {
        self.records.keys()
    }

    /// All records, each after its parents.
    pub(crate) fn in_order(&self) -> Vec<&MemberRecord> {
        self.ordered(self.records.keys().copied())
    }

    fn ordered(&self, hashes: impl Iterator<Item = Hash>) -> Vec<&MemberRecord> {
        let mut placed: Vec<_> = hashes
            .filter_map(|hash| Some((hash, self.records.get(&hash)?)))
            .collect();
        placed.sort_by_key(|(hash, placed)| (placed.depth, *hash));
        placed
            .into_iter()
            .map(|(_, placed)| &placed.record)
            .collect()
    }

    /// A digest of the heads, and so of the set of records.
    pub(crate) fn digest(&self) -> [u8; 16] {
        membership_digest(&self.heads())
    }

    /// Checks a record against the rules and its parents' past, and adds it; false if it is here already.
    pub(crate) fn insert(&mut self, record: MemberRecord) -> Result<bool, RecordRefusal> {
        let hash = record.hash();
        if self.contains(&hash) {
            return Ok(false);
        }
        self.check(&record)?;
        let depth = record
            .parents()
            .iter()
            .filter_map(|parent| self.records.get(parent))
            .map(|parent| parent.depth + 1)
            .max()
            .unwrap_or(0);
        for parent in record.parents() {
            self.heads.remove(parent);
        }
        self.heads.insert(hash);
        self.removals += usize::from(matches!(record.body(), RecordBody::Remove(_)));
        if let RecordBody::Accuse(accuse) = record.body() {
            self.forks.add(accuse);
        }
        self.records.insert(hash, Placed { record, depth });
        if let Some(member) = self.member_by(&hash) {
            self.grants.entry(member.device).or_default().insert(hash);
        }
        self.whole.take();
        Ok(true)
    }

    fn check(&self, record: &MemberRecord) -> Result<(), RecordRefusal> {
        if record.workspace() != self.workspace {
            return Err(RecordRefusal::Invalid(
                Code::OtherWorkspace,
                "the record is of another workspace",
            ));
        }
        if record.parents().iter().any(|parent| !self.contains(parent)) {
            return Err(RecordRefusal::MissingParent);
        }
        if record.parents().is_empty() {
            return Err(invalid("a record without parents"));
        }
        self.check_body(record)?;
        if record.verify().is_err() {
            return Err(RecordRefusal::Invalid(
                Code::BadSignature,
                "the record's signature is wrong",
            ));
        }
        Ok(())
    }

    fn check_body(&self, record: &MemberRecord) -> Result<(), RecordRefusal> {
        let parents = record.parents();
        let author = self.active_at(&record.author(), parents);
        match record.body() {
            RecordBody::Genesis(_) => Err(invalid("a second genesis")),
            RecordBody::Join(join) => {
                let invite = self
                    .get(&join.invite)
                    .filter(|_| record.parents() == [join.invite]);
                match invite.map(|invite| record.verify_join(invite)) {
                    Some(Ok(())) => Ok(()),
                    _ => Err(invalid("a join that does not follow its invite")),
                }
            }
            RecordBody::Invite(invite) => match author {
                Some(author) if author.role >= Role::Editor && author.role >= invite.role => Ok(()),
                _ => Err(not_allowed("an invite by a device that may not invite")),
            },
            RecordBody::Admit(admit) => {
                let joined = self.get(&admit.join);
                let joined = joined.filter(|_| self.past(record.parents()).contains(&admit.join));
                let joined = joined.and_then(|joined| match joined.body() {
                    RecordBody::Join(join) => Some((joined.author(), join.invite)),
                    _ => None,
                });
                let Some((device, invite)) = joined else {
                    return Err(invalid("an admission of no join"));
                };
                let Some(author) = author else {
                    return Err(not_allowed("an admission by a device that is no member"));
                };
                if author.device == device {
                    return Err(not_allowed("a device that admits itself"));
                }
                if self.prefix_is_taken(&device, parents) {
                    return Err(invalid("a device id too like that of a member"));
                }
                if self.removals > 0 && self.is_barred(&device, &invite, &self.at(parents)) {
                    return Err(not_allowed("a removed device by an invite from before"));
                }
                Ok(())
            }
            RecordBody::Remove(remove) => check_removal(author.as_ref(), remove, &self.at(parents)),
            RecordBody::SetRules(_) => match author {
                Some(author) if author.role >= Role::Admin => Ok(()),
                _ => Err(not_allowed("rules set by a device that may not set them")),
            },
            RecordBody::Adopt(_) => match author {
                Some(author) if author.role >= Role::Admin => Ok(()),
                _ => Err(not_allowed("changes adopted by a device that may not")),
            },
            RecordBody::Accuse(accuse) => self.check_accusation(accuse, author.as_ref()),
            RecordBody::Merge | RecordBody::Unknown { .. } => match author {
                Some(_) => Ok(()),
                None => Err(not_allowed("a record by a device that is no member")),
            },
            _ => Err(invalid("a record of a kind this build does not know")),
        }
    }

    /// Two headers prove it, whoever says so; it stands whatever becomes of who does.
    fn check_accusation(
        &self,
        accuse: &Accuse,
        author: Option<&Member>,
    ) -> Result<(), RecordRefusal> {
        if author.is_none() {
            return Err(not_allowed("an accusation by a device that is no member"));
        }
        if accuse.first.header.workspace != self.workspace || accuse.verify().is_err() {
            return Err(invalid("an accusation that its headers do not prove"));
        }
        Ok(())
    }

    /// Where feeds went on in two ways.
    pub(crate) fn forks(&self) -> &Forks {
        &self.forks
    }

    /// The member that a device is, at some heads.
    fn active_at(&self, device: &DeviceId, heads: &[Hash]) -> Option<Member> {
        if self.removals > 0 {
            return self.at(heads).active(device).cloned();
        }
        // Where nobody was removed, whoever was let in is in: asked of every record that comes.
        let grants = self.grants_at(heads, |of| of == device).into_iter();
        let members = grants.filter_map(|hash| Some((self.member_by(&hash)?, hash)));
        let best = members.min_by_key(|(member, hash)| {
            let depth = self.records.get(hash).map(|placed| placed.depth);
            (Reverse(member.role), depth, *hash)
        });
        best.map(|(member, _)| member)
    }

    /// The grants of some devices in the past of some heads.
    fn grants_at(&self, heads: &[Hash], of: impl Fn(&DeviceId) -> bool) -> Vec<Hash> {
        let is_all =
            heads.len() == self.heads.len() && heads.iter().all(|head| self.heads.contains(head));
        let of_devices = self.grants.iter().filter(|(device, _)| of(device));
        let grants = of_devices.flat_map(|(_, grants)| grants).copied();
        if is_all {
            return grants.collect();
        }
        let past = self.past(heads);
        grants.filter(|hash| past.contains(hash)).collect()
    }

    fn prefix_is_taken(&self, device: &DeviceId, heads: &[Hash]) -> bool {
        let alike = |member: &DeviceId| member != device && member.prefix() == device.prefix();
        self.grants.keys().any(alike) && !self.grants_at(heads, alike).is_empty()
    }

    /// Whether a device was removed, and an invite was written by somebody who did not know of that.
    fn is_barred(&self, device: &DeviceId, invite: &Hash, standing: &Standing) -> bool {
        let mut removals = standing.removals_of(device).peekable();
        if removals.peek().is_none() {
            return false;
        }
        let before = self.past(&[*invite]);
        removals.any(|removal| !before.contains(&removal.record))
    }

    /// Whether a device may not come back by this invite, as of the whole log.
    pub(crate) fn is_removed_after(&self, device: &DeviceId, invite: &Hash) -> bool {
        self.is_barred(device, invite, self.standing())
    }

    /// These records and all their ancestors; unknown hashes are left out.
    fn past(&self, heads: &[Hash]) -> BTreeSet<Hash> {
        let mut past = BTreeSet::new();
        let mut open: Vec<Hash> = heads.to_vec();
        while let Some(hash) = open.pop() {
            if let Some(placed) = self.records.get(&hash)
                && past.insert(hash)
            {
                open.extend(placed.record.parents());
            }
        }
        past
    }

    /// What all records come to.
    pub(crate) fn standing(&self) -> &Standing {
        self.whole
            .get_or_init(|| standing::weigh(self, self.records.keys().copied(), true))
    }

    /// What the past of some records, themselves included, comes to; hashes that are not here are left out.
    pub(crate) fn at(&self, heads: &[Hash]) -> Arc<Standing> {
        if let Some(known) = self.at_heads.borrow().get(heads) {
            return known.clone();
        }
        let past = self.past(heads).into_iter();
        let found = Arc::new(standing::weigh(self, past, false));
        // With a hash that is not here it may come to something else one day.
        if heads.iter().all(|head| self.contains(head)) {
            let mut kept = self.at_heads.borrow_mut();
            if kept.len() >= KEPT_PASTS {
                kept.clear();
            }
            kept.insert(heads.to_vec(), found.clone());
        }
        found
    }

    /// The member that a Genesis or Admit makes.
    fn member_by(&self, hash: &Hash) -> Option<Member> {
        let record = self.get(hash)?;
        match record.body() {
            RecordBody::Genesis(genesis) => Some(Member {
                device: record.author(),
                name: genesis.owner_name.clone(),
                role: Role::Owner,
                by: *hash,
            }),
            RecordBody::Admit(admit) => {
                let joined = self.get(&admit.join)?;
                let RecordBody::Join(join) = joined.body() else {
                    return None;
                };
                Some(Member {
                    device: joined.author(),
                    name: join.name.clone(),
                    role: self.invite(&join.invite)?.role,
                    by: *hash,
                })
            }
            _ => None,
        }
    }

    /// Every device that was ever let in, and whether it is a member when all records are looked at.
    pub(crate) fn resolved(&self) -> Vec<(Member, bool)> {
        let members = self.standing().members.iter();
        members
            .map(|(member, state)| (member.clone(), *state == State::Active))
            .collect()
    }

    /// The member with this device key, as of the whole log.
    pub(crate) fn member(&self, device: &DeviceId) -> Option<(Member, bool)> {
        let (member, state) = self.standing().state(device)?;
        Some((member.clone(), *state == State::Active))
    }

    /// What a removal says.
    pub(crate) fn removal(&self, record: &Hash) -> Option<&Remove> {
        match self.get(record)?.body() {
            RecordBody::Remove(remove) => Some(remove),
            _ => None,
        }
    }

    /// Whether a device was a member and was removed.
    pub(crate) fn is_removed(&self, device: &DeviceId) -> bool {
        let found = self.standing().state(device);
        found.is_some_and(|(_, state)| *state == State::Removed)
    }

    fn invite_behind(&self, admit: &MemberRecord) -> Option<(Hash, &Invite)> {
        let RecordBody::Admit(admit) = admit.body() else {
            return None;
        };
        let RecordBody::Join(join) = self.get(&admit.join)?.body() else {
            return None;
        };
        Some((join.invite, self.invite(&join.invite)?))
    }

    fn invite(&self, hash: &Hash) -> Option<&Invite> {
        match self.get(hash)?.body() {
            RecordBody::Invite(invite) => Some(invite),
            _ => None,
        }
    }

    /// Whether a join by `device` may be admitted now, by a member that looks at its own clock.
    pub(crate) fn check_invite(
        &self,
        hash: &Hash,
        device: &DeviceId,
        now: Millis,
    ) -> Result<(), Code> {
        let invite = self.invite(hash).ok_or(Code::InviteUnknown)?;
        if self.standing().closed_invites.contains(hash) {
            return Err(Code::InviteClosed);
        }
        if self.is_removed_after(device, hash) {
            return Err(Code::DeviceRemoved);
        }
        let admits = self.records.values().filter(|placed| {
            self.invite_behind(&placed.record)
                .is_some_and(|(behind, _)| behind == *hash)
        });
        let joined: BTreeSet<_> = admits
            .filter_map(|placed| self.member_by(&placed.record.hash()))
            .map(|member| member.device)
            .filter(|joined| joined != device)
            .collect();
        if joined.len() >= invite.uses as usize {
            return Err(Code::InviteUsedUp);
        }
        if now >= invite.expires_ms {
            return Err(Code::InviteExpired);
        }
        Ok(())
    }

    /// The record whose rules hold, when all records are looked at.
    ///
    /// One whose author's standing does not carry it does not count. A later one takes the place of those in its past;
    /// of some that were written apart the higher role's counts, then the earlier grant's, then the greatest hash's.
    pub(crate) fn rules_record(&self) -> Option<&MemberRecord> {
        let counting = &self.standing().rules;
        let replaced: BTreeSet<Hash> = counting
            .keys()
            .filter_map(|hash| self.get(hash))
            .flat_map(|record| self.past(record.parents()))
            .collect();
        let standing = counting.iter().filter(|(hash, _)| !replaced.contains(hash));
        let (_, last) = standing.map(|(hash, weight)| (*weight, *hash)).max()?;
        self.get(&last)
    }

    /// The records that lead from genesis to a device's own admission, each after its parents.
    pub(crate) fn proof_of(&self, device: &DeviceId) -> Vec<&MemberRecord> {
        let Some((member, _)) = self.member(device) else {
            return Vec::new();
        };
        self.ordered(self.past(&[member.by]).into_iter())
    }

    /// Whether there is a record of a kind this build does not know.
    pub(crate) fn has_unknown(&self) -> bool {
        self.records
            .values()
            .any(|placed| matches!(placed.record.body(), RecordBody::Unknown { .. }))
    }

    /// Whether the heads are more than an envelope may name.
    pub(crate) fn needs_merge(&self) -> bool {
        self.heads.len() > limits::MEMBERSHIP_HEADS
    }
}

/// Whether somebody may remove a device, as of what both knew; the owner stays.
fn check_removal(
    author: Option<&Member>,
    remove: &Remove,
    before: &Standing,
) -> Result<(), RecordRefusal> {
    let Some(author) = author.filter(|author| author.role >= Role::Admin) else {
        return Err(not_allowed("a removal by a device that may not remove"));
    };
    match before.active(&remove.device) {
        None => Err(invalid("a removal of a device that is no member")),
        Some(removed) if removed.role == Role::Owner => Err(not_allowed("a removal of an owner")),
        Some(removed) if removed.device == author.device => {
            Err(not_allowed("a device that removes itself"))
        }
        Some(_) => Ok(()),
    }
}

fn invalid(what: &'static str) -> RecordRefusal {
    RecordRefusal::Invalid(Code::JoinInvalid, what)
}

fn not_allowed(what: &'static str) -> RecordRefusal {
    RecordRefusal::Invalid(Code::UnknownDevice, what)
}
