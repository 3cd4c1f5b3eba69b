//! Random schedules of edits, syncs, cuts, restarts, lost stores, packing and decisions: afterwards all agree.

use driftless_document::{Node, RecordId, Value, parse_record};
use driftless_engine::{ConflictFilter, Decision, Edit, EngineError, Replica};
use driftless_store::MemoryKv;
use proptest::prelude::*;

use crate::packing::frames;
use crate::support::{Device, assert_equal, insert, sync, sync_until};

#[derive(Clone, Debug)]
enum Step {
    Insert(usize),
    /// More records than an envelope's documents are kept loaded for, under keys that others use too.
    Import {
        who: usize,
        value: u8,
    },
    Set {
        who: usize,
        record: usize,
        field: usize,
        value: u8,
    },
    Unset {
        who: usize,
        record: usize,
        field: usize,
    },
    Delete {
        who: usize,
        record: usize,
    },
    Restore {
        who: usize,
        record: usize,
    },
    Decide {
        who: usize,
        entry: usize,
        keep: usize,
    },
    Sync {
        from: usize,
        to: usize,
    },
    Cut {
        from: usize,
        to: usize,
        frames: usize,
    },
    Restart(usize),
    LoseStore(usize),
    /// Closes the newest segment, and may be packs all closed ones.
    Pack {
        who: usize,
        now: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..3usize;
    let record = 0..4usize;
    let field = 0..3usize;
    prop_oneof![
        1 => who.clone().prop_map(Step::Insert),
        1 => (who.clone(), any::<u8>())
            .prop_map(|(who, value)| Step::Import { who, value: value % 4 }),
        6 => (who.clone(), record.clone(), field.clone(), any::<u8>())
            .prop_map(|(who, record, field, value)| Step::Set { who, record, field, value: value % 4 }),
        2 => (who.clone(), record.clone(), field)
            .prop_map(|(who, record, field)| Step::Unset { who, record, field }),
        1 => (who.clone(), record.clone()).prop_map(|(who, record)| Step::Delete { who, record }),
        1 => (who.clone(), record).prop_map(|(who, record)| Step::Restore { who, record }),
        2 => (who.clone(), 0..4usize, 0..3usize)
            .prop_map(|(who, entry, keep)| Step::Decide { who, entry, keep }),
        4 => (who.clone(), who.clone()).prop_map(|(from, to)| Step::Sync { from, to }),
        2 => (who.clone(), who.clone(), 1..6usize)
            .prop_map(|(from, to, frames)| Step::Cut { from, to, frames }),
        2 => who.clone().prop_map(Step::Restart),
        1 => who.clone().prop_map(Step::LoseStore),
        3 => (who, any::<bool>()).prop_map(|(who, now)| Step::Pack { who, now }),
    ]
}

/// Three devices; each was let in by the one before it.
struct Fleet {
    devices: Vec<Device>,
    replicas: Vec<Option<Replica>>,
}

impl Fleet {
    fn new() -> Self {
        let devices: Vec<_> = (1..=3).map(Device::new).collect();
        let mut replicas = vec![Some(devices[0].create("device 0"))];
        for n in 1..3 {
            let host = replicas[n - 1].as_mut().unwrap();
            let link = host.invite("ws://127.0.0.1:1", 1, 60_000).unwrap();
            host.commit_group().unwrap();
            let joined = devices[n]
                .join(host, &link, &format!("device {n}"))
                .unwrap();
            replicas.push(Some(joined));
        }
        Self { devices, replicas }
    }

    fn at(&mut self, n: usize) -> &mut Replica {
        self.replicas[n].as_mut().unwrap()
    }

    fn two(&mut self, a: usize, b: usize) -> Option<(&mut Replica, &mut Replica)> {
        let (low, high) = (a.min(b), a.max(b));
        let (left, right) = self.replicas.split_at_mut(high);
        let (x, y) = (left.get_mut(low)?.as_mut()?, right.first_mut()?.as_mut()?);
        Some(if a < b { (x, y) } else { (y, x) })
    }

    fn restart(&mut self, n: usize) {
        self.replicas[n].take().unwrap().close().unwrap();
        self.replicas[n] = Some(self.devices[n].open());
    }

    fn carry_out(&mut self, step: &Step) {
        match *step {
            Step::Insert(who) => {
                insert(self.at(who), r#"{"f0":"x","f1":{"g":1}}"#);
            }
            Step::Import { who, value } => self.import(who, value),
            Step::Sync { from, to } if from != to => {
                let (a, b) = self.two(from, to).unwrap();
                sync(a, b).unwrap();
            }
            Step::Cut { from, to, frames } if from != to => {
                let (a, b) = self.two(from, to).unwrap();
                sync_until(a, b, frames).unwrap();
            }
            Step::Sync { .. } | Step::Cut { .. } => {}
            Step::Restart(who) => self.restart(who),
            Step::LoseStore(who) => {
                drop(self.replicas[who].take());
                self.devices[who].kv = MemoryKv::new();
                self.replicas[who] = Some(self.devices[who].open());
            }
            Step::Pack { who, now } => {
                let before = frames(&self.devices[who]);
                self.at(who).close_segment(0).unwrap();
                if now {
                    self.at(who).pack_all(&|| true).unwrap();
                }
                assert!(
                    before == frames(&self.devices[who]),
                    "packing changed a frame"
                );
            }
            Step::Decide { who, entry, keep } => {
                let replica = self.at(who);
                let entries = replica.conflicts(&ConflictFilter::default()).unwrap();
                if let Some(view) = entries.get(entry) {
                    let decided = replica.resolve(view.entry.id, None, &Decision::Keep(keep));
                    tolerate(decided.map(|_| ()));
                }
                replica.commit_group().unwrap();
            }
            Step::Set { who, record, .. }
            | Step::Unset { who, record, .. }
            | Step::Delete { who, record }
            | Step::Restore { who, record } => self.edit(step, who, record),
        }
    }

    fn import(&mut self, who: usize, value: u8) {
        let fields = parse_record(&format!(r#"{{"f0":{value}}}"#)).unwrap();
        let rows = (0..70).map(|n: u32| {
            let id = RecordId::from_key("notes", &[&n.to_string()]);
            (Some(id), fields.clone())
        });
        let replica = self.at(who);
        replica.import("notes", rows.collect()).unwrap();
        replica.commit_group().unwrap();
    }

    fn edit(&mut self, step: &Step, who: usize, record: usize) {
        let replica = self.at(who);
        let mut ids: Vec<_> = replica.changes_since(0, usize::MAX).unwrap();
        ids.dedup_by_key(|event| event.key.record);
        let Some(id) = ids.get(record).map(|event| event.key.record) else {
            return;
        };
        let path = |field: usize| {
            driftless_document::FieldPath::parse(["f0", "f1", "f1.g"][field]).unwrap()
        };
        let done = match step {
            Step::Set { field, value, .. } => {
                let node = Node::Leaf(Value::Int(i64::from(*value)));
                let edit = Edit::Set {
                    path: path(*field),
                    node,
                };
                replica.edit("notes", id, &[edit])
            }
            Step::Unset { field, .. } => {
                replica.edit("notes", id, &[Edit::Unset { path: path(*field) }])
            }
            Step::Delete { .. } => replica.delete("notes", id),
            _ => replica.restore("notes", id),
        };
        tolerate(done.map(|_| ()));
        replica.commit_group().unwrap();
    }

    /// Everybody meets until nobody has anything new.
    fn heal(&mut self) {
        for _ in 0..2 {
            for (a, b) in [(0, 1), (1, 2), (0, 2)] {
                let (a, b) = self.two(a, b).unwrap();
                sync(a, b).unwrap();
            }
        }
    }
}

/// What a person can run into; anything else is a bug.
#[track_caller]
fn tolerate(result: Result<(), EngineError>) {
    match result {
        Ok(())
        | Err(
            EngineError::Deleted { .. }
            | EngineError::ConflictClosed { .. }
            | EngineError::NoSuchCandidate { .. },
        ) => {}
        Err(error) => panic!("{error}"),
    }
}

fn cases() -> u32 {
    let wanted = std::env::var("DRIFTLESS_CASES")
        .ok()
        .and_then(|n| n.parse().ok());
    wanted.unwrap_or(120)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(),
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(2_026),
        ..ProptestConfig::default()
    })]
    #[test]
    fn whatever_happens_all_agree_afterwards(steps in prop::collection::vec(step(), 1..60)) {
        let mut fleet = Fleet::new();
        for step in &steps {
            fleet.carry_out(step);
        }
        fleet.heal();
        let [a, b, c] = &fleet.replicas[..] else { unreachable!("three devices") };
        let (a, b, c) = (a.as_ref().unwrap(), b.as_ref().unwrap(), c.as_ref().unwrap());
        assert_equal(a, b);
        assert_equal(b, c);
        for replica in [a, b, c] {
            replica.check_store().unwrap();
            prop_assert!(replica.status().unwrap().cursor_entries <= 3);
            prop_assert_eq!(replica.status().unwrap().pending, 0);
        }
    }
}
