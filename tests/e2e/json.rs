//! What `--json` prints, kept as snapshots: every command's answer, and an error of every exit code.
//!
//! What differs from run to run (ids, times, ports, folders, sizes) is replaced by its kind in brackets. To take a
//! new text over: `cargo insta review`, or `INSTA_UPDATE=always`.

use std::collections::BTreeSet;
use std::net::TcpListener;

use serde_json::{Value as Json, json};

use crate::help::{commands, file_of, snapshots};
use crate::import::strikes;
use crate::quarantine::refused;
use crate::support::{Device, World, files_below, run, text};

/// Measures, which differ with random salts, signatures and the machine.
const MEASURES: [&str; 15] = [
    "bytes",
    "bytes_sent",
    "bytes_received",
    "decision_seconds",
    "handshake_bytes",
    "journal_bytes",
    "journal_bytes_before",
    "journal_bytes_after",
    "store_bytes",
    "store_bytes_before",
    "store_bytes_after",
    "store_live_bytes",
    "round_trips",
    "seconds",
    "time_ms",
];
/// Bytes in base64, which differ likewise.
const BYTES: [&str; 3] = ["bytes", "salt", "signature"];
/// Of some: not commands of their own but words for their list.
const OTHER_NAMES: [(&str, &str); 5] = [
    ("conflicts", "conflicts list"),
    ("members", "members list"),
    ("quarantine", "quarantine list"),
    ("outbox", "outbox list"),
    ("rules", "rules show"),
];

/// Talks with a person on a terminal, and refuses `--json`.
const FOR_PEOPLE: [&str; 1] = ["conflicts review"];

#[track_caller]
fn keep(name: &str, text: &str) {
    insta::with_settings!({
        snapshot_path => "json",
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        insta::assert_snapshot!(name, text);
    });
}

/// The answers of one story, command by command.
struct Answers<'a> {
    world: &'a World,
    seen: BTreeSet<String>,
}

impl Answers<'_> {
    /// Runs a command that must succeed, and keeps what it prints.
    #[track_caller]
    fn of(&mut self, command: &str, device: &Device, arguments: &[&str]) -> Vec<Json> {
        let words = command.split_whitespace().chain(arguments.iter().copied());
        let lines = device.lines(words);
        self.take(command, &lines);
        lines
    }

    #[track_caller]
    fn take(&mut self, command: &str, lines: &[Json]) {
        assert!(
            self.seen.insert(command.to_owned()),
            "{command} is kept once"
        );
        let kept: Vec<String> = lines
            .iter()
            .map(|line| format!("{:#}", self.redacted("", line)))
            .collect();
        keep(&file_of(command), &kept.join("\n"));
    }

    fn redacted(&self, key: &str, value: &Json) -> Json {
        match value {
            Json::Object(fields) => fields
                .iter()
                .map(|(key, value)| (key.clone(), self.redacted(key, value)))
                .collect(),
            Json::Array(values) => values
                .iter()
                .map(|value| self.redacted(key, value))
                .collect(),
            Json::String(_) if BYTES.contains(&key) => json!("[base64]"),
            Json::String(text) => json!(redacted_text(&self.without_folder(text))),
            Json::Number(_) if MEASURES.contains(&key) => json!("[measure]"),
            other => other.clone(),
        }
    }

    fn without_folder(&self, text: &str) -> String {
        let folder = self.world.path("");
        text.replace(folder.to_str().expect("its path is text"), "[folder]/")
    }
}

/// The text with each word that is an id, a time or an address of this run replaced by its kind.
fn redacted_text(text: &str) -> String {
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || "-_:./".contains(letter);
    let mut redacted = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(is_word) {
        let end = rest[start..]
            .find(|letter| !is_word(letter))
            .map_or(rest.len(), |n| start + n);
        redacted += &rest[..start];
        redacted += kind_of(&rest[start..end]).unwrap_or(&rest[start..end]);
        rest = &rest[end..];
    }
    redacted + rest
}

fn kind_of(word: &str) -> Option<&'static str> {
    let is_hex = |word: &str| word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let dashes = word.bytes().filter(|byte| *byte == b'-').count();
    match word.len() {
        36 if dashes == 4 && is_hex(&word.replace('-', "")) => Some("[id]"),
        64 if is_hex(word) => Some("[64 hex digits]"),
        32 if is_hex(word) => Some("[32 hex digits]"),
        20.. if dashes == 2 && word.as_bytes()[10] == b'T' => Some("[time]"),
        34.. if word.as_bytes()[32] == b':' && is_hex(&word[..32]) => Some("[item]"),
        _ if word.starts_with("driftless://join/") => Some("[link]"),
        _ if word.starts_with("ws://127.0.0.1:") || word.starts_with("127.0.0.1:") => {
            Some("[address]")
        }
        _ => None,
    }
}

#[test]
fn every_command_answers_with_the_shape_that_is_kept() {
    let world = World::new();
    let mut answers = Answers {
        world: &world,
        seen: BTreeSet::new(),
    };
    let laptop = world.device("laptop");
    tell_of_records(&mut answers, &laptop);
    let phone = world.device("phone");
    tell_of_devices(&mut answers, &laptop, &phone);
    tell_of_conflicts(&mut answers, &laptop, &phone);
    tell_of_rules(&mut answers, &laptop);
    tell_of_what_is_refused(&mut answers);
    tell_of_members(&mut answers);
    let demo = run(["demo", "--json"]).succeeded().lines();
    answers.take("demo", &demo);

    // No command is without its snapshot.
    let groups: BTreeSet<&str> = OTHER_NAMES.iter().map(|(group, _)| *group).collect();
    let all: BTreeSet<String> = commands()
        .into_iter()
        .filter(|command| !command.is_empty() && !groups.contains(command.as_str()))
        .filter(|command| !FOR_PEOPLE.contains(&command.as_str()))
        .collect();
    assert_eq!(
        answers.seen, all,
        "left: commands with a snapshot; right: all"
    );
    for (group, command) in OTHER_NAMES {
        assert_eq!(phone.lines([group]), phone.lines(command.split(' ')));
    }
    let mut files: Vec<String> = answers
        .seen
        .iter()
        .map(|command| file_of(command))
        .collect();
    files.extend((1..=8).map(|code| format!("error_{code}")));
    files.sort();
    assert_eq!(
        snapshots("json"),
        files,
        "and no snapshot is without its command"
    );
}

fn tell_of_records(answers: &mut Answers, laptop: &Device) {
    answers.of("init", laptop, &["--name", "laptop"]);
    let file = answers
        .world
        .file("rows.csv", "k,v,zip\na,1.5,00501\nb,,10001\n");
    answers.of(
        "import",
        laptop,
        &[&file, "--collection", "c", "--key", "k"],
    );
    let id = text(&answers.of("insert", laptop, &["c", "n=1", "address.city=Bern"])[0]["id"]);
    answers.of("set", laptop, &["c", &id, "n=2"]);
    answers.of("unset", laptop, &["c", &id, "address.city"]);
    answers.of("increment", laptop, &["c", &id, "views=+2"]);
    answers.of("text", laptop, &["c", &id, "note", "--insert", "a text"]);
    answers.of("push", laptop, &["c", &id, "steps", "1", "two", "3"]);
    answers.of("put-at", laptop, &["c", &id, "steps", "0", "one"]);
    answers.of("remove-at", laptop, &["c", &id, "steps", "2"]);
    answers.of("add", laptop, &["c", &id, "tags=a", "tags=b"]);
    answers.of("remove", laptop, &["c", &id, "tags=a"]);
    answers.of("delete", laptop, &["c", &id]);
    answers.of("restore", laptop, &["c", &id]);
    answers.of("get", laptop, &["c", &id]);
    answers.of("history", laptop, &["c", &id]);
    answers.of("list", laptop, &["c"]);
    answers.of("invite", laptop, &["--address", "ws://127.0.0.1:7717"]);
}

fn tell_of_devices(answers: &mut Answers, laptop: &Device, phone: &Device) {
    let mut serving = laptop.start(["serve", "--listen", "127.0.0.1:0", "--invite", "--json"]);
    let lines: Vec<Json> = [serving.stdout_line(), serving.stdout_line()]
        .iter()
        .map(|line| serde_json::from_str(line).expect("a line is JSON"))
        .collect();
    answers.take("serve", &lines);
    let (url, link) = (text(&lines[0]["listening"]), text(&lines[1]["link"]));
    answers.of("join", phone, &[&link, "--name", "phone"]);
    answers.of("sync", phone, &[&url]);
    serving.interrupt();
    serving.wait().succeeded();
}

fn tell_of_conflicts(answers: &mut Answers, laptop: &Device, phone: &Device) {
    // One write more on one side, so that the order of the two is not that of random ids.
    for key in ["key:a", "key:b"] {
        phone.json(["set", "c", key, "other=1"]);
    }
    for (device, value) in [(laptop, "n=3"), (phone, "n=4")] {
        device.json(["set", "c", "key:a", value]);
        device.json(["set", "c", "key:b", value]);
    }
    let serving = laptop.serve();
    phone.json(["sync", &serving.url]);
    serving.stop();
    let one = ["--record", "key:a", "--collection", "c"];
    let entry = text(&answers.of("conflicts list", phone, &one)[0]["id"]);
    answers.of("conflicts show", phone, &[&entry]);
    // Whoever watches carries out the commands of others, and sees what they change.
    let mut watching = phone.start(["watch", "c", "--json"]);
    watching.stderr_line_with("watching");
    answers.of("conflicts resolve", phone, &[&entry, "--keep", "0"]);
    let lines: Vec<Json> = [watching.stdout_line(), watching.stdout_line()]
        .iter()
        .map(|line| serde_json::from_str(line).expect("a line is JSON"))
        .collect();
    answers.take("watch", &lines);
    watching.interrupt();
    watching.wait().succeeded();
    let mut watching = phone.start(["conflicts", "watch", "--open", "--json"]);
    let opened: Json = serde_json::from_str(&watching.stdout_line()).expect("a line is JSON");
    answers.take("conflicts watch", &[opened]);
    watching.interrupt();
    watching.wait().succeeded();
    answers.of("conflicts insight", phone, &[]);
    answers.of("conflicts export", phone, &[]);
    answers.of("explain", phone, &["c", "key:a", "n"]);
    answers.of("status", phone, &[]);
    answers.of("digest", phone, &[]);
    answers.of("verify", phone, &[]);
    answers.of("repair", phone, &[]);
    answers.of("compact", phone, &[]);
    answers.of("rebuild", phone, &[]);
    let other = text(&phone.conflicts(&["--record", "key:b", "--collection", "c"])[0]["id"]);
    answers.of(
        "conflicts acknowledge",
        phone,
        &[&other, "--note", "both are used"],
    );
    answers.of("conflicts undo", phone, &[&entry]);
}

fn tell_of_rules(answers: &mut Answers, laptop: &Device) {
    let rules =
        "version = 1\n[[rule]]\nname = \"The higher one\"\npath = \"n\"\npolicy = \"max\"\n";
    let file = answers.world.file("rules.toml", rules);
    answers.of("rules check", laptop, &[&file]);
    answers.of("rules set", laptop, &[&file]);
    answers.of("rules show", laptop, &[]);
    answers.of("rules explain", laptop, &["c", "key:a", "n"]);
}

fn tell_of_what_is_refused(answers: &mut Answers) {
    let world = World::new();
    let (laptop, _, _, id) = refused(&world);
    answers.of("outbox list", &laptop, &[]);
    answers.of("outbox show", &laptop, &[&id]);
    answers.of("outbox retry", &laptop, &[&id]);
    answers.of("outbox export", &laptop, &[&id]);
    let discarded = answers.of("outbox discard", &laptop, &[&id]);
    let draft = world.file("draft.json", discarded[0]["draft"].to_string());
    answers.of("outbox apply", &laptop, &[&draft]);
    answers.of("quarantine list", &laptop, &["--all"]);
    answers.of("quarantine show", &laptop, &[&id]);
    answers.of("quarantine retry", &laptop, &[&id]);
    answers.of("quarantine export", &laptop, &[&id]);
    answers.of("quarantine discard", &laptop, &[&id]);
}

fn tell_of_members(answers: &mut Answers) {
    let world = World::new();
    let (laptop, id) = crate::members::waiting(&world);
    answers.of("members list", &laptop, &[]);
    answers.of("quarantine adopt", &laptop, &[&id]);
    answers.of("quarantine reissue", &laptop, &["--all"]);
    answers.of("members remove", &laptop, &["phone"]);
}

#[test]
fn an_error_of_every_exit_code() {
    let world = World::new();
    let answers = Answers {
        world: &world,
        seen: BTreeSet::new(),
    };
    let keep_error = |code: i32, error: &Json| {
        // How far it got differs from run to run.
        let error = format!("{:#}", answers.redacted("", &json!({ "error": error })));
        let error = match code {
            1 => error.replace(|letter: char| letter.is_ascii_digit(), "9"),
            _ => error,
        };
        keep(&format!("error_{code}"), &error);
    };
    let (laptop, phone) = (world.init("laptop"), world.init("phone"));
    let file = world.file("strikes.csv", strikes(6_000));
    let mut importing = phone.start([
        "import",
        &file,
        "--collection",
        "c",
        "--key",
        "key",
        "--json",
    ]);
    importing.stderr_line_with("imported 256 of 6,000 records");
    importing.interrupt();
    let error = importing.wait().failed(1);
    assert_eq!(error["code"], "interrupted");
    keep_error(1, &error);

    keep_error(2, &laptop.fails(2, ["list"]));
    keep_error(3, &laptop.fails(3, ["get", "c", "nobody"]));
    let file = world.file("short.csv", "a,b\n1\n");
    keep_error(4, &laptop.fails(4, ["import", &file, "--collection", "c"]));
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = taken.local_addr().expect("it has one").to_string();
    keep_error(6, &laptop.fails(6, ["serve", "--listen", &address]));
    drop(taken);
    keep_error(5, &laptop.fails(5, ["sync", &format!("ws://{address}")]));
    keep_error(7, &conflict_closed(&world));

    let segment = files_below(&laptop.dir.join("journal")).remove(0);
    std::fs::write(&segment, [7; 100]).expect("it is written");
    keep_error(8, &laptop.fails(8, ["status"]));
}

/// What is said of a conflict that was decided before.
fn conflict_closed(world: &World) -> Json {
    let one = world.init("one");
    let id = one.insert("c", &["n=0"]);
    let serving = one.serve_and_invite();
    let other = world.join("other", serving.link());
    other.json(["sync", &serving.url]);
    serving.stop();
    // One write more on one side, for the same reason as above.
    other.json(["set", "c", &id, "other=1"]);
    one.json(["set", "c", &id, "n=1"]);
    // One write more, so that the order of the two is not that of random ids.
    other.json(["set", "c", &id, "m=0"]);
    other.json(["set", "c", &id, "n=2"]);
    let serving = one.serve();
    other.json(["sync", &serving.url]);
    serving.stop();
    let entry = text(&other.conflicts(&[])[0]["id"]);
    other.json(["conflicts", "resolve", &entry, "--keep", "0"]);
    other.fails(7, ["conflicts", "resolve", &entry, "--keep", "1"])
}

#[test]
fn what_differs_from_run_to_run_is_replaced() {
    let id = "0195d3a0-1111-7222-8333-444455556666";
    let device = "ab".repeat(32);
    let said = format!("`{id}` of {device} at ws://127.0.0.1:7717, 2026-01-31T12:00:00Z: 3 of 4.");
    assert_eq!(
        redacted_text(&said),
        "`[id]` of [64 hex digits] at [address], [time] 3 of 4."
    );
    assert_eq!(redacted_text("key:a of c/d"), "key:a of c/d");
}
