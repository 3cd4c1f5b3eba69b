//! What strangers and hostile members do to a device: it costs their session, and nothing else.

use driftless_document::ActorId;
use driftless_engine::{SessionId, SessionOutput, Side, Wishes};
use driftless_protocol::{
    Ack, Chunk, Code, CursorMark, DeviceId, DeviceKey, FeedId, Hash, HeldRun, Message, Meta,
    Record, RecordBody, Refusal, RunSet, decode_batch,
};

use super::super::{Wrong, checks};
use super::villain::{Draft, change_of, frame, hello, random_bytes, unknown, wire_of};
use super::{SimCanary, Simulation};
use crate::device::Device;
use crate::histories::Dice;
use crate::wire::{DIALER, LISTENER, Link};

/// Frames of one spoiled session, at most.
const FRAMES: usize = 40;
/// What the key of a stranger comes from.
const STRANGER: u8 = 200;
/// A kind of membership record that nobody knows yet.
const NEW_RECORD: u8 = 77;

impl Simulation {
    /// Somebody says some frames to a device, whose disk may fail on it; what was answered.
    pub(super) fn say(
        &mut self,
        n: usize,
        peer: DeviceId,
        hash: [u8; 32],
        frames: &[Vec<u8>],
    ) -> Result<Vec<Message>, Wrong> {
        if !self.settle(n)? {
            return Ok(Vec::new());
        }
        self.drain(n)?;
        self.set_clock(n);
        let live = self.dice.villain.below(2) == 0;
        let wishes = Wishes {
            live,
            ..Wishes::default()
        };
        let start = crate::wire::start_of(Side::Listener, peer, hash, wishes);
        let session = self.world.places[n].live()?.start_session(start);
        let mut heard = Vec::new();
        for frame in frames {
            let now = self.world.places[n].now();
            self.world.trace.update(frame);
            let replica = self.world.places[n].live()?;
            replica.handle_frame(session, frame, now);
            if !self.settle(n)? {
                return Ok(heard);
            }
            heard.extend(self.hear(n, session)?);
        }
        self.world.places[n].live()?.end_session(session)?;
        self.after(n)?;
        Ok(heard)
    }

    fn hear(&mut self, n: usize, session: SessionId) -> Result<Vec<Message>, Wrong> {
        let mut heard = Vec::new();
        while let Some(output) = self.world.places[n].live()?.poll_session(session) {
            if let SessionOutput::Send(frame) = output {
                heard.extend(decode_batch(&frame).map_err(|e| Wrong::new(e.to_string()))?);
            }
        }
        Ok(heard)
    }

    /// Somebody who is no member dials, and is told so; nothing changes.
    pub(super) fn stranger(&mut self, n: usize) -> Result<(), Wrong> {
        if self.hosts[n].armed.is_some() || !self.settle(n)? {
            return Ok(());
        }
        let place = &self.world.places[n];
        let workspace = place.seen()?.workspace();
        let stands =
            |replica: &driftless_engine::Replica| (replica.last_change(), replica.journal_bytes());
        let before = stands(place.seen()?);
        let hash = random_bytes(&mut self.dice.villain);
        let key = Device::new(STRANGER).key();
        let mut messages = vec![hello(&workspace, &hash, 0)];
        for _ in 0..self.dice.villain.below(4) {
            messages.push(out_of_place(&mut self.dice.villain, &key, place, &hash)?);
        }
        let mut frames = vec![frame(&messages[..1])?];
        for message in &messages[1..] {
            frames.push(frame(std::slice::from_ref(message))?);
        }
        let process = self.world.openings;
        let mut heard = self.say(n, key.device_id(), hash, &frames)?;
        if self.canary == Some(SimCanary::TalkedToStranger) {
            heard.push(Message::Done);
        }
        checks::tight_lipped(&heard)?;
        if self.world.openings == process {
            checks::unchanged(&before, &stands(self.world.places[n].seen()?))?;
        }
        Ok(())
    }

    /// A member syncs with a device, and some of its frames are not what they should be.
    pub(super) fn spoiled_session(&mut self, n: usize) -> Result<(), Wrong> {
        if self.hosts[n].armed.is_some() || !self.settle(n)? {
            return Ok(());
        }
        self.drain(n)?;
        let Some(mut villain) = self.villain.take() else {
            return Ok(());
        };
        let done = self.spoil_frames(n, &mut villain.replica);
        self.villain = Some(villain);
        done?;
        self.after(n)
    }

    fn spoil_frames(
        &mut self,
        n: usize,
        villain: &mut driftless_engine::Replica,
    ) -> Result<(), Wrong> {
        let fields = driftless_document::parse_record(r#"{"f0":"v"}"#)
            .map_err(|error| Wrong::new(error.to_string()))?;
        villain.insert("notes", fields)?;
        villain.commit_group()?;
        let hash = random_bytes(&mut self.dice.villain);
        let wishes = Wishes {
            live: self.dice.villain.below(2) == 0,
            ..Wishes::default()
        };
        let often = [0, 4, 20][self.dice.villain.below(3)];
        let dials = self.dice.villain.below(2) == 0;
        let honest_side = if dials { LISTENER } else { DIALER };
        let place = &mut self.world.places[n];
        let mut link = if dials {
            Link::open(villain, place.live()?, hash, [wishes; 2])
        } else {
            Link::open(place.live()?, villain, hash, [wishes; 2])
        };
        let mut said: Vec<Vec<u8>> = Vec::new();
        for _ in 0..FRAMES {
            let place = &mut self.world.places[n];
            place.commit()?;
            link.drain(honest_side, place.live()?);
            link.drain(1 - honest_side, villain);
            let now = place.now();
            if let Some(mut frame) = link.in_flight[honest_side].pop_front() {
                if often > 0 && self.dice.villain.below(often) == 0 {
                    spoil(&mut self.dice.villain, &mut frame, &said);
                }
                self.world.trace.update(&frame);
                let session = link.session(honest_side);
                place.live()?.handle_frame(session, &frame, now);
                said.push(frame);
            }
            link.deliver(1 - honest_side, villain, now)?;
        }
        let place = &mut self.world.places[n];
        link.close(1 - honest_side, villain)?;
        place
            .live()?
            .end_session(link.session(honest_side))
            .map_err(Wrong::from)
    }

    /// A member says what is out of place, or more than it may.
    pub(super) fn babble(&mut self, n: usize) -> Result<(), Wrong> {
        let Some(villain) = &self.villain else {
            return Ok(());
        };
        let (key, workspace) = (villain.device.key(), villain.workspace);
        let hash = random_bytes(&mut self.dice.villain);
        let place = &self.world.places[n];
        let mut frames = vec![frame(&[hello(&workspace, &hash, 0)])?];
        for _ in 0..=self.dice.villain.below(6) {
            let message = out_of_place(&mut self.dice.villain, &key, place, &hash)?;
            frames.push(frame(&[message])?);
        }
        if self.dice.villain.below(8) == 0 {
            frames.push(vec![0x10; driftless_protocol::limits::MESSAGE + 1]);
        }
        self.say(n, key.device_id(), hash, &frames).map(|_| ())
    }

    /// A member signs what it should not.
    pub(super) fn forge(&mut self, n: usize) -> Result<(), Wrong> {
        let other = self.dice.villain.below(self.hosts.len());
        let other = self.world.places[other].device.key();
        let Some(villain) = &self.villain else {
            return Ok(());
        };
        let dice = &mut self.dice.villain;
        let own = villain.device.key();
        let feed = FeedId::new(&own.device_id(), random_bytes(dice));
        let others = FeedId::new(&other.device_id(), random_bytes(dice));
        let mut draft = Draft::sound(feed, dice);
        let mut named = feed;
        let mut key = own.clone();
        match dice.below(6) {
            0 => draft.seqs = (7, 7),
            1 => draft.raw = change_of(ActorId(others.0), 5),
            2 => {
                let at = dice.below(draft.raw.len());
                draft.raw[at] ^= 1 << dice.below(8);
            }
            3 => (draft.n, draft.prev) = (5, Hash([7; 32])),
            4 => {}
            _ => named = others,
        }
        if self.canary == Some(SimCanary::AnySignature) {
            named = others;
            draft = Draft::sound(others, dice);
            key = other;
        }
        let number = draft.n;
        let bytes = wire_of(&draft.sign(villain, &key)?);
        self.strange = true;
        self.send_envelopes(n, vec![(named, number, bytes)], 0, Vec::new())
    }

    /// A member of a newer version writes what nobody here understands.
    pub(super) fn newer(&mut self, n: usize) -> Result<(), Wrong> {
        let Some(villain) = &self.villain else {
            return Ok(());
        };
        let dice = &mut self.dice.villain;
        let key = villain.device.key();
        let feed = FeedId::new(&key.device_id(), random_bytes(dice));
        let mut draft = Draft::sound(feed, dice);
        let mut records = Vec::new();
        let kind = dice.below(4);
        if kind == 0 {
            draft.meta = Meta {
                ext: vec![(1_000, b"of the future".to_vec())],
                ..draft.meta
            };
        } else if kind == 1 {
            let body = RecordBody::Unknown {
                kind: NEW_RECORD,
                bytes: random_bytes::<8>(dice).to_vec(),
            };
            let heads = villain.heads.clone();
            let record = Record::sign(&key, Some(villain.workspace), heads, body);
            records.push(record.map_err(|error| Wrong::new(error.to_string()))?);
        }
        let bytes = match kind {
            0 | 1 => wire_of(&draft.sign(villain, &key)?),
            kind => unknown(villain, feed, kind == 2, dice)?,
        };
        self.strange = true;
        let features = 1 << 31;
        self.send_envelopes(n, vec![(feed, 1, bytes)], features, records)
    }

    /// The villain begins a session, lacks nothing, and has but these envelopes.
    pub(super) fn send_envelopes(
        &mut self,
        n: usize,
        envelopes: Vec<(FeedId, u64, Vec<u8>)>,
        features: u32,
        records: Vec<Record>,
    ) -> Result<(), Wrong> {
        let Some(villain) = &self.villain else {
            return Ok(());
        };
        let (peer, workspace) = (villain.device_id, villain.workspace);
        let hash = random_bytes(&mut self.dice.villain);
        let first = [
            hello(&workspace, &hash, features),
            Message::MembershipHave { prefixes: vec![] },
        ];
        let mut second = vec![
            Message::Membership {
                records,
                last: true,
            },
            Message::Cursor {
                since_common: false,
                entries: vec![],
                last: true,
            },
        ];
        let envelopes = envelopes.into_iter();
        second.extend(envelopes.map(|(feed, n, bytes)| Message::Envelope { feed, n, bytes }));
        second.push(Message::Done);
        let frames = [frame(&first)?, frame(&second)?];
        self.say(n, peer, hash, &frames).map(|_| ())
    }
}

/// Makes a frame another one.
fn spoil(dice: &mut Dice, frame: &mut Vec<u8>, said: &[Vec<u8>]) {
    match dice.below(6) {
        0 if !frame.is_empty() => {
            let at = dice.below(frame.len());
            frame[at] ^= 1 << dice.below(8);
        }
        1 => frame.truncate(dice.below(frame.len() + 1)),
        2 => frame.extend(random_bytes::<9>(dice)),
        3 => *frame = random_bytes::<33>(dice).to_vec(),
        4 if !said.is_empty() => frame.clone_from(&said[dice.below(said.len())]),
        _ => frame.clear(),
    }
}

/// A message that is well made, and that nobody waits for.
// tidy: table
#[allow(clippy::too_many_lines)]
fn out_of_place(
    dice: &mut Dice,
    key: &DeviceKey,
    place: &super::super::place::Place,
    hash: &[u8; 32],
) -> Result<Message, Wrong> {
    let workspace = place.seen()?.workspace();
    let feed = FeedId::new(&place.device_id, random_bytes(dice));
    let number = 1 + dice.roll() % 1_000;
    let mark = CursorMark {
        feed,
        headers: number,
        head: random_bytes(dice),
        held: RunSet::up_to(number),
    };
    Ok(match dice.below(15) {
        0 => hello(&workspace, hash, 0),
        1 => Message::MembershipHave {
            prefixes: vec![random_bytes(dice)],
        },
        2 => Message::Membership {
            records: vec![],
            last: dice.below(2) == 0,
        },
        3 => Message::Cursor {
            since_common: dice.below(2) == 0,
            entries: vec![mark],
            last: dice.below(2) == 0,
        },
        4 => Message::Position {
            entries: vec![mark],
        },
        5 => Message::Envelope {
            feed,
            n: number,
            bytes: random_bytes::<200>(dice).to_vec(),
        },
        6 => Message::Chunk(Chunk {
            feed,
            n: number,
            total: u32::MAX,
            offset: 0,
            data: vec![7; 100],
        }),
        7 => Message::Done,
        8 => {
            let run = HeldRun {
                feed,
                first: 1,
                last: number,
            };
            let refused = Refusal {
                feed,
                n: number,
                code: Code::ChangeRefused,
            };
            Message::Ack(Ack::sign(key, &workspace, vec![run], vec![refused]))
        }
        9 => {
            let other = Device::new(STRANGER + 1).key();
            Message::Ack(Ack::sign(&other, &workspace, vec![], vec![]))
        }
        10 => Message::Error {
            code: Code::UnknownDevice,
            detail: "so it is".into(),
            retry_after_s: u32::MAX,
        },
        11 => Message::Bye,
        12 => Message::Credit { bytes: u32::MAX },
        13 => Message::AskHeader { feed, n: number },
        _ => Message::Ahead {
            envelopes: u64::MAX,
            records: u64::MAX,
        },
    })
}
