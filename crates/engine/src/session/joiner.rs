//! A device that is not a member yet: it shows its invite and gets the membership log.

use std::collections::VecDeque;

use driftless_protocol::{
    Batcher, Code, DeviceKey, Hello, InviteLink, Message, Record as MemberRecord, WorkspaceId,
    decode_batch, workspace_tag,
};

use super::{SessionFailure, Stop};
use crate::limits;
use crate::membership::MembershipLog;

/// What joining wants done.
#[derive(Debug)]
#[non_exhaustive]
pub enum JoinOutput {
    /// Send this as one message of the channel.
    Send(Vec<u8>),
    /// The device is a member: these are the membership records.
    Joined(Vec<MemberRecord>),
    /// It is not; close.
    Failed(SessionFailure),
}

/// The session of a device that wants to join.
///
/// [`Joiner::handle_frame`] takes what comes, [`Joiner::poll`] is drained until it gives none; the last output
/// is `Joined` or `Failed`.
pub struct Joiner {
    workspace: WorkspaceId,
    device: driftless_protocol::DeviceId,
    records: Vec<MemberRecord>,
    outputs: VecDeque<JoinOutput>,
    over: bool,
}

impl Joiner {
    /// Begins to join over a channel whose handshake is finished.
    pub fn new(link: &InviteLink, key: &DeviceKey, name: &str, handshake_hash: &[u8; 32]) -> Self {
        let mut joiner = Self {
            workspace: link.workspace,
            device: key.device_id(),
            records: Vec::new(),
            outputs: VecDeque::new(),
            over: false,
        };
        let asked = ask(link, key, name, handshake_hash);
        match asked {
            Ok(frame) => joiner.outputs.push_back(JoinOutput::Send(frame)),
            Err(stop) => joiner.fail(stop, false),
        }
        joiner
    }

    /// Takes one message of the channel.
    pub fn handle_frame(&mut self, frame: &[u8]) {
        let messages = match decode_batch(frame) {
            Ok(messages) => messages,
            Err(error) => return self.fail((Code::BadFrame, error.to_string()), false),
        };
        for message in messages {
            if self.over {
                return;
            }
            match message {
                Message::Welcome { records, last } => self.on_welcome(records, last),
                Message::Error { code, detail, .. } => self.fail((code, detail), true),
                Message::Bye => self.fail((Code::ShuttingDown, String::new()), true),
                _ => self.fail((Code::UnexpectedMessage, String::new()), false),
            }
        }
    }

    fn on_welcome(&mut self, records: Vec<MemberRecord>, last: bool) {
        self.records.extend(records);
        if self.records.len() > limits::SESSION_RECORDS {
            return self.fail(
                (Code::FrameTooLarge, "too many membership records".into()),
                false,
            );
        }
        if !last {
            return;
        }
        let records = std::mem::take(&mut self.records);
        let fits = MembershipLog::of_set(records.clone()).is_some_and(|log| {
            log.workspace() == self.workspace && log.member(&self.device).is_some()
        });
        if fits {
            self.over = true;
            self.outputs.push_back(JoinOutput::Joined(records));
        } else {
            let detail = "the membership records do not admit this device to the link's workspace";
            self.fail((Code::JoinInvalid, detail.into()), false);
        }
    }

    /// The next thing joining wants done.
    pub fn poll(&mut self) -> Option<JoinOutput> {
        self.outputs.pop_front()
    }

    fn fail(&mut self, (code, detail): Stop, by_peer: bool) {
        if !self.over {
            self.over = true;
            self.outputs.push_back(JoinOutput::Failed(SessionFailure {
                code,
                by_peer,
                detail,
                retry_after_s: 0,
            }));
        }
    }
}

fn ask(
    link: &InviteLink,
    key: &DeviceKey,
    name: &str,
    handshake_hash: &[u8; 32],
) -> Result<Vec<u8>, Stop> {
    limits::check_device_name(name).map_err(|error| (Code::JoinInvalid, error.to_string()))?;
    let join = MemberRecord::join(key, link.workspace, link.invite, &link.invite_key(), name)
        .map_err(|error| (Code::JoinInvalid, error.to_string()))?;
    let hello = Hello {
        protocol_min: 1,
        protocol_max: 1,
        workspace: workspace_tag(&link.workspace, handshake_hash),
        features: 0,
        cursor_digest: [0; 16],
        membership_digest: [0; 16],
        common: None,
        max_envelope: u32::try_from(driftless_protocol::limits::ENVELOPE).unwrap_or(u32::MAX),
        role: 0,
    };
    let messages = [
        Message::Hello(hello),
        Message::Join {
            record: Box::new(join),
        },
    ];
    let mut batch = Batcher::new();
    for message in &messages {
        if let Err(error) = batch.push(message) {
            return Err((Code::Bug, error.to_string()));
        }
    }
    batch.finish().ok_or((Code::Bug, String::new()))
}
