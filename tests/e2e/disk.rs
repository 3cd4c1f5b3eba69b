//! A disk that is full, a folder that may not be written, a folder that goes away: one sentence, a code, and a store that
//! opens and verifies once the disk is well.

use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value as Json, json};

use crate::import::strikes;
use crate::support::{Device, Outcome, Running, World, files_below, number, text};

/// One JSON error and nothing else but progress, with this exit code.
#[track_caller]
fn storage_error(outcome: Outcome, code: &str) -> Json {
    let lines: Vec<&str> = outcome
        .stderr
        .lines()
        .filter(|line| !line.contains(" records") && !line.contains("received "))
        .collect();
    assert_eq!(lines.len(), 1, "one sentence is said: {outcome:#?}");
    let error = outcome.failed(8);
    assert_eq!(error["code"], code, "{error}");
    let message = text(&error["message"]);
    assert!(!message.contains("Os {"), "for people: {message}");
    error
}

#[track_caller]
fn is_sound(device: &Device) {
    assert_eq!(device.json(["verify"])["problems"], json!([]));
}

/// The same command, which may not make a file longer than so many blocks: what it is told is what a full disk says,
/// and it needs no disk of its own.
fn with_short_files(command: &Command, blocks: u32) -> Command {
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script, "sh"]).arg(command.get_program());
    shell.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}

#[test]
fn an_import_onto_a_full_disk_keeps_whole_blocks_and_the_next_one_finishes() {
    let world = World::new();
    let laptop = world.init("laptop");
    let file = world.file("strikes.csv", strikes(6_000));
    let arguments = ["import", &file, "--collection", "c", "--key", "key"];
    let mut command = laptop.command(arguments);
    command.arg("--json");
    let outcome = Running::start(with_short_files(&command, 1_600)).wait();
    let error = storage_error(outcome, "disk_full");
    assert!(
        text(&error["remedy"]).contains("Free some space"),
        "{error}"
    );

    is_sound(&laptop);
    let kept = number(&laptop.json(["status"])["records"]);
    assert!(
        (1..6_000).contains(&kept) && kept.is_multiple_of(256),
        "{kept} records"
    );
    let counts = laptop.json(arguments);
    assert_eq!(number(&counts["imported"]), 6_000 - kept);
    is_sound(&laptop);
}

#[test]
fn a_workspace_is_not_half_made_on_a_full_disk() {
    let world = World::new();
    let laptop = world.device("laptop");
    let command = laptop.command(["init", "--name", "laptop", "--json"]);
    let outcome = Running::start(with_short_files(&command, 0)).wait();
    storage_error(outcome, "disk_full");
    laptop.json(["init", "--name", "laptop"]);
    laptop.insert("c", &["n=1"]);
    is_sound(&laptop);
}

#[test]
fn a_sync_onto_a_full_disk_keeps_what_is_durable_and_the_next_one_finishes() {
    let world = World::new();
    let laptop = world.init("laptop");
    let file = world.file("strikes.csv", strikes(6_000));
    laptop.json(["import", &file, "--collection", "c", "--key", "key"]);
    let serving = laptop.serve_and_invite();
    let phone = world.join("phone", serving.link());
    let command = phone.command(["sync", &serving.url, "--json"]);
    storage_error(
        Running::start(with_short_files(&command, 1_600)).wait(),
        "disk_full",
    );
    is_sound(&phone);
    let kept = number(&phone.json(["status"])["records"]);
    assert!(kept < 6_000, "{kept} records");
    let report = phone.json(["sync", &serving.url]);
    assert_eq!(number(&report["records_received"]), 6_000 - kept);
    serving.stop();
    assert_eq!(phone.digest(), laptop.digest());
}

/// Serves on a disk that is nearly full.
fn serve_with_short_files(device: &Device) -> (Running, String) {
    let command = device.command(["serve", "--listen", "127.0.0.1:0", "--json"]);
    let mut serving = Running::start(with_short_files(&command, 1_600));
    let first: Json = serde_json::from_str(&serving.stdout_line()).unwrap();
    (serving, text(&first["listening"]))
}

/// It ends by itself, and says why in one sentence, beside what its log has.
#[track_caller]
fn ends_with_its_disk(serving: Running) {
    let outcome = serving.wait();
    assert_eq!(outcome.status.code(), Some(8), "{outcome:#?}");
    assert_eq!(outcome.error()["code"], "disk_full");
    let logged = outcome
        .stderr
        .lines()
        .filter(|line| line.contains("driftless::"));
    assert_eq!(
        outcome.stderr.lines().count() - logged.count(),
        1,
        "{outcome:#?}"
    );
}

#[test]
fn a_server_whose_disk_fills_by_a_command_ends_with_the_reason() {
    let world = World::new();
    let laptop = world.init("laptop");
    let file = world.file("strikes.csv", strikes(6_000));
    let (serving, _) = serve_with_short_files(&laptop);
    let arguments = ["import", &file, "--collection", "c", "--key", "key"];
    storage_error(laptop.run(arguments.iter().chain(&["--json"])), "disk_full");
    ends_with_its_disk(serving);
    is_sound(&laptop);
    laptop.json(arguments);
    assert_eq!(laptop.json(["status"])["records"], 6_000);
}

#[test]
fn a_server_whose_disk_fills_by_a_sync_ends_with_the_reason() {
    let world = World::new();
    let laptop = world.init("laptop");
    let serving = laptop.serve_and_invite();
    let phone = world.join("phone", serving.link());
    serving.stop();
    let file = world.file("strikes.csv", strikes(6_000));
    phone.json(["import", &file, "--collection", "c", "--key", "key"]);
    let (serving, url) = serve_with_short_files(&laptop);
    // Whatever the other device hears of it, it is no fault of its own.
    let error = phone.run(["sync", &url, "--json"]).failed(5);
    assert_eq!(error["retry"], true, "{error}");
    ends_with_its_disk(serving);
    is_sound(&laptop);
    let serving = laptop.serve();
    phone.json(["sync", &serving.url]);
    serving.stop();
    assert_eq!(phone.digest(), laptop.digest());
}

#[test]
fn a_file_or_an_output_that_fails_a_command_does_not_end_the_server_it_runs_on() {
    let world = World::new();
    let laptop = world.init("laptop");
    laptop.insert("c", &["n=1"]);
    let serving = laptop.serve();
    let folder = world.path("no-file.csv");
    fs::create_dir(&folder).unwrap();
    let import = ["import", folder.to_str().unwrap(), "--collection", "c"];
    laptop.fails(8, import);
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let status = laptop.command(["list", "c"]).stdout(full).status();
    assert_eq!(status.unwrap().code(), Some(8));
    laptop.insert("c", &["n=2"]);
    serving.stop();
    assert_eq!(laptop.json(["status"])["records"], 2);
    is_sound(&laptop);
}

/// A file system of one megabyte, where the one who runs the tests may mount one.
struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    fn mount(path: PathBuf) -> Option<Self> {
        fs::create_dir(&path).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
            .arg(&path)
            .stderr(Stdio::null())
            .status();
        mounted
            .is_ok_and(|status| status.success())
            .then_some(Self { path })
    }

    fn grow(&self) {
        let remounted = Command::new("mount")
            .args(["-o", "remount,size=64m"])
            .arg(&self.path)
            .status();
        assert!(remounted.unwrap().success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}

#[test]
fn a_file_system_that_is_full_is_told_and_harms_nothing() {
    let world = World::new();
    let Some(disk) = SmallDisk::mount(world.path("disk")) else {
        return; // the tests above do the same with a limit
    };
    let laptop = world.init("disk/laptop");
    let file = world.file("strikes.csv", strikes(6_000));
    let arguments = ["import", &file, "--collection", "c", "--key", "key"];
    storage_error(laptop.run(arguments.iter().chain(&["--json"])), "disk_full");
    // Full it stays, and no command makes it worse.
    storage_error(laptop.run(["insert", "c", "n=1", "--json"]), "disk_full");
    disk.grow();
    is_sound(&laptop);
    let kept = number(&laptop.json(["status"])["records"]);
    let counts = laptop.json(arguments);
    assert_eq!(number(&counts["imported"]), 6_000 - kept);
}

/// Nobody in particular: to the one who may do everything no folder is read-only.
const NOBODY: u32 = 65_534;

/// The same command as somebody who may not do everything.
fn unprivileged(mut command: Command) -> Running {
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    Running::start(command)
}

fn set_modes(folder: &Path, of_folders: u32, of_files: u32) {
    for file in files_below(folder) {
        fs::set_permissions(&file, Permissions::from_mode(of_files)).unwrap();
        let parents = file.ancestors().skip(1);
        for parent in parents.take_while(|parent| parent.starts_with(folder)) {
            fs::set_permissions(parent, Permissions::from_mode(of_folders)).unwrap();
        }
    }
}

#[test]
fn a_folder_that_may_not_be_written_is_told_and_stays_as_it_is() {
    let world = World::new();
    fs::set_permissions(world.path(""), Permissions::from_mode(0o777)).unwrap();
    let laptop = world.device("laptop");
    let mut command = laptop.command(["init", "--name", "laptop"]);
    command.arg("--json");
    unprivileged(command).wait().succeeded();
    unprivileged(laptop.command(["insert", "c", "n=1"]))
        .wait()
        .succeeded();

    set_modes(&laptop.dir, 0o555, 0o444);
    let file = world.file("rows.csv", "n\n1\n");
    let commands: [&[&str]; 5] = [
        &["status", "--json"],
        &["insert", "c", "n=2", "--json"],
        &["import", &file, "--collection", "c", "--json"],
        &["sync", "ws://127.0.0.1:1", "--json"],
        &["serve", "--listen", "127.0.0.1:0", "--json"],
    ];
    for command in commands {
        let error = storage_error(unprivileged(laptop.command(command)).wait(), "not_writable");
        assert!(
            text(&error["message"]).contains("laptop"),
            "it names the place: {error}"
        );
    }
    set_modes(&laptop.dir, 0o755, 0o644);
    let status = unprivileged(laptop.command(["verify", "--json"]))
        .wait()
        .succeeded();
    assert_eq!(status.lines()[0]["records"], 1);

    fs::set_permissions(world.path(""), Permissions::from_mode(0o555)).unwrap();
    let command = world
        .device("phone")
        .command(["init", "--name", "phone", "--json"]);
    storage_error(unprivileged(command).wait(), "not_writable");
    fs::set_permissions(world.path(""), Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_folder_that_is_removed_acknowledges_nothing_more() {
    let world = World::new();
    let file = world.file("strikes.csv", strikes(6_000));
    for gone in ["", "journal"] {
        let laptop = world.init("laptop");
        let mut importing = laptop.start(["import", &file, "--collection", "c", "--json"]);
        importing.stderr_line_with("imported 256 of 6,000 records");
        fs::remove_dir_all(laptop.dir.join(gone)).unwrap();
        let error = storage_error(importing.wait(), "storage_failed");
        assert!(text(&error["message"]).contains("removed"), "{error}");
        let _ = fs::remove_dir_all(&laptop.dir);
    }
}

#[test]
fn a_server_whose_folder_is_gone_says_so_and_leaves_what_took_its_place_alone() {
    let world = World::new();
    let laptop = world.init("laptop");
    laptop.run(["insert", "c", "n=1"]).succeeded();
    let moved = world.device("moved");
    for replaced in [false, true] {
        let mut serving = laptop.start(["serve", "--listen", "127.0.0.1:0", "--json"]);
        serving.stdout_line();
        fs::rename(&laptop.dir, &moved.dir).unwrap();
        if replaced {
            fs::create_dir_all(laptop.dir.join("store-1")).unwrap();
        }
        serving.interrupt();
        let outcome = serving.wait();
        assert_eq!(outcome.status.code(), Some(8), "{outcome:#?}");
        let said: Vec<_> = outcome.stderr.lines().collect();
        assert_eq!(said.len(), 2, "that it closes, and one sentence: {said:?}");
        let error: Json = serde_json::from_str(said[1]).unwrap();
        assert_eq!(error["error"]["code"], "folder_gone", "{error}");
        if replaced {
            let found = fs::read_dir(&laptop.dir).unwrap();
            assert_eq!(found.count(), 1, "nothing is added to what is there now");
            fs::remove_dir_all(&laptop.dir).unwrap();
        }
        is_sound(&moved);
        fs::rename(&moved.dir, &laptop.dir).unwrap();
    }
    is_sound(&laptop);
}

#[test]
fn a_folder_that_is_moved_keeps_what_was_acknowledged() {
    let world = World::new();
    let laptop = world.init("laptop");
    let file = world.file("strikes.csv", strikes(6_000));
    let mut importing = laptop.start([
        "import",
        &file,
        "--collection",
        "c",
        "--key",
        "key",
        "--json",
    ]);
    importing.stderr_line_with("imported 256 of 6,000 records");
    let moved = world.device("moved");
    fs::rename(&laptop.dir, &moved.dir).unwrap();
    let outcome = importing.wait();
    is_sound(&moved);
    let kept = number(&moved.json(["status"])["records"]);
    if outcome.status.success() {
        assert_eq!(kept, 6_000);
    } else {
        storage_error(outcome, "folder_gone");
        assert!(kept >= 256, "{kept} records");
    }
}
