//! Sessions of a replica that is about to be replaced by one that was derived again from the same journal.
//!
//! What a session knows of the other side is kept like at its end; the session itself does not survive. The new
//! replica answers for it with an error that asks the peer to come back, and gives its number to nobody else.

use driftless_protocol::Code;

use super::{Session, SessionId, SessionStart};
use crate::error::EngineError;
use crate::replica::Replica;

/// The sessions that a replica had when it was replaced.
#[derive(Debug)]
pub struct DismissedSessions {
    sessions: Vec<(SessionId, SessionStart)>,
    next: u64,
}

impl Replica {
    /// Ends every session, for a replica that takes this one's place; what was staged is durable afterwards.
    pub fn dismiss_sessions(&mut self) -> Result<DismissedSessions, EngineError> {
        let sessions: Vec<_> = self
            .sessions
            .iter()
            .map(|(id, session)| (*id, session.start))
            .collect();
        for (id, _) in &sessions {
            self.end_session(*id)?;
        }
        self.commit_group()?;
        Ok(DismissedSessions {
            sessions,
            next: self.next_session,
        })
    }

    /// Answers for the sessions of the replica whose place this one takes: each fails when it is asked next, with
    /// [`Code::ShuttingDown`], which makes the other side come back.
    pub fn answer_for(&mut self, dismissed: DismissedSessions) {
        self.next_session = self.next_session.max(dismissed.next);
        for (id, start) in dismissed.sessions {
            let mut session = Session::new(start);
            session.fail((Code::ShuttingDown, "the store is derived again".into()));
            self.sessions.insert(id, session);
            self.awakened.insert(id);
        }
    }
}
