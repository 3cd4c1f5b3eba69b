//! A device is removed while it works offline: what it had synced stays, what comes later waits, one of it is adopted.

use crate::support::{Device, Serving, World, number, text};

/// A laptop that owns the workspace, a phone and a tablet that are level with it, and a note of the tablet's.
fn three(world: &World) -> ([Device; 3], String) {
    let laptop = world.init("laptop");
    let serving = laptop.serve_on("127.0.0.1:0", &["--invite", "--uses", "2"]);
    let phone = world.join("phone", serving.link());
    let tablet = world.join("tablet", serving.link());
    let note = tablet.insert("notes", &["title=synced"]);
    tablet.json(["sync", &serving.url]);
    phone.json(["sync", &serving.url]);
    serving.stop();
    ([laptop, phone, tablet], note)
}

fn sync(device: &Device, with: &Device) {
    let serving = with.serve();
    device.json(["sync", &serving.url]);
    serving.stop();
}

fn states(device: &Device) -> Vec<(String, String)> {
    let members = device.lines(["members"]);
    let state = |member: &serde_json::Value| (text(&member["name"]), text(&member["state"]));
    members.iter().map(state).collect()
}

/// What the removal leaves on the laptop and the phone: the tablet's late note and edit wait.
fn removed(world: &World) -> ([Device; 3], [String; 3]) {
    let ([laptop, phone, tablet], note) = three(world);
    let late = tablet.insert("notes", &["title=late"]);
    let unwanted = tablet.insert("notes", &["title=unwanted"]);
    tablet.json(["set", "notes", &note, "title=changed late"]);
    let gone = laptop.json(["members", "remove", "tablet"]);
    assert_eq!(gone["state"], "removed");
    // The phone has not heard of it, and takes what the tablet has.
    sync(&tablet, &phone);
    assert_eq!(phone.fields("notes", &note)["title"], "changed late");
    sync(&phone, &laptop);
    ([laptop, phone, tablet], [note, late, unwanted])
}

#[test]
fn a_removed_devices_late_work_waits_and_one_of_it_is_adopted() {
    let world = World::new();
    let ([laptop, phone, tablet], [note, late, unwanted]) = removed(&world);
    for device in [&laptop, &phone] {
        assert_eq!(device.fields("notes", &note)["title"], "synced");
        device.fails(3, ["get", "notes", &late]);
        let items = device.lines(["quarantine"]);
        assert_eq!(items.len(), 3);
        for item in &items {
            assert_eq!(item["code"], "past_removal");
            assert_eq!(item["waits_for"], "adoption");
            assert_eq!(item["device_name"], "tablet");
        }
        let wanted = [
            ("laptop", "active"),
            ("phone", "active"),
            ("tablet", "removed"),
        ];
        assert_eq!(
            states(device),
            wanted.map(|(a, b)| (a.to_owned(), b.to_owned()))
        );
    }
    assert_eq!(laptop.digest(), phone.digest());

    let items = laptop.lines(["quarantine"]);
    let item = items
        .iter()
        .find(|item| item["records"][0]["record"] == late.as_str());
    let id = text(&item.unwrap()["id"]);
    let refused = phone.fails(4, ["quarantine", "adopt", &id]);
    assert_eq!(refused["code"], "not_allowed");
    let adopted = laptop.json(["quarantine", "adopt", &id]);
    assert_eq!(adopted["adopted"][0], id.as_str());
    sync(&phone, &laptop);
    for device in [&laptop, &phone] {
        assert_eq!(device.fields("notes", &late)["title"], "late");
        device.fails(3, ["get", "notes", &unwanted]);
        assert_eq!(device.lines(["quarantine"]).len(), 2);
        device.run(["verify"]).succeeded();
    }
    assert_eq!(laptop.digest(), phone.digest());
    assert_eq!(laptop.export(), phone.export());
    phone.run(["rebuild"]).succeeded();
    assert_eq!(laptop.digest(), phone.digest());

    // The tablet keeps what it has, and is told where it stands.
    let serving = laptop.serve();
    let told = tablet.fails(4, ["sync", &serving.url]);
    assert_eq!(told["code"], "device_removed");
    serving.stop();
    let status = tablet.json(["status"]);
    assert_eq!(status["removed_say"][0], "laptop");
    assert_eq!(number(&status["records"]), 3);
    let said = tablet.run(["status"]).succeeded().stdout;
    assert!(
        said.contains("laptop says that this device was removed"),
        "{said}"
    );
}

#[test]
fn work_that_was_built_on_a_late_change_is_shown_without_it_and_all_is_adopted() {
    let world = World::new();
    let ([laptop, phone, tablet], note) = three(&world);
    tablet.json(["set", "notes", &note, "title=late"]);
    let late = text(&tablet.lines(["outbox"])[0]["id"]);
    laptop.json(["members", "remove", "tablet"]);
    sync(&tablet, &phone);
    phone.json(["set", "notes", &note, "body=honest"]);
    sync(&phone, &laptop);
    for device in [&laptop, &phone] {
        // It is void, which is not in the list, and is told to whoever names it.
        assert_eq!(device.lines(["quarantine"]).len(), 0);
        let void = device.json(["quarantine", "show", &late]);
        assert_eq!(void["id"], late.as_str(), "{void}");
        assert_eq!(void["state"], "void", "{void}");
        assert_eq!(void["why"], "not_current", "{void}");
        assert_eq!(void["device_name"], "tablet", "{void}");
        assert_eq!(void["records"][0]["record"], note.as_str(), "{void}");
        let said = device.run(["quarantine", "show", &late]).succeeded().stdout;
        assert!(said.contains("its device is no member there"), "{said}");
        assert!(said.contains("made by tablet"), "{said}");
    }
    for device in [&laptop, &phone] {
        let fields = device.fields("notes", &note);
        assert_eq!(
            (&fields["title"], &fields["body"]),
            (&"synced".into(), &"honest".into())
        );
    }
    assert_eq!(laptop.digest(), phone.digest());

    let adopted = laptop.json(["quarantine", "adopt", &late]);
    assert_eq!(adopted["adopted"][0], late.as_str(), "{adopted}");
    sync(&phone, &laptop);
    for device in [&laptop, &phone] {
        assert_eq!(device.fields("notes", &note)["title"], "late");
        device.fails(3, ["quarantine", "show", &late]);
    }
}

#[test]
fn who_cannot_be_removed_and_by_whom_is_said() {
    let world = World::new();
    let ([laptop, phone, tablet], _) = three(&world);
    for (device, name, part) in [
        (&phone, "tablet", "only the owner and admins"),
        (&laptop, "laptop", "does not remove itself"),
    ] {
        let error = device.fails(4, ["members", "remove", name]);
        assert_eq!(error["code"], "not_allowed");
        assert!(text(&error["message"]).contains(part), "{error}");
    }
    laptop.fails(3, ["members", "remove", "fridge"]);
    laptop.fails(2, ["members", "remove"]);
    laptop.fails(2, ["quarantine", "adopt"]);
    laptop.fails(2, ["quarantine", "adopt", "00:1", "--all"]);
    laptop.fails(3, ["quarantine", "adopt", "00:1"]);
    assert_eq!(
        laptop.json(["quarantine", "adopt", "--all"])["adopted"],
        serde_json::json!([])
    );

    // The process that serves the folder carries it out, and its open sessions with the tablet end.
    let serving: Serving = laptop.serve();
    let key = text(&tablet.json(["status"])["device"]);
    laptop.json(["members", "remove", &key[..8]]);
    let told = tablet.fails(4, ["sync", &serving.url]);
    assert_eq!(told["code"], "device_removed");
    let again = laptop.fails(4, ["members", "remove", "tablet"]);
    assert!(
        text(&again["message"]).contains("removed before"),
        "{again}"
    );
    serving.stop();
}

/// A device of whose work one item waits, and the item.
pub fn waiting(world: &World) -> (Device, String) {
    let ([laptop, ..], _) = removed(world);
    let id = text(&laptop.lines(["quarantine"])[0]["id"]);
    (laptop, id)
}
