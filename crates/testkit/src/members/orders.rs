//! Everything that anybody made, handed to a fresh replica of the owner in some order in which each follows its past.

use std::collections::BTreeSet;

use driftless_document::{ChangeHash, read_change};
use driftless_engine::{Replica, SessionId, SessionOutput, Side, Wishes};
use driftless_protocol::{
    Agreed, Code, DeviceId, Envelope, Hash, Message, Record, RecordBody, encode_batch,
};
use driftless_store::MemoryKv;

use super::{DEVICES, Held, setup, twins};
use crate::device::{Device, START_MS};
use crate::histories::Dice;
use crate::wire::{hello, start_of};

const HANDSHAKE: [u8; 32] = [5; 32];

/// One thing to hand over, and what it needs to be there.
enum Item<'a> {
    Record(&'a Record),
    Envelope(&'a Envelope, BTreeSet<Named>),
}

/// A change by its record and hash: changes of two records may be equal.
type Named = ([u8; 16], ChangeHash);

/// Hands everything over in a random order, in batches, with restarts and a rebuild now and then.
pub(super) fn replay(devices: &[Device], all: &Held, dice: &mut Dice) -> Result<Replica, String> {
    let (_, beginning) = setup::members();
    let mut device = Device {
        seed: devices[0].seed,
        ..Device::new(0)
    };
    let peer = devices[DEVICES - 1].key().device_id();
    let mut replica = setup::begin(&device, &beginning)?;
    let mut session = greet(&mut replica, peer)?;
    let mut there = There::default();
    for record in &beginning {
        there.add(record);
    }
    let mut waiting = items(all, &there);
    // Some histories hand over the records first, some last, some as it comes.
    let favour = dice.below(3);
    while !waiting.is_empty() {
        let mut messages = Vec::new();
        for _ in 0..=dice.below(4) {
            let ready: Vec<usize> = (0..waiting.len())
                .filter(|n| there.has(&waiting[*n]))
                .collect();
            if ready.is_empty() {
                break;
            }
            let is_record = |n: &&usize| matches!(waiting[**n], Item::Record(_));
            let wanted: Vec<usize> = match favour {
                0 => ready.iter().filter(is_record).copied().collect(),
                1 => ready.iter().filter(|n| !is_record(n)).copied().collect(),
                _ => Vec::new(),
            };
            let from = if wanted.is_empty() { &ready } else { &wanted };
            let next = waiting.swap_remove(from[dice.below(from.len())]);
            messages.push(there.hand_over(&next)?);
            // It splits a feed: what follows needs a session that knows of that.
            if matches!(next, Item::Record(record) if matches!(record.body(), RecordBody::Accuse(_)))
            {
                break;
            }
        }
        if messages.is_empty() {
            return Err("something that was made needs what nobody has".into());
        }
        if say(&mut replica, session, &messages)? {
            session = greet(&mut replica, peer)?;
        }
        if dice.below(12) == 0 {
            drop(replica);
            if dice.below(2) == 0 {
                device.kv = MemoryKv::new();
            }
            replica = device
                .try_open()
                .map_err(|e| format!("it does not open: {e}"))?;
            session = greet(&mut replica, peer)?;
        }
    }
    Ok(replica)
}

fn items<'a>(all: &'a Held, there: &There<'_>) -> Vec<Item<'a>> {
    let records = all
        .records
        .iter()
        .filter(|r| !there.hashes.contains(&r.hash()));
    let envelopes = all.envelopes.iter().map(|envelope| {
        let mut needs = BTreeSet::new();
        for (_, item, payload) in envelope.items() {
            for raw in &payload.changes {
                let change = read_change(raw).expect("honest work");
                needs.extend(change.deps.into_iter().map(|hash| (item.record, hash)));
            }
        }
        Item::Envelope(envelope, needs)
    });
    let made: BTreeSet<Named> = all.envelopes.iter().flat_map(changes_of).collect();
    let mut items: Vec<_> = records.map(Item::Record).chain(envelopes).collect();
    for item in &mut items {
        if let Item::Envelope(envelope, needs) = item {
            let own: BTreeSet<_> = changes_of(envelope).into_iter().collect();
            // What the first change of a field makes travels with it.
            needs.retain(|need| made.contains(need) && !own.contains(need));
        }
    }
    items
}

fn changes_of(envelope: &Envelope) -> Vec<Named> {
    let items = envelope.items().into_iter();
    let changes = items.flat_map(|(_, item, payload)| {
        let changes = payload.changes.iter();
        changes.map(|raw| (item.record, read_change(raw).expect("honest work").hash))
    });
    changes.collect()
}

/// What was handed over.
#[derive(Default)]
struct There<'a> {
    hashes: BTreeSet<Hash>,
    records: Vec<&'a Record>,
    envelopes: Vec<&'a Envelope>,
    changes: BTreeSet<Named>,
}

impl<'a> There<'a> {
    fn add(&mut self, record: &'a Record) {
        self.hashes.insert(record.hash());
        self.records.push(record);
    }

    fn has(&self, item: &Item<'_>) -> bool {
        let has = |hash: &Hash| self.hashes.contains(hash);
        match item {
            Item::Record(record) => record.parents().iter().all(has),
            Item::Envelope(envelope, needs) => {
                let header = envelope.header();
                let before = match header.predecessor {
                    _ if header.n > 1 => Some(header.prev),
                    before => before.map(|before| before.hash),
                };
                before.is_none_or(|before| has(&before))
                    && header.membership.iter().all(has)
                    && needs.is_subset(&self.changes)
                    && twins::free_place(&self.records, &self.envelopes, envelope).is_some()
            }
        }
    }

    fn hand_over(&mut self, item: &Item<'a>) -> Result<Message, String> {
        Ok(match item {
            Item::Record(record) => {
                self.add(record);
                Message::Membership {
                    records: vec![(*record).clone()],
                    last: true,
                }
            }
            Item::Envelope(envelope, _) => {
                let place = twins::free_place(&self.records, &self.envelopes, envelope);
                let (feed, n) = place.ok_or("its place is taken")?;
                self.hashes.insert(envelope.hash());
                self.envelopes.push(envelope);
                self.changes.extend(changes_of(envelope));
                Message::Envelope {
                    feed,
                    n,
                    bytes: envelope.encode_wire(&Agreed {
                        membership: &[],
                        change_hash: None,
                    }),
                }
            }
        })
    }
}

/// Begins a session as a member that has everything.
fn greet(replica: &mut Replica, peer: DeviceId) -> Result<SessionId, String> {
    let start = start_of(Side::Listener, peer, HANDSHAKE, Wishes::default());
    let session = replica.start_session(start);
    let hello = Message::Hello(hello(&replica.workspace(), &HANDSHAKE));
    let ask = Message::MembershipHave { prefixes: vec![] };
    if say(replica, session, &[hello, ask])? {
        return Err("a session does not begin".into());
    }
    Ok(session)
}

/// Says something; whether the session ended because a feed turned out to have gone on in two ways.
fn say(replica: &mut Replica, session: SessionId, messages: &[Message]) -> Result<bool, String> {
    let frame = encode_batch(messages).map_err(|error| error.to_string())?;
    replica.handle_frame(session, &frame, START_MS);
    replica.commit_group().map_err(|error| error.to_string())?;
    let splits = messages.iter().any(|message| match message {
        Message::Membership { records, .. } => {
            let mut bodies = records.iter().map(Record::body);
            bodies.any(|body| matches!(body, RecordBody::Accuse(_)))
        }
        _ => false,
    });
    let mut ended = false;
    while let Some(output) = replica.poll_session(session) {
        match output {
            SessionOutput::Failed(failure) if splits && failure.code == Code::Equivocation => {
                ended = true;
            }
            SessionOutput::Failed(failure) => {
                return Err(format!("what was made is not taken: {failure:?}"));
            }
            _ => {}
        }
    }
    Ok(ended)
}
