//! Processes that want one folder at the same time: each gets it or is told who has it, and nothing is done by halves.

use crate::support::{Outcome, Running, World, number, text};

const PROCESSES: usize = 8;

/// Runs so many processes at once, and gives those that succeeded and the codes of the others.
fn race(start: impl Fn(usize) -> Running) -> (Vec<Outcome>, Vec<String>) {
    let running: Vec<Running> = (0..PROCESSES).map(start).collect();
    let mut succeeded = Vec::new();
    let mut codes = Vec::new();
    for outcome in running.into_iter().map(Running::wait) {
        if outcome.status.success() {
            succeeded.push(outcome);
        } else {
            let exit_code = outcome.status.code();
            let error = outcome.error();
            let code = text(&error["code"]);
            let expected = match code.as_str() {
                "folder_busy" => 6,
                "workspace_exists" => 4,
                other => panic!("{other} is no answer to a race: {error}"),
            };
            assert_eq!(exit_code, Some(expected), "{error}");
            codes.push(code);
        }
    }
    (succeeded, codes)
}

#[test]
fn of_those_that_make_a_workspace_in_one_folder_one_does() {
    let world = World::new();
    for round in 0..5 {
        let laptop = world.device(&format!("laptop {round}"));
        let (made, others) = race(|n| {
            let name = format!("device {n}");
            laptop.start(["init", "--name", &name, "--json"])
        });
        assert_eq!((made.len(), others.len()), (1, PROCESSES - 1), "{others:?}");
        let made = made[0].lines().remove(0);
        let status = laptop.json(["status"]);
        assert_eq!(status["device"], made["device"]);
        assert_eq!(status["name"], made["name"]);
        laptop.json(["verify"]);
    }
}

#[test]
fn those_that_write_to_one_folder_each_do_or_are_told_that_it_is_busy() {
    let world = World::new();
    let laptop = world.init("laptop");
    let mut written = 0;
    for round in 0..5 {
        let (inserted, _) = race(|n| {
            let field = format!("n={}", round * PROCESSES + n);
            laptop.start(["insert", "c", &field, "--json"])
        });
        assert!(!inserted.is_empty(), "somebody is first");
        for outcome in &inserted {
            let id = text(&outcome.lines()[0]["id"]);
            laptop.json(["get", "c", &id]);
        }
        written += inserted.len();
    }
    assert_eq!(number(&laptop.json(["status"])["records"]), written as u64);
    laptop.json(["verify"]);
}
