//! What `--help` says, kept as snapshots: `cargo insta review`, or `INSTA_UPDATE=always`, takes a new text over.

use crate::support::run;

/// Every command; the name of its snapshot is the command's.
const COMMANDS: [&str; 25] = [
    "",
    "init",
    "import",
    "insert",
    "list",
    "get",
    "set",
    "unset",
    "delete",
    "restore",
    "invite",
    "join",
    "serve",
    "sync",
    "conflicts",
    "conflicts list",
    "conflicts show",
    "conflicts resolve",
    "conflicts export",
    "status",
    "digest",
    "verify",
    "rebuild",
    "compact",
    "demo",
];

fn help_of(command: &str) -> String {
    let arguments = command.split_whitespace().chain(["--help"]);
    run(arguments).succeeded().stdout
}

#[test]
fn every_command_explains_itself_with_an_example() {
    for command in COMMANDS {
        let help = help_of(command);
        let name = match command {
            "" => "driftless".to_owned(),
            command => command.replace(' ', "_"),
        };
        assert!(help.contains("Example"), "{command}: {help}");
        insta::with_settings!({
            snapshot_path => "help",
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, {
            insta::assert_snapshot!(name, help);
        });
    }
}

#[test]
fn no_command_is_without_its_snapshot() {
    let help = help_of("");
    let listed = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .filter(|command| *command != "help");
    for command in listed {
        assert!(COMMANDS.contains(&command), "{command}");
    }
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
