//! [`drive`]: moves frames between a socket and the session behind it, until one of them ends.
//!
//! * At most [`INBOUND_MESSAGES`] messages wait for the session and at most [`OUTBOUND_MESSAGES`] for the
//!   network; beyond that the socket is not read, or the session is not asked for more. Reading never waits
//!   for writing, so two devices that send at the same time do not wait for each other.
//! * A side that has said nothing for [`HEARTBEAT`] sends a ping, and whoever gets one answers; a side that
//!   hears nothing for [`IDLE_TIMEOUT`], or gets nothing sent for as long, gives up. Nothing else is sent while
//!   there is nothing to say.
//! * Whoever connected says something within [`FIRST_MESSAGE_TIMEOUT`]: signs of life are not enough.
//! * A session that is woken, because something was committed, sends at once; wakes that follow within
//!   [`LIVE_WINDOW`] are taken together.
//! * A side that is told to stop sends what it holds, for [`STOP_PATIENCE`] at most.
//! * What the peer said before its connection ended is handled first, for it may be the reason.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use driftless_engine::SessionFailure;
use driftless_protocol::{Channel, Code};
use tokio::time::{Instant, Interval, MissedTickBehavior, Sleep, interval, sleep};

use super::counting::Bytes;
use super::handshake::Secured;
use super::party::{Party, Step, StepFuture};
use super::socket::{Received, Socket, SocketError};
use crate::error::Error;
use crate::limits::{
    CLOSE_TIMEOUT, FIRST_MESSAGE_TIMEOUT, HEARTBEAT, IDLE_TIMEOUT, INBOUND_MESSAGES, LIVE_WINDOW,
    OUTBOUND_MESSAGES, STOP_PATIENCE, TICK,
};

/// Which side made the connection; it is also the one that closes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Dialer,
    Listener,
}

/// Done when the session is to be ended by this side, politely.
pub(crate) type Stop = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How a session ended, and what passed its socket from first to last.
pub(crate) struct Driven<D> {
    pub(crate) result: Result<D, Error>,
    pub(crate) bytes: Bytes,
}

/// Runs a session to its end and closes the socket. `served` is called once when the party has taken a frame
/// of the peer without ending in failure: the peer is no stranger then.
pub(crate) async fn drive<P: Party>(
    secured: Secured,
    party: &mut P,
    end: End,
    stop: Stop,
    served: impl FnOnce(),
) -> Driven<P::Done> {
    let mut driver = Driver::new(secured.socket, secured.channel, end, stop);
    let result = driver.run(party, served).await;
    let socket = driver.socket;
    let patience = match (&result, end) {
        (Outcome::Finished(_), End::Listener) => {
            let bytes = socket.wait_for_close(CLOSE_TIMEOUT).await;
            return Driven {
                result: result.into_result(),
                bytes,
            };
        }
        (Outcome::Stopped, _) => CLOSE_TIMEOUT / 2,
        (Outcome::Lost(_), _) => Duration::ZERO,
        _ => CLOSE_TIMEOUT,
    };
    let going_away = result.is_going_away();
    let bytes = socket.close(going_away, patience).await;
    Driven {
        result: result.into_result(),
        bytes,
    }
}

enum Outcome<D> {
    Finished(D),
    /// The session ended it, after telling the peer where that makes sense.
    Failed(SessionFailure),
    /// This side was asked to stop, or cannot go on.
    Stopped,
    /// This side gives up on the peer.
    GivenUp(Error),
    /// The connection is gone.
    Lost(Error),
}

impl<D> Outcome<D> {
    /// Whether the peer is told that this side goes down.
    fn is_going_away(&self) -> bool {
        match self {
            Self::Stopped => true,
            Self::GivenUp(error) => error.is_closed(),
            _ => false,
        }
    }

    fn into_result(self) -> Result<D, Error> {
        match self {
            Self::Finished(done) => Ok(done),
            Self::Failed(failure) => Err(Error::from(failure)),
            Self::Stopped => Err(Error::of_code(Code::ShuttingDown, None)),
            Self::GivenUp(error) | Self::Lost(error) => Err(error),
        }
    }
}

/// What happened next.
enum Event<D> {
    /// The party can be given something to do.
    Idle,
    /// The party may have something to send that it had not before.
    Woken,
    Stepped(Result<Step<D>, Error>),
    Received(Result<Received, SocketError>),
    /// All that was to be sent is with the operating system, and nothing more comes.
    Sent,
    Tick,
    Stop,
}

struct Driver<D> {
    socket: Socket,
    channel: Channel,
    stop: Option<Stop>,
    ticks: Interval,
    step: Option<StepFuture<D>>,
    /// Opened, not yet with the party.
    inbound: VecDeque<Vec<u8>>,
    /// Sealed, not yet with the socket.
    outbound: VecDeque<Vec<u8>>,
    /// Whether the party may have more to send; true before its first step.
    more: bool,
    /// While it runs, wakes are left for its end.
    window: Option<Pin<Box<Sleep>>>,
    end: Option<Result<D, SessionFailure>>,
    /// Why nothing more comes from the peer.
    lost: Option<Error>,
    /// Since when this side has been told to stop.
    stopping: Option<Instant>,
    /// Until when whoever connected must have sent its first message; none once it has.
    first_by: Option<Instant>,
    heard: Instant,
    said: Instant,
    /// Bytes sent when last looked at.
    sent: u64,
    /// When they last grew, or something to send came up.
    moved: Instant,
    heartbeat_due: bool,
}

impl<D: Send + 'static> Driver<D> {
    fn new(socket: Socket, channel: Channel, end: End, stop: Stop) -> Self {
        let now = Instant::now();
        let first_by = match end {
            End::Listener => Some(now + FIRST_MESSAGE_TIMEOUT),
            End::Dialer => None,
        };
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            sent: socket.bytes().sent,
            moved: now,
            socket,
            channel,
            stop: Some(stop),
            ticks,
            step: None,
            inbound: VecDeque::new(),
            outbound: VecDeque::new(),
            more: true,
            end: None,
            lost: None,
            window: None,
            stopping: None,
            first_by,
            heard: now,
            said: now,
            heartbeat_due: false,
        }
    }

    async fn run<P: Party<Done = D>>(
        &mut self,
        party: &mut P,
        served: impl FnOnce(),
    ) -> Outcome<D> {
        let mut served = Some(served);
        let mut took_frames = false;
        loop {
            match poll_fn(|context| self.poll(party, context)).await {
                Event::Idle => {
                    let frames = Vec::from(std::mem::take(&mut self.inbound));
                    took_frames |= !frames.is_empty();
                    let room = OUTBOUND_MESSAGES.saturating_sub(self.outbound.len());
                    self.step = Some(party.step(frames, room));
                }
                Event::Woken => {
                    self.more = true;
                    self.window = Some(Box::pin(sleep(LIVE_WINDOW)));
                }
                Event::Stepped(step) => {
                    if let Err(outcome) = self.take(step) {
                        return outcome;
                    }
                    if took_frames
                        && !matches!(self.end, Some(Err(_)))
                        && let Some(served) = served.take()
                    {
                        served();
                    }
                }
                Event::Received(received) => {
                    if let Err(outcome) = self.hear(received) {
                        return outcome;
                    }
                }
                Event::Sent => return self.over(),
                Event::Tick => {
                    if let Some(error) = self.silence() {
                        // Nobody would hear a goodbye.
                        return Outcome::Lost(error);
                    }
                    if self
                        .stopping
                        .is_some_and(|since| since.elapsed() >= STOP_PATIENCE)
                    {
                        return Outcome::Stopped;
                    }
                }
                Event::Stop => self.stopping = Some(Instant::now()),
            }
        }
    }

    /// Moves what can be moved and says what to do next; everything it leaves pending wakes the context.
    fn poll<P: Party<Done = D>>(
        &mut self,
        party: &mut P,
        context: &mut Context<'_>,
    ) -> Poll<Event<D>> {
        // First, for a peer that is never quiet must not put it off.
        if let Some(stop) = &mut self.stop
            && stop.as_mut().poll(context).is_ready()
        {
            self.stop = None;
            return Poll::Ready(Event::Stop);
        }
        let sent_all = self.poll_send(context);
        if let Some(step) = &mut self.step {
            if let Poll::Ready(result) = step.as_mut().poll(context) {
                self.step = None;
                return Poll::Ready(Event::Stepped(result));
            }
        } else if self.is_over() {
            if sent_all || self.lost.is_some() {
                return Poll::Ready(Event::Sent);
            }
        } else if self.can_step() {
            return Poll::Ready(Event::Idle);
        } else if !self.more && self.poll_wake(party, context).is_ready() {
            return Poll::Ready(Event::Woken);
        }
        if self.lost.is_none()
            && self.inbound.len() < INBOUND_MESSAGES
            && let Poll::Ready(received) = self.socket.poll_receive(context)
        {
            return Poll::Ready(Event::Received(received));
        }
        self.ticks.poll_tick(context).map(|_| Event::Tick)
    }

    /// Ready when the party was woken, and the last time is long enough ago.
    fn poll_wake<P: Party<Done = D>>(
        &mut self,
        party: &mut P,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        if let Some(window) = &mut self.window {
            std::task::ready!(window.as_mut().poll(context));
            self.window = None;
        }
        party.poll_wake(context)
    }

    /// Hands over what waits; true when the operating system has all of it.
    fn poll_send(&mut self, context: &mut Context<'_>) -> bool {
        while !self.outbound.is_empty() && self.socket.poll_ready(context).is_ready() {
            if let Some(frame) = self.outbound.pop_front() {
                self.socket.start_send(frame);
                self.said = Instant::now();
            }
        }
        if self.heartbeat_due
            && self.outbound.is_empty()
            && self.socket.poll_ready(context).is_ready()
        {
            self.socket.start_heartbeat();
            self.heartbeat_due = false;
            self.said = Instant::now();
        }
        let flushed = self.socket.poll_flush(context).is_ready();
        flushed && self.outbound.is_empty()
    }

    fn is_over(&self) -> bool {
        let heard_all = self.lost.is_some() && self.inbound.is_empty() && !self.more;
        self.end.is_some() || self.stopping.is_some() || heard_all
    }

    fn can_step(&self) -> bool {
        let has_room = self.outbound.len() < OUTBOUND_MESSAGES || self.lost.is_some();
        !self.inbound.is_empty() || (self.more && has_room)
    }

    /// Takes what a step gave.
    fn take(&mut self, step: Result<Step<D>, Error>) -> Result<(), Outcome<D>> {
        let step = match step {
            Ok(step) => step,
            Err(error) => {
                tracing::debug!(%error, "the replica ended a session");
                return Err(Outcome::GivenUp(error));
            }
        };
        if self.outbound.is_empty() && !self.socket.is_unflushed() {
            self.moved = Instant::now();
        }
        for frame in step.frames {
            let sealed = self.channel.seal(&frame).map_err(|error| {
                Outcome::GivenUp(Error::bug(format!("a frame cannot be sealed: {error}")))
            })?;
            self.outbound.push_back(sealed);
        }
        // Nobody is there to send to: asking for more would go on for ever.
        self.more = step.more && self.lost.is_none();
        self.end = step.end;
        Ok(())
    }

    /// Takes what the socket gave.
    fn hear(&mut self, received: Result<Received, SocketError>) -> Result<(), Outcome<D>> {
        self.heard = Instant::now();
        match received {
            Ok(Received::Alive { answered }) => {
                if answered {
                    self.said = self.heard;
                }
            }
            Ok(Received::Message(sealed)) => {
                self.first_by = None;
                let frame = self.channel.open(&sealed).map_err(|error| {
                    let detail = error.to_string();
                    Outcome::GivenUp(Error::of_code(Code::BadFrame, Some(&detail)))
                })?;
                self.inbound.push_back(frame);
            }
            Ok(Received::Closed { going_away: true }) => {
                self.lost = Some(Error::of_code(Code::ShuttingDown, None));
            }
            Ok(Received::Closed { going_away: false }) => {
                self.lost = Some(Error::connection_lost("it was closed by the other side"));
            }
            Err(SocketError::Io(error)) => self.lost = Some(Error::connection_lost(error)),
            Err(SocketError::Foreign(reason)) => {
                return Err(Outcome::GivenUp(Error::of_code(
                    Code::BadFrame,
                    Some(&reason),
                )));
            }
        }
        Ok(())
    }

    /// How it ended; only when it is over.
    fn over(&mut self) -> Outcome<D> {
        match (self.end.take(), self.lost.take()) {
            (Some(Ok(done)), _) => Outcome::Finished(done),
            (Some(Err(failure)), _) => Outcome::Failed(failure),
            (None, Some(error)) => Outcome::Lost(error),
            (None, None) => Outcome::Stopped,
        }
    }

    /// Whether nothing has moved for too long; asks for a heartbeat where it is our turn.
    fn silence(&mut self) -> Option<Error> {
        let now = Instant::now();
        let sent = self.socket.bytes().sent;
        if sent != self.sent {
            self.sent = sent;
            self.moved = now;
        }
        if self.step.is_some() {
            // Not reading is our own doing while the replica is at work.
            self.heard = now;
        }
        if self.first_by.is_some_and(|first_by| now >= first_by) {
            let seconds = FIRST_MESSAGE_TIMEOUT.as_secs();
            let why = format!("no message came within {seconds} s of the handshake");
            return Some(Error::timeout(why));
        }
        self.heartbeat_due |= now - self.said >= HEARTBEAT;
        let silent = now - self.heard >= IDLE_TIMEOUT;
        let waits = !self.outbound.is_empty() || self.socket.is_unflushed();
        let stuck = waits && now - self.moved >= IDLE_TIMEOUT;
        (silent || stuck).then(|| {
            let seconds = IDLE_TIMEOUT.as_secs();
            Error::timeout(format!("nothing came through for {seconds} s"))
        })
    }
}

#[cfg(test)]
mod tests;
