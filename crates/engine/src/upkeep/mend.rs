//! Mending a journal: which of the frames that are whole are kept, and what the store still knows that it lost.

use std::collections::{BTreeMap, BTreeSet};

use driftless_document::change_hash;
use driftless_protocol::{
    DeviceId, Envelope, Hash, Record as MemberRecord, RecordBody, check_commitment,
};
use driftless_store::{Files, Found, Frame, Journal, Mending, Position, Survey, Visit};

use super::Remains;
use crate::core::{
    ENVELOPE_FRAME, MEMBER_FRAME, NOTE_FRAME, OWN_ENVELOPE_FRAME, decode_note, encode_note,
};
use crate::error::EngineError;
use crate::pack::history_codec;
use crate::types::Replayed;

/// What mending a journal came to.
#[derive(Debug)]
pub struct MendedJournal {
    /// What was found.
    pub survey: Survey,
    /// The journal, with the segments that were mended; nobody else opens it before [`Mending::finish`].
    pub journal: Journal,
    /// Frames of damaged segments that were kept.
    pub kept: u64,
    /// Membership records and settings that the journal had lost and the store still had.
    pub restored: u64,
}

/// Mends the journal in `files` as far as it is damaged, durably; `remains` is what the store says.
///
/// Until [`Mending::finish`] is called for the same files the journal opens for nobody but this function. Called again
/// after a crash at any point it goes on. `None` once `progress` says no, before anything was changed.
pub fn mend_journal(
    files: Box<dyn Files>,
    remains: &Remains,
    progress: &mut dyn FnMut(Replayed) -> Visit,
) -> Result<Option<MendedJournal>, EngineError> {
    let mut mending = Mending::of(files.another(), history_codec(), remains.known_end());
    let survey =
        mending.survey(&mut |done, total| progress(Replayed { done, total }) == Visit::Continue)?;
    let Some(survey) = survey else {
        return Ok(None);
    };
    let mut kept = 0;
    if !survey.is_clean() {
        let authors = authors(&mending, remains)?;
        mending.begin()?;
        for damaged in &survey.damaged {
            kept += mending.mend(damaged, &mut |found| is_kept(found, &authors))?;
        }
        mending.set_aside_replaced()?;
    }
    let (mut journal, _) = Journal::open_in_repair(files)?;
    journal.unpack_with(history_codec());
    let restored = if survey.is_clean() {
        0
    } else {
        restore(&mut journal, remains)?
    };
    Ok(Some(MendedJournal {
        survey,
        journal,
        kept,
        restored,
    }))
}

/// Every device that some membership record names, whether or not it is a member.
fn authors(
    mending: &Mending,
    remains: &Remains,
) -> Result<BTreeMap<[u8; 8], DeviceId>, EngineError> {
    let mut authors = BTreeMap::new();
    let mut note = |record: &MemberRecord| {
        if matches!(record.body(), RecordBody::Genesis(_) | RecordBody::Join(_)) {
            authors.insert(record.author().prefix(), record.author());
        }
    };
    remains.records.values().for_each(&mut note);
    mending.frames(&mut |found| {
        if found.frame.kind == MEMBER_FRAME
            && let Ok(record) = MemberRecord::decode(&found.frame.bytes)
            && record.verify().is_ok()
        {
            note(&record);
        }
    })?;
    Ok(authors)
}

/// Whether a frame of a damaged segment is what was written here: one that is not sure has to prove itself.
fn is_kept(found: &Found, authors: &BTreeMap<[u8; 8], DeviceId>) -> bool {
    let Frame { kind, bytes, .. } = &found.frame;
    match *kind {
        ENVELOPE_FRAME | OWN_ENVELOPE_FRAME => Envelope::decode(bytes)
            .is_ok_and(|envelope| found.is_sure || proves_itself(&envelope, authors)),
        MEMBER_FRAME => {
            MemberRecord::decode(bytes).is_ok_and(|record| found.is_sure || record.verify().is_ok())
        }
        // Nobody signs a setting.
        NOTE_FRAME => found.is_sure && decode_note(bytes).is_ok(),
        _ => found.is_sure,
    }
}

/// Whether its author signed it, and what it commits to is in it. One whose author is not known may be right.
fn proves_itself(envelope: &Envelope, authors: &BTreeMap<[u8; 8], DeviceId>) -> bool {
    let author = authors.get(&envelope.header().feed.device_prefix());
    let is_signed = author.is_none_or(|author| envelope.verify(author).is_ok());
    is_signed
        && envelope.items().into_iter().all(|(_, item, payload)| {
            let last = payload.changes.last().and_then(|raw| change_hash(raw));
            last.is_some_and(|last| check_commitment(item, &payload.salt, &last.0))
        })
}

/// Appends what the store still knows of what the journal has lost.
fn restore(journal: &mut Journal, remains: &Remains) -> Result<u64, EngineError> {
    let mut records = BTreeSet::<Hash>::new();
    let mut settings = BTreeSet::<String>::new();
    journal.replay(Position::START, &mut |frame: Frame| {
        if frame.kind == MEMBER_FRAME {
            records.extend(MemberRecord::decode(&frame.bytes).map(|record| record.hash()));
        } else if frame.kind == NOTE_FRAME {
            settings.extend(decode_note(&frame.bytes).map(|(name, _)| name));
        }
        Ok::<_, EngineError>(Visit::Continue)
    })?;
    let mut restored = 0;
    for (hash, record) in &remains.records {
        if !records.contains(hash) {
            journal.append(MEMBER_FRAME, &record.encode())?;
            restored += 1;
        }
    }
    for (name, value) in &remains.settings {
        if !settings.contains(name) {
            journal.append(NOTE_FRAME, &encode_note(name, value))?;
            restored += 1;
        }
    }
    journal.commit()?;
    Ok(restored)
}
