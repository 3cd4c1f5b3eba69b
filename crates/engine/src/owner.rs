//! Whose folder it is: the device that it was made for, or joined as.
//!
//! The key is kept apart from the journal, so another one may come to stand beside it: that of another member, or nobody's.
//! With it this folder would speak for another device. So the journal has the device's id as a setting, and every opening
//! holds the key against it. A journal from before that is judged by what the device last wrote, and by the members.
//!
//! Who calls it: whoever opens or makes a folder, opening, deriving, looking.

use driftless_protocol::DeviceId;
use driftless_store::{Frame, Journal, Position, Visit};

use crate::core::{Core, NOTE_FRAME, decode_note, log_of};
use crate::error::EngineError;
use crate::membership::MembershipLog;
use crate::pack::history_codec;
use crate::replica::Replica;

/// The setting with the id of the device, 32 bytes.
const DEVICE_NOTE: &str = "this-device";

/// Refuses a key that is not that of the device whose journal it is, with [`EngineError::OtherKey`]; reads the journal.
pub fn check_device(journal: &Journal, device: DeviceId) -> Result<(), EngineError> {
    journal.unpack_with(history_codec());
    let owner = owner_of(journal)?;
    if owner == Some(device) {
        return Ok(()); // without the members, for which the whole journal is read
    }
    check(&log_of(journal)?, owner, device, journal.has_gaps())
}

/// The device whose journal it is, as far as the journal says so.
pub(crate) fn owner_of(journal: &Journal) -> Result<Option<DeviceId>, EngineError> {
    let mut owner = None;
    journal.replay(Position::START, &mut |frame: Frame| {
        if frame.kind == NOTE_FRAME {
            let (name, value) = decode_note(&frame.bytes)?;
            owner = noted(&value).filter(|_| name == DEVICE_NOTE);
        }
        Ok::<_, EngineError>(match owner {
            Some(_) => Visit::Stop,
            None => Visit::Continue,
        })
    })?;
    Ok(owner)
}

fn noted(value: &[u8]) -> Option<DeviceId> {
    value.try_into().ok().map(DeviceId)
}

/// Refuses `device` where the folder is another's. In a journal with gaps the record that admits it may be what is gone.
pub(crate) fn check(
    log: &MembershipLog,
    owner: Option<DeviceId>,
    device: DeviceId,
    has_gaps: bool,
) -> Result<(), EngineError> {
    let is_other = match owner {
        Some(owner) => owner != device,
        None => !has_gaps && log.member(&device).is_none(),
    };
    if !is_other {
        return Ok(());
    }
    let name_of = |device: &DeviceId| Some(log.member(device)?.0.name);
    Err(EngineError::OtherKey {
        owner: owner.as_ref().and_then(name_of),
        of: name_of(&device),
    })
}

/// Checks that a device is in the log at all, whatever became of it.
pub(crate) fn check_let_in(log: &MembershipLog, device: &DeviceId) -> Result<(), EngineError> {
    match log.member(device) {
        Some(_) => Ok(()),
        None => Err(EngineError::MembershipLost {
            what: "the record that let this device in, or one that it rests on,",
        }),
    }
}

impl Core {
    /// The device whose store it is, as far as the store says so.
    pub(crate) fn owner(&self) -> Result<Option<DeviceId>, EngineError> {
        let note = self.base.get(&self.keys.note(DEVICE_NOTE))?;
        if let Some(device) = note.as_deref().and_then(noted) {
            return Ok(Some(device));
        }
        let feed = self.state.own_feed;
        let resolved = self.log.resolved();
        let mut members = resolved.iter().map(|(member, _)| member.device);
        Ok(feed.and_then(|feed| members.find(|device| feed.belongs_to(device))))
    }
}

impl Replica {
    /// Keeps whose folder this is, where that is not kept yet. Durable when this returns.
    pub fn note_device(&mut self) -> Result<(), EngineError> {
        if self.setting(DEVICE_NOTE)?.is_some() {
            return Ok(());
        }
        self.set_setting(DEVICE_NOTE, &self.device().0)?;
        self.commit_group()
    }
}
