//! One record: an Automerge document and its change graph.
//!
//! A record is read and changed through here only. It is never half changed: [`Record::apply`] takes it, and gives
//! it back only when the change reads back byte for byte.

mod error;
mod live;

pub use error::{ApplyError, LoadError};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock, OnceLock};

use automerge::{
    Automerge, LoadOptions, OnPartialLoad, ROOT, ReadDoc, TextEncoding, VerificationMode,
};

use crate::admission::{self, Admission, Admitted, Refusal};
use crate::change::{self, Change};
use crate::conflict::Ledger;
use crate::field::{FieldKey, FieldType, element_of};
use crate::genesis::{self, Genesis};
use crate::graph::{ChangeGraph, Link};
use crate::ids::{ActorId, ChangeHash};
use crate::limits;
use crate::path::{DELETED, FieldPath, Register};
use crate::prescan;
use crate::quiet;
use crate::remembered::{self, Lineage};
use crate::row::Row;
use crate::sequence::{Sequence, Sequences};
use crate::value::{Fields, Value};
use crate::void::Counted;
use crate::write::{self, Intent, Parts, WriteError};

/// Offsets in text count Unicode code points; not saved by Automerge, so set on every load.
const ENCODING: TextEncoding = TextEncoding::UnicodeCodePoint;

/// The document without changes: to make one costs as much as some of its first changes.
static EMPTY: LazyLock<Arc<Automerge>> =
    LazyLock::new(|| Arc::new(Automerge::new_with_encoding(ENCODING)));

/// So many changes are cheaper to read one by one than with all that follow the same past.
const FEW_CHANGES: usize = 16;

/// One record: its document, loaded.
#[derive(Clone)]
pub struct Record {
    /// Shared with copies of the record, as is all that is large: whoever changes one makes its own.
    document: Arc<Automerge>,
    graph: Arc<ChangeGraph>,
    /// Its texts, lists and counters, by the actors of their genesis changes.
    objects: BTreeMap<ActorId, Object>,
    /// The texts and lists, taken apart when first needed.
    sequences: OnceLock<Sequences>,
    /// What the conflict log is computed from, as far back as it was needed.
    ledger: Arc<Ledger>,
    lineage: Lineage,
}

/// A text, list or counter of a record.
#[derive(Clone)]
struct Object {
    key: String,
    genesis: ChangeHash,
}

impl Default for Record {
    fn default() -> Self {
        Self::new()
    }
}

impl Record {
    /// A record without changes.
    pub fn new() -> Self {
        Self {
            document: EMPTY.clone(),
            graph: Arc::default(),
            objects: BTreeMap::new(),
            sequences: OnceLock::new(),
            ledger: Arc::default(),
            lineage: Lineage::EMPTY,
        }
    }

    /// Loads a saved document followed by any number of loose changes, all as stored here before.
    ///
    /// `heads` are the heads it must have, sorted.
    pub fn load(bytes: &[u8], heads: &[ChangeHash]) -> Result<Self, LoadError> {
        Self::check_saved(bytes)?;
        remembered::loaded(bytes, heads, |lineage| {
            Self::load_now(bytes, heads, lineage)
        })
    }

    fn load_now(bytes: &[u8], heads: &[ChangeHash], lineage: Lineage) -> Result<Self, LoadError> {
        let options = LoadOptions::new()
            .text_encoding(ENCODING)
            .on_partial_load(OnPartialLoad::Error)
            .verification_mode(VerificationMode::Check);
        let loaded = quiet::catch(|| Automerge::load_with_options(bytes, options));
        let document = match loaded {
            Ok(Ok(document)) => document,
            Ok(Err(error)) => {
                return Err(LoadError::Malformed {
                    reason: error.to_string(),
                });
            }
            Err(_) => {
                return Err(LoadError::Malformed {
                    reason: "the parser panicked".into(),
                });
            }
        };
        let graph = graph_of(&document)?;
        if !graph.are_heads(heads) {
            return Err(LoadError::OtherHeads);
        }
        Ok(Self {
            objects: objects_of(&document, &graph)?,
            document: Arc::new(document),
            sequences: OnceLock::new(),
            ledger: Arc::new(Ledger::starting_at(graph.len(), graph.heads())),
            graph: Arc::new(graph),
            lineage,
        })
    }

    /// Checks that saved bytes claim no more than they can hold, as [`Record::load`] does before it reads them.
    pub fn check_saved(bytes: &[u8]) -> Result<(), LoadError> {
        if bytes.len() > limits::DOCUMENT_BYTES {
            return Err(LoadError::TooLarge {
                bytes: bytes.len(),
                limit: limits::DOCUMENT_BYTES,
            });
        }
        prescan::check_stored(bytes)
    }

    /// The saved document: loads with equal heads. Not canonical: compare heads, never these bytes.
    ///
    /// One that claims more than its few bytes may, such as a long list of equal elements, is saved as its changes, one
    /// behind the other: each of these was admitted.
    pub fn save(&self) -> Vec<u8> {
        let saved = self.document.save();
        if prescan::check_stored(&saved).is_ok() {
            return saved;
        }
        let changes = self.document.get_changes(&[]);
        let raw = changes.iter().flat_map(automerge::Change::raw_bytes);
        raw.copied().collect()
    }

    /// The hashes of the changes nothing depends on, sorted.
    pub fn heads(&self) -> Vec<ChangeHash> {
        self.graph.heads()
    }

    /// Who made the changes nothing depends on.
    pub fn head_actors(&self) -> BTreeSet<ActorId> {
        let places = self.graph.head_places();
        places.map(|place| self.graph.actor_at(place)).collect()
    }

    /// How many changes it has, without the genesis changes of its fields.
    pub fn change_count(&self) -> usize {
        self.graph.len() - self.objects.len()
    }

    /// Whether the record has this change.
    pub fn has_change(&self, hash: &ChangeHash) -> bool {
        self.graph.contains(hash)
    }

    /// Whether a change with these dependencies continues the record as it is, beside nothing.
    pub fn continues_heads(&self, change: &Change) -> bool {
        let created: Vec<_> = change
            .creates
            .iter()
            .filter_map(|k| Genesis::of(k))
            .collect();
        let is_created = |hash: &&ChangeHash| created.iter().any(|g| g.hash == **hash);
        let deps: Vec<_> = change
            .deps
            .iter()
            .filter(|hash| !is_created(hash))
            .copied()
            .collect();
        self.graph.are_heads(&deps)
    }

    /// All changes but the genesis changes of its fields, each after its past.
    pub fn changes(&self) -> Result<Vec<Change>, LoadError> {
        let malformed = |reason: &str| LoadError::Malformed {
            reason: reason.to_owned(),
        };
        quiet::catch(|| {
            let changes = self.document.get_changes(&[]);
            let of_users = changes
                .iter()
                .filter(|c| !self.is_genesis(&ChangeHash(c.hash().0)));
            let changes = of_users.map(|change| self.read(change));
            changes.collect::<Result<Vec<_>, _>>()
        })
        .map_err(|_| malformed("reading its changes panicked"))?
        .map_err(malformed)
    }

    /// Its changes at these places in the graph, all from `first` on and none a genesis change.
    pub(crate) fn changes_at(
        &self,
        places: &BTreeSet<usize>,
        first: usize,
    ) -> Result<BTreeMap<usize, Change>, LoadError> {
        let mut changes = BTreeMap::new();
        if places.is_empty() {
            return Ok(changes);
        }
        let read = quiet::catch(|| {
            let raw = if places.len() < FEW_CHANGES {
                let hashes = places.iter().map(|&n| self.graph.hash_at(n));
                let found = hashes.map(|hash| {
                    self.document
                        .get_change_by_hash(&automerge::ChangeHash(hash.0))
                });
                found.flatten().collect()
            } else {
                let heads = self.heads_before(first).into_iter();
                let heads: Vec<_> = heads.map(|hash| automerge::ChangeHash(hash.0)).collect();
                self.document.get_changes(&heads)
            };
            for change in &raw {
                let at = self.graph.place(&ChangeHash(change.hash().0));
                if let Some(at) = at.filter(|at| places.contains(at)) {
                    changes.insert(at, self.read(change)?);
                }
            }
            Ok::<_, &'static str>(())
        });
        let malformed = |reason: &str| LoadError::Malformed {
            reason: reason.to_owned(),
        };
        read.map_err(|_| malformed("reading its changes panicked"))?
            .map_err(malformed)?;
        Ok(changes)
    }

    /// The heads of what stands before a place in the graph, where that is one head or nothing.
    pub(crate) fn heads_before(&self, place: usize) -> Vec<ChangeHash> {
        let genesis = self.genesis_places();
        let last = (0..place).rev().find(|n| !genesis.contains(n));
        last.map(|n| self.graph.hash_at(n)).into_iter().collect()
    }

    /// Whether this key is of a field that holds a value above fields, or of one below such a field.
    pub(crate) fn is_in_clash(&self, key: &str) -> bool {
        let is_value = |key: &str| {
            FieldPath::parse(key).is_ok()
                && matches!(
                    self.document.get(ROOT, key),
                    Ok(Some((automerge::Value::Scalar(_), _)))
                )
        };
        let mut above = key.match_indices('.').map(|(at, _)| &key[..at]);
        if above.any(is_value) {
            return true;
        }
        let below = format!("{key}.")..format!("{key}/"); // the character after the dot
        self.document.map_range(ROOT, below).next().is_some() && is_value(key)
    }

    /// Where the genesis changes of its fields stand in the graph.
    pub(crate) fn genesis_places(&self) -> BTreeSet<usize> {
        let hashes = self.objects.values().map(|object| &object.genesis);
        hashes.filter_map(|hash| self.graph.place(hash)).collect()
    }

    /// Takes apart one of its changes.
    fn read(&self, change: &automerge::Change) -> Result<Change, &'static str> {
        let mut change = change::decode(change)?;
        self.name_objects(&mut change);
        if !self.objects.is_empty() {
            let objects = self.objects.values();
            let created = objects.filter(|o| change.deps.binary_search(&o.genesis).is_ok());
            change.creates = created.map(|object| object.key.clone()).collect();
            change.creates.sort_unstable();
        }
        Ok(change)
    }

    /// Gives a change's steps inside texts and lists the keys of those this record has.
    ///
    /// A change that was read on its own has them only of those it is the first to need: see [`FieldKey`].
    pub fn name_objects(&self, change: &mut Change) {
        let keys = self
            .objects
            .iter()
            .map(|(actor, object)| (*actor, &object.key));
        change.name_objects(&keys.collect());
    }

    /// The record as it was at some heads, in any order: those changes and what they knew of, nothing else.
    ///
    /// It is built from the changes. Automerge could be asked to read at the heads, and would read an empty
    /// document where it does not know them.
    pub fn at(&self, heads: &[ChangeHash]) -> Result<Self, LoadError> {
        if let Some(hash) = self.graph.first_missing(heads) {
            return Err(LoadError::NoSuchChange { hash });
        }
        let past = self.graph.past(heads);
        if heads.is_empty() {
            return Ok(Self::new());
        }
        let bytes = quiet::catch(|| {
            let mut bytes = Vec::new();
            for change in self.document.get_changes(&[]) {
                if self.graph.is_in(&past, &ChangeHash(change.hash().0)) {
                    bytes.extend_from_slice(change.raw_bytes());
                }
            }
            bytes
        })
        .map_err(|_| LoadError::Malformed {
            reason: "reading its changes panicked".into(),
        })?;
        Self::load(&bytes, &self.graph.heads_of(&past))
    }

    /// The record as some of its heads have it, where there are more than an edit should name: whatever `actor` writes there
    /// joins these. To be asked again until there is none.
    pub fn to_join(&self, actor: &ActorId) -> Result<Option<Self>, LoadError> {
        let mut heads = self.heads();
        if heads.len() <= limits::HEADS {
            return Ok(None);
        }
        // The actor's next change goes on from its last.
        if let Some(last) = self.graph.last_of(actor) {
            let knows = |head: &ChangeHash| self.graph.past(&[*head]).contains(last);
            let own = heads.iter().position(knows).unwrap_or(0);
            heads.swap(0, own);
        }
        heads.truncate(limits::HEADS);
        heads.sort_unstable();
        self.at(&heads).map(Some)
    }

    /// The record as it reads now.
    pub fn row(&self) -> Row {
        let mut fields = Fields::new();
        let mut deleted = false;
        let mut sets = BTreeMap::<String, Vec<Value>>::new();
        for item in self.document.map_range(ROOT, ..) {
            let id = item.id();
            let value = match item.value.into_value() {
                automerge::Value::Scalar(scalar) => Value::from_root(&scalar),
                automerge::Value::Object(kind) => self.read_object(&id, kind),
            };
            let Some(value) = value else {
                continue; // admission lets none in
            };
            match Register::parse(&item.key) {
                _ if item.key == DELETED => deleted = value == Value::Bool(true),
                Some(Register::Special) | None => {}
                Some(Register::Typed(field)) if field.kind() == FieldType::Set => {
                    let members = FieldKey::new(field.path().clone(), FieldType::Set).to_key();
                    sets.entry(members).or_default().extend(field.member());
                }
                Some(_) => {
                    fields.insert(item.key.into_owned(), value);
                }
            }
        }
        fields.extend(
            sets.into_iter()
                .map(|(key, members)| (key, Value::Set(members))),
        );
        Row {
            heads: self.heads(),
            deleted,
            fields,
        }
    }

    /// What a text or list reads.
    fn read_object(&self, id: &automerge::ObjId, kind: automerge::ObjType) -> Option<Value> {
        if kind == automerge::ObjType::Text {
            return self.document.text(id).ok().map(Value::Text);
        }
        let elements = self.document.list_range(id, ..);
        let values = elements.filter_map(|item| match item.value.into_value() {
            automerge::Value::Scalar(scalar) => Value::from_scalar(&scalar),
            automerge::Value::Object(_) => None, // admission lets none in
        });
        Some(Value::List(values.collect()))
    }

    /// The bytes of a change that does what `intents` say, made at the current heads, or `None` where they
    /// change nothing.
    ///
    /// `time` is the commit time: wall milliseconds shifted by 12 bits, plus a counter.
    pub fn write(
        &self,
        actor: ActorId,
        time: i64,
        intents: &[Intent],
    ) -> Result<Option<Vec<u8>>, WriteError> {
        self.write_counting(actor, time, intents, &Counted::default())
    }

    /// The same where some of the record's changes are void: what they wrote stands in nobody's way, and says for nobody
    /// what is not written because it stands already.
    pub fn write_counting(
        &self,
        actor: ActorId,
        time: i64,
        intents: &[Intent],
        counted: &Counted,
    ) -> Result<Option<Vec<u8>>, WriteError> {
        let parts = write::write(self, actor, time, intents, counted)?;
        parts.map(Parts::one).transpose()
    }

    /// The same as several changes, each on top of the one before it, where one would be over a limit; none where the
    /// intents change nothing. What is refused is a single step over a limit, an edit of more than
    /// [`limits::EDIT_OPERATIONS`], and a record that is full.
    pub fn write_split(
        &self,
        actor: ActorId,
        time: i64,
        intents: &[Intent],
        counted: &Counted,
    ) -> Result<Vec<Vec<u8>>, WriteError> {
        let parts = write::write(self, actor, time, intents, counted)?;
        parts.map_or(Ok(Vec::new()), Parts::all)
    }

    /// Checks a raw change, a peer's or our own, against the content rules; see [`Refusal`].
    ///
    /// `device_prefix` is that of the device that signed for it.
    pub fn admit(&self, raw: &[u8], device_prefix: [u8; 8]) -> Result<Admission, Refusal> {
        remembered::admission(self.lineage, raw, device_prefix, || {
            admission::admit(self, raw, device_prefix)
        })
    }

    /// The record with a change that was just admitted; one that it has already changes nothing.
    ///
    /// The change goes into the document itself, where no other copy of the record shares it. So what an error leaves
    /// behind is of no use, and is dropped: load the record again.
    pub fn apply(mut self, admitted: Admitted) -> Result<(Self, Change), ApplyError> {
        let Admitted {
            change,
            parsed,
            carried,
        } = admitted;
        let hash = change.hash;
        if self.graph.contains(&hash) {
            return Ok((self, change));
        }
        let lineage = self.lineage.with(&hash);
        if let Some(made) = remembered::record(lineage) {
            return Ok((made, change));
        }
        let fails = |reason: String| ApplyError::Fails { hash, reason };
        let raw = parsed.raw_bytes().to_vec();
        let new: Vec<_> = carried
            .into_iter()
            .filter(|genesis| !self.graph.contains(&genesis.hash))
            .collect();
        let document = Arc::make_mut(&mut self.document);
        let applied = quiet::catch(|| {
            document.apply_changes(new.iter().map(|genesis| genesis.change.clone()))?;
            document.apply_changes([*parsed])?;
            let back = document.get_change_by_hash(&automerge::ChangeHash(hash.0));
            Ok::<_, automerge::AutomergeError>(back.is_some_and(|back| back.raw_bytes() == raw))
        });
        match applied {
            Ok(Ok(true)) => {
                for genesis in new {
                    self.push_genesis(genesis);
                }
                self.push(&change);
                self.lineage = lineage;
                remembered::made(lineage, &self);
                Ok((self, change))
            }
            Ok(Ok(false)) => Err(ApplyError::ReadsBackOtherwise { hash }),
            Ok(Err(error)) => Err(fails(error.to_string())),
            Err(_) => Err(fails("Automerge panicked".into())),
        }
    }

    fn push_genesis(&mut self, genesis: Genesis) {
        Arc::make_mut(&mut self.graph).push(Link {
            hash: genesis.hash,
            actor: genesis.actor,
            seq: 1,
            max_op: 1,
            time: 0,
            deps: &[],
        });
        let object = Object {
            key: genesis.key,
            genesis: genesis.hash,
        };
        self.objects.insert(genesis.actor, object);
    }

    fn push(&mut self, change: &Change) {
        let place = self.graph.len();
        Arc::make_mut(&mut self.graph).push(Link::of(change));
        Arc::make_mut(&mut self.ledger).push(place, change);
        if let Some(sequences) = self.sequences.get_mut() {
            sequences.push(place, change);
        }
    }

    /// Takes apart its changes from a place in the graph on, so that the ledger reaches back to there. Before it
    /// stands nothing, or a change that knew of all the rest.
    pub(crate) fn take_down(&mut self, from: usize) -> Result<(), LoadError> {
        let until = self.ledger.from();
        if from >= until {
            return Ok(());
        }
        let genesis = self.genesis_places();
        let places = (from..until).filter(|place| !genesis.contains(place));
        let mut ledger = Ledger::starting_at(from, self.heads_before(from));
        for (place, change) in self.changes_at(&places.collect(), from)? {
            ledger.push(place, &change);
        }
        ledger.append(Arc::unwrap_or_clone(std::mem::take(&mut self.ledger)));
        self.ledger = Arc::new(ledger);
        Ok(())
    }

    /// What was written from the place on down to which it was taken.
    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    pub(crate) fn graph(&self) -> &ChangeGraph {
        &self.graph
    }

    /// Whether this is the hash of the genesis change of one of its fields.
    pub(crate) fn is_genesis(&self, hash: &ChangeHash) -> bool {
        self.objects.values().any(|object| object.genesis == *hash)
    }

    /// The place in the graph of the genesis change of the field with this key, if it has one.
    pub(crate) fn place_of_genesis(&self, key: &str) -> Option<usize> {
        if self.objects.is_empty() {
            return None;
        }
        let object = self.objects.get(&genesis::actor(key))?;
        self.graph.place(&object.genesis)
    }

    /// The text or list with this key, if somebody put something in: its changes numbered as in the graph.
    pub(crate) fn sequence(&self, key: &str) -> Option<&Sequence> {
        let sequences = self.sequences.get_or_init(|| self.take_apart());
        sequences.get(key)
    }

    fn take_apart(&self) -> Sequences {
        let mut sequences = Sequences::default();
        // What is in the document was admitted, and reads.
        for change in self.changes().unwrap_or_default() {
            if let Some(place) = self.graph.place(&change.hash) {
                sequences.push(place, &change);
            }
        }
        sequences
    }

    /// Where an element of a list stands now, counted from 0: its list's key and its place. None where the register
    /// names no element, or one that is not there.
    pub fn place_of_element(&self, register: &str) -> Option<(String, usize)> {
        let (list, element) = element_of(register)?;
        let mut there = self.sequence(list)?.read(|_| true);
        let place = there.position(|(id, _)| id == element)?;
        Some((list.to_owned(), place))
    }

    /// The keys of the live registers.
    pub(crate) fn keys(&self) -> impl Iterator<Item = String> + '_ {
        self.document.keys(ROOT)
    }
}

/// The texts, lists and counters of a document.
fn objects_of(
    document: &Automerge,
    graph: &ChangeGraph,
) -> Result<BTreeMap<ActorId, Object>, LoadError> {
    let mut objects = BTreeMap::new();
    for key in document.keys(ROOT) {
        let Some(genesis) = Genesis::of(&key) else {
            continue;
        };
        if !graph.contains(&genesis.hash) {
            return Err(LoadError::Malformed {
                reason: format!("`{key}` was not made by its genesis change"),
            });
        }
        let object = Object {
            key,
            genesis: genesis.hash,
        };
        objects.insert(genesis.actor, object);
    }
    Ok(objects)
}

fn graph_of(document: &Automerge) -> Result<ChangeGraph, LoadError> {
    let mut graph = ChangeGraph::default();
    for meta in document.get_changes_meta(&[]) {
        let actor = change::actor_of(&meta.actor).ok_or_else(|| LoadError::Malformed {
            reason: "an actor id that has not 16 bytes".into(),
        })?;
        let deps: Vec<_> = meta.deps.iter().map(|hash| ChangeHash(hash.0)).collect();
        graph.push(Link {
            hash: ChangeHash(meta.hash.0),
            actor,
            seq: meta.seq,
            max_op: meta.max_op,
            time: meta.timestamp,
            deps: &deps,
        });
    }
    Ok(graph)
}
