//! A device whose disk is memory: what of it stays when its process ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use driftless_engine::{
    Clock, EngineError, JoinOutput, Joiner, Millis, Parts, Remains, Replica, SessionFailure,
    SessionOutput, Side, Wishes, history_codec, mend_journal,
};
use driftless_protocol::{DeviceKey, InviteLink, Randomness};
use driftless_store::{
    Batch, Frame, FrameKind, Journal, JournalError, KnownEnd, Kv, KvError, MemoryFiles, MemoryKv,
    Mending, Position, Visit,
};

use crate::ills::Ills;
use crate::wire::start_of;

/// Where the clock of a new device stands, in milliseconds: the autumn of 2026.
pub const START_MS: Millis = 1_790_000_000_000;

/// A frame of a journal that holds a membership record, as docs/format.md says.
pub const RECORD_FRAME: FrameKind = FrameKind(2);

/// Whether a frame of a journal holds an envelope, as docs/format.md says: one that came, or one that was written here.
pub fn holds_envelope(kind: FrameKind) -> bool {
    [FrameKind(1), FrameKind(4)].contains(&kind)
}

/// A clock that stands still until it is moved; clones are one clock.
#[derive(Clone, Debug)]
pub struct Hand(pub Arc<AtomicI64>);

impl Hand {
    /// A clock that shows this time.
    pub fn at(now: Millis) -> Self {
        Self(Arc::new(AtomicI64::new(now)))
    }

    /// Lets time pass.
    pub fn advance(&self, by_ms: Millis) {
        self.0.fetch_add(by_ms, Ordering::Relaxed);
    }

    /// Sets the time.
    pub fn set(&self, now: Millis) {
        self.0.store(now, Ordering::Relaxed);
    }
}

impl Clock for Hand {
    fn now(&self) -> Millis {
        self.0.load(Ordering::Relaxed)
    }
}

/// Bytes that are never the same twice, and the same in every run.
#[derive(Debug)]
pub struct Counted {
    seed: [u8; 32],
    process: u64,
    count: u64,
}

impl Randomness for Counted {
    fn fill(&mut self, bytes: &mut [u8]) {
        self.count += 1;
        let mut hash = blake3::Hasher::new_keyed(&self.seed);
        hash.update(&self.process.to_le_bytes());
        hash.update(&self.count.to_le_bytes());
        hash.finalize_xof().fill(bytes);
    }
}

/// One device: what stays when its process ends.
#[derive(Debug)]
pub struct Device {
    /// The journal's files.
    pub files: MemoryFiles,
    /// What is wrong with the disk they lie on.
    pub ills: Ills,
    /// The store.
    pub kv: MemoryKv,
    /// What its key and its randomness come from.
    pub seed: [u8; 32],
    /// Its clock.
    pub clock: Hand,
    /// How many processes it had, those of its copies included: no two have the same randomness.
    pub processes: Arc<AtomicU64>,
}

impl Device {
    /// A device without a workspace; devices of different numbers have different keys.
    pub fn new(n: u8) -> Self {
        Self {
            files: MemoryFiles::new(),
            ills: Ills::default(),
            kv: MemoryKv::new(),
            seed: [n; 32],
            clock: Hand::at(START_MS),
            processes: Arc::default(),
        }
    }

    /// Its key.
    pub fn key(&self) -> DeviceKey {
        DeviceKey::from_seed(&self.seed)
    }

    /// Randomness for another process on it.
    pub fn randomness(&self) -> Counted {
        Counted {
            seed: self.seed,
            process: self.processes.fetch_add(1, Ordering::Relaxed),
            count: 0,
        }
    }

    /// What a process on it works with.
    pub fn parts(&self, journal: Journal) -> Parts {
        Parts {
            journal,
            kv: Box::new(self.kv.clone()),
            key: self.key(),
            clock: Arc::new(self.clock.clone()),
            randomness: Box::new(self.randomness()),
        }
    }

    /// The same device with a copy of its journal as it is now, and with an empty store.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self {
            files: self.files.duplicate(),
            ills: Ills::default(),
            kv: MemoryKv::new(),
            seed: self.seed,
            clock: self.clock.clone(),
            processes: self.processes.clone(),
        }
    }

    /// Starts a workspace of its own.
    ///
    /// # Panics
    ///
    /// Where that fails.
    pub fn create(&self, name: &str) -> Replica {
        let journal = Journal::create(self.ills.on(&self.files)).expect("the folder is empty");
        Replica::create(self.parts(journal), name).expect("nothing is in the way")
    }

    /// A new process on the same folder.
    ///
    /// # Panics
    ///
    /// Where it does not open.
    #[track_caller]
    pub fn open(&self) -> Replica {
        self.try_open().expect("the folder opens")
    }

    /// The same, or why it does not open.
    pub fn try_open(&self) -> Result<Replica, EngineError> {
        let (journal, _) = Journal::open_asking(self.ills.on(&self.files), &mut || {
            Remains::of(&self.kv).map_or(KnownEnd::Unknown, |remains| remains.known_end())
        })?;
        Replica::open(self.parts(journal), &mut |_| ())
    }

    /// Mends the journal, in the order in which a database does, and derives everything again in `kv`, an empty store.
    ///
    /// # Panics
    ///
    /// Where mending says that somebody ended it.
    pub fn repair(&mut self, kv: MemoryKv) -> Result<Replica, EngineError> {
        let files = || Box::new(self.files.clone());
        let remains = Remains::of(&self.kv)?;
        let mended = mend_journal(files(), &remains, &mut |_| Visit::Continue)?;
        let mended = mended.expect("nobody ends it");
        let mut parts = self.parts(mended.journal);
        parts.kv = Box::new(kv.clone());
        let mut replica = Replica::open(parts, &mut |_| ())?;
        replica.note_lost(&remains)?;
        replica.commit_group()?;
        Mending::of(files(), history_codec(), KnownEnd::Unknown).finish()?;
        self.kv = kv;
        Ok(replica)
    }

    /// The frames of the journal as it is on disk, packed or not.
    pub fn frames(&self) -> Result<Vec<Frame>, JournalError> {
        let (journal, _) = Journal::open(Box::new(self.files.duplicate()))?;
        journal.unpack_with(history_codec());
        let mut frames = Vec::new();
        journal.replay::<JournalError>(Position::START, &mut |frame| {
            frames.push(frame);
            Ok(Visit::Continue)
        })?;
        Ok(frames)
    }

    /// All keys of the store.
    ///
    /// # Panics
    ///
    /// Where the store does not read.
    pub fn keys(&self) -> Vec<Vec<u8>> {
        let mut keys = Vec::new();
        let read = self.kv.read(&mut |snapshot| {
            snapshot.scan(&[], None, &mut |key, _| {
                keys.push(key.to_vec());
                Visit::Continue
            })
        });
        read.expect("the store reads");
        keys
    }

    /// A store with the same content.
    ///
    /// # Panics
    ///
    /// Where the store does not read.
    pub fn copy_of_store(&self) -> MemoryKv {
        let copy = MemoryKv::new();
        copy_store(&self.kv, &copy).expect("the store reads");
        copy
    }

    /// Joins by a link, through a member.
    ///
    /// # Panics
    ///
    /// Where the member fails otherwise than by refusing.
    pub fn join(
        &self,
        member: &mut Replica,
        link: &InviteLink,
        name: &str,
    ) -> Result<Replica, SessionFailure> {
        let hash = [7; 32];
        let mut joiner = Joiner::new(link, &self.key(), name, &hash);
        let peer = self.key().device_id();
        let session = member.start_session(start_of(Side::Listener, peer, hash, Wishes::default()));
        loop {
            match joiner.poll() {
                Some(JoinOutput::Send(frame)) => {
                    member.handle_frame(session, &frame, self.clock.now());
                    member.commit_group().expect("the member commits");
                }
                Some(JoinOutput::Joined(records)) => {
                    let journal =
                        Journal::create(self.ills.on(&self.files)).expect("the folder is empty");
                    let replica = Replica::create_joined(self.parts(journal), records);
                    return Ok(replica.expect("what a member sent admits"));
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

/// Puts all that one store holds into another.
pub fn copy_store(from: &MemoryKv, to: &MemoryKv) -> Result<(), KvError> {
    let mut batch = Batch::new();
    from.read(&mut |snapshot| {
        snapshot.scan(&[], None, &mut |key, value| {
            batch.put(key, value);
            Visit::Continue
        })
    })?;
    to.apply(&batch)?;
    to.flush()
}
