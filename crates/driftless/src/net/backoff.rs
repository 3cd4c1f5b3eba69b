//! [`Backoff`]: how long to wait before the next attempt to connect.
//!
//! Exponential with full jitter: after the n-th failure in a row the wait is drawn evenly from zero to the
//! n-th ceiling, which begins at [`BACKOFF_FIRST`] and doubles up to [`BACKOFF_LONGEST`]. Devices that lost one
//! hub together so come back spread out, and the fewer the longer it is gone ("Exponential Backoff And
//! Jitter", AWS Architecture Blog, 2015).
//!
//! A state machine without clock and randomness: what is drawn from is a parameter.

use std::time::Duration;

use crate::limits::{BACKOFF_FIRST, BACKOFF_LONGEST, RETRY_AFTER_LONGEST};

/// Failures in a row that are counted at most where the next wait is to be short: it is 8 s at the longest.
const FAILURES_WHEN_SHORT: u32 = 4;

/// Counts failures in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Failures since the last success.
    pub(crate) fn failures(self) -> u32 {
        self.failures
    }

    /// Notes a success: the next failure is the first again.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// Notes that something was found out and the next attempt goes on from there: the next wait is short, whatever failed
    /// before, and stays so however often that comes.
    pub(crate) fn shorten(&mut self) {
        self.failures = self.failures.min(FAILURES_WHEN_SHORT);
    }

    /// Notes a failure and says how long to wait; `random` is any number, evenly drawn.
    ///
    /// What the other side asked for is honoured, up to [`RETRY_AFTER_LONGEST`], and waited beyond by a part of half of
    /// it: those who were asked the same together do not come back together.
    pub(crate) fn after_failure(&mut self, random: u64, retry_after: Option<Duration>) -> Duration {
        let ceiling = ceiling(self.failures);
        self.failures = self.failures.saturating_add(1);
        let asked = retry_after.unwrap_or(Duration::ZERO);
        let asked = asked.min(RETRY_AFTER_LONGEST);
        asked + part(ceiling.max(asked / 2), random)
    }

    /// Notes a refusal that only a person can lift: the wait is the longest there is.
    pub(crate) fn after_refusal(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        BACKOFF_LONGEST
    }
}

/// The longest wait after so many failures before this one.
fn ceiling(failures: u32) -> Duration {
    let factor = 1_u32.checked_shl(failures).unwrap_or(u32::MAX);
    BACKOFF_FIRST.saturating_mul(factor).min(BACKOFF_LONGEST)
}

/// A part of `whole`: none of it for 0, all of it for the largest number.
fn part(whole: Duration, random: u64) -> Duration {
    let nanos = u64::try_from(whole.as_nanos()).unwrap_or(u64::MAX);
    let product = u128::from(nanos) * u128::from(random) / u128::from(u64::MAX);
    Duration::from_nanos(u64::try_from(product).unwrap_or(nanos))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_ceiling_doubles_from_half_a_second_to_five_minutes() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..12)
            .map(|_| backoff.after_failure(u64::MAX, None).as_millis())
            .collect();
        let expected = [
            500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 300_000,
            300_000,
        ];
        assert_eq!(waits, expected);
        assert_eq!(backoff.failures(), 12);
        assert_eq!(backoff.after_failure(0, None), Duration::ZERO);
    }

    #[test]
    fn where_something_was_found_out_the_next_wait_is_short_however_often() {
        let mut backoff = Backoff::default();
        backoff.shorten();
        assert_eq!(backoff, Backoff::default());
        for _ in 0..12 {
            backoff.after_failure(u64::MAX, None);
        }
        for _ in 0..3 {
            backoff.shorten();
            let wait = backoff.after_failure(u64::MAX, None);
            assert_eq!(wait, Duration::from_secs(8));
        }
    }

    #[test]
    fn what_the_other_side_asks_for_is_waited_within_reason() {
        let mut backoff = Backoff::default();
        let minute = Duration::from_secs(60);
        assert_eq!(backoff.after_failure(7, Some(minute)), minute);
        let century = Duration::from_secs(100 * 365 * 24 * 3_600);
        let longest = backoff.after_failure(7, Some(century));
        assert_eq!(longest, RETRY_AFTER_LONGEST);
        assert_eq!(backoff.after_refusal(), BACKOFF_LONGEST);
    }

    /// Devices that lost one hub together.
    const CLIENTS: u16 = 10_000;

    /// Numbers evenly drawn (`SplitMix64`), the same in every run.
    fn draws() -> impl FnMut() -> u64 {
        let mut state = 1_u64;
        move || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        }
    }

    /// When each of them reaches the hub again, in seconds after it has come back, having been away for so long; it
    /// asks each for a wait before. In order.
    fn returns(away: f64, asked: Option<Duration>) -> Vec<f64> {
        let mut random = draws();
        let client = |_| {
            let (mut backoff, mut at) = (Backoff::default(), 0.0);
            loop {
                at += backoff.after_failure(random(), asked).as_secs_f64();
                if at >= away {
                    break at - away;
                }
            }
        };
        let mut returns: Vec<f64> = (0..CLIENTS).map(client).collect();
        returns.sort_by(f64::total_cmp);
        returns
    }

    /// The most that come back within `seconds`, wherever these begin.
    fn most_within(returns: &[f64], seconds: f64) -> u32 {
        let within =
            |from: usize| returns.partition_point(|at| *at < returns[from] + seconds) - from;
        let most = (0..returns.len()).map(within).max().unwrap_or(0);
        u32::try_from(most).unwrap_or(u32::MAX)
    }

    /// The busiest second has at most so many times the mean of the time in which 99 of 100 come back.
    const TIMES_THE_MEAN: f64 = 5.0;

    #[test]
    fn ten_thousand_devices_that_lost_one_hub_come_back_spread_over_the_window() {
        for away in [1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0, 3_600.0] {
            let returns = returns(away, None);
            let window = returns[returns.len() * 99 / 100];
            let mean = f64::from(CLIENTS) / window;
            let busiest = f64::from(most_within(&returns, 1.0));
            assert!(
                busiest <= TIMES_THE_MEAN * mean,
                "away {away} s: {busiest} in a second, {mean} in the mean"
            );
            // The longer it was gone the longer they take, up to the longest wait.
            let longest = BACKOFF_LONGEST.as_secs_f64();
            assert!(
                window >= (2.0 * away).min(longest / 2.0),
                "away {away} s: back within {window} s"
            );
            assert!(returns[returns.len() - 1] <= longest);
        }
        // A hub that was gone for a moment has them back within the first wait, evenly.
        let returns = returns(0.0, None);
        assert!(returns[returns.len() - 1] <= BACKOFF_FIRST.as_secs_f64());
        assert!(most_within(&returns, 0.1) <= 2_500);
    }

    #[test]
    fn ten_thousand_devices_get_into_a_hub_that_takes_few_at_a_time() {
        /// Let in each second; the others fail, and wait longer.
        const A_SECOND: u32 = 256;
        let mut random = draws();
        let mut clients = vec![Backoff::default(); usize::from(CLIENTS)];
        let mut queue = std::collections::BTreeSet::new();
        for (n, client) in clients.iter_mut().enumerate() {
            queue.insert((client.after_failure(random(), None), n));
        }
        let mut asked = std::collections::BTreeMap::<u64, [u32; 2]>::new();
        let mut last = 0;
        while let Some((at, n)) = queue.pop_first() {
            let [tries, let_in] = asked.entry(at.as_secs()).or_default();
            *tries += 1;
            if *let_in < A_SECOND {
                *let_in += 1;
                last = at.as_secs();
                clients[n].reset();
            } else {
                queue.insert((at + clients[n].after_failure(random(), None), n));
            }
        }
        // All are in, in at most a few times what it takes the hub to let in so many one after the other.
        assert!(clients.iter().all(|client| client.failures() == 0));
        let least = u64::from(u32::from(CLIENTS) / A_SECOND);
        assert!(last <= 8 * least, "the last after {last} s, of {least}");
        let tries: u32 = asked.values().map(|[tries, _]| tries).sum();
        assert!(tries < 12 * 10_000, "{tries} attempts");
    }

    #[test]
    fn ten_thousand_devices_that_were_asked_to_wait_do_not_come_back_together() {
        let asked = Duration::from_secs(30);
        let returns = returns(0.0, Some(asked));
        assert!(returns.iter().all(|at| (30.0..=45.0).contains(at)));
        let busiest = most_within(&returns, 1.0);
        assert!(busiest <= 10_000 / 15 * 5 / 4, "{busiest} in a second");
    }

    /// What happens to a connection.
    #[derive(Clone, Debug)]
    enum Event {
        Failure(u64, Option<Duration>),
        Refusal,
        Success,
    }

    fn events() -> impl Strategy<Value = Vec<Event>> {
        let asked = proptest::option::of((0..u64::MAX / 2).prop_map(Duration::from_millis));
        let event = prop_oneof![
            6 => (any::<u64>(), asked).prop_map(|(random, asked)| Event::Failure(random, asked)),
            1 => Just(Event::Refusal),
            1 => Just(Event::Success),
        ];
        proptest::collection::vec(event, 0..80)
    }

    fn waits(events: &[Event]) -> Vec<Option<Duration>> {
        let mut backoff = Backoff::default();
        let wait = |event: &Event| match event {
            Event::Failure(random, asked) => Some(backoff.after_failure(*random, *asked)),
            Event::Refusal => Some(backoff.after_refusal()),
            Event::Success => {
                backoff.reset();
                None
            }
        };
        events.iter().map(wait).collect()
    }

    proptest! {
        #[test]
        fn every_wait_is_within_its_bounds(events in events()) {
            let mut failures = 0_u32;
            for (event, wait) in events.iter().zip(waits(&events)) {
                match event {
                    Event::Success => failures = 0,
                    Event::Refusal => {
                        prop_assert_eq!(wait, Some(BACKOFF_LONGEST));
                        failures += 1;
                    }
                    Event::Failure(_, asked) => {
                        let asked = asked.unwrap_or_default().min(RETRY_AFTER_LONGEST);
                        let doubled = 500_u64.saturating_mul(1 << failures.min(20)).min(300_000);
                        let wait = wait.expect("a failure is waited out");
                        prop_assert!(wait >= asked);
                        prop_assert!(wait <= asked + Duration::from_millis(doubled).max(asked / 2));
                        failures += 1;
                    }
                }
            }
        }

        #[test]
        fn after_a_success_it_begins_anew(before in events(), random in any::<u64>()) {
            let mut backoff = Backoff::default();
            for event in &before {
                if let Event::Failure(random, asked) = event {
                    backoff.after_failure(*random, *asked);
                }
            }
            backoff.reset();
            prop_assert_eq!(backoff, Backoff::default());
            prop_assert!(backoff.after_failure(random, None) <= BACKOFF_FIRST);
        }

        #[test]
        fn equal_events_and_randomness_give_equal_waits(events in events()) {
            prop_assert_eq!(waits(&events), waits(&events));
        }

        #[test]
        fn more_of_the_randomness_is_more_of_the_wait(failures in 0..40_u32, a in any::<u64>(), b in any::<u64>()) {
            let wait = |random| Backoff { failures }.after_failure(random, None);
            prop_assert!(wait(a.min(b)) <= wait(a.max(b)));
        }
    }
}
