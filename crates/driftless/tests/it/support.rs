//! What the stories share.

use std::path::Path;
use std::sync::LazyLock;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{Duration, Instant};

use driftless::testing::{MemoryNetwork, NoNetwork};
use driftless::{
    Conflict, ConflictFilter, Connection, ConnectionState, Database, DeviceKey, Fields,
    InviteOptions, Options, RecordId, Server, Status, Value, WorkspaceId,
};
use driftless_protocol::{
    Channel, Code, Handshake, Hello, Message, PeerIdentity, Randomness, decode_batch, encode_batch,
    workspace_tag,
};
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Frame;

pub(crate) const LOOPBACK: &str = "127.0.0.1:0";

pub(crate) fn scratch() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// Whether the suite runs without a network, as the story in `offline` has it.
pub(crate) const OFFLINE: &str = "DRIFTLESS_TEST_OFFLINE";

/// The options of a device that needs no other: offline, whatever it asks of the network fails.
pub(crate) fn options(name: &str) -> Options {
    let options = Options::named(name);
    if is_offline() {
        options.with_transport(NoNetwork)
    } else {
        options
    }
}

/// The options of a device in a story that needs others: offline, they meet within the process.
pub(crate) fn networked(name: &str) -> Options {
    static NETWORK: LazyLock<MemoryNetwork> = LazyLock::new(MemoryNetwork::new);
    let options = Options::named(name);
    if is_offline() {
        options.with_transport(NETWORK.clone())
    } else {
        options
    }
}

/// The options of a device on a network of its story.
pub(crate) fn on(network: &MemoryNetwork, name: &str) -> Options {
    Options::named(name).with_transport(network.clone())
}

/// Lets a member in that dials; nobody listens there.
pub(crate) async fn joined(member: &Database, server: &Server, options: Options) -> Database {
    let link = invitation(member, server).await;
    let dir = member.dir().with_file_name(&options.device_name);
    Database::join(dir, &link, options).await.unwrap()
}

/// Waits until a connection is live.
pub(crate) async fn live(connection: &Connection) {
    until("the connection is live", async || {
        connection.status().state == ConnectionState::Live
    })
    .await;
}

/// Waits until a record reads so.
pub(crate) async fn reads(database: &Database, id: RecordId, expected: &str) {
    until(expected, async || {
        let record = database.collection("notes").get(id).await.unwrap();
        record.is_some_and(|record| record.fields()["title"] == expected)
    })
    .await;
}

/// Waits until all hold the same.
pub(crate) async fn equal(databases: &[&Database]) {
    until("all are equal", async || {
        let first = databases[0].digest().await.unwrap();
        for database in &databases[1..] {
            if database.digest().await.unwrap() != first {
                return false;
            }
        }
        true
    })
    .await;
}

fn is_offline() -> bool {
    std::env::var_os(OFFLINE).is_some()
}

pub(crate) async fn created(dir: &Path, name: &str) -> Database {
    Database::create(dir, options(name)).await.unwrap()
}

/// One that can be met by others.
pub(crate) async fn serving(dir: &Path, name: &str) -> Database {
    Database::create(dir, networked(name)).await.unwrap()
}

pub(crate) async fn opened(dir: &Path) -> Database {
    Database::open(dir, options("d")).await.unwrap()
}

/// Two members of one workspace, the first of which serves.
pub(crate) struct Two {
    pub(crate) a: Database,
    pub(crate) b: Database,
    pub(crate) server: Server,
    pub(crate) folder: TempDir,
}

pub(crate) async fn two() -> Two {
    two_with(networked("a"), networked("b")).await
}

pub(crate) async fn two_with(a: Options, b: Options) -> Two {
    let folder = scratch();
    let a = Database::create(folder.path().join("a"), a).await.unwrap();
    let server = a.sync().serve(LOOPBACK).await.unwrap();
    let link = invitation(&a, &server).await;
    let b = Database::join(folder.path().join("b"), &link, b)
        .await
        .unwrap();
    Two {
        a,
        b,
        server,
        folder,
    }
}

/// Asks again and again whether something has come to pass, and fails the story after half a minute.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !condition().await {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "not in time: {what}"
        );
        tokio::task::yield_now().await;
    }
}

/// Holds the clock of a runtime with one thread: time passes when the story says so, and not otherwise.
///
/// A clock that is merely paused leaps ahead whenever the runtime waits for another thread, such as a replica's.
pub(crate) struct HeldClock {
    held: SyncSender<()>,
}

impl HeldClock {
    pub(crate) fn hold() -> Self {
        tokio::time::pause();
        let (held, released) = sync_channel::<()>(0);
        // While work that blocks is under way the clock does not leap.
        tokio::task::spawn_blocking(move || {
            let _ = released.recv();
        });
        Self { held }
    }

    /// Lets time pass as it does.
    pub(crate) fn release(self) {
        tokio::time::resume();
        drop(self.held);
    }

    /// Lets time pass, and everybody do what is due.
    pub(crate) async fn pass(&self, time: Duration, databases: &[&Database]) {
        const STEP: Duration = Duration::from_secs(1);
        let mut left = time;
        while !left.is_zero() {
            let step = left.min(STEP);
            tokio::time::advance(step).await;
            left -= step;
            settle(databases).await;
        }
    }
}

/// Lets everybody do what can be done without waiting for time.
pub(crate) async fn settle(databases: &[&Database]) {
    for _ in 0..8 {
        for database in databases {
            database.last_change().await.unwrap();
        }
        tokio::task::yield_now().await;
    }
}

pub(crate) async fn invitation(member: &Database, server: &Server) -> String {
    let invitation = InviteOptions::to(server.url());
    member.invite(invitation).await.unwrap()
}

/// Puts one record there and says its id.
pub(crate) async fn note(database: &Database, title: &str) -> RecordId {
    let fields = json!({ "title": title });
    let (id, _) = database.collection("notes").insert(fields).await.unwrap();
    id
}

pub(crate) async fn retitle(database: &Database, id: RecordId, title: &str) {
    let fields = json!({ "title": title });
    let notes = database.collection("notes");
    notes.update(id, fields).await.unwrap();
}

pub(crate) async fn title(database: &Database, id: RecordId) -> serde_json::Value {
    let record = database.collection("notes").get(id).await.unwrap().unwrap();
    record.fields()["title"].clone()
}

pub(crate) async fn open_conflicts(database: &Database) -> Vec<Conflict> {
    let filter = ConflictFilter {
        status: Some(Status::Open),
        ..ConflictFilter::default()
    };
    database.conflicts().list(filter).await.unwrap()
}

pub(crate) async fn assert_equal(a: &Database, b: &Database) {
    assert_eq!(a.digest().await.unwrap(), b.digest().await.unwrap());
    let (of_a, of_b) = (a.conflicts().export().await, b.conflicts().export().await);
    assert_eq!(of_a.unwrap(), of_b.unwrap());
}

/// A socket on which a test says what it likes.
pub(crate) type RawSocket = WebSocketStream<TcpStream>;

pub(crate) async fn raw_socket(server: &Server) -> RawSocket {
    let stream = TcpStream::connect(server.local_addr()).await.unwrap();
    let (socket, _) = tokio_tungstenite::client_async(format!("{}/", server.url()), stream)
        .await
        .unwrap();
    socket
}

/// A device that has finished the handshake and then does what the test likes.
pub(crate) struct RawDevice {
    pub(crate) socket: RawSocket,
    pub(crate) channel: Channel,
    pub(crate) peer: PeerIdentity,
}

impl RawDevice {
    pub(crate) async fn dial(server: &Server, seed: u8) -> Self {
        let mut socket = raw_socket(server).await;
        let key = DeviceKey::from_seed(&[seed; 32]);
        let mut noise = Handshake::initiator(&key, &mut Fixed(seed));
        send(&mut socket, noise.write().unwrap()).await;
        noise.read(&receive(&mut socket).await.unwrap()).unwrap();
        send(&mut socket, noise.write().unwrap()).await;
        let (channel, peer) = noise.finish().unwrap();
        Self {
            socket,
            channel,
            peer,
        }
    }

    pub(crate) async fn accept(stream: TcpStream, seed: u8) -> Self {
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        let key = DeviceKey::from_seed(&[seed; 32]);
        let mut noise = Handshake::responder(&key, &mut Fixed(seed));
        noise.read(&receive(&mut socket).await.unwrap()).unwrap();
        send(&mut socket, noise.write().unwrap()).await;
        noise.read(&receive(&mut socket).await.unwrap()).unwrap();
        let (channel, peer) = noise.finish().unwrap();
        Self {
            socket,
            channel,
            peer,
        }
    }

    /// Greets as somebody who is no member does, and has nothing to show; what is answered: an error and nothing else.
    pub(crate) async fn is_told_as_a_stranger(&mut self, of: &WorkspaceId) -> (Code, String) {
        let hello = Message::Hello(Hello {
            protocol_min: 1,
            protocol_max: 1,
            workspace: workspace_tag(of, &self.peer.handshake_hash),
            features: 0,
            cursor_digest: [0; 16],
            membership_digest: [0; 16],
            common: None,
            max_envelope: 1_000_000,
            role: 0,
        });
        let proof = Message::Proof {
            records: Vec::new(),
        };
        self.say(&encode_batch(&[hello, proof]).unwrap()).await;
        let answer = decode_batch(&self.hear().await.unwrap()).unwrap();
        match &answer[..] {
            [Message::Error { code, detail, .. }] => (*code, detail.clone()),
            _ => panic!("an error and nothing else was expected, not {answer:?}"),
        }
    }

    pub(crate) async fn say(&mut self, frame: &[u8]) {
        let sealed = self.channel.seal(frame).unwrap();
        send(&mut self.socket, sealed).await;
    }

    /// The next frame, or `None` when the other side has closed.
    pub(crate) async fn hear(&mut self) -> Option<Vec<u8>> {
        let sealed = receive(&mut self.socket).await?;
        Some(self.channel.open(&sealed).unwrap())
    }
}

struct Fixed(u8);

impl Randomness for Fixed {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(self.0);
    }
}

async fn send(socket: &mut RawSocket, message: Vec<u8>) {
    socket.send(Frame::binary(message)).await.unwrap();
}

async fn receive(socket: &mut RawSocket) -> Option<Vec<u8>> {
    while let Some(Ok(message)) = socket.next().await {
        if let Frame::Binary(bytes) = message {
            return Some(bytes.into());
        }
    }
    None
}

/// Records with keys, to be imported.
pub(crate) fn shops(numbers: std::ops::Range<u32>) -> Vec<(Option<RecordId>, Fields)> {
    let row = |n: u32| {
        let key = n.to_string();
        let name = Value::String(format!("shop number {n}"));
        let fields = Fields::from([
            ("key".to_owned(), Value::String(key.clone())),
            ("name".to_owned(), name),
        ]);
        (Some(RecordId::from_key("shops", &[&key])), fields)
    };
    numbers.map(row).collect()
}
