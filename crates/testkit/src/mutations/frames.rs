//! Frames before any session: what is decoded of bytes of which nothing is known yet.

use driftless_protocol::{
    Assembler, DeviceKey, Envelope, Handshake, InviteLink, Message, Record, decode_batch,
    encode_batch,
};

use super::bytes;
use super::office::Office;
use super::signed::Signed;
use super::{Fate, office};
use crate::histories::Dice;

/// Bit 0 of a frame's first byte: what follows is compressed.
const PLAIN: u8 = 0x10;
const COMPRESSED: u8 = 0x11;
/// Bytes that a frame unpacks to, at most.
const UNPACKED: usize = 65_519;

/// The frames of honest sessions.
pub(super) struct Frames {
    frames: Vec<Vec<u8>>,
    links: Vec<String>,
}

impl Frames {
    pub(super) fn of(office: &Office, signed: &Signed) -> Self {
        let said = office.dialogues.iter().flat_map(|d| &d.said);
        let rare = rare_messages(signed);
        let mut owner = office::copy(&office.owner).open();
        let link = owner.invite("ws://[::1]:7717", 3, 60_000);
        let link = link.expect("an owner invites").to_text();
        Self {
            frames: said.cloned().chain([rare]).collect(),
            links: vec![link],
        }
    }

    pub(super) fn draw(&self, dice: &mut Dice) -> Vec<u8> {
        let other = &self.frames[dice.below(self.frames.len())];
        if dice.below(16) == 0 {
            let mut link = self.links[0].clone().into_bytes();
            bytes::alter_some(dice, &mut link, other);
            return link;
        }
        let frame = &self.frames[dice.below(self.frames.len())];
        altered(dice, frame, other)
    }
}

/// What honest sessions say only where a feed went on in two ways or a member was removed.
fn rare_messages(signed: &Signed) -> Vec<u8> {
    let twin = signed.twin(&mut Dice(0));
    let messages = [
        Message::AskHeader {
            feed: twin.header().feed,
            n: 1,
        },
        Message::Header {
            header: Box::new(twin.signed_header().clone()),
        },
        Message::Membership {
            records: signed.records().to_vec(),
            last: true,
        },
    ];
    encode_batch(&messages).expect("it is within the limits of a frame")
}

/// A frame with altered bytes: as they are sent, or those of its messages.
pub(super) fn altered(dice: &mut Dice, frame: &[u8], other: &[u8]) -> Vec<u8> {
    let mut altered = unpacked(frame).unwrap_or_default();
    match dice.below(8) {
        0 => {
            let mut sent = frame.to_vec();
            bytes::alter_some(dice, &mut sent, other);
            return sent;
        }
        1 => {
            let most = [100, UNPACKED, UNPACKED + 1, 1 << 20, 20 << 20][dice.below(5)];
            altered = vec![dice.roll().to_le_bytes()[0]; most];
            return packed(&altered);
        }
        _ => bytes::alter_some(dice, &mut altered, &unpacked(other).unwrap_or_default()),
    }
    match dice.below(3) {
        0 => packed(&altered),
        _ => [&[PLAIN], &altered[..]].concat(),
    }
}

/// The messages of a frame, one behind the other.
fn unpacked(frame: &[u8]) -> Option<Vec<u8>> {
    let (first, rest) = frame.split_first()?;
    match *first {
        COMPRESSED => zstd::bulk::decompress(rest, UNPACKED).ok(),
        _ => Some(rest.to_vec()),
    }
}

fn packed(plain: &[u8]) -> Vec<u8> {
    let packed = zstd::bulk::compress(plain, 1).unwrap_or_default();
    [&[COMPRESSED], &packed[..]].concat()
}

/// Any bytes are a frame, an envelope, a membership record, a link, a part of a handshake, or none; what decodes encodes
/// back to the same.
pub(super) fn run(input: &[u8]) -> Result<Fate, String> {
    let mut fate = Fate::Refused("it does not decode");
    if let Ok(messages) = decode_batch(input) {
        let again = encode_batch(&messages);
        let again = again.map_err(|error| format!("what was received cannot be sent: {error}"))?;
        // Compression may differ; the messages may not.
        if decode_batch(&again).as_ref() != Ok(&messages) {
            return Err("its messages encode to others".into());
        }
        let mut assembler = Assembler::new();
        for message in &messages {
            if let Message::Chunk(chunk) = message {
                let _ = assembler.accept(chunk);
            }
        }
        fate = Fate::Taken;
    }
    if let Ok(envelope) = Envelope::decode(input) {
        if envelope.encode() != input {
            return Err("an envelope encodes to other bytes".into());
        }
        fate = Fate::Taken;
    }
    if let Ok(record) = Record::decode(input) {
        if record.encode() != input {
            return Err("a membership record encodes to other bytes".into());
        }
        fate = Fate::Taken;
    }
    if let Some(link) = std::str::from_utf8(input).ok().and_then(parsed) {
        if parsed(&link.to_text()) != Some(link) {
            return Err("a link is written as another".into());
        }
        fate = Fate::Taken;
    }
    // A handshake is a few curve multiplications; what has not its length costs nothing.
    if input.first().is_some_and(|byte| byte % 16 == 0) {
        let key = DeviceKey::from_seed(&[8; 32]);
        let mut responder =
            Handshake::responder(&key, &mut crate::device::Device::new(9).randomness());
        let _ = responder.read(input);
        let _ = responder.read(input);
    }
    Ok(fate)
}

fn parsed(text: &str) -> Option<InviteLink> {
    InviteLink::parse(text).ok()
}
