//! What this side still has to send, within what the peer has granted.

use std::collections::VecDeque;

use driftless_document::change_hash;
use driftless_protocol::{
    Ack, Agreed, Chunker, Code, CursorMark, FeedId, Message, RunSet, limits as wire,
};
use driftless_store::Position;

use super::exchange::acknowledge;
use super::greet::stop_of;
use super::live::News;
use super::{Outbound, Session, Stage, Stop};
use crate::limits;
use crate::replica::Replica;

/// Envelopes of at most this many bytes travel in one message, and several in one frame.
pub(super) const WHOLE_BYTES: usize = 32 * 1024;

/// An envelope that the peer lacks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outgoing {
    pub(crate) feed: FeedId,
    pub(crate) n: u64,
    pub(crate) position: Position,
    pub(crate) items: u64,
}

impl Session {
    pub(super) fn say(&mut self, message: Message) {
        self.outbox.push_back(Outbound::Message(message));
    }

    pub(super) fn say_all(&mut self, messages: impl IntoIterator<Item = Message>) {
        let messages = messages.into_iter().map(Outbound::Message);
        self.outbox.extend(messages);
    }
}

impl Session {
    /// Notes what the peer lacks.
    pub(super) fn begin_plan(&mut self, lacks: impl IntoIterator<Item = News>) {
        let plan: VecDeque<_> = lacks.into_iter().collect();
        self.backlog = plan.len();
        self.plan = Some(plan);
    }
}

impl Replica {
    /// Turns the state of a session into messages, as far as they may be sent now.
    pub(super) fn pump(&mut self, session: &mut Session) -> Result<(), Stop> {
        if session.stage == Stage::Greeting {
            return Ok(());
        }
        self.send_cursor(session);
        self.correct_refusals(session)?;
        self.send_acknowledgements(session)?;
        grant(session);
        self.compare_cursors(session)?;
        self.plan(session)?;
        let mut filled = 0;
        while filled < WHOLE_BYTES && session.credit > 0 {
            let Some(news) = session.next_news() else {
                break;
            };
            filled += self.send(session, news)?;
        }
        if session.plan.as_ref().is_some_and(VecDeque::is_empty) && !session.done.sent {
            session.done.sent = true;
            if session.cursor_sent.is_some() {
                session.say(Message::Done);
            }
        }
        Ok(())
    }

    /// Acknowledges what the peer was told to be refused here and is applied by now: once in each session, for an
    /// acknowledgement may be lost with its session, and again when all was judged anew.
    fn correct_refusals(&self, session: &mut Session) -> Result<(), Stop> {
        // Where both say the same and do not stay, nobody listens any more.
        let is_heard = session.is_live() || !session.is_equal();
        if !is_heard || session.corrected == Some(self.judged) {
            return Ok(());
        }
        session.corrected = Some(self.judged);
        let applied = self.applied_since(&session.start.peer).map_err(stop_of)?;
        for id in applied {
            acknowledge(session, id.feed, id.n);
        }
        Ok(())
    }

    fn send_acknowledgements(&mut self, session: &mut Session) -> Result<(), Stop> {
        if session.held.is_empty() && session.refused.is_empty() {
            return Ok(());
        }
        let mut refused = Vec::new();
        for refusal in std::mem::take(&mut session.refused) {
            // What was refused when it came may be applied by now: something it rests on was kept for it.
            let (feed, n) = (refusal.feed, refusal.n);
            if self.core.is_quarantined(&feed, n).map_err(stop_of)? {
                refused.push(refusal);
            } else {
                acknowledge(session, feed, n);
            }
        }
        let held = std::mem::take(&mut session.held);
        let mut held = held.chunks(wire::ACK_HELD);
        while let Some(runs) = held
            .next()
            .map(<[_]>::to_vec)
            .or_else(|| (!refused.is_empty()).then(Vec::new))
        {
            let some = refused.split_off(refused.len().saturating_sub(wire::ACK_REFUSED));
            let ack = Ack::sign(&self.key, &self.workspace(), runs, some);
            session.say(Message::Ack(ack));
        }
        Ok(())
    }

    /// Works out, once, what the peer lacks, in the order it was committed here.
    fn plan(&mut self, session: &mut Session) -> Result<(), Stop> {
        if session.plan.is_some() {
            return Ok(());
        }
        if session.is_equal() && session.is_live() {
            // Nothing was missing when both said Hello: what came since is.
            session.positions.compared = true;
            session.plan = Some(std::mem::take(&mut session.fresh));
            return Ok(());
        }
        let waits = session.positions.awaited || session.dispute.is_some();
        if !session.positions.compared || waits {
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
            session.say_all(Message::membership(added));
        }
        let late = self.late_marks(session);
        if !late.is_empty() {
            session.say(Message::Position { entries: late });
        }
        let mut plan = Vec::new();
        if session.may_push() {
            let known = Self::known_of(session);
            for run in self.core.feeds.missing_at(&known) {
                for n in run.first..=run.last {
                    let place = self.core.envelope_place(&run.feed, n).map_err(stop_of)?;
                    let place = place
                        .ok_or((Code::StorageFailed, "an envelope is not listed".to_owned()))?;
                    plan.push(Outgoing {
                        feed: run.feed,
                        n,
                        position: place.position,
                        items: place.items,
                    });
                }
            }
        }
        plan.sort_by_key(|outgoing| outgoing.position);
        session.to_send = plan.iter().map(|outgoing| outgoing.items).sum();
        if !plan.is_empty() {
            session.say(Message::Ahead {
                envelopes: plan.len() as u64,
                records: session.to_send,
            });
        }
        session.fresh.clear(); // all of it is here by now
        session.begin_plan(plan.into_iter().map(News::Envelope));
        Ok(())
    }

    /// What came by other sessions since our cursor was sent, of feeds that the peer holds more of: it may hold them
    /// otherwise, and what follows rests on ours.
    fn late_marks(&self, session: &Session) -> Vec<CursorMark> {
        let mut late = Vec::new();
        let marks = session.cursor.marks.iter();
        for mark in marks.chain(&session.positions.received) {
            let told = [&session.peer_holds, &session.positions.said];
            let said = told.iter().filter_map(|said| said.get(&mark.feed)).max();
            let ours = self.core.feeds.get(&mark.feed);
            let ours = ours.filter(|ours| ours.last < mark.headers && Some(&ours.last) > said);
            late.extend(ours.map(|ours| CursorMark {
                feed: mark.feed,
                headers: ours.last,
                head: ours.head.prefix(),
                held: RunSet::up_to(ours.last),
            }));
        }
        late.sort_by_key(|mark| mark.feed);
        late.dedup_by_key(|mark| mark.feed);
        late.truncate(limits::POSITION_ENTRIES);
        late
    }

    /// Puts what comes next into the outbox; says how many bytes it has.
    fn send(&mut self, session: &mut Session, news: News) -> Result<usize, Stop> {
        match news {
            News::Record(hash) => {
                let records = self.core.log.get(&hash).cloned().into_iter().collect();
                session.say(Message::Membership {
                    records,
                    last: true,
                });
                Ok(driftless_protocol::limits::RECORD)
            }
            // The peer may have got it elsewhere, and sent it to us, while it waited.
            News::Envelope(outgoing)
                if session.received.get(&outgoing.feed) >= Some(&outgoing.n) =>
            {
                Ok(0)
            }
            News::Envelope(outgoing) => self.send_envelope(session, &outgoing),
        }
    }

    fn send_envelope(&mut self, session: &mut Session, outgoing: &Outgoing) -> Result<usize, Stop> {
        let Outgoing { feed, n, items, .. } = *outgoing;
        let envelope = self.read_envelope(&feed, n).map_err(stop_of)?;
        let hash = |raw: &[u8]| change_hash(raw).map(|hash| hash.0);
        let bytes = envelope.encode_wire(&Agreed {
            membership: &session.agreed,
            change_hash: Some(&hash),
        });
        self.encoded.set(self.encoded.get() + 1);
        let length = bytes.len();
        session.in_flight.insert((feed, n), items);
        session.spend(length);
        if length <= WHOLE_BYTES {
            session.say(Message::Envelope { feed, n, bytes });
        } else {
            let chunks =
                Chunker::new(feed, n, &bytes).map_err(|error| (Code::Bug, error.to_string()))?;
            session.say_all(chunks.map(Message::Chunk));
        }
        Ok(length)
    }
}

/// Grants the peer more bytes when what it may send runs low: only what came before and is durable makes room.
fn grant(session: &mut Session) {
    let is_first = session.granted == u64::from(wire::CREDIT_AT_FIRST);
    let window = if is_first {
        u64::from(wire::CREDIT_AT_FIRST)
    } else {
        limits::CREDIT_WINDOW
    };
    let left = session.granted.saturating_sub(session.taken);
    if left < window / 2 {
        let more = limits::CREDIT_WINDOW - left;
        session.granted += more;
        session.say(Message::Credit {
            bytes: u32::try_from(more).unwrap_or(u32::MAX),
        });
    }
}
