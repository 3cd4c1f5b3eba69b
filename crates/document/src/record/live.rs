//! What is live on the registers of a record.

use std::collections::{BTreeMap, BTreeSet};

use automerge::{ObjId, ROOT, ReadDoc, ScalarValue};

use super::Record;
use crate::change;
use crate::ids::{ChangeHash, OpId};
use crate::value::Value;

/// For each register asked for, one pass looks at so many at most: others may lie between them.
const PASSED: usize = 4;

impl Record {
    /// The live operations of a register at some heads (all known), smallest first; the last one is shown.
    pub(crate) fn live_at(&self, key: &str, heads: &[ChangeHash]) -> Vec<(OpId, Value)> {
        let found = if self.graph.are_heads(heads) {
            self.document.get_all(ROOT, key)
        } else {
            let heads: Vec<_> = heads.iter().map(|h| automerge::ChangeHash(h.0)).collect();
            self.document.get_all_at(ROOT, key, &heads)
        };
        let mut live: Vec<_> = found
            .unwrap_or_default()
            .iter()
            .filter_map(|(value, id)| match value {
                automerge::Value::Scalar(scalar) => read(id, scalar),
                automerge::Value::Object(_) => None,
            })
            .collect();
        live.sort_by_key(|(id, _)| *id);
        live
    }

    /// What is live now on several registers, of those for which one pass over them tells: not of those in conflict. To
    /// ask for each costs several times that.
    pub(crate) fn live_in_one_pass<'a>(
        &self,
        keys: &BTreeSet<&'a str>,
    ) -> BTreeMap<&'a str, Vec<OpId>> {
        let mut live = BTreeMap::new();
        let (Some(first), Some(last)) = (keys.first(), keys.last()) else {
            return live;
        };
        let range = (*first).to_owned()..=(*last).to_owned();
        let mut pass = self.document.map_range(ROOT, range);
        let mut not_there = keys.clone();
        for item in pass.by_ref().take(PASSED * keys.len()) {
            let Some(key) = not_there.take(&*item.key) else {
                continue;
            };
            if item.conflict {
                continue;
            }
            let id = item.id();
            if let automerge::Value::Scalar(scalar) = item.value.into_value() {
                let only = read(&id, &scalar).map(|(id, _)| id);
                live.insert(key, only.into_iter().collect());
            }
        }
        if pass.next().is_none() {
            live.extend(not_there.into_iter().map(|key| (key, Vec::new())));
        }
        live
    }
}

/// An operation and its value, or nothing where admission lets none such in.
fn read(id: &ObjId, scalar: &ScalarValue) -> Option<(OpId, Value)> {
    let ObjId::Id(counter, actor, _) = id else {
        return None;
    };
    let id = OpId {
        counter: *counter,
        actor: change::actor_of(actor)?,
    };
    Some((id, Value::from_root(scalar)?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::ids::ActorId;
    use crate::{Admission, Intent};

    fn put(field: usize, value: i64) -> Intent {
        Intent::Put {
            key: format!("f{field:02}"),
            value: Value::Int(value),
        }
    }

    fn remove(field: usize) -> Intent {
        Intent::Remove {
            key: format!("f{field:02}"),
        }
    }

    fn write(record: &Record, device: u8, intents: &[Intent]) -> Vec<u8> {
        let actor = ActorId([device; 16]);
        record.write(actor, 1 << 12, intents).unwrap().unwrap()
    }

    fn take(record: Record, device: u8, raw: &[u8]) -> Record {
        let Admission::Admitted(admitted) = record.admit(raw, [device; 8]).unwrap() else {
            panic!("it is new and has its past");
        };
        record.apply(admitted).unwrap().0
    }

    /// Twelve fields of two devices: some were written by one, some by both at once, some were emptied, some never were.
    fn contested() -> Record {
        let first: Vec<_> = (0..9).map(|n| put(n, 0)).collect();
        let raw = write(&Record::new(), 1, &first);
        let record = take(Record::new(), 1, &raw);
        let mine = write(&record, 1, &[put(1, 1), put(2, 1), remove(3), remove(4)]);
        let theirs = write(&record, 2, &[put(2, 2), put(3, 2), remove(4), put(11, 2)]);
        let record = take(record, 1, &mine);
        let record = take(record, 2, &theirs);
        let raw = write(&record, 1, &[put(5, 3), remove(6)]);
        take(record, 1, &raw)
    }

    #[test]
    fn one_pass_over_registers_tells_what_is_told_of_each() {
        let record = contested();
        let names: Vec<_> = (0..12).map(|n| format!("f{n:02}")).collect();
        let pasts = (0..record.change_count()).map(|place| vec![record.graph.hash_at(place)]);
        for heads in pasts.chain([record.heads()]) {
            let record = record.at(&heads).unwrap();
            // With fewer than three, what lies between may be too much.
            for chosen in (0..1_u32 << names.len()).filter(|n| n.count_ones() >= 3) {
                let chosen = |n: &usize| chosen & 1 << n != 0;
                let keys = (0..names.len()).filter(chosen);
                let keys: BTreeSet<_> = keys.map(|n| names[n].as_str()).collect();
                let live = record.live_in_one_pass(&keys);
                for key in keys {
                    let each = record.live_at(key, &heads);
                    let each: Vec<_> = each.into_iter().map(|(id, _)| id).collect();
                    match live.get(key) {
                        Some(live) => assert_eq!(*live, each, "{key}"),
                        None => assert!(each.len() > 1 && key == "f02", "{key}"),
                    }
                }
            }
        }
    }

    #[test]
    fn what_lies_between_registers_is_not_all_looked_at() {
        let many: Vec<_> = (0..99).map(|n| put(n, 0)).collect();
        let raw = write(&Record::new(), 1, &many);
        let record = take(Record::new(), 1, &raw);
        let keys = BTreeSet::from(["f00", "f01", "f98"]);
        let live = record.live_in_one_pass(&keys);
        let told: Vec<_> = live.into_keys().collect();
        assert_eq!(told, ["f00", "f01"], "the last is to be asked for");
    }
}
