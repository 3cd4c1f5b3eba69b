//! Replicas over memory, and a wire between them that can be looked at.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use driftless_document::{Node, RecordId, Value, parse_record};
use driftless_engine::{
    Clock, ConflictFilter, Edit, JoinOutput, Joiner, Millis, Parts, Replica, SessionFailure,
    SessionOutput, SessionStart, SessionSummary, Side, Wishes,
};
use driftless_protocol::{DeviceKey, Hello, InviteLink, Message, Randomness, workspace_tag};
use driftless_store::{Batch, Journal, Kv, MemoryFiles, MemoryKv, Visit};

/// A clock that stands still until it is moved.
#[derive(Clone)]
pub(crate) struct Hand(pub(crate) Arc<AtomicI64>);

impl Hand {
    pub(crate) fn advance(&self, by_ms: Millis) {
        self.0.fetch_add(by_ms, Ordering::Relaxed);
    }
}

impl Clock for Hand {
    fn now(&self) -> Millis {
        self.0.load(Ordering::Relaxed)
    }
}

/// Bytes that are never the same twice, and the same in every run.
pub(crate) struct Counted(u64);

static NEXT_SOURCE: AtomicU64 = AtomicU64::new(1);

impl Counted {
    pub(crate) fn fresh() -> Self {
        Self(NEXT_SOURCE.fetch_add(1, Ordering::Relaxed) << 32)
    }
}

impl Randomness for Counted {
    fn fill(&mut self, bytes: &mut [u8]) {
        self.0 += 1;
        let mut hash = blake3::Hasher::new();
        hash.update(&self.0.to_le_bytes());
        hash.finalize_xof().fill(bytes);
    }
}

/// One device: what stays when its process ends.
pub(crate) struct Device {
    pub(crate) files: MemoryFiles,
    pub(crate) kv: MemoryKv,
    pub(crate) seed: [u8; 32],
    pub(crate) clock: Hand,
}

impl Device {
    pub(crate) fn new(n: u8) -> Self {
        Self {
            files: MemoryFiles::new(),
            kv: MemoryKv::new(),
            seed: [n; 32],
            clock: Hand(Arc::new(AtomicI64::new(1_790_000_000_000))),
        }
    }

    pub(crate) fn key(&self) -> DeviceKey {
        DeviceKey::from_seed(&self.seed)
    }

    fn parts(&self, journal: Journal) -> Parts {
        Parts {
            journal,
            kv: Box::new(self.kv.clone()),
            key: self.key(),
            clock: Arc::new(self.clock.clone()),
            randomness: Box::new(Counted::fresh()),
        }
    }

    pub(crate) fn create(&self, name: &str) -> Replica {
        let journal = Journal::create(Box::new(self.files.clone())).unwrap();
        Replica::create(self.parts(journal), name).unwrap()
    }

    /// A new process on the same folder.
    pub(crate) fn open(&self) -> Replica {
        let (journal, _) = Journal::open(Box::new(self.files.clone())).unwrap();
        Replica::open(self.parts(journal), &mut |_| ()).unwrap()
    }

    pub(crate) fn try_open(&self) -> Result<Replica, driftless_engine::EngineError> {
        let (journal, _) = Journal::open(Box::new(self.files.clone())).unwrap();
        Replica::open(self.parts(journal), &mut |_| ())
    }

    /// All keys of the store.
    pub(crate) fn keys(&self) -> Vec<Vec<u8>> {
        let mut keys = Vec::new();
        self.kv
            .read(&mut |snapshot| {
                snapshot.scan(&[], None, &mut |key, _| {
                    keys.push(key.to_vec());
                    Visit::Continue
                })
            })
            .unwrap();
        keys
    }

    /// A store with the same content.
    pub(crate) fn copy_of_store(&self) -> MemoryKv {
        let copy = MemoryKv::new();
        let mut batch = Batch::new();
        for key in self.keys() {
            let value = self.kv.get(&key).unwrap().unwrap();
            batch.put(key, value);
        }
        copy.apply(&batch).unwrap();
        copy
    }

    /// Joins by a link, through a member.
    pub(crate) fn join(
        &self,
        member: &mut Replica,
        link: &InviteLink,
        name: &str,
    ) -> Result<Replica, SessionFailure> {
        let hash = [7; 32];
        let mut joiner = Joiner::new(link, &self.key(), name, &hash);
        let session = member.start_session(SessionStart {
            side: Side::Listener,
            peer: self.key().device_id(),
            handshake_hash: hash,
            wishes: Wishes::default(),
        });
        loop {
            match joiner.poll() {
                Some(JoinOutput::Send(frame)) => {
                    member.handle_frame(session, &frame, self.clock.now());
                    member.commit_group().unwrap();
                }
                Some(JoinOutput::Joined(records)) => {
                    let journal = Journal::create(Box::new(self.files.clone())).unwrap();
                    return Ok(Replica::create_joined(self.parts(journal), records).unwrap());
                }
                Some(JoinOutput::Failed(failure)) => return Err(failure),
                Some(_) => unreachable!("no other output"),
                None => match member.poll_session(session) {
                    Some(SessionOutput::Send(frame)) => joiner.handle_frame(&frame),
                    Some(_) => {}
                    None => panic!("joining stalls"),
                },
            }
        }
    }
}

/// What a sync did, as the dialer sees it.
#[derive(Debug)]
pub(crate) struct Synced {
    pub(crate) summary: SessionSummary,
    /// Frame sizes, the dialer's and the listener's in turn as they were sent.
    pub(crate) bytes: usize,
}

/// Syncs two replicas to the end, or until a side fails.
pub(crate) fn sync(dialer: &mut Replica, listener: &mut Replica) -> Result<Synced, SessionFailure> {
    sync_until(dialer, listener, usize::MAX).map(|synced| synced.expect("not cut"))
}

/// The same, but the link is cut after some frames: `None` then.
pub(crate) fn sync_until(
    dialer: &mut Replica,
    listener: &mut Replica,
    frames: usize,
) -> Result<Option<Synced>, SessionFailure> {
    static HANDSHAKES: AtomicU64 = AtomicU64::new(0);
    let mut handshake_hash = [0; 32];
    let n = HANDSHAKES.fetch_add(1, Ordering::Relaxed);
    handshake_hash[..8].copy_from_slice(&n.to_le_bytes());
    let (d, l) = (dialer.device(), listener.device());
    let start = |side, peer| SessionStart {
        side,
        peer,
        handshake_hash,
        wishes: Wishes::default(),
    };
    let dialing = dialer.start_session(start(Side::Dialer, l));
    let listening = listener.start_session(start(Side::Listener, d));
    let (mut bytes, mut sent) = (0, 0);
    let mut result = None;
    let mut failure = None;
    loop {
        let mut moved = false;
        while let Some(output) = dialer.poll_session(dialing) {
            moved = true;
            match output {
                SessionOutput::Send(frame) if sent < frames => {
                    sent += 1;
                    bytes += frame.len();
                    listener.handle_frame(listening, &frame, 1_790_000_000_000);
                    listener.commit_group().unwrap();
                }
                SessionOutput::Finished(summary) => result = Some(summary),
                SessionOutput::Failed(why) => failure = Some(why),
                _ => {}
            }
        }
        while let Some(output) = listener.poll_session(listening) {
            moved = true;
            match output {
                SessionOutput::Send(frame) if sent < frames => {
                    sent += 1;
                    bytes += frame.len();
                    dialer.handle_frame(dialing, &frame, 1_790_000_000_000);
                    dialer.commit_group().unwrap();
                }
                SessionOutput::Failed(why) if failure.is_none() => failure = Some(why),
                _ => {}
            }
        }
        if !moved {
            break;
        }
    }
    dialer.end_session(dialing).unwrap();
    listener.end_session(listening).unwrap();
    dialer.commit_group().unwrap();
    listener.commit_group().unwrap();
    if let Some(failure) = failure {
        return Err(failure);
    }
    match result {
        Some(summary) => Ok(Some(Synced { summary, bytes })),
        None if sent >= frames => Ok(None),
        None => panic!("the session stalls"),
    }
}

pub(crate) fn insert(replica: &mut Replica, json: &str) -> RecordId {
    let (id, _) = replica
        .insert("notes", parse_record(json).unwrap())
        .unwrap();
    replica.commit_group().unwrap();
    id
}

pub(crate) fn set(replica: &mut Replica, id: RecordId, path: &str, value: &str) {
    let edit = Edit::Set {
        path: driftless_document::FieldPath::parse(path).unwrap(),
        node: Node::Leaf(Value::String(value.into())),
    };
    replica.edit("notes", id, &[edit]).unwrap();
    replica.commit_group().unwrap();
}

pub(crate) fn text(replica: &Replica, id: RecordId, path: &str) -> Option<Value> {
    replica
        .get("notes", id)
        .unwrap()
        .unwrap()
        .fields
        .get(path)
        .cloned()
}

/// Two devices of one workspace, synced.
pub(crate) fn two() -> (Device, Replica, Device, Replica) {
    let (a, b) = (Device::new(1), Device::new(2));
    let mut laptop = a.create("laptop");
    let link = laptop.invite("ws://127.0.0.1:1", 1, 60_000).unwrap();
    laptop.commit_group().unwrap();
    let mut phone = b.join(&mut laptop, &link, "phone").unwrap();
    sync(&mut phone, &mut laptop).unwrap();
    (a, laptop, b, phone)
}

/// Everything two equal replicas must have in common, and that each is what its journal says.
#[track_caller]
pub(crate) fn assert_equal(a: &Replica, b: &Replica) {
    assert_eq!(a.digest().unwrap(), b.digest().unwrap());
    let all = ConflictFilter::default();
    assert_eq!(a.conflicts(&all).unwrap(), b.conflicts(&all).unwrap());
    for replica in [a, b] {
        assert_eq!(
            replica.verify(&mut |_| ()).unwrap().problems,
            Vec::<String>::new()
        );
    }
}

/// A Hello over the handshake hash of fives, that agrees with nothing else.
pub(crate) fn hello(replica: &Replica) -> Message {
    Message::Hello(Hello {
        protocol_min: 1,
        protocol_max: 1,
        workspace: workspace_tag(&replica.workspace(), &[5; 32]),
        features: 0,
        cursor_digest: [1; 16],
        membership_digest: [2; 16],
        common: None,
        max_envelope: 1,
        role: 0,
    })
}
