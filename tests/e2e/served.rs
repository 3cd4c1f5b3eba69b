//! A folder that a process serves: every command works on it, with the same answers; and what goes wrong between
//! the two processes.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use crate::support::{Device, Outcome, Running, World, number, text, text_of};

const SOCKET: &str = "driftless.sock";

/// A device with keyed rows, a deleted one, and a conflict that is open.
fn filled(world: &World) -> Device {
    let laptop = world.init("laptop");
    let rows = world.file("first.csv", "k,v\n1,one\n2,two\n3,three\n");
    laptop.json(["import", &rows, "--collection", "c", "--key", "k"]);
    laptop.json(["delete", "c", "key:3"]);
    let serving = laptop.serve_and_invite();
    let phone = world.join("phone", serving.link());
    phone.json(["sync", &serving.url]);
    phone.json(["set", "c", "key:1", "v=phone"]);
    laptop.json(["set", "c", "key:1", "v=laptop"]);
    phone.json(["sync", &serving.url]);
    serving.stop();
    laptop
}

/// `status` would tell that a folder is a copy.
fn forget_the_place(folder: &Path) {
    fs::remove_file(folder.join("PLACE")).unwrap();
}

/// What a command says, without what differs from one run to the next: ids, hashes, links and numbers.
fn shape(said: &str, dir: &Path) -> String {
    let said = said.replace(dir.to_str().unwrap(), "DIR");
    let mut shape = String::new();
    for token in
        said.split_inclusive(|letter: char| !(letter.is_alphanumeric() || "-_".contains(letter)))
    {
        if token.len() > 16 {
            shape.push('#');
            shape.extend(token.chars().last());
        } else {
            shape.extend(token.chars().map(
                |letter| {
                    if letter.is_ascii_digit() { '0' } else { letter }
                },
            ));
        }
    }
    while shape.contains("00") {
        shape = shape.replace("00", "0");
    }
    shape
}

fn exit_code(outcome: &Outcome) -> i32 {
    outcome.status.code().expect("it ended by itself")
}

#[test]
fn every_command_reads_the_same_on_a_folder_that_is_served() {
    let world = World::new();
    let laptop = filled(&world);
    let alone = world.device("copy");
    laptop.copy_to(&alone.dir);
    forget_the_place(&alone.dir);
    let conflict = text(&alone.conflicts(&[])[0]["id"]);
    let _serving = laptop.serve();
    let draft = world.file("draft.json", "no draft");
    let draft_file: &str = &draft;
    let commands: &[&[&str]] = &[
        &["list", "c"],
        &["list", "c", "--where", "k=2"],
        &["list", "nothing"],
        &["get", "c", "key:1"],
        &["get", "c", "key:3"],
        &["get", "c", "nobody"],
        &["history", "c", "key:1"],
        &["history", "c", "nobody"],
        &["status"],
        &["digest"],
        &["verify"],
        &["conflicts"],
        &["conflicts", "list", "--status", "resolved"],
        &["conflicts", "show", &conflict],
        &["conflicts", "show", "nope"],
        &["conflicts", "export"],
        &["quarantine"],
        &["outbox"],
        &["outbox", "apply", draft_file],
        &["sync"],
        &["insert", "c", "no-value"],
        &["list", "$c"],
    ];
    for command in commands {
        for json in [&[][..], &["--json"]] {
            let command = || command.iter().chain(json);
            let (here, there) = (alone.run(command()), laptop.run(command()));
            let command: Vec<_> = command().collect();
            assert_eq!(here.stdout, there.stdout, "{command:?}");
            let stderr = |outcome: &Outcome, device: &Device| {
                outcome.stderr.replace(device.dir.to_str().unwrap(), "DIR")
            };
            assert_eq!(
                stderr(&here, &alone),
                stderr(&there, &laptop),
                "{command:?}"
            );
            assert_eq!(exit_code(&here), exit_code(&there), "{command:?}");
        }
    }
}

#[test]
fn every_command_writes_the_same_on_a_folder_that_is_served() {
    let world = World::new();
    let laptop = filled(&world);
    let alone = world.device("copy");
    laptop.copy_to(&alone.dir);
    forget_the_place(&alone.dir);
    let conflict = text(&alone.conflicts(&[])[0]["id"]);
    let serving = laptop.serve();
    let rows = world.file("more.csv", "k,v\n2,zwei\n3,drei\n4,vier\n");
    let torn = world.file("torn.csv", "k,v\n5\n");
    let missing = world.path("missing.csv");
    let commands: &[&[&str]] = &[
        &["insert", "c", "v=new"],
        &["set", "c", "key:1", "v=x", "address.city=Bern"],
        &["set", "c", "key:1", "v=x"],
        &["unset", "c", "key:1", "address"],
        &["delete", "c", "key:2"],
        &["set", "c", "key:2", "v=x"],
        &["restore", "c", "key:2"],
        &["import", &rows, "--collection", "c", "--key", "k"],
        &["import", &rows, "--collection", "d"],
        &["import", &torn, "--collection", "c"],
        &["import", missing.to_str().unwrap(), "--collection", "c"],
        &["outbox", "discard", "nobody"],
        &["invite", "--uses", "3"],
        &["sync", "ws://127.0.0.1:1"],
        &["sync", "nonsense://"],
        &["conflicts", "resolve", &conflict, "--keep", "9"],
        &["conflicts", "resolve", &conflict, "--keep", "0"],
        &["conflicts", "resolve", &conflict, "--keep", "0"],
        &["rebuild"],
        &["status"],
        &["verify"],
        &["list", "c"],
    ];
    for (n, command) in commands.iter().enumerate() {
        // Each once: a second run of the same would be another one.
        let json = if n % 2 == 0 { &["--json"][..] } else { &[] };
        let command: Vec<_> = command.iter().chain(json).collect();
        let (here, there) = (alone.run(&command), laptop.run(&command));
        let shapes = |outcome: &Outcome, device: &Device| {
            [&outcome.stdout, &outcome.stderr].map(|said| shape(said, &device.dir))
        };
        assert_eq!(
            shapes(&here, &alone),
            shapes(&there, &laptop),
            "{command:?}"
        );
        assert_eq!(exit_code(&here), exit_code(&there), "{command:?}");
        assert!(!there.stderr.contains("panicked"), "{there:?}");
    }
    // What was written through the server is on the disk.
    let digest = laptop.digest();
    serving.stop();
    assert_eq!(laptop.digest(), digest);
    assert_eq!(laptop.json(["verify"])["problems"], serde_json::json!([]));
}

#[test]
fn commands_that_need_the_folder_for_themselves_say_who_has_it() {
    let world = World::new();
    let laptop = world.init("laptop");
    let serving = laptop.serve();
    for (command, name) in [
        (&["serve", "--listen", "127.0.0.1:0"][..], "serve"),
        (&["init", "--name", "again"], "init"),
    ] {
        let error = laptop.fails(6, command);
        assert_eq!(error["code"], "folder_busy");
        let message = text(&error["message"]);
        assert!(message.contains("is served by process"), "{message}");
        assert!(message.contains(&format!("`{name}`")), "{message}");
        assert_eq!(error["retry"], true);
    }
    serving.stop();
}

#[test]
fn the_socket_is_for_its_owner_and_goes_with_the_server() {
    let world = World::new();
    let laptop = world.init("laptop");
    let socket = laptop.dir.join(SOCKET);
    // What a killed process left behind is replaced, and in nobody's way.
    laptop.serve().kill();
    assert!(socket.exists(), "nobody removed it");
    laptop.insert("notes", &["n=1"]);
    let serving = laptop.serve();
    let mode = fs::symlink_metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    laptop.insert("notes", &["n=2"]);
    serving.stop();
    assert!(!socket.exists());
    assert_eq!(laptop.json(["status"])["records"], 2);
}

#[test]
fn commands_run_side_by_side() {
    let world = World::new();
    let laptop = world.init("laptop");
    let serving = laptop.serve();
    let insert = |n: usize| laptop.start(["insert".into(), "notes".into(), format!("n={n}")]);
    let running: Vec<_> = (0..12).map(insert).collect();
    let ids: BTreeSet<_> = running
        .into_iter()
        .map(|running| running.wait().succeeded().stdout)
        .collect();
    assert_eq!(ids.len(), 12);
    assert_eq!(laptop.lines(["list", "notes"]).len(), 12);
    serving.stop();
}

#[test]
fn a_file_is_the_clients_wherever_the_server_runs() {
    let world = World::new();
    let laptop = world.init("laptop");
    let serving = laptop.serve();
    world.file("rows.csv", "k\n1\n");
    let elsewhere = world.path("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let mut command = laptop.command(["import", "../rows.csv", "--collection", "c", "--json"]);
    command.current_dir(&elsewhere);
    let counts = Running::start(command).wait().succeeded().lines();
    assert_eq!(counts[0]["imported"], 1);
    serving.stop();
}

#[test]
fn a_draft_is_read_where_the_command_was_typed() {
    let world = World::new();
    let (laptop, _phone, _notes, refused) = crate::quarantine::refused(&world);
    let serving = laptop.serve();
    let elsewhere = world.path("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let type_there = |arguments: &[&str]| {
        let mut command = laptop.command(arguments);
        command.current_dir(&elsewhere);
        Running::start(command).wait().succeeded()
    };
    let draft = type_there(&["outbox", "discard", &refused]).stdout;
    fs::write(elsewhere.join("draft.json"), draft).unwrap();
    type_there(&["outbox", "apply", "draft.json"]);
    serving.stop();
}

#[test]
fn a_folder_with_a_long_name_is_served_as_well() {
    let world = World::new();
    let parent = world.path(&"long".repeat(50));
    fs::create_dir(&parent).unwrap();
    let laptop = Device {
        dir: parent.join("laptop"),
        name: "laptop".into(),
    };
    laptop.json(["init", "--name", "laptop"]);
    let serving = laptop.serve();
    laptop.insert("notes", &["n=1"]);
    assert_eq!(laptop.json(["status"])["records"], 1);
    serving.stop();
    assert!(!laptop.dir.join(SOCKET).exists());
}

/// A file whose import takes a while.
fn long_file(world: &World) -> String {
    let rows = text_of((0..20_000).map(|n| format!("{n},value {n}")));
    world.file("long.csv", format!("k,v\n{rows}"))
}

#[test]
fn a_client_that_is_killed_or_interrupted_ends_its_import_and_nothing_else() {
    let world = World::new();
    let laptop = world.init("laptop");
    let serving = laptop.serve();
    let file = long_file(&world);
    let import = ["import", &file, "--collection", "rows", "--key", "k"];
    let mut killed = laptop.start(import);
    killed.stderr_line_with("imported ");
    killed.kill();
    let mut interrupted = laptop.start(import.iter().chain(&["--json"]));
    interrupted.stderr_line_with("imported ");
    interrupted.interrupt();
    let error = interrupted.wait().failed(1);
    assert_eq!(error["code"], "interrupted");
    let message = text(&error["message"]);
    assert!(
        message.ends_with("of 20,000 records are imported and durable"),
        "{message}"
    );
    let counts = laptop.json(import);
    assert!(
        number(&counts["imported"]) > 0,
        "neither came to its end: {counts}"
    );
    assert!(
        number(&counts["unchanged"]) > 0,
        "both have begun: {counts}"
    );
    assert_eq!(laptop.json(["status"])["records"], 20_000);
    serving.stop();
    assert_eq!(laptop.json(["verify"])["problems"], serde_json::json!([]));
}

#[test]
fn a_server_that_is_killed_is_told_by_the_clients_it_had() {
    let world = World::new();
    let laptop = world.init("laptop");
    let serving = laptop.serve();
    let mut watching = laptop.start(["watch", "--json"]);
    watching.stderr_line_with("watching");
    serving.kill();
    let error = watching.wait().failed(6);
    assert_eq!(error["code"], "server_gone");
    assert_eq!(error["retry"], true);
    laptop.insert("notes", &["n=1"]);
}

#[test]
fn a_server_that_is_interrupted_ends_its_commands_first() {
    let world = World::new();
    let laptop = world.init("laptop");
    let serving = laptop.serve();
    let file = long_file(&world);
    let mut watching = laptop.start(["watch", "--json"]);
    watching.stderr_line_with("watching");
    let import = ["import", &file, "--collection", "rows", "--key", "k"];
    let mut importing = laptop.start(import.iter().chain(&["--json"]));
    importing.stderr_line_with("imported ");
    serving.stop();
    let error = watching.wait().error();
    assert_eq!(error["code"], "server_gone");
    let outcome = importing.wait();
    assert_eq!(exit_code(&outcome), 1, "{outcome:?}");
    assert_eq!(outcome.error()["code"], "interrupted");
    laptop.json(import);
    assert_eq!(laptop.json(["status"])["records"], 20_000);
}

/// Holds a folder as a process does that carries out nothing.
fn hold(laptop: &Device) -> File {
    let lock = File::options()
        .write(true)
        .open(laptop.dir.join("driftless.lock"))
        .unwrap();
    lock.lock().unwrap();
    lock
}

#[test]
fn a_folder_that_is_held_by_a_process_that_listens_to_nobody_is_busy() {
    let world = World::new();
    let laptop = world.init("laptop");
    let _lock = hold(&laptop);
    for stale in [false, true] {
        if stale {
            drop(UnixListener::bind(laptop.dir.join(SOCKET)).unwrap());
        }
        let error = laptop.fails(6, ["status"]);
        assert_eq!(error["code"], "folder_busy");
        let message = text(&error["message"]);
        assert!(message.contains("no process listens at"), "{message}");
        let error = laptop.fails(6, ["serve", "--listen", "127.0.0.1:0"]);
        assert_eq!(error["code"], "folder_busy");
    }
}

#[test]
fn what_listens_and_is_not_the_server_is_told() {
    let world = World::new();
    let laptop = world.init("laptop");
    let _lock = hold(&laptop);
    let hello = |version: u8, folder: (u64, u64), program: &str| {
        let mut hello = b"DRFTSOCK\0".to_vec();
        hello.push(version);
        hello.extend(77_u32.to_be_bytes());
        hello.extend(folder.0.to_be_bytes());
        hello.extend(folder.1.to_be_bytes());
        hello.push(u8::try_from(program.len()).unwrap());
        hello.extend(program.as_bytes());
        hello
    };
    let metadata = fs::metadata(&laptop.dir).unwrap();
    let own = (metadata.dev(), metadata.ino());
    let version = env!("CARGO_PKG_VERSION");
    let lost = [hello(2, own, version), b"\x09\0\0\0\0".to_vec()].concat();
    let listener = UnixListener::bind(laptop.dir.join(SOCKET)).unwrap();
    for (greeting, code, said) in [
        (
            b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
            "foreign_socket",
            "greet",
        ),
        (Vec::new(), "foreign_socket", "hung up"),
        (
            hello(2, (1, 1), version),
            "foreign_socket",
            "another folder",
        ),
        (hello(3, own, version), "other_version", "process 77"),
        (hello(2, own, "9.9.9"), "other_version", "9.9.9"),
        (
            hello(2, own, version),
            "server_gone",
            "before the command had ended",
        ),
        (lost, "foreign_socket", "a kind that is not known"),
    ] {
        let client = laptop.start(["status", "--json"]);
        let mut stream = listener.accept().unwrap().0;
        stream.write_all(&greeting).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let error = client.wait().failed(6);
        assert_eq!(error["code"], code, "{error}");
        let message = text(&error["message"]);
        assert!(message.contains(said), "{message}");
        // It may have looked whether anybody listens still.
        listener.set_nonblocking(true).unwrap();
        while listener.accept().is_ok() {}
        listener.set_nonblocking(false).unwrap();
    }
    // One that says nothing is not waited for.
    let error = laptop.fails(6, ["status"]);
    assert_eq!(error["code"], "foreign_socket", "{error}");
}

#[test]
fn a_server_that_ends_before_it_greets_is_gone_and_nothing_foreign() {
    let world = World::new();
    let laptop = world.init("laptop");
    let lock = hold(&laptop);
    let listener = UnixListener::bind(laptop.dir.join(SOCKET)).unwrap();
    let client = laptop.start(["insert", "notes", "n=1", "--json"]);
    let stream = listener.accept().unwrap().0;
    // As when it is killed: it listens no more, then its connections are cut.
    drop((listener, stream, lock));
    let error = client.wait().failed(6);
    assert_eq!(error["code"], "server_gone", "{error}");
    assert_eq!(error["retry"], true);
    laptop.insert("notes", &["n=1"]);
}

/// A client of the test's own, which may do what no client of ours does.
struct Raw(UnixStream);

impl Raw {
    fn connect(laptop: &Device) -> Self {
        let mut stream = UnixStream::connect(laptop.dir.join(SOCKET)).unwrap();
        let mut hello = [0; 31];
        stream.read_exact(&mut hello).unwrap();
        assert_eq!(hello[..8], *b"DRFTSOCK");
        let mut program = vec![0; usize::from(hello[30])];
        stream.read_exact(&mut program).unwrap();
        Self(stream)
    }

    fn ask(laptop: &Device, arguments: &[&str]) -> Self {
        let mut raw = Self::connect(laptop);
        let mut request = vec![0; 5]; // no terminals, no colours
        for argument in ["driftless"].iter().chain(arguments) {
            request.extend(u32::try_from(argument.len()).unwrap().to_be_bytes());
            request.extend(argument.as_bytes());
        }
        raw.send(1, &request);
        raw
    }

    fn send(&mut self, kind: u8, content: &[u8]) {
        let mut frame = vec![kind];
        frame.extend(u32::try_from(content.len()).unwrap().to_be_bytes());
        frame.extend(content);
        // A server that hangs up is part of the test.
        let _ = self.0.write_all(&frame);
    }

    fn next(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; 5];
        self.0.read_exact(&mut head).unwrap();
        let length = u32::from_be_bytes(head[1..].try_into().unwrap());
        let mut content = vec![0; usize::try_from(length).unwrap()];
        self.0.read_exact(&mut content).unwrap();
        (head[0], content)
    }

    /// Reads until the other side hangs up.
    fn read_to_its_end(mut self) {
        let mut rest = Vec::new();
        let _ = self.0.read_to_end(&mut rest);
    }
}

#[test]
fn junk_on_the_socket_harms_nobody() {
    let world = World::new();
    let laptop = world.init("laptop");
    let serving = laptop.serve();
    for (kind, content) in [
        (9, &b"junk"[..]),
        (2, b""),
        (1, b"\0\0\0"),
        (1, b"\0\0\0\0\0\0\0\0\0\xff\xff\xff\xff"),
        (1, b"\0\0\0\0\x02\0\0\0\0"),
        (3, &vec![0; 100_000][..]),
    ] {
        let mut raw = Raw::connect(&laptop);
        raw.send(kind, content);
        raw.read_to_its_end();
    }
    let mut raw = Raw::connect(&laptop);
    raw.0.write_all(b"\x01\xff\xff\xff\xff").unwrap();
    raw.read_to_its_end();
    // A file that nobody asked for, and arguments that are no command.
    let mut raw = Raw::ask(&laptop, &["watch"]);
    raw.send(4, b"");
    raw.read_to_its_end();
    let mut raw = Raw::ask(&laptop, &["launch"]);
    let (kind, said) = raw.next();
    assert_eq!(kind, 2, "standard error");
    assert!(String::from_utf8_lossy(&said).contains("launch"));
    assert_eq!(raw.next(), (5, vec![2]), "the exit code of a usage error");
    let mut raw = Raw::ask(&laptop, &["init", "--name", "x"]);
    raw.next();
    raw.next();
    assert_eq!(raw.next(), (5, vec![6]));
    assert_eq!(laptop.json(["status"])["records"], 0);
    let outcome = serving.stop();
    assert!(!outcome.stderr.contains("panicked"), "{outcome:?}");
}

#[test]
fn a_client_that_takes_nothing_holds_up_nobody_else() {
    let world = World::new();
    let laptop = world.init("laptop");
    let serving = laptop.serve();
    let rows = text_of((0..400).map(|n| format!("{n},{}", "x".repeat(20_000))));
    let file = world.file("wide.csv", format!("k,v\n{rows}"));
    laptop.json(["import", &file, "--collection", "c", "--key", "k"]);
    let mut slow = Raw::ask(&laptop, &["list", "c", "--json"]);
    let (kind, first) = slow.next();
    assert_eq!(kind, 1, "it has begun, and most of it has no room");
    assert!(first.len() <= 64 * 1024);
    laptop.insert("notes", &["n=1"]);
    laptop.json(["verify"]);
    // Nor does it hold up the end.
    serving.stop();
    drop(slow);
}

#[test]
fn there_are_as_many_commands_at_a_time_as_there_is_room_for() {
    const COMMANDS: usize = 64;
    let world = World::new();
    let laptop = world.init("laptop");
    let serving = laptop.serve();
    let watching: Vec<_> = (0..COMMANDS)
        .map(|_| {
            let mut raw = Raw::ask(&laptop, &["watch"]);
            assert_eq!(raw.next().0, 3, "it listens");
            raw
        })
        .collect();
    let error = laptop.fails(6, ["status"]);
    assert_eq!(error["code"], "too_many_commands");
    assert_eq!(error["retry"], true);
    drop(watching);
    // Their places are given back as soon as they are seen to be gone.
    while laptop.run(["status"]).status.code() == Some(6) {}
    laptop.json(["status"]);
    serving.stop();
}

#[test]
fn watching_shows_edits_of_commands_and_of_other_devices_and_their_conflicts() {
    let world = World::new();
    let laptop = world.init("laptop");
    let id = laptop.insert("notes", &["title=first"]);
    let serving = laptop.serve_and_invite();
    let phone = world.join("phone", serving.link());
    phone.json(["sync", &serving.url]);
    let mut watching = laptop.start(["watch", "notes", "--json"]);
    watching.stderr_line_with("watching");
    let next = |watching: &mut Running| -> serde_json::Value {
        serde_json::from_str(&watching.stdout_line()).unwrap()
    };
    laptop.insert("others", &["n=1"]);
    laptop.json(["set", "notes", &id, "title=laptop"]);
    let change = next(&mut watching);
    assert_eq!(change["event"], "change");
    assert_eq!(change["device_name"], "laptop");
    assert_eq!(
        change["collection"], "notes",
        "the other one is not asked for"
    );
    assert_eq!(change["record"], id);
    phone.json(["set", "notes", &id, "title=phone"]);
    phone.json(["sync", &serving.url]);
    let change = next(&mut watching);
    assert_eq!(change["device_name"], "phone");
    let conflict = next(&mut watching);
    assert_eq!(conflict["event"], "conflict");
    assert_eq!(conflict["what"], "opened");
    assert_eq!(conflict["path"], "title");
    assert_eq!(conflict["record"], id);
    let entry = text(&conflict["id"]);
    // The store may be derived again meanwhile.
    laptop.json(["rebuild"]);
    laptop.json(["conflicts", "resolve", &entry, "--keep", "0"]);
    assert_eq!(next(&mut watching)["event"], "change");
    let conflict = next(&mut watching);
    assert_eq!(
        (&conflict["what"], &conflict["status"]),
        (&"closed".into(), &"resolved".into())
    );
    watching.interrupt();
    let outcome = watching.wait().succeeded();
    assert_eq!(outcome.lines().len(), 5);

    // From a change on, for people.
    let seq = number(&change["seq"]);
    let mut again = laptop.start(["watch", "--since", &(seq - 1).to_string()]);
    let line = again.stdout_line();
    assert!(
        line.ends_with(&format!("change notes {id} by phone")),
        "{line}"
    );
    serving.stop();
}

#[test]
fn watching_a_folder_that_nobody_serves_lets_other_commands_in() {
    let world = World::new();
    let laptop = world.init("laptop");
    let mut watching = laptop.start(["watch"]);
    watching.stderr_line_with("watching");
    let id = laptop.insert("notes", &["n=1"]);
    let line = watching.stdout_line();
    assert!(
        line.ends_with(&format!("change notes {id} by laptop")),
        "{line}"
    );
    laptop.fails(6, ["serve", "--listen", "127.0.0.1:0"]);
    watching.terminate();
    watching.wait().succeeded();
    assert!(!laptop.dir.join(SOCKET).exists());
    assert_eq!(laptop.fields("notes", &id)["n"], 1);
}

#[test]
fn nobody_reading_ends_the_watching_quietly() {
    let world = World::new();
    let laptop = world.init("laptop");
    for served in [false, true] {
        let _serving = served.then(|| laptop.serve());
        let mut watching = Running::start_unread(laptop.command(["watch"]));
        watching.stderr_line_with("watching");
        laptop.insert("notes", &["n=1"]);
        let outcome = watching.wait().succeeded();
        assert_eq!(outcome.stderr, "watching\n");
    }
}

#[test]
fn a_sync_under_way_survives_a_rebuild_or_says_to_come_again() {
    let world = World::new();
    let laptop = world.init("laptop");
    let rows = text_of((0..2_000).map(|n| format!("{n},value {n}")));
    let file = world.file("rows.csv", format!("k,v\n{rows}"));
    let serving = laptop.serve_and_invite();
    laptop.json(["import", &file, "--collection", "rows", "--key", "k"]);
    let phone = world.join("phone", serving.link());
    let gate = crate::gate::Gate::new(&serving.url, 20_000);
    let syncing = phone.start(["sync", &gate.url, "--json"]);
    laptop.json(["rebuild"]);
    drop(gate);
    syncing.wait().error();
    phone.json(["sync", &serving.url]);
    assert_eq!(phone.digest(), laptop.digest());
    serving.stop();
}
