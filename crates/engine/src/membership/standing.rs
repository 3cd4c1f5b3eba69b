//! Which records of a log count, and who is in: weighed over a set of records that holds all their ancestors.
//!
//! A record was authorised by its own past when it was taken; whether it *counts* is asked of a whole set. Two things
//! take it away: that its author's grant does not count, and that a removal which counts removes its author and neither
//! knew of the other. An admission needs its invite's author too, so a removed device's open invites are closed.
//! Removals that beat each other in a circle are decided one at a time: the higher role's first, then the earlier
//! grant's, then the greatest hash's.
//!
//! A grant rests on its invite, and a removal ends every grant whose invite did not know of it: a device comes back by
//! an invite that was written after its removal, and by no other.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use driftless_protocol::{
    DeviceId, EnvelopeName, FeedId, Hash, Record as MemberRecord, RecordBody, Role,
};

use super::{Member, MembershipLog, Placed};

/// How a device that was let in stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It is a member.
    Active,
    /// It is none yet: its invite was used too often, or who let it in was removed.
    Pending,
    /// It was one, and was removed.
    Removed,
}

/// A removal that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Removal {
    /// The record.
    pub(crate) record: Hash,
    /// Who was removed.
    pub(crate) device: DeviceId,
    /// By whom.
    pub(crate) by: DeviceId,
    /// What of its feeds counts: number and hash of the last envelope.
    pub(crate) cut: BTreeMap<FeedId, (u64, Hash)>,
    /// The grants of the device that it does not end.
    pub(crate) later_grants: BTreeSet<Hash>,
}

/// What a set of records comes to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standing {
    /// Every device that was let in, in the order of its first grant.
    pub(crate) members: Vec<(Member, State)>,
    /// The removals that count.
    pub(crate) removals: Vec<Removal>,
    /// The envelopes that were adopted.
    pub(crate) adopted: BTreeSet<EnvelopeName>,
    /// The devices with a grant that counts, ended or not.
    pub(crate) entitled: BTreeSet<DeviceId>,
    /// The rules that count, each with how much its author weighs.
    pub(crate) rules: BTreeMap<Hash, Weight>,
    /// Invites whose authors were removed.
    pub(crate) closed_invites: BTreeSet<Hash>,
    /// All grants and all removals, whether they count or not.
    pub(crate) grants: BTreeSet<Hash>,
    /// All removals.
    pub(crate) known_removals: BTreeSet<Hash>,
}

impl Standing {
    pub(crate) fn state(&self, device: &DeviceId) -> Option<&(Member, State)> {
        self.members.iter().find(|(m, _)| m.device == *device)
    }

    pub(crate) fn active(&self, device: &DeviceId) -> Option<&Member> {
        let found = self.state(device);
        found
            .filter(|(_, state)| *state == State::Active)
            .map(|(member, _)| member)
    }

    /// The removals that count of one device.
    pub(crate) fn removals_of(&self, device: &DeviceId) -> impl Iterator<Item = &Removal> {
        self.removals.iter().filter(move |r| r.device == *device)
    }
}

/// How much a record weighs against others that were written apart: by role, then by the earlier grant.
pub(crate) type Weight = (Role, Reverse<u32>);

/// A way by which a device was let in.
struct Grant<'a> {
    node: usize,
    /// The invite, or the genesis itself.
    root: usize,
    device: DeviceId,
    /// Who wrote the invite.
    inviter: Option<DeviceId>,
    member: Member,
    depth: u32,
    /// Whether its invite allows it.
    within_uses: bool,
    record: &'a MemberRecord,
}

struct Removing {
    node: usize,
    device: DeviceId,
    /// Which records it knew of.
    before: Vec<bool>,
    /// Which records knew of it.
    after: Vec<bool>,
}

struct Weighing<'a> {
    log: &'a MembershipLog,
    nodes: Vec<(Hash, &'a Placed)>,
    index: BTreeMap<Hash, usize>,
    grants: Vec<Grant<'a>>,
    of_device: BTreeMap<DeviceId, Vec<usize>>,
    /// Which grant an admission is.
    grant_at: BTreeMap<usize, usize>,
    removings: Vec<Removing>,
    counts: Vec<Option<bool>>,
}

/// Weighs a set of records that holds all their ancestors; `uses`: whether admissions beyond an invite's uses wait.
pub(super) fn weigh(
    log: &MembershipLog,
    within: impl Iterator<Item = Hash>,
    uses: bool,
) -> Standing {
    let mut nodes: Vec<_> = within
        .filter_map(|hash| Some((hash, log.records.get(&hash)?)))
        .collect();
    nodes.sort_by_key(|(hash, placed)| (placed.depth, *hash));
    let index = nodes.iter().enumerate().map(|(n, (hash, _))| (*hash, n));
    let mut weighing = Weighing {
        log,
        index: index.collect(),
        counts: vec![None; nodes.len()],
        nodes,
        grants: Vec::new(),
        of_device: BTreeMap::new(),
        grant_at: BTreeMap::new(),
        removings: Vec::new(),
    };
    weighing.find_grants(uses);
    weighing.find_removings();
    weighing.decide();
    weighing.finish()
}

impl<'a> Weighing<'a> {
    fn find_grants(&mut self, uses: bool) {
        let mut used = BTreeMap::<Hash, BTreeSet<DeviceId>>::new();
        for (node, (hash, placed)) in self.nodes.iter().enumerate() {
            let Some(member) = self.log.member_by(hash) else {
                continue;
            };
            let invite = self.log.invite_behind(&placed.record);
            let (root, within_uses) = match &invite {
                None => (node, true),
                Some((hash, invite)) => {
                    let joined = used.entry(*hash).or_default();
                    joined.insert(member.device);
                    let fits = !uses || joined.len() <= invite.uses as usize;
                    (self.index.get(hash).copied().unwrap_or(node), fits)
                }
            };
            let inviter = invite.and_then(|(hash, _)| Some(self.log.get(&hash)?.author()));
            let of_device = self.of_device.entry(member.device).or_default();
            of_device.push(self.grants.len());
            self.grant_at.insert(node, self.grants.len());
            self.grants.push(Grant {
                node,
                root,
                device: member.device,
                inviter,
                depth: placed.depth,
                member,
                within_uses,
                record: &placed.record,
            });
        }
    }

    fn find_removings(&mut self) {
        for (node, (_, placed)) in self.nodes.iter().enumerate() {
            if let RecordBody::Remove(remove) = placed.record.body() {
                self.removings.push(Removing {
                    node,
                    device: remove.device,
                    before: self.before(node),
                    after: self.after(node),
                });
            }
        }
    }

    /// Which records lie in the past of one, itself left out.
    fn before(&self, node: usize) -> Vec<bool> {
        let mut before = vec![false; self.nodes.len()];
        let mut open = vec![node];
        while let Some(node) = open.pop() {
            for parent in self.nodes[node].1.record.parents() {
                if let Some(parent) = self.index.get(parent).copied()
                    && !std::mem::replace(&mut before[parent], true)
                {
                    open.push(parent);
                }
            }
        }
        before
    }

    /// Which records have one in their past, itself left out.
    fn after(&self, node: usize) -> Vec<bool> {
        let mut after = vec![false; self.nodes.len()];
        for later in node + 1..self.nodes.len() {
            let parents = self.nodes[later].1.record.parents();
            after[later] = parents
                .iter()
                .filter_map(|parent| self.index.get(parent))
                .any(|parent| *parent == node || after[*parent]);
        }
        after
    }

    fn decide(&mut self) {
        loop {
            let mut moved = true;
            while std::mem::take(&mut moved) {
                for node in 0..self.nodes.len() {
                    if self.counts[node].is_none() {
                        self.counts[node] = self.look_at(node);
                        moved |= self.counts[node].is_some();
                    }
                }
            }
            // What is left are removals that beat each other in a circle, and what hangs on them.
            let undecided = self.removings.iter().map(|removing| removing.node);
            let undecided = undecided.filter(|node| self.counts[*node].is_none());
            let first = undecided.max_by_key(|node| (self.weight(*node), self.nodes[*node].0));
            match first {
                Some(node) => self.counts[node] = Some(true),
                None => return,
            }
        }
    }

    /// Whether a record counts, as far as that follows from what is decided.
    fn look_at(&self, node: usize) -> Option<bool> {
        let record = &self.nodes[node].1.record;
        let author = record.author();
        match record.body() {
            RecordBody::Admit(_) => {
                let grant = self.grant_at.get(&node).map(|grant| &self.grants[*grant]);
                let Some((inviter, root)) = grant.and_then(|g| Some((g.inviter?, g.root))) else {
                    return Some(false);
                };
                both(
                    self.backed(&author, Some(node), Some(node)),
                    self.backed(&inviter, Some(root), Some(node)),
                )
            }
            RecordBody::Remove(_) | RecordBody::SetRules(_) | RecordBody::Adopt(_) => {
                let grants = self.of_device.get(&author).into_iter().flatten();
                if grants.clone().any(|grant| self.grants[*grant].within_uses) {
                    self.backed(&author, Some(node), Some(node))
                } else {
                    Some(false)
                }
            }
            _ => Some(true),
        }
    }

    /// Whether a device's standing carries what it did: a grant before `start` counts, and no removal that counts ends
    /// it and did not know of `end`.
    fn backed(&self, device: &DeviceId, start: Option<usize>, end: Option<usize>) -> Option<bool> {
        let mut best = Some(false);
        for grant in self.grants_before(device, start) {
            let mut value = self.counts[grant.node];
            for removing in self.removings.iter().filter(|r| r.device == *device) {
                let later = removing.after[grant.root];
                if later || end.is_some_and(|end| removing.before[end]) {
                    continue;
                }
                value = both(value, self.counts[removing.node].map(|counts| !counts));
            }
            match value {
                Some(true) => return Some(true),
                None => best = None,
                Some(false) => {}
            }
        }
        best
    }

    /// The grants of a device, those in a record's past only where one is given.
    fn grants_before(&self, device: &DeviceId, start: Option<usize>) -> Vec<&Grant<'a>> {
        let all = self.of_device.get(device).map_or(&[][..], Vec::as_slice);
        let mut grants: Vec<_> = all.iter().map(|n| &self.grants[*n]).collect();
        // Where there is one only, the record could not have been taken without it.
        if let Some(start) = start.filter(|_| grants.len() > 1) {
            let before = self.before(start);
            grants.retain(|grant| before[grant.node]);
        }
        grants
    }

    /// How much a record weighs: by what its author's best grant gives.
    fn weight(&self, node: usize) -> Weight {
        let author = self.nodes[node].1.record.author();
        let grants = self.grants_before(&author, Some(node)).into_iter();
        let counting = grants.filter(|grant| self.counts[grant.node] != Some(false));
        let weights = counting.map(|grant| (grant.member.role, Reverse(grant.depth)));
        weights.max().unwrap_or((Role::Relay, Reverse(u32::MAX)))
    }

    fn finish(self) -> Standing {
        let mut standing = Standing::default();
        let counts = |node: usize| self.counts[node] == Some(true);
        for removing in &self.removings {
            let (hash, placed) = self.nodes[removing.node];
            standing.known_removals.insert(hash);
            if let RecordBody::Remove(remove) = placed.record.body()
                && counts(removing.node)
            {
                let of_device = self.grants_before(&remove.device, None).into_iter();
                let later = of_device.filter(|grant| removing.after[grant.root]);
                standing.removals.push(Removal {
                    record: hash,
                    device: remove.device,
                    by: placed.record.author(),
                    cut: remove.cut.iter().map(|c| (c.feed, (c.n, c.hash))).collect(),
                    later_grants: later.map(|grant| grant.record.hash()).collect(),
                });
            }
        }
        for (node, (hash, placed)) in self.nodes.iter().enumerate() {
            match placed.record.body() {
                RecordBody::SetRules(_) if counts(node) => {
                    standing.rules.insert(*hash, self.weight(node));
                }
                RecordBody::Adopt(adopt) if counts(node) => {
                    standing.adopted.extend(&adopt.envelopes);
                }
                RecordBody::Invite(_) => {
                    let author = placed.record.author();
                    if self.backed(&author, Some(node), None) != Some(true) {
                        standing.closed_invites.insert(*hash);
                    }
                }
                _ => {}
            }
        }
        let grants = self.grants.iter();
        standing.grants = grants.map(|grant| grant.record.hash()).collect();
        let mut listed = BTreeSet::new();
        for grant in &self.grants {
            if listed.insert(grant.device) {
                let (member, state) = self.state_of(&grant.device, &standing);
                standing.members.push((member, state));
            }
            if counts(grant.node) && grant.within_uses {
                standing.entitled.insert(grant.device);
            }
        }
        standing
    }

    /// How a device stands, and by which of its grants: the one of the highest role, then the earliest.
    fn state_of(&self, device: &DeviceId, standing: &Standing) -> (Member, State) {
        let grants = self.grants_before(device, None);
        let best = |fits: &dyn Fn(&Grant) -> bool| {
            let fitting = grants.iter().filter(|grant| fits(grant));
            fitting
                .min_by_key(|g| (Reverse(g.member.role), g.depth, g.record.hash()))
                .map(|grant| grant.member.clone())
        };
        let removals: Vec<_> = standing.removals_of(device).collect();
        let counting = |g: &Grant| self.counts[g.node] == Some(true) && g.within_uses;
        let lives = |g: &Grant| {
            let hash = g.record.hash();
            removals.iter().all(|r| r.later_grants.contains(&hash))
        };
        if let Some(member) = best(&|g| counting(g) && lives(g)) {
            return (member, State::Active);
        }
        let was = best(&counting).or_else(|| best(&|_| true));
        let member = was.expect("only devices with a grant are listed");
        let ended = grants.iter().any(|g| !lives(g));
        (
            member,
            if ended {
                State::Removed
            } else {
                State::Pending
            },
        )
    }
}

fn both(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    match (a, b) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}
