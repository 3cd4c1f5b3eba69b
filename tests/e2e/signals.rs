//! Ctrl-C and the system's wish that we end, at each step of what takes long: the process ends by itself, says how far
//! it got, and leaves a store that opens and is what its journal says.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::TcpListener;
use std::process::Command;

use crate::gate::Gate;
use crate::import::strikes;
use crate::support::{Device, Outcome, Running, World, number, text};

type Signal = (&'static str, fn(&Running));

const SIGNALS: [Signal; 2] = [
    ("SIGINT", Running::interrupt),
    ("SIGTERM", Running::terminate),
];

/// One sentence, the code of an interruption, and a sound store.
#[track_caller]
fn is_interrupted(outcome: Outcome, device: &Device, step: &str) {
    let said = outcome.stderr.lines().count();
    let error = outcome.failed(1);
    assert_eq!(error["code"], "interrupted", "{step}: {error}");
    assert_eq!(error["retry"], true, "{step}: {error}");
    assert!(said < 200, "{step}: {said} lines are no sentence");
    is_sound(device, step);
}

#[track_caller]
fn is_sound(device: &Device, step: &str) {
    // A rebuild that was interrupted is taken up again by whatever opens the folder next; verifying only reads.
    device.json(["status"]);
    let report = device.json(["verify"]);
    assert_eq!(report["problems"], serde_json::json!([]), "{step}");
}

fn import(file: &str) -> [&str; 7] {
    [
        "import",
        file,
        "--collection",
        "c",
        "--key",
        "key",
        "--json",
    ]
}

#[test]
fn an_import_ends_while_it_reads_and_while_it_writes() {
    let world = World::new();
    let laptop = world.init("laptop");
    let file = world.file("strikes.csv", strikes(6_000));
    for (name, signal) in SIGNALS {
        let pipe = world.path(&format!("{name}.csv"));
        assert!(
            Command::new("mkfifo")
                .arg(&pipe)
                .status()
                .unwrap()
                .success()
        );
        let pipe = pipe.to_str().unwrap();
        let importing = laptop.start(import(pipe));
        // Opening a pipe waits for its reader; it reads on for as long as the pipe is open.
        let mut writer = OpenOptions::new().write(true).open(pipe).unwrap();
        writer.write_all(b"key,v\na,1\n").unwrap();
        signal(&importing);
        is_interrupted(importing.wait(), &laptop, &format!("{name} while reading"));
        drop(writer);
        assert_eq!(laptop.json(["status"])["records"], 0);
    }
    let mut kept = 0;
    for (name, signal) in SIGNALS {
        let mut importing = laptop.start(import(&file));
        importing.stderr_line_with("of 6,000 records");
        signal(&importing);
        is_interrupted(importing.wait(), &laptop, &format!("{name} while writing"));
        let records = number(&laptop.json(["status"])["records"]);
        assert!(
            records.is_multiple_of(256),
            "{name}: {records} records are whole blocks"
        );
        assert!(
            (kept..6_000).contains(&records),
            "{name}: {records} after {kept}"
        );
        kept = records;
    }
    let counts = laptop.json(["import", &file, "--collection", "c", "--key", "key"]);
    assert_eq!(number(&counts["imported"]), 6_000 - kept);
}

#[test]
fn a_command_ends_while_its_store_is_rebuilt() {
    let world = World::new();
    let laptop = world.init("laptop");
    let file = world.file("strikes.csv", strikes(3_000));
    laptop.json(["import", &file, "--collection", "c", "--key", "key"]);
    let digest = laptop.digest();
    let commands: [&[&str]; 3] = [
        &["serve", "--listen", "127.0.0.1:0", "--json"],
        &["sync", "ws://127.0.0.1:1", "--json"],
        &["import", &file, "--collection", "c", "--json"],
    ];
    for (name, signal) in SIGNALS {
        for command in commands {
            std::fs::remove_dir_all(laptop.store()).unwrap();
            let mut running = laptop.start(command);
            running.stderr_line_with("rebuilding it from the journal");
            signal(&running);
            let step = format!("{name} while {} opens", command[0]);
            is_interrupted(running.wait(), &laptop, &step);
            assert_eq!(laptop.digest(), digest, "{step}");
        }
    }
}

#[test]
fn a_verify_that_is_ended_leaves_no_copy_of_the_store_and_a_killed_one_leaves_it_to_the_next() {
    let world = World::new();
    let laptop = world.init("laptop");
    let file = world.file("strikes.csv", strikes(6_000));
    laptop.json(["import", &file, "--collection", "c", "--key", "key"]);
    let temporary = world.path("temporary");
    std::fs::create_dir(&temporary).unwrap();
    let start = |arguments: [&str; 2]| {
        let mut command = laptop.command(arguments);
        command.env("TMPDIR", &temporary);
        Running::start(command)
    };
    let copies = || std::fs::read_dir(&temporary).unwrap().count();
    for (name, signal) in SIGNALS {
        for arguments in [["verify", "--json"], ["repair", "--dry-run"]] {
            let mut looking = start(arguments);
            looking.stderr_line_with("verified ");
            assert_eq!(copies(), 1, "{name} during {}", arguments[0]);
            signal(&looking);
            assert_eq!(looking.wait().status.code(), Some(1));
            assert_eq!(copies(), 0, "{name} during {}", arguments[0]);
        }
    }
    let mut killed = start(["verify", "--json"]);
    killed.stderr_line_with("verified ");
    killed.kill();
    assert_eq!(copies(), 1);
    start(["verify", "--json"]).wait().succeeded();
    assert_eq!(copies(), 0);
    is_sound(&laptop, "a killed verify");
}

#[test]
fn a_sync_ends_at_every_step_and_the_next_one_finishes() {
    // What the other side says before it is cut off: nothing, a part of the upgrade, of the handshake, its Hello,
    // and a part of the records.
    const STEPS: [usize; 5] = [0, 60, 300, 800, 8_000];
    let world = World::new();
    let laptop = world.init("laptop");
    let file = world.file("strikes.csv", strikes(1_000));
    laptop.json(["import", &file, "--collection", "c", "--key", "key"]);
    let serving = laptop.serve_and_invite();
    let phone = world.join("phone", serving.link());
    for bytes in STEPS {
        for (name, signal) in SIGNALS {
            let gate = Gate::new(&serving.url, bytes);
            let syncing = phone.start(["sync", &gate.url, "--json"]);
            gate.wait_until_full();
            signal(&syncing);
            is_interrupted(
                syncing.wait(),
                &phone,
                &format!("{name} after {bytes} bytes"),
            );
        }
    }
    let kept = number(&phone.json(["status"])["records"]);
    assert!(kept < 1_000, "{kept} records have arrived");
    let report = phone.json(["sync", &serving.url]);
    assert_eq!(number(&report["records_received"]), 1_000 - kept);
    serving.stop();
    assert_eq!(phone.digest(), laptop.digest());
}

#[test]
fn a_server_ends_at_every_step_of_a_visit() {
    const STEPS: [usize; 4] = [0, 300, 800, 8_000];
    let world = World::new();
    let laptop = world.init("laptop");
    let file = world.file("strikes.csv", strikes(1_000));
    laptop.json(["import", &file, "--collection", "c", "--key", "key"]);
    let serving = laptop.serve_and_invite();
    let phone = world.join("phone", serving.link());
    serving.stop();
    for bytes in STEPS {
        for (name, signal) in SIGNALS {
            let step = format!("{name} after {bytes} bytes");
            let mut serving = laptop.serve();
            let gate = Gate::new(&serving.url, bytes);
            let syncing = phone.start(["sync", &gate.url, "--json"]);
            gate.wait_until_full();
            signal(serving.process());
            // It was asked to end: that it does is what success means here.
            serving.stop_asked();
            drop(gate);
            let error = syncing.wait().failed(5);
            assert!(!text(&error["message"]).is_empty(), "{step}");
            is_sound(&laptop, &step);
            is_sound(&phone, &step);
        }
    }
    let serving = laptop.serve();
    phone.json(["sync", &serving.url]);
    serving.stop();
    assert_eq!(phone.digest(), laptop.digest());
}

#[test]
fn a_join_that_is_ended_can_be_tried_again() {
    let world = World::new();
    let laptop = world.init("laptop");
    for (name, signal) in SIGNALS {
        // A port that listens and says nothing: the device waits for the first answer.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = silent.local_addr().unwrap();
        let link = laptop.json(["invite", "--address", &format!("ws://{address}")]);
        let link = text(&link["link"]);
        let phone = world.device(name);
        let joining = phone.start(["join", &link, "--name", name, "--json"]);
        let visitor = silent.accept().unwrap();
        signal(&joining);
        let status = joining.wait().status;
        assert!(!status.success(), "{name}: {status}");
        drop((visitor, silent));
        let serving = laptop.serve_on(&address.to_string(), &[]);
        phone.json(["join", &link, "--name", name]);
        phone.json(["sync", &serving.url]);
        serving.stop();
        assert_eq!(phone.digest(), laptop.digest(), "{name}");
        is_sound(&phone, name);
    }
}
