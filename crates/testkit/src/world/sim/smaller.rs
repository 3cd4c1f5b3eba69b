//! A failing run made smaller: what can happen in it is taken out, for as long as it fails alike.
//!
//! A run is a function of its seed and its [`Odds`]; only these are changed, so what is left is told by them. Which smaller
//! runs are tried, and in which order, depends on nothing else, so the same failure always becomes the same small one.

use super::{Mischief, Odds, SimCanary, SimFailure, once};

/// Runs that are tried, at most: some tens of seconds where one is like most, and what is left by then is small enough
/// to be read.
const ATTEMPTS: usize = 300;
/// People who do something less often than this, in milliseconds, do next to nothing.
const IDLE_MS: usize = 16_000;

/// A run of the same seed that fails alike, with fewer kinds of fault, fewer devices, less time and less to do; it tells
/// its story. The failure itself where none is smaller. It goes on for as long as `goes_on` says so: some runs take a
/// hundred times as long as most.
pub fn make_smaller(
    failure: &SimFailure,
    canary: Option<SimCanary>,
    goes_on: &dyn Fn() -> bool,
) -> Box<SimFailure> {
    let alike = kind(&failure.what);
    let mut attempts = ATTEMPTS;
    let mut smallest = failure.clone();
    let fails = |odds: &Odds, tell: bool| {
        let failed = once(failure.seed, odds, canary, tell).err();
        failed.filter(|failed| kind(&failed.what) == alike)
    };
    loop {
        let smaller = smaller(&smallest).into_iter().take(attempts);
        let mut smaller = smaller.take_while(|_| goes_on());
        let found = smaller.find_map(|odds| {
            attempts -= 1;
            fails(&odds, false)
        });
        match found {
            Some(found) => smallest = *found,
            None => break,
        }
    }
    let told = fails(&smallest.odds, true);
    told.unwrap_or_else(|| Box::new(smallest))
}

/// The odds of runs in which less happens, those first of which the least is left.
fn smaller(failure: &SimFailure) -> Vec<Odds> {
    let odds = &failure.odds;
    let mut all = Vec::new();
    let mut with = |change: &dyn Fn(&mut Odds)| {
        let mut changed = odds.clone();
        change(&mut changed);
        if changed != *odds {
            all.push(changed);
        }
    };
    let happening = odds.happening();
    let mut share = happening.len();
    while share > 0 {
        for some in happening.chunks(share) {
            with(&|odds| without(odds, some));
        }
        share /= 2;
    }
    for devices in 2..odds.devices {
        with(&|odds| odds.devices = devices);
    }
    let seconds = usize::try_from(failure.at_ms / 1_000).unwrap_or(0);
    for ticks in [odds.ticks / 4, odds.ticks / 2, seconds, odds.ticks - 1] {
        with(&|odds| odds.ticks = ticks.clamp(1, odds.ticks));
    }
    with(&|odds| odds.extra_links = 0);
    with(&|odds| odds.cut = 0);
    with(&|odds| odds.half_open = 0);
    with(&|odds| odds.crash = 0);
    with(&|odds| odds.group = 0);
    with(&|odds| odds.slow = 0);
    with(&|odds| odds.delay = 1);
    with(&|odds| odds.away = 1);
    if odds.between_acts < IDLE_MS {
        with(&|odds| odds.between_acts *= 2);
    }
    all
}

fn without(odds: &mut Odds, some: &[Mischief]) {
    let chances = Mischief::ALL.into_iter().zip(&mut odds.mischief);
    for (_, chance) in chances.filter(|(mischief, _)| some.contains(mischief)) {
        *chance = 0;
    }
}

/// What failures that are alike have in common: the name of what did not hold, or else the words without numbers.
fn kind(what: &str) -> String {
    let words: Vec<&str> = what.split([' ', ':', '(', ')', ',']).collect();
    let is_name = |word: &&&str| {
        let number = word.strip_prefix(['S', 'L']);
        number.is_some_and(|n| !n.is_empty() && n.chars().all(|c| c.is_ascii_digit()))
    };
    if let Some(name) = words.iter().find(is_name) {
        return (*name).to_owned();
    }
    let is_word = |word: &&&str| word.chars().all(char::is_alphabetic) && !word.is_empty();
    let words: Vec<&str> = words.iter().filter(is_word).take(8).copied().collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histories::Dice;

    #[test]
    fn failures_are_alike_by_what_did_not_hold() {
        let one = kind("device 3: L2: nothing leads to the next attempt (connection 1 of 3)");
        assert_eq!(one, "L2");
        let told = "a panic: index 7 is out of 5 in 0xff00aa";
        assert_eq!(kind(told), kind("a panic: index 9 is out of 6 in 0x17"));
        assert_ne!(kind(told), kind("a panic: overflow"));
        assert_ne!(kind("S1: x"), kind("S12: x"));
    }

    #[test]
    fn whatever_is_tried_is_smaller() {
        for seed in 0..50 {
            let odds = Odds::draw(&mut Dice(seed));
            let failure = SimFailure {
                seed,
                odds: odds.clone(),
                at_ms: 3_000,
                what: "S1".into(),
                story: Vec::new(),
            };
            for other in smaller(&failure) {
                assert_ne!(other, odds);
                assert!(other.happening().len() <= odds.happening().len());
                assert!(other.devices <= odds.devices && other.ticks <= odds.ticks);
                assert!((2..).contains(&other.devices) && other.ticks > 0);
            }
        }
    }
}
