//! Three devices in a chain, where the two ends never meet.

use crate::support::{Device, World, number};

/// `one` syncs with `other`, which serves for as long as that takes.
fn meet(one: &Device, other: &Device) {
    let serving = other.serve();
    one.json(["sync", &serving.url]);
    serving.stop();
}

#[test]
fn three_devices_converge_and_restarts_leave_no_trace() {
    const RESTARTS: usize = 20;
    let world = World::new();
    let first = world.init("first");
    let note = first.insert("notes", &["n=0", "from=first"]);

    let serving = first.serve_and_invite();
    let second = world.join("second", serving.link());
    second.json(["sync", &serving.url]);
    serving.stop();

    // The third is invited by the second, which was invited itself.
    let serving = second.serve_and_invite();
    let third = world.join("third", serving.link());
    third.json(["sync", &serving.url]);
    serving.stop();
    assert_eq!(third.fields("notes", &note)["n"], 0);

    // Each command is a process of its own: a restart between any two edits.
    for n in 1..=RESTARTS {
        first.json(["set", "notes", &note, &format!("n={n}")]);
        third.json(["set", "notes", &note, &format!("third={n}")]);
        if n % 5 == 0 {
            meet(&first, &second);
            meet(&third, &second);
        }
    }
    third.insert("notes", &["from=third"]);
    meet(&third, &second);
    meet(&first, &second);

    let digest = first.digest();
    assert_eq!(digest["records"], 2);
    for device in [&first, &second, &third] {
        assert_eq!(device.digest(), digest, "{}", device.name);
        assert_eq!(device.export(), first.export(), "{}", device.name);
        let status = device.json(["status"]);
        assert!(
            number(&status["cursor_entries"]) <= 3,
            "{}: {status}",
            device.name
        );
        assert_eq!(
            number(&status["conflicts_open"]),
            0,
            "different fields do not conflict"
        );
        device.json(["verify"]);
    }
    let fields = second.fields("notes", &note);
    assert_eq!((number(&fields["n"]), number(&fields["third"])), (20, 20));
    let members = first.json(["status"])["members"].as_array().unwrap().len();
    assert_eq!(
        members, 3,
        "the first knows the third without having met it"
    );
}
