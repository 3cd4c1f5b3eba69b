//! The conflict log of one record, by brute force: all pairs of acts, full vector clocks, no forks, no indexes.
//!
//! Written from the definition in docs/conflict-log.md. It uses the types of `driftless-document` to say what
//! it found, and none of its functions.

use std::collections::{BTreeMap, BTreeSet};

use driftless_document::{
    Action, ActorId, Candidate, Change, Entry, EntryId, Kind, Member, MemberAction, OpId, RecordId,
    Shown, Status, Value,
};

const DELETED: &str = "$deleted";

/// One episode as the oracle sees it, the merely agreed ones included.
#[derive(Clone, Debug, PartialEq)]
pub struct Episode {
    /// What the log has to say of it.
    pub entry: Entry,
    /// Whether some write knew every member.
    pub settled: bool,
    /// Where it stands under the policy `review`.
    pub status: Status,
}

/// All episodes of a record, ordered by register and smallest member operation.
///
/// `changes` may come in any order, even the past after what knew it.
pub fn episodes(collection: &str, record: RecordId, changes: &[Change]) -> Vec<Episode> {
    let oracle = Oracle::new(changes);
    let registers: BTreeSet<&str> = changes
        .iter()
        .flat_map(|change| change.operations.iter().map(|o| o.key.as_str()))
        .filter(|key| *key == DELETED || !key.starts_with('$'))
        .collect();
    let mut found = Vec::new();
    for register in registers {
        let acts = oracle.acts(register);
        for members in oracle.components(register, &acts) {
            found.push(oracle.episode(collection, record, register, &acts, &members));
        }
    }
    found
}

/// What one change does to a register.
#[derive(Clone)]
struct Act {
    change: usize,
    operation: OpId,
    action: MemberAction,
}

type Clock = BTreeMap<ActorId, u64>;

struct Oracle<'a> {
    changes: &'a [Change],
    clocks: Vec<Clock>,
}

impl<'a> Oracle<'a> {
    fn new(changes: &'a [Change]) -> Self {
        let mut clocks: Vec<Option<Clock>> = vec![None; changes.len()];
        // Repeated passes instead of an order: whatever has its whole past clocked is clocked next.
        while clocks.iter().any(Option::is_none) {
            let mut progress = false;
            for (n, change) in changes.iter().enumerate() {
                if clocks[n].is_some() {
                    continue;
                }
                let deps: Option<Vec<&Clock>> = change
                    .deps
                    .iter()
                    .map(|dep| {
                        let at = changes.iter().position(|c| c.hash == *dep)?;
                        clocks[at].as_ref()
                    })
                    .collect();
                let Some(deps) = deps else { continue };
                let mut clock = Clock::new();
                for (actor, seq) in deps.into_iter().flatten() {
                    let known = clock.entry(*actor).or_insert(0);
                    *known = (*known).max(*seq);
                }
                clock.insert(change.actor, change.seq);
                clocks[n] = Some(clock);
                progress = true;
            }
            assert!(progress, "a change whose past is not among the changes");
        }
        Self {
            changes,
            clocks: clocks.into_iter().flatten().collect(),
        }
    }

    /// Whether `earlier` is in the causal past of `later`.
    fn precedes(&self, earlier: usize, later: usize) -> bool {
        let change = &self.changes[earlier];
        let known = self.clocks[later].get(&change.actor).copied().unwrap_or(0);
        earlier != later && known >= change.seq
    }

    /// The live values of a register after a set of changes, by operation.
    fn live(&self, register: &str, includes: impl Fn(usize) -> bool) -> BTreeMap<OpId, Value> {
        let mut live = BTreeMap::new();
        let mut dead = BTreeSet::new();
        for (n, change) in self.changes.iter().enumerate() {
            if !includes(n) {
                continue;
            }
            for (counter, operation) in (change.start_op..).zip(&change.operations) {
                let actor = change.actor;
                if operation.key == register {
                    dead.extend(operation.pred.iter().copied());
                    if let Action::Put(value) = &operation.action {
                        live.insert(OpId { counter, actor }, value.clone());
                    }
                }
            }
        }
        live.retain(|id, _| !dead.contains(id));
        live
    }

    /// What each change does to a register: its last operation there, or a touch.
    fn acts(&self, register: &str) -> Vec<Act> {
        let mut acts = Vec::new();
        for (n, change) in self.changes.iter().enumerate() {
            let at = |offset: usize| OpId {
                counter: change.start_op + offset as u64,
                actor: change.actor,
            };
            let last = change.operations.iter().rposition(|o| o.key == register);
            if let Some(last) = last {
                let action = match &change.operations[last].action {
                    Action::Put(value) => MemberAction::Put(value.clone()),
                    _ => MemberAction::Delete,
                };
                acts.push(Act {
                    change: n,
                    operation: at(last),
                    action,
                });
                continue; // who writes `$deleted` says what they want of it: no touch besides
            }
            let field = change
                .operations
                .iter()
                .position(|o| !o.key.starts_with('$'));
            if let (true, Some(field)) = (register == DELETED, field) {
                let before = self.live(DELETED, |earlier| self.precedes(earlier, n));
                let reads_deleted = before
                    .last_key_value()
                    .is_some_and(|(_, value)| *value == Value::Bool(true));
                if !reads_deleted {
                    acts.push(Act {
                        change: n,
                        operation: at(field),
                        action: MemberAction::Touch,
                    });
                }
            }
        }
        acts.sort_by_key(|act| (act.operation.counter, act.operation.actor));
        acts
    }

    fn contest(&self, register: &str, x: &Act, y: &Act) -> bool {
        let concurrent = x.change != y.change
            && !self.precedes(x.change, y.change)
            && !self.precedes(y.change, x.change);
        let is_true = |a: &Act| a.action == MemberAction::Put(Value::Bool(true));
        let is_false = |a: &Act| a.action == MemberAction::Put(Value::Bool(false));
        let is_touch = |a: &Act| a.action == MemberAction::Touch;
        let is_put = |a: &Act| matches!(a.action, MemberAction::Put(_));
        concurrent
            && if register == DELETED {
                (is_true(x) && (is_false(y) || is_touch(y)))
                    || (is_true(y) && (is_false(x) || is_touch(x)))
            } else {
                is_put(x) || is_put(y)
            }
    }

    /// The connected components, of two or more acts, of "contests".
    fn components(&self, register: &str, acts: &[Act]) -> Vec<Vec<usize>> {
        let mut seen = BTreeSet::new();
        let mut components = Vec::new();
        for start in 0..acts.len() {
            let mut component = BTreeSet::new();
            let mut open = vec![start];
            while let Some(x) = open.pop() {
                if seen.insert(x) {
                    component.insert(x);
                    open.extend(
                        (0..acts.len()).filter(|&y| self.contest(register, &acts[x], &acts[y])),
                    );
                }
            }
            if component.len() > 1 {
                components.push(component.into_iter().collect());
            }
        }
        components
    }

    fn episode(
        &self,
        collection: &str,
        record: RecordId,
        register: &str,
        acts: &[Act],
        members: &[usize],
    ) -> Episode {
        let outcomes = self.outcomes(acts, members);
        let standing = self.standing(acts, members);
        let candidate = |&n: &usize| Candidate {
            shown: shown(register, &acts[n].action),
            operation: acts[n].operation,
            change: self.changes[acts[n].change].hash,
            time: self.changes[acts[n].change].time,
        };
        let mut candidates: Vec<Candidate> = standing.iter().map(candidate).collect();
        if register == DELETED {
            let (mut deletions, mut keeps) = (candidates.clone(), candidates);
            deletions.retain(|c| c.shown == Shown::Absent);
            keeps.retain(|c| c.shown == Shown::Keep);
            candidates = deletions
                .into_iter()
                .take(1)
                .chain(keeps.into_iter().take(1))
                .collect();
            candidates.sort_by_key(|c| c.operation);
        }
        let ids: Vec<EntryId> = members
            .iter()
            .map(|&n| entry_id(collection, record, register, acts[n].operation))
            .collect();
        let settled = !outcomes.is_empty();
        let equal = candidates
            .windows(2)
            .all(|pair| pair[0].shown == pair[1].shown);
        let status = match (settled, equal) {
            (true, _) => Status::Resolved,
            (false, true) => Status::Agreed,
            (false, false) => Status::Open,
        };
        let member = |&n: &usize| Member {
            operation: acts[n].operation,
            action: acts[n].action.clone(),
            change: self.changes[acts[n].change].hash,
            time: self.changes[acts[n].change].time,
            candidate: standing.contains(&n),
        };
        let entry = Entry {
            id: ids[0],
            also: ids[1..].to_vec(),
            register: register.to_owned(),
            kind: kind(register, acts, members),
            base: self.base(register, acts, members),
            candidates,
            members: members.iter().map(member).collect(),
            outcomes: outcomes.iter().map(candidate).collect(),
            spans: Vec::new(),
            reviews: Vec::new(),
        };
        Episode {
            entry,
            settled,
            status,
        }
    }

    /// The writes that succeed every member and no other such write.
    fn outcomes(&self, acts: &[Act], members: &[usize]) -> Vec<usize> {
        let settles = |n: usize| {
            acts[n].action != MemberAction::Touch
                && members
                    .iter()
                    .all(|&m| self.precedes(acts[m].change, acts[n].change))
        };
        let settling: Vec<usize> = (0..acts.len()).filter(|&n| settles(n)).collect();
        let first = |&n: &usize| {
            !settling
                .iter()
                .any(|&other| self.precedes(acts[other].change, acts[n].change))
        };
        settling.iter().copied().filter(first).collect()
    }

    /// Those of the reach that none of it supersedes.
    fn standing(&self, acts: &[Act], members: &[usize]) -> Vec<usize> {
        let mut reach = BTreeSet::new();
        for n in 0..acts.len() {
            let after = |&&m: &&usize| self.precedes(acts[m].change, acts[n].change);
            let count = members.iter().filter(after).count();
            if members.contains(&n) || (count >= 1 && count < members.len()) {
                reach.insert(n);
            }
        }
        let supersedes = |later: usize, earlier: usize| {
            let touch = |n: usize| acts[n].action == MemberAction::Touch;
            self.precedes(acts[earlier].change, acts[later].change)
                && (!touch(later) || touch(earlier))
        };
        reach
            .iter()
            .copied()
            .filter(|&n| !reach.iter().any(|&later| supersedes(later, n)))
            .collect()
    }

    /// What the register reads in what all members knew of.
    fn base(&self, register: &str, acts: &[Act], members: &[usize]) -> Vec<Shown> {
        let live = self.live(register, |n| {
            members.iter().all(|&m| self.precedes(n, acts[m].change))
        });
        if register == DELETED {
            let deleted = live.values().next_back() == Some(&Value::Bool(true));
            return vec![if deleted { Shown::Absent } else { Shown::Keep }];
        }
        if live.is_empty() {
            return vec![Shown::Absent];
        }
        live.into_values().map(Shown::Value).collect()
    }
}

fn kind(register: &str, acts: &[Act], members: &[usize]) -> Kind {
    if register == DELETED {
        return Kind::RecordDeleted;
    }
    let deletes = members
        .iter()
        .filter(|&&m| acts[m].action == MemberAction::Delete);
    match deletes.count() {
        0 => Kind::PutPut,
        _ => Kind::PutDelete,
    }
}

fn shown(register: &str, action: &MemberAction) -> Shown {
    match action {
        MemberAction::Put(Value::Bool(deleted)) if register == DELETED => {
            [Shown::Keep, Shown::Absent][usize::from(*deleted)].clone()
        }
        MemberAction::Put(value) => Shown::Value(value.clone()),
        MemberAction::Touch => Shown::Keep,
        _ => Shown::Absent,
    }
}

/// The id of the entry whose smallest member operation is this one.
fn entry_id(collection: &str, record: RecordId, register: &str, operation: OpId) -> EntryId {
    let mut input = Vec::new();
    for text in [collection, register] {
        input.extend_from_slice(&u64::to_le_bytes(text.len() as u64));
        input.extend_from_slice(text.as_bytes());
    }
    input.extend_from_slice(&record.0);
    input.extend_from_slice(&operation.counter.to_le_bytes());
    input.extend_from_slice(&operation.actor.0);
    let hash = blake3::derive_key("driftless conflict entry 1", &input);
    let mut id = [0; 16];
    id.copy_from_slice(&hash[..16]);
    id[6] = id[6] & 0x0f | 0x80; // version 8
    id[8] = id[8] & 0x3f | 0x80; // RFC 9562 variant
    EntryId(id)
}
