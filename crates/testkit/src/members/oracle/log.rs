//! Which membership records count, asked again for each until nothing is open.

use std::collections::{BTreeMap, BTreeSet};

use driftless_protocol::{DeviceId, Hash, Record, RecordBody, Role};

use super::Canary;

pub(super) struct Log<'a> {
    pub(super) records: BTreeMap<Hash, &'a Record>,
    /// All ancestors of each record.
    pasts: BTreeMap<Hash, BTreeSet<Hash>>,
    depths: BTreeMap<Hash, usize>,
}

/// A way in: the record that let a device in, its invite and its role.
pub(super) struct Way {
    pub(super) record: Hash,
    invite: Option<Hash>,
    role: Role,
}

/// Which records of a set count, and what follows.
pub(super) struct Counted<'a> {
    pub(super) log: &'a Log<'a>,
    set: BTreeSet<Hash>,
    pub(super) counts: BTreeMap<Hash, bool>,
    pub(super) broken: Option<Canary>,
}

impl<'a> Log<'a> {
    pub(super) fn of(records: &'a [Record]) -> Self {
        let mut log = Self {
            records: records.iter().map(|r| (r.hash(), r)).collect(),
            pasts: BTreeMap::new(),
            depths: BTreeMap::new(),
        };
        while log.pasts.len() < log.records.len() {
            for (hash, record) in &log.records {
                let parents = record.parents();
                if log.pasts.contains_key(hash)
                    || !parents.iter().all(|p| log.pasts.contains_key(p))
                {
                    continue;
                }
                let mut past: BTreeSet<Hash> = parents.iter().copied().collect();
                past.extend(parents.iter().flat_map(|p| &log.pasts[p]));
                let depth = parents.iter().map(|p| log.depths[p] + 1).max().unwrap_or(0);
                log.depths.insert(*hash, depth);
                log.pasts.insert(*hash, past);
            }
        }
        log
    }

    /// Some records and all their ancestors.
    pub(super) fn past_of(&self, heads: &[Hash]) -> BTreeSet<Hash> {
        let mut past: BTreeSet<Hash> = heads.iter().copied().collect();
        past.extend(heads.iter().flat_map(|head| &self.pasts[head]));
        past
    }

    fn knows(&self, later: &Hash, earlier: &Hash) -> bool {
        self.pasts[later].contains(earlier)
    }

    /// Whether the invite of a way in knew of a removal.
    pub(super) fn is_rooted_after(&self, way: &Way, removal: &Hash) -> bool {
        way.invite
            .is_some_and(|invite| self.knows(&invite, removal))
    }

    /// The device that a record let in, and how.
    fn way(&self, record: &Hash) -> Option<(DeviceId, Way)> {
        let way = |invite, role| Way {
            record: *record,
            invite,
            role,
        };
        match self.records[record].body() {
            RecordBody::Genesis(_) => Some((self.records[record].author(), way(None, Role::Owner))),
            RecordBody::Admit(admit) => {
                let join = self.records[&admit.join];
                let RecordBody::Join(wish) = join.body() else {
                    return None;
                };
                let RecordBody::Invite(invite) = self.records[&wish.invite].body() else {
                    return None;
                };
                Some((join.author(), way(Some(wish.invite), invite.role)))
            }
            _ => None,
        }
    }
}

impl<'a> Counted<'a> {
    pub(super) fn of(log: &'a Log<'a>, set: BTreeSet<Hash>, broken: Option<Canary>) -> Self {
        let mut counted = Self {
            log,
            set,
            counts: BTreeMap::new(),
            broken,
        };
        loop {
            let before = counted.counts.len();
            for hash in counted.set.clone() {
                if !counted.counts.contains_key(&hash)
                    && let Some(counts) = counted.does_count(&hash)
                {
                    counted.counts.insert(hash, counts);
                }
            }
            if counted.counts.len() > before {
                continue;
            }
            let left = counted.removals().into_iter();
            let left = left.filter(|(hash, _)| !counted.counts.contains_key(hash));
            match left.max_by_key(|(hash, _)| (counted.weight(hash), *hash)) {
                Some((hash, _)) => counted.counts.insert(hash, true),
                None => return counted,
            };
        }
    }

    pub(super) fn counting(&self) -> Vec<&'a Record> {
        let counting = self.set.iter().filter(|hash| self.counts[hash]);
        counting.map(|hash| self.log.records[hash]).collect()
    }

    fn removals(&self) -> Vec<(Hash, DeviceId)> {
        let records = self.set.iter().map(|hash| (*hash, self.log.records[hash]));
        let removals = records.filter_map(|(hash, record)| match record.body() {
            RecordBody::Remove(remove) => Some((hash, remove.device)),
            _ => None,
        });
        removals.collect()
    }

    pub(super) fn devices(&self) -> BTreeSet<DeviceId> {
        let ways = self.set.iter().filter_map(|hash| self.log.way(hash));
        ways.map(|(device, _)| device).collect()
    }

    pub(super) fn ways(&self, device: &DeviceId) -> Vec<Way> {
        let ways = self.set.iter().filter_map(|hash| self.log.way(hash));
        ways.filter(|(of, _)| of == device)
            .map(|(_, way)| way)
            .collect()
    }

    pub(super) fn is_within_uses(&self, way: &Way) -> bool {
        let Some(invite) = way.invite else {
            return true;
        };
        let RecordBody::Invite(offer) = self.log.records[&invite].body() else {
            return false;
        };
        let order = |hash: &Hash| (self.log.depths[hash], *hash);
        let others = self
            .set
            .iter()
            .filter(|hash| order(hash) <= order(&way.record));
        let ways = others.filter_map(|hash| self.log.way(hash));
        let joined: BTreeSet<_> = ways
            .filter(|(_, way)| way.invite == Some(invite))
            .map(|(device, _)| device)
            .collect();
        joined.len() <= offer.uses as usize
    }

    /// Whether a record counts, if that is decided by what is.
    fn does_count(&self, hash: &Hash) -> Option<bool> {
        let record = self.log.records[hash];
        let author = record.author();
        match record.body() {
            RecordBody::Admit(_) => {
                let invite = self.log.way(hash)?.1.invite?;
                let inviter = self.log.records[&invite].author();
                all([
                    self.carries(&author, hash, hash),
                    self.carries(&inviter, &invite, hash),
                ])
            }
            RecordBody::Remove(_) if self.broken == Some(Canary::EveryRemoval) => Some(true),
            RecordBody::Remove(_) | RecordBody::Adopt(_) | RecordBody::SetRules(_) => {
                if self
                    .ways(&author)
                    .iter()
                    .any(|way| self.is_within_uses(way))
                {
                    self.carries(&author, hash, hash)
                } else {
                    Some(false)
                }
            }
            _ => Some(true),
        }
    }

    /// Whether a device's standing carries what it began at one record and what was done by it at another.
    fn carries(&self, device: &DeviceId, begun: &Hash, done: &Hash) -> Option<bool> {
        let ways = self.ways(device).into_iter();
        let ways = ways.filter(|way| self.log.knows(begun, &way.record));
        let each = ways.map(|way| {
            let removals = self.removals().into_iter().filter(|(removal, of)| {
                of == device
                    && !self.log.is_rooted_after(&way, removal)
                    && !self.log.knows(removal, done)
            });
            let spared = removals.map(|(removal, _)| self.counts.get(&removal).map(|c| !c));
            all(spared.chain([self.counts.get(&way.record).copied()]))
        });
        let each: Vec<_> = each.collect();
        if each.contains(&Some(true)) {
            Some(true)
        } else if each.contains(&None) {
            None
        } else {
            Some(false)
        }
    }

    /// Role and earliness of the best way in of a record's author.
    fn weight(&self, hash: &Hash) -> (Role, std::cmp::Reverse<usize>) {
        let author = self.log.records[hash].author();
        let ways = self.ways(&author).into_iter();
        let ways = ways.filter(|w| self.log.knows(hash, &w.record));
        let ways = ways.filter(|w| self.counts.get(&w.record) != Some(&false));
        let weights = ways.map(|w| (w.role, std::cmp::Reverse(self.log.depths[&w.record])));
        weights.max().expect("its author was let in")
    }

    fn ended_by(&self, device: &DeviceId, way: &Way) -> bool {
        let removals = self.removals().into_iter();
        let counting = removals.filter(|(removal, of)| of == device && self.counts[removal]);
        counting
            .into_iter()
            .any(|(removal, _)| !self.log.is_rooted_after(way, &removal))
    }

    pub(super) fn lives(&self, device: &DeviceId) -> bool {
        self.ways(device).iter().any(|way| {
            let ended = self.ended_by(device, way) && self.broken != Some(Canary::NoEnd);
            self.counts[&way.record] && self.is_within_uses(way) && !ended
        })
    }

    pub(super) fn was_ended(&self, device: &DeviceId) -> bool {
        self.ways(device)
            .iter()
            .any(|way| self.ended_by(device, way))
    }
}

fn all(each: impl IntoIterator<Item = Option<bool>>) -> Option<bool> {
    let each: Vec<_> = each.into_iter().collect();
    if each.contains(&Some(false)) {
        Some(false)
    } else if each.contains(&None) {
        None
    } else {
        Some(true)
    }
}
