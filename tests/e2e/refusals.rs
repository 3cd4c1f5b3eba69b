//! What can go wrong between devices: each a sentence, the right exit code, and nothing lost.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use crate::support::{Device, World, text};

#[track_caller]
fn refused(device: &Device, exit_code: i32, code: &str, arguments: &[&str]) {
    let error = device.fails(exit_code, arguments);
    assert_eq!(error["code"], code, "{error}");
}

#[test]
fn a_device_of_another_workspace_is_refused() {
    let world = World::new();
    let laptop = world.init("laptop");
    let stranger = world.init("stranger");
    laptop.insert("notes", &["n=1"]);
    stranger.insert("notes", &["n=2"]);
    let before = stranger.digest();
    let serving = laptop.serve();
    let error = stranger.fails(4, ["sync", &serving.url]);
    assert!(
        ["other_workspace", "unknown_device"].contains(&text(&error["code"]).as_str()),
        "{error}"
    );
    serving.stop();
    assert_eq!(stranger.digest(), before);
    assert_eq!(laptop.json(["status"])["records"], 1);
    assert_eq!(
        laptop.json(["status"])["peers"].as_array().unwrap().len(),
        0
    );
}

#[test]
fn a_used_up_or_broken_invitation_lets_nobody_in() {
    let world = World::new();
    let laptop = world.init("laptop");
    let serving = laptop.serve_and_invite();
    let link = serving.link().to_owned();
    world.join("phone", &link);
    refused(
        &world.device("late"),
        4,
        "invite_used_up",
        &["join", &link, "--name", "late"],
    );
    assert!(
        world.path("late").symlink_metadata().is_err(),
        "nothing is left of a refused join"
    );

    let (start, end) = link.split_at(link.len() - 1);
    let broken = format!("{start}{}", if end == "A" { "B" } else { "A" });
    for wrong in [
        broken.as_str(),
        "ws://127.0.0.1:1",
        "",
        &link[..link.len() / 2],
    ] {
        refused(
            &world.device("late"),
            2,
            "bad_link",
            &["join", wrong, "--name", "late"],
        );
    }
    serving.stop();
    // A folder that is a device's is left alone.
    let error = laptop.fails(4, ["join", &link, "--name", "again"]);
    assert_eq!(error["code"], "workspace_exists");
    assert!(text(&error["message"]).contains("laptop"), "{error}");
    assert_eq!(
        laptop.json(["status"])["members"].as_array().unwrap().len(),
        2
    );
}

#[test]
fn a_folder_has_one_user_at_a_time() {
    let world = World::new();
    let laptop = world.init("laptop");
    let id = laptop.insert("notes", &["n=1"]);
    let serving = laptop.serve();
    let error = laptop.fails(6, ["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(error["code"], "folder_busy");
    assert_eq!(error["retry"], true);
    // The lock ends with the process, however it ends.
    serving.kill();
    assert_eq!(laptop.fields("notes", &id)["n"], 1);
}

#[test]
fn a_port_has_one_user_at_a_time() {
    let world = World::new();
    let laptop = world.init("laptop");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let error = laptop.fails(6, ["serve", "--listen", &address]);
    assert_eq!(error["code"], "port_in_use");
    assert!(text(&error["message"]).contains(&address), "{error}");
    for nonsense in ["", "here", "127.0.0.1", "127.0.0.1:port", "127.0.0.1:99999"] {
        laptop.fails(2, ["serve", "--listen", nonsense]);
    }
}

#[test]
fn nobody_and_somebody_else_at_an_address() {
    let world = World::new();
    let laptop = world.init("laptop");
    laptop.insert("notes", &["n=1"]);
    // A port that was just given back: nobody listens there.
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("ws://{closed}");
    let error = laptop.fails(5, ["sync", &url]);
    assert_eq!(error["code"], "peer_unreachable");
    assert_eq!(error["retry"], true);
    assert!(
        text(&error["message"]).contains(&closed.to_string()),
        "{error}"
    );
    let join = |link: &str| {
        world
            .device("phone")
            .fails(5, ["join", link, "--name", "phone"])
    };
    let link = laptop.run(["invite", "--address", &url]).succeeded().stdout;
    assert_eq!(join(link.trim_end())["code"], "peer_unreachable");
    assert!(
        world.path("phone").symlink_metadata().is_err(),
        "nothing is left of a failed join"
    );

    // A web server answers.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let answers = std::thread::spawn(move || {
        for socket in listener.incoming().take(2) {
            let mut socket = socket.unwrap();
            let _ = socket.read(&mut [0; 1024]);
            let _ = socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
        }
    });
    assert_eq!(laptop.fails(5, ["sync", &url])["code"], "not_driftless");
    let link = laptop.run(["invite", "--address", &url]).succeeded().stdout;
    assert_eq!(join(link.trim_end())["code"], "not_driftless");
    answers.join().unwrap();

    for nonsense in [
        "http://127.0.0.1:1",
        "ws://",
        "ws://host:port",
        "127.0.0.1:99999",
    ] {
        let error = laptop.fails(2, ["sync", nonsense]);
        assert_eq!(error["code"], "bad_address", "{nonsense}: {error}");
        laptop.fails(2, ["invite", "--address", nonsense]);
    }
    assert_eq!(laptop.json(["status"])["records"], 1);
}
