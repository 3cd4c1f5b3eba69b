//! Random histories of members: devices that edit, sync, restart, remove each other apart, adopt and come back, and
//! some that are there twice.
//!
//! One history is carried out on real replicas ([`run`]). Then whoever is still in brings everybody up to date, which
//! must come to an end, and nothing but a removal or a split feed may ever end a session early. What each replica holds
//! is compared with what [`oracle`] says of it; and everything that anybody made, the late work of removed devices too,
//! is handed to fresh replicas in other orders, in batches, with restarts in between: each must come to what the oracle
//! says. Whatever a branch took away must be issued again by whoever is in, and where nobody is removed each increment
//! counts once, and what was put into a text, list or set stands there: once, unless it was issued twice.

mod kinds;
pub mod oracle;
mod orders;
mod setup;
mod twins;

use std::collections::{BTreeMap, BTreeSet};

use driftless_document::{FieldPath, Node, RecordId, Value, parse_record};
use driftless_engine::{
    Edit, EngineError, EnvelopeId, ItemPage, MemberState, Replica, SessionFailure,
};
use driftless_protocol::{Code, Envelope, Record};
use driftless_store::MemoryKv;

use crate::device::{Device, RECORD_FRAME, holds_envelope};
use crate::histories::Dice;
use crate::wire::sync;
use kinds::Token;
pub(crate) use oracle::Places;
use oracle::{Canary, Expected, expected, expected_without};

/// Devices: an owner, two admins, two editors, and one that nobody removes.
pub(crate) const DEVICES: usize = 6;
/// Who may remove, adopt and let back in.
const MANAGERS: usize = 3;
/// Who may be removed: from the second to the last but one.
const REMOVABLE: std::ops::Range<usize> = 1..DEVICES - 1;
const COLLECTION: &str = "notes";
const FIELDS: [&str; 2] = ["a", "b"];

/// What some histories reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// Envelopes, those of removed devices included.
    pub envelopes: u64,
    /// Removals that count.
    pub removals: u64,
    /// Envelopes that are quarantined at the end, void, and adopted.
    pub quarantined: u64,
    /// See `quarantined`.
    pub void: u64,
    /// See `quarantined`.
    pub adopted: u64,
    /// Devices that were removed and are in again.
    pub returned: u64,
    /// Envelopes that do not count because a feed went on in two ways.
    pub split: u64,
    /// Of these, what its device has issued again.
    pub reissued: u64,
    /// Envelopes that issue again what another one that counts issues again as well.
    pub duplicates: u64,
    /// Orders of arrival that were tried.
    pub orders: u64,
    /// In how many histories it was noticed that a rule is left out: of each [`Canary`] in their order.
    pub noticed: [u64; Canary::ALL.len()],
}

impl Reached {
    /// Counts what another history reached.
    pub fn add(&mut self, other: &Self) {
        self.envelopes += other.envelopes;
        self.removals += other.removals;
        self.quarantined += other.quarantined;
        self.void += other.void;
        self.adopted += other.adopted;
        self.returned += other.returned;
        self.split += other.split;
        self.reissued += other.reissued;
        self.duplicates += other.duplicates;
        self.orders += other.orders;
        for (all, noticed) in self.noticed.iter_mut().zip(other.noticed) {
            *all += noticed;
        }
    }

    /// What was never reached.
    pub fn never(&self) -> Vec<&'static str> {
        let all = [
            ("removals", self.removals),
            ("quarantined", self.quarantined),
            ("void", self.void),
            ("adopted", self.adopted),
            ("returned", self.returned),
            ("split", self.split),
            ("reissued", self.reissued),
            ("duplicates", self.duplicates),
        ];
        let never = all.into_iter().filter(|(_, count)| *count == 0);
        never.map(|(what, _)| what).collect()
    }

    /// The rules of which it was never noticed that they were left out.
    pub fn unnoticed(&self) -> Vec<Canary> {
        let all = Canary::ALL.into_iter().zip(self.noticed);
        all.filter(|(_, count)| *count == 0)
            .map(|(canary, _)| canary)
            .collect()
    }
}

pub(crate) struct World {
    dice: Dice,
    pub(crate) devices: Vec<Device>,
    pub(crate) replicas: Vec<Replica>,
    records: Vec<RecordId>,
    edits: u64,
    /// Whether devices may come to be there twice.
    doubles: bool,
    /// Whether nobody is removed.
    calm: bool,
    manner: Manner,
    /// Dice for what is special.
    special: Dice,
    /// Of each record, how often somebody's increment was taken.
    increments: BTreeMap<RecordId, i64>,
    /// What was put into texts, lists and sets that only grow.
    tokens: Vec<Token>,
    /// The devices that are there twice.
    doubled: BTreeSet<usize>,
    /// How many folders were copied while they were open.
    copies: usize,
}

/// What is special about a history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Manner {
    /// Whether devices are there twice more often, and folders are copied while they are open.
    pub copies: bool,
    /// Whether texts, lists and sets are edited as well.
    pub inside: bool,
}

impl Manner {
    /// What the history of a seed is like.
    pub fn of(seed: u64) -> Self {
        let mut dice = manners(seed);
        Self {
            copies: dice.below(3) == 0,
            inside: dice.below(3) > 0,
        }
    }
}

/// Dice for what is special: those of the rest fall as they do without it.
fn manners(seed: u64) -> Dice {
    Dice(seed ^ 0x6d61_6e6e_6572_7321)
}

/// Carries out the history of a seed; what is wrong with it is a sentence.
pub fn run(seed: u64) -> Result<Reached, String> {
    run_as(seed, Manner::of(seed))
}

/// Carries out the history of a seed in another manner.
pub fn run_as(seed: u64, manner: Manner) -> Result<Reached, String> {
    let mut dice = Dice(seed);
    let steps = 20 + dice.below(60);
    let mut world = World::begin(dice, true)?;
    world.manner = manner;
    world.special = manners(seed);
    for _ in 0..steps {
        world.step()?;
    }
    world.heal()?;
    world.check()
}

impl World {
    /// The members, with two records that all have; `doubles` says whether devices may come to be there twice.
    pub(crate) fn begin(dice: Dice, doubles: bool) -> Result<Self, String> {
        let (devices, records) = setup::members();
        let replicas = devices.iter().map(|device| setup::begin(device, &records));
        let mut world = Self {
            dice,
            replicas: replicas.collect::<Result<_, _>>()?,
            devices,
            records: Vec::new(),
            edits: 0,
            doubles,
            calm: false,
            manner: Manner::default(),
            special: Dice(0),
            increments: BTreeMap::new(),
            tokens: Vec::new(),
            doubled: BTreeSet::new(),
            copies: 0,
        };
        world.calm = doubles && world.dice.below(4) == 0;
        for _ in 0..2 {
            world.insert(0)?;
        }
        for other in 1..DEVICES {
            world.sync(0, other)?;
        }
        Ok(world)
    }

    pub(crate) fn step(&mut self) -> Result<(), String> {
        if self.manner.copies {
            match self.special.below(24) {
                0 | 1 => return self.double(),
                2 | 3 => return self.copy_folder(),
                _ => {}
            }
        }
        let all = self.devices.len();
        let device = self.dice.below(all);
        match self.dice.below(if self.doubles { 41 } else { 40 }) {
            0..18 if self.manner.inside && self.special.below(2) == 0 => self.edit_inside(device),
            0..18 => self.edit(device),
            18..31 => {
                let other = (device + 1 + self.dice.below(all - 1)) % all;
                self.sync(device, other)
            }
            40 => self.double(),
            31..34 if self.calm => Ok(()),
            31..34 => self.remove(),
            34..36 => self.adopt(),
            36 => self.let_back_in(),
            37 => self.insert(device),
            _ => self.restart(device),
        }
    }

    fn edit(&mut self, device: usize) -> Result<(), String> {
        self.edits += 1;
        let id = self.records[self.dice.below(self.records.len())];
        let field = FIELDS[self.dice.below(FIELDS.len())];
        let path = FieldPath::parse(field).expect("it is one");
        let what = self.dice.below(12);
        let replica = &mut self.replicas[device];
        let done = match what {
            0 => replica.delete(COLLECTION, id).map(|_| ()),
            1 => replica.restore(COLLECTION, id).map(|_| ()),
            2 => edit(replica, id, Edit::Unset { path }),
            3 | 4 => {
                let path = FieldPath::parse("count").expect("it is one");
                edit(replica, id, Edit::Increment { path, by: 1 })
            }
            _ => {
                let value = Value::String(format!("{device}-{}", self.edits));
                let node = Node::Leaf(value);
                edit(replica, id, Edit::Set { path, node })
            }
        };
        if done.is_ok() && (3..5).contains(&what) {
            *self.increments.entry(id).or_default() += 1;
        }
        self.commit_if_written(device, done)
    }

    /// Writes what nobody else has written.
    fn name(&mut self, device: usize) -> Result<(), String> {
        self.edits += 1;
        let id = self.records[self.dice.below(self.records.len())];
        let path = FieldPath::parse(FIELDS[0]).expect("it is one");
        let node = Node::Leaf(Value::String(format!("{device}-{}", self.edits)));
        let done = edit(&mut self.replicas[device], id, Edit::Set { path, node });
        self.commit_if_written(device, done)
    }

    fn commit_if_written(
        &mut self,
        device: usize,
        done: Result<(), EngineError>,
    ) -> Result<(), String> {
        match done {
            // It is not there yet, deleted, or the device knows that it was removed.
            Err(
                EngineError::NotFound { .. }
                | EngineError::Deleted { .. }
                | EngineError::NotAllowed { .. },
            )
            | Ok(()) => commit(&mut self.replicas[device]),
            Err(other) => Err(format!("device {device} cannot edit: {other}")),
        }
    }

    pub(crate) fn insert(&mut self, device: usize) -> Result<(), String> {
        let replica = &mut self.replicas[device];
        let fields = parse_record(r#"{"a":"new"}"#).expect("it is one");
        match replica.insert(COLLECTION, fields) {
            // Two runs of one device that have done the same so far make the same record.
            Ok((id, _)) if self.records.contains(&id) => {}
            Ok((id, _)) => self.records.push(id),
            Err(EngineError::NotAllowed { .. }) => {}
            Err(other) => return Err(format!("device {device} cannot insert: {other}")),
        }
        commit(replica)
    }

    pub(crate) fn sync(&mut self, dialer: usize, listener: usize) -> Result<(), String> {
        if self.devices[dialer].seed == self.devices[listener].seed {
            return Ok(()); // a device does not call itself
        }
        let [a, b] = self
            .replicas
            .get_disjoint_mut([dialer, listener])
            .expect("two devices");
        match sync(a, b) {
            Ok(_)
            | Err(SessionFailure {
                // It is written down that a feed went on in two ways; the next session begins with that.
                code: Code::DeviceRemoved | Code::Equivocation,
                ..
            }) => Ok(()),
            Err(failure) => Err(format!("{dialer} and {listener} do not sync: {failure:?}")),
        }
    }

    fn remove(&mut self) -> Result<(), String> {
        let by = self.dice.below(MANAGERS);
        let other = REMOVABLE.start + self.dice.below(REMOVABLE.len());
        let device = self.devices[other].key().device_id();
        let replica = &mut self.replicas[by];
        match replica.remove_member(&device) {
            Ok(_) | Err(EngineError::NotAllowed { .. }) => commit(replica),
            Err(failed) => Err(format!("{by} cannot remove {other}: {failed}")),
        }
    }

    fn adopt(&mut self) -> Result<(), String> {
        let by = self.dice.below(MANAGERS);
        let replica = &mut self.replicas[by];
        let void = replica.void().map_err(|e| e.to_string())?;
        let items = all_items(replica)?;
        let waiting: Vec<_> = items.into_iter().chain(void).collect();
        if waiting.is_empty() {
            return Ok(());
        }
        let adopted = if self.dice.below(4) == 0 {
            replica.adopt_all()
        } else {
            replica.adopt(&[waiting[self.dice.below(waiting.len())]])
        };
        match adopted {
            Ok(_) | Err(EngineError::NotAllowed { .. } | EngineError::NotAdoptable { .. }) => {
                commit(replica)
            }
            Err(failed) => Err(format!("{by} cannot adopt: {failed}")),
        }
    }

    /// A manager that knows of a removal makes an invitation, and the removed device joins by it.
    fn let_back_in(&mut self) -> Result<(), String> {
        let by = self.dice.below(MANAGERS);
        let replica = &mut self.replicas[by];
        let removed: Vec<_> = REMOVABLE
            .filter(|n| {
                let device = self.devices[*n].key().device_id();
                let view = replica.member_view(&device);
                view.is_ok_and(|view| view.state == MemberState::Removed)
            })
            .collect();
        if removed.is_empty() {
            return Ok(());
        }
        let other = removed[self.dice.below(removed.len())];
        let link = match replica.invite("ws://127.0.0.1:1", 1, 60_000) {
            Ok(link) => link,
            Err(EngineError::NotAllowed { .. } | EngineError::Peer { .. }) => return Ok(()),
            Err(failed) => return Err(format!("{by} cannot invite: {failed}")),
        };
        commit(replica)?;
        let again = Device {
            seed: self.devices[other].seed,
            ..Device::new(0)
        };
        // What it joins by is what counts; its folder goes on and hears of it with the next sync.
        match again.join(replica, &link, &format!("device {other}")) {
            Ok(_) => Ok(()),
            Err(failure) => Err(format!("{other} cannot come back by {by}: {failure:?}")),
        }
    }

    fn restart(&mut self, device: usize) -> Result<(), String> {
        if self.dice.below(3) == 0 {
            self.devices[device].kv = MemoryKv::new();
        }
        let opened = self.devices[device].try_open();
        self.replicas[device] = opened.map_err(|e| format!("{device} does not open: {e}"))?;
        Ok(())
    }

    /// Everybody who is in, as the owner sees it, syncs with everybody until nothing changes.
    pub(crate) fn heal(&mut self) -> Result<(), String> {
        let all = self.devices.len();
        for _ in 0..2 * all {
            for dialer in 0..all {
                for listener in 0..dialer {
                    self.sync(dialer, listener)?;
                }
            }
            let active = self.active();
            let held: Vec<_> = active.iter().map(|n| frames(&self.devices[*n])).collect();
            let held = held.into_iter().collect::<Result<Vec<_>, _>>()?;
            if held.windows(2).all(|pair| pair[0].is_same(&pair[1])) {
                return Ok(());
            }
        }
        Err("the members do not come to hold the same".into())
    }

    fn active(&self) -> Vec<usize> {
        let members = self.replicas[0].member_list();
        let is_active = |n: &usize| {
            let device = self.devices[*n].key().device_id();
            let mut members = members.iter();
            members.any(|m| m.device == device && m.state == MemberState::Active)
        };
        (0..self.devices.len()).filter(is_active).collect()
    }

    fn check(mut self) -> Result<Reached, String> {
        let held = frames(&self.devices[0])?;
        let wanted = expected(&held.records, &held.envelopes);
        let owner = self.replicas[0].digest().map_err(|e| e.to_string())?;
        for n in self.active() {
            let what = format!("device {n}");
            agrees(&what, &self.replicas[n], &wanted)?;
            if self.replicas[n].digest().map_err(|e| e.to_string())? != owner {
                return Err(format!("device {n} and the owner have other digests"));
            }
        }
        let reissued = self.check_nothing_lost(&wanted)?;
        let mut all = held;
        for device in &self.devices {
            all.add(frames(device)?);
        }
        twins::accuse(&self.devices, &mut all)?;
        let wanted = expected(&all.records, &all.envelopes);
        let mut reached = reached(&all, &wanted);
        reached.reissued = reissued;
        let mut digests = Vec::new();
        for order in 0..2 {
            let replica = orders::replay(&self.devices, &all, &mut self.dice)?;
            agrees(&format!("order {order}"), &replica, &wanted)?;
            if order == 0 {
                reached.noticed = noticed(&replica, &all);
            }
            digests.push(replica.digest().map_err(|e| e.to_string())?);
            digests.dedup();
            reached.orders += 1;
        }
        if digests.len() > 1 {
            return Err("two orders of arrival have other digests".into());
        }
        Ok(reached)
    }
}

fn edit(replica: &mut Replica, id: RecordId, edit: Edit) -> Result<(), EngineError> {
    replica.edit(COLLECTION, id, &[edit]).map(|_| ())
}

fn commit(replica: &mut Replica) -> Result<(), String> {
    replica.commit_group().map_err(|error| error.to_string())
}

fn all_items(replica: &Replica) -> Result<Vec<EnvelopeId>, String> {
    let page = ItemPage {
        settled: true,
        ..ItemPage::default()
    };
    let items = replica.quarantine(&page).map_err(|e| e.to_string())?;
    Ok(items.into_iter().map(|item| item.id).collect())
}

/// What a journal holds.
struct Held {
    records: Vec<Record>,
    envelopes: Vec<Envelope>,
}

impl Held {
    fn is_same(&self, other: &Self) -> bool {
        self.names() == other.names()
    }

    fn names(&self) -> BTreeSet<[u8; 32]> {
        let records = self.records.iter().map(|record| record.hash().0);
        let envelopes = self.envelopes.iter().map(|envelope| envelope.hash().0);
        records.chain(envelopes).collect()
    }

    fn add(&mut self, other: Self) {
        let known = self.names();
        let records = other.records.into_iter();
        self.records
            .extend(records.filter(|r| !known.contains(&r.hash().0)));
        let envelopes = other.envelopes.into_iter();
        self.envelopes
            .extend(envelopes.filter(|e| !known.contains(&e.hash().0)));
    }
}

fn frames(device: &Device) -> Result<Held, String> {
    let mut held = Held {
        records: Vec::new(),
        envelopes: Vec::new(),
    };
    for frame in device.frames().map_err(|error| error.to_string())? {
        if holds_envelope(frame.kind) {
            let envelope = Envelope::decode(&frame.bytes).map_err(|e| e.to_string())?;
            held.envelopes.push(envelope);
        } else if frame.kind == RECORD_FRAME {
            let record = Record::decode(&frame.bytes).map_err(|e| e.to_string())?;
            held.records.push(record);
        }
    }
    Ok(held)
}

fn reached(all: &Held, wanted: &Expected) -> Reached {
    use driftless_protocol::RecordBody;
    let bodies = || all.records.iter().map(Record::body);
    let removed: BTreeSet<_> = bodies()
        .filter_map(|body| match body {
            RecordBody::Remove(remove) => Some(remove.device),
            _ => None,
        })
        .collect();
    let adopted = bodies().filter(|body| matches!(body, RecordBody::Adopt(_)));
    Reached {
        envelopes: all.envelopes.len() as u64,
        removals: removed.len() as u64,
        quarantined: wanted.quarantined.len() as u64,
        void: wanted.void.len() as u64,
        adopted: adopted.count() as u64,
        returned: removed.intersection(&wanted.active).count() as u64,
        split: wanted.split.len() as u64,
        duplicates: wanted.duplicates.len() as u64,
        ..Reached::default()
    }
}

/// Which rules can be told to be left out by what a replica comes to.
fn noticed(replica: &Replica, all: &Held) -> [u64; Canary::ALL.len()] {
    Canary::ALL.map(|canary| {
        let wanted = expected_without(&all.records, &all.envelopes, Some(canary));
        u64::from(is_as(replica, &wanted).is_err())
    })
}

/// Compares a replica with what is expected of what it holds, and with what its own journal says.
fn agrees(what: &str, replica: &Replica, wanted: &Expected) -> Result<(), String> {
    is_as(replica, wanted).map_err(|why| format!("{what}: {why}"))?;
    let report = replica.verify(&mut |_| ()).map_err(|e| e.to_string())?;
    match report.problems.first() {
        Some(problem) => Err(format!("{what}: its journal says otherwise: {problem}")),
        None => Ok(()),
    }
}

/// Compares a replica with what is expected of what it holds.
fn is_as(replica: &Replica, wanted: &Expected) -> Result<(), String> {
    let failed = Err::<(), String>;
    let names = |ids: Vec<EnvelopeId>| -> BTreeSet<oracle::Name> {
        ids.into_iter().map(|id| (id.feed, id.n)).collect()
    };
    let members = replica.member_list();
    for (state, wanted) in [
        (MemberState::Active, &wanted.active),
        (MemberState::Removed, &wanted.removed),
    ] {
        let ours = members.iter().filter(|m| m.state == state);
        let ours: BTreeSet<_> = ours.map(|m| m.device).collect();
        if ours != *wanted {
            return failed(format!("{state:?} are {ours:?}, not {wanted:?}"));
        }
    }
    let quarantined = names(all_items(replica)?);
    if quarantined != wanted.quarantined {
        return failed(format!(
            "quarantined {quarantined:?}, not {:?}",
            wanted.quarantined
        ));
    }
    let void = names(replica.void().map_err(|e| e.to_string())?);
    if void != wanted.void {
        return failed(format!("void {void:?}, not {:?}", wanted.void));
    }
    let twice = names(replica.duplicates().map_err(|e| e.to_string())?);
    if twice != wanted.duplicates {
        return failed(format!(
            "issued twice {twice:?}, not {:?}",
            wanted.duplicates
        ));
    }
    for (id, (deleted, fields)) in &wanted.rows {
        let row = replica.get(COLLECTION, *id).map_err(|e| e.to_string())?;
        let Some(row) = row else {
            return failed(format!("record {id} is not there"));
        };
        let ours = row
            .fields
            .iter()
            .map(|(key, value)| (key.clone(), format!("{value:?}")));
        let ours = (row.deleted, ours.collect());
        if ours != (*deleted, fields.clone()) {
            return failed(format!(
                "record {id} reads {ours:?}, not {deleted} {fields:?}"
            ));
        }
    }
    let records = replica.digest().map_err(|e| e.to_string())?.records;
    let shown = wanted.rows.values().filter(|(deleted, _)| !deleted).count();
    if records != shown as u64 {
        return failed(format!("{records} records, not {shown}"));
    }
    Ok(())
}
