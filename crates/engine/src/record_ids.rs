//! Ids of new records: `UUIDv7`, in the order in which this process makes them.

use driftless_document::RecordId;
use uuid::Builder;

use crate::clock::Millis;

/// Bits of an id that are neither time nor marks: 12 before the variant and 62 after it.
const DRAWN_BITS: u32 = 74;
/// Those of them after the variant.
const LOW_BITS: u32 = 62;

/// Makes the ids of new records.
///
/// RFC 9562, section 6.2, method 2: within a millisecond, and while the clock stands behind what it said before,
/// the id before is counted up by a random step.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RecordIds {
    /// The last id without its marks: milliseconds, and below them what was drawn.
    last: Option<u128>,
}

impl RecordIds {
    /// The next id: greater than those before it.
    pub(crate) fn next(&mut self, now: Millis, random: [u8; 10]) -> RecordId {
        let mut drawn = [0; 16];
        drawn[6..].copy_from_slice(&random);
        let drawn = u128::from_be_bytes(drawn) & ((1 << DRAWN_BITS) - 1);
        let now = u128::try_from(now).unwrap_or(0);
        let next = match self.last {
            // A step of up to 2^32, so that an id does not tell the next one.
            Some(last) if now <= last >> DRAWN_BITS => last + 1 + (drawn & u128::from(u32::MAX)),
            _ => now << DRAWN_BITS | drawn,
        };
        self.last = Some(next);
        marked(next)
    }
}

/// The id of these bits, with version and variant put in.
fn marked(bits: u128) -> RecordId {
    let millis = (bits >> DRAWN_BITS).to_be_bytes();
    let high = (bits >> LOW_BITS).to_be_bytes();
    let low = bits.to_be_bytes();
    let mut drawn = [0; 10];
    drawn[..2].copy_from_slice(&high[14..]);
    drawn[2..].copy_from_slice(&low[8..]);
    let mut time = [0; 8];
    time[2..].copy_from_slice(&millis[10..]);
    // The builder puts its marks over the bits above each part.
    let id = Builder::from_unix_timestamp_millis(u64::from_be_bytes(time), &drawn);
    RecordId(id.into_uuid().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::RecordIds;
    use driftless_document::RecordId;

    const NOON: i64 = 1_790_000_000_000;

    fn version_and_time(id: RecordId) -> (usize, u64) {
        let uuid = uuid::Uuid::from_bytes(id.0);
        assert_eq!(uuid.get_variant(), uuid::Variant::RFC4122);
        let mut millis = [0; 8];
        millis[2..].copy_from_slice(&id.0[..6]);
        (uuid.get_version_num(), u64::from_be_bytes(millis))
    }

    #[test]
    fn ids_of_one_millisecond_grow_whatever_is_drawn() {
        let mut ids = RecordIds::default();
        let mut before = ids.next(NOON, [0x55; 10]);
        for drawn in [0, 1, 0x7f, 0xff, 0x80, 0] {
            let id = ids.next(NOON, [drawn; 10]);
            assert!(id > before, "{id} after {before}");
            assert_eq!(version_and_time(id), (7, NOON as u64));
            before = id;
        }
    }

    #[test]
    fn a_later_id_has_its_own_time_and_draw() {
        let mut ids = RecordIds::default();
        let first = ids.next(NOON, [0xff; 10]);
        let second = ids.next(NOON + 1, [0; 10]);
        assert!(second > first);
        assert_eq!(version_and_time(second), (7, NOON as u64 + 1));
        assert_eq!(second.0[6..], [0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_turn_the_order_round() {
        let mut ids = RecordIds::default();
        let before = ids.next(NOON, [9; 10]);
        let after = ids.next(NOON - 365 * 86_400_000, [1; 10]);
        assert!(after > before);
        assert!(ids.next(-1, [0; 10]) > after);
    }

    #[test]
    fn a_clock_at_its_beginning_still_draws_every_bit() {
        let id = RecordIds::default().next(-1, [0xff; 10]);
        assert_eq!(version_and_time(id), (7, 0));
        assert_eq!(id.0[6..9], [0x7f, 0xff, 0xbf]);
    }

    #[test]
    fn a_millisecond_whose_bits_are_used_up_borrows_the_next_one() {
        let mut ids = RecordIds::default();
        let last = ids.next(NOON, [0xff; 10]);
        let next = ids.next(NOON, [0xff; 10]);
        assert!(next > last);
        assert_eq!(version_and_time(next), (7, NOON as u64 + 1));
    }
}
