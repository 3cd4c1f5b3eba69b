//! Everything that anybody made, handed to a fresh replica of the owner in some order in which each follows its past.

use std::collections::BTreeSet;

use driftless_document::{ChangeHash, read_change};
use driftless_engine::{Replica, SessionId, SessionOutput, Side, Wishes};
use driftless_protocol::{
    Agreed, DeviceId, Envelope, FeedId, Hello, Message, Record, encode_batch, workspace_tag,
};
use driftless_store::MemoryKv;

use super::{Held, setup};
use crate::device::{Device, START_MS};
use crate::histories::Dice;
use crate::wire::start_of;

const HANDSHAKE: [u8; 32] = [5; 32];

/// One thing to hand over, and what it needs to be there.
enum Item<'a> {
    Record(&'a Record),
    Envelope(&'a Envelope, BTreeSet<ChangeHash>),
}

/// Hands everything over in a random order, in batches, with restarts and a rebuild now and then.
pub(super) fn replay(devices: &[Device], all: &Held, dice: &mut Dice) -> Result<Replica, String> {
    let (_, beginning) = setup::members();
    let mut device = Device {
        seed: devices[0].seed,
        ..Device::new(0)
    };
    let peer = devices[devices.len() - 1].key().device_id();
    let mut replica = setup::begin(&device, &beginning)?;
    let mut session = greet(&mut replica, peer)?;
    let mut there = There::default();
    there
        .records
        .extend(beginning.iter().map(|record| record.hash().0));
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
            messages.push(there.hand_over(&next));
        }
        if messages.is_empty() {
            return Err("something that was made needs what nobody has".into());
        }
        say(&mut replica, session, &messages)?;
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

fn items<'a>(all: &'a Held, there: &There) -> Vec<Item<'a>> {
    let records = all
        .records
        .iter()
        .filter(|r| !there.records.contains(&r.hash().0));
    let envelopes = all.envelopes.iter().map(|envelope| {
        let mut needs = BTreeSet::new();
        for (_, _, payload) in envelope.items() {
            for raw in &payload.changes {
                let change = read_change(raw).expect("honest work");
                needs.extend(change.deps);
            }
        }
        Item::Envelope(envelope, needs)
    });
    let made: BTreeSet<ChangeHash> = all.envelopes.iter().flat_map(changes_of).collect();
    let mut items: Vec<_> = records.map(Item::Record).chain(envelopes).collect();
    for item in &mut items {
        if let Item::Envelope(envelope, needs) = item {
            let own: BTreeSet<_> = changes_of(envelope).into_iter().collect();
            // What the first change of a field makes travels with it.
            needs.retain(|hash| made.contains(hash) && !own.contains(hash));
        }
    }
    items
}

fn changes_of(envelope: &Envelope) -> Vec<ChangeHash> {
    let items = envelope.items().into_iter();
    items
        .flat_map(|(_, _, payload)| &payload.changes)
        .map(|raw| read_change(raw).expect("honest work").hash)
        .collect()
}

/// What was handed over.
#[derive(Default)]
struct There {
    records: BTreeSet<[u8; 32]>,
    envelopes: BTreeSet<(FeedId, u64)>,
    changes: BTreeSet<ChangeHash>,
}

impl There {
    fn has(&self, item: &Item<'_>) -> bool {
        match item {
            Item::Record(record) => {
                let mut parents = record.parents().iter();
                parents.all(|parent| self.records.contains(&parent.0))
            }
            Item::Envelope(envelope, needs) => {
                let header = envelope.header();
                let before = match header.predecessor {
                    _ if header.n > 1 => Some((header.feed, header.n - 1)),
                    before => before.map(|before| (before.feed, before.n)),
                };
                let mut heads = header.membership.iter();
                before.is_none_or(|before| self.envelopes.contains(&before))
                    && heads.all(|head| self.records.contains(&head.0))
                    && needs.is_subset(&self.changes)
            }
        }
    }

    fn hand_over(&mut self, item: &Item<'_>) -> Message {
        match item {
            Item::Record(record) => {
                self.records.insert(record.hash().0);
                Message::Membership {
                    records: vec![(*record).clone()],
                    last: true,
                }
            }
            Item::Envelope(envelope, _) => {
                let header = envelope.header();
                self.envelopes.insert((header.feed, header.n));
                self.changes.extend(changes_of(envelope));
                Message::Envelope {
                    feed: header.feed,
                    n: header.n,
                    bytes: envelope.encode_wire(&Agreed {
                        membership: &[],
                        change_hash: None,
                    }),
                }
            }
        }
    }
}

/// Begins a session as a member that has everything.
fn greet(replica: &mut Replica, peer: DeviceId) -> Result<SessionId, String> {
    let start = start_of(Side::Listener, peer, HANDSHAKE, Wishes::default());
    let session = replica.start_session(start);
    let hello = Message::Hello(Hello {
        protocol_min: 1,
        protocol_max: 1,
        workspace: workspace_tag(&replica.workspace(), &HANDSHAKE),
        features: 0,
        cursor_digest: [1; 16],
        membership_digest: [2; 16],
        common: None,
        max_envelope: 1,
        role: 0,
    });
    let ask = Message::MembershipHave { prefixes: vec![] };
    say(replica, session, &[hello, ask])?;
    Ok(session)
}

fn say(replica: &mut Replica, session: SessionId, messages: &[Message]) -> Result<(), String> {
    let frame = encode_batch(messages).map_err(|error| error.to_string())?;
    replica.handle_frame(session, &frame, START_MS);
    replica.commit_group().map_err(|error| error.to_string())?;
    while let Some(output) = replica.poll_session(session) {
        if let SessionOutput::Failed(failure) = output {
            return Err(format!("what was made is not taken: {failure:?}"));
        }
    }
    Ok(())
}
