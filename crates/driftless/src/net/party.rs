//! [`Party`]: the session behind a socket, of a replica or of a device that is about to join.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use driftless_engine::{
    JoinOutput, Joiner, Replica, SessionFailure, SessionId, SessionOutput, SessionStart,
    SessionSummary, SyncProgress,
};
use driftless_protocol::{DeviceId, Record};

use crate::actor::{Actor, Wake};
use crate::error::Error;
use crate::options::ProgressCallback;
use crate::progress::Progress;

/// Takes frames and gives frames, until it ends.
pub(crate) trait Party {
    /// What it gives when it ends well.
    type Done: Send + 'static;

    /// Handles frames in their order, and gives at most `room` frames to send.
    ///
    /// What is given to be sent is durable here. No step begins before the one before it has ended.
    fn step(&mut self, frames: Vec<Vec<u8>>, room: usize) -> StepFuture<Self::Done>;

    /// Ready when there may be something to send although nothing came; if not, the context is woken then.
    fn poll_wake(&mut self, _context: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

/// What a session tells those who are interested in how it goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum News {
    /// The handshake showed who the other device is.
    Met(DeviceId),
    /// Records went to and fro.
    Progress(SyncProgress),
    /// Both sides have what there was.
    CaughtUp,
}

/// Is told the news of one session; called on the replica's thread, so it must be quick.
pub(crate) type Tell = Arc<dyn Fn(News) + Send + Sync>;

/// Tells the callback for progress, and nobody else.
pub(crate) fn quiet(progress: Option<ProgressCallback>) -> Tell {
    Arc::new(move |news| {
        if let (News::Progress(now), Some(progress)) = (news, &progress) {
            progress(Progress::Syncing {
                records_received: now.records_received,
                records_sent: now.records_sent,
            });
        }
    })
}

/// A step under way.
pub(crate) type StepFuture<D> = Pin<Box<dyn Future<Output = Result<Step<D>, Error>> + Send>>;

/// What came of a step.
pub(crate) struct Step<D> {
    /// To be sent, in this order.
    pub(crate) frames: Vec<Vec<u8>>,
    /// Whether there may be more to send.
    pub(crate) more: bool,
    /// How the session ended, if it did; the frames are still to be sent.
    pub(crate) end: Option<Result<D, SessionFailure>>,
}

impl<D> Step<D> {
    fn nothing() -> Self {
        Self {
            frames: Vec::new(),
            more: false,
            end: None,
        }
    }
}

/// A session of the replica.
pub(crate) struct ReplicaParty {
    actor: Actor,
    open: OpenSession,
    tell: Tell,
}

/// Ends the session when nobody has its socket any more, wherever that was dropped.
struct OpenSession {
    id: SessionId,
    actor: Actor,
    wake: Arc<Wake>,
}

impl Drop for OpenSession {
    fn drop(&mut self) {
        let id = self.id;
        self.actor.listeners().remove_session(id);
        self.actor.post(move |replica| {
            if let Err(error) = replica.end_session(id) {
                tracing::warn!(%error, "what a session learnt of its peer is forgotten");
            }
        });
    }
}

impl ReplicaParty {
    /// Opens the session.
    pub(crate) async fn begin(
        actor: &Actor,
        start: SessionStart,
        tell: Tell,
    ) -> Result<Self, Error> {
        let own = actor.clone();
        let open = actor
            .write_then(
                move |replica| replica.start_session(start),
                move |_, id| {
                    let wake = own.listeners().add_session(id);
                    OpenSession {
                        id,
                        actor: own,
                        wake,
                    }
                },
            )
            .await?;
        Ok(Self {
            actor: actor.clone(),
            open,
            tell,
        })
    }
}

impl Party for ReplicaParty {
    type Done = SessionSummary;

    fn step(&mut self, frames: Vec<Vec<u8>>, room: usize) -> StepFuture<SessionSummary> {
        let id = self.open.id;
        let now = self.actor.now();
        let actor = self.actor.clone();
        let tell = self.tell.clone();
        Box::pin(async move {
            let handle = move |replica: &mut Replica| {
                for frame in &frames {
                    replica.handle_frame(id, frame, now);
                }
            };
            actor
                .write_then(handle, move |replica, ()| drain(replica, id, room, &tell))
                .await
        })
    }

    fn poll_wake(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.open.wake.poll(context)
    }
}

/// Takes what the session gives, as far as there is room.
fn drain(replica: &mut Replica, id: SessionId, room: usize, tell: &Tell) -> Step<SessionSummary> {
    let mut step = Step::nothing();
    while step.frames.len() < room {
        match replica.poll_session(id) {
            None => {
                // Another session's end may have staged something: then there is an answer after the next
                // commit, and the driver asks for it.
                step.more = replica.has_staged();
                return step;
            }
            Some(SessionOutput::Send(frame)) => step.frames.push(frame),
            Some(SessionOutput::Progress(progress)) => tell(News::Progress(progress)),
            Some(SessionOutput::CaughtUp(_)) => {
                reissue(replica);
                tell(News::CaughtUp);
            }
            Some(SessionOutput::Finished(mut summary)) => {
                summary.reissued = reissue(replica);
                step.end = Some(Ok(summary));
                return step;
            }
            Some(SessionOutput::Failed(failure)) => {
                step.end = Some(Err(failure));
                return step;
            }
            // Later outputs are for later sessions.
            Some(_) => {}
        }
    }
    step.more = true;
    step
}

/// Writes again what lies on a branch of this device's feed: everything that another device has is here.
fn reissue(replica: &mut Replica) -> u64 {
    replica.reissue().unwrap_or_else(|error| {
        tracing::warn!(%error, "what lies on a branch of this device's feed is not written again yet");
        0
    })
}

impl Party for Joiner {
    type Done = Vec<Record>;

    fn step(&mut self, frames: Vec<Vec<u8>>, room: usize) -> StepFuture<Vec<Record>> {
        for frame in &frames {
            self.handle_frame(frame);
        }
        let mut step = Step::nothing();
        while step.end.is_none() && step.frames.len() < room {
            match self.poll() {
                None => return Box::pin(std::future::ready(Ok(step))),
                Some(JoinOutput::Send(frame)) => step.frames.push(frame),
                Some(JoinOutput::Joined(records)) => step.end = Some(Ok(records)),
                Some(JoinOutput::Failed(failure)) => step.end = Some(Err(failure)),
                // Later outputs are for later sessions.
                Some(_) => {}
            }
        }
        step.more = step.end.is_none();
        Box::pin(std::future::ready(Ok(step)))
    }
}
