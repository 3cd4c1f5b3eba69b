//! Who is there, and may they know that we are: nothing but a code goes to a device that is no member.

use driftless_protocol::{
    Code, DeviceId, Hello, Message, Record as MemberRecord, features, workspace_tag,
};

use super::{Session, Side, Stage, Stop, Wishes};
use crate::clock::Millis;
use crate::error::EngineError;
use crate::limits;
use crate::membership::MembershipLog;
use crate::replica::Replica;

/// What a device that is not known as a member has sent so far, and the log with it.
pub(super) struct Proof {
    log: MembershipLog,
    records: Vec<MemberRecord>,
}

/// The versions of the protocol this build speaks.
const PROTOCOL_MIN: u8 = 1;
const PROTOCOL_MAX: u8 = 1;

impl Replica {
    /// Says who we are. The peer gets the proof of our own admission too, where it may not have it yet.
    pub(super) fn greet(&mut self, session: &mut Session) {
        let hello = Hello {
            protocol_min: PROTOCOL_MIN,
            protocol_max: PROTOCOL_MAX,
            workspace: workspace_tag(&self.workspace(), &session.start.handshake_hash),
            features: features_of(session.start.wishes),
            cursor_digest: self.core.feeds.cursor().digest(),
            membership_digest: self.core.log.digest(),
            common: None,
            max_envelope: u32::try_from(driftless_protocol::limits::ENVELOPE).unwrap_or(u32::MAX),
            role: 0,
        };
        session.hello = Some(hello.clone());
        session.agreed = self.core.log.heads();
        session.shared = self.core.log.hashes().copied().collect();
        for entry in self.core.feeds.cursor().iter() {
            session.peer_holds.insert(entry.feed, entry.headers);
        }
        session.say(Message::Hello(hello));
        let peer = session.start.peer;
        let known = self.peers.get(&peer);
        let met = known.is_some_and(|known| known.last_sync_ms.is_some());
        if !met && self.core.log.member(&peer).is_some() {
            let device = self.device();
            let records = self.core.log.proof_of(&device).into_iter().cloned();
            session.say_all(proofs(records));
        }
    }

    pub(super) fn on_hello(&mut self, session: &mut Session, hello: Hello) -> Result<(), Stop> {
        if session.peer_hello.is_some() {
            return Err((Code::UnexpectedMessage, "a second Hello".into()));
        }
        if hello.protocol_max < PROTOCOL_MIN || hello.protocol_min > PROTOCOL_MAX {
            return Err((
                Code::NoCommonVersion,
                format!(
                    "the peer speaks versions {} to {}, this device {PROTOCOL_MIN} to {PROTOCOL_MAX}",
                    hello.protocol_min, hello.protocol_max
                ),
            ));
        }
        let tag = workspace_tag(&self.workspace(), &session.start.handshake_hash);
        if hello.workspace != tag {
            return Err((Code::OtherWorkspace, String::new()));
        }
        session.peer_hello = Some(hello);
        Ok(())
    }

    /// A newcomer's records: they prove that it is a member, by the signatures of those who let it in.
    pub(super) fn on_proof(
        &mut self,
        session: &mut Session,
        records: Vec<MemberRecord>,
    ) -> Result<(), Stop> {
        if session.peer_hello.is_none() {
            return Err((Code::UnexpectedMessage, "a proof before the Hello".into()));
        }
        if self.core.log.is_removed(&session.start.peer) {
            return Err((Code::DeviceRemoved, String::new()));
        }
        if self.core.log.member(&session.start.peer).is_some() {
            return self.take_records(session, records);
        }
        // Nothing of a stranger is kept before the whole of it shows that it is none.
        let proof = session.proof.get_or_insert_with(|| {
            Box::new(Proof {
                log: self.core.log.clone(),
                records: Vec::new(),
            })
        });
        if records.is_empty() || proof.records.len() + records.len() > limits::PROOF_RECORDS {
            return Err((Code::UnknownDevice, String::new()));
        }
        for record in records {
            proof
                .log
                .insert(record.clone())
                .map_err(|refusal| stop_of(refusal.into_error()))?;
            proof.records.push(record);
        }
        if proof.log.member(&session.start.peer).is_some() {
            let records = std::mem::take(&mut proof.records);
            session.proof = None;
            self.take_records(session, records)?;
        }
        Ok(())
    }

    /// A peer has forgotten us (a restored backup): the next greeting carries our proof again.
    pub(super) fn forget_meeting(&mut self, peer: &DeviceId) {
        let Some(known) = self.peers.get_mut(peer) else {
            return;
        };
        known.last_sync_ms = None;
        if let Err(error) = self.save_peer(peer) {
            tracing::warn!(%error, "the peer cannot be marked as one that has forgotten us");
        }
    }

    /// Ends the sessions with devices that are removed now: they get a code and nothing else.
    pub(crate) fn end_removed(&mut self) {
        if self.core.log.standing().removals.is_empty() {
            return;
        }
        let mut sessions = std::mem::take(&mut self.sessions);
        for (id, session) in &mut sessions {
            let greeted = session.hello.is_some() && !session.closed;
            if greeted && self.core.log.is_removed(&session.start.peer) {
                session.fail((Code::DeviceRemoved, String::new()));
                self.awakened.insert(*id);
            }
        }
        self.sessions = sessions;
    }

    fn check_member(&self, session: &Session) -> Result<(), Stop> {
        match self.core.log.member(&session.start.peer) {
            Some(_) if self.core.log.is_removed(&session.start.peer) => {
                Err((Code::DeviceRemoved, String::new()))
            }
            Some(_) => Ok(()),
            None => Err((Code::UnknownDevice, String::new())),
        }
    }

    /// Stages membership records of a peer; what breaks a rule ends the session.
    pub(super) fn take_records(
        &mut self,
        session: &mut Session,
        records: Vec<MemberRecord>,
    ) -> Result<(), Stop> {
        session.records_received += records.len();
        if session.records_received > limits::SESSION_RECORDS {
            return Err((Code::FrameTooLarge, "too many membership records".into()));
        }
        for record in records {
            self.stage_record(record).map_err(stop_of)?;
        }
        Ok(())
    }

    pub(super) fn on_join(
        &mut self,
        session: &mut Session,
        record: MemberRecord,
        now: Millis,
    ) -> Result<(), Stop> {
        if session.peer_hello.is_none() || session.start.side != Side::Listener {
            return Err((Code::UnexpectedMessage, "a Join out of place".into()));
        }
        self.admit_join(&session.start.peer, record, now)?;
        let records = self.core.log.in_order().into_iter().cloned().collect();
        session.say_all(Message::welcome(records));
        session.summary.joined = true;
        session.end(super::SessionOutput::Finished(session.summary));
        Ok(())
    }

    /// After each frame: begins the exchange once both sides are known, or refuses.
    pub(super) fn check_greeted(&mut self, session: &mut Session) -> Result<(), Stop> {
        if session.stage != Stage::Greeting || session.peer_hello.is_none() {
            return Ok(());
        }
        self.check_member(session)?;
        if session.hello.is_none() {
            self.greet(session);
        }
        session.stage = Stage::Exchanging;
        self.begin_exchange(session);
        Ok(())
    }
}

fn features_of(wishes: Wishes) -> u32 {
    let live = if wishes.live { features::LIVE } else { 0 };
    let no_pull = if wishes.pull { 0 } else { features::NO_PULL };
    live | no_pull
}

/// Bytes of records in one message of a proof: it fits into a frame beside a Hello.
const PROOF_BYTES: usize = 32 * 1024;

/// Cuts a proof into messages.
fn proofs(records: impl Iterator<Item = MemberRecord>) -> Vec<Message> {
    let mut parts: Vec<(usize, Vec<MemberRecord>)> = Vec::new();
    for record in records {
        let length = record.encode().len();
        match parts.last_mut() {
            Some((bytes, part)) if *bytes + length <= PROOF_BYTES => {
                *bytes += length;
                part.push(record);
            }
            _ => parts.push((length, vec![record])),
        }
    }
    let messages = parts.into_iter();
    messages
        .map(|(_, records)| Message::Proof { records })
        .collect()
}

/// What the peer is told of an error here.
pub(super) fn stop_of(error: EngineError) -> Stop {
    match error {
        EngineError::Peer { code, detail } => (code, detail),
        EngineError::Apply(error) => (Code::Bug, error.to_string()),
        other => (Code::StorageFailed, other.to_string()),
    }
}
