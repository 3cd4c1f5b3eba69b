//! What is admitted of some envelopes and membership records, computed from the text of docs/members.md by brute force.
//!
//! No code is shared with the engine: sets of hashes, every ancestor spelled out, every question asked again.

use std::collections::{BTreeMap, BTreeSet};

use driftless_document::{Action, Change, ChangeHash, DELETED, RecordId, Value, read_change};
use driftless_protocol::{DeviceId, Envelope, FeedId, Hash, Record, RecordBody, Role};

/// An envelope: its feed, or the branch of it that it lies on, and its number.
pub type Name = (FeedId, u64);

/// What becomes of the envelopes, and what the records read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// Applied, and counting.
    pub admitted: BTreeSet<Name>,
    /// Applied for the sake of others, and void.
    pub void: BTreeSet<Name>,
    /// Applied, and void: they issue again what another one that counts issues again as well.
    pub duplicates: BTreeSet<Name>,
    /// Held and not applied.
    pub quarantined: BTreeSet<Name>,
    /// Of those held and not applied, what lies on a branch of its feed or rests on what does.
    pub split: BTreeSet<Name>,
    /// The devices that are members, and those that were removed.
    pub active: BTreeSet<DeviceId>,
    /// See `active`.
    pub removed: BTreeSet<DeviceId>,
    /// Of each record, whether it reads deleted, and its registers as text.
    pub rows: BTreeMap<RecordId, (bool, BTreeMap<String, String>)>,
}

struct Log<'a> {
    records: BTreeMap<Hash, &'a Record>,
    /// All ancestors of each record.
    pasts: BTreeMap<Hash, BTreeSet<Hash>>,
    depths: BTreeMap<Hash, usize>,
}

/// A way in: the record that let a device in, its invite and its role.
struct Way {
    record: Hash,
    invite: Option<Hash>,
    role: Role,
}

/// Which records of a set count, and what follows.
struct Counted<'a> {
    log: &'a Log<'a>,
    set: BTreeSet<Hash>,
    uses: bool,
    counts: BTreeMap<Hash, bool>,
}

/// Computes what is expected.
pub fn expected(records: &[Record], envelopes: &[Envelope]) -> Expected {
    let log = Log::of(records);
    let whole = Counted::of(&log, log.records.keys().copied().collect(), true);
    let mut expected = Expected::default();
    for device in whole.devices() {
        if whole.lives(&device) {
            expected.active.insert(device);
        } else if whole.was_ended(&device) {
            expected.removed.insert(device);
        }
    }
    let places = Places::of(records, envelopes);
    let held: BTreeMap<Name, &Envelope> = envelopes.iter().map(|e| (places.name(e), e)).collect();
    let changes: BTreeMap<Name, Vec<(RecordId, Change)>> = held
        .iter()
        .map(|(name, e)| (*name, changes_of(e)))
        .collect();
    let split = resting_on_branches(&changes);
    let mut made_in = BTreeMap::new();
    for (name, changes) in changes.iter().filter(|(name, _)| !split.contains(name)) {
        made_in.extend(changes.iter().map(|(_, change)| (change.hash, *name)));
    }
    let current = |name: &Name| !split.contains(name) && is_current(&whole, &places, held[name]);
    let mut open: Vec<Name> = held.keys().copied().filter(current).collect();
    let admitted: BTreeSet<Name> = open.iter().copied().collect();
    let mut applied = BTreeSet::new();
    while let Some(name) = open.pop() {
        if applied.insert(name) {
            let deps = changes[&name].iter().flat_map(|(_, change)| &change.deps);
            open.extend(deps.filter_map(|dep| made_in.get(dep)));
        }
    }
    expected.void = applied.difference(&admitted).copied().collect();
    expected.quarantined = held
        .keys()
        .copied()
        .filter(|n| !applied.contains(n))
        .collect();
    expected.duplicates = duplicates(admitted.iter().map(|name| (*name, held[name])));
    expected.admitted = admitted;
    expected.split = split;
    expected.rows = rows(&expected, &changes);
    expected
}

/// Where feeds went on in two ways, and so where each envelope lies.
pub(super) struct Places<'a> {
    accused: BTreeSet<(FeedId, u64, Hash)>,
    by_hash: BTreeMap<Hash, &'a Envelope>,
}

impl<'a> Places<'a> {
    pub(super) fn of(
        records: impl IntoIterator<Item = &'a Record>,
        envelopes: impl IntoIterator<Item = &'a Envelope>,
    ) -> Self {
        let mut accused = BTreeSet::new();
        for record in records {
            if let RecordBody::Accuse(accuse) = record.body() {
                for header in [&accuse.first.header, &accuse.second.header] {
                    accused.insert((header.feed, header.n, header.prev));
                }
            }
        }
        Self {
            accused,
            by_hash: envelopes.into_iter().map(|e| (e.hash(), e)).collect(),
        }
    }

    /// The first of each way that a feed is known to have gone on in.
    pub(super) fn is_root(&self, envelope: &Envelope) -> bool {
        let header = envelope.header();
        self.accused.contains(&(header.feed, header.n, header.prev))
    }

    /// An envelope's feed or branch, and its number.
    pub(super) fn name(&self, envelope: &Envelope) -> Name {
        let header = envelope.header();
        let root = self.back(envelope).into_iter().find(|e| self.is_root(e));
        let feed = root.map_or(header.feed, |root| header.feed.branch(&root.hash()));
        (feed, header.n)
    }

    /// An envelope and all before it in its feed, as each names the hash of the one before.
    fn back<'b>(&self, envelope: &'b Envelope) -> Vec<&'b Envelope>
    where
        'a: 'b,
    {
        let mut back = vec![envelope];
        while let Some(before) = self.by_hash.get(&back[back.len() - 1].header().prev) {
            back.push(before);
        }
        back
    }
}

/// Those that issue again what another of these does that has more items or, with as many, a smaller hash.
fn duplicates<'a>(admitted: impl Iterator<Item = (Name, &'a Envelope)>) -> BTreeSet<Name> {
    let issued = admitted.filter_map(|(name, envelope)| Some((name, envelope, lost_by(envelope)?)));
    let issued: Vec<(Name, &Envelope, &[u8])> = issued.collect();
    let is_better = |one: &Envelope, other: &Envelope| {
        let (ours, theirs) = (one.items().len(), other.items().len());
        ours > theirs || (ours == theirs && one.hash().0 < other.hash().0)
    };
    let beaten = issued.iter().filter(|(_, envelope, lost)| {
        let mut others = issued.iter().filter(|(_, _, of)| of == lost);
        others.any(|(_, other, _)| is_better(other, envelope))
    });
    beaten.map(|(name, ..)| *name).collect()
}

/// What an envelope issues again, as it was first lost: the last 56 bytes of its extension 2.
fn lost_by(envelope: &Envelope) -> Option<&[u8]> {
    let (body, _) = envelope.known()?;
    let mut extensions = body.meta.ext.iter();
    let (_, bytes) = extensions.find(|(tag, _)| *tag == 2)?;
    bytes.get(bytes.len().checked_sub(56)?..)
}

/// What lies on a branch, and what rests on changes that came in nothing else.
fn resting_on_branches(changes: &BTreeMap<Name, Vec<(RecordId, Change)>>) -> BTreeSet<Name> {
    let on_branch = changes.keys().filter(|(feed, _)| feed.is_branch());
    let mut split: BTreeSet<Name> = on_branch.copied().collect();
    loop {
        let before = split.len();
        let made = |split: &BTreeSet<Name>, is: bool| -> BTreeSet<ChangeHash> {
            let envelopes = changes
                .iter()
                .filter(|(name, _)| split.contains(name) == is);
            envelopes
                .flat_map(|(_, changes)| changes.iter().map(|(_, change)| change.hash))
                .collect()
        };
        let (lost, whole) = (made(&split, true), made(&split, false));
        for (name, changes) in changes {
            let mut deps = changes.iter().flat_map(|(_, change)| &change.deps);
            if deps.any(|dep| lost.contains(dep) && !whole.contains(dep)) {
                split.insert(*name);
            }
        }
        if split.len() == before {
            return split;
        }
    }
}

fn changes_of(envelope: &Envelope) -> Vec<(RecordId, Change)> {
    let items = envelope.items().into_iter();
    items
        .flat_map(|(_, item, payload)| {
            let changes = payload.changes.iter();
            changes.map(|raw| {
                (
                    RecordId(item.record),
                    read_change(raw).expect("honest work"),
                )
            })
        })
        .collect()
}

fn is_current(whole: &Counted<'_>, places: &Places<'_>, envelope: &Envelope) -> bool {
    let header = envelope.header();
    let log = whole.log;
    let author = whole
        .devices()
        .into_iter()
        .find(|d| header.feed.belongs_to(d));
    let author = author.expect("its author was let in");
    for record in whole.counting() {
        if let RecordBody::Adopt(adopt) = record.body()
            && (adopt.envelopes.iter())
                .any(|n| (n.feed, n.n, n.hash) == (header.feed, header.n, envelope.hash()))
        {
            return true;
        }
    }
    let ways = whole.ways(&author);
    if !ways
        .iter()
        .any(|way| whole.counts[&way.record] && whole.is_within_uses(way))
    {
        return false;
    }
    let known = log.past_of(&header.membership);
    let removals = whole.counting().into_iter().filter_map(|r| match r.body() {
        RecordBody::Remove(remove) if remove.device == author => Some((r.hash(), remove)),
        _ => None,
    });
    removals.into_iter().all(|(removal, remove)| {
        let came_back = ways
            .iter()
            .any(|way| known.contains(&way.record) && log.is_rooted_after(way, &removal));
        let named = remove.cut.iter().any(|cut| {
            if cut.feed == header.feed {
                return header.n < cut.n || (header.n == cut.n && envelope.hash() == cut.hash);
            }
            // The feeds that this one goes on from, back from what the cut names.
            let mut at = places.by_hash.get(&cut.hash).copied();
            while let Some(named) = at {
                let begun = *places.back(named).last().expect("itself");
                let Some(before) = begun.header().predecessor else {
                    return false;
                };
                if before.feed == header.feed {
                    return header.n <= before.n;
                }
                at = places.by_hash.get(&before.hash).copied();
            }
            false
        });
        came_back || named
    })
}

impl<'a> Log<'a> {
    fn of(records: &'a [Record]) -> Self {
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
    fn past_of(&self, heads: &[Hash]) -> BTreeSet<Hash> {
        let mut past: BTreeSet<Hash> = heads.iter().copied().collect();
        past.extend(heads.iter().flat_map(|head| &self.pasts[head]));
        past
    }

    fn knows(&self, later: &Hash, earlier: &Hash) -> bool {
        self.pasts[later].contains(earlier)
    }

    /// Whether the invite of a way in knew of a removal.
    fn is_rooted_after(&self, way: &Way, removal: &Hash) -> bool {
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
    fn of(log: &'a Log<'a>, set: BTreeSet<Hash>, uses: bool) -> Self {
        let mut counted = Self {
            log,
            set,
            uses,
            counts: BTreeMap::new(),
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

    fn counting(&self) -> Vec<&'a Record> {
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

    fn devices(&self) -> BTreeSet<DeviceId> {
        let ways = self.set.iter().filter_map(|hash| self.log.way(hash));
        ways.map(|(device, _)| device).collect()
    }

    fn ways(&self, device: &DeviceId) -> Vec<Way> {
        let ways = self.set.iter().filter_map(|hash| self.log.way(hash));
        ways.filter(|(of, _)| of == device)
            .map(|(_, way)| way)
            .collect()
    }

    fn is_within_uses(&self, way: &Way) -> bool {
        let Some(invite) = way.invite.filter(|_| self.uses) else {
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

    fn lives(&self, device: &DeviceId) -> bool {
        self.ways(device).iter().any(|way| {
            self.counts[&way.record] && self.is_within_uses(way) && !self.ended_by(device, way)
        })
    }

    fn was_ended(&self, device: &DeviceId) -> bool {
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

/// What the records read by the admitted changes that are not void.
fn rows(
    expected: &Expected,
    changes: &BTreeMap<Name, Vec<(RecordId, Change)>>,
) -> BTreeMap<RecordId, (bool, BTreeMap<String, String>)> {
    let mut of_record = BTreeMap::<RecordId, Vec<(&Change, bool)>>::new();
    for (name, changes) in changes {
        let is_admitted = expected.admitted.contains(name);
        let counts = is_admitted && !expected.duplicates.contains(name);
        if is_admitted || expected.void.contains(name) {
            for (record, change) in changes {
                of_record.entry(*record).or_default().push((change, counts));
            }
        }
    }
    let rows = of_record
        .into_iter()
        .map(|(id, changes)| (id, row(&changes)));
    rows.collect()
}

fn row(changes: &[(&Change, bool)]) -> (bool, BTreeMap<String, String>) {
    let by_hash: BTreeMap<ChangeHash, &Change> =
        changes.iter().map(|(c, _)| (c.hash, *c)).collect();
    let past = |change: &Change| {
        let mut past = BTreeSet::new();
        let mut open = change.deps.clone();
        while let Some(hash) = open.pop() {
            if past.insert(hash) {
                open.extend(by_hash.get(&hash).into_iter().flat_map(|c| &c.deps));
            }
        }
        past
    };
    // Of each register: the change, the operation's id and what it leaves; none where it is emptied.
    let mut writes = BTreeMap::<&str, Vec<(&Change, (u64, [u8; 16]), Option<&Value>)>>::new();
    let mut counters = BTreeMap::<&str, i64>::new();
    for (change, _) in changes.iter().filter(|(_, counts)| *counts) {
        for (at, step) in change.operations.iter().enumerate() {
            let id = (change.start_op + at as u64, change.actor.0);
            match &step.action {
                Action::Put(value) => {
                    writes
                        .entry(&step.key)
                        .or_default()
                        .push((change, id, Some(value)));
                }
                Action::Delete => writes
                    .entry(&step.key)
                    .or_default()
                    .push((change, id, None)),
                Action::Increment(by) => *counters.entry(&step.key).or_default() += by,
                _ => {}
            }
        }
    }
    let mut deleted = false;
    let mut fields: BTreeMap<String, String> = BTreeMap::new();
    for (key, writes) in writes {
        let is_over = |(change, id, _): &(&Change, (u64, [u8; 16]), Option<&Value>)| {
            writes.iter().any(|(later, other, _)| {
                past(later).contains(&change.hash) || (later.hash == change.hash && other > id)
            })
        };
        let live = writes.iter().filter(|write| !is_over(write));
        let live = live.filter_map(|(_, id, value)| Some((*id, (*value)?)));
        let shown = live.max_by_key(|(id, _)| *id).map(|(_, value)| value);
        match shown {
            Some(value) if key == DELETED => deleted = *value == Value::Bool(true),
            Some(value) => {
                fields.insert(key.to_owned(), format!("{value:?}"));
            }
            None => {}
        }
    }
    for (key, total) in counters {
        fields.insert(key.to_owned(), format!("{:?}", Value::Counter(total)));
    }
    (deleted, fields)
}
