//! What the stories share.

use std::path::Path;

use driftless::{
    Conflict, ConflictFilter, Database, DeviceKey, InviteOptions, Options, RecordId, Server, Status,
};
use driftless_protocol::{Channel, Handshake, PeerIdentity, Randomness};
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

pub(crate) const LOOPBACK: &str = "127.0.0.1:0";

pub(crate) fn scratch() -> TempDir {
    tempfile::tempdir().unwrap()
}

pub(crate) async fn created(dir: &Path, name: &str) -> Database {
    Database::create(dir, Options::named(name)).await.unwrap()
}

pub(crate) async fn opened(dir: &Path) -> Database {
    Database::open(dir, Options::default()).await.unwrap()
}

/// Two members of one workspace, the first of which serves.
pub(crate) struct Two {
    pub(crate) a: Database,
    pub(crate) b: Database,
    pub(crate) server: Server,
    pub(crate) folder: TempDir,
}

pub(crate) async fn two() -> Two {
    let folder = scratch();
    let a = created(&folder.path().join("a"), "a").await;
    let server = a.sync().serve(LOOPBACK).await.unwrap();
    let link = invitation(&a, &server).await;
    let b = Database::join(folder.path().join("b"), &link, Options::named("b"))
        .await
        .unwrap();
    Two {
        a,
        b,
        server,
        folder,
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
    socket.send(Message::binary(message)).await.unwrap();
}

async fn receive(socket: &mut RawSocket) -> Option<Vec<u8>> {
    while let Some(Ok(message)) = socket.next().await {
        if let Message::Binary(bytes) = message {
            return Some(bytes.into());
        }
    }
    None
}
