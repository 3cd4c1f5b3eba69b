//! What this side still has to send, within what the peer has not acknowledged.

use std::collections::VecDeque;

use driftless_document::change_hash;
use driftless_protocol::{Ack, Agreed, Chunker, Code, FeedId, Message};
use driftless_store::Position;

use super::greet::stop_of;
use super::{Session, Stop};
use crate::limits;
use crate::replica::Replica;

/// Envelopes of at most this many bytes travel in one message, and several in one frame.
const WHOLE_BYTES: usize = 32 * 1024;

/// An envelope that the peer lacks.
pub(super) struct Outgoing {
    feed: FeedId,
    n: u64,
    position: Position,
    items: u64,
}

impl Session {
    fn next_planned(&mut self) -> Option<Outgoing> {
        self.plan.as_mut()?.pop_front()
    }
}

impl Replica {
    /// Turns the state of a session into messages, as far as they may be sent now.
    pub(super) fn pump(&mut self, session: &mut Session) -> Result<(), Stop> {
        if !session.begun {
            return Ok(());
        }
        self.send_acknowledgements(session);
        self.compare_cursors(session);
        self.plan(session)?;
        let mut filled = 0;
        while filled < WHOLE_BYTES && session.in_flight_bytes < limits::UNACKNOWLEDGED_BYTES {
            let Some(outgoing) = session.next_planned() else {
                break;
            };
            filled += self.send_envelope(session, &outgoing)?;
        }
        if session.plan.as_ref().is_some_and(VecDeque::is_empty) && !session.done.sent {
            session.done.sent = true;
            if session.cursor_sent.is_some() {
                session.outbox.push_back(Message::Done);
            }
        }
        Ok(())
    }

    fn send_acknowledgements(&mut self, session: &mut Session) {
        if session.held.is_empty() && session.refused.is_empty() {
            return;
        }
        let most = driftless_protocol::limits::ACK_HELD;
        let held = std::mem::take(&mut session.held);
        let mut refused = std::mem::take(&mut session.refused);
        let mut held = held.chunks(most);
        while let Some(runs) = held
            .next()
            .map(<[_]>::to_vec)
            .or_else(|| (!refused.is_empty()).then(Vec::new))
        {
            let some = refused.split_off(
                refused
                    .len()
                    .saturating_sub(driftless_protocol::limits::ACK_REFUSED),
            );
            let ack = Ack::sign(&self.key, &self.workspace(), runs, some);
            session.outbox.push_back(Message::Ack(ack));
        }
    }

    /// Works out, once, what the peer lacks, in the order it was committed here.
    fn plan(&mut self, session: &mut Session) -> Result<(), Stop> {
        if session.plan.is_some() || !session.positions.compared || session.positions.awaited {
            return Ok(());
        }
        // What came by other sessions meanwhile may be named by the envelopes that follow.
        let shared = std::mem::take(&mut session.shared);
        let is_new = |record: &&driftless_protocol::Record| !shared.contains(&record.hash());
        let added: Vec<_> = self
            .core
            .log
            .in_order()
            .into_iter()
            .filter(is_new)
            .cloned()
            .collect();
        if !added.is_empty() {
            session.outbox.extend(Message::membership(added));
        }
        let known = Self::known_of(session);
        let mut plan = Vec::new();
        for run in self.core.feeds.missing_at(&known) {
            for n in run.first..=run.last {
                let place = self.core.envelope_place(&run.feed, n).map_err(stop_of)?;
                let place =
                    place.ok_or((Code::StorageFailed, "an envelope is not listed".to_owned()))?;
                plan.push(Outgoing {
                    feed: run.feed,
                    n,
                    position: place.position,
                    items: place.items,
                });
            }
        }
        plan.sort_by_key(|outgoing| outgoing.position);
        session.plan = Some(plan.into());
        Ok(())
    }

    /// Puts one envelope into the outbox; says how many bytes it has.
    fn send_envelope(&mut self, session: &mut Session, outgoing: &Outgoing) -> Result<usize, Stop> {
        let Outgoing { feed, n, items, .. } = *outgoing;
        let envelope = self.read_envelope(&feed, n).map_err(stop_of)?;
        let hash = |raw: &[u8]| change_hash(raw).map(|hash| hash.0);
        let bytes = envelope.encode_wire(&Agreed {
            membership: &session.agreed,
            change_hash: Some(&hash),
        });
        let length = bytes.len();
        session.in_flight.insert((feed, n), (length, items));
        session.in_flight_bytes += length;
        if length <= WHOLE_BYTES {
            session
                .outbox
                .push_back(Message::Envelope { feed, n, bytes });
        } else {
            let chunks =
                Chunker::new(feed, n, &bytes).map_err(|error| (Code::Bug, error.to_string()))?;
            session.outbox.extend(chunks.map(Message::Chunk));
        }
        Ok(length)
    }
}
