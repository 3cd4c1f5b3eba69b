//! What a real process does with a real folder, and what it says of it: the marks by which it is judged later.
//!
//! A record has a `slot`, by which it is known whatever its id; a slot has one record. Marks, a line each:
//!
//! | mark | meaning |
//! |---|---|
//! | `created` | the workspace is made |
//! | `found SLOT STATE` | what there was when the folder was opened, for every slot |
//! | `begin N SLOT STATE` | commit number `N` is asked for; after it the record of the slot has this state |
//! | `done N` | it is acknowledged |
//! | `failed N CODE` | it is refused with this code, and may be there or not |
//! | `closing`, `closed` | the database is to be closed, and is |
//! | `opening`, `opened REBUILT` | it is to be opened, and is; whether the store was rebuilt |
//! | `error WHAT CODE` | opening, closing and so on failed |
//!
//! A state is a hash of the record's fields, or `-` where there is none or it is deleted.

use std::collections::BTreeMap;
use std::path::Path;

use driftless::{
    Collection, Database, Error, ListOptions, Options, RecordId, RecordView, StoreEngine,
};
use serde_json::{Map, Value as Json, json};

use crate::dice::Dice;
use crate::seam::Seam;

/// The collection in which all records are.
pub(crate) const COLLECTION: &str = "things";

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// With which engine a new folder is made.
    pub engine: StoreEngine,
    /// What everything is drawn from.
    pub seed: u64,
    /// How many steps.
    pub steps: u64,
    /// Whether values are so long that segments are closed and packed, and stores rewritten.
    pub heavy: bool,
    /// Whether several commits may be asked for at once.
    pub together: bool,
    /// Whether the folder is verified after it is opened.
    pub verifies: bool,
}

/// Slots of one folder.
pub(crate) const SLOTS: u64 = 12;

/// The state of a slot without a record, or with one that is deleted.
pub(crate) const NOTHING: &str = "-";

/// Writes that wait together.
const TOGETHER: u64 = 4;

/// Tries to open a folder after something failed; a fault comes once, so the second try has none.
const TRIES: u32 = 4;

/// The options with which folders are opened here.
pub(crate) fn options(engine: StoreEngine) -> Options {
    Options::named("laptop")
        .with_engine(engine)
        .with_cache_bytes(1 << 20)
        .with_store_floor_bytes(96 << 10)
}

/// The state of a record, as marks have it.
pub(crate) fn state_of(record: &RecordView) -> String {
    if record.deleted {
        NOTHING.to_owned()
    } else {
        hash(&record.fields())
    }
}

/// The slot of a record.
pub(crate) fn slot_of(record: &RecordView) -> Option<u64> {
    record.fields().get("slot").and_then(Json::as_u64)
}

/// All records there are, but those that are deleted.
pub(crate) async fn all(database: &Database) -> Result<Vec<RecordView>, Error> {
    let collection = database.collection(COLLECTION);
    collection.list(ListOptions::default()).await
}

fn hash(fields: &Map<String, Json>) -> String {
    let sorted: BTreeMap<&String, &Json> = fields.iter().collect();
    let text = format!("{sorted:?}");
    blake3::hash(text.as_bytes()).to_hex()[..16].to_owned()
}

/// What a slot has by now.
#[derive(Clone, Debug)]
struct Slot {
    id: RecordId,
    fields: Map<String, Json>,
    deleted: bool,
}

impl Slot {
    fn state(&self) -> String {
        if self.deleted {
            NOTHING.to_owned()
        } else {
            hash(&self.fields)
        }
    }
}

struct Work<'a> {
    seam: &'a dyn Seam,
    dir: &'a Path,
    program: Program,
    dice: Dice,
    slots: BTreeMap<u64, Slot>,
    /// Number of the last commit that was asked for.
    last: u64,
}

/// One change of one slot, ready to be asked for.
struct Wish {
    n: u64,
    slot: u64,
    then: Slot,
    act: Act,
}

#[derive(Clone, Debug)]
enum Act {
    Insert,
    Update(Map<String, Json>),
    Unset,
    Delete,
    Restore,
}

/// Carries out a program in a folder, which is made if there is none, until it is done; errors are marked, and what
/// failed is tried again after the folder was opened anew. `first` is the number of the first commit.
pub async fn run(dir: &Path, program: Program, first: u64, seam: &dyn Seam) -> Result<(), Error> {
    let mut work = Work {
        seam,
        dir,
        program,
        dice: Dice::of(program.seed, first),
        slots: BTreeMap::new(),
        last: first,
    };
    let mut database = work.open_or_create().await?;
    for _ in 0..program.steps {
        if let Err(error) = work.step(&mut database).await {
            seam.mark(&format!("error step {}", error.code()));
            work.stays_shut(&database).await;
            // Whatever closing says, it lets go of the folder.
            let _ = database.close().await;
            database = work.open_or_create().await?;
        }
    }
    while let Err(error) = work.close(database).await {
        seam.mark(&format!("error close {}", error.code()));
        database = work.open_or_create().await?;
    }
    Ok(())
}

impl Work<'_> {
    async fn open_or_create(&mut self) -> Result<Database, Error> {
        let mut tries = 0;
        loop {
            match self.open_once().await {
                Ok(database) => return Ok(database),
                Err(error) => {
                    self.seam.mark(&format!("error open {}", error.code()));
                    tries += 1;
                    if tries == TRIES {
                        return Err(error);
                    }
                }
            }
        }
    }

    async fn open_once(&mut self) -> Result<Database, Error> {
        let options = options(self.program.engine);
        self.seam.mark("opening");
        let database = match Database::open(self.dir, options.clone()).await {
            Err(error) if error.code() == "no_workspace" => {
                let database = Database::create(self.dir, options).await?;
                self.seam.mark("created");
                return Ok(database);
            }
            opened => opened?,
        };
        if let Err(error) = self.look(&database).await {
            // Dropping it lets go of the folder too, at some later moment.
            let _ = database.close().await;
            return Err(error);
        }
        Ok(database)
    }

    /// Marks what the database has.
    async fn look(&mut self, database: &Database) -> Result<(), Error> {
        self.slots.clear();
        for record in all(database).await? {
            let Some(slot) = slot_of(&record) else {
                continue;
            };
            let fields = record.fields();
            let (id, deleted) = (record.id, record.deleted);
            self.slots.insert(
                slot,
                Slot {
                    id,
                    fields,
                    deleted,
                },
            );
        }
        for slot in 0..SLOTS {
            let state = self
                .slots
                .get(&slot)
                .map_or(NOTHING.to_owned(), Slot::state);
            self.seam.mark(&format!("found {slot} {state}"));
        }
        let rebuilt = database.opening().rebuilt.is_some();
        self.seam.mark(&format!("opened {rebuilt}"));
        if self.program.verifies {
            for problem in database.verify().await?.problems {
                self.seam.mark(&format!("problem {problem}"));
            }
        }
        Ok(())
    }

    /// After an error of a step a handle may go on or not; what it acknowledges is held to like anything else.
    async fn stays_shut(&mut self, database: &Database) {
        let slot = self.dice.below(SLOTS);
        let wish = self.wish(slot);
        let _ = self.carry_out(database, wish).await;
    }

    async fn close(&self, database: Database) -> Result<(), Error> {
        self.seam.mark("closing");
        database.close().await?;
        self.seam.mark("closed");
        Ok(())
    }

    async fn step(&mut self, database: &mut Database) -> Result<(), Error> {
        match self.dice.below(100) {
            0..4 => {
                let closing = database.clone();
                self.seam.mark("closing");
                closing.close().await?;
                self.seam.mark("closed");
                *database = self.open_once().await?;
            }
            4..6 => {
                database.compact().await?;
            }
            6..8 => database.rebuild_in_place(None).await?,
            8..10 => {
                let value = self.last.to_be_bytes();
                database.set_setting("note", &value).await?;
            }
            10..20 if self.program.together => self.together(database).await?,
            _ => {
                let slot = self.dice.below(SLOTS);
                let wish = self.wish(slot);
                self.carry_out(database, wish).await?;
            }
        }
        Ok(())
    }

    /// Several commits that wait together, each of another slot.
    async fn together(&mut self, database: &Database) -> Result<(), Error> {
        let mut asked = Vec::new();
        let first = self.dice.below(SLOTS);
        for nth in 0..TOGETHER {
            let wish = self.wish((first + nth) % SLOTS);
            self.begin(&wish);
            let collection = database.collection(COLLECTION);
            let asking = tokio::spawn(async move {
                let answer = ask(&collection, &wish).await;
                (wish, answer)
            });
            asked.push(asking);
        }
        let mut failure = None;
        for asking in asked {
            let (wish, answer) = asking.await.expect("asking does not panic");
            failure = self.answered(wish, answer).err().or(failure);
        }
        failure.map_or(Ok(()), Err)
    }

    async fn carry_out(&mut self, database: &Database, wish: Wish) -> Result<(), Error> {
        self.begin(&wish);
        let answer = ask(&database.collection(COLLECTION), &wish).await;
        self.answered(wish, answer)
    }

    fn begin(&self, wish: &Wish) {
        let state = wish.then.state();
        self.seam
            .mark(&format!("begin {} {} {state}", wish.n, wish.slot));
    }

    fn answered(&mut self, wish: Wish, answer: Result<RecordId, Error>) -> Result<(), Error> {
        match answer {
            Ok(id) => {
                self.seam.mark(&format!("done {}", wish.n));
                self.slots.insert(wish.slot, Slot { id, ..wish.then });
                Ok(())
            }
            Err(error) => {
                self.seam
                    .mark(&format!("failed {} {}", wish.n, error.code()));
                Err(error)
            }
        }
    }

    fn wish(&mut self, slot: u64) -> Wish {
        self.last += 1;
        let n = self.last;
        let Some(now) = self.slots.get(&slot).cloned() else {
            let fields = as_map(&json!({"slot": slot, "n": n, "pad": self.pad()}));
            let id = RecordId([0; 16]);
            let deleted = false;
            let then = Slot {
                id,
                fields,
                deleted,
            };
            return Wish {
                n,
                slot,
                then,
                act: Act::Insert,
            };
        };
        let mut then = now.clone();
        let act = match self.dice.below(12) {
            _ if now.deleted => {
                then.deleted = false;
                Act::Restore
            }
            0 => {
                then.deleted = true;
                Act::Delete
            }
            1 if now.fields.contains_key("pad") => {
                then.fields.remove("pad");
                Act::Unset
            }
            2..6 => {
                let changed = as_map(&json!({"n": n, "pad": self.pad()}));
                then.fields.extend(changed.clone());
                Act::Update(changed)
            }
            _ => {
                let changed = as_map(&json!({"n": n}));
                then.fields.extend(changed.clone());
                Act::Update(changed)
            }
        };
        Wish { n, slot, then, act }
    }

    /// A text that no compression makes shorter.
    fn pad(&mut self) -> String {
        let length = match (self.program.heavy, self.dice.below(16)) {
            (true, 0..12) => 40_000 + self.dice.below(80_000),
            (_, 12) => 9_000,
            (_, 13..) => self.dice.below(2_500),
            _ => self.dice.below(40),
        };
        let letters = (0..length).map(|_| {
            let drawn = self.dice.below(64);
            char::from(b'0' + u8::try_from(drawn).unwrap_or(0))
        });
        letters.collect()
    }
}

async fn ask(collection: &Collection, wish: &Wish) -> Result<RecordId, Error> {
    let id = wish.then.id;
    match &wish.act {
        Act::Insert => {
            let fields = Json::Object(wish.then.fields.clone());
            return collection.insert(fields).await.map(|(id, _)| id);
        }
        Act::Update(changed) => {
            collection.update(id, Json::Object(changed.clone())).await?;
        }
        Act::Unset => {
            collection.unset(id, &["pad"]).await?;
        }
        Act::Delete => {
            collection.delete(id).await?;
        }
        Act::Restore => {
            collection.restore(id).await?;
        }
    }
    Ok(id)
}

fn as_map(json: &Json) -> Map<String, Json> {
    json.as_object().cloned().unwrap_or_default()
}
