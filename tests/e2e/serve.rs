//! Serving: what it prints, how it ends, and what it does with visitors that make no sense.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use crate::support::{Running, World, text};

#[test]
fn it_prints_where_it_listens_then_the_link_and_nothing_more() {
    let world = World::new();
    let laptop = world.init("laptop");
    let serving = laptop.serve_and_invite();
    let (url, link) = (serving.url.clone(), serving.link().to_owned());
    let port = url.strip_prefix("ws://127.0.0.1:").unwrap();
    assert!(
        port.parse::<u16>().unwrap() > 0,
        "the port it really has: {url}"
    );
    assert!(
        link.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_:/.".contains(&byte)),
        "a link survives a shell: {link}"
    );
    let outcome = serving.stop();
    assert_eq!(outcome.stdout, format!("listening on {url}\n{link}\n"));
}

#[test]
fn with_json_the_same_lines_are_objects() {
    let world = World::new();
    let laptop = world.init("laptop");
    let mut serving = laptop.start(["serve", "--listen", "127.0.0.1:0", "--invite", "--json"]);
    let first: serde_json::Value = serde_json::from_str(&serving.stdout_line()).unwrap();
    assert!(
        text(&first["listening"]).starts_with("ws://127.0.0.1:"),
        "{first}"
    );
    let second: serde_json::Value = serde_json::from_str(&serving.stdout_line()).unwrap();
    let phone = world.join("phone", &text(&second["link"]));
    assert_eq!(
        phone.json(["status"])["members"].as_array().unwrap().len(),
        2
    );
    serving.terminate();
    assert_eq!(serving.wait().succeeded().lines(), [first, second]);
}

#[test]
fn both_signals_end_it_cleanly_even_with_a_visitor_that_says_nothing() {
    let world = World::new();
    let laptop = world.init("laptop");
    laptop.insert("notes", &["n=1"]);
    let digest = laptop.digest();
    for signal in [Running::interrupt, Running::terminate] {
        let mut serving = laptop.serve();
        let silent = TcpStream::connect(serving.url.strip_prefix("ws://").unwrap()).unwrap();
        signal(serving.process());
        let outcome = serving.stop_asked();
        assert!(!outcome.stderr.contains("replayed"), "{outcome:?}");
        drop(silent);
        assert_eq!(
            laptop.digest(),
            digest,
            "it was closed cleanly and opens at once"
        );
    }
}

#[test]
fn an_invitation_can_be_made_beforehand_and_used_by_several() {
    let world = World::new();
    let laptop = world.init("laptop");
    // A port that is free now; nobody takes it in the moment until it is served.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let address = format!("ws://127.0.0.1:{port}");
    let printed = laptop
        .run([
            "invite",
            "--address",
            &address,
            "--uses",
            "2",
            "--valid-for",
            "1h",
        ])
        .succeeded()
        .stdout;
    let link = printed.trim_end();
    assert_eq!(printed, format!("{link}\n"), "the link alone");
    let serving = laptop.serve_on(&format!("127.0.0.1:{port}"), &[]);
    for name in ["phone", "tablet"] {
        let device = world.join(name, link);
        device.json(["sync", &serving.url]);
    }
    let error = world
        .device("fourth")
        .fails(4, ["join", link, "--name", "fourth"]);
    assert_eq!(error["code"], "invite_used_up");
}

#[test]
fn junk_on_the_socket_harms_nobody() {
    let world = World::new();
    let laptop = world.init("laptop");
    laptop.insert("notes", &["n=1"]);
    let serving = laptop.serve_and_invite();
    let address = serving.url.strip_prefix("ws://").unwrap();
    let upgrade = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    let mut frames = upgrade.as_bytes().to_vec();
    frames.extend([0x82, 0x85, 0, 0, 0, 0, 1, 2, 3, 4, 5]); // a masked binary message of five bytes
    let mut huge = upgrade.as_bytes().to_vec();
    huge.extend([
        0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0,
    ]); // of 9 exabytes
    for junk in [
        b"\0\x01\x02junk".to_vec(),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        vec![b'x'; 100_000],
        frames,
        huge,
    ] {
        let mut socket = TcpStream::connect(address).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        // It may hang up before everything is written.
        let _ = socket.write_all(&junk);
        let _ = socket.shutdown(Shutdown::Write);
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer);
    }
    // It still serves those who speak sense.
    let phone = world.join("phone", serving.link());
    let report = phone.json(["sync", &serving.url]);
    assert_eq!(report["records_received"], 1);
    let outcome = serving.stop();
    assert!(!outcome.stderr.contains("panicked"), "{outcome:?}");
}

#[test]
fn a_peer_is_kept_in_touch_with_and_found_again_without_a_command() {
    let world = World::new();
    let laptop = world.init("laptop");
    let hub = laptop.serve_on("127.0.0.1:0", &["--invite", "--uses", "2"]);
    let address = hub.url.strip_prefix("ws://").unwrap().to_owned();
    let phone = world.join("phone", hub.link());
    let tablet = world.join("tablet", hub.link());
    hub.stop();

    // The hub is off when the phone begins, and is found as soon as it is there.
    let record = phone.insert("notes", &["title=written while alone"]);
    let serving = phone.serve_on("127.0.0.1:0", &["--peer", &format!("ws://{address}")]);
    let hub = laptop.serve_on(&address, &[]);
    let begun = std::time::Instant::now();
    loop {
        tablet.json(["sync", &hub.url]);
        if !tablet.lines(["list", "notes"]).is_empty() {
            break;
        }
        let waited = begun.elapsed();
        assert!(waited < Duration::from_secs(60), "it never came");
    }
    let title = &tablet.fields("notes", &record)["title"];
    assert_eq!(title, "written while alone");
    // What is written on a device that is served is on the other as soon as one can look.
    phone.insert("notes", &["title=at once"]);
    let begun = std::time::Instant::now();
    while laptop.lines(["list", "notes"]).len() < 2 {
        assert!(begun.elapsed() < Duration::from_secs(10), "it never came");
    }
    tablet.json(["sync", &hub.url]);
    let outcome = serving.stop();
    assert_eq!(outcome.stdout.lines().count(), 1, "{outcome:?}");
    hub.stop();
    assert_eq!(phone.digest(), laptop.digest());
    assert_eq!(phone.digest(), tablet.digest());

    let error = phone.fails(2, ["serve", "--listen", "127.0.0.1:0", "--peer", "nowhere"]);
    assert_eq!(error["code"], "bad_address");
}
