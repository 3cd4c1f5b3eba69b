//! A link between two replicas that can be looked at, held up, spoilt and cut at any frame.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use driftless_engine::{
    EngineError, Millis, Replica, SessionFailure, SessionId, SessionOutput, SessionStart,
    SessionSummary, Side, Wishes,
};
use driftless_protocol::{DeviceId, Hello, WorkspaceId, workspace_tag};

use crate::device::START_MS;

/// The place of the dialer in what is kept for each side.
pub const DIALER: usize = 0;
/// The place of the listener.
pub const LISTENER: usize = 1;

/// What a finished handshake says.
pub fn start_of(
    side: Side,
    peer: DeviceId,
    handshake_hash: [u8; 32],
    wishes: Wishes,
) -> SessionStart {
    SessionStart {
        side,
        peer,
        handshake_hash,
        wishes,
    }
}

/// The greeting of one who agrees with nobody yet, over a handshake with this hash.
pub fn hello(workspace: &WorkspaceId, handshake_hash: &[u8; 32]) -> Hello {
    Hello {
        protocol_min: 1,
        protocol_max: 1,
        workspace: workspace_tag(workspace, handshake_hash),
        features: 0,
        cursor_digest: [1; 16],
        membership_digest: [2; 16],
        common: None,
        max_envelope: 1,
        role: 0,
    }
}

/// How a session ended on one side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Both sides have everything.
    Finished(SessionSummary),
    /// It was given up.
    Failed(SessionFailure),
}

/// A connection of two replicas, and the frames on their way.
///
/// It carries frames in order, as a channel does; what else may happen to them is up to who holds it.
#[derive(Debug)]
pub struct Link {
    sessions: [SessionId; 2],
    /// Frames on their way to each side.
    pub in_flight: [VecDeque<Vec<u8>>; 2],
    /// How the session ended on each side.
    pub ended: [Option<Ended>; 2],
    /// Whether each side has said that both have what there was, and stays.
    pub caught_up: [bool; 2],
    /// Whether each side may have something to send: a frame has reached it, or it has said so.
    pub due: [bool; 2],
}

impl Link {
    /// Opens a session on each of two replicas; `wishes` are the dialer's and the listener's.
    pub fn open(
        dialer: &mut Replica,
        listener: &mut Replica,
        handshake_hash: [u8; 32],
        wishes: [Wishes; 2],
    ) -> Self {
        let (d, l) = (dialer.device(), listener.device());
        let start = |side, peer, wishes| start_of(side, peer, handshake_hash, wishes);
        let dialing = dialer.start_session(start(Side::Dialer, l, wishes[DIALER]));
        let listening = listener.start_session(start(Side::Listener, d, wishes[LISTENER]));
        Self {
            sessions: [dialing, listening],
            in_flight: [VecDeque::new(), VecDeque::new()],
            ended: [None, None],
            caught_up: [false, false],
            due: [true, true],
        }
    }

    /// A side's name for the session.
    pub fn session(&self, side: usize) -> SessionId {
        self.sessions[side]
    }

    /// Takes what a side wants to send; says whether there was anything.
    pub fn drain(&mut self, side: usize, replica: &mut Replica) -> bool {
        let mut any = false;
        self.due[side] = false;
        while let Some(output) = replica.poll_session(self.sessions[side]) {
            any = true;
            match output {
                SessionOutput::Send(frame) => self.in_flight[1 - side].push_back(frame),
                SessionOutput::CaughtUp(_) => self.caught_up[side] = true,
                SessionOutput::Finished(summary) => {
                    self.ended[side] = Some(Ended::Finished(summary));
                }
                SessionOutput::Failed(failure) => self.ended[side] = Some(Ended::Failed(failure)),
                _ => {}
            }
        }
        any
    }

    /// Hands a side the next frame on its way to it, and commits what that brought; `None` if there is none.
    pub fn deliver(
        &mut self,
        side: usize,
        replica: &mut Replica,
        now: Millis,
    ) -> Result<Option<Vec<u8>>, EngineError> {
        let Some(frame) = self.in_flight[side].pop_front() else {
            return Ok(None);
        };
        self.due[side] = true;
        replica.handle_frame(self.sessions[side], &frame, now);
        replica.commit_group()?;
        Ok(Some(frame))
    }

    /// Whether frames are on their way.
    pub fn is_busy(&self) -> bool {
        self.in_flight.iter().any(|frames| !frames.is_empty())
    }

    /// Tells a side that the connection is gone.
    pub fn close(&self, side: usize, replica: &mut Replica) -> Result<(), EngineError> {
        replica.end_session(self.sessions[side])?;
        replica.commit_group()
    }

    fn failures(&self) -> impl Iterator<Item = &SessionFailure> {
        self.ended.iter().flatten().filter_map(|ended| match ended {
            Ended::Failed(failure) => Some(failure),
            Ended::Finished(_) => None,
        })
    }

    /// Why it failed, where it did: as the dialer says it, if it knows.
    pub fn failure(&self) -> Option<&SessionFailure> {
        self.failures().next()
    }

    /// The same, with what the side that gave it up says of it.
    pub fn explained_failure(&self) -> Option<SessionFailure> {
        let by = self.failures().find(|failure| !failure.by_peer);
        let mut failure = self.failure()?.clone();
        if let Some(by) = by {
            failure.detail.clone_from(&by.detail);
        }
        Some(failure)
    }

    /// What it did as one side saw it, where it came to its end there.
    pub fn summary(&self, side: usize) -> Option<SessionSummary> {
        match &self.ended[side] {
            Some(Ended::Finished(summary)) => Some(*summary),
            _ => None,
        }
    }
}

/// What a sync did, as the dialer sees it.
#[derive(Debug)]
pub struct Synced {
    /// What the dialer says of it.
    pub summary: SessionSummary,
    /// Bytes of all frames, of both sides.
    pub bytes: usize,
}

/// Syncs two replicas to the end, or until a side fails; what lay on a branch is issued again then.
///
/// # Panics
///
/// As [`sync_until`].
#[track_caller]
pub fn sync(dialer: &mut Replica, listener: &mut Replica) -> Result<Synced, SessionFailure> {
    sync_until(dialer, listener, usize::MAX).map(|synced| synced.expect("not cut"))
}

/// The same, but the link is cut after some frames: `None` then.
///
/// # Panics
///
/// Where a replica does not commit, or the session stalls: nothing is on its way, and it is not over.
#[track_caller]
pub fn sync_until(
    dialer: &mut Replica,
    listener: &mut Replica,
    frames: usize,
) -> Result<Option<Synced>, SessionFailure> {
    static HANDSHAKES: AtomicU64 = AtomicU64::new(0);
    let mut handshake_hash = [0; 32];
    let n = HANDSHAKES.fetch_add(1, Ordering::Relaxed);
    handshake_hash[..8].copy_from_slice(&n.to_le_bytes());
    let mut link = Link::open(dialer, listener, handshake_hash, [Wishes::default(); 2]);
    let (mut bytes, mut sent) = (0, 0);
    loop {
        let polled = [link.drain(DIALER, dialer), link.drain(LISTENER, listener)];
        if polled == [false, false] && !link.is_busy() {
            break;
        }
        for side in [LISTENER, DIALER] {
            let replica: &mut Replica = if side == DIALER { dialer } else { listener };
            while sent < frames {
                let delivered = link.deliver(side, replica, START_MS);
                let Some(frame) = delivered.expect("the replica commits") else {
                    break;
                };
                sent += 1;
                bytes += frame.len();
            }
            if sent >= frames {
                link.in_flight[side].clear();
            }
        }
    }
    link.close(DIALER, dialer).expect("the dialer commits");
    link.close(LISTENER, listener)
        .expect("the listener commits");
    if let Some(failure) = link.explained_failure() {
        return Err(failure);
    }
    if link.summary(DIALER).is_some() {
        dialer.reissue().expect("the dialer issues again");
        listener.reissue().expect("the listener issues again");
    }
    match link.summary(DIALER) {
        Some(summary) => Ok(Some(Synced { summary, bytes })),
        None if sent >= frames => Ok(None),
        None => panic!("the session stalls"),
    }
}
