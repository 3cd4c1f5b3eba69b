//! Columns: what is alike stands together, and each column is compressed by itself.
//!
//! ```text
//! byte     version 1
//! column   for each of the columns, in the order of their numbers:
//!          number  its length
//!          number  its length compressed
//!          bytes   a zstd frame
//! ```
//! A number is LEB128 of 64 bits; a signed one is first mapped to 0, -1, 1, -2, ... -> 0, 1, 2, 3, ....

/// What stands together; the numbers are part of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Column {
    /// Frames of each group.
    Group = 0,
    /// What each frame is, and the length of those that stand as they are.
    Frame = 1,
    /// Frames that stand as they are.
    Raw = 2,
    /// Feeds, and what is unusual about an envelope's header.
    Header = 3,
    /// Signatures.
    Signature = 4,
    /// Ids of feeds, records and actors.
    Id = 5,
    /// Hashes and salts.
    Noise = 6,
    /// Times of envelopes.
    Time = 7,
    /// Meta parts, collections, numbers of items.
    Body = 8,
    /// Records of items.
    Record = 9,
    /// Sequence numbers, numbers of changes, salts.
    Item = 10,
    /// Dependencies, first operations, times and numbers of operations of changes.
    Change = 11,
    /// Registers of operations.
    Key = 12,
    /// What operations replace.
    Replaced = 13,
    /// Types of values, their numbers and lengths.
    Value = 14,
    /// Texts: names of collections and registers, values.
    Text = 15,
}

const COLUMNS: usize = 16;
const VERSION: u8 = 1;
/// How hard zstd tries: history is packed once, in the background, and read often.
const LEVEL: i32 = 12;
/// Bytes that the columns of a segment may have together: the greatest segment, as it stands. Columns are in memory
/// at once, and a few bytes of zstd say any number of equal ones.
const BYTES_MAX: usize = 33 * 1024 * 1024;

/// Columns being written.
#[derive(Default)]
pub(super) struct Writer {
    columns: [Vec<u8>; COLUMNS],
}

impl Writer {
    pub(super) fn number(&mut self, column: Column, number: u64) {
        put_number(&mut self.columns[column as usize], number);
    }

    pub(super) fn signed(&mut self, column: Column, number: i64) {
        self.number(column, zigzag(number));
    }

    pub(super) fn bytes(&mut self, column: Column, bytes: &[u8]) {
        self.columns[column as usize].extend_from_slice(bytes);
    }

    /// Bytes of any length: the length in one column, the bytes in another.
    pub(super) fn text(&mut self, lengths: Column, texts: Column, bytes: &[u8]) {
        self.number(lengths, bytes.len() as u64);
        self.bytes(texts, bytes);
    }

    pub(super) fn finish(self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        let mut packer = zstd::bulk::Compressor::new(LEVEL).expect("zstd has this level");
        for column in self.columns {
            let packed = packer
                .compress(&column)
                .expect("zstd compresses any bytes that fit in memory");
            put_number(&mut bytes, column.len() as u64);
            put_number(&mut bytes, packed.len() as u64);
            bytes.extend(packed);
        }
        bytes
    }
}

/// Columns being read; every method answers `None` where there is not what was asked for.
pub(super) struct Reader {
    columns: Vec<(Vec<u8>, usize)>,
}

impl Reader {
    pub(super) fn of(content: &[u8]) -> Option<Self> {
        let (&version, mut rest) = content.split_first()?;
        if version != VERSION {
            return None;
        }
        let mut columns = Vec::with_capacity(COLUMNS);
        let mut left = BYTES_MAX;
        let mut unpacker = zstd::bulk::Decompressor::new().ok()?;
        for _ in 0..COLUMNS {
            let length = take_length(&mut rest)?;
            left = left.checked_sub(length)?;
            let packed_length = take_length(&mut rest)?;
            let (packed, after) = rest.split_at_checked(packed_length)?;
            rest = after;
            let column = unpacker.decompress(packed, length).ok()?;
            if column.len() != length {
                return None;
            }
            columns.push((column, 0));
        }
        rest.is_empty().then_some(Self { columns })
    }

    pub(super) fn number(&mut self, column: Column) -> Option<u64> {
        let (bytes, at) = &mut self.columns[column as usize];
        let mut rest = &bytes[*at..];
        let number = take_number(&mut rest)?;
        *at = bytes.len() - rest.len();
        Some(number)
    }

    /// A number that is 0 or 1.
    pub(super) fn flag(&mut self, column: Column) -> Option<bool> {
        match self.number(column)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    pub(super) fn signed(&mut self, column: Column) -> Option<i64> {
        self.number(column).map(unzigzag)
    }

    pub(super) fn bytes(&mut self, column: Column, length: usize) -> Option<&[u8]> {
        let (bytes, at) = &mut self.columns[column as usize];
        let found = bytes.get(*at..at.checked_add(length)?)?;
        *at += length;
        Some(found)
    }

    pub(super) fn fixed<const N: usize>(&mut self, column: Column) -> Option<[u8; N]> {
        self.bytes(column, N)?.try_into().ok()
    }

    pub(super) fn text(&mut self, lengths: Column, texts: Column) -> Option<&[u8]> {
        let length = usize::try_from(self.number(lengths)?).ok()?;
        self.bytes(texts, length)
    }

    pub(super) fn is_at_end(&self, column: Column) -> bool {
        let (bytes, at) = &self.columns[column as usize];
        *at == bytes.len()
    }

    pub(super) fn is_finished(&self) -> bool {
        self.columns.iter().all(|(bytes, at)| *at == bytes.len())
    }
}

fn put_number(bytes: &mut Vec<u8>, mut number: u64) {
    loop {
        let low = number.to_le_bytes()[0] & 0x7f;
        number >>= 7;
        if number == 0 {
            return bytes.push(low);
        }
        bytes.push(low | 0x80);
    }
}

fn take_number(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..u64::BITS).step_by(7) {
        let (&byte, after) = rest.split_first()?;
        *rest = after;
        let low = u64::from(byte & 0x7f);
        if low << shift >> shift != low {
            return None;
        }
        number |= low << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn take_length(rest: &mut &[u8]) -> Option<usize> {
    usize::try_from(take_number(rest)?).ok()
}

fn zigzag(number: i64) -> u64 {
    (number << 1 ^ number >> 63).cast_unsigned()
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        let mut writer = Writer::default();
        let numbers = [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX];
        let signed = [0, -1, 1, i64::MIN, i64::MAX, 1 << 40];
        for number in numbers {
            writer.number(Column::Time, number);
        }
        for number in signed {
            writer.signed(Column::Value, number);
        }
        let mut reader = Reader::of(&writer.finish()).expect("it was just written");
        for number in numbers {
            assert_eq!(reader.number(Column::Time), Some(number));
        }
        for number in signed {
            assert_eq!(reader.signed(Column::Value), Some(number));
        }
        assert_eq!(reader.number(Column::Time), None);
        assert!(reader.is_finished());
    }

    #[test]
    fn a_number_of_more_than_64_bits_is_none() {
        let mut eleven = &[0xff; 11][..];
        assert_eq!(take_number(&mut eleven), None);
        let mut too_large = &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2][..];
        assert_eq!(take_number(&mut too_large), None);
    }

    #[test]
    fn columns_that_are_too_much_together_are_refused() {
        let with = |columns: &[Column]| {
            let mut writer = Writer::default();
            for column in columns {
                writer.bytes(*column, &vec![0; BYTES_MAX / 2]);
            }
            Reader::of(&writer.finish()).is_some()
        };
        assert!(with(&[Column::Raw, Column::Text]));
        assert!(!with(&[Column::Raw, Column::Text, Column::Key]));
    }

    #[test]
    fn other_versions_and_cut_columns_are_refused() {
        let mut writer = Writer::default();
        writer.text(Column::Frame, Column::Raw, b"some bytes");
        let bytes = writer.finish();
        assert!(Reader::of(&bytes).is_some());
        for cut in 0..bytes.len() {
            assert!(Reader::of(&bytes[..cut]).is_none(), "{cut}");
        }
        let longer = [&bytes[..], b"x"].concat();
        assert!(Reader::of(&longer).is_none());
        let newer = [&[2], &bytes[1..]].concat();
        assert!(Reader::of(&newer).is_none());
    }
}
