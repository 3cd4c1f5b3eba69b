//! What `--help` says, kept as snapshots: `cargo insta review`, or `INSTA_UPDATE=always`, takes a new text over.

use std::path::Path;

use crate::support::{Running, driftless, run};

/// Every command; the name of its snapshot is the command's.
const COMMANDS: [&str; 64] = [
    "",
    "init",
    "import",
    "insert",
    "list",
    "get",
    "history",
    "set",
    "unset",
    "increment",
    "text",
    "push",
    "put-at",
    "remove-at",
    "add",
    "remove",
    "delete",
    "restore",
    "invite",
    "join",
    "serve",
    "sync",
    "watch",
    "explain",
    "conflicts",
    "conflicts list",
    "conflicts show",
    "conflicts review",
    "conflicts resolve",
    "conflicts acknowledge",
    "conflicts undo",
    "conflicts watch",
    "conflicts insight",
    "conflicts export",
    "rules",
    "rules check",
    "rules set",
    "rules show",
    "rules explain",
    "members",
    "members list",
    "members remove",
    "quarantine",
    "quarantine list",
    "quarantine show",
    "quarantine retry",
    "quarantine adopt",
    "quarantine reissue",
    "quarantine export",
    "quarantine discard",
    "outbox",
    "outbox list",
    "outbox show",
    "outbox retry",
    "outbox export",
    "outbox discard",
    "outbox apply",
    "status",
    "digest",
    "verify",
    "repair",
    "rebuild",
    "compact",
    "demo",
];

/// The widths at which help is kept, with the folder of its snapshots: a terminal's narrowest common one, and the
/// widest that help uses.
const WIDTHS: [(&str, &str); 2] = [("80", "help80"), ("100", "help")];

fn help_of(command: &str, columns: &str) -> String {
    let arguments = command.split_whitespace().chain(["--help"]);
    let mut process = driftless(arguments);
    process.env("COLUMNS", columns);
    Running::start(process).wait().succeeded().stdout
}

/// The name of a command's snapshots.
pub fn file_of(command: &str) -> String {
    match command {
        "" => "driftless".to_owned(),
        command => command.replace(' ', "_"),
    }
}

/// Every command that does something by itself, as its own help lists them.
pub fn commands() -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![String::new()];
    while let Some(command) = open.pop() {
        let help = help_of(&command, "100");
        let listed = help
            .lines()
            .skip_while(|line| *line != "Commands:")
            .skip(1)
            .take_while(|line| !line.is_empty())
            // A description that goes on below is indented further.
            .filter(|line| !line.starts_with("   "))
            .filter_map(|line| line.split_whitespace().next())
            .filter(|name| *name != "help");
        for name in listed {
            open.push(format!("{command} {name}").trim_start().to_owned());
        }
        found.push(command);
    }
    found.sort();
    found
}

#[test]
fn every_command_explains_itself_with_an_example() {
    for command in COMMANDS {
        for (columns, folder) in WIDTHS {
            let help = help_of(command, columns);
            assert!(help.contains("Example"), "{command}: {help}");
            // Examples are commands to copy: they are not wrapped.
            let limit = columns.parse().unwrap();
            let described = help.lines().take_while(|line| !line.starts_with("Example"));
            for line in described {
                assert!(
                    line.chars().count() <= limit,
                    "{command} at {columns}: {line}"
                );
            }
            no_sentence_is_broken_early(&help, limit);
            insta::with_settings!({
                snapshot_path => folder,
                prepend_module_to_snapshot => false,
                omit_expression => true,
            }, {
                insta::assert_snapshot!(file_of(command), help);
            });
        }
    }
}

/// A line ends where a sentence does, or where the next word has no room.
#[track_caller]
fn no_sentence_is_broken_early(help: &str, limit: usize) {
    let told: Vec<&str> = help.lines().collect();
    for lines in told.windows(2) {
        let [line, next] = lines else { continue };
        let is_text = |line: &str| !line.is_empty() && !line.starts_with(' ');
        if !is_text(line) || !is_text(next) || line.ends_with(['.', ':', ';']) {
            continue;
        }
        let word = next.split(' ').next().unwrap_or_default();
        let with_it = line.chars().count() + 1 + word.chars().count();
        assert!(with_it > limit, "{word:?} has room behind {line:?}");
    }
}

#[test]
fn no_command_is_without_its_snapshot_and_no_snapshot_without_its_command() {
    let mut listed: Vec<String> = COMMANDS.map(str::to_owned).to_vec();
    listed.sort();
    assert_eq!(commands(), listed);
    let mut files: Vec<String> = COMMANDS.map(file_of).to_vec();
    files.sort();
    for (_, folder) in WIDTHS {
        assert_eq!(snapshots(folder), files, "{folder}");
    }
}

/// The names of the snapshots in a folder beside this file.
pub fn snapshots(folder: &str) -> Vec<String> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/e2e");
    let mut names: Vec<String> = std::fs::read_dir(here.join(folder))
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
        .filter_map(|name| Some(name.strip_suffix(".snap")?.to_owned()))
        .collect();
    names.sort();
    names
}

#[test]
fn help_and_version_as_json_are_one_object() {
    let help = run(["import", "--help", "--json"]).succeeded().lines();
    assert!(help[0]["help"].as_str().unwrap().contains("--collection"));
    let version = run(["--version", "--json"]).succeeded().lines();
    assert!(
        version[0]["version"]
            .as_str()
            .unwrap()
            .starts_with("driftless ")
    );
}
