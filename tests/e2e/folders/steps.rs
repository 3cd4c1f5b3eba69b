//! What may happen to a folder in one step.

use std::fs;

use super::harm::harm;
use super::life::{FIRST, HOME, Life};
use super::place::{Place, Written};
use crate::support::{Running, copy_folder, number, text, text_of};

/// Copies of folders that are used beside them.
const TWINS: usize = 2;
/// Errors of an edit that is rightly refused: the record is not there yet, or is deleted.
const REFUSED: [&str; 2] = ["not_found", "record_deleted"];
/// Errors of a decision that is rightly refused.
const UNDECIDED: [&str; 3] = ["conflict_closed", "conflict_grown", "record_deleted"];

impl Life {
    pub fn step(&mut self) {
        self.figures.steps += 1;
        let any = self.dice.below(self.places.len());
        let other_than_home = 1 + self.dice.below(self.places.len() - 1);
        match self.dice.below(100) {
            0..26 => self.set(any),
            26..30 => self.count(any),
            30..34 => self.decide(any),
            34..40 => self.insert(any),
            40..46 => self.delete_or_restore(any),
            46..51 => self.import(any),
            51..70 => self.sync(any),
            70..77 => self.kill(any),
            77..81 => self.maintain(any),
            81..87 => self.back_up_or_bring_back(other_than_home),
            87..90 => self.copy(other_than_home),
            _ => self.damage(other_than_home),
        }
    }

    /// A record as commands name it: mostly one that is there from the beginning.
    fn record(&mut self) -> (&'static str, String) {
        let inserted = self.inserted.len();
        if inserted > 0 && self.dice.below(4) == 0 {
            return ("notes", self.inserted[self.dice.below(inserted)].clone());
        }
        ("people", format!("key:{}", self.dice.below(FIRST)))
    }

    fn set(&mut self, place: usize) {
        let ((collection, record), value) = (self.record(), self.value());
        let field = ["title", "address.city", "note"][self.dice.below(3)];
        self.tell(place, &format!("set {collection} {record} {field}={value}"));
        let setting = format!("{field}={value}");
        let outcome = self.run(place, &["set", collection, &record, &setting]);
        if outcome.status.success() {
            let written = Written {
                collection,
                record,
                value,
            };
            self.acknowledged(place, written);
        } else {
            let code = Self::code_of(&outcome);
            assert!(REFUSED.contains(&code.as_str()), "{outcome:#?}");
        }
    }

    fn count(&mut self, place: usize) {
        let (collection, record) = self.record();
        let by = format!("visits={}", self.dice.below(9));
        self.tell(place, &format!("increment {collection} {record} {by}"));
        let outcome = self.run(place, &["increment", collection, &record, &by]);
        if !outcome.status.success() {
            let code = Self::code_of(&outcome);
            assert!(REFUSED.contains(&code.as_str()), "{outcome:#?}");
        }
    }

    /// Decides an open conflict, if there is one.
    fn decide(&mut self, place: usize) {
        let open = self.run(place, &["conflicts", "list", "--status", "open"]);
        let entries = open.succeeded().lines();
        if entries.is_empty() {
            return;
        }
        let entry = text(&entries[self.dice.below(entries.len())]["id"]);
        self.tell(place, &format!("decides {entry}"));
        let outcome = self.run(place, &["conflicts", "resolve", &entry, "--keep", "1"]);
        if !outcome.status.success() {
            let code = Self::code_of(&outcome);
            assert!(UNDECIDED.contains(&code.as_str()), "{outcome:#?}");
        }
    }

    fn insert(&mut self, place: usize) {
        let value = self.value();
        self.tell(place, &format!("insert {value}"));
        let outcome = self.run(place, &["insert", "notes", &format!("title={value}")]);
        let record = text(&outcome.succeeded().lines()[0]["id"]);
        self.inserted.push(record.clone());
        let written = Written {
            collection: "notes",
            record,
            value,
        };
        self.acknowledged(place, written);
    }

    fn delete_or_restore(&mut self, place: usize) {
        let (collection, record) = self.record();
        let command = ["delete", "restore", "restore"][self.dice.below(3)];
        self.tell(place, &format!("{command} {collection} {record}"));
        let outcome = self.run(place, &[command, collection, &record]);
        if !outcome.status.success() {
            let code = Self::code_of(&outcome);
            assert!(REFUSED.contains(&code.as_str()), "{outcome:#?}");
        }
    }

    fn rows(&mut self, many: usize) -> (String, Vec<(usize, String)>) {
        let rows: Vec<_> = (0..many).map(|key| (key * 3, self.value())).collect();
        let lines = rows.iter().map(|(key, value)| format!("{key},{value}"));
        let file = self
            .world
            .file("rows.csv", format!("k,title\n{}", text_of(lines)));
        (file, rows)
    }

    fn import(&mut self, place: usize) {
        let many = 1 + self.dice.below(60);
        let (file, rows) = self.rows(many);
        self.tell(place, &format!("import of {many} rows"));
        let import = ["import", &file, "--collection", "people", "--key", "k"];
        let report = self.run(place, &import).succeeded().lines().remove(0);
        // Which ones are deleted is not said.
        if report["skipped_deleted"] == 0 {
            for (key, value) in rows {
                let written = Written {
                    collection: "people",
                    record: format!("key:{key}"),
                    value,
                };
                self.acknowledged(place, written);
            }
        }
    }

    /// Syncs with another, mostly with the first: then that one has all.
    fn sync(&mut self, place: usize) {
        let others = self.places.len();
        let peer = match self.dice.below(2) {
            0 => HOME,
            _ => self.dice.below(others),
        };
        let (one, other) = (&self.places[place], &self.places[peer]);
        if place == peer || one.device_id == other.device_id {
            return;
        }
        let serving = other.device.serve();
        let outcome = one.device.run(["sync", &serving.url, "--json"]);
        serving.stop();
        self.figures.syncs += 1;
        if outcome.status.success() {
            self.tell(place, &format!("synced with {peer}"));
            for (here, there) in [(place, peer), (peer, place)] {
                if there == HOME {
                    let own = std::mem::take(&mut self.places[here].own);
                    self.safe.extend(own);
                }
            }
        } else {
            let error = outcome.error();
            self.tell(place, &format!("not synced with {peer}: {error}"));
            assert_ne!(error["code"], "internal", "{outcome:#?}");
        }
    }

    /// Starts something long, and kills it while another device edits.
    fn kill(&mut self, place: usize) {
        let running = self.start_something(place);
        let other = (place + 1) % self.places.len();
        self.set(other);
        running.kill();
        self.figures.kills += 1;
    }

    fn start_something(&mut self, place: usize) -> Running {
        let (file, _) = self.rows(400);
        let engine = self.engine();
        let all: [&[&str]; 6] = [
            &["import", &file, "--collection", "people", "--key", "k"],
            &["import", &file, "--collection", "people", "--key", "k"],
            &["rebuild", "--engine", engine],
            &["compact"],
            &["verify"],
            &["repair"],
        ];
        let arguments = all[self.dice.below(all.len())];
        self.tell(place, &format!("killed: {arguments:?}"));
        self.places[place].device.start(arguments)
    }

    fn maintain(&mut self, place: usize) {
        let engine = self.engine();
        let all: [&[&str]; 4] = [
            &["rebuild", "--engine", engine],
            &["compact"],
            &["repair"],
            &["verify"],
        ];
        let arguments = all[self.dice.below(all.len())];
        self.tell(place, &format!("{arguments:?}"));
        match arguments {
            ["verify"] => {
                self.is_whole_but_for_what_is_missing(place);
            }
            _ => drop(self.run(place, arguments).succeeded()),
        }
    }

    /// Nothing is wrong but that something is gone, and what the next opening does by itself; gives the number of changes.
    #[track_caller]
    pub fn is_whole_but_for_what_is_missing(&self, place: usize) -> u64 {
        let outcome = self.run(place, &["verify"]);
        let report = outcome.lines().remove(0);
        let faults = report["faults"].as_array().expect("a list");
        for fault in faults {
            // So a rebuild that was killed leaves it.
            let is_under_way = fault["what"] == "the store is not there";
            assert!(is_under_way || fault["remedy"] == "sync", "{fault}");
        }
        assert_eq!(outcome.status.success(), faults.is_empty(), "{outcome:#?}");
        number(&report["changes"])
    }

    fn back_up(&mut self, place: usize) {
        let name = format!("backup-{}", self.number());
        let path = self.world.path(&name);
        self.tell(place, &format!("backed up as {name}"));
        copy_folder(self.places[place].dir(), &path);
        self.places[place].backups.push(path);
    }

    /// A backup takes the place of the folder; what it does not have and nobody else has is gone.
    fn back_up_or_bring_back(&mut self, place: usize) {
        let backups = self.places[place].backups.len();
        if backups == 0 || self.dice.below(3) == 0 {
            self.back_up(place);
            return;
        }
        let which = self.dice.below(backups);
        let backup = self.places[place].backups[which].clone();
        self.tell(place, &format!("{} is brought back", backup.display()));
        fs::remove_dir_all(self.places[place].dir()).unwrap();
        copy_folder(&backup, self.places[place].dir());
        self.places[place].own.clear();
        self.figures.restored += 1;
    }

    /// Copies a folder; both are used from now on.
    fn copy(&mut self, place: usize) {
        if self.places.len() >= 4 + TWINS {
            return;
        }
        let of = &self.places[place];
        let name = format!("{}-copy", of.device.name);
        let device_id = of.device_id.clone();
        if self.places.iter().any(|place| place.device.name == name) {
            return;
        }
        self.tell(place, "copied");
        let device = self.world.device(&name);
        copy_folder(self.places[place].dir(), &device.dir);
        self.places.push(Place::new(device, device_id));
        self.figures.copies += 1;
    }

    /// Harms files of a folder. What comes next is an edit that may be refused, or a look; then it is repaired.
    fn damage(&mut self, place: usize) {
        self.places[place].own.clear();
        for _ in 0..=self.dice.below(3) {
            let dir = self.places[place].dir().to_owned();
            let how = harm(&dir, &mut self.dice);
            self.tell(place, &how);
            self.figures.damages += 1;
        }
        if self.dice.below(3) == 0 {
            let value = self.value();
            let outcome = self.run(place, &["insert", "notes", &format!("title={value}")]);
            if !outcome.status.success() {
                let error = outcome.error();
                assert_eq!(outcome.status.code(), Some(8), "{outcome:#?}");
                self.tell(place, &format!("refuses an edit: {error}"));
            }
        }
        let looked = self.run(place, &["verify"]);
        if !looked.status.success() {
            assert_eq!(looked.status.code(), Some(8), "{looked:#?}");
            self.tell(place, &format!("told: {}", looked.error()));
        }
        self.repair(place);
    }

    fn repair(&mut self, place: usize) {
        let outcome = self.run(place, &["repair"]);
        self.figures.repairs += 1;
        if outcome.status.success() {
            self.tell(place, "repaired");
            self.is_whole_but_for_what_is_missing(place);
            return;
        }
        assert_eq!(Self::code_of(&outcome), "membership_lost", "{outcome:#?}");
        self.tell(place, &format!("joins again: {}", outcome.error()));
        fs::remove_dir_all(self.places[place].dir()).unwrap();
        let name = format!("device-{}", self.number());
        self.places[place] = self.joined(&name);
        self.figures.rejoined += 1;
    }
}
