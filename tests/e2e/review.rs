//! `driftless conflicts review` on a terminal: keys that decide, on a folder that is served and on one that is not.

use std::collections::BTreeMap;

use rustix::termios::LocalModes;
use serde_json::Value as Json;

use crate::support::{Device, Serving, World, text, text_of};
use crate::terminal::Terminal;

/// How a key is asked for, whatever the entry.
const ASKS: &str = "? help: ";

/// Two devices with an open conflict on `v` of each of `rows` records: the laptop says `laptop N`, the phone
/// `phone N`, before it was `base N`. A third device has the records and knows of neither.
struct Apart {
    _world: World,
    laptop: Device,
    phone: Device,
    tablet: Device,
}

impl Apart {
    fn new(rows: usize) -> Self {
        let world = World::new();
        let laptop = world.init("laptop");
        let lines = text_of((0..rows).map(|n| format!("{n},base {n}")));
        let file = world.file("rows.csv", format!("k,v\n{lines}"));
        laptop.json(["import", &file, "--collection", "c", "--key", "k"]);
        let serving = laptop.serve_on("127.0.0.1:0", &["--invite", "--uses", "2"]);
        let [phone, tablet] = ["phone", "tablet"].map(|name| {
            let device = world.join(name, serving.link());
            device.json(["sync", &serving.url]);
            device
        });
        serving.stop();
        for n in 0..rows {
            edit(&laptop, n, &format!("laptop {n}"));
            edit(&phone, n, &format!("phone {n}"));
        }
        let apart = Self {
            _world: world,
            laptop,
            phone,
            tablet,
        };
        apart.meet();
        apart
    }

    fn meet(&self) {
        let serving: Serving = self.laptop.serve();
        self.phone.json(["sync", &serving.url]);
        serving.stop();
    }
}

fn edit(device: &Device, row: usize, value: &str) {
    device.json(["set", "c", &format!("key:{row}"), &format!("v={value}")]);
}

fn open(device: &Device) -> Vec<Json> {
    device.conflicts(&["--status", "open"])
}

fn value_of(device: &Device, row: usize) -> Json {
    device.fields("c", &format!("key:{row}"))["v"].clone()
}

/// The key of the side of this device, of an entry of two sides that was just shown.
#[track_caller]
fn side(shown: &str, device: &str) -> &'static str {
    let place = |of: &str| {
        shown
            .find(&format!("{of}, 2"))
            .unwrap_or_else(|| panic!("{of} is a side: {shown}"))
    };
    let other = if device == "laptop" {
        "phone"
    } else {
        "laptop"
    };
    if place(device) < place(other) {
        "0"
    } else {
        "1"
    }
}

fn review(device: &Device, more: &[&str]) -> Terminal {
    let words = ["conflicts", "review"];
    Terminal::start(device, 80, false, words.iter().chain(more))
}

/// Which record an entry that was just shown is of.
fn row(shown: &str) -> usize {
    let base = shown
        .split("was base ")
        .nth(1)
        .expect("what was there before");
    base.split_whitespace()
        .next()
        .and_then(|n| n.parse().ok())
        .expect("a number")
}

/// Decides four conflicts and leaves one; gives what each record must show then, `None` where it was left.
fn walk(apart: &Apart) -> BTreeMap<usize, Option<String>> {
    let mut terminal = review(&apart.laptop, &[]);
    let mut expected = BTreeMap::new();

    let shown = terminal.sees(ASKS);
    assert!(shown.contains("1 of 5"), "{shown}");
    assert!(
        !terminal
            .modes()
            .intersects(LocalModes::ICANON | LocalModes::ECHO)
    );
    assert!(
        terminal.modes().contains(LocalModes::ISIG),
        "Ctrl-C still interrupts"
    );
    let n = row(&shown);
    expected.insert(n, Some(format!("laptop {n}")));
    terminal.press(side(&shown, "laptop"));
    terminal.sees("decided");

    let shown = terminal.sees(ASKS);
    expected.insert(row(&shown), Some("both: ünd".to_owned()));
    terminal.press("e");
    terminal.sees("as JSON");
    terminal.press("no JSON\n");
    terminal.sees("Give JSON");
    terminal.sees(ASKS);
    terminal.press("e");
    terminal.sees("as JSON");
    terminal.press("\n");
    terminal.sees(ASKS);
    terminal.press("e");
    terminal.sees("as JSON");
    terminal.press("\"both: ünd\"\n");
    terminal.sees("decided");

    let shown = terminal.sees(ASKS);
    expected.insert(row(&shown), None);
    terminal.press("b");
    terminal.sees("both sides of the conflict");
    terminal.sees(ASKS);
    terminal.press("l");

    let shown = terminal.sees(ASKS);
    let n = row(&shown);
    // What is no key, or none of this entry, is said, and asked again.
    for (key, answer) in [
        ("x", "no key"),
        ("7", "candidate"),
        ("\u{1b}[A", "no key"),
        ("é", "no key"),
    ] {
        terminal.press(key);
        terminal.sees(answer);
        terminal.sees(ASKS);
    }
    terminal.press("?");
    terminal.sees("undo the last decision");
    terminal.sees(ASKS);
    terminal.press("f");
    terminal.sees("WROTE");
    terminal.sees(ASKS);
    terminal.press("s");
    let again = terminal.sees(ASKS);
    assert_eq!(row(&again), n);
    expected.insert(n, Some(format!("phone {n}")));
    terminal.press(side(&again, "phone"));
    terminal.sees("decided");

    let shown = terminal.sees(ASKS);
    let n = row(&shown);
    expected.insert(n, Some(format!("laptop {n}")));
    terminal.press("k");
    terminal.sees("number");
    terminal.press(side(&shown, "laptop"));
    terminal.press("\n");
    let (status, shown) = terminal.ends();
    assert!(status.success(), "{shown}");
    assert!(
        shown.contains("4 conflicts decided, 1 left for later, 1 still open"),
        "{shown}"
    );
    for line in shown.lines() {
        let columns = columns_of(line);
        assert!(columns <= 80, "{columns} columns: {line}");
    }
    expected
}

/// Columns that a line of Latin letters takes.
fn columns_of(line: &str) -> usize {
    line.trim_end_matches('\r').chars().count()
}

#[test]
fn a_walk_through_the_open_conflicts_decides_them_on_every_device() {
    let apart = Apart::new(5);
    let expected = walk(&apart);
    assert_eq!(
        expected.keys().copied().collect::<Vec<_>>(),
        [0, 1, 2, 3, 4]
    );
    apart.meet();
    assert_eq!(apart.laptop.export(), apart.phone.export());
    assert_eq!(apart.laptop.digest(), apart.phone.digest());
    for (n, value) in expected {
        for device in [&apart.laptop, &apart.phone] {
            let shown = value_of(device, n);
            match &value {
                Some(value) => assert_eq!(shown, *value),
                None => assert!(shown == format!("laptop {n}") || shown == format!("phone {n}")),
            }
        }
    }
    assert_eq!(apart.phone.conflicts(&["--status", "resolved"]).len(), 4);
    assert_eq!(open(&apart.phone).len(), 1);
    // Another review has but the one that was left.
    let mut terminal = review(&apart.phone, &[]);
    let shown = terminal.sees(ASKS);
    assert!(shown.contains("1 of 1"), "{shown}");
    terminal.press("q");
    let (status, shown) = terminal.ends();
    assert!(
        status.success() && shown.contains("0 conflicts decided"),
        "{shown}"
    );
}

#[test]
fn a_folder_that_is_served_is_reviewed_the_same_way() {
    let apart = Apart::new(5);
    let serving = apart.laptop.serve();
    let expected = walk(&apart);
    assert_eq!(open(&apart.laptop).len(), 1);
    serving.stop();
    for (n, value) in expected {
        if let Some(value) = value {
            assert_eq!(value_of(&apart.laptop, n), value);
        }
    }
}

#[test]
fn what_grew_or_was_decided_meanwhile_is_shown_again_and_not_decided() {
    for served in [false, true] {
        let apart = Apart::new(2);
        let serving = served.then(|| apart.laptop.serve());
        let mut terminal = review(&apart.laptop, &[]);
        let shown = terminal.sees(ASKS);
        let (first, second) = (row(&shown), 1 - row(&shown));
        // A third device wrote it too, and knew of neither. It sends that through the folder that is reviewed.
        edit(&apart.tablet, first, &format!("tablet {first}"));
        let tablet = apart.tablet.serve();
        apart.laptop.json(["sync", &tablet.url]);
        tablet.stop();
        terminal.press("0");
        terminal.sees("has grown");
        let shown = terminal.sees(ASKS);
        assert!(
            shown.contains("tablet, 2") && shown.contains("keep 0-2"),
            "{shown}"
        );
        assert_eq!(open(&apart.laptop).len(), 2, "nothing was decided");

        // Somebody decides it in another window.
        let base = format!("base {first}");
        let mut entries = open(&apart.laptop).into_iter();
        let entry = entries.find(|entry| entry["base"][0] == *base);
        let id = text(&entry.expect("it is open")["id"]);
        apart
            .laptop
            .json(["conflicts", "resolve", &id, "--value", "\"theirs\""]);
        terminal.press("0");
        terminal.sees("closed");
        let shown = terminal.sees(ASKS);
        assert!(
            shown.contains("decided it: theirs") && shown.contains("u undo that"),
            "{shown}"
        );
        terminal.press("l");
        let shown = terminal.sees(ASKS);
        assert_eq!(row(&shown), second);
        terminal.press("q");
        let (status, shown) = terminal.ends();
        assert!(status.success(), "{shown}");
        assert_eq!(value_of(&apart.laptop, first), "theirs");
        drop(serving);
    }
}

#[test]
fn filters_choose_what_is_reviewed() {
    let apart = Apart::new(3);
    let mut terminal = review(
        &apart.laptop,
        &[
            "--collection",
            "c",
            "--record",
            "key:1",
            "--author",
            "phone",
            "--newer-than",
            "1d",
        ],
    );
    let shown = terminal.sees(ASKS);
    assert!(shown.contains("1 of 1"), "{shown}");
    assert_eq!(row(&shown), 1);
    terminal.press("0");
    let (status, shown) = terminal.ends();
    assert!(
        status.success() && shown.contains("1 conflict decided, 0 left for later, 0 still open"),
        "{shown}"
    );
    let (status, shown) = review(&apart.laptop, &["--kind", "text"]).ends();
    assert!(
        status.success() && shown.contains("0 still open"),
        "{shown}"
    );
}

#[test]
fn an_interrupt_leaves_the_terminal_and_the_decisions_as_they_were() {
    for served in [false, true] {
        let apart = Apart::new(2);
        let serving = served.then(|| apart.laptop.serve());
        let mut terminal = review(&apart.laptop, &[]);
        let shown = terminal.sees(ASKS);
        terminal.press("0");
        terminal.sees(ASKS);
        terminal.interrupt();
        let (status, said) = terminal.ends();
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(
            said.contains("interrupted: 1 conflict was decided, which stays"),
            "{said}"
        );
        drop(serving);
        assert_eq!(open(&apart.laptop).len(), 1);
        assert_ne!(
            value_of(&apart.laptop, row(&shown)),
            format!("base {}", row(&shown))
        );

        // In the middle of a line as well.
        let mut terminal = review(&apart.laptop, &[]);
        terminal.sees(ASKS);
        terminal.press("e");
        terminal.sees("as JSON");
        assert!(
            terminal
                .modes()
                .contains(LocalModes::ICANON | LocalModes::ECHO)
        );
        terminal.press("\"half");
        terminal.interrupt();
        let (status, said) = terminal.ends();
        assert_eq!(status.code(), Some(1), "{said}");
        assert_eq!(open(&apart.laptop).len(), 1);
    }
}

#[test]
fn a_server_that_goes_away_ends_the_review_and_not_the_terminal() {
    let apart = Apart::new(1);
    let serving = apart.laptop.serve();
    let mut terminal = review(&apart.laptop, &[]);
    terminal.sees(ASKS);
    serving.stop();
    terminal.press("0");
    let (status, said) = terminal.ends();
    assert_eq!(status.code(), Some(6), "{said}");
    assert_eq!(open(&apart.laptop).len(), 1);
}

#[test]
fn where_there_is_no_terminal_or_a_program_asks_it_is_refused() {
    let world = World::new();
    let laptop = world.init("laptop");
    let refused = laptop.run(["conflicts", "review"]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(
        refused.stderr.contains("there is no terminal"),
        "{refused:?}"
    );
    let error = laptop.fails(2, ["conflicts", "review"]);
    assert!(text(&error["message"]).contains("--json"), "{error}");
    let _serving = laptop.serve();
    assert_eq!(laptop.run(["conflicts", "review"]).status.code(), Some(2));
}

#[test]
fn differing_words_are_coloured_on_a_terminal_wherever_they_are_found() {
    let apart = Apart::new(1);
    let id = text(&open(&apart.laptop)[0]["id"]);
    let show = |columns: u16, colors: bool| {
        let words = ["conflicts", "show", &id];
        let (status, shown) = Terminal::start(&apart.laptop, columns, colors, words).ends();
        assert!(status.success(), "{shown}");
        shown
    };
    let here = show(80, true);
    assert!(
        here.contains("\u{1b}[32m") && !here.contains("{+"),
        "{here:?}"
    );
    let plain = show(80, false);
    assert!(
        !plain.contains('\u{1b}') && plain.contains("{+laptop+}"),
        "{plain}"
    );
    let narrow = show(40, false);
    assert!(
        narrow
            .lines()
            .all(|line| columns_of(line) <= 40 || line.contains(&id)),
        "{narrow}"
    );
    let serving = apart.laptop.serve();
    assert_eq!(
        show(80, true),
        here,
        "the serving process knows the terminal of whoever asks"
    );
    assert_eq!(show(80, false), plain);
    serving.stop();
}
