//! Time as a parameter: wall clocks are passed in, commit times are hybrid.

/// Wall time in milliseconds since 1970-01-01T00:00:00Z.
pub type Millis = i64;

/// Where wall time comes from.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Millis;
}

/// How far ahead a peer's time may be and still be taken over, in milliseconds.
const AHEAD_MS: Millis = 5 * 60 * 1_000;
/// Bits of the counter below the milliseconds.
const COUNTER_BITS: u32 = 12;

/// The commit times of this replica: wall milliseconds shifted by 12 bits plus a counter, always growing.
///
/// A claim for people to read; nothing is ever ordered by it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct HybridClock {
    pub(crate) last: i64,
}

impl HybridClock {
    /// The time of the next commit.
    pub(crate) fn tick(&mut self, now: Millis) -> i64 {
        let wall = now.max(0) << COUNTER_BITS;
        self.last = wall.max(self.last.saturating_add(1));
        self.last
    }

    /// Takes note of a peer's commit time, unless it lies too far ahead; says whether it does.
    pub(crate) fn observe(&mut self, time: i64, now: Millis) -> bool {
        let ahead = time >> COUNTER_BITS > now.saturating_add(AHEAD_MS);
        if !ahead {
            self.last = self.last.max(time);
        }
        ahead
    }
}
