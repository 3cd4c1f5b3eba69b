//! Sessions: two replicas that bring each other up to date, both sides alike.
//!
//! In this order: `Hello` both ways; where they differ, membership records; where they differ, cursors, and from
//! them the envelopes each side lacks, in the sender's commit order, which is causal; acknowledgements once the
//! journal has them; `Done`. Equal replicas say `Hello` and are done.
//!
//! A session that both sides wish to be live stays open then: what either commits or hears of goes out at once.
//!
//! A session's inputs are [`Replica::start_session`], [`Replica::handle_frame`] and [`Replica::end_session`]; its
//! outputs are drained with [`Replica::poll_session`] until there are none, after [`Replica::commit_group`];
//! [`Replica::take_awakened`] then names the sessions that have more to say because of it.

mod dismiss;
mod dispute;
mod exchange;
mod greet;
mod joiner;
mod live;
mod outgoing;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use driftless_protocol::{
    Assembler, Batcher, Code, CursorMark, DeviceId, FeedId, Hash, HeldRun, Hello, Message, Refusal,
    decode_batch, limits as wire,
};

pub(crate) use live::{Awakened, Heard, News};
pub(crate) use outgoing::Outgoing;

pub use dismiss::DismissedSessions;
pub use joiner::{JoinOutput, Joiner};

use crate::clock::Millis;
use crate::error::EngineError;
use crate::replica::Replica;
use greet::Proof;

/// Names a session of one replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SessionId(u64);

/// Which side opened the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// This one: it speaks first.
    Dialer,
    /// The other: this one says nothing before it knows who asks.
    Listener,
}

/// What a finished handshake says.
#[derive(Clone, Copy, Debug)]
pub struct SessionStart {
    /// Which side opened the connection.
    pub side: Side,
    /// The device at the other end.
    pub peer: DeviceId,
    /// The hash of the handshake.
    pub handshake_hash: [u8; 32],
    /// What this side wants of the session.
    pub wishes: Wishes,
}

/// What one side wants of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wishes {
    /// To stay open when both have everything, where the other side wishes so too.
    pub live: bool,
    /// To send envelopes.
    pub push: bool,
    /// To take envelopes.
    pub pull: bool,
}

impl Default for Wishes {
    fn default() -> Self {
        Self {
            live: false,
            push: true,
            pull: true,
        }
    }
}

/// What a session wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionOutput {
    /// Send this as one message of the channel.
    Send(Vec<u8>),
    /// More was received, and is durable.
    Progress(SyncProgress),
    /// Both sides have what there was; the session stays open for what comes.
    CaughtUp(SessionSummary),
    /// Both sides have everything; the dialer closes.
    Finished(SessionSummary),
    /// The session is over; close.
    Failed(SessionFailure),
}

/// How far a session is, in records; one that came twice counts twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyncProgress {
    /// Records sent and acknowledged.
    pub records_sent: u64,
    /// Records received and durable.
    pub records_received: u64,
    /// Records that the peer lacked when the two compared; 0 before that.
    pub records_to_send: u64,
    /// Records that this side lacked, as the peer announced; 0 before that.
    pub records_to_receive: u64,
}

/// What a session did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionSummary {
    /// Records sent and acknowledged.
    pub records_sent: u64,
    /// Records received and durable.
    pub records_received: u64,
    /// Envelopes sent and acknowledged.
    pub envelopes_sent: u64,
    /// Envelopes received and durable.
    pub envelopes_received: u64,
    /// How often this side waited for an answer.
    pub round_trips: u64,
    /// Whether this session only let a device join.
    pub joined: bool,
    /// Envelopes that this side has issued again when it was over, as [`Replica::reissue`] counts them: for the next
    /// session to send. Whoever calls that sets it.
    pub reissued: u64,
}

/// Why a session ended early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionFailure {
    /// Why.
    pub code: Code,
    /// Whether the other side said so.
    pub by_peer: bool,
    /// More about it, for logs.
    pub detail: String,
    /// After how many seconds the peer wants to be asked again; 0 when it does not say.
    pub retry_after_s: u32,
}

/// Why a session stops: to be told to the peer.
pub(crate) type Stop = (Code, String);

/// One session, from its first message to its last.
pub(crate) struct Session {
    start: SessionStart,
    /// What this side said of itself.
    hello: Option<Hello>,
    /// What the other side said of itself.
    peer_hello: Option<Hello>,
    stage: Stage,
    /// The membership heads both sides had in their Hellos; empty if they differed.
    agreed: Vec<Hash>,
    membership: BothWays,
    /// Membership records the peer sent.
    records_received: usize,
    /// The feeds of the cursor this side sent.
    cursor_sent: Option<BTreeSet<FeedId>>,
    cursor: PeerCursor,
    positions: Positions,
    /// The search for where a feed went on in two ways.
    dispute: Option<dispute::Dispute>,
    /// How many headers the peer was given for such a search.
    headers_given: usize,
    /// What the peer lacks, once that has been worked out.
    plan: Option<VecDeque<News>>,
    /// How many of the plan, from its front on, the peer lacked when the two compared.
    backlog: usize,
    /// What was committed since the greeting, as long as there is no plan to add it to.
    fresh: VecDeque<News>,
    /// Sent and not acknowledged: records of each.
    in_flight: BTreeMap<(FeedId, u64), u64>,
    /// Bytes of envelopes the peer takes yet; below zero after a large one.
    credit: i64,
    /// Bytes of envelopes the peer was allowed in all, and has sent.
    granted: u64,
    taken: u64,
    outbox: VecDeque<Outbound>,
    assembler: Assembler,
    held: Vec<HeldRun>,
    refused: Vec<Refusal>,
    /// As of which judging the peer was told what is refused no more.
    corrected: Option<u64>,
    done: BothWays,
    /// What the peer has sent in this session, so that it is not sent back.
    received: BTreeMap<FeedId, u64>,
    /// What the peer is known to hold when this session comes to its end.
    peer_holds: BTreeMap<FeedId, u64>,
    /// The membership records that both sides had when they compared.
    shared: BTreeSet<Hash>,
    /// The log as it would be with what a device that is not known yet has sent to prove itself.
    proof: Option<Box<Proof>>,
    /// Records and envelopes received in groups that are not acknowledged yet.
    summary: SessionSummary,
    to_send: u64,
    to_receive: u64,
    reported: SyncProgress,
    sent_since_received: bool,
    ended: Option<SessionOutput>,
    closed: bool,
}

/// How far a session has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Not both Hellos are known, or not yet that the peer is a member.
    Greeting,
    /// The two compare, and send each other what is missing.
    Exchanging,
    /// Both have what there was.
    CaughtUp,
}

/// What waits to be sent.
enum Outbound {
    Message(Message),
    /// A finished frame that other sessions send too.
    Frame(Arc<[u8]>),
}

/// Something that both sides say.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BothWays {
    sent: bool,
    received: bool,
}

/// The peer's cursor, as far as it came.
#[derive(Clone, Debug, Default)]
struct PeerCursor {
    marks: Vec<CursorMark>,
    complete: bool,
}

/// What each side has of the other's feeds beyond its own cursor, where cursors alone leave that open.
#[derive(Clone, Debug, Default)]
struct Positions {
    /// Whether the cursors have been compared, and ours sent if it was needed.
    compared: bool,
    awaited: bool,
    /// What ours said.
    said: BTreeMap<FeedId, u64>,
    /// How many messages came.
    heard: u8,
    received: Vec<CursorMark>,
}

impl Session {
    fn new(start: SessionStart) -> Self {
        Self {
            start,
            hello: None,
            peer_hello: None,
            stage: Stage::Greeting,
            agreed: Vec::new(),
            membership: BothWays::default(),
            records_received: 0,
            cursor_sent: None,
            cursor: PeerCursor::default(),
            positions: Positions::default(),
            dispute: None,
            headers_given: 0,
            plan: None,
            backlog: 0,
            fresh: VecDeque::new(),
            in_flight: BTreeMap::new(),
            credit: i64::from(wire::CREDIT_AT_FIRST),
            granted: u64::from(wire::CREDIT_AT_FIRST),
            taken: 0,
            outbox: VecDeque::new(),
            assembler: Assembler::new(),
            held: Vec::new(),
            refused: Vec::new(),
            corrected: None,
            done: BothWays::default(),
            received: BTreeMap::new(),
            peer_holds: BTreeMap::new(),
            shared: BTreeSet::new(),
            proof: None,
            summary: SessionSummary::default(),
            to_send: 0,
            to_receive: 0,
            reported: SyncProgress::default(),
            sent_since_received: false,
            ended: None,
            closed: false,
        }
    }

    fn fail(&mut self, (code, detail): Stop) {
        if self.closed {
            return;
        }
        self.outbox.clear();
        self.say(Message::Error {
            code,
            detail: String::new(),
            retry_after_s: 0,
        });
        self.end(SessionOutput::Failed(SessionFailure {
            code,
            by_peer: false,
            detail,
            retry_after_s: 0,
        }));
    }

    fn end(&mut self, output: SessionOutput) {
        self.closed = true;
        self.ended = Some(output);
    }

    /// Whether both sides have everything the other had when they compared.
    fn is_complete(&self) -> bool {
        self.stage == Stage::Exchanging
            && self.outbox.is_empty()
            && (self.is_equal()
                || (self.done.sent
                    && self.done.received
                    && self.in_flight.is_empty()
                    && self.held.is_empty()
                    && self.refused.is_empty()))
    }

    /// Whether the two sides said the same of themselves.
    fn is_equal(&self) -> bool {
        self.same_membership() && self.same_cursor()
    }

    fn same_membership(&self) -> bool {
        matches!((&self.hello, &self.peer_hello), (Some(a), Some(b)) if a.membership_digest == b.membership_digest)
    }

    fn same_cursor(&self) -> bool {
        matches!((&self.hello, &self.peer_hello), (Some(a), Some(b)) if a.cursor_digest == b.cursor_digest)
    }

    fn progress(&self) -> SyncProgress {
        SyncProgress {
            records_sent: self.summary.records_sent,
            records_received: self.summary.records_received,
            records_to_send: self.to_send,
            records_to_receive: self.to_receive,
        }
    }
}

impl Replica {
    /// Begins a session over a channel whose handshake is finished.
    pub fn start_session(&mut self, start: SessionStart) -> SessionId {
        let id = SessionId(self.next_session);
        self.next_session += 1;
        let mut session = Session::new(start);
        if start.side == Side::Dialer {
            if self.core.log.is_removed(&start.peer) {
                session.fail((Code::DeviceRemoved, "the other device was removed".into()));
            } else {
                self.greet(&mut session);
            }
        }
        self.sessions.insert(id, session);
        id
    }

    /// Takes one message of the channel; what is wrong with it ends this session only.
    ///
    /// What it brings is staged: [`Replica::commit_group`] must follow before outputs are drained.
    pub fn handle_frame(&mut self, id: SessionId, frame: &[u8], now: Millis) {
        let Some(mut session) = self.sessions.remove(&id) else {
            return;
        };
        if !session.closed {
            if std::mem::take(&mut session.sent_since_received) {
                session.summary.round_trips += 1;
            }
            self.handling = Some(id);
            let outer = self.core.begin_batch();
            if let Err(stop) = self.handle_messages(&mut session, frame, now) {
                session.fail(stop);
            }
            if let Err(error) = self.core.end_batch(outer) {
                // The group fails as a whole.
                self.broken = true;
                session.fail(greet::stop_of(error));
            }
            self.handling = None;
        }
        self.sessions.insert(id, session);
    }

    fn handle_messages(
        &mut self,
        session: &mut Session,
        frame: &[u8],
        now: Millis,
    ) -> Result<(), Stop> {
        let messages = decode_batch(frame).map_err(|error| (Code::BadFrame, error.to_string()))?;
        let mut proving = false;
        for message in messages {
            proving = matches!(message, Message::Proof { .. });
            self.handle_message(session, message, now)?;
            if session.closed {
                return Ok(());
            }
        }
        if proving && self.core.log.member(&session.start.peer).is_none() {
            return Ok(()); // a long proof goes on in the next frame
        }
        self.check_greeted(session)
    }

    fn handle_message(
        &mut self,
        session: &mut Session,
        message: Message,
        now: Millis,
    ) -> Result<(), Stop> {
        match message {
            Message::Hello(hello) => self.on_hello(session, hello),
            Message::Proof { records } => self.on_proof(session, records),
            Message::Join { record } => self.on_join(session, *record, now),
            Message::Error {
                code,
                detail,
                retry_after_s,
            } => {
                if code == Code::UnknownDevice {
                    self.forget_meeting(&session.start.peer);
                }
                if code == Code::DeviceRemoved
                    && self.core.log.member(&session.start.peer).is_some()
                {
                    let noted = self.note_told_removed(&session.start.peer, true);
                    noted.map_err(greet::stop_of)?;
                }
                session.end(SessionOutput::Failed(SessionFailure {
                    code,
                    by_peer: true,
                    detail,
                    retry_after_s,
                }));
                Ok(())
            }
            Message::Bye => {
                session.end(SessionOutput::Failed(SessionFailure {
                    code: Code::ShuttingDown,
                    by_peer: true,
                    detail: String::new(),
                    retry_after_s: 0,
                }));
                Ok(())
            }
            message => {
                // The rest of a frame may follow its greeting.
                self.check_greeted(session)?;
                if session.stage == Stage::Greeting {
                    return Err((
                        Code::UnexpectedMessage,
                        "a message before the greeting".into(),
                    ));
                }
                self.on_exchange(session, message, now)
            }
        }
    }

    /// The next thing a session wants done; nothing while something waits for [`Replica::commit_group`].
    pub fn poll_session(&mut self, id: SessionId) -> Option<SessionOutput> {
        if self.broken || self.has_staged() {
            return None;
        }
        let mut session = self.sessions.remove(&id)?;
        let output = self.poll(&mut session);
        self.sessions.insert(id, session);
        output
    }

    fn poll(&mut self, session: &mut Session) -> Option<SessionOutput> {
        if !session.closed {
            let progress = session.progress();
            if progress != session.reported {
                session.reported = progress;
                return Some(SessionOutput::Progress(progress));
            }
            if let Err(stop) = self.pump(session) {
                session.fail(stop);
            }
        }
        match next_frame(session) {
            Ok(Some(frame)) => {
                session.sent_since_received = true;
                return Some(SessionOutput::Send(frame));
            }
            Ok(None) => {}
            Err(error) => {
                session.fail((Code::Bug, error.to_string()));
                return session.ended.take();
            }
        }
        if !session.closed && session.is_complete() {
            return self.complete(session);
        }
        session.ended.take()
    }

    /// Both sides have everything: the session ends, or goes on for what comes.
    fn complete(&mut self, session: &mut Session) -> Option<SessionOutput> {
        session.stage = Stage::CaughtUp;
        let whole = session.may_push() && session.start.wishes.pull;
        let now = whole.then(|| self.now());
        let peer = self.peers.entry(session.start.peer).or_default();
        // What was not to be sent, it may not have.
        let holds = if session.may_push() || session.same_cursor() {
            &session.peer_holds
        } else {
            &session.received
        };
        for (feed, n) in holds {
            peer.hold(*feed, *n);
        }
        peer.last_sync_ms = now.or(peer.last_sync_ms);
        self.peer_news += 1;
        if session.is_live() {
            return Some(SessionOutput::CaughtUp(session.summary));
        }
        session.end(SessionOutput::Finished(session.summary));
        session.ended.take()
    }

    /// Ends a session whose connection is gone, and remembers what the peer is known to hold.
    pub fn end_session(&mut self, id: SessionId) -> Result<(), EngineError> {
        let Some(session) = self.sessions.remove(&id) else {
            return Ok(());
        };
        if session.stage == Stage::Greeting {
            return Ok(());
        }
        if session.stage == Stage::CaughtUp {
            self.note_told_removed(&session.start.peer, false)?;
        }
        self.save_peer(&session.start.peer)
    }
}

/// Takes the next frame from what waits to be sent.
fn next_frame(session: &mut Session) -> Result<Option<Vec<u8>>, driftless_protocol::MessageError> {
    let mut batch = Batcher::new();
    loop {
        match session.outbox.pop_front() {
            Some(Outbound::Message(message)) => {
                if let Some(frame) = batch.push(&message)? {
                    // The frame is full without this message: it begins the next one.
                    session.outbox.push_front(Outbound::Message(message));
                    return Ok(Some(frame));
                }
            }
            Some(Outbound::Frame(frame)) => {
                if let Some(before) = batch.finish() {
                    session.outbox.push_front(Outbound::Frame(frame));
                    return Ok(Some(before));
                }
                return Ok(Some(frame.to_vec()));
            }
            None => return Ok(batch.finish()),
        }
    }
}
