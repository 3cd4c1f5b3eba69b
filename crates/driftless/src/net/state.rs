//! What is known of a connection: [`ConnectionState`] and [`ConnectionStatus`].

use driftless_engine::Millis;
use driftless_protocol::DeviceId;
use serde_json::{Value as Json, json};

use crate::error::Error;
use crate::time::rfc3339;

/// How a connection to another device stands.
///
/// It says how the connection is, not what the other device holds: that is in the counts of
/// [`StatusReport`](crate::StatusReport), which a live connection keeps small.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ConnectionState {
    /// Not connected, and no attempt is due: it is manual, switched off or suspended.
    Offline,
    /// The connection is being made.
    Connecting,
    /// The two compare and exchange what each lacks.
    CatchingUp {
        /// Records sent and received so far.
        done: u64,
        /// Records to send and receive, as far as that is known; never less than `done`.
        total: u64,
        /// What is being done.
        stage: SyncStage,
    },
    /// Both have had what there was; what is written now goes out at once.
    Live,
    /// Not connected; the next attempt comes by itself.
    Waiting {
        /// When, in milliseconds since 1970.
        until_ms: Millis,
        /// Failures in a row that led here; 0 where the wait is an interval that was asked for.
        attempt: u32,
        /// Why the last attempt failed, or the session ended.
        reason: Option<Error>,
    },
    /// The other device does not know this one, or does not let it in: it needs an invitation. It is asked
    /// again now and then.
    NeedsAuth,
    /// It was stopped, or the database was closed.
    Stopped,
}

/// What two devices are doing to catch up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SyncStage {
    /// They say what they hold.
    Comparing,
    /// They send what the other lacks.
    Transferring,
}

impl SyncStage {
    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Comparing => "comparing",
            Self::Transferring => "transferring",
        }
    }
}

impl ConnectionState {
    /// The stable name, such as `catching_up`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Offline => "offline",
            Self::Connecting => "connecting",
            Self::CatchingUp { .. } => "catching_up",
            Self::Live => "live",
            Self::Waiting { .. } => "waiting",
            Self::NeedsAuth => "needs_auth",
            Self::Stopped => "stopped",
        }
    }
}

/// Which side made a connection. Complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// This one, by [`Sync::connect`](crate::Sync::connect).
    Dialed,
    /// The other one: this device serves.
    Accepted,
}

/// One connection of this device.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ConnectionStatus {
    /// Where it leads, or for one that was accepted, where it came from.
    pub address: String,
    /// Which side made it.
    pub direction: Direction,
    /// The device at the other end, once that was shown.
    pub peer: Option<DeviceId>,
    /// How it stands.
    pub state: ConnectionState,
    /// When the next attempt comes by itself, in milliseconds since 1970; there whenever one is due.
    pub next_attempt_ms: Option<Millis>,
    /// When both sides last had all that there was, in milliseconds since 1970.
    pub caught_up_ms: Option<Millis>,
    /// Why the last attempt failed, or the last session ended; none after a success.
    pub last_error: Option<Error>,
}

impl ConnectionStatus {
    pub(crate) fn new(address: String, direction: Direction) -> Self {
        Self {
            address,
            direction,
            peer: None,
            state: ConnectionState::Offline,
            next_attempt_ms: None,
            caught_up_ms: None,
            last_error: None,
        }
    }

    /// Notes a state in which no attempt is due.
    pub(crate) fn enter(&mut self, state: ConnectionState) {
        self.state = state;
        self.next_attempt_ms = None;
    }

    /// `{address, direction, peer, state, done, total, stage, attempt, next_attempt, caught_up, error}`; what
    /// does not apply is null.
    pub fn to_json(&self) -> Json {
        let (done, total, stage) = match self.state {
            ConnectionState::CatchingUp { done, total, stage } => {
                (Some(done), Some(total), Some(stage.as_str()))
            }
            _ => (None, None, None),
        };
        let attempt = match self.state {
            ConnectionState::Waiting { attempt, .. } => Some(attempt),
            _ => None,
        };
        let error = self.last_error.as_ref().map(|error| {
            json!({ "code": error.code(), "message": error.message(), "remedy": error.remedy() })
        });
        json!({
            "address": self.address,
            "direction": match self.direction {
                Direction::Dialed => "dialed",
                Direction::Accepted => "accepted",
            },
            "peer": self.peer.map(|peer| peer.to_string()),
            "state": self.state.as_str(),
            "done": done,
            "total": total,
            "stage": stage,
            "attempt": attempt,
            "next_attempt": self.next_attempt_ms.map(rfc3339),
            "caught_up": self.caught_up_ms.map(rfc3339),
            "error": error,
        })
    }
}
