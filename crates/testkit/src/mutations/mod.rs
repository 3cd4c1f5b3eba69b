//! Altered inputs: honest bytes of every kind that comes from outside, altered, and brought in where the product
//! takes them.
//!
//! Of each input must hold: nothing panics, it takes no more CPU and memory than [`CPU_MS`] and [`MEMORY_BYTES`], what
//! is refused changes nothing, and what is taken can be saved and loaded again. An alteration knows what it alters:
//! lengths, checksums, hashes and signatures are made right again where they would only hide what lies behind them.
//!
//! A run is a function of its seed. An input that breaks something is kept as bytes that need nothing else
//! ([`Mutations::try_one`]); `fuzz/seeds/<class>` has those that did once.

mod bytes;
mod changes;
mod chunk;
mod document;
mod frames;
mod measure;
mod office;
mod segment;
mod semantic;
mod sessions;
mod signed;
mod stored;
mod trying;

use std::collections::BTreeMap;
use std::fmt;

use crate::histories::Dice;
use changes::Changes;
use frames::Frames;
use sessions::Sessions;
use stored::Stored;

pub use bytes::{alter, alter_some};
pub use measure::{CPU_MS, Cost, MEMORY_BYTES, guarded};
pub use trying::Trying;

/// Bytes of an input that is kept as an example, at most.
const EXAMPLE_BYTES: usize = 3_000;

/// What an input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// A change, with the genesis changes it brings along.
    Change,
    /// An envelope, of the journal or of the wire.
    Envelope,
    /// A membership record.
    Membership,
    /// A frame before any session.
    Frame,
    /// A frame at some point of a session.
    Session,
    /// What a device reads of its own disk.
    Stored,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Change,
        Self::Envelope,
        Self::Membership,
        Self::Frame,
        Self::Session,
        Self::Stored,
    ];

    /// Its name, and that of its folder in `fuzz/seeds`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Change => "change_admission",
            Self::Envelope => "envelopes",
            Self::Membership => "membership_records",
            Self::Frame => "protocol_frames",
            Self::Session => "sessions",
            Self::Stored => "stored_values",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }
}

/// What became of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// It is in.
    Taken,
    /// It was in already.
    Known,
    /// It waits for something else.
    Waits,
    /// It was refused, and how.
    Refused(&'static str),
    /// It has not even the form in which inputs are kept.
    NotEven,
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken => f.write_str("taken"),
            Self::Known => f.write_str("known already"),
            Self::Waits => f.write_str("waits"),
            Self::Refused(how) => write!(f, "refused: {how}"),
            Self::NotEven => f.write_str("no input"),
        }
    }
}

/// What came of all inputs.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// How many, by class and fate.
    pub fates: BTreeMap<(Class, Fate), u64>,
    /// The greatest cost of one, by class.
    pub cost: BTreeMap<Class, Cost>,
}

impl Tally {
    /// How many inputs of a class there were.
    pub fn inputs(&self, class: Class) -> u64 {
        let of_class = self.fates.iter().filter(|((c, _), _)| *c == class);
        of_class.map(|(_, count)| count).sum()
    }

    /// How many of a class were taken.
    pub fn taken(&self, class: Class) -> u64 {
        self.fates.get(&(class, Fate::Taken)).copied().unwrap_or(0)
    }

    /// The classes with their inputs and how many of them were taken, in one line.
    pub fn in_short(&self) -> String {
        let classes = self.cost.keys().map(|class| {
            let (inputs, taken) = (self.inputs(*class), self.taken(*class));
            format!("{} {inputs}, taken {taken}", class.name())
        });
        classes.collect::<Vec<_>>().join("; ")
    }

    fn add(&mut self, class: Class, fate: Fate, cost: Cost) {
        *self.fates.entry((class, fate)).or_default() += 1;
        let most = self.cost.entry(class).or_default();
        *most = most.max(cost);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (class, cost) in &self.cost {
            writeln!(
                f,
                "{}: {} inputs; at most {} us of CPU, {} KiB",
                class.name(),
                self.inputs(*class),
                cost.cpu_us,
                cost.bytes / 1024
            )?;
            let of_class = self.fates.iter().filter(|((c, _), _)| c == class);
            for ((_, fate), count) in of_class {
                writeln!(f, "  {count:>10}  {fate}")?;
            }
        }
        Ok(())
    }
}

/// An input that broke something.
#[derive(Clone, Debug)]
pub struct Broken {
    /// What it is.
    pub class: Class,
    /// The input.
    pub input: Vec<u8>,
    /// What it broke.
    pub why: String,
}

/// Makes and tries altered inputs, one after the other.
pub struct Mutations {
    dice: Dice,
    changes: Changes,
    sessions: Sessions,
    frames: Frames,
    stored: Stored,
    /// Where each stands while it is tried, if anywhere.
    trying: Option<Trying>,
    /// What came of them until now.
    pub tally: Tally,
}

impl Mutations {
    /// Those of a seed.
    pub fn new(seed: u64) -> Self {
        let sessions = Sessions::new();
        Self {
            dice: Dice(seed),
            changes: Changes::new(),
            frames: Frames::of(sessions.office(), sessions.signed()),
            stored: Stored::of(sessions.office()),
            sessions,
            trying: None,
            tally: Tally::default(),
        }
    }

    /// The same; each input that is made is put where it is found when it ends the process.
    #[must_use]
    pub fn trying(mut self, trying: Trying) -> Self {
        self.trying = Some(trying);
        self
    }

    /// Makes and tries the next input, of the class that is due: those that are cheap to try are tried more often.
    pub fn next_one(&mut self) -> Result<Fate, Broken> {
        let class = match self.dice.below(20) {
            0..=7 => Class::Change,
            8..=10 => Class::Envelope,
            11..=12 => Class::Membership,
            13..=15 => Class::Frame,
            16..=17 => Class::Session,
            _ => Class::Stored,
        };
        self.next_of(class)
    }

    /// Makes and tries the next input of a class.
    pub fn next_of(&mut self, class: Class) -> Result<Fate, Broken> {
        if class == Class::Change {
            return self.next_change();
        }
        let input = self.draw(class);
        if let Some(trying) = &mut self.trying {
            trying.begin(class, &input);
        }
        let done = self.try_one(class, &input);
        if let Some(trying) = &mut self.trying {
            trying.done(class);
        }
        match done {
            Ok((fate, cost)) => {
                self.tally.add(class, fate, cost);
                Ok(fate)
            }
            Err(why) => Err(Broken { class, input, why }),
        }
    }

    fn draw(&mut self, class: Class) -> Vec<u8> {
        let dice = &mut self.dice;
        let signed = self.sessions.signed();
        match class {
            Class::Envelope => signed.draw_envelope(dice),
            Class::Membership => signed.draw_record(dice),
            Class::Frame => self.frames.draw(dice),
            Class::Session => self.sessions.draw(dice),
            Class::Stored => self.stored.draw(dice),
            Class::Change => {
                let case = self.changes.draw(dice);
                self.changes.keep(&case)
            }
        }
    }

    fn next_change(&mut self) -> Result<Fate, Broken> {
        let class = Class::Change;
        let case = self.changes.draw(&mut self.dice);
        if let Some(trying) = &mut self.trying {
            trying.begin(class, &self.changes.keep(&case));
        }
        let done = guarded(|| self.changes.run(&case));
        if let Some(trying) = &mut self.trying {
            trying.done(class);
        }
        let (fate, cost) = done.map_err(|why| Broken {
            class,
            input: self.changes.keep(&case),
            why,
        })?;
        if fate == Fate::Taken {
            self.changes.learn(&mut self.dice, case);
        }
        self.tally.add(class, fate, cost);
        Ok(fate)
    }

    /// The first small input of each fate, of so many of a class.
    pub fn examples(&mut self, class: Class, inputs: u64) -> BTreeMap<Fate, Vec<u8>> {
        let mut found = BTreeMap::new();
        for _ in 0..inputs {
            let input = self.draw(class);
            if input.len() > EXAMPLE_BYTES {
                continue;
            }
            if let Ok((fate, _)) = self.try_one(class, &input) {
                found.entry(fate).or_insert(input);
            }
        }
        found
    }

    /// Tries a kept input.
    pub fn try_one(&mut self, class: Class, input: &[u8]) -> Result<(Fate, Cost), String> {
        match class {
            Class::Change => guarded(|| changes::replay(input, false)),
            Class::Envelope => guarded(|| signed::run_envelope(input)),
            Class::Membership => guarded(|| signed::run_record(input)),
            Class::Frame => guarded(|| frames::run(input)),
            Class::Session => {
                self.sessions.renew_if_due()?;
                guarded(|| self.sessions.run(input))
            }
            Class::Stored => guarded(|| self.stored.run(input)),
        }
    }

    /// What must hold of all inputs together, at the end of a run.
    pub fn finish(&mut self) -> Result<(), String> {
        self.sessions.look_and_renew()
    }
}

/// The folder of the kept inputs of a class.
pub fn folder(class: Class) -> std::path::PathBuf {
    let seeds = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds");
    seeds.join(class.name())
}
