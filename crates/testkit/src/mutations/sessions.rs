//! Sessions of a member that does not keep to the protocol: an altered frame at any point of an honest dialogue.
//!
//! An input of this kind is a byte that names the dialogue, one that says how many of its frames go before, and the
//! frame. Whatever it is, it costs its own session only: the replica commits, is what its journal says, and serves
//! an honest friend.

use driftless_engine::{JoinOutput, Joiner, Replica};
use driftless_protocol::{
    Agreed, Code, CursorMark, Envelope, FeedId, HeldRun, Message, RunSet, decode_batch,
    encode_batch,
};
use driftless_store::Journal;

use super::office::{self, HANDSHAKE, Office, Partner};
use super::signed::Signed;
use super::{Fate, frames};
use crate::device::{Device, START_MS};
use crate::histories::Dice;
use crate::wire::{start_of, sync};

/// So many inputs go to one replica, one after the other; then it is looked at and a new one takes its place.
const INPUTS: usize = 250;

/// The replica that the member speaks to.
pub(super) struct Sessions {
    office: Office,
    signed: Signed,
    spoken_to: Option<(Device, Replica)>,
    left: usize,
}

impl Sessions {
    pub(super) fn new() -> Self {
        let office = Office::new();
        Self {
            signed: Signed::of(&office),
            office,
            spoken_to: None,
            left: 0,
        }
    }

    pub(super) fn office(&self) -> &Office {
        &self.office
    }

    pub(super) fn signed(&self) -> &Signed {
        &self.signed
    }

    /// The next input.
    pub(super) fn draw(&self, dice: &mut Dice) -> Vec<u8> {
        let dialogues = &self.office.dialogues;
        let which = dice.below(dialogues.len());
        let said = &dialogues[which].said;
        let step = dice.below(said.len() + 1);
        let of = &dialogues[dice.below(dialogues.len())].said;
        let other = &of[dice.below(of.len())];
        let honest = said.get(step).unwrap_or(other);
        let frame = match dice.below(8) {
            0 => other.clone(),
            1..=3 => self.altered_messages(dice, honest, other),
            _ => frames::altered(dice, honest, other),
        };
        let head = [which, step].map(|n| u8::try_from(n).unwrap_or(u8::MAX));
        [&head[..], &frame].concat()
    }

    /// Looks at the replica where enough inputs went to it.
    pub(super) fn renew_if_due(&mut self) -> Result<(), String> {
        if self.left == 0 {
            self.look_and_renew()?;
            self.left = INPUTS;
        }
        Ok(())
    }

    /// Brings an input to the replica.
    pub(super) fn run(&mut self, input: &[u8]) -> Result<Fate, String> {
        let Some((&[which, step], frame)) = input.split_first_chunk::<2>() else {
            return Ok(Fate::NotEven);
        };
        let Some(dialogue) = self.office.dialogues.get(usize::from(which)) else {
            return Ok(Fate::NotEven);
        };
        let before = dialogue.said.iter().take(usize::from(step));
        let before: Vec<Vec<u8>> = before.cloned().collect();
        let (partner, live) = (dialogue.partner, dialogue.live);
        if partner == Partner::Joiner {
            return Ok(self.join(&before, frame));
        }
        self.left = self.left.saturating_sub(1);
        let member = self.office.member.key().device_id();
        let (_, replica) = self.spoken_to.as_mut().ok_or("there is no replica")?;
        let wishes = driftless_engine::Wishes {
            live,
            ..Default::default()
        };
        let start = start_of(partner.side(), member, HANDSHAKE, wishes);
        let session = replica.start_session(start);
        let mut over = office::drain(replica, session);
        let commits = |replica: &mut Replica| {
            let committed = replica.commit_group();
            committed.map_err(|error| format!("it does not commit: {error}"))
        };
        for honest in &before {
            if over {
                break;
            }
            replica.handle_frame(session, honest, START_MS);
            commits(replica)?;
            over = office::drain(replica, session);
        }
        let was_over = over;
        replica.handle_frame(session, frame, START_MS);
        commits(replica)?;
        over = office::drain(replica, session);
        let ended = replica.end_session(session);
        ended.map_err(|error| format!("the session does not end: {error}"))?;
        commits(replica)?;
        Ok(match (was_over, over) {
            (true, _) => Fate::Refused("the session was over before"),
            (_, true) => Fate::Refused("the session ends"),
            _ => Fate::Taken,
        })
    }

    /// What is to hold of the replica after all it was told; then a new one takes its place.
    pub(super) fn look_and_renew(&mut self) -> Result<(), String> {
        if let Some((device, replica)) = self.spoken_to.take() {
            self.look(&device, replica)?;
        }
        let device = office::copy(&self.office.owner);
        let replica = device.open();
        self.spoken_to = Some((device, replica));
        Ok(())
    }

    fn look(&self, device: &Device, mut replica: Replica) -> Result<(), String> {
        let told = |error: driftless_engine::EngineError| error.to_string();
        let sound = |replica: &Replica| {
            let report = replica.verify(&mut |_| ()).map_err(told)?;
            if report.problems.is_empty() {
                replica.digest().map_err(told)
            } else {
                Err(report.problems.join("; "))
            }
        };
        let mut friend = office::copy(&self.office.friend).open();
        sync(&mut friend, &mut replica).map_err(|why| format!("a friend's session: {why:?}"))?;
        let digest = sound(&replica)?;
        if sound(&friend)? != digest {
            return Err("the friend has something else after a session".into());
        }
        replica.close().map_err(told)?;
        let with_its_store = device.try_open().map_err(told)?;
        let without = device.copy().try_open().map_err(told)?;
        for opened in [with_its_store, without] {
            if sound(&opened)? != digest {
                return Err("it opens as something else".into());
            }
        }
        Ok(())
    }

    /// A newcomer that is answered so.
    fn join(&self, before: &[Vec<u8>], frame: &[u8]) -> Fate {
        let newcomer = Device::new(4);
        let mut joiner = Joiner::new(&self.office.link, &newcomer.key(), "newcomer", &HANDSHAKE);
        let mut fate = Fate::Waits;
        for told in before.iter().map(Vec::as_slice).chain([frame]) {
            joiner.handle_frame(told);
            while let Some(output) = joiner.poll() {
                match output {
                    JoinOutput::Joined(records) => {
                        let files = Box::new(newcomer.files.clone());
                        let created = Journal::create(files).map(|journal| {
                            let parts = newcomer.parts(journal);
                            Replica::create_joined(parts, records).map(drop)
                        });
                        fate = match created {
                            Ok(Ok(())) => Fate::Taken,
                            _ => Fate::Refused("no replica comes of it"),
                        };
                    }
                    JoinOutput::Failed(_) => fate = Fate::Refused("the session ends"),
                    _ => {}
                }
            }
        }
        fate
    }

    /// A frame of altered messages: left out, doubled, in another order, and some that the member makes up.
    fn altered_messages(&self, dice: &mut Dice, frame: &[u8], other: &[u8]) -> Vec<u8> {
        let mut messages = decode_batch(frame).unwrap_or_default();
        let foreign = decode_batch(other).unwrap_or_default();
        for _ in 0..=dice.below(3) {
            let at = dice.below(messages.len().max(1));
            match dice.below(6) {
                0 if !messages.is_empty() => drop(messages.remove(at)),
                1 if !messages.is_empty() => messages.insert(at, messages[at].clone()),
                2 => messages.reverse(),
                3 => messages.extend(foreign.iter().take(3).cloned()),
                _ => messages.insert(at.min(messages.len()), self.made_up(dice)),
            }
        }
        messages.truncate(64);
        encode_batch(&messages).unwrap_or_else(|_| frame.to_vec())
    }

    fn made_up(&self, dice: &mut Dice) -> Message {
        let feed = self.signed.envelope(dice).header().feed;
        let number = dice.roll() >> dice.below(64);
        match dice.below(15) {
            0..=4 => self.made_up_envelope(dice),
            5 | 6 => {
                let record = self.signed.record(dice);
                let other = self.signed.record(dice);
                let said = self.signed.resigned_record(dice, record, other);
                Message::Membership {
                    records: vec![said.unwrap_or_else(|| record.clone())],
                    last: dice.below(2) == 0,
                }
            }
            7 => {
                let runs = [(1, number), (number, u64::MAX), (3, 3)];
                Message::Position {
                    entries: vec![CursorMark {
                        feed,
                        headers: number,
                        head: [7; 8],
                        held: runs.iter().fold(RunSet::new(), |mut set, (first, last)| {
                            set.insert_run((*first).max(1), (*last).max(1));
                            set
                        }),
                    }],
                }
            }
            8 => Message::Credit {
                bytes: [0, 1, u32::MAX][dice.below(3)],
            },
            9 => Message::Ahead {
                envelopes: number,
                records: u64::MAX,
            },
            10 => {
                let held = vec![HeldRun {
                    feed,
                    first: 1,
                    last: number.max(1),
                }];
                let workspace = self.signed.envelope(dice).header().workspace;
                let key = self.office.member.key();
                Message::Ack(driftless_protocol::Ack::sign(
                    &key,
                    &workspace,
                    held,
                    vec![],
                ))
            }
            11 => Message::AskHeader { feed, n: number },
            12 => Message::Header {
                header: Box::new(self.signed.twin(dice).signed_header().clone()),
            },
            13 => {
                let twin = self.signed.twin(dice);
                let feed = match dice.below(2) {
                    0 => twin.header().feed,
                    _ => twin.header().feed.branch(&twin.hash()),
                };
                Self::said(feed, twin)
            }
            _ => Message::error(Code::Other(number.to_le_bytes()[0].into()), "x"),
        }
    }

    /// An envelope that the member signs for itself: its content is nobody's honest work.
    fn made_up_envelope(&self, dice: &mut Dice) -> Message {
        let envelope = self.signed.envelope(dice);
        let other = self.signed.envelope(dice);
        let said = self.signed.resigned(dice, envelope, other);
        let envelope = said.as_ref().unwrap_or(envelope);
        Self::said(envelope.header().feed, envelope)
    }

    fn said(feed: FeedId, envelope: &Envelope) -> Message {
        Message::Envelope {
            feed,
            n: envelope.header().n,
            bytes: envelope.encode_wire(&Agreed {
                membership: &[],
                change_hash: None,
            }),
        }
    }
}
