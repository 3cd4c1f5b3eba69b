//! What devices sign: envelopes, membership records and acknowledgements, as their decoders and checks take them.
//!
//! Where an alteration says something else and is not only damage, it is signed again by the member's key.

use driftless_document::change_hash;
use driftless_protocol::{
    Accuse, Adopt, Agreed, Body, DeviceId, DeviceKey, Envelope, EnvelopeName, FeedId, Hash,
    HeaderDraft, Keep, Payload, Record, RecordBody, Remove, WireContext, check_commitment,
};

use super::Fate;
use super::bytes;
use super::office::Office;
use crate::histories::Dice;

/// The envelopes and membership records of the office.
pub(super) struct Signed {
    envelopes: Vec<Envelope>,
    records: Vec<Record>,
    /// Two of the member's that have one number of one feed.
    twins: [Envelope; 2],
    key: DeviceKey,
}

impl Signed {
    pub(super) fn of(office: &Office) -> Self {
        let frames = [&office.owner, &office.friend, &office.member];
        let frames = frames.map(|device| device.frames().expect("its journal reads"));
        let frames: Vec<_> = frames.into_iter().flatten().collect();
        let envelopes = frames
            .iter()
            .filter_map(|f| Envelope::decode(&f.bytes).ok());
        let envelopes: Vec<_> = envelopes.collect();
        let records = frames.iter().filter_map(|f| Record::decode(&f.bytes).ok());
        let mut records: Vec<_> = records.collect();
        let key = office.member_key();
        let twins = twins(&key, &envelopes);
        let parents: Vec<_> = records.iter().map(Record::hash).take(1).collect();
        let workspace = records.first().map(Record::workspace);
        for body in bodies_about(&key.device_id(), &twins) {
            let record = Record::sign(&key, workspace, parents.clone(), body);
            records.push(record.expect("its body is within its limits"));
        }
        Self {
            envelopes,
            records,
            twins,
            key,
        }
    }

    /// One of two envelopes with one number.
    pub(super) fn twin(&self, dice: &mut Dice) -> &Envelope {
        &self.twins[dice.below(2)]
    }

    /// All membership records.
    pub(super) fn records(&self) -> &[Record] {
        &self.records
    }

    /// An altered envelope: the device that is said to have signed it, a byte that says in which form, and the bytes.
    pub(super) fn draw_envelope(&self, dice: &mut Dice) -> Vec<u8> {
        let envelope = &self.envelopes[dice.below(self.envelopes.len())];
        let other = &self.envelopes[dice.below(self.envelopes.len())];
        let form = u8::from(dice.below(3) == 0);
        let said = match dice.below(3) {
            0 => self.resigned(dice, envelope, other),
            _ => None,
        };
        let is_said = said.is_some();
        let envelope = said.as_ref().unwrap_or(envelope);
        let mut input = envelope.encode();
        if form == 1 {
            input = envelope.encode_wire(&agreed(&envelope.header().membership));
        }
        if !is_said || dice.below(2) == 0 {
            bytes::alter_some(dice, &mut input, &other.encode());
        }
        [&self.key.device_id().0[..], &[form], &input].concat()
    }

    /// An envelope that says something else, signed by the member.
    pub(super) fn resigned(
        &self,
        dice: &mut Dice,
        envelope: &Envelope,
        other: &Envelope,
    ) -> Option<Envelope> {
        let header = envelope.header();
        let mut draft = HeaderDraft {
            workspace: header.workspace,
            // Each a feed of its own, or all but the first would only be a second history.
            feed: FeedId::new(&self.key.device_id(), dice.roll().to_le_bytes()),
            n: 1,
            prev: Hash::ZERO,
            predecessor: None,
            membership: header.membership.clone(),
        };
        let (body, payload) = envelope.known()?;
        let (mut body, mut payload) = (body.clone(), payload.clone());
        for _ in 0..=dice.below(2) {
            match dice.below(4) {
                0 => alter_draft(dice, &mut draft, other),
                _ => alter_body(dice, &mut body, &mut payload, other),
            }
        }
        Envelope::seal(&self.key, draft, body, payload).ok()
    }

    /// An altered membership record.
    pub(super) fn draw_record(&self, dice: &mut Dice) -> Vec<u8> {
        let record = &self.records[dice.below(self.records.len())];
        let other = &self.records[dice.below(self.records.len())];
        let said = (dice.below(3) == 0).then(|| self.resigned_record(dice, record, other));
        let said = said.flatten();
        let mut input = said.as_ref().unwrap_or(record).encode();
        if said.is_none() || dice.below(2) == 0 {
            bytes::alter_some(dice, &mut input, &other.encode());
        }
        input
    }

    /// A membership record that says something else, signed by the member.
    pub(super) fn resigned_record(
        &self,
        dice: &mut Dice,
        record: &Record,
        other: &Record,
    ) -> Option<Record> {
        let mut parents = record.parents().to_vec();
        match dice.below(4) {
            0 => parents.push(other.hash()),
            1 => drop(parents.pop()),
            2 => parents.push(Hash([dice.roll().to_le_bytes()[0]; 32])),
            _ => {}
        }
        let workspace = (dice.below(8) > 0).then(|| record.workspace());
        let mut body = match dice.below(2) {
            0 => other.body().clone(),
            _ => record.body().clone(),
        };
        alter_said(dice, &mut body);
        Record::sign(&self.key, workspace, parents, body).ok()
    }

    /// One of the membership records.
    pub(super) fn record(&self, dice: &mut Dice) -> &Record {
        &self.records[dice.below(self.records.len())]
    }

    /// One of the envelopes.
    pub(super) fn envelope(&self, dice: &mut Dice) -> &Envelope {
        &self.envelopes[dice.below(self.envelopes.len())]
    }
}

/// The first envelope of a feed that nobody else has, twice with another content.
fn twins(key: &DeviceKey, envelopes: &[Envelope]) -> [Envelope; 2] {
    [0, 1].map(|n| {
        let of = &envelopes[n];
        let (body, payload) = of.known().expect("it is of this version");
        let draft = HeaderDraft {
            workspace: of.header().workspace,
            feed: FeedId::new(&key.device_id(), [5; 8]),
            n: 1,
            prev: Hash::ZERO,
            predecessor: None,
            membership: of.header().membership.clone(),
        };
        let sealed = Envelope::seal(key, draft, body.clone(), payload.clone());
        sealed.expect("it was sealed before")
    })
}

/// What no honest device of the office has had to write down: a removal, an adoption, an accusation.
fn bodies_about(device: &DeviceId, twins: &[Envelope; 2]) -> [RecordBody; 3] {
    let [one, other] = twins;
    let mut names = twins.each_ref().map(|envelope| EnvelopeName {
        feed: envelope.header().feed,
        n: envelope.header().n,
        hash: envelope.hash(),
    });
    names.sort();
    let (one, other) = (one.signed_header().clone(), other.signed_header().clone());
    [
        RecordBody::Remove(Remove {
            device: *device,
            cut: names[..1].to_vec(),
        }),
        RecordBody::Adopt(Adopt {
            envelopes: names.to_vec(),
        }),
        RecordBody::Accuse(Box::new(Accuse::of(*device, one, other))),
    ]
}

fn agreed(membership: &[Hash]) -> Agreed<'_> {
    Agreed {
        membership,
        change_hash: Some(&|raw| change_hash(raw).map(|hash| hash.0)),
    }
}

/// Decodes and checks what is said to be an envelope, as a session and an opening do.
pub(super) fn run_envelope(input: &[u8]) -> Result<Fate, String> {
    let Some((device, rest)) = input.split_first_chunk::<32>() else {
        return Ok(Fate::NotEven);
    };
    let Some((form, bytes)) = rest.split_first() else {
        return Ok(Fate::NotEven);
    };
    let device = DeviceId(*device);
    let is_wire = form % 2 == 1;
    let context = WireContext {
        workspace: driftless_protocol::WorkspaceId([0; 16]),
        feed: FeedId::new(&device, [4; 8]),
        n: 1,
        prev: Hash::ZERO,
        agreed: agreed(&[]),
    };
    let decoded = if is_wire {
        Envelope::decode_wire(bytes, &context)
    } else {
        Envelope::decode(bytes)
    };
    let Ok(envelope) = decoded else {
        return Ok(Fate::Refused("it does not decode"));
    };
    let again = Envelope::decode(&envelope.encode());
    if again.as_ref() != Ok(&envelope) || (!is_wire && envelope.encode() != bytes) {
        return Err("it is not encoded back to its bytes".into());
    }
    for (_, item, payload) in envelope.items() {
        let hash = payload.changes.last().and_then(|raw| change_hash(raw));
        let _ = hash.map(|hash| check_commitment(item, &payload.salt, &hash.0));
    }
    let erased = envelope.reduced(&|_, item| match item.first_seq % 3 {
        0 => Keep::All,
        1 => Keep::Description,
        _ => Keep::Hash,
    });
    if erased.hash() != envelope.hash() {
        return Err("what is left of it has another hash".into());
    }
    match envelope.verify(&device) {
        Ok(()) => Ok(Fate::Taken),
        Err(_) => Ok(Fate::Refused("its signature or hash does not fit")),
    }
}

/// Decodes and checks what is said to be a membership record.
pub(super) fn run_record(input: &[u8]) -> Result<Fate, String> {
    let Ok(record) = Record::decode(input) else {
        return Ok(Fate::Refused("it does not decode"));
    };
    if record.encode() != input {
        return Err("it is not encoded back to its bytes".into());
    }
    let _ = record.verify_join(&record);
    match record.verify() {
        Ok(()) => Ok(Fate::Taken),
        Err(_) => Ok(Fate::Refused("its signature does not fit")),
    }
}

fn alter_draft(dice: &mut Dice, draft: &mut HeaderDraft, other: &Envelope) {
    match dice.below(5) {
        0 => draft.n = dice.roll() >> dice.below(64),
        1 => draft.prev = other.hash(),
        2 => draft.membership.clone_from(&other.header().membership),
        3 => draft.membership = vec![Hash([3; 32]); 1 + dice.below(17)],
        _ => draft.workspace.0[0] ^= 1,
    }
    if draft.n == 1 {
        draft.prev = Hash::ZERO;
    }
}

fn alter_body(dice: &mut Dice, body: &mut Body, payload: &mut Payload, other: &Envelope) {
    let Some(group) = body.groups.first_mut() else {
        return;
    };
    match dice.below(7) {
        0 => group.collection = ["", "a", "$x", "notes\0", "notes"][dice.below(5)].into(),
        1 => group.items[0].record[0] ^= 1,
        2 => group.items[0].actor[15] ^= 1,
        3 => group.items[0].first_seq = dice.roll() >> dice.below(64),
        4 => group.items[0].last_seq = dice.roll() >> dice.below(64),
        5 => body.meta.time = dice.roll().cast_signed(),
        _ => {}
    }
    let foreign = other.known().map(|(_, payload)| payload.items[0].clone());
    let Some(changes) = payload.items.first_mut().map(|item| &mut item.changes) else {
        return;
    };
    match dice.below(6) {
        0 => bytes::alter(dice, &mut changes[0], &[]),
        1 => changes.push(changes[0].clone()),
        2 => changes.reverse(),
        3 => changes.extend(foreign.into_iter().flat_map(|item| item.changes)),
        _ => return,
    }
    // A member commits to what it says.
    let last = changes.last().and_then(|raw| change_hash(raw));
    let hash = last.map_or([0; 32], |hash| hash.0);
    let salt = payload.items[0].salt;
    body.groups[0].items[0].commitment = driftless_protocol::commitment(&salt, &hash);
}

fn alter_said(dice: &mut Dice, body: &mut RecordBody) {
    match body {
        RecordBody::Genesis(genesis) => genesis.limits_version ^= 1,
        RecordBody::Invite(invite) => {
            invite.uses = [0, 1, u32::MAX][dice.below(3)];
            invite.expires_ms = dice.roll().cast_signed();
        }
        RecordBody::Join(join) => join.name = "n".repeat(dice.below(70)),
        _ => {}
    }
}
