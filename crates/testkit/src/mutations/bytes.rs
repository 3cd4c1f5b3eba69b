//! Alterations of bytes that know nothing of what they mean.

use crate::histories::Dice;

/// Bytes an altered input has at most: what is larger is refused by its length alone.
const MOST: usize = 600_000;

/// Numbers that lengths and counts are overwritten with, as each of the codecs writes them.
const NUMBERS: [&[u8]; 14] = [
    &[0],
    &[1],
    &[0x7f],
    &[0x80, 1],
    &[0x80, 0],                      // longer than it needs to be
    &[0xff, 0xff, 0x03],             // 65,535 as LEB128
    &[0xa0, 0x8d, 0x06],             // 100,000
    &[0xff, 0xff, 0xff, 0xff, 0x0f], // 2^32 - 1
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], // 2^64 - 1
    &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f], // -2^63
    &[251, 0xff, 0xff],              // 65,535 as bincode
    &[252, 0xff, 0xff, 0xff, 0xff],  // 2^32 - 1
    &[253, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], // 2^64 - 1
    &[0x7f, 0xff, 0xff, 0xff],       // big-endian
];

/// One of those that lengths and counts are overwritten with.
pub(super) fn number(dice: &mut Dice) -> &'static [u8] {
    NUMBERS[dice.below(NUMBERS.len())]
}

/// Alters bytes once; `other` is where foreign bytes come from.
pub fn alter(dice: &mut Dice, bytes: &mut Vec<u8>, other: &[u8]) {
    if bytes.is_empty() {
        bytes.push(byte(dice));
        return;
    }
    let at = dice.below(bytes.len());
    match dice.below(16) {
        0..=2 => bytes[at] ^= 1 << dice.below(8),
        3 | 4 => bytes[at] = byte(dice),
        5 => bytes[at] = bytes[at].wrapping_add(1),
        6 => bytes[at] = bytes[at].wrapping_sub(1),
        7 => bytes.insert(at, byte(dice)),
        8 => drop(bytes.drain(range(dice, bytes.len(), 16))),
        9 => bytes.truncate(at),
        10 => {
            let repeated = bytes[range(dice, bytes.len(), 64)].to_vec();
            bytes.splice(at..at, repeated);
        }
        11 => {
            let number = number(dice);
            let end = (at + number.len()).min(bytes.len());
            bytes.splice(at..end, number.iter().copied());
        }
        12 => {
            let number = number(dice);
            bytes.splice(at..=at, number.iter().copied());
        }
        13 if !other.is_empty() => {
            let foreign = other[range(dice, other.len(), 64)].to_vec();
            let end = (at + foreign.len()).min(bytes.len());
            bytes.splice(at..end, foreign);
        }
        14 if !other.is_empty() => {
            bytes.truncate(at);
            bytes.extend_from_slice(&other[dice.below(other.len())..]);
        }
        _ => {
            let (one, two) = (range(dice, bytes.len(), 8), dice.below(bytes.len()));
            for (n, place) in one.enumerate() {
                let to = (two + n) % bytes.len();
                bytes.swap(place, to);
            }
        }
    }
    bytes.truncate(MOST);
}

/// Alters bytes one to four times.
pub fn alter_some(dice: &mut Dice, bytes: &mut Vec<u8>, other: &[u8]) {
    for _ in 0..=dice.below(4) {
        alter(dice, bytes, other);
    }
}

fn byte(dice: &mut Dice) -> u8 {
    const EDGES: [u8; 8] = [0, 1, 0x7f, 0x80, 0xff, 251, 253, b'/'];
    match dice.below(3) {
        0 => EDGES[dice.below(EDGES.len())],
        _ => dice.roll().to_le_bytes()[0],
    }
}

/// A range within `length`, which is not 0, of at most `most` bytes.
fn range(dice: &mut Dice, length: usize, most: usize) -> std::ops::Range<usize> {
    let from = dice.below(length);
    let to = (from + 1 + dice.below(most)).min(length);
    from..to
}
