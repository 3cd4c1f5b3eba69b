//! Local writes: an intent becomes one change, some changes one envelope.

use driftless_document::{
    ActorId, Admission, DELETED, Fields, Intent, JOINED, RecordId, Row, Value, Version,
};
use driftless_protocol::{
    Body, Envelope, EnvelopeError, FeedId, Group, Hash, HeaderDraft, Item, ItemPayload, Meta,
    Payload, Predecessor, Record as MemberRecord, RecordBody, Role, commitment,
};

use crate::core::{Judgement, StoredRow, Update};
use crate::edits;
use crate::error::EngineError;
use crate::limits;
use crate::replica::{Incarnation, Replica};
use crate::rules::PickedBy;
use crate::types::{Commit, Edit, ImportCounts, RecordKey};

impl Replica {
    /// Makes a record of these fields.
    pub fn insert(
        &mut self,
        collection: &str,
        fields: Fields,
    ) -> Result<(RecordId, Commit), EngineError> {
        limits::check_collection(collection)?;
        let key = RecordKey {
            collection: collection.to_owned(),
            record: self.new_record_id(),
        };
        let mut intents = edits::puts(fields);
        if intents.is_empty() {
            // A record without fields exists by saying that it is not deleted.
            intents.push(Intent::Put {
                key: DELETED.into(),
                value: Value::Bool(false),
            });
        }
        let commit = self.write_one(&key, &intents)?;
        Ok((key.record, commit))
    }

    /// Edits fields of a record, as one change.
    pub fn edit(
        &mut self,
        collection: &str,
        id: RecordId,
        edits: &[Edit],
    ) -> Result<Commit, EngineError> {
        let (key, stored) = self.existing_row(collection, id)?;
        let picks = self.core.picks(&key, &stored, PickedBy::All)?;
        let row = stored.row;
        if picks.is_deleted(&row) {
            return Err(EngineError::Deleted {
                name: id.to_string(),
            });
        }
        let mut intents = Vec::new();
        for edit in edits {
            intents.extend(edits::intents_of(edit, &row)?);
        }
        picks.confirm(&mut intents);
        self.write_one(&key, &intents)
    }

    /// Deletes a record; its fields are kept, so it can be restored.
    pub fn delete(&mut self, collection: &str, id: RecordId) -> Result<Commit, EngineError> {
        self.set_deleted(collection, id, true)
    }

    /// Restores a deleted record to what it was.
    pub fn restore(&mut self, collection: &str, id: RecordId) -> Result<Commit, EngineError> {
        self.set_deleted(collection, id, false)
    }

    fn set_deleted(
        &mut self,
        collection: &str,
        id: RecordId,
        deleted: bool,
    ) -> Result<Commit, EngineError> {
        let (key, stored) = self.existing_row(collection, id)?;
        let picks = self.core.picks(&key, &stored, PickedBy::All)?;
        if picks.is_deleted(&stored.row) == deleted {
            return Ok(self.unchanged(stored.row.version()));
        }
        let mut intents = [Intent::Put {
            key: DELETED.into(),
            value: Value::Bool(deleted),
        }];
        picks.confirm(&mut intents);
        self.write_one(&key, &intents)
    }

    /// Imports one block of records as one envelope; at most [`limits::IMPORT_BLOCK_RECORDS`] of them.
    ///
    /// A record with an id that exists gets the fields that differ; one without an id is new.
    pub fn import(
        &mut self,
        collection: &str,
        rows: Vec<(Option<RecordId>, Fields)>,
    ) -> Result<ImportCounts, EngineError> {
        limits::check_collection(collection)?;
        if rows.len() > limits::IMPORT_BLOCK_RECORDS {
            return Err(EngineError::TooMuch {
                what: "records in one block",
                count: rows.len(),
                limit: limits::IMPORT_BLOCK_RECORDS,
            });
        }
        let mut counts = ImportCounts::default();
        let mut writes = Vec::new();
        for (id, fields) in rows {
            let key = RecordKey {
                collection: collection.to_owned(),
                record: id.unwrap_or_else(|| self.new_record_id()),
            };
            let stored = match id {
                Some(_) => self.core.stored_row(&key)?,
                None => None,
            };
            match stored {
                None => {
                    counts.imported += 1;
                    writes.push((key, edits::puts(fields)));
                }
                Some(stored) => {
                    let picks = self.core.picks(&key, &stored, PickedBy::All)?;
                    let mut row = stored.row;
                    picks.apply(&mut row);
                    let mut differ = edits::differing(fields, &row)?;
                    picks.confirm(&mut differ);
                    if differ.is_empty() {
                        counts.unchanged += 1;
                    } else if row.deleted {
                        counts.skipped_deleted += 1;
                    } else {
                        counts.updated += 1;
                        writes.push((key, differ));
                    }
                }
            }
        }
        self.write(&writes, false)?;
        Ok(counts)
    }

    /// The key and row of a record that exists, deleted or not.
    pub(crate) fn existing(
        &self,
        collection: &str,
        id: RecordId,
    ) -> Result<(RecordKey, Row), EngineError> {
        let (key, stored) = self.existing_row(collection, id)?;
        Ok((key, stored.row))
    }

    pub(crate) fn existing_row(
        &self,
        collection: &str,
        id: RecordId,
    ) -> Result<(RecordKey, StoredRow), EngineError> {
        limits::check_collection(collection)?;
        let key = RecordKey {
            collection: collection.to_owned(),
            record: id,
        };
        match self.core.stored_row(&key)? {
            Some(stored) => Ok((key, stored)),
            None => Err(EngineError::NotFound {
                what: "record",
                name: id.to_string(),
            }),
        }
    }

    pub(crate) fn write_one(
        &mut self,
        key: &RecordKey,
        intents: &[Intent],
    ) -> Result<Commit, EngineError> {
        let writes = [(key.clone(), intents.to_vec())];
        let changed = self.write(&writes, false)? > 0;
        let version = match self.core.stored_row(key)? {
            Some(stored) => stored.row.version(),
            None => Version::of(&[]),
        };
        Ok(Commit {
            seq: self.core.state.seq,
            version,
            changed,
            envelope: self
                .incarnation
                .filter(|_| changed)
                .map(|own| (own.feed, own.last)),
        })
    }

    fn unchanged(&self, version: Version) -> Commit {
        Commit {
            seq: self.core.state.seq,
            version,
            changed: false,
            envelope: None,
        }
    }

    /// Writes one change a record, all in one envelope; says how many changes there were.
    pub(crate) fn write(
        &mut self,
        writes: &[(RecordKey, Vec<Intent>)],
        atomic: bool,
    ) -> Result<usize, EngineError> {
        self.check_usable()?;
        self.check_may_write()?;
        self.merge_membership()?;
        let incarnation = self.incarnation();
        let time = {
            let now = self.now();
            let mut clock = self.core.state.clock;
            clock.tick(now)
        };
        let mut updates = Vec::new();
        for (key, intents) in writes {
            updates.extend(self.prepare(key, intents, incarnation.feed, time)?);
        }
        if updates.is_empty() {
            return Ok(0);
        }
        for update in &updates {
            if let Err(count) = update.check_size(limits::RECORD_BYTES) {
                return Err(EngineError::TooMuch {
                    what: "bytes in one record",
                    count,
                    limit: limits::RECORD_BYTES,
                });
            }
        }
        updates.sort_by(|a, b| a.key.cmp(&b.key));
        if let Some(pair) = updates.windows(2).find(|pair| pair[0].key == pair[1].key) {
            // Both changes would have one number.
            return Err(EngineError::NamedTwice {
                name: pair[0].key.record.to_string(),
            });
        }
        let count = updates.len();
        let mut meta = Meta::changes(time);
        meta.atomic = atomic;
        let envelope = self.seal(incarnation, meta, &updates)?;
        self.stage_own(&envelope, Judgement::Apply(updates))?;
        self.advance(incarnation, &envelope);
        Ok(count)
    }

    /// What would be refused everywhere is not written here.
    pub(crate) fn check_may_write(&self) -> Result<(), EngineError> {
        let reason = match self.core.log.standing().active(&self.device()) {
            None => self.why_not_in(),
            Some(member) if member.role < Role::Editor => "this device may read, and not write",
            Some(_) => return Ok(()),
        };
        Err(EngineError::NotAllowed {
            action: "writing",
            reason,
        })
    }

    /// This process's feed ends with this envelope now.
    pub(crate) fn advance(&mut self, incarnation: Incarnation, envelope: &Envelope) {
        self.incarnation = Some(Incarnation {
            last: envelope.header().n,
            head: envelope.hash(),
            ..incarnation
        });
    }

    /// What the intents change in one record, admitted and applied to it: one change, or several where one would be over
    /// a limit; none where nothing would change.
    fn prepare(
        &self,
        key: &RecordKey,
        intents: &[Intent],
        feed: FeedId,
        time: i64,
    ) -> Result<Option<Update>, EngineError> {
        let mut update = self.core.update_of(key.clone())?;
        let actor = ActorId(feed.0);
        while let Some(some) = update.record.to_join(&actor)? {
            let join = Intent::Settle {
                key: JOINED.into(),
                value: Some(Value::Null),
            };
            if let Some(raw) = some.write(actor, time, &[join])? {
                update = take_in(update, raw, feed)?;
            }
        }
        let counted = self.core.counted(key, &update.record)?;
        let written = update.record.write_split(actor, time, intents, &counted);
        let parts = match written {
            Ok(parts) if !parts.is_empty() => parts,
            nothing => {
                if update.changes.is_empty() {
                    self.core.give_back(update);
                }
                nothing?;
                return Ok(None);
            }
        };
        for raw in parts {
            update = take_in(update, raw, feed)?;
        }
        Ok(Some(update))
    }

    /// Signs what updates bring as the next envelope of this process's feed.
    pub(crate) fn seal(
        &self,
        incarnation: Incarnation,
        meta: Meta,
        updates: &[Update],
    ) -> Result<Envelope, EngineError> {
        let mut groups: Vec<Group> = Vec::new();
        let mut payload = Payload { items: Vec::new() };
        for update in updates {
            let salt = salt_of(&incarnation.salt_key, &update.key);
            let changes = &update.changes;
            let (Some((first, _)), Some((last, _))) = (changes.first(), changes.last()) else {
                continue;
            };
            let item = Item {
                record: update.key.record.0,
                actor: last.actor.0,
                first_seq: first.seq,
                last_seq: last.seq,
                commitment: commitment(&salt, &last.hash.0),
            };
            match groups.last_mut() {
                Some(group) if group.collection == update.key.collection => group.items.push(item),
                _ => groups.push(Group {
                    collection: update.key.collection.clone(),
                    items: vec![item],
                }),
            }
            payload.items.push(ItemPayload {
                salt,
                changes: changes.iter().map(|(_, raw)| raw.clone()).collect(),
            });
        }
        self.sign_envelope(incarnation, Body { meta, groups }, payload)
    }

    /// Signs the next envelope of this process's feed.
    pub(crate) fn sign_envelope(
        &self,
        incarnation: Incarnation,
        body: Body,
        payload: Payload,
    ) -> Result<Envelope, EngineError> {
        let draft = HeaderDraft {
            workspace: self.workspace(),
            feed: incarnation.feed,
            n: incarnation.last + 1,
            prev: incarnation.head,
            predecessor: incarnation.predecessor.filter(|_| incarnation.last == 0),
            membership: self.core.log.heads(),
        };
        Envelope::seal(&self.key, draft, body, payload).map_err(of_seal)
    }

    /// The feed of this process: begun with its first commit, after the one this folder last wrote to.
    pub(crate) fn incarnation(&mut self) -> Incarnation {
        // A feed that went on elsewhere (a memory image that was resumed twice) is left alone.
        let is_current = |own: &Incarnation| match self.core.feeds.get(&own.feed) {
            Some(feed) => (feed.last, feed.head) == (own.last, own.head),
            None => own.last == 0,
        };
        let is_split = |feed: &FeedId| self.core.log.forks().concern(feed);
        if let Some(own) = self.incarnation
            && is_current(&own)
            && !is_split(&own.feed)
        {
            return own;
        }
        let own = self.core.state.own_feed;
        let (feed, salt_key) = loop {
            let (feed, salt_key) = self.draw_feed(own);
            // The same memory image elsewhere may have drawn the same, and what it wrote is here.
            if self.core.feeds.get(&feed).is_none() && !self.core.log.forks().concern(&feed) {
                break (feed, salt_key);
            }
        };
        // What lies on a branch does not count: a feed goes on from where it left.
        let own = own.map(|own| self.core.common_of(own));
        let predecessor = own.filter(|own| !own.is_branch()).and_then(|id| {
            let feed = self.core.feeds.get(&id)?;
            Some(Predecessor {
                feed: id,
                n: feed.last,
                hash: feed.head,
            })
        });
        let incarnation = Incarnation {
            feed,
            last: 0,
            head: Hash::ZERO,
            predecessor,
            salt_key,
        };
        self.incarnation = Some(incarnation);
        incarnation
    }

    /// A name for a feed, and the key of its salts.
    fn draw_feed(&mut self, own: Option<FeedId>) -> (FeedId, [u8; 32]) {
        let mut random = [0; 8];
        self.randomness.fill(&mut random);
        let mut salt_key = [0; 32];
        self.randomness.fill(&mut salt_key);
        if let Some(branch) = own.filter(FeedId::is_branch) {
            // The same memory image elsewhere may draw the same; what it wrote since is another branch.
            let of_branch = blake3::keyed_hash(&salt_key, &branch.0);
            random.copy_from_slice(&of_branch.as_bytes()[..8]);
            salt_key = *of_branch.as_bytes();
        }
        (FeedId::new(&self.device(), random), salt_key)
    }

    /// Joins the heads of the membership log where they are more than an envelope may name.
    pub(crate) fn merge_membership(&mut self) -> Result<(), EngineError> {
        while self.core.log.needs_merge() {
            let most = driftless_protocol::limits::MEMBERSHIP_HEADS;
            let some = self.core.log.parents_for(&self.device(), most);
            let merge = self.sign_record(some, RecordBody::Merge)?;
            self.stage_record(merge)?;
        }
        Ok(())
    }

    pub(crate) fn sign_record(
        &self,
        parents: Vec<Hash>,
        body: RecordBody,
    ) -> Result<MemberRecord, EngineError> {
        MemberRecord::sign(&self.key, Some(self.workspace()), parents, body).map_err(|error| {
            EngineError::Peer {
                code: driftless_protocol::Code::JoinInvalid,
                detail: error.to_string(),
            }
        })
    }

    fn new_record_id(&mut self) -> RecordId {
        let mut random = [0; 10];
        self.randomness.fill(&mut random);
        let now = self.now();
        self.record_ids.next(now, random)
    }
}

/// Admits an own change to the record and applies it.
fn take_in(mut update: Update, raw: Vec<u8>, feed: FeedId) -> Result<Update, EngineError> {
    let admitted = match update.record.admit(&raw, feed.device_prefix()) {
        Ok(Admission::Admitted(admitted)) => admitted,
        Ok(_) => {
            return Err(EngineError::store_damaged(
                "a record has a change that this process is about to make",
            ));
        }
        Err(refusal) => return Err(EngineError::OwnChangeRefused(refusal)),
    };
    let (record, change) = update.record.apply(admitted)?;
    update.record = record;
    update.changes.push((change, raw));
    Ok(update)
}

/// What it means that no envelope could be made.
fn of_seal(error: EnvelopeError) -> EngineError {
    let too_much = |what, count, limit| EngineError::TooMuch { what, count, limit };
    match error {
        EnvelopeError::TooLarge { length } => {
            too_much("bytes", length, driftless_protocol::limits::ENVELOPE)
        }
        EnvelopeError::TooManyItems { items } => {
            too_much("records", items, driftless_protocol::limits::ITEMS)
        }
        error => EngineError::Peer {
            code: driftless_protocol::Code::ChangeRefused,
            detail: error.to_string(),
        },
    }
}

/// The salt of a record's items, the same for all of one process: whoever does not have the key learns nothing by it.
fn salt_of(key: &[u8; 32], record: &RecordKey) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new_keyed(key);
    hasher.update(&record.record.0);
    hasher.update(record.collection.as_bytes());
    let mut salt = [0; 16];
    hasher.finalize_xof().fill(&mut salt);
    salt
}
