//! [`History`]: what the marks of a process say must be there, and what may be.

use std::collections::BTreeMap;

use crate::workload::NOTHING;

/// What is known of one slot: states it had or was to have, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Slot {
    states: Vec<(u64, String)>,
    /// How many of them there are up to the last that was acknowledged.
    acknowledged: usize,
}

/// What was said up to some moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    slots: BTreeMap<u64, Slot>,
    of_commit: BTreeMap<u64, u64>,
    /// Whether the workspace was said to be made.
    pub is_created: bool,
    /// Whether the last thing said is that the database was closed.
    pub is_closed: bool,
    /// Commits that were acknowledged.
    pub acknowledged: u64,
    /// Number of the last commit that was asked for.
    pub last: u64,
    /// Errors that were told, by what they were said of and their code.
    pub errors: BTreeMap<String, u64>,
    /// What a process said that is wrong in itself.
    pub wrong: Vec<String>,
}

impl History {
    /// Takes in the next mark.
    pub fn hear(&mut self, mark: &str) {
        let mut words = mark.split(' ');
        let word = words.next().unwrap_or_default();
        let mut number = || {
            words
                .next()
                .and_then(|word| word.parse::<u64>().ok())
                .unwrap_or(0)
        };
        self.is_closed = word == "closed";
        match word {
            "created" if self.is_created => self.wrong.push("it was made twice".to_owned()),
            "created" => self.is_created = true,
            "begin" => {
                let (n, slot) = (number(), number());
                let state = words.next().unwrap_or_default().to_owned();
                self.slots.entry(slot).or_default().states.push((n, state));
                self.of_commit.insert(n, slot);
                self.last = self.last.max(n);
            }
            "done" => self.done(number()),
            "found" => {
                let slot = number();
                let state = words.next().unwrap_or_default();
                self.found(slot, state);
            }
            "failed" => {
                number();
                let code = words.next().unwrap_or_default();
                *self.errors.entry(format!("commit {code}")).or_default() += 1;
            }
            "error" => {
                let what = mark.strip_prefix("error ").unwrap_or_default();
                *self.errors.entry(what.to_owned()).or_default() += 1;
            }
            "problem" => self.wrong.push(mark.to_owned()),
            _ => {}
        }
    }

    fn done(&mut self, n: u64) {
        self.acknowledged += 1;
        let Some(slot) = self
            .of_commit
            .get(&n)
            .and_then(|slot| self.slots.get_mut(slot))
        else {
            return;
        };
        let nth = slot.states.iter().position(|(number, _)| *number == n);
        slot.acknowledged = slot.acknowledged.max(nth.map_or(0, |nth| nth + 1));
    }

    /// A process that opened the folder found this: from now on it is what the slot has.
    fn found(&mut self, slot: u64, state: &str) {
        if let Err(why) = self.check_slot(slot, state) {
            self.wrong.push(why);
        }
        let known = self.slots.entry(slot).or_default();
        known.states = vec![(0, state.to_owned())];
        known.acknowledged = 1;
    }

    /// Compares what a slot has with what it may have; the error says how.
    pub fn check_slot(&self, slot: u64, state: &str) -> Result<(), String> {
        let nothing = (0, NOTHING.to_owned());
        let known = self.slots.get(&slot);
        let known = known.map_or((&[][..], 0), |known| {
            (&known.states[..], known.acknowledged)
        });
        let (states, acknowledged) = known;
        let all: Vec<&(u64, String)> = std::iter::once(&nothing).chain(states).collect();
        let (past, may) = all.split_at(acknowledged);
        if may.iter().any(|(_, may)| may == state) {
            return Ok(());
        }
        Err(match past.iter().rfind(|(_, was)| was == state) {
            Some((n, _)) => format!(
                "slot {slot} has the state of commit {n}, and commit {} was acknowledged",
                may[0].0
            ),
            None => format!("slot {slot} has a state that it never had: {state}"),
        })
    }

    /// All slots that were ever named.
    pub fn slots(&self) -> impl Iterator<Item = u64> {
        self.slots.keys().copied()
    }
}
