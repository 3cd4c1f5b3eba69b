//! A peer that refuses one of three: the others arrive, and the one is shown, exported, discarded, written again.

use std::net::TcpListener;
use std::thread::JoinHandle;

use driftless_protocol::{
    Ack, Channel, Code, DeviceKey, Handshake, HeldRun, Hello, Message, Randomness, Refusal,
    decode_batch, encode_batch, workspace_tag,
};
use tokio_tungstenite::tungstenite;

use crate::support::{Device, World, number, text};

struct Fixed;

impl Randomness for Fixed {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

type Socket = tungstenite::WebSocket<std::net::TcpStream>;

/// A member that takes what one sync sends, and says that it refuses the `nth` of it.
fn refusing_peer(device: &Device, workspace: &str, nth: usize) -> (String, JoinHandle<usize>) {
    let seed = std::fs::read(device.dir.join("device.key")).expect("the phone has a key");
    let key = DeviceKey::from_seed(&seed.try_into().expect("32 bytes"));
    let workspace: driftless_protocol::WorkspaceId = workspace.parse().expect("an id");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("ws://{}", listener.local_addr().expect("bound"));
    let peer = std::thread::spawn(move || {
        let (stream, _) = listener.accept().expect("the laptop calls");
        let mut socket = tungstenite::accept(stream).expect("a WebSocket");
        let mut noise = Handshake::responder(&key, &mut Fixed);
        noise
            .read(&receive(&mut socket).expect("a message"))
            .unwrap();
        send(&mut socket, noise.write().unwrap());
        noise
            .read(&receive(&mut socket).expect("a message"))
            .unwrap();
        let (mut channel, identity) = noise.finish().unwrap();
        let tag = workspace_tag(&workspace, &identity.handshake_hash);
        let mut taken = Vec::new();
        while let Some(sealed) = receive(&mut socket) {
            for message in decode_batch(&channel.open(&sealed).unwrap()).unwrap() {
                let answer = match message {
                    Message::Hello(hello) => greeting(&hello, tag),
                    Message::Envelope { feed, n, .. } => {
                        taken.push((feed, n));
                        continue;
                    }
                    Message::Done => {
                        let ack = acknowledgement(&key, &workspace, &taken, nth);
                        vec![Message::Ack(ack), Message::Done]
                    }
                    _ => continue,
                };
                say(&mut socket, &mut channel, &answer);
            }
        }
        taken.len()
    });
    (url, peer)
}

/// Agrees about the members, and holds nothing yet.
fn greeting(theirs: &Hello, workspace: [u8; 16]) -> Vec<Message> {
    let hello = Hello {
        workspace,
        features: 0,
        cursor_digest: [1; 16],
        common: None,
        role: 0,
        ..theirs.clone()
    };
    let cursor = Message::Cursor {
        since_common: false,
        entries: Vec::new(),
        last: true,
    };
    vec![
        Message::Hello(hello),
        cursor,
        Message::Credit { bytes: 1 << 20 },
    ]
}

fn acknowledgement(
    key: &DeviceKey,
    workspace: &driftless_protocol::WorkspaceId,
    taken: &[(driftless_protocol::FeedId, u64)],
    nth: usize,
) -> Ack {
    let (mut held, mut refused) = (Vec::new(), Vec::new());
    for (at, &(feed, n)) in taken.iter().enumerate() {
        if at == nth {
            let code = Code::ChangeRefused;
            refused.push(Refusal { feed, n, code });
        } else {
            let (first, last) = (n, n);
            held.push(HeldRun { feed, first, last });
        }
    }
    Ack::sign(key, workspace, held, refused)
}

fn say(socket: &mut Socket, channel: &mut Channel, messages: &[Message]) {
    let sealed = channel.seal(&encode_batch(messages).unwrap()).unwrap();
    send(socket, sealed);
}

fn send(socket: &mut Socket, bytes: Vec<u8>) {
    socket
        .send(tungstenite::Message::binary(bytes))
        .expect("the laptop listens");
}

fn receive(socket: &mut Socket) -> Option<Vec<u8>> {
    loop {
        match socket.read() {
            Ok(tungstenite::Message::Binary(bytes)) => return Some(bytes.into()),
            Ok(tungstenite::Message::Close(_)) | Err(_) => return None,
            Ok(_) => {}
        }
    }
}

/// A laptop with three notes, the second of which the phone refuses.
pub fn refused(world: &World) -> (Device, Device, [String; 3], String) {
    let laptop = world.init("laptop");
    let serving = laptop.serve_and_invite();
    let phone = world.join("phone", serving.link());
    serving.stop();
    let notes = ["title=a", "title=b", "title=c"].map(|field| laptop.insert("notes", &[field]));
    assert_eq!(laptop.lines(["outbox"]).len(), 3);
    let workspace = text(&laptop.json(["status"])["workspace"]);
    let (url, peer) = refusing_peer(&phone, &workspace, 1);
    laptop.json(["sync", &url]);
    assert_eq!(peer.join().expect("the peer ends well"), 3);
    let items = laptop.lines(["outbox", "list"]);
    assert_eq!(items.len(), 1, "two have arrived: {items:?}");
    let id = text(&items[0]["id"]);
    (laptop, phone, notes, id)
}

#[test]
fn one_refused_of_three_is_shown_exported_discarded_and_written_again() {
    let world = World::new();
    let (laptop, phone, notes, id) = refused(&world);
    let item = laptop.json(["outbox", "show", &id]);
    assert_eq!(item["state"], "refused");
    assert_eq!(item["peers"][0]["code"], "change_refused");
    assert_eq!(item["records"][0]["record"], notes[1].as_str());
    assert_eq!(laptop.json(["status"])["pending"], 1);
    let retried = laptop.run(["outbox", "retry", &id]).succeeded().stdout;
    assert!(retried.contains("phone has refused it"), "{retried}");
    let export = laptop.json(["outbox", "export", &id]);
    let write = &export["items"][0]["changes"][0]["writes"][0];
    assert_eq!(
        (&write["path"], &write["value"]),
        (&"title".into(), &"b".into())
    );

    let said = laptop.run(["outbox", "discard", &id]).succeeded();
    assert!(
        said.stderr
            .starts_with("taken back, for every device: 1 edit"),
        "{said:?}"
    );
    let draft = world.file("draft.json", &said.stdout);
    assert_eq!(
        laptop.fails(3, ["get", "notes", &notes[1]])["code"],
        "not_found"
    );
    assert_eq!(laptop.lines(["outbox"]).len(), 0);
    assert_eq!(laptop.lines(["quarantine"]).len(), 0);
    let settled = laptop.lines(["quarantine", "list", "--all"]);
    assert_eq!(
        (&settled[0]["state"], &settled[0]["own"]),
        (&"taken_back".into(), &true.into())
    );
    let explained = laptop.run(["quarantine", "show", &id]).succeeded().stdout;
    assert!(
        explained.contains("its author has taken it back"),
        "{explained}"
    );
    assert_eq!(laptop.json(["quarantine", "retry", &id])["applied"], false);
    let again = laptop.json(["outbox", "discard", &id]);
    assert_eq!(again["draft"]["records"][0]["set"]["title"], "b");

    let before = laptop.digest();
    laptop.run(["verify"]).succeeded();
    laptop.run(["rebuild"]).succeeded();
    assert_eq!(laptop.digest(), before);

    // The serving process carries it out, with the file of whoever typed it.
    let serving = laptop.serve();
    let applied = laptop.json(["outbox", "apply", &draft]);
    assert_eq!(number(&applied["written"]), 1);
    assert_eq!(laptop.fields("notes", &notes[1])["title"], "b");
    phone.json(["sync", &serving.url]);
    serving.stop();
    assert_eq!(phone.digest(), laptop.digest());
    assert_eq!(laptop.lines(["outbox"]).len(), 0);
}

#[test]
fn what_cannot_be_named_read_or_discarded_is_said() {
    let world = World::new();
    let laptop = world.init("laptop");
    laptop.insert("notes", &["n=1"]);
    let id = text(&laptop.lines(["outbox"])[0]["id"]);
    let error = laptop.fails(4, ["outbox", "discard", &id]);
    assert_eq!(error["code"], "not_discardable");
    for command in [
        &["outbox", "show", "nothing"][..],
        &["outbox", "export", "00:1"],
        &["outbox", "discard", "00:1"],
        &["quarantine", "show", &id],
        &["quarantine", "retry", "00:1"],
        &["quarantine", "discard", &id],
        &["outbox", "apply", "nowhere.json"],
    ] {
        laptop.fails(3, command);
    }
    laptop.fails(2, ["outbox", "list", "--after", "x"]);
    for (name, content) in [
        ("empty", ""),
        ("list", "[]"),
        ("other", r#"{"draft":2}"#),
        ("twice", r#"{"draft":1,"draft":1}"#),
    ] {
        let file = world.file(name, content);
        laptop.fails(2, ["outbox", "apply", &file]);
    }
    assert_eq!(
        laptop.run(["quarantine"]).succeeded().stdout,
        "nothing is refused\n"
    );
    assert_eq!(laptop.json(["status"])["records"], 1);
}
