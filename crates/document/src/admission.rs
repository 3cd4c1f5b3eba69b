//! What of a change is let in: the content rules.
//!
//! Every rule looks only at the change and its causal past, so every replica lets the same changes in, in
//! whatever order they come. (Two changes of one actor with one number are the exception: the engine freezes
//! the feed that signed both.) A local change passes here too, before it is durable.

use crate::change::{self, Change};
use crate::chunks;
use crate::genesis::Genesis;
use crate::graph::Seen;
use crate::ids::{ActorId, ChangeHash};
use crate::limits;
use crate::prescan;
use crate::quiet;
use crate::record::Record;
use crate::references::{self, Past};

/// A change that passed the content rules, ready for [`Record::apply`].
#[derive(Clone, Debug)]
pub struct Admitted {
    pub(crate) change: Change,
    pub(crate) parsed: Box<automerge::Change>,
    /// The genesis changes it brings along, of [`Change::creates`] in order.
    pub(crate) carried: Vec<Genesis>,
}

impl Admitted {
    /// The change.
    pub fn change(&self) -> &Change {
        &self.change
    }

    /// What it depends on but for the genesis changes it brings along, sorted.
    fn other_deps(&self) -> Vec<ChangeHash> {
        let carried =
            |hash: &&ChangeHash| self.carried.iter().any(|genesis| genesis.hash == **hash);
        let deps = self.change.deps.iter();
        deps.filter(|hash| !carried(hash)).copied().collect()
    }
}

/// What admission says of a change it does not refuse.
#[derive(Debug)]
pub enum Admission {
    /// The record has it already.
    Known,
    /// The record does not have this change that it depends on: it can be judged later, not now.
    MissingPast(ChangeHash),
    /// It may be applied.
    Admitted(Admitted),
}

/// Why a change is not let in, now or ever.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// More bytes than a change may have.
    #[error("the change has {bytes} bytes, the limit is {limit}")]
    TooLarge {
        /// Its bytes.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// Not one raw change chunk, or one that the parser does not read.
    #[error("the bytes are not a change")]
    NotAChange,
    /// Another encoding of the same content than Automerge writes.
    #[error("the change is not in its canonical encoding")]
    NotCanonical,
    /// Over a count of the limits table.
    #[error("the change has {count} {what}, the limit is {limit}")]
    OverLimit {
        /// What was counted.
        what: &'static str,
        /// How many.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// It holds something no Driftless writes.
    #[error("the change holds {what}")]
    Foreign {
        /// What.
        what: &'static str,
    },
    /// Its actor is not one of the device that signed for it.
    #[error("the change is by {actor}, which is not the signing device's")]
    OtherDevice {
        /// Its actor.
        actor: ActorId,
    },
    /// Its actor has another change of this number.
    #[error("{actor} has two changes numbered {seq} in one record")]
    SecondOfSeq {
        /// Its actor.
        actor: ActorId,
        /// The number.
        seq: u64,
    },
    /// A number that does not continue its past.
    #[error("the change's {what} is {found}, its past demands {expected}")]
    DoesNotContinue {
        /// Which number.
        what: &'static str,
        /// What it says.
        found: u64,
        /// What it must say.
        expected: u64,
    },
    /// An operation that does not replace exactly what was live in its past.
    #[error("operation {operation} on `{key}` does not replace exactly what was live in its past")]
    WrongPred {
        /// Which operation, from 0.
        operation: usize,
        /// Its register.
        key: String,
    },
    /// A register that no Driftless writes so.
    #[error("operation {operation} has the key or value of no field: `{key}`")]
    WrongRegister {
        /// Which operation, from 0.
        operation: usize,
        /// Its register.
        key: String,
    },
}

pub(crate) fn admit(
    record: &Record,
    raw: &[u8],
    device_prefix: [u8; 8],
) -> Result<Admission, Refusal> {
    let mut admitted = read(raw)?;
    let change = &admitted.change;
    if record.graph().contains(&change.hash) {
        return Ok(Admission::Known);
    }
    if change.actor.device_prefix() != device_prefix {
        return Err(Refusal::OtherDevice {
            actor: change.actor,
        });
    }
    check_counts(&admitted)?;
    let deps = admitted.other_deps();
    if let Some(missing) = record.graph().first_missing(&deps) {
        return Ok(Admission::MissingPast(missing));
    }
    let seen = record.graph().seen(&deps);
    check_continues(record, &admitted, &seen)?;
    check_carried(record, &admitted, &deps, &seen)?;
    record.name_objects(&mut admitted.change);
    let past = Past {
        record,
        deps: &deps,
        seen: &seen,
        carried: &admitted.carried,
    };
    references::check(&past, &admitted.change)?;
    Ok(Admission::Admitted(admitted))
}

/// Takes raw bytes apart as a change, without judging whether it may be applied anywhere.
///
/// For showing what a change that is not applied would have done.
pub fn read_change(raw: &[u8]) -> Result<Change, Refusal> {
    Ok(read(raw)?.change)
}

/// Parses and decodes; a panic of the parser is a refusal.
fn read(raw: &[u8]) -> Result<Admitted, Refusal> {
    let (carried, raw) = chunks::split(raw)?;
    prescan::check(raw)?;
    quiet::catch(|| {
        let parsed =
            automerge::Change::from_bytes(raw.to_vec()).map_err(|_| Refusal::NotAChange)?;
        let mut change = change::decode(&parsed).map_err(|what| Refusal::Foreign { what })?;
        if parsed.raw_bytes() != raw || change.encode().raw_bytes() != raw {
            return Err(Refusal::NotCanonical);
        }
        let named = carried.iter().map(|genesis| (genesis.actor, &genesis.key));
        change.name_objects(&named.collect());
        change.creates = carried.iter().map(|genesis| genesis.key.clone()).collect();
        Ok(Admitted {
            change,
            parsed: Box::new(parsed),
            carried,
        })
    })
    .unwrap_or(Err(Refusal::NotAChange))
}

fn check_counts(admitted: &Admitted) -> Result<(), Refusal> {
    let change = &admitted.change;
    let counts = [
        (
            "operations",
            change.operations.len(),
            limits::CHANGE_OPERATIONS,
        ),
        ("dependencies", change.deps.len(), limits::CHANGE_DEPS),
        (
            "actors",
            admitted.parsed.other_actor_ids().len() + 1,
            limits::CHANGE_ACTORS,
        ),
    ];
    for (what, count, limit) in counts {
        if count > limit {
            return Err(Refusal::OverLimit { what, count, limit });
        }
    }
    if change.operations.is_empty() {
        return Err(Refusal::Foreign { what: "nothing" });
    }
    if !(0..limits::TIME_END).contains(&change.time) {
        return Err(Refusal::Foreign {
            what: "a time out of range",
        });
    }
    if !change.deps.is_sorted_by(|a, b| a < b) {
        return Err(Refusal::NotCanonical);
    }
    Ok(())
}

/// What a change brings along is exactly what it depends on and what nothing else in its past made already.
fn check_carried(
    record: &Record,
    admitted: &Admitted,
    deps: &[ChangeHash],
    seen: &Seen,
) -> Result<(), Refusal> {
    let graph = record.graph();
    let foreign = |what| Err(Refusal::Foreign { what });
    if deps.iter().any(|hash| record.is_genesis(hash)) {
        return foreign("a dependency on a genesis change that it does not bring along");
    }
    for genesis in &admitted.carried {
        if admitted.change.deps.binary_search(&genesis.hash).is_err() {
            return foreign("a genesis change that it does not depend on");
        }
        let known = graph.place(&genesis.hash);
        if known.is_some_and(|place| seen.contains(place)) {
            return foreign("a genesis change that its past has already");
        }
        let mut operations = admitted.change.operations.iter();
        if !operations.any(|operation| operation.key == genesis.key) {
            return foreign("a genesis change that it does not need");
        }
    }
    Ok(())
}

fn check_continues(record: &Record, admitted: &Admitted, seen: &Seen) -> Result<(), Refusal> {
    let change = &admitted.change;
    // Far below the 32 bits in which Automerge keeps operation counters.
    if change.max_op() > limits::RECORD_OPERATIONS {
        return Err(Refusal::OverLimit {
            what: "operations with those in its past",
            count: usize::try_from(change.max_op()).unwrap_or(usize::MAX),
            limit: usize::try_from(limits::RECORD_OPERATIONS).unwrap_or(usize::MAX),
        });
    }
    let past = record.graph().continues(&change.actor, seen);
    let max_op = past.max_op.max(u64::from(!admitted.carried.is_empty()));
    let numbers = [
        ("sequence number", change.seq, past.seq + 1),
        ("first operation", change.start_op, max_op + 1),
    ];
    for (what, found, expected) in numbers {
        if found != expected {
            return Err(Refusal::DoesNotContinue {
                what,
                found,
                expected,
            });
        }
    }
    if change.seq <= record.graph().last_seq(&change.actor) {
        return Err(Refusal::SecondOfSeq {
            actor: change.actor,
            seq: change.seq,
        });
    }
    Ok(())
}
