//! A feed went on in two ways: the two sides find where, and one of them writes it down for everybody.
//!
//! Whoever sees that the other holds another header than its own for one number asks for headers of that feed, each time
//! halfway between one that both hold and one that differs, until two are left that follow one header. The accusation
//! that they prove ends the session, and every other one whose two sides counted on that feed: they begin anew, with the
//! record first, and then the feed has branches on either side, which are exchanged like feeds.
//!
//! Until then what comes of envelopes is left: it may rest on the side of the feed that is not here. A side that does not
//! prove what it holds ends this session, and nothing else.

use driftless_protocol::{
    Accuse, Code, CursorMark, FeedId, Hash, Message, RecordBody, SignedHeader,
};

use super::greet::stop_of;
use super::live::News;
use super::{Session, Stage, Stop};
use crate::core::envelope_at;
use crate::error::EngineError;
use crate::limits;
use crate::replica::Replica;

/// The search for the place where a feed went on in two ways.
pub(super) struct Dispute {
    /// The feed or branch.
    feed: FeedId,
    /// Up to here both hold the same.
    common: u64,
    /// From here on they do not.
    differs: u64,
    /// The number that was asked for last.
    asked: u64,
    /// The other's header with the number `differs`, once it came.
    theirs: Option<SignedHeader>,
}

impl Dispute {
    fn next(&self) -> u64 {
        match self.differs - self.common {
            0 | 1 => self.differs,
            between => self.common + between / 2,
        }
    }
}

impl Replica {
    /// Compares what the peer says it holds with what is here: the first feed that differs is looked into.
    pub(super) fn check_marks(
        &self,
        session: &mut Session,
        marks: &[CursorMark],
    ) -> Result<(), Stop> {
        for mark in marks {
            let ours = self.core.feeds.get(&mark.feed);
            let first = ours.map_or(1, |ours| ours.first);
            let Some(ours) = ours.filter(|o| o.last >= mark.headers && mark.headers >= first)
            else {
                continue;
            };
            let hash = if ours.last == mark.headers {
                ours.head
            } else {
                self.hash_at(&mark.feed, mark.headers)?
            };
            if hash.prefix() != mark.head {
                self.begin_dispute(session, mark.feed, mark.headers);
                return Ok(());
            }
        }
        Ok(())
    }

    fn hash_at(&self, feed: &FeedId, n: u64) -> Result<Hash, Stop> {
        let place = self.core.envelope_place(feed, n).map_err(stop_of)?;
        Ok(place.map_or(Hash::ZERO, |place| place.hash))
    }

    /// The peer holds another envelope with this number of a feed.
    pub(super) fn begin_dispute(&self, session: &mut Session, feed: FeedId, n: u64) {
        let Some(ours) = self.core.feeds.get(&feed) else {
            return;
        };
        if session.dispute.is_some() {
            return;
        }
        tracing::warn!(%feed, n, "a feed went on differently on the two sides");
        let mut dispute = Dispute {
            feed,
            common: ours.first - 1,
            differs: n,
            asked: 0,
            theirs: None,
        };
        dispute.asked = dispute.next();
        session.say(Message::AskHeader {
            feed,
            n: dispute.asked,
        });
        session.dispute = Some(dispute);
    }

    /// Gives the header that the peer asks for.
    pub(super) fn on_ask_header(
        &self,
        session: &mut Session,
        feed: FeedId,
        n: u64,
    ) -> Result<(), Stop> {
        session.headers_given += 1;
        if session.headers_given > limits::SESSION_HEADERS {
            return Err((Code::UnexpectedMessage, "too many headers".into()));
        }
        let place = self.core.envelope_place(&feed, n).map_err(stop_of)?;
        if place.is_none() {
            return Err((Code::Equivocation, "a header that is not here".into()));
        }
        let envelope = self.read_envelope(&feed, n).map_err(stop_of)?;
        let header = Box::new(envelope.signed_header().clone());
        session.say(Message::Header { header });
        Ok(())
    }

    /// One step of the search.
    pub(super) fn on_header(
        &mut self,
        session: &mut Session,
        header: SignedHeader,
    ) -> Result<(), Stop> {
        let Some(mut dispute) = session.dispute.take() else {
            return Err((Code::UnexpectedMessage, "a header out of place".into()));
        };
        let (feed, n) = (dispute.feed, dispute.asked);
        let Some(of) = self.core.feeds.get(&feed).map(|feed| feed.of) else {
            return Ok(()); // split meanwhile: the session is about to end
        };
        if header.header.feed != of || header.header.n != n {
            return Err((Code::UnexpectedMessage, "another header".into()));
        }
        if header.header.hash() == self.hash_at(&feed, n)? {
            dispute.common = n;
        } else {
            dispute.differs = n;
            dispute.theirs = Some(header);
        }
        if dispute.common >= dispute.differs {
            return Err((
                Code::Equivocation,
                "the other side does not hold what it said".into(),
            ));
        }
        if dispute.differs == dispute.common + 1
            && let Some(theirs) = dispute.theirs
        {
            let ours = self.read_envelope(&feed, dispute.differs);
            let ours = ours.map_err(stop_of)?.signed_header().clone();
            return self.accuse(ours, theirs);
        }
        dispute.asked = dispute.next();
        session.say(Message::AskHeader {
            feed,
            n: dispute.asked,
        });
        session.dispute = Some(dispute);
        Ok(())
    }

    /// Writes down that two headers prove; the session ends with it.
    pub(super) fn accuse(&mut self, ours: SignedHeader, theirs: SignedHeader) -> Result<(), Stop> {
        let place = (theirs.header.feed, theirs.header.n);
        let written = self.write_accusation(ours, theirs).map_err(stop_of)?;
        let (feed, n) = place;
        let detail = if written {
            format!("feed {feed} went on in two ways at {n}; that is written down")
        } else {
            format!("feed {feed} went on in two ways at {n}, which is not proven")
        };
        Err((Code::Equivocation, detail))
    }

    /// Stages an accusation, where the two headers prove one and this device may write it; says whether.
    fn write_accusation(
        &mut self,
        ours: SignedHeader,
        theirs: SignedHeader,
    ) -> Result<bool, EngineError> {
        let feed = ours.header.feed;
        let Some((device, _)) = self.author_of(&feed) else {
            return Ok(false);
        };
        let accuse = Accuse::of(device, ours, theirs);
        if accuse.verify().is_err() {
            return Ok(false);
        }
        self.merge_membership()?;
        let parents = self.record_parents();
        if self.core.log.at(&parents).active(&self.device()).is_none() {
            return Ok(false);
        }
        let (feed, n) = (accuse.first.header.feed, accuse.first.header.n);
        let Ok(record) = self.sign_record(parents, RecordBody::Accuse(Box::new(accuse))) else {
            return Ok(false); // the headers are not of one place
        };
        self.stage_record(record)?;
        tracing::warn!(%device, %feed, n, "a device has signed two different changes with one number");
        Ok(true)
    }

    /// Names the branches that are held and that no accusation names: a third one of an accused place.
    pub(crate) fn name_branches(&mut self) -> Result<(), EngineError> {
        if self.core.forks.is_empty() {
            return Ok(());
        }
        let mut unnamed = Vec::new();
        for (id, feed) in self.core.feeds.branches() {
            if self.core.forks.branch(id).is_none() {
                unnamed.push((*id, feed.first));
            }
        }
        for (id, n) in unnamed {
            let ours = self.read_envelope(&id, n)?.signed_header().clone();
            let beside = self.core.forks.beside(&ours.header);
            if let Some(theirs) = beside.map(|branch| branch.root.clone()) {
                self.write_accusation(ours, theirs)?;
            }
        }
        Ok(())
    }

    /// Ends the sessions that count on feeds as they were before one was split.
    pub(crate) fn end_split(&mut self) {
        let mut sessions = std::mem::take(&mut self.sessions);
        for (id, session) in &mut sessions {
            // One that has not compared cursors yet does so with what is here now.
            let compares = session.stage == Stage::Exchanging
                && session.cursor_sent.is_none()
                && !session.same_cursor();
            if session.hello.is_some() && !session.closed && !compares {
                let detail = "a feed turned out to have gone on in two ways";
                session.fail((Code::Equivocation, detail.into()));
                self.awakened.insert(*id);
            }
        }
        self.sessions = sessions;
    }

    /// What the sessions that stay open are to hear of may lie on a branch now.
    pub(crate) fn name_news(&mut self) -> Result<(), EngineError> {
        let (core, journal) = (&self.core, &self.journal);
        let open = self.sessions.values_mut().filter(|s| !s.closed);
        let waiting = open.flat_map(Session::unsent);
        let staged = self.news.iter_mut().map(|heard| &mut heard.news);
        for news in waiting.chain(staged) {
            if let News::Envelope(outgoing) = news {
                let envelope = envelope_at(journal, outgoing.position)?;
                outgoing.feed = core.id_of(&envelope)?.feed;
            }
        }
        Ok(())
    }
}
