//! The steps of a session: edits drawn from a seed, and what happens to the processes meanwhile.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use driftless_testkit::histories::Dice;
use serde_json::{Value as Json, json};

use super::fleet::{Fleet, NAMES};
use super::witness::{Record, Witness, Write};
use crate::support::{Outcome, Running, number, text, text_of};

/// Records that are there from the beginning and get most of the edits.
const FIRST: usize = 24;
/// Keys that imports make records of, several devices the same ones.
const KEYS: usize = 400;
const FIELDS: [&str; 4] = ["title", "address.city", "address.street", "note"];
/// Steps that are told when it fails.
const TOLD: usize = 40;
const EVERYBODY: u8 = 0b111;

/// What was done.
#[derive(Debug, Default)]
pub struct Figures {
    pub steps: u64,
    /// Commands of each device that wrote and were acknowledged.
    pub edits: [u64; 3],
    /// Commands that were refused as they must: the record is deleted or not there yet, the conflict is decided.
    pub refused: u64,
    /// Commands whose process went away beneath them.
    pub torn: u64,
    pub stops: u64,
    pub kills: u64,
    pub gatherings: u64,
    pub records: u64,
    pub conflicts: u64,
    pub changes: u64,
    pub witnessed: u64,
}

impl Figures {
    /// The time that so many steps take.
    pub fn steps_last(&self, a_second: u32) -> Duration {
        Duration::from_secs(self.steps) / a_second
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [laptop, phone, tablet] = self.edits;
        write!(
            f,
            "{} steps, {laptop} + {phone} + {tablet} edits, {} refused, {} torn; {} stops, {} kills, {} gatherings; \
             {} records, {} conflicts, {} changes, {} writes looked for",
            self.steps,
            self.refused,
            self.torn,
            self.stops,
            self.kills,
            self.gatherings,
            self.records,
            self.conflicts,
            self.changes,
            self.witnessed
        )
    }
}

/// A record, and which devices surely hold it, a bit each.
#[derive(Debug)]
struct Known {
    record: Record,
    by: u8,
}

pub struct Session {
    fleet: Fleet,
    dice: Dice,
    seed: u64,
    known: Vec<Known>,
    witness: Witness,
    serial: u64,
    last: VecDeque<String>,
    pub figures: Figures,
}

impl Session {
    pub fn begin(seed: u64) -> Self {
        let rows = (0..FIRST).map(|key| format!("{key},person {key}"));
        let fleet = Fleet::begin(&format!("k,title\n{}", text_of(rows)));
        let known = (0..FIRST).map(|key| Known {
            record: keyed(key),
            by: EVERYBODY,
        });
        Self {
            fleet,
            dice: Dice(seed),
            seed,
            known: known.collect(),
            witness: Witness::default(),
            serial: 0,
            last: VecDeque::new(),
            figures: Figures::default(),
        }
    }

    /// Steps until everybody meets.
    pub fn length_of_round(&mut self) -> usize {
        20 + self.dice.below(180)
    }

    /// Waits until then; it fails if a process ends by itself meanwhile.
    pub fn watch_until(&mut self, until: Instant) {
        for seat in &mut self.fleet.seats {
            seat.watch_until(until);
        }
    }

    /// One step; `kill` asks for one in which a process is killed.
    pub fn step(&mut self, kill: bool) {
        self.figures.steps += 1;
        for seat in self.fleet.seats.iter_mut().filter(|seat| !seat.is_served()) {
            seat.away -= 1;
            if seat.away == 0 {
                seat.start();
            }
        }
        let device = self.dice.below(NAMES.len());
        match self.dice.below(100) {
            _ if kill => self.kill(device),
            0..40 => self.set(device),
            40..50 => self.insert(device),
            50..56 => self.unset(device),
            56..60 => self.write_whole(device, "delete"),
            60..66 => self.write_whole(device, "restore"),
            66..72 => self.import(device),
            72..82 => self.resolve(device),
            82..94 => self.set_at_the_same_time(device),
            94..97 => self.stop(device),
            _ => self.kill(device),
        }
    }

    fn tell(&mut self, device: usize, what: &str) {
        if self.last.len() == TOLD {
            self.last.pop_front();
        }
        let step = self.figures.steps;
        self.last
            .push_back(format!("{step}. {}: {what}", NAMES[device]));
    }

    /// A value that nobody else writes.
    fn value(&mut self, device: usize) -> String {
        self.serial += 1;
        format!("{} {}", NAMES[device], self.serial)
    }

    fn field(&mut self) -> &'static str {
        FIELDS[self.dice.below(FIELDS.len())]
    }

    /// The place of a record in what is known: mostly one of those that all edit.
    fn record(&mut self) -> usize {
        let all = self.known.len();
        let end = if self.dice.below(3) < 2 { FIRST } else { all };
        self.dice.below(end)
    }

    fn start(&self, device: usize, arguments: &[&str]) -> Running {
        let arguments = arguments.iter().chain(&["--json"]);
        self.fleet.seats[device].device.start(arguments)
    }

    /// The answer of a command on a record, or none where it was rightly refused.
    fn answer(
        &mut self,
        device: usize,
        known: usize,
        outcome: &Outcome,
        refusals: &[&str],
    ) -> Option<Json> {
        if outcome.status.success() {
            self.known[known].by |= 1 << device;
            return Some(outcome.lines().remove(0));
        }
        let error = outcome.error();
        let code = text(&error["code"]);
        let is_not_there_yet = code == "not_found" && self.known[known].by & (1 << device) == 0;
        assert!(
            is_not_there_yet || refusals.contains(&code.as_str()),
            "{} refuses it: {error}",
            NAMES[device]
        );
        self.figures.refused += 1;
        None
    }

    fn note(&mut self, device: usize, known: usize, write: Write) {
        let record = self.known[known].record.clone();
        self.witness.note(&record, device, write);
    }

    fn start_setting(&mut self, device: usize, known: usize, path: &str) -> (Running, Write) {
        let value = self.value(device);
        let Record { collection, name } = self.known[known].record.clone();
        self.tell(device, &format!("set {collection} {name} {path}={value}"));
        let field = format!("{path}={value}");
        let running = self.start(device, &["set", collection, &name, &field]);
        let path = path.to_owned();
        (running, Write::Set { path, value })
    }

    fn end_setting(&mut self, device: usize, known: usize, setting: (Running, Write)) {
        let (running, write) = setting;
        let answer = self.answer(device, known, &running.wait(), &["record_deleted"]);
        if answer.is_some() {
            self.figures.edits[device] += 1;
            self.note(device, known, write);
        }
    }

    fn set(&mut self, device: usize) {
        let (known, path) = (self.record(), self.field());
        let setting = self.start_setting(device, known, path);
        self.end_setting(device, known, setting);
    }

    /// Two devices set one field, each without knowing of the other.
    fn set_at_the_same_time(&mut self, device: usize) {
        let other = (device + 1 + self.dice.below(NAMES.len() - 1)) % NAMES.len();
        let (known, path) = (self.record(), self.field());
        let settings = [device, other].map(|device| self.start_setting(device, known, path));
        for (device, setting) in [device, other].into_iter().zip(settings) {
            self.end_setting(device, known, setting);
        }
    }

    fn insert(&mut self, device: usize) {
        let value = self.value(device);
        self.tell(device, &format!("insert notes title={value}"));
        let field = format!("title={value}");
        let outcome = self.start(device, &["insert", "notes", &field]).wait();
        let name = text(&outcome.succeeded().lines()[0]["id"]);
        let record = Record {
            collection: "notes",
            name,
        };
        let known = self.learn(record, device);
        self.figures.edits[device] += 1;
        let path = "title".to_owned();
        self.note(device, known, Write::Set { path, value });
    }

    fn learn(&mut self, record: Record, device: usize) -> usize {
        let by = 1 << device;
        let known = self.known.iter().position(|known| known.record == record);
        let known = known.unwrap_or_else(|| {
            self.known.push(Known { record, by });
            self.known.len() - 1
        });
        self.known[known].by |= by;
        known
    }

    fn unset(&mut self, device: usize) {
        let (known, path) = (self.record(), self.field());
        let Record { collection, name } = self.known[known].record.clone();
        self.tell(device, &format!("unset {collection} {name} {path}"));
        let outcome = self
            .start(device, &["unset", collection, &name, path])
            .wait();
        let answer = self.answer(device, known, &outcome, &["record_deleted"]);
        self.note_if_changed(device, known, answer);
    }

    /// Deletes or restores a record.
    fn write_whole(&mut self, device: usize, command: &str) {
        let known = self.record();
        let Record { collection, name } = self.known[known].record.clone();
        self.tell(device, &format!("{command} {collection} {name}"));
        let outcome = self.start(device, &[command, collection, &name]).wait();
        let answer = self.answer(device, known, &outcome, &[]);
        self.note_if_changed(device, known, answer);
    }

    fn note_if_changed(&mut self, device: usize, known: usize, answer: Option<Json>) {
        if answer.is_some_and(|answer| answer["changed"] == true) {
            self.figures.edits[device] += 1;
            self.note(device, known, Write::Changed);
        }
    }

    /// A file of a few rows, some of them new, and the import of it that has begun.
    fn start_importing(&mut self, device: usize, rows: usize) -> (Running, Vec<(usize, String)>) {
        let mut written: Vec<(usize, String)> = Vec::new();
        for _ in 0..rows {
            let end = if self.dice.below(2) == 0 { FIRST } else { KEYS };
            let (key, value) = (self.dice.below(end), self.value(device));
            if written.iter().all(|(other, _)| *other != key) {
                written.push((key, value));
            }
        }
        self.tell(device, &format!("import {written:?}"));
        let lines = written.iter().map(|(key, value)| format!("{key},{value}"));
        let name = format!("{}.csv", NAMES[device]);
        let file = format!("k,title\n{}", text_of(lines));
        let file = self.fleet.world.file(&name, file);
        let import = ["import", &file, "--collection", "people", "--key", "k"];
        (self.start(device, &import), written)
    }

    fn end_importing(&mut self, device: usize, report: &Json, written: Vec<(usize, String)>) {
        self.figures.edits[device] += 1;
        for (key, value) in written {
            let known = self.learn(keyed(key), device);
            // Which ones are deleted is not said.
            if report["skipped_deleted"] == 0 {
                let path = "title".to_owned();
                self.note(device, known, Write::Set { path, value });
            }
        }
    }

    fn import(&mut self, device: usize) {
        let rows = 1 + self.dice.below(6);
        let (running, written) = self.start_importing(device, rows);
        let report = running.wait().succeeded().lines().remove(0);
        self.end_importing(device, &report, written);
    }

    /// Decides an open conflict of a record, if there is one.
    fn resolve(&mut self, device: usize) {
        let (known, roll, how) = (self.record(), self.dice.below(1_000), self.dice.below(3));
        let Record { collection, name } = self.known[known].record.clone();
        let list = [
            "conflicts",
            "list",
            "--status",
            "open",
            "--collection",
            collection,
        ];
        let list: Vec<_> = list.into_iter().chain(["--record", &name]).collect();
        let outcome = self.start(device, &list).wait();
        if !outcome.status.success() {
            assert!(self.answer(device, known, &outcome, &[]).is_none());
            return;
        }
        let entries = outcome.lines();
        if entries.is_empty() {
            return;
        }
        let entry = &entries[roll % entries.len()];
        let (id, path) = (text(&entry["id"]), text(&entry["path"]));
        let candidates = entry["candidates"].as_array().map_or(0, Vec::len);
        let value = self.value(device);
        let decision = match how {
            0 if !path.starts_with('$') => ["--value".into(), json!(value).to_string()],
            _ => ["--keep".into(), (roll % candidates).to_string()],
        };
        self.tell(
            device,
            &format!("resolve {id} of {name} {path} {decision:?}"),
        );
        let [option, chosen] = &decision;
        let resolve = ["conflicts", "resolve", &id, option, chosen];
        let outcome = self.start(device, &resolve).wait();
        let refusals = ["conflict_closed", "conflict_grown", "record_deleted"];
        if self.answer(device, known, &outcome, &refusals).is_some() {
            self.figures.edits[device] += 1;
            self.note(device, known, Write::Decided { conflict: id });
            if option == "--value" {
                self.note(device, known, Write::Set { path, value });
            }
        }
    }

    fn away(&mut self) -> usize {
        5 + self.dice.below(36)
    }

    fn stop(&mut self, device: usize) {
        let away = self.away();
        let seat = &mut self.fleet.seats[device];
        if seat.is_served() {
            let outcome = seat.stop(away);
            assert!(!outcome.stderr.contains("panicked"), "{outcome:#?}");
            self.figures.stops += 1;
            self.tell(device, &format!("stopped for {away} steps"));
        }
    }

    /// Kills a process while it imports; one that is away comes back for it.
    fn kill(&mut self, device: usize) {
        let away = self.away();
        if !self.fleet.seats[device].is_served() {
            self.fleet.seats[device].start();
        }
        let (running, written) = self.start_importing(device, 60);
        let other = (device + 1) % NAMES.len();
        self.set(other);
        self.fleet.seats[device].kill(away);
        self.figures.kills += 1;
        self.tell(device, &format!("killed for {away} steps"));
        let outcome = running.wait();
        if outcome.status.success() {
            let report = outcome.lines().remove(0);
            self.end_importing(device, &report, written);
            return;
        }
        let error = outcome.error();
        assert_eq!(error["retry"], true, "{error}");
        let code = text(&error["code"]);
        assert!(
            ["server_gone", "folder_busy"].contains(&code.as_str()),
            "{error}"
        );
        self.figures.torn += 1;
    }

    /// Everybody is served, and has what everybody has.
    pub fn gather(&mut self) {
        self.fleet.gather();
        self.figures.gatherings += 1;
        for known in &mut self.known {
            known.by = EVERYBODY;
        }
        let status = self.fleet.seats[0].device.json(["status"]);
        self.figures.records = number(&status["records"]);
        self.figures.conflicts = number(&status["conflicts_open"]);
        self.figures.witnessed = self.witness.writes();
    }

    /// Compares everything that can be looked at, of processes and of folders that nobody serves any more.
    pub fn ends_equal(&mut self) {
        self.fleet.sync();
        for seat in &self.fleet.seats {
            self.witness.finds_everything(seat);
        }
        for served in [true, false] {
            if !served {
                for seat in &mut self.fleet.seats {
                    seat.stop(1);
                }
            }
            let digests = self.fleet.digests();
            for (seat, digest) in self.fleet.seats.iter().zip(&digests) {
                assert_eq!(*digest, digests[0], "{}", seat.device.name);
                let report = seat.device.json(["verify"]);
                assert_eq!(report["problems"], json!([]), "{}", seat.device.name);
                assert_eq!(seat.device.json(["status"])["quarantined"], 0);
                self.figures.changes = number(&report["changes"]);
            }
            let said = self.fleet.seats.each_ref().map(|seat| {
                let run = |arguments: &[&str]| seat.device.run(arguments).succeeded().stdout;
                [
                    run(&["conflicts", "export"]),
                    run(&["list", "people", "--json"]),
                    run(&["list", "notes", "--json"]),
                ]
            });
            let [first, others @ ..] = &said;
            for (other, name) in others.iter().zip(&NAMES[1..]) {
                for (what, (other, first)) in other.iter().zip(first).enumerate() {
                    let differs = "conflicts, people, notes".split(", ").nth(what);
                    assert!(
                        other == first,
                        "{differs:?} of {name} differ: {other}\n\n{first}"
                    );
                }
            }
            self.figures.conflicts = first[0].lines().count() as u64;
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let kept = self.fleet.world.keep();
            eprintln!(
                "seed {}, the folders are kept in {}",
                self.seed,
                kept.display()
            );
            eprintln!("the last steps: {:#?}\n{}", self.last, self.figures);
        }
    }
}

/// The record of a key.
fn keyed(key: usize) -> Record {
    Record {
        collection: "people",
        name: format!("key:{key}"),
    }
}
