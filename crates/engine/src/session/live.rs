//! Open sessions hear at once of what is committed: each envelope is encoded and compressed once for all of them.
//!
//! What a group of commits brought is spread over the sessions after it became durable. A session that has
//! everything else gets the same finished frames as the others; one that is still catching up, that is slow, or
//! that brought some of it itself, gets a place in its own queue, and its envelopes when their turn comes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use driftless_document::change_hash;
use driftless_protocol::{Agreed, Batcher, Code, FeedId, Hash, Message, features};

use super::outgoing::{Outgoing, WHOLE_BYTES};
use super::{Outbound, Session, SessionId, Stage};
use crate::limits;
use crate::replica::Replica;

/// Something that open sessions should hear of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum News {
    Record(Hash),
    Envelope(Outgoing),
}

/// News of a group that is not durable yet, and the session that brought it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heard {
    pub(crate) news: News,
    pub(crate) from: Option<SessionId>,
}

/// Envelopes as frames that any session with the same agreement can send.
struct Shared {
    frames: Vec<Arc<[u8]>>,
    /// Feed, number, bytes, records of each.
    envelopes: Vec<(FeedId, u64, usize, u64)>,
}

impl Session {
    /// Whether both sides stay when they have everything.
    pub(super) fn is_live(&self) -> bool {
        let peer = self.peer_hello.as_ref();
        self.start.wishes.live && peer.is_some_and(|hello| hello.features & features::LIVE != 0)
    }

    /// Whether the peer takes envelopes, and we want to send them.
    pub(super) fn may_push(&self) -> bool {
        let peer = self.peer_hello.as_ref();
        let refuses = peer.is_some_and(|hello| hello.features & features::NO_PULL != 0);
        self.start.wishes.push && !refuses
    }

    /// Whether what is committed from now on belongs into this session.
    fn listens(&self) -> bool {
        let undecided = self.peer_hello.is_none() && self.start.wishes.live;
        !self.closed && self.hello.is_some() && (undecided || self.is_live())
    }

    /// Whether it would get what has been committed last, and nothing before.
    fn is_level(&self) -> bool {
        let planned = self.plan.as_ref().is_some_and(VecDeque::is_empty);
        self.stage == Stage::CaughtUp && planned && self.outbox.is_empty() && self.credit > 0
    }

    fn has(&self, outgoing: &Outgoing) -> bool {
        let received = self.received.get(&outgoing.feed);
        received.is_some_and(|n| *n >= outgoing.n)
    }

    /// Puts news behind what waits already; false where too much waits. What the peer lacked at the beginning does
    /// not count: that there is a lot of it does not make the peer slow.
    fn queue(&mut self, news: News) -> bool {
        let backlog = self.backlog;
        let queue = self.plan.as_mut().unwrap_or(&mut self.fresh);
        queue.push_back(news);
        queue.len().saturating_sub(backlog) <= limits::LIVE_QUEUE
    }

    /// What waits to be sent.
    pub(super) fn unsent(&mut self) -> impl Iterator<Item = &mut News> {
        self.plan.iter_mut().flatten().chain(&mut self.fresh)
    }

    /// What is to be sent next.
    pub(super) fn next_news(&mut self) -> Option<News> {
        let news = self.plan.as_mut()?.pop_front()?;
        self.backlog = self.backlog.saturating_sub(1);
        Some(news)
    }
}

impl Replica {
    /// After [`Replica::commit_group`]: the sessions that have something to send because of what was committed.
    pub fn take_awakened(&mut self) -> Vec<SessionId> {
        let awakened = std::mem::take(&mut self.awakened);
        awakened.into_iter().collect()
    }

    /// Takes note of what a group brings; open sessions hear of it when it is durable.
    pub(crate) fn note_news(&mut self, news: News) {
        // Without sessions there is nobody to tell.
        if !self.sessions.is_empty() || self.handling.is_some() {
            self.news.push(Heard {
                news,
                from: self.handling,
            });
        }
    }

    /// Spreads what became durable over the open sessions.
    pub(crate) fn spread_news(&mut self) {
        let news = std::mem::take(&mut self.news);
        if news.is_empty() {
            return;
        }
        let mut sessions = std::mem::take(&mut self.sessions);
        let mut shared = BTreeMap::new();
        for (id, session) in &mut sessions {
            if session.listens() && self.tell(*id, session, &news, &mut shared) {
                self.awakened.insert(*id);
            }
        }
        self.sessions = sessions;
    }

    /// Tells one session; says whether it has something to send now.
    fn tell(
        &self,
        id: SessionId,
        session: &mut Session,
        news: &[Heard],
        shared: &mut BTreeMap<Vec<Hash>, Option<Shared>>,
    ) -> bool {
        let push = session.may_push();
        let wanted: Vec<News> = news
            .iter()
            .filter(|heard| heard.from != Some(id))
            .map(|heard| heard.news)
            .filter(|news| match news {
                News::Record(_) => true,
                News::Envelope(outgoing) => push && !session.has(outgoing),
            })
            .collect();
        if wanted.is_empty() {
            return false;
        }
        if wanted.len() == news.len() && session.is_level() {
            let frames = shared
                .entry(session.agreed.clone())
                .or_insert_with(|| self.share(&wanted, &session.agreed));
            if let Some(frames) = frames {
                session.send_shared(frames);
                return true;
            }
        }
        for news in wanted {
            if !session.queue(news) {
                session.fail((Code::TooSlow, "too much waits for the peer".into()));
                break;
            }
        }
        true
    }

    /// Makes the frames of some news, or none where they are better sent one by one: a lot, large ones, or one that
    /// does not read, which is then the trouble of each session and not of the commit.
    fn share(&self, news: &[News], agreed: &[Hash]) -> Option<Shared> {
        let hash = |raw: &[u8]| change_hash(raw).map(|hash| hash.0);
        let agreed = Agreed {
            membership: agreed,
            change_hash: Some(&hash),
        };
        let mut shared = Shared {
            frames: Vec::new(),
            envelopes: Vec::new(),
        };
        let (mut batch, mut bytes) = (Batcher::new(), 0);
        for news in news {
            let message = match news {
                News::Record(hash) => Message::Membership {
                    records: self.core.log.get(hash).cloned().into_iter().collect(),
                    last: true,
                },
                News::Envelope(outgoing) => {
                    let Outgoing { feed, n, items, .. } = *outgoing;
                    let wire = self.read_envelope(&feed, n).ok()?.encode_wire(&agreed);
                    self.encoded.set(self.encoded.get() + 1);
                    bytes += wire.len();
                    if wire.len() > WHOLE_BYTES || bytes > limits::SHARED_BYTES {
                        return None;
                    }
                    shared.envelopes.push((feed, n, wire.len(), items));
                    Message::Envelope {
                        feed,
                        n,
                        bytes: wire,
                    }
                }
            };
            let full = batch.push(&message).ok()?;
            shared.frames.extend(full.map(Arc::from));
        }
        shared.frames.extend(batch.finish().map(Arc::from));
        Some(shared)
    }
}

impl Session {
    fn send_shared(&mut self, shared: &Shared) {
        let frames = shared.frames.iter().cloned();
        self.outbox.extend(frames.map(Outbound::Frame));
        for (feed, n, bytes, items) in &shared.envelopes {
            self.in_flight.insert((*feed, *n), *items);
            self.spend(*bytes);
        }
    }

    /// Counts bytes of envelopes against what the peer has granted.
    pub(super) fn spend(&mut self, bytes: usize) {
        self.credit -= i64::try_from(bytes).unwrap_or(i64::MAX);
    }

    /// What was sent in this session and is not acknowledged.
    pub(crate) fn sent_now(&self) -> impl Iterator<Item = (&FeedId, &u64)> {
        self.in_flight.keys().map(|(feed, n)| (feed, n))
    }
}

/// The sessions that were told something.
pub(crate) type Awakened = BTreeSet<SessionId>;

#[cfg(test)]
mod tests {
    use driftless_protocol::DeviceId;

    use super::*;
    use crate::session::{SessionStart, Side, Wishes};

    const NEWS: News = News::Record(Hash::ZERO);

    fn session() -> Session {
        Session::new(SessionStart {
            side: Side::Listener,
            peer: DeviceId([0; 32]),
            handshake_hash: [0; 32],
            wishes: Wishes::default(),
        })
    }

    #[test]
    fn a_peer_that_lacks_a_lot_hears_of_what_comes_all_the_same() {
        let mut session = session();
        let lacks = 2 * limits::LIVE_QUEUE;
        session.begin_plan(std::iter::repeat_n(NEWS, lacks));
        assert!(session.queue(NEWS), "an edit while the peer catches up");
        for _ in 0..lacks {
            assert!(session.next_news().is_some());
        }
        for _ in 1..limits::LIVE_QUEUE {
            assert!(session.queue(NEWS));
        }
        assert!(!session.queue(NEWS), "nothing is sent, and more comes");
        assert!(session.next_news().is_some());
        assert!(session.next_news().is_some());
        assert!(session.queue(NEWS));
    }

    #[test]
    fn what_waits_before_the_two_have_compared_is_limited_too() {
        let mut session = session();
        for _ in 0..limits::LIVE_QUEUE {
            assert!(session.queue(NEWS));
        }
        assert!(!session.queue(NEWS));
    }
}
