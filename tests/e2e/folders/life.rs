//! The life of four folders from a seed: who they are, what was acknowledged, and what must hold in the end.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use driftless_testkit::histories::Dice;
use serde_json::Value as Json;

use super::place::{Place, Written};
use crate::support::{Outcome, World, text, text_of};

/// Nothing but edits, syncs and kills comes to the first: what it has acknowledged to another is there for good.
pub const HOME: usize = 0;
/// Records that are there from the beginning.
pub const FIRST: usize = 12;
/// Steps that are told when it fails.
const TOLD: usize = 60;
/// Each syncs with the first so often at most, until all is equal.
const ROUNDS: usize = 12;

/// What was done.
#[derive(Debug, Default)]
pub struct Figures {
    pub lives: u64,
    pub steps: u64,
    pub edits: u64,
    pub syncs: u64,
    pub kills: u64,
    pub damages: u64,
    pub repairs: u64,
    /// Folders that did not say any more whose they are: their devices joined again.
    pub rejoined: u64,
    pub restored: u64,
    pub copies: u64,
    pub changes: u64,
    pub conflicts: u64,
    pub witnessed: u64,
}

impl Figures {
    pub fn add(&mut self, other: &Self) {
        self.lives += other.lives;
        self.steps += other.steps;
        self.edits += other.edits;
        self.syncs += other.syncs;
        self.kills += other.kills;
        self.damages += other.damages;
        self.repairs += other.repairs;
        self.rejoined += other.rejoined;
        self.restored += other.restored;
        self.copies += other.copies;
        self.changes += other.changes;
        self.conflicts += other.conflicts;
        self.witnessed += other.witnessed;
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} lives, {} steps, {} edits, {} syncs, {} kills, {} files damaged, {} repairs, {} joined again, \
             {} backups brought back, {} folders copied; {} changes, {} conflicts, {} writes looked for",
            self.lives,
            self.steps,
            self.edits,
            self.syncs,
            self.kills,
            self.damages,
            self.repairs,
            self.rejoined,
            self.restored,
            self.copies,
            self.changes,
            self.conflicts,
            self.witnessed
        )
    }
}

pub struct Life {
    pub world: World,
    pub places: Vec<Place>,
    pub dice: Dice,
    pub figures: Figures,
    /// What must be there in the end.
    pub safe: Vec<Written>,
    /// Ids of records that were inserted.
    pub inserted: Vec<String>,
    seed: u64,
    serial: u64,
    told: VecDeque<String>,
}

impl Life {
    /// Four members of a workspace with some records, on both engines.
    pub fn begin(seed: u64) -> Self {
        let world = World::new();
        let home = world.init("home");
        let rows = text_of((0..FIRST).map(|key| format!("{key},person {key}")));
        let file = world.file("first.csv", format!("k,title\n{rows}"));
        home.json(["import", &file, "--collection", "people", "--key", "k"]);
        let mut life = Self {
            world,
            places: vec![Place::of(home)],
            dice: Dice(seed),
            figures: Figures::default(),
            safe: Vec::new(),
            inserted: Vec::new(),
            seed,
            serial: 0,
            told: VecDeque::new(),
        };
        for name in ["laptop", "phone", "tablet"] {
            let place = life.joined(name);
            life.places.push(place);
        }
        life.figures.lives = 1;
        life
    }

    /// A new device, which has what the first has.
    pub fn joined(&mut self, name: &str) -> Place {
        let engine = self.engine();
        let serving = self.places[HOME].device.serve_and_invite();
        let device = self.world.device(name);
        let join = ["join", serving.link(), "--name", name, "--engine", engine];
        device.json(join);
        device.json(["sync", &serving.url]);
        serving.stop();
        Place::of(device)
    }

    pub fn engine(&mut self) -> &'static str {
        ["sled", "redb"][self.dice.below(2)]
    }

    pub fn tell(&mut self, place: usize, what: &str) {
        if self.told.len() == TOLD {
            self.told.pop_front();
        }
        let (step, name) = (self.figures.steps, &self.places[place].device.name);
        self.told.push_back(format!("{step}. {name}: {what}"));
    }

    /// A value that nobody else writes.
    pub fn value(&mut self) -> String {
        self.serial += 1;
        format!("value {}.", self.serial)
    }

    /// A number for a name that nobody else has.
    pub fn number(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    /// What a device acknowledged: it has to stay unless damage comes to it before another has it.
    pub fn acknowledged(&mut self, place: usize, written: Written) {
        self.figures.edits += 1;
        match place {
            HOME => self.safe.push(written),
            _ => self.places[place].own.push(written),
        }
    }

    pub fn run(&self, place: usize, arguments: &[&str]) -> Outcome {
        let arguments = arguments.iter().chain(&["--json"]);
        self.places[place].device.run(arguments)
    }

    /// All meet; then all are equal and whole, and nothing is gone.
    pub fn ends_equal(mut self) -> Figures {
        self.gather();
        for place in 0..self.places.len() {
            self.figures.changes = self.is_whole_but_for_what_is_missing(place);
        }
        let said = |place: &Place| {
            let run = |arguments: &[&str]| place.device.run(arguments).succeeded().stdout;
            [
                run(&["conflicts", "export"]),
                run(&["list", "people", "--json"]),
                run(&["list", "notes", "--json"]),
            ]
        };
        let first = said(&self.places[HOME]);
        for place in &self.places[1..] {
            assert_eq!(said(place), first, "{}", place.device.name);
        }
        self.figures.conflicts = first[0].lines().count() as u64;
        self.finds_everything();
        std::mem::take(&mut self.figures)
    }

    fn gather(&mut self) {
        let mut failures = Vec::new();
        for round in 0..ROUNDS {
            let mut is_whole = true;
            let serving = self.places[HOME].device.serve();
            for place in &self.places[1..] {
                let outcome = place.device.run(["sync", &serving.url, "--json"]);
                if !outcome.status.success() {
                    let error = outcome.error();
                    failures.push(format!("round {round}, {}: {error}", place.device.name));
                    is_whole = false;
                }
            }
            serving.stop();
            let digests: Vec<Json> = self.places.iter().map(|p| p.device.digest()).collect();
            if is_whole && digests.iter().all(|digest| *digest == digests[0]) {
                for place in &mut self.places {
                    self.safe.append(&mut place.own);
                }
                return;
            }
        }
        let digests: Vec<Json> = self.places.iter().map(|p| p.device.digest()).collect();
        panic!("they do not become equal: {failures:#?}, {digests:#?}");
    }

    /// All that was acknowledged and was not damaged before another had it is in the histories.
    fn finds_everything(&mut self) {
        let home = &self.places[HOME].device;
        let mut records = BTreeMap::<_, Vec<&str>>::new();
        for Written {
            collection,
            record,
            value,
        } in &self.safe
        {
            let of_record = records.entry((*collection, record)).or_default();
            of_record.push(value);
        }
        for ((collection, record), values) in records {
            let history = home.lines(["history", collection, record]);
            let fields = history.iter().filter_map(|step| step["fields"].as_array());
            let written: Vec<_> = fields.flatten().map(|field| &field["after"]).collect();
            for value in values {
                assert!(
                    written.iter().any(|after| **after == *value),
                    "{collection} {record} lost {value:?}: {history:#?}"
                );
                self.figures.witnessed += 1;
            }
        }
    }

    /// The code of the error with which a command ended; it is none that says the fault is the program's own.
    #[track_caller]
    pub fn code_of(outcome: &Outcome) -> String {
        let code = text(&outcome.error()["code"]);
        assert_ne!(code, "internal", "{outcome:#?}");
        code
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let kept = self.world.keep();
            eprintln!("seed {}, kept in {}", self.seed, kept.display());
            eprintln!("the last steps: {:#?}\n{}", self.told, self.figures);
        }
    }
}
