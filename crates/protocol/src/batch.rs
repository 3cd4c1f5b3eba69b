//! Several messages in one frame.
//!
//! A frame is a byte with the version (1) in its high four bits and, in bit 0, whether the rest is a zstd frame; then
//! the messages one after the other. Unpacked it has at most [`limits::MESSAGE`] bytes, compressed or not.

use std::cell::RefCell;

use zstd::bulk::{Compressor, Decompressor};

use crate::codec::DecodeError;
use crate::cursor::CursorMark;
use crate::limits;
use crate::membership::Record;
use crate::message::{Message, MessageError};

const VERSION: u8 = 1;
const COMPRESSED: u8 = 1;
/// Speed over size: frames are small, and changes are compressed already.
const LEVEL: i32 = 1;

/// Bytes of messages that one frame holds.
const ROOM: usize = limits::MESSAGE - 1;

/// Puts 1 to 64 messages into one frame; compresses when that pays.
pub fn encode_batch(messages: &[Message]) -> Result<Vec<u8>, MessageError> {
    match messages.len() {
        0 => return Err(MessageError::EmptyBatch),
        count if count > limits::BATCH => return Err(MessageError::TooMany { count }),
        _ => {}
    }
    messages.iter().try_for_each(Message::check)?;
    let plain = messages
        .iter()
        .flat_map(Message::encode)
        .collect::<Vec<u8>>();
    if plain.len() > ROOM {
        return Err(MessageError::TooLarge {
            length: plain.len(),
        });
    }
    Ok(frame(&plain))
}

/// Takes a frame apart; any error means that the peer does not keep to the protocol, or is newer.
pub fn decode_batch(frame: &[u8]) -> Result<Vec<Message>, MessageError> {
    if frame.len() > limits::MESSAGE {
        return Err(DecodeError::TooLong {
            length: frame.len(),
            limit: limits::MESSAGE,
        }
        .into());
    }
    let (&first, rest) = frame.split_first().ok_or(DecodeError::Truncated)?;
    if first >> 4 != VERSION {
        return Err(DecodeError::UnknownVersion { found: first >> 4 }.into());
    }
    match first & 0x0f {
        0 => read(rest),
        // The buffer is at most one message, whatever the compressed bytes claim.
        COMPRESSED => read(&unpack(rest).ok_or(MessageError::Unpack)?),
        _ => Err(DecodeError::Malformed.into()),
    }
}

fn read(plain: &[u8]) -> Result<Vec<Message>, MessageError> {
    let mut messages = Vec::new();
    let mut rest = plain;
    while !rest.is_empty() {
        if messages.len() == limits::BATCH {
            return Err(MessageError::TooMany {
                count: limits::BATCH + 1,
            });
        }
        let (message, after) = Message::decode_prefix(rest)?;
        if message.encode() != rest[..rest.len() - after.len()] {
            return Err(DecodeError::NotCanonical.into());
        }
        messages.push(message);
        rest = after;
    }
    if messages.is_empty() {
        Err(MessageError::EmptyBatch)
    } else {
        Ok(messages)
    }
}

fn frame(plain: &[u8]) -> Vec<u8> {
    if plain.len() >= limits::COMPRESS_FROM
        && let Some(packed) = pack(plain).filter(|packed| packed.len() < plain.len())
    {
        return [&[VERSION << 4 | COMPRESSED], packed.as_slice()].concat();
    }
    [&[VERSION << 4], plain].concat()
}

thread_local! {
    /// Made once: to make one takes longer than to pack a small frame with it.
    static PACKER: RefCell<Option<Compressor<'static>>> = RefCell::new(Compressor::new(LEVEL).ok());
    static UNPACKER: RefCell<Option<Decompressor<'static>>> = RefCell::new(Decompressor::new().ok());
}

fn pack(plain: &[u8]) -> Option<Vec<u8>> {
    PACKER.with_borrow_mut(|packer| packer.as_mut()?.compress(plain).ok())
}

/// At most so many bytes as fit into a frame, whatever the packed ones claim.
fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    UNPACKER.with_borrow_mut(|unpacker| unpacker.as_mut()?.decompress(packed, ROOM).ok())
}

/// Collects messages and gives a frame whenever one is full.
///
/// Call [`push`](Self::push) for each message in order, then [`finish`](Self::finish) once.
#[derive(Debug, Default)]
pub struct Batcher {
    plain: Vec<u8>,
    count: usize,
}

impl Batcher {
    /// A collector with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a message; gives the frame of those before when it does not fit with them.
    pub fn push(&mut self, message: &Message) -> Result<Option<Vec<u8>>, MessageError> {
        message.check()?;
        let bytes = message.encode();
        if bytes.len() > ROOM {
            return Err(MessageError::TooLarge {
                length: bytes.len(),
            });
        }
        let full = self.count == limits::BATCH || self.plain.len() + bytes.len() > ROOM;
        let frame = if full { self.finish() } else { None };
        self.plain.extend(bytes);
        self.count += 1;
        Ok(frame)
    }

    /// The frame of what is left, if any; the collector is empty afterwards.
    pub fn finish(&mut self) -> Option<Vec<u8>> {
        let plain = std::mem::take(&mut self.plain);
        let count = std::mem::take(&mut self.count);
        (count > 0).then(|| frame(&plain))
    }
}

impl Message {
    /// `Welcome` messages that together carry these records, each within a frame.
    pub fn welcome(records: Vec<Record>) -> Vec<Self> {
        pieces(records, |record| record.encode().len() + 3, limits::RECORDS)
            .map(|(records, last)| Self::Welcome { records, last })
            .collect()
    }

    /// `Membership` messages that together carry these records, each within a frame.
    pub fn membership(records: Vec<Record>) -> Vec<Self> {
        pieces(records, |record| record.encode().len() + 3, limits::RECORDS)
            .map(|(records, last)| Self::Membership { records, last })
            .collect()
    }

    /// `Cursor` messages that together carry these entries, each within a frame.
    pub fn cursor(since_common: bool, entries: Vec<CursorMark>) -> Vec<Self> {
        pieces(
            entries,
            |mark| 44 + 18 * mark.held.runs(),
            limits::CURSOR_ENTRIES,
        )
        .map(|(entries, last)| Self::Cursor {
            since_common,
            entries,
            last,
        })
        .collect()
    }

    /// `Position` messages that together carry these entries, each within a frame; none for no entries.
    pub fn position(entries: Vec<CursorMark>) -> Vec<Self> {
        if entries.is_empty() {
            return Vec::new();
        }
        pieces(
            entries,
            |mark| 44 + 18 * mark.held.runs(),
            limits::CURSOR_ENTRIES,
        )
        .map(|(entries, _)| Self::Position { entries })
        .collect()
    }
}

/// Cuts a list where the sizes add up to a frame or the count to its limit; always at least one piece.
fn pieces<T>(
    elements: Vec<T>,
    size: impl Fn(&T) -> usize,
    most: usize,
) -> impl Iterator<Item = (Vec<T>, bool)> {
    // A tag, two flags and the length of the list.
    const FRAME: usize = ROOM - 16;
    let mut lists = vec![Vec::new()];
    let mut room = FRAME;
    for element in elements {
        let needed = size(&element);
        let current = lists.last().map_or(0, Vec::len);
        if current > 0 && (needed > room || current == most) {
            lists.push(Vec::new());
            room = FRAME;
        }
        room = room.saturating_sub(needed);
        if let Some(list) = lists.last_mut() {
            list.push(element);
        }
    }
    let count = lists.len();
    lists
        .into_iter()
        .enumerate()
        .map(move |(index, list)| (list, index + 1 == count))
}
