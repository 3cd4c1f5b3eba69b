//! Whether a record read deleted where each change of a fork was made.
//!
//! It is the same for a change and the one it continues, unless that one says so itself; only where branches
//! meet is it put together from what each of them has. So it costs a step a change, however often the record
//! was deleted and restored.

use std::collections::BTreeMap;

use super::clocks::Fork;
use super::history::{History, Leaf};
use crate::ids::OpId;
use crate::path::DELETED;
use crate::value::Value;

const LEAF: Leaf<'static> = Leaf {
    key: DELETED,
    element: None,
};

/// The live operations of `$deleted`: whether each says so, and the change that made it, where it is known.
type Live = BTreeMap<OpId, (bool, Option<usize>)>;

/// Whether the record reads deleted in the past of each change of a fork, in history order.
pub(super) fn before_each(history: &History<'_>, fork: &Fork) -> Vec<bool> {
    let steps = history.steps(LEAF);
    let inside = steps.partition_point(|step| step.change < fork.range.start);
    let (before, mut ahead) = steps.split_at(inside);
    let says = |value: &Value| *value == Value::Bool(true);
    let first = history.live_before(LEAF).into_iter();
    let mut first: Live = first
        .map(|(id, value)| (id, (says(&value), None)))
        .collect();
    for step in before {
        step.apply(&mut first, |value| (says(value), None));
    }
    let mut states = vec![first];
    let mut after: Vec<usize> = Vec::with_capacity(fork.range.len());
    let mut reads = Vec::with_capacity(fork.range.len());
    for change in fork.range.clone() {
        let deps: Vec<usize> = history.deps_in(fork, change).collect();
        let mut of_deps = deps.iter().map(|dep| after[dep - fork.range.start]);
        let mut state = of_deps.next().unwrap_or(0);
        if of_deps.any(|other| other != state) {
            states.push(meet(fork, &states, &after, &deps));
            state = states.len() - 1;
        }
        reads.push(
            states[state]
                .last_key_value()
                .is_some_and(|(_, (deleted, _))| *deleted),
        );
        let own = ahead
            .iter()
            .take_while(|step| step.change == change)
            .count();
        if own > 0 {
            let mut changed = states[state].clone();
            let (steps, rest) = ahead.split_at(own);
            for step in steps {
                step.apply(&mut changed, |value| (says(value), Some(change)));
            }
            ahead = rest;
            states.push(changed);
            state = states.len() - 1;
        }
        after.push(state);
    }
    reads
}

/// What is live where branches meet: what no branch that knew of it has replaced.
fn meet(fork: &Fork, states: &[Live], after: &[usize], deps: &[usize]) -> Live {
    let of = |dep: usize| &states[after[dep - fork.range.start]];
    let mut met: Live = deps.iter().flat_map(|&dep| of(dep).clone()).collect();
    met.retain(|id, (_, change)| {
        deps.iter().all(|&dep| {
            let knew = change.is_none_or(|change| change == dep || fork.knew(dep, change));
            !knew || of(dep).contains_key(id)
        })
    });
    met
}
