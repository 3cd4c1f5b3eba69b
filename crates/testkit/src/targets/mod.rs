//! The bodies of the fuzz targets: what any bytes must not break.
//!
//! `fuzz/fuzz_targets/<name>.rs` hands a target to libFuzzer, `fuzz/seeds/<name>` holds its corpus and every input that
//! broke it once. A test carries out all of these, and fails where a folder, a target or a binary stands alone.

mod keys;
mod stores;
mod text;

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use crate::differential;
use crate::histories::{Dice, Plan};
use crate::mutations::{Class, Mutations, alter_some, guarded};
use crate::schedule::Schedule;
use crate::{story, world};

/// One target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, and that of its folder in `fuzz/seeds`.
    pub name: &'static str,
    /// How often altered inputs of it are tried, against the others of this kind; 0 where a harness makes them.
    pub weight: u32,
    body: fn(&[u8]) -> Result<(), String>,
}

const fn target(name: &'static str, weight: u32, body: fn(&[u8]) -> Result<(), String>) -> Target {
    Target { name, weight, body }
}

/// All of them.
pub const TARGETS: [Target; 11] = [
    target("change_admission", 0, |bytes| altered(Class::Change, bytes)),
    target("envelopes", 0, |bytes| altered(Class::Envelope, bytes)),
    target("membership_records", 0, |bytes| {
        altered(Class::Membership, bytes)
    }),
    target("protocol_frames", 0, |bytes| altered(Class::Frame, bytes)),
    target("sessions", 0, |bytes| altered(Class::Session, bytes)),
    target("stored_values", 0, |bytes| altered(Class::Stored, bytes)),
    target("convergence", 0, convergence),
    target("conflict_log", 0, conflict_log),
    target("key_order", 3, keys::run),
    target("kv_model", 6, stores::run),
    target("text_parsers", 6, text::run),
];

impl Target {
    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        TARGETS.into_iter().find(|target| target.name == name)
    }

    /// Tries an input, within the limits of [`guarded`] where it is not a whole world.
    pub fn run(&self, input: &[u8]) -> Result<(), String> {
        match self.name {
            "convergence" | "conflict_log" => (self.body)(input),
            _ => guarded(|| (self.body)(input)).map(drop),
        }
    }

    /// Its kept inputs, by name.
    ///
    /// # Errors
    ///
    /// Where the folder does not read.
    pub fn kept(&self) -> std::io::Result<Vec<(PathBuf, Vec<u8>)>> {
        let mut kept = Vec::new();
        for file in std::fs::read_dir(seeds().join(self.name))? {
            let path = file?.path();
            let input = std::fs::read(&path)?;
            kept.push((path, input));
        }
        kept.sort();
        Ok(kept)
    }

    /// An input altered from two kept ones, for a share without a fuzzer.
    pub fn altered(dice: &mut Dice, kept: &[(PathBuf, Vec<u8>)]) -> Vec<u8> {
        let mut input = kept[dice.below(kept.len())].1.clone();
        let (_, other) = &kept[dice.below(kept.len())];
        alter_some(dice, &mut input, other);
        input
    }
}

/// Where the kept inputs are.
pub fn seeds() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds")
}

/// Tries an input of a class; what the class needs is made once in a thread.
fn altered(class: Class, input: &[u8]) -> Result<(), String> {
    thread_local! {
        static MUTATIONS: RefCell<Option<Mutations>> = const { RefCell::new(None) };
    }
    MUTATIONS.with_borrow_mut(|mutations| {
        let mutations = mutations.get_or_insert_with(|| Mutations::new(0));
        mutations.try_one(class, input).map(drop)
    })
}

fn convergence(input: &[u8]) -> Result<(), String> {
    let schedule = Schedule::decode(input);
    let outcome = world::run_caught(&schedule, None);
    outcome
        .map(drop)
        .map_err(|failure| format!("{schedule}\n{failure}"))
}

fn conflict_log(input: &[u8]) -> Result<(), String> {
    let plan = Plan::decode(input);
    let checked = differential::check_caught(&plan);
    checked
        .map(drop)
        .map_err(|why| format!("{}\n{why}", story::tell(&plan)))
}
