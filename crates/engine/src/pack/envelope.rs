//! An envelope taken apart into columns.

use driftless_document::{ActorId, Change};
use driftless_protocol::{
    Body, Envelope, FeedId, Group, Hash, HeaderDraft, Item, ItemPayload, Kind, Meta, Payload,
    Predecessor, Signature, commitment,
};

use super::columns::{Column, Reader, Writer};
use super::dictionary::{Dictionaries, History};

/// The header does not continue the last one of its feed in this segment: number and hash before are given.
const STARTS: u64 = 1;
/// The membership heads are not those of the envelope before: they are given.
const OTHER_MEMBERSHIP: u64 = 2;
/// A predecessor is given.
const HAS_PREDECESSOR: u64 = 4;

/// Operations that a change taken apart has, beside [`OPERATIONS_PER_BYTE`] for each of its bytes, at most. A few bytes
/// of run-length codes say a hundred thousand; in columns each takes bytes of its own.
const OPERATIONS: usize = 256;
const OPERATIONS_PER_BYTE: usize = 2;

/// An envelope of which all that is left out will follow again.
pub(super) struct Parts<'a> {
    envelope: &'a Envelope,
    body: &'a Body,
    payload: &'a Payload,
    /// The changes of each item.
    changes: Vec<Vec<Change>>,
}

impl<'a> Parts<'a> {
    /// Looks whether an envelope is as nearly all are; nothing is noted yet.
    pub(super) fn of(envelope: &'a Envelope, all: &Dictionaries) -> Option<Self> {
        let (body, payload) = envelope.known()?;
        let header = envelope.header();
        if all.workspace.is_some_and(|id| id != header.workspace) {
            return None;
        }
        let mut changes = Vec::with_capacity(payload.items.len());
        for ((_, item), payload) in body.items().zip(&payload.items) {
            changes.push(changes_of(item, payload, header.feed)?);
        }
        Some(Self {
            envelope,
            body,
            payload,
            changes,
        })
    }
}

/// The changes of an item that names just them.
fn changes_of(item: &Item, payload: &ItemPayload, feed: FeedId) -> Option<Vec<Change>> {
    let count = payload.changes.len() as u64;
    if item.actor != feed.0 || item.last_seq.checked_sub(item.first_seq) != count.checked_sub(1) {
        return None;
    }
    let mut changes = Vec::with_capacity(payload.changes.len());
    for (raw, seq) in payload.changes.iter().zip(item.first_seq..) {
        let change = Change::from_raw(raw)?;
        let is_long = change.operations.len() > OPERATIONS + OPERATIONS_PER_BYTE * raw.len();
        if change.actor.0 != item.actor || change.seq != seq || is_long {
            return None;
        }
        changes.push(change);
    }
    let last = changes.last()?;
    (item.commitment == commitment(&payload.salt, &last.hash.0)).then_some(changes)
}

pub(super) fn write(writer: &mut Writer, all: &mut Dictionaries, parts: &Parts<'_>) {
    write_header(writer, all, parts.envelope);
    let time = parts.body.meta.time;
    write_meta(writer, all, &parts.body.meta);
    let mut items = parts.payload.items.iter().zip(&parts.changes);
    writer.number(Column::Body, parts.body.groups.len() as u64);
    for group in &parts.body.groups {
        let (collection, is_new) = all.collections.number(&group.collection);
        writer.number(Column::Body, collection as u64);
        if is_new {
            writer.text(Column::Body, Column::Text, group.collection.as_bytes());
        }
        writer.number(Column::Body, group.items.len() as u64);
        for (item, (payload, changes)) in group.items.iter().zip(&mut items) {
            let record = write_record(writer, all, collection, item.record);
            write_item(writer, &mut all.histories[record], item, &payload.salt);
            for change in changes {
                super::change::write(writer, all, record, time, change);
            }
        }
    }
}

pub(super) fn read(reader: &mut Reader, all: &mut Dictionaries) -> Option<Envelope> {
    let (draft, signature) = read_header(reader, all)?;
    let feed = draft.feed;
    let meta = read_meta(reader, all)?;
    let mut groups = Vec::new();
    let mut payload = Payload::default();
    for _ in 0..reader.number(Column::Body)? {
        let collection = usize::try_from(reader.number(Column::Body)?).ok()?;
        if collection == all.collections.len() {
            let name = reader.text(Column::Body, Column::Text)?.to_vec();
            all.collections.number(&String::from_utf8(name).ok()?);
        }
        let mut group = Group {
            collection: all.collections.name(collection)?.clone(),
            items: Vec::new(),
        };
        for _ in 0..reader.number(Column::Body)? {
            let (item, changes) = read_item(reader, all, collection, feed, meta.time)?;
            group.items.push(item);
            payload.items.push(changes);
        }
        groups.push(group);
    }
    let envelope = Envelope::restore(draft, signature, Body { meta, groups }, payload).ok()?;
    let (number, _) = all.feeds.number(&feed);
    all.heads[number] = (envelope.header().n, envelope.hash());
    Some(envelope)
}

fn write_header(writer: &mut Writer, all: &mut Dictionaries, envelope: &Envelope) {
    let header = envelope.header();
    if all.workspace.is_none() {
        all.workspace = Some(header.workspace);
        writer.bytes(Column::Id, &header.workspace.0);
    }
    let (feed, is_new) = all.feeds.number(&header.feed);
    writer.number(Column::Header, feed as u64);
    if is_new {
        writer.bytes(Column::Id, &header.feed.0);
        all.heads.push((0, Hash::ZERO));
    }
    let (last, head) = all.heads[feed];
    let starts = !header.follows(last, &head);
    let mut flags = if starts { STARTS } else { 0 };
    if header.membership != all.membership {
        flags |= OTHER_MEMBERSHIP;
    }
    if header.predecessor.is_some() {
        flags |= HAS_PREDECESSOR;
    }
    writer.number(Column::Header, flags);
    if starts {
        writer.number(Column::Header, header.n);
        writer.bytes(Column::Noise, &header.prev.0);
    }
    if header.membership != all.membership {
        writer.number(Column::Header, header.membership.len() as u64);
        for head in &header.membership {
            writer.bytes(Column::Noise, &head.0);
        }
        all.membership.clone_from(&header.membership);
    }
    if let Some(before) = &header.predecessor {
        writer.bytes(Column::Id, &before.feed.0);
        writer.number(Column::Header, before.n);
        writer.bytes(Column::Noise, &before.hash.0);
    }
    writer.bytes(Column::Signature, envelope.signature().as_bytes());
    all.heads[feed] = (header.n, envelope.hash());
}

fn read_header(reader: &mut Reader, all: &mut Dictionaries) -> Option<(HeaderDraft, Signature)> {
    let workspace = match all.workspace {
        Some(workspace) => workspace,
        None => reader.fixed(Column::Id)?.into(),
    };
    all.workspace = Some(workspace);
    let feed = usize::try_from(reader.number(Column::Header)?).ok()?;
    if feed == all.feeds.len() {
        let (_, is_new) = all.feeds.number(&FeedId(reader.fixed(Column::Id)?));
        if !is_new {
            return None;
        }
        all.heads.push((0, Hash::ZERO));
    }
    let (last, head) = *all.heads.get(feed)?;
    let known = STARTS | OTHER_MEMBERSHIP | HAS_PREDECESSOR;
    let flags = reader
        .number(Column::Header)
        .filter(|flags| flags & !known == 0)?;
    let (n, prev) = if flags & STARTS == 0 {
        (last.checked_add(1)?, head)
    } else {
        let n = reader.number(Column::Header)?;
        (n, Hash(reader.fixed(Column::Noise)?))
    };
    if flags & OTHER_MEMBERSHIP != 0 {
        all.membership = (0..reader.number(Column::Header)?)
            .map(|_| reader.fixed(Column::Noise).map(Hash))
            .collect::<Option<_>>()?;
    }
    let predecessor = if flags & HAS_PREDECESSOR == 0 {
        None
    } else {
        Some(Predecessor {
            feed: FeedId(reader.fixed(Column::Id)?),
            n: reader.number(Column::Header)?,
            hash: Hash(reader.fixed(Column::Noise)?),
        })
    };
    let signature = Signature::from_bytes(reader.fixed(Column::Signature)?);
    let draft = HeaderDraft {
        workspace,
        feed: *all.feeds.name(feed)?,
        n,
        prev,
        predecessor,
        membership: all.membership.clone(),
    };
    Some((draft, signature))
}

fn write_meta(writer: &mut Writer, all: &mut Dictionaries, meta: &Meta) {
    writer.signed(Column::Time, meta.time.wrapping_sub(all.time));
    all.time = meta.time;
    let timeless = Meta {
        time: 0,
        ..meta.clone()
    };
    let known = all.metas.iter().position(|known| *known == timeless);
    let number = known.unwrap_or(all.metas.len());
    writer.number(Column::Body, number as u64);
    if known.is_some() {
        return;
    }
    let column = Column::Body;
    writer.number(column, u64::from(meta.kind.0));
    writer.number(column, u64::from(meta.atomic));
    writer.number(column, u64::from(meta.schema.is_some()));
    if let Some(schema) = &meta.schema {
        writer.bytes(Column::Noise, &schema.0);
    }
    writer.text(column, Column::Text, meta.app_version.as_bytes());
    writer.number(column, u64::from(meta.epoch.is_some()));
    if let Some(epoch) = &meta.epoch {
        writer.bytes(Column::Noise, epoch);
    }
    writer.number(column, meta.ext.len() as u64);
    for (tag, data) in &meta.ext {
        writer.number(column, u64::from(*tag));
        writer.text(column, Column::Text, data);
    }
    all.metas.push(timeless);
}

fn read_meta(reader: &mut Reader, all: &mut Dictionaries) -> Option<Meta> {
    all.time = all.time.wrapping_add(reader.signed(Column::Time)?);
    let column = Column::Body;
    let number = usize::try_from(reader.number(column)?).ok()?;
    if number == all.metas.len() {
        let mut meta = Meta::changes(0);
        meta.kind = Kind(u8::try_from(reader.number(column)?).ok()?);
        meta.atomic = reader.flag(column)?;
        if reader.flag(column)? {
            meta.schema = Some(Hash(reader.fixed(Column::Noise)?));
        }
        let version = reader.text(column, Column::Text)?.to_vec();
        meta.app_version = String::from_utf8(version).ok()?;
        if reader.flag(column)? {
            meta.epoch = Some(reader.fixed(Column::Noise)?);
        }
        for _ in 0..reader.number(column)? {
            let tag = u16::try_from(reader.number(column)?).ok()?;
            let data = reader.text(column, Column::Text)?.to_vec();
            meta.ext.push((tag, data));
        }
        all.metas.push(meta);
    }
    let mut meta = all.metas.get(number)?.clone();
    meta.time = all.time;
    Some(meta)
}

/// Refers to a record by how far it is from the one after the last: blocks of records come in one order.
fn write_record(
    writer: &mut Writer,
    all: &mut Dictionaries,
    collection: usize,
    id: [u8; 16],
) -> usize {
    let (record, is_new) = all.records.number(&(collection, id));
    let expected = all.last_record.wrapping_add(1);
    let distance = (record as u64).wrapping_sub(expected as u64).cast_signed();
    writer.signed(Column::Record, distance);
    if is_new {
        writer.bytes(Column::Id, &id);
        all.histories.push(History::default());
    }
    all.last_record = record;
    record
}

fn read_record(reader: &mut Reader, all: &mut Dictionaries, collection: usize) -> Option<usize> {
    let expected = all.last_record as u64 + 1;
    let record = expected.wrapping_add_signed(reader.signed(Column::Record)?);
    let record = usize::try_from(record).ok()?;
    if record == all.records.len() {
        let id = reader.fixed(Column::Id)?;
        let (_, is_new) = all.records.number(&(collection, id));
        if !is_new {
            return None;
        }
        all.histories.push(History::default());
    }
    all.last_record = record;
    all.records.name(record)?;
    Some(record)
}

fn write_item(writer: &mut Writer, history: &mut History, item: &Item, salt: &[u8; 16]) {
    let (last, known) = history.actors.get(&item.actor).copied().unwrap_or_default();
    let expected = last.wrapping_add(1);
    let distance = item.first_seq.wrapping_sub(expected).cast_signed();
    writer.signed(Column::Item, distance);
    let more = item.last_seq - item.first_seq;
    writer.number(Column::Item, more << 1 | u64::from(known != *salt));
    if known != *salt {
        writer.bytes(Column::Noise, salt);
    }
    history.actors.insert(item.actor, (item.last_seq, *salt));
}

fn read_item(
    reader: &mut Reader,
    all: &mut Dictionaries,
    collection: usize,
    feed: FeedId,
    time: i64,
) -> Option<(Item, ItemPayload)> {
    let record = read_record(reader, all, collection)?;
    let history = &mut all.histories[record];
    let (last, known) = history.actors.get(&feed.0).copied().unwrap_or_default();
    let first_seq = last
        .wrapping_add(1)
        .wrapping_add_signed(reader.signed(Column::Item)?);
    let more = reader.number(Column::Item)?;
    let salt = if more & 1 == 0 {
        known
    } else {
        reader.fixed(Column::Noise)?
    };
    let last_seq = first_seq.checked_add(more >> 1)?;
    history.actors.insert(feed.0, (last_seq, salt));
    let mut changes = Vec::new();
    let mut hash = None;
    for seq in first_seq..=last_seq {
        let by = (ActorId(feed.0), seq);
        let (raw, its_hash) = super::change::read(reader, all, record, time, by)?;
        changes.push(raw);
        hash = Some(its_hash);
    }
    let item = Item {
        record: all.records.name(record)?.1,
        actor: feed.0,
        first_seq,
        last_seq,
        commitment: commitment(&salt, &hash?.0),
    };
    Some((item, ItemPayload { salt, changes }))
}
