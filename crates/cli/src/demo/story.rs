//! The demo, told step by step.

use std::collections::BTreeMap;
use std::time::Instant;

use driftless::{
    Conflict, Database, Kind, ListOptions, Options, RecordId, Resolution, Status, SyncReport,
};
use serde_json::json;

use super::Place;
use super::audit::{Audit, Holding, audit};
use super::devices::{Devices, delete_store, folder};
use super::edits::{self, Airport, Edit, Side};
use crate::commands::import_checked;
use crate::conflict_table::conflict_table;
use crate::failure::Failure;
use crate::import::{self, Format, ImportOptions};
use crate::output::{Output, count, plain};

/// 3,376 airports of the United States (Bureau of Transportation Statistics; see tests/data/README.md).
const AIRPORTS: &[u8] = include_bytes!("../../../../tests/data/airports.csv");
const FILE: &str = "airports.csv";
const COLLECTION: &str = "airports";
const KEY: &str = "iata";
/// Conflicts that the table shows.
const SHOWN: usize = 10;

/// Tells the whole story and prints its last line; an error if anything in it is not as it must be.
pub(super) async fn tell(output: &mut Output, place: &Place, seed: u64) -> Result<(), Failure> {
    let mut teller = Teller::new(output);
    let (airports, laptop) = teller.import(place).await?;
    let ids: Vec<_> = airports.iter().map(|airport| airport.id).collect();
    let mut devices = teller.join_and_sync(laptop, place).await?;
    let edits = teller.edit_apart(&mut devices, seed, &airports).await?;
    teller.meet_again(&mut devices).await?;
    let audited = audit_devices(&devices, &ids, &edits).await?;
    teller.show_conflicts(&audited, &airports, edits.len())?;
    let decided = teller
        .decide_one(&mut devices, &audited.laptop.conflicts, &airports)
        .await?;
    let devices = teller.reopen(devices, &ids, &edits).await?;
    let devices = teller.rebuild(devices).await?;
    teller.verify(&devices).await?;
    let last = audit_devices(&devices, &ids, &edits).await?;
    devices.close().await?;
    let conflicts = &last.phone.conflicts;
    let open = |conflict: &&Conflict| conflict.status() == Status::Open;
    if let Some(conflict) = conflicts.iter().find(open) {
        teller.show_command(place, conflict)?;
    }
    teller.conclude(seed, edits.len(), &last.audit, &decided)?;
    let as_drawn = [
        (last.audit.edits_lost == 0, "edits are lost"),
        (
            last.audit.records_equal == airports.len() as u64,
            "records are missing",
        ),
        (
            last.audit.conflicts == edits::conflicts_drawn(),
            "there are other conflicts than were drawn",
        ),
    ];
    match as_drawn.iter().find(|(holds, _)| !holds) {
        None => Ok(()),
        Some((_, reason)) => Err(Failure::Demo {
            reason: (*reason).to_owned(),
        }),
    }
}

struct Audited {
    laptop: Holding,
    phone: Holding,
    audit: Audit,
}

async fn audit_devices(
    devices: &Devices,
    ids: &[RecordId],
    edits: &[Edit],
) -> Result<Audited, Failure> {
    let laptop = Holding::of(&devices.laptop, COLLECTION, ids).await?;
    let phone = Holding::of(&devices.phone, COLLECTION, ids).await?;
    let audit = audit(&laptop, &phone, edits)?;
    Ok(Audited {
        laptop,
        phone,
        audit,
    })
}

/// Prints for people while the story goes on; with `--json` only its end is printed.
struct Teller<'a> {
    output: &'a mut Output,
    started: Instant,
    step: usize,
    /// What all syncs together cost.
    bytes: u64,
    round_trips: u64,
}

impl<'a> Teller<'a> {
    fn new(output: &'a mut Output) -> Self {
        Self {
            output,
            started: Instant::now(),
            step: 0,
            bytes: 0,
            round_trips: 0,
        }
    }

    /// One numbered step of the story.
    fn step(&mut self, text: &str) -> Result<(), Failure> {
        self.step += 1;
        let numbered = format!("{}. {text}", self.step);
        self.say(&numbered)
    }

    fn say(&mut self, text: &str) -> Result<(), Failure> {
        if self.output.json() {
            return Ok(());
        }
        self.output.line(text)?;
        self.output.flush()
    }

    async fn import(&mut self, place: &Place) -> Result<(Vec<Airport>, Database), Failure> {
        let started = Instant::now();
        let options = Options::named(Side::Laptop.name());
        let laptop = Database::create(folder(place.path(), Side::Laptop), options).await?;
        let options = ImportOptions {
            key: vec![KEY.to_owned()],
            ..ImportOptions::default()
        };
        let file = std::path::Path::new(FILE);
        let checked = import::check(
            file,
            AIRPORTS.to_vec(),
            Format::Csv,
            &options,
            &mut |_, _| {},
        )?;
        let collection = laptop.collection(COLLECTION);
        let imported = import_checked(&collection, &checked, &mut |_, _| true).await?;
        self.step(&format!(
            "laptop imported {} of {FILE} in {}",
            count(imported.counts.imported, "record"),
            since(started)
        ))?;
        let airports = collection.list(ListOptions::default()).await?;
        let airports = airports
            .iter()
            .map(|record| {
                let fields = record.fields();
                let text = |field| fields.get(field).map(plain).unwrap_or_default();
                Airport {
                    id: record.id,
                    iata: text(KEY),
                    name: text("name"),
                    city: text("city"),
                }
            })
            .collect();
        Ok((airports, laptop))
    }

    async fn join_and_sync(&mut self, laptop: Database, place: &Place) -> Result<Devices, Failure> {
        let started = Instant::now();
        let mut devices = Devices::join(laptop, place.path()).await?;
        let report = self.sync(&mut devices).await?;
        self.step(&format!(
            "phone joined at {} and synced: {} in {}",
            devices.url().unwrap_or_default(),
            cost(&report),
            since(started)
        ))?;
        Ok(devices)
    }

    /// Cuts the link and makes the edits on both devices.
    async fn edit_apart(
        &mut self,
        devices: &mut Devices,
        seed: u64,
        airports: &[Airport],
    ) -> Result<Vec<Edit>, Failure> {
        devices.cut().await;
        let started = Instant::now();
        let edits = edits::draw(seed, airports);
        for edit in &edits {
            edit.make(&devices.of(edit.side).collection(COLLECTION))
                .await?;
        }
        let of_laptop = edits
            .iter()
            .filter(|edit| edit.side == Side::Laptop)
            .count();
        self.step(&format!(
            "the link was cut; meanwhile {of_laptop} edits on laptop and {} on phone (seed {seed}, {}):",
            edits.len() - of_laptop,
            since(started)
        ))?;
        for (records, how) in edits::described() {
            self.say(&format!("   {records:>5} records {how}"))?;
        }
        Ok(edits)
    }

    async fn meet_again(&mut self, devices: &mut Devices) -> Result<(), Failure> {
        let started = Instant::now();
        let report = self.sync(devices).await?;
        self.step(&format!(
            "the link came back, and both synced: {} in {}",
            cost(&report),
            since(started)
        ))
    }

    async fn sync(&mut self, devices: &mut Devices) -> Result<SyncReport, Failure> {
        let report = devices.sync().await?;
        self.bytes += bytes(&report);
        self.round_trips += report.round_trips;
        Ok(report)
    }

    fn show_conflicts(
        &mut self,
        audited: &Audited,
        airports: &[Airport],
        edits: usize,
    ) -> Result<(), Failure> {
        let Audit {
            edits_merged,
            edits_in_conflict,
            conflicts,
            ..
        } = audited.audit;
        self.say(&format!(
            "   of {edits} edits {edits_merged} merged by themselves, {edits_in_conflict} are sides of {}, the same on both:\n",
            count(conflicts, "conflict")
        ))?;
        if self.output.json() {
            return Ok(());
        }
        let codes: BTreeMap<_, _> = airports
            .iter()
            .map(|airport| (airport.id, &airport.iata))
            .collect();
        let code = |conflict: &Conflict| {
            codes
                .get(&conflict.record())
                .map_or_else(String::new, |code| (*code).clone())
        };
        let log = &audited.phone.conflicts;
        // A few of each kind, so that all kinds are seen.
        let mut shown = Vec::new();
        for (kind, most) in [
            (Kind::PutPut, SHOWN - 4),
            (Kind::PutDelete, 2),
            (Kind::RecordDeleted, 2),
        ] {
            shown.extend(
                log.iter()
                    .filter(|conflict| conflict.kind() == kind)
                    .take(most)
                    .cloned(),
            );
        }
        self.output.table(&conflict_table(&shown, code))?;
        let more = log.len() - shown.len();
        self.say(&format!("and {more} more\n"))
    }

    /// Decides the first conflict on the laptop, and looks for the decision on the phone.
    async fn decide_one(
        &mut self,
        devices: &mut Devices,
        conflicts: &[Conflict],
        airports: &[Airport],
    ) -> Result<String, Failure> {
        let missing = |reason: &str| Failure::Demo {
            reason: reason.to_owned(),
        };
        let conflict = conflicts
            .iter()
            .find(|conflict| conflict.kind() == Kind::PutPut)
            .ok_or_else(|| missing("no two values of one field are in conflict"))?;
        let id = conflict.id().to_string();
        let log = devices.laptop.conflicts();
        log.resolve(conflict, Resolution::Keep(0)).await?;
        let report = self.sync(devices).await?;
        let seen = devices.phone.conflicts().get(&id).await?;
        if seen.status() != Status::Resolved {
            return Err(missing(
                "a conflict that was decided on the laptop is open on the phone",
            ));
        }
        let kept = conflict.candidates().into_iter().next();
        let kept = kept.map(|choice| plain(&choice.value)).unwrap_or_default();
        let airport = airports
            .iter()
            .find(|airport| airport.id == conflict.record());
        self.step(&format!(
            "laptop decided {}: the {} of {} is `{kept}`; after {} phone shows it as {}",
            &id[..8],
            conflict.path(),
            airport.map_or("", |airport| &airport.iata),
            count(bytes(&report), "byte"),
            seen.status().as_str(),
        ))?;
        Ok(id)
    }

    /// Closes both, opens both, and compares with what they held.
    async fn reopen(
        &mut self,
        devices: Devices,
        ids: &[RecordId],
        edits: &[Edit],
    ) -> Result<Devices, Failure> {
        let before = devices.laptop.digest().await?;
        let place = devices.close().await?;
        let started = Instant::now();
        let devices = Devices::open(&place).await?;
        audit_devices(&devices, ids, edits).await?;
        same(&before, &devices.laptop.digest().await?, "after reopening")?;
        self.step(&format!(
            "both were closed and opened again from their folders in {}: all is as it was",
            since(started)
        ))?;
        Ok(devices)
    }

    /// Deletes the phone's store and opens it again.
    async fn rebuild(&mut self, devices: Devices) -> Result<Devices, Failure> {
        let before = devices.phone.digest().await?;
        let place = devices.close().await?;
        delete_store(&folder(&place, Side::Phone))?;
        let started = Instant::now();
        let devices = Devices::open(&place).await?;
        if devices.phone.opening().rebuilt.is_none() {
            return Err(Failure::Demo {
                reason: "a deleted store was not noticed".into(),
            });
        }
        same(&before, &devices.phone.digest().await?, "after rebuilding")?;
        self.step(&format!(
            "phone's store was deleted, and rebuilt from its journal in {}: all is as it was",
            since(started)
        ))?;
        Ok(devices)
    }

    async fn verify(&mut self, devices: &Devices) -> Result<(), Failure> {
        let started = Instant::now();
        let mut changes = 0;
        for side in [Side::Laptop, Side::Phone] {
            let report = devices.of(side).verify().await?;
            changes += report.changes;
            if !report.problems.is_empty() {
                return Err(Failure::Unsound {
                    problems: report.problems,
                    remedy: "Report it.",
                });
            }
        }
        self.step(&format!(
            "both were verified against their journals: {} derived again in {}, no problem",
            count(changes, "change"),
            since(started)
        ))
    }

    /// The command that decides a conflict which is still open.
    fn show_command(&mut self, place: &Place, conflict: &Conflict) -> Result<(), Failure> {
        let dir = folder(place.path(), Side::Phone);
        let command = format!(
            "{} conflicts resolve {} --keep 0 --dir {}",
            program(),
            &conflict.id().to_string()[..8],
            quoted(&dir.display().to_string())
        );
        if place.is_kept() {
            self.say(&format!("\nto decide one yourself:\n  {command}"))
        } else {
            self.say(&format!(
                "\nto decide one yourself, keep the folders with `{} demo --keep DIR`; then, for example:\n  {}",
                program(),
                command.replace(&quoted(&dir.display().to_string()), "DIR/phone")
            ))
        }
    }

    /// What it came to, and the last line.
    fn conclude(
        &mut self,
        seed: u64,
        edits: usize,
        audit: &Audit,
        decided: &str,
    ) -> Result<(), Failure> {
        let seconds = self.started.elapsed().as_secs_f64();
        self.say(&format!(
            "\nin all: {} exchanged, {}, {seconds:.1} s",
            count(self.bytes, "byte"),
            count(self.round_trips, "round trip"),
        ))?;
        let summary = format!(
            "converged: {} equal on 2 devices, {} logged on both, {} lost",
            count(audit.records_equal, "record"),
            count(audit.conflicts, "conflict"),
            count(audit.edits_lost, "edit"),
        );
        let object = json!({
            "devices": 2,
            "seed": seed,
            "records": audit.records_equal,
            "edits": edits,
            "edits_merged": audit.edits_merged,
            "edits_in_conflict": audit.edits_in_conflict,
            "edits_lost": audit.edits_lost,
            "conflicts": audit.conflicts,
            "conflict_decided": decided,
            "bytes": self.bytes,
            "round_trips": self.round_trips,
            "seconds": seconds,
            "summary": summary,
        });
        self.output.answer(&object, &summary)
    }
}

fn same(
    before: &driftless::DigestReport,
    after: &driftless::DigestReport,
    when: &str,
) -> Result<(), Failure> {
    if before == after {
        return Ok(());
    }
    Err(Failure::Demo {
        reason: format!("the digests differ {when}"),
    })
}

/// How this program was started, so that what is printed can be typed.
fn program() -> String {
    std::env::args_os().next().map_or_else(
        || "driftless".to_owned(),
        |name| quoted(&name.to_string_lossy()),
    )
}

/// The text as one word of a shell.
fn quoted(text: &str) -> String {
    let plain = |letter: char| letter.is_alphanumeric() || "-_./:\\".contains(letter);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

fn since(started: Instant) -> String {
    format!("{:.2} s", started.elapsed().as_secs_f64())
}

fn cost(report: &SyncReport) -> String {
    format!(
        "{}, {}, {}",
        count(report.records_sent + report.records_received, "record"),
        count(bytes(report), "byte"),
        count(report.round_trips, "round trip")
    )
}

fn bytes(report: &SyncReport) -> u64 {
    report.bytes_sent + report.bytes_received
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_folder_is_one_word_of_a_shell() {
        assert_eq!(quoted("try/it-1"), "try/it-1");
        assert_eq!(quoted("try it"), "'try it'");
        assert_eq!(quoted("it's"), "'it'\\''s'");
        assert_eq!(quoted(""), "''");
    }
}
