//! What two members tell each other: membership records, cursors, envelopes, acknowledgements.

use std::collections::BTreeMap;

use driftless_document::change_hash;
use driftless_protocol::{
    Ack, Agreed, Chunk, Code, CursorMark, Envelope, FeedId, Hash, HeldRun, Message, Refusal,
    RunSet, WireContext,
};

use super::greet::stop_of;
use super::{Session, Stop};
use crate::clock::Millis;
use crate::core::{ENVELOPE_FRAME, Judgement, OWN_ENVELOPE_FRAME};
use crate::error::EngineError;
use crate::feeds::{feeds_of, positions_needed};
use crate::limits;
use crate::quarantine::EnvelopeId;
use crate::replica::Replica;

impl Replica {
    /// Both Hellos are known: what differs is exchanged.
    pub(super) fn begin_exchange(&mut self, session: &mut Session) {
        if session.same_membership() {
            session.membership.sent = true;
            session.membership.received = true;
        } else {
            session.agreed.clear();
            let mut prefixes: Vec<_> = self.core.log.hashes().map(Hash::prefix).collect();
            prefixes.sort_unstable();
            prefixes.dedup();
            session.say(Message::MembershipHave { prefixes });
        }
    }

    /// Sends the cursor once the membership logs are level, where the cursors differed.
    ///
    /// Not before what came is durable: a record may say that a feed went on in two ways.
    pub(super) fn send_cursor(&mut self, session: &mut Session) {
        let level = session.membership.sent && session.membership.received;
        if !level || session.same_cursor() || session.cursor_sent.is_some() {
            // Membership may come in several messages: what waits by then stays.
            let is_first = session.plan.is_none();
            if level && session.same_cursor() && !session.same_membership() && is_first {
                // Nothing but membership differed: both sides know that they are done.
                session.plan = Some(std::mem::take(&mut session.fresh));
                session.done.received = true;
            }
            return;
        }
        let cursor = self.core.feeds.cursor();
        session.peer_holds = cursor.iter().map(|e| (e.feed, e.headers)).collect();
        session.cursor_sent = Some(cursor.iter().map(|entry| entry.feed).collect());
        let marks = cursor
            .iter()
            .map(driftless_protocol::CursorEntry::mark)
            .collect();
        session.say_all(Message::cursor(false, marks));
    }

    pub(super) fn on_exchange(
        &mut self,
        session: &mut Session,
        message: Message,
        now: Millis,
    ) -> Result<(), Stop> {
        match message {
            Message::MembershipHave { .. } if session.membership.sent => {
                Err((Code::UnexpectedMessage, "membership asked for twice".into()))
            }
            Message::MembershipHave { prefixes } => {
                let lacks = |record: &&driftless_protocol::Record| {
                    prefixes.binary_search(&record.hash().prefix()).is_err()
                };
                let records = self
                    .core
                    .log
                    .in_order()
                    .into_iter()
                    .filter(lacks)
                    .cloned()
                    .collect();
                session.shared = self.core.log.hashes().copied().collect();
                session.say_all(Message::membership(records));
                session.membership.sent = true;
                Ok(())
            }
            Message::Membership { records, last } => {
                self.take_records(session, records)?;
                session.membership.received |= last;
                Ok(())
            }
            Message::Cursor { entries, last, .. } => {
                Self::on_cursor(session, entries, last)?;
                // At once: envelopes that follow may rest on the other side of a feed that went on in two ways.
                self.compare_cursors(session)
            }
            Message::Position { entries } => {
                // The second one says what came since the first.
                if session.positions.heard == 2 {
                    return Err((Code::UnexpectedMessage, "positions a third time".into()));
                }
                session.positions.heard += 1;
                self.check_marks(session, &entries)?;
                session.positions.received.extend(entries);
                session.positions.awaited = false;
                Ok(())
            }
            Message::Envelope { feed, n, bytes } => self.on_envelope(session, feed, n, &bytes, now),
            Message::Chunk(chunk) => self.on_chunk(session, &chunk, now),
            Message::Ack(ack) => self.on_ack(session, &ack),
            Message::Credit { bytes } => {
                // More than that in one go would be more than anybody sends.
                session.credit = session.credit.saturating_add(i64::from(bytes));
                Ok(())
            }
            Message::Ahead { records, .. } => {
                session.to_receive = records;
                Ok(())
            }
            Message::AskHeader { feed, n } => self.on_ask_header(session, feed, n),
            Message::Header { header } => self.on_header(session, *header),
            Message::Done => {
                session.done.received = true;
                Ok(())
            }
            _ => Err((Code::UnexpectedMessage, String::new())),
        }
    }

    fn on_chunk(&mut self, session: &mut Session, chunk: &Chunk, now: Millis) -> Result<(), Stop> {
        let whole = session.assembler.accept(chunk);
        match whole.map_err(|error| (Code::BadFrame, error.to_string()))? {
            Some(whole) => self.on_envelope(session, whole.feed, whole.n, &whole.bytes, now),
            None => Ok(()),
        }
    }

    fn on_cursor(session: &mut Session, entries: Vec<CursorMark>, last: bool) -> Result<(), Stop> {
        let total = session.cursor.marks.len() + entries.len();
        if session.cursor.complete || total > limits::SESSION_CURSOR_ENTRIES {
            return Err((
                Code::UnexpectedMessage,
                "more cursor than there can be".into(),
            ));
        }
        session.cursor.marks.extend(entries);
        session.cursor.complete = last;
        Ok(())
    }

    /// Once both cursors are known: says what else we have of the peer's feeds, where cursors alone leave it open.
    pub(super) fn compare_cursors(&mut self, session: &mut Session) -> Result<(), Stop> {
        let Some(ours) = session
            .cursor_sent
            .clone()
            .filter(|_| session.cursor.complete)
        else {
            return Ok(());
        };
        if session.positions.compared {
            return Ok(());
        }
        let marks = std::mem::take(&mut session.cursor.marks);
        let checked = self.check_marks(session, &marks);
        session.cursor.marks = marks;
        checked?;
        let theirs = feeds_of(&session.cursor.marks);
        if positions_needed(&ours, &theirs) {
            session.positions.compared = true;
            // Only a feed that is unknown here leaves open what else the peer holds.
            let unknown = theirs.iter().any(|id| self.core.feeds.get(id).is_none());
            session.positions.awaited = unknown && session.positions.heard == 0;
            let covered = theirs.difference(&ours).filter_map(|id| {
                let feed = self.core.feeds.get(id)?;
                Some(CursorMark {
                    feed: *id,
                    headers: feed.last,
                    head: feed.head.prefix(),
                    held: RunSet::up_to(feed.last),
                })
            });
            let mut entries: Vec<_> = covered.take(limits::POSITION_ENTRIES).collect();
            let room = limits::POSITION_ENTRIES - entries.len();
            entries.extend(self.core.feeds.behind(&theirs, room));
            entries.sort_by_key(|mark| mark.feed);
            entries.dedup_by_key(|mark| mark.feed);
            // One message, sent even if empty: the peer waits for it. What it does not list is sent once more.
            let said = entries.iter().map(|mark| (mark.feed, mark.headers));
            session.positions.said = said.collect();
            session.say(Message::Position { entries });
        } else {
            session.positions.compared = true;
        }
        Ok(())
    }

    /// What the peer holds, by what it said.
    pub(super) fn known_of(session: &Session) -> BTreeMap<FeedId, u64> {
        let marks = session.cursor.marks.iter();
        let marks = marks.chain(&session.positions.received);
        let mut known: BTreeMap<_, _> = marks.map(|mark| (mark.feed, mark.headers)).collect();
        known.extend(&session.received);
        known
    }

    fn on_envelope(
        &mut self,
        session: &mut Session,
        feed: FeedId,
        n: u64,
        bytes: &[u8],
        now: Millis,
    ) -> Result<(), Stop> {
        take(session, bytes.len())?;
        if session.dispute.is_some() || self.core.split {
            return Ok(()); // it may rest on a branch, or lie on one: the session is about to end
        }
        let (last, head) = match self.core.feeds.get(&feed) {
            Some(held) => (held.last, held.head),
            None => self.begins_after(&feed),
        };
        if n <= last {
            return self.on_held_envelope(session, feed, n, bytes);
        }
        if n != last + 1 {
            return Err((
                Code::BrokenChain,
                format!("envelope {n} of feed {feed} after {last}"),
            ));
        }
        let envelope = self.read_wire(session, feed, n, head, bytes)?;
        if self.core.id_of(&envelope).map_err(stop_of)?.feed != feed {
            return self.on_another_branch(&envelope);
        }
        let judgement = self.core.judge(&envelope).map_err(stop_of)?;
        let refused = match &judgement {
            Judgement::Missing(Code::Equivocation, _) if n == 1 => {
                // The feed before it is another one there.
                if let Some(before) = envelope.header().predecessor {
                    self.begin_dispute(session, before.feed, before.n);
                }
                return Ok(());
            }
            Judgement::Missing(code, detail) => return Err((*code, detail.clone())),
            Judgement::Apply(_) | Judgement::Void(..) => None,
            Judgement::Hold => Some(Code::NeedsNewerVersion),
            Judgement::Rests(..) => Some(Code::ChangeRefused),
            Judgement::Quarantine(code, ..) | Judgement::NotCurrent(code, _) => Some(*code),
        };
        let staged = self.stage_received(feed, &envelope, judgement, now);
        staged.map_err(stop_of)?;
        if refused.is_some() {
            let told = self.note_told(&session.start.peer, EnvelopeId { feed, n });
            told.map_err(stop_of)?;
        }
        session.summary.envelopes_received += 1;
        session.summary.records_received += envelope.items().len() as u64;
        session.peer_holds.insert(feed, n);
        session.received.insert(feed, n);
        match refused {
            Some(code) => session.refused.push(Refusal { feed, n, code }),
            None => acknowledge(session, feed, n),
        }
        Ok(())
    }

    /// Stages an envelope that a peer brings.
    fn stage_received(
        &mut self,
        feed: FeedId,
        envelope: &Envelope,
        judgement: Judgement,
        now: Millis,
    ) -> Result<(), EngineError> {
        if let Some((body, _)) = envelope.known() {
            let ahead = self.core.state.clock.observe(body.meta.time, now);
            if ahead {
                let n = envelope.header().n;
                tracing::warn!(%feed, n, "the clock of this envelope's device is far ahead");
            }
        }
        let is_from_elsewhere = self.is_from_elsewhere(&feed, envelope)?;
        // What of this device's own was here, and was lost, comes back as what it was.
        let is_back = envelope.header().feed.belongs_to(&self.device()) && !is_from_elsewhere;
        let kind = if is_back {
            OWN_ENVELOPE_FRAME
        } else {
            ENVELOPE_FRAME
        };
        self.stage(envelope, kind, judgement)?;
        if is_from_elsewhere {
            self.take_from_elsewhere(feed, envelope, now);
        }
        Ok(())
    }

    /// What comes before the first envelope of a feed or branch that is not here: its number and hash.
    fn begins_after(&self, feed: &FeedId) -> (u64, Hash) {
        let branch = self.core.forks.branch(feed);
        branch.map_or((0, Hash::ZERO), |branch| {
            let root = &branch.root.header;
            (root.n - 1, root.prev)
        })
    }

    /// An envelope at a place where its feed went on in two ways, and it is neither: that is written down too.
    fn on_another_branch(&mut self, envelope: &Envelope) -> Result<(), Stop> {
        let beside = self.core.forks.beside(envelope.header());
        match beside.map(|branch| branch.root.clone()) {
            Some(ours) => self.accuse(ours, envelope.signed_header().clone()),
            None => Err((Code::BrokenChain, "it lies on another branch".into())),
        }
    }

    fn read_wire(
        &self,
        session: &Session,
        feed: FeedId,
        n: u64,
        prev: Hash,
        bytes: &[u8],
    ) -> Result<Envelope, Stop> {
        let hash = |raw: &[u8]| change_hash(raw).map(|hash| hash.0);
        let branch = self.core.forks.branch(&feed);
        let context = WireContext {
            workspace: self.workspace(),
            feed: branch.map_or(feed, |branch| branch.root.header.feed),
            n,
            prev,
            agreed: Agreed {
                membership: &session.agreed,
                change_hash: Some(&hash),
            },
        };
        Envelope::decode_wire(bytes, &context).map_err(|error| (Code::BadFrame, error.to_string()))
    }

    /// An envelope that came by another session meanwhile: the same one, or the feed went on in two ways.
    fn on_held_envelope(
        &mut self,
        session: &mut Session,
        feed: FeedId,
        n: u64,
        bytes: &[u8],
    ) -> Result<(), Stop> {
        let hash_of = |n: u64| -> Result<Hash, Stop> {
            let place = self.core.envelope_place(&feed, n).map_err(stop_of)?;
            Ok(place.map_or(Hash::ZERO, |place| place.hash))
        };
        let (before, hash) = self.begins_after(&feed);
        let prev = if n > before + 1 {
            hash_of(n - 1)?
        } else {
            hash
        };
        let envelope = self.read_wire(session, feed, n, prev, bytes)?;
        if envelope.hash() != hash_of(n)? {
            let author = self.author_of(&envelope.header().feed);
            if author.is_some_and(|(device, _)| envelope.verify(&device).is_ok()) {
                // It goes on from what both hold.
                let ours = self.read_envelope(&feed, n).map_err(stop_of)?;
                return self.accuse(
                    ours.signed_header().clone(),
                    envelope.signed_header().clone(),
                );
            }
            self.begin_dispute(session, feed, n);
            return Ok(());
        }
        let id = EnvelopeId { feed, n };
        match self.verdict(id).map_err(stop_of)? {
            Some((code, _)) => {
                session.refused.push(Refusal { feed, n, code });
                let told = self.note_told(&session.start.peer, id);
                told.map_err(stop_of)?;
            }
            None => acknowledge(session, feed, n),
        }
        Ok(())
    }

    fn on_ack(&mut self, session: &mut Session, ack: &Ack) -> Result<(), Stop> {
        let peer = session.start.peer;
        if !ack.verify(&peer, &self.workspace()) {
            return Err((
                Code::BadSignature,
                "an acknowledgement that its device did not sign".into(),
            ));
        }
        let known = self.peers.entry(peer).or_default();
        for refusal in &ack.refused {
            let key = (refusal.feed, refusal.n);
            if let Some(records) = session.in_flight.remove(&key) {
                session.count_sent(records);
                known.refuse(refusal.feed, refusal.n, refusal.code);
            }
        }
        for run in &ack.held {
            let (first, last) = ((run.feed, run.first), (run.feed, run.last));
            let sent: Vec<_> = session.in_flight.range(first..=last).collect();
            let sent: Vec<_> = sent.into_iter().map(|(key, n)| (*key, *n)).collect();
            for ((feed, n), records) in sent {
                session.in_flight.remove(&(feed, n));
                session.count_sent(records);
                known.hold(feed, n);
            }
            // Sent now or long ago: it is applied there after all.
            let corrected: Vec<_> = known.refused.range(first..=last).collect();
            let corrected: Vec<_> = corrected.into_iter().map(|(key, _)| *key).collect();
            for key in corrected {
                known.refused.remove(&key);
            }
        }
        self.peer_news += 1;
        Ok(())
    }
}

impl Session {
    fn count_sent(&mut self, records: u64) {
        self.summary.envelopes_sent += 1;
        self.summary.records_sent += records;
    }
}

/// Counts what the peer sends against what it was granted; it may go beyond by the envelope it was at.
fn take(session: &mut Session, bytes: usize) -> Result<(), Stop> {
    let most = session.granted + driftless_protocol::limits::ENVELOPE as u64;
    if !session.start.wishes.pull || session.taken > most {
        return Err((Code::UnexpectedMessage, "more than was asked for".into()));
    }
    session.taken += bytes as u64;
    Ok(())
}

/// Notes that an envelope is held; runs grow as long as they are contiguous.
pub(super) fn acknowledge(session: &mut Session, feed: FeedId, n: u64) {
    match session.held.last_mut() {
        Some(run) if run.feed == feed && run.last + 1 == n => run.last = n,
        _ => session.held.push(HeldRun {
            feed,
            first: n,
            last: n,
        }),
    }
}
