//! A text that two people wrote at once, typed again: every keystroke one change of a replica, sent over a live session
//! and received when the person at the other end had received it.
//!
//! As a test it is the first part of the trace, after which both replicas must read the same as a text that is worked
//! out from the trace alone; `DRIFTLESS_TRACE=all` types all of it, to the text that its authors ended with, and
//! `DRIFTLESS_TRACE=5000` so many transactions.
//! `tests/data/README.md` says where it is from.

use std::io::Read as _;

use driftless_document::{FieldPath, RecordId, Value};
use driftless_engine::{Edit, Replica, Wishes};
use driftless_testkit::device::START_MS;
use driftless_testkit::wire::{DIALER, LISTENER, Link};
use serde_json::Value as Json;

use crate::support::{assert_equal, insert, two};

/// Transactions that are typed where nothing else is said: some hundred times one did not know of the other.
const TRANSACTIONS: usize = 1_000;

/// One keystroke, or so.
struct Transaction {
    agent: usize,
    /// How many transactions of each agent it follows, itself not counted.
    follows: [usize; 2],
    /// Where, how many characters go, what is put there.
    patches: Vec<(usize, usize, String)>,
}

struct Trace {
    transactions: Vec<Transaction>,
    end: String,
}

fn trace() -> Trace {
    let packed = include_bytes!("../../../../tests/data/friendsforever.json.gz");
    let mut text = String::new();
    flate2::read::GzDecoder::new(&packed[..])
        .read_to_string(&mut text)
        .unwrap();
    let trace: Json = serde_json::from_str(&text).unwrap();
    let number = |json: &Json| usize::try_from(json.as_u64().unwrap()).unwrap();
    let mut transactions = Vec::<Transaction>::new();
    let mut made = [0; 2];
    for json in trace["txns"].as_array().unwrap() {
        let agent = number(&json["agent"]);
        let mut follows = [0; 2];
        for parent in json["parents"].as_array().unwrap() {
            let parent = &transactions[number(parent)];
            for (n, known) in follows.iter_mut().enumerate() {
                let own = usize::from(parent.agent == n);
                *known = (*known).max(parent.follows[n] + own);
            }
        }
        assert_eq!(follows[agent], made[agent], "an agent knows what it did");
        made[agent] += 1;
        let patches = json["patches"].as_array().unwrap().iter();
        let patches = patches.map(|patch| {
            let text = patch[2].as_str().unwrap().to_owned();
            (number(&patch[0]), number(&patch[1]), text)
        });
        transactions.push(Transaction {
            agent,
            follows,
            patches: patches.collect(),
        });
    }
    Trace {
        transactions,
        end: trace["endContent"].as_str().unwrap().to_owned(),
    }
}

/// The two at their devices.
struct Typing {
    replicas: [Replica; 2],
    link: Link,
    note: RecordId,
    path: FieldPath,
    /// How many transactions of each agent each replica has.
    has: [[usize; 2]; 2],
}

impl Typing {
    fn begin() -> Self {
        let (_, mut laptop, _, mut phone) = two();
        let note = insert(&mut laptop, "{}");
        let wishes = Wishes {
            live: true,
            ..Wishes::default()
        };
        let mut link = Link::open(&mut phone, &mut laptop, [3; 32], [wishes, wishes]);
        let mut replicas = [phone, laptop];
        loop {
            let mut any = false;
            for (side, replica) in replicas.iter_mut().enumerate() {
                any |= link.drain(side, replica);
                any |= link.deliver(side, replica, START_MS).unwrap().is_some();
            }
            if !any {
                break;
            }
        }
        assert_eq!(link.caught_up, [true, true]);
        Self {
            replicas,
            link,
            note,
            path: FieldPath::parse("notes").unwrap(),
            has: [[0; 2]; 2],
        }
    }

    fn type_in(&mut self, transaction: &Transaction) {
        let at = transaction.agent;
        self.receive_until(at, transaction.follows[1 - at]);
        let edits = transaction
            .patches
            .iter()
            .map(|(place, delete, insert)| Edit::Splice {
                path: self.path.clone(),
                at: *place,
                delete: *delete,
                insert: insert.clone(),
            });
        let replica = &mut self.replicas[at];
        let commit = replica
            .edit("notes", self.note, &edits.collect::<Vec<_>>())
            .unwrap();
        assert!(commit.changed);
        replica.commit_group().unwrap();
        self.has[at][at] += 1;
        self.link.drain(at, replica);
    }

    /// Hands a side frames on their way to it, until it has so many transactions of the other.
    fn receive_until(&mut self, at: usize, wanted: usize) {
        while self.has[at][1 - at] < wanted {
            let replica = &mut self.replicas[at];
            let before = replica.last_change();
            let frame = self.link.deliver(at, replica, START_MS).unwrap();
            assert!(frame.is_some(), "what it follows is on its way");
            let received = replica.last_change() - before;
            self.has[at][1 - at] += usize::try_from(received).unwrap();
            self.link.drain(at, replica);
        }
        assert_eq!(self.has[at][1 - at], wanted, "a frame brought too much");
    }

    /// What the ids of each side's changes begin with.
    fn actors(&self) -> [[u8; 8]; 2] {
        [0, 1].map(|at: usize| self.replicas[at].device().prefix())
    }

    fn reads(&self, at: usize) -> String {
        let row = self.replicas[at].get("notes", self.note).unwrap().unwrap();
        match row.at(&self.path) {
            Some(Value::Text(text)) => text.clone(),
            other => panic!("it is no text: {other:?}"),
        }
    }
}

#[test]
fn what_two_people_typed_at_once_is_what_they_read_in_the_end() {
    let trace = trace();
    let length = match std::env::var("DRIFTLESS_TRACE") {
        Ok(all) if all == "all" => trace.transactions.len(),
        Ok(number) => number.parse().unwrap(),
        Err(_) => TRANSACTIONS,
    };
    let is_whole = length == trace.transactions.len();
    let mut typing = Typing::begin();
    let mut expected = Plain::of(typing.actors());
    for transaction in &trace.transactions[..length] {
        typing.type_in(transaction);
        expected.take(transaction);
    }
    let made = [0, 1].map(|agent| expected.made[agent].len());
    for at in [DIALER, LISTENER] {
        typing.receive_until(at, made[1 - at]);
    }
    let [phone, laptop] = [0, 1].map(|at| typing.reads(at));
    assert_eq!(phone, laptop);
    assert_eq!(phone, expected.text());
    if is_whole {
        assert_eq!(phone, trace.end);
    }
    assert_equal(&typing.replicas[0], &typing.replicas[1]);
}

/// The same text worked out in the plainest way: a list of characters in their order, each with who removed it.
struct Plain {
    /// What each agent's characters are told apart by.
    actors: [[u8; 8]; 2],
    order: Vec<Character>,
    /// The number of each agent's transactions so far, and the greatest counter that each left.
    made: [Vec<u64>; 2],
}

struct Character {
    /// What tells characters behind the same one apart, the greatest first.
    id: (u64, [u8; 8]),
    agent: usize,
    /// The how-manyeth transaction of its agent put it in.
    put_in: usize,
    /// Which transactions removed it: the how-manyeth of which agent.
    removed: Vec<(usize, usize)>,
    text: char,
}

impl Plain {
    fn of(actors: [[u8; 8]; 2]) -> Self {
        Self {
            actors,
            order: Vec::new(),
            made: [Vec::new(), Vec::new()],
        }
    }

    fn take(&mut self, transaction: &Transaction) {
        let (agent, nth) = (transaction.agent, self.made[transaction.agent].len());
        // A change counts on from the greatest counter it knew of; that which made the text is the first.
        let known = [0, 1].map(|n| {
            transaction.follows[n]
                .checked_sub(1)
                .map(|last| self.made[n][last])
        });
        let mut counter = known.into_iter().flatten().max().unwrap_or(1);
        for (at, delete, insert) in &transaction.patches {
            for _ in 0..*delete {
                counter += 1;
                let place = self.place(transaction, nth, *at).unwrap();
                self.order[place].removed.push((nth, agent));
            }
            let before = at
                .checked_sub(1)
                .map(|at| self.place(transaction, nth, at).unwrap());
            let mut place = before.map_or(0, |before| before + 1);
            for text in insert.chars() {
                counter += 1;
                let id = (counter, self.actors[agent]);
                while self.order.get(place).is_some_and(|other| other.id > id) {
                    place += 1;
                }
                let character = Character {
                    id,
                    agent,
                    put_in: nth,
                    removed: Vec::new(),
                    text,
                };
                self.order.insert(place, character);
                place += 1;
            }
        }
        self.made[agent].push(counter);
    }

    /// Where the character stands that is the `at`-th of those the author sees.
    fn place(&self, transaction: &Transaction, nth: usize, at: usize) -> Option<usize> {
        let knows = |n: usize, agent: usize| {
            n < transaction.follows[agent] || (agent == transaction.agent && n == nth)
        };
        let seen = |character: &&(usize, &Character)| {
            let character = character.1;
            knows(character.put_in, character.agent)
                && !character.removed.iter().any(|(n, agent)| knows(*n, *agent))
        };
        let characters = self.order.iter().enumerate().collect::<Vec<_>>();
        characters
            .iter()
            .filter(seen)
            .nth(at)
            .map(|(place, _)| *place)
    }

    fn text(&self) -> String {
        let there = self
            .order
            .iter()
            .filter(|character| character.removed.is_empty());
        there.map(|character| character.text).collect()
    }
}
