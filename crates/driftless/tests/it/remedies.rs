//! Each class of error, brought about by a fault, and lifted by just what its code says: by trying again where it can be
//! tried again, and else by what its remedy tells a person. Afterwards the devices work, and agree.
//!
//! Here and not in the simulated worlds, because a remedy is what a program or a person does with a database.

use std::fs;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::ThreadId;

use driftless::testing::MemoryNetwork;
use driftless::{
    Class, Clock, Database, DeviceKey, Error, InviteOptions, MemoryKeys, Options, Resolution, Role,
    Server, SyncReport,
};
use driftless_protocol::{Code, Message, decode_batch, encode_batch, workspace_tag};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message as Frame;

use crate::support::{
    LOOPBACK, RawDevice, Two, assert_equal, equal, invitation, live, note, on, open_conflicts,
    reads, retitle, scratch, title, two, two_with, until,
};

/// The first class, and after each the next: a class that is new has no place here, and then nothing compiles.
const FIRST: Class = Class::Network;

fn next(class: Class) -> Option<Class> {
    match class {
        Class::Network => Some(Class::Authentication),
        Class::Authentication => Some(Class::Authorization),
        Class::Authorization => Some(Class::Validation),
        Class::Validation => Some(Class::Integrity),
        Class::Integrity => Some(Class::Conflict),
        Class::Conflict => Some(Class::Quota),
        Class::Quota => Some(Class::Storage),
        Class::Storage => Some(Class::Protocol),
        Class::Protocol => Some(Class::Crypto),
        Class::Crypto => Some(Class::Bug),
        Class::Bug => None,
    }
}

type Story = Pin<Box<dyn Future<Output = ()>>>;

fn story(class: Class) -> Story {
    match class {
        Class::Network => Box::pin(a_network_that_is_gone_is_tried_again_by_itself()),
        Class::Authentication => Box::pin(who_is_no_member_joins()),
        Class::Authorization => Box::pin(what_a_role_does_not_allow_an_owner_does()),
        Class::Validation => Box::pin(a_deleted_record_is_restored_and_then_edited()),
        Class::Integrity => Box::pin(of_what_was_not_signed_nothing_is_taken_over()),
        Class::Conflict => Box::pin(a_conflict_that_grew_is_looked_at_again()),
        Class::Quota => Box::pin(what_is_too_large_is_written_in_smaller_parts()),
        Class::Storage => Box::pin(a_damaged_folder_is_repaired_and_gets_back_what_was_damaged()),
        Class::Protocol => Box::pin(the_older_of_two_devices_is_updated()),
        Class::Crypto => Box::pin(a_handshake_that_fails_is_tried_again_by_itself()),
        Class::Bug => Box::pin(after_a_bug_what_is_stored_is_safe()),
    }
}

#[tokio::test(flavor = "current_thread")]
async fn each_class_of_error_is_lifted_by_what_it_says() {
    let mut class = Some(FIRST);
    let mut told = Vec::new();
    while let Some(now) = class {
        println!("{now}");
        story(now).await;
        told.push(now);
        class = next(now);
    }
    assert_eq!(told.len(), 11, "{told:?}");
}

/// Checks what an error says, the remedy word for word: whoever changes it changes what has to be done here.
fn says(error: &Error, class: Class, code: &str, retry: bool, remedy: &str) {
    let said = (error.class(), error.code(), error.retry(), error.remedy());
    assert_eq!(said, (class, code, retry, remedy), "{error}");
}

async fn a_network_that_is_gone_is_tried_again_by_itself() {
    let network = MemoryNetwork::new();
    let Two {
        a,
        b,
        server,
        folder: _folder,
    } = two_with(on(&network, "a"), on(&network, "b")).await;
    let connection = b.sync().connect(&server.url()).await.unwrap();
    live(&connection).await;
    network.cut();
    let id = note(&b, "written without a network").await;
    until("an attempt has failed", async || {
        let error = connection.status().last_error;
        error.is_some_and(|error| error.code() == "peer_unreachable")
    })
    .await;
    says(
        &connection.status().last_error.unwrap(),
        Class::Network,
        "peer_unreachable",
        true,
        "Check the address, and that the other device is on and serving; nothing is lost, try again later.",
    );
    assert!(connection.status().next_attempt_ms.is_some());
    // Nobody asks for it: the wait ends, and it is there again.
    network.restore();
    reads(&a, id, "written without a network").await;
    live(&connection).await;
    equal(&[&a, &b]).await;
    server.stop().await;
}

async fn who_is_no_member_joins() {
    const SEED: u8 = 9;
    let Two {
        a,
        b: _b,
        server,
        folder,
    } = two().await;
    note(&a, "of a").await;
    let mut stranger = RawDevice::dial(&server, SEED).await;
    let (code, _) = stranger.is_told_as_a_stranger(&a.workspace()).await;
    assert_eq!(
        (code, code.class(), code.retry(), code.remedy()),
        (
            Code::UnknownDevice,
            Class::Authentication,
            false,
            "Ask a member for an invitation and join with it."
        )
    );
    // The same device, by its key, joins.
    let link = invitation(&a, &server).await;
    let dir = folder.path().join("c");
    let options = with_key(&dir, "c", SEED);
    let c = Database::join(&dir, &link, options).await.unwrap();
    assert_eq!(c.device(), DeviceKey::from_seed(&[SEED; 32]).device_id());
    works(&a, &c).await;
    server.stop().await;
}

async fn what_a_role_does_not_allow_an_owner_does() {
    let Two {
        a,
        b,
        server,
        folder,
    } = two().await;
    let admins = InviteOptions {
        role: Role::Admin,
        ..InviteOptions::to(server.url())
    };
    let refused = b.invite(admins.clone()).await;
    says(
        &refused.unwrap_err(),
        Class::Authorization,
        "not_allowed",
        false,
        "Ask an owner or admin of the workspace.",
    );
    let link = a.invite(admins).await.unwrap();
    let dir = folder.path().join("c");
    let c = Database::join(&dir, &link, Options::named("c"))
        .await
        .unwrap();
    works(&a, &c).await;

    // And who was removed keeps what it has, and comes back with a new invitation.
    let kept = note(&c, "of c, never sent").await;
    a.members().remove(c.device()).await.unwrap();
    let error = c.sync().once(&server.url()).await.unwrap_err();
    says(
        &error,
        Class::Authorization,
        "device_removed",
        false,
        "What it holds stays readable here. Ask an owner or admin to adopt what it had not sent, or for a new invitation.",
    );
    assert_eq!(title(&c, kept).await, "of c, never sent");
    let link = invitation(&a, &server).await;
    let again = Database::join(folder.path().join("d"), &link, Options::named("d"))
        .await
        .unwrap();
    works(&a, &again).await;
    b.sync().again().await.unwrap();
    assert_equal(&a, &b).await;
    server.stop().await;
}

async fn a_deleted_record_is_restored_and_then_edited() {
    let Two {
        a,
        b,
        server,
        folder: _folder,
    } = two().await;
    let id = note(&a, "base").await;
    a.collection("notes").delete(id).await.unwrap();
    b.sync().again().await.unwrap();
    let notes = b.collection("notes");
    let refused = notes.update(id, json!({"title": "of b"})).await;
    says(
        &refused.unwrap_err(),
        Class::Validation,
        "record_deleted",
        false,
        "Restore the record first, then edit it.",
    );
    notes.restore(id).await.unwrap();
    retitle(&b, id, "of b").await;
    b.sync().again().await.unwrap();
    assert_eq!(title(&a, id).await, "of b");
    assert_equal(&a, &b).await;
    server.stop().await;
}

async fn of_what_was_not_signed_nothing_is_taken_over() {
    /// Where the signature of an envelope is, in its wire form.
    const IN_SIGNATURE: usize = 10;
    let known = Known::new().await;
    let id = note(&known.a, "of a").await;
    let spoil = |message: &mut Message| {
        if let Message::Envelope { bytes, .. } = message {
            bytes[IN_SIGNATURE] ^= 1;
        }
    };
    let error = known.sync_through(spoil).await.unwrap_err();
    says(
        &error,
        Class::Integrity,
        "bad_signature",
        false,
        "Nothing was taken over. If it stays, the other device's data is damaged: let it join again.",
    );
    let there = known.b.collection("notes").get(id).await.unwrap();
    assert!(there.is_none(), "nothing was taken over");
    // It does not stay: it was on the way.
    known.b.sync().once(&known.server.url()).await.unwrap();
    assert_eq!(title(&known.b, id).await, "of a");
    works(&known.a, &known.b).await;
    known.server.stop().await;
}

async fn a_conflict_that_grew_is_looked_at_again() {
    let Two {
        a,
        b,
        server,
        folder,
    } = two().await;
    let link = invitation(&a, &server).await;
    let dir = folder.path().join("c");
    let c = Database::join(&dir, &link, Options::named("c"))
        .await
        .unwrap();
    let id = note(&a, "base").await;
    for device in [&b, &c] {
        device.sync().again().await.unwrap();
    }
    for (device, text) in [(&a, "of a"), (&b, "of b"), (&c, "of c")] {
        retitle(device, id, text).await;
    }
    b.sync().again().await.unwrap();
    let seen = open_conflicts(&b).await.remove(0);
    c.sync().again().await.unwrap();
    b.sync().again().await.unwrap();
    let error = b.conflicts().resolve(&seen, Resolution::Keep(0)).await;
    let error = error.unwrap_err();
    says(
        &error,
        Class::Conflict,
        "conflict_grown",
        false,
        "Look at the conflict again, then decide.",
    );
    let now = error.conflict().expect("it says what it is now");
    assert_eq!((seen.members().len(), now.members().len()), (2, 3));
    b.conflicts()
        .resolve(now, Resolution::Keep(0))
        .await
        .unwrap();
    for device in [&b, &c] {
        device.sync().again().await.unwrap();
        assert!(open_conflicts(device).await.is_empty());
        assert_equal(&a, device).await;
    }
    server.stop().await;
}

async fn what_is_too_large_is_written_in_smaller_parts() {
    let Two {
        a,
        b,
        server,
        folder: _folder,
    } = two().await;
    let text = "0123456789abcdef".repeat(128 * 1024);
    let notes = b.collection("notes");
    let mut left = vec![text.as_str()];
    let (mut written, mut refused) = (Vec::new(), 0);
    while let Some(part) = left.pop() {
        match notes.insert(json!({ "title": part })).await {
            Ok((id, _)) => written.push(id),
            Err(error) => {
                says(
                    &error,
                    Class::Quota,
                    "too_large",
                    false,
                    "Write it in smaller parts; nothing was written.",
                );
                let records = b.status().await.unwrap().records;
                assert_eq!(records, written.len() as u64, "nothing was written");
                refused += 1;
                let (first, second) = part.split_at(part.len() / 2);
                left.extend([second, first]);
            }
        }
    }
    assert!(refused > 0, "{} bytes are not too large", text.len());
    b.sync().again().await.unwrap();
    let mut again = String::new();
    for id in written {
        again.push_str(title(&a, id).await.as_str().unwrap());
    }
    assert!(again == text, "the parts are the whole");
    assert_equal(&a, &b).await;
    server.stop().await;
}

async fn a_damaged_folder_is_repaired_and_gets_back_what_was_damaged() {
    let Two {
        a,
        b,
        server,
        folder: _folder,
    } = two().await;
    for n in 0..20 {
        note(&b, &format!("note {n}")).await;
    }
    b.sync().again().await.unwrap();
    let dir = b.dir().to_owned();
    b.close().await.unwrap();
    let segment = dir.join("journal").join("00000001.seg");
    let mut bytes = fs::read(&segment).unwrap();
    let seventh = bytes.windows(6).position(|window| window == b"note 7");
    bytes[seventh.expect("a note stands there as it is")] ^= 1;
    fs::write(&segment, bytes).unwrap();
    for _ in 0..2 {
        let error = Database::open(&dir, Options::named("b")).await.unwrap_err();
        says(
            &error,
            Class::Storage,
            "journal_damaged",
            false,
            "Run `driftless repair`: it keeps all that is whole, and what is damaged comes back with the next sync.",
        );
    }
    let b = Database::repair(&dir, Options::named("b")).await.unwrap();
    assert!(!b.missing().await.unwrap().is_empty());
    b.sync().again().await.unwrap();
    assert_eq!(b.missing().await.unwrap(), []);
    works(&a, &b).await;
    assert_eq!(b.verify().await.unwrap().problems, Vec::<String>::new());
    server.stop().await;
}

async fn the_older_of_two_devices_is_updated() {
    let known = Known::new().await;
    note(&known.a, "of a").await;
    let of_tomorrow = |message: &mut Message| {
        if let Message::Hello(hello) = message {
            (hello.protocol_min, hello.protocol_max) = (9, 9);
        }
    };
    let error = known.sync_through(of_tomorrow).await.unwrap_err();
    says(
        &error,
        Class::Protocol,
        "no_common_version",
        false,
        "Update Driftless on the older of the two devices.",
    );
    // Now both are of one release.
    works(&known.a, &known.b).await;
    known.server.stop().await;
}

async fn a_handshake_that_fails_is_tried_again_by_itself() {
    let Two {
        a,
        b,
        server,
        folder: _folder,
    } = two().await;
    server.stop().await;
    let listener = TcpListener::bind(LOOPBACK).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let connection = b.sync().connect(&format!("ws://{address}")).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
    socket.next().await.unwrap().unwrap();
    socket.send(Frame::binary(vec![0xa5; 96])).await.unwrap();
    until("it has failed", async || {
        connection.status().last_error.is_some()
    })
    .await;
    says(
        &connection.status().last_error.unwrap(),
        Class::Crypto,
        "handshake_failed",
        true,
        "Check that the address leads to a Driftless device; it is tried again.",
    );
    drop((socket, listener));
    // From now on the address leads to one.
    let server = a.sync().serve(&address).await.unwrap();
    let id = note(&a, "of a").await;
    reads(&b, id, "of a").await;
    live(&connection).await;
    equal(&[&a, &b]).await;
    connection.stop().await;
    server.stop().await;
}

async fn after_a_bug_what_is_stored_is_safe() {
    let folder = scratch();
    let dir = folder.path().join("b");
    let a = Database::create(folder.path().join("a"), Options::named("a"))
        .await
        .unwrap();
    let server = a.sync().serve(LOOPBACK).await.unwrap();
    let link = invitation(&a, &server).await;
    let clock = Faulty::default();
    let options = Options::named("b").with_clock(clock.clone());
    let b = Database::join(&dir, &link, options).await.unwrap();
    let kept = note(&b, "acknowledged").await;
    clock.armed.store(true, Ordering::Release);
    let notes = b.collection("notes");
    let error = notes.insert(json!({"title": "lost"})).await.unwrap_err();
    says(
        &error,
        Class::Bug,
        "bug",
        false,
        "Report it with the log; what is stored is safe.",
    );
    assert!(clock.fell.load(Ordering::Acquire), "that was its fault");
    // Nothing is done any more, until it is opened again.
    assert_eq!(b.digest().await.unwrap_err().code(), "bug");
    assert_eq!(b.close().await.unwrap_err().code(), "bug");
    let b = Database::open(&dir, Options::named("b")).await.unwrap();
    assert_eq!(title(&b, kept).await, "acknowledged");
    assert!(b.verify().await.unwrap().problems.is_empty());
    b.sync().once(&server.url()).await.unwrap();
    works(&a, &b).await;
    assert_eq!(a.status().await.unwrap().records, 3);
    server.stop().await;
}

/// A clock with a fault: once it is armed, it brings down the thread of a replica that asks it.
#[derive(Clone)]
struct Faulty {
    armed: Arc<AtomicBool>,
    fell: Arc<AtomicBool>,
    story: ThreadId,
}

impl Default for Faulty {
    fn default() -> Self {
        Self {
            armed: Arc::default(),
            fell: Arc::default(),
            story: std::thread::current().id(),
        }
    }
}

impl Clock for Faulty {
    fn now(&self) -> i64 {
        let is_replica = std::thread::current().id() != self.story;
        if is_replica && self.armed.swap(false, Ordering::AcqRel) {
            self.fell.store(true, Ordering::Release);
            panic!("a fault of the story");
        }
        1_790_000_000_000
    }
}

/// The options of a device whose key the story knows.
fn with_key(dir: &std::path::Path, name: &str, seed: u8) -> Options {
    Options::named(name).with_keys(MemoryKeys::with(dir, &[seed; 32]))
}

/// Both write, sync, and have the same.
async fn works(a: &Database, b: &Database) {
    let of_a = note(a, "works for a").await;
    let of_b = note(b, "works for b").await;
    b.sync().again().await.unwrap();
    assert_eq!(title(b, of_a).await, "works for a");
    assert_eq!(title(a, of_b).await, "works for b");
    assert_equal(a, b).await;
    assert!(b.verify().await.unwrap().problems.is_empty());
}

/// Two devices whose keys the story knows, so that it can stand between them.
struct Known {
    a: Database,
    b: Database,
    server: Server,
    _folder: TempDir,
}

impl Known {
    const A: u8 = 41;
    const B: u8 = 42;

    async fn new() -> Self {
        let folder = scratch();
        let dir = folder.path().join("a");
        let a = Database::create(&dir, with_key(&dir, "a", Self::A))
            .await
            .unwrap();
        let server = a.sync().serve(LOOPBACK).await.unwrap();
        let link = invitation(&a, &server).await;
        let dir = folder.path().join("b");
        let b = Database::join(&dir, &link, with_key(&dir, "b", Self::B))
            .await
            .unwrap();
        Self {
            a,
            b,
            server,
            _folder: folder,
        }
    }

    /// The second syncs with the first, whose messages are spoilt inside the secure channel: as by a device with
    /// a fault.
    async fn sync_through(&self, spoil: impl FnMut(&mut Message)) -> Result<SyncReport, Error> {
        let listener = TcpListener::bind(LOOPBACK).await.unwrap();
        let address = format!("ws://{}", listener.local_addr().unwrap());
        let sync = self.b.sync();
        let mut synced = pin!(sync.once(&address));
        let mut relay = pin!(self.relay(listener, spoil));
        let mut ended = false;
        loop {
            tokio::select! {
                synced = &mut synced => return synced,
                () = &mut relay, if !ended => ended = true,
            }
        }
    }

    async fn relay(&self, listener: TcpListener, mut spoil: impl FnMut(&mut Message)) {
        let (stream, _) = listener.accept().await.unwrap();
        let mut near = RawDevice::accept(stream, Self::A).await;
        let mut far = RawDevice::dial(&self.server, Self::B).await;
        loop {
            let (frame, of_a) = tokio::select! {
                frame = near.hear() => (frame, false),
                frame = far.hear() => (frame, true),
            };
            let Some(frame) = frame else { return };
            let hash = if of_a { &near.peer } else { &far.peer }.handshake_hash;
            let mut messages = decode_batch(&frame).unwrap();
            for message in &mut messages {
                if let Message::Hello(hello) = message {
                    hello.workspace = workspace_tag(&self.a.workspace(), &hash);
                }
                if of_a {
                    spoil(message);
                }
            }
            let frame = encode_batch(&messages).unwrap();
            let to = if of_a { &mut near } else { &mut far };
            to.say(&frame).await;
        }
    }
}
