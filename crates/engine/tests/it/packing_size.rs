//! How small packed history is, and that it stays so. `PACK_EDITS=100000 cargo test --release -p driftless-engine
//! --test it packing_size -- --nocapture` measures the real thing.

use std::time::Instant;

use driftless_document::{FieldPath, Node, RecordId, Value, parse_record};
use driftless_engine::{Edit, Replica};
use driftless_store::Kv as _;

use crate::support::Device;

/// Records that are edited.
const RECORDS: usize = 1_000;

fn edits() -> usize {
    let wanted = std::env::var("PACK_EDITS").ok();
    wanted.map_or(3_000, |n| n.parse().expect("a number of edits"))
}

/// Bytes of keys and values.
fn stored_bytes(device: &Device) -> usize {
    let value = |key: &[u8]| device.kv.get(key).unwrap().unwrap().len();
    device.keys().iter().map(|key| key.len() + value(key)).sum()
}

/// Packs all there is, and says what came of it.
fn measure(what: &str, device: &Device, replica: &mut Replica, edits: usize) -> (u64, usize) {
    let before = replica.status().unwrap().journal_bytes;
    let (stored, digest) = (stored_bytes(device), replica.digest().unwrap());
    let start = Instant::now();
    replica.close_segment(0).unwrap();
    replica.pack_all(&|| true).unwrap();
    let seconds = start.elapsed().as_secs_f64();
    let after = replica.status().unwrap().journal_bytes;
    let stored_after = stored_bytes(device);
    println!(
        "{what}: journal {before} -> {after} bytes ({} a change), store {stored} -> {stored_after} bytes, {seconds:.2} s",
        after / edits as u64
    );
    assert_eq!(replica.digest().unwrap(), digest);
    (after, stored_after)
}

fn ids(count: usize) -> Vec<RecordId> {
    let id = |n: usize| RecordId::from_key("notes", &[&n.to_string()]);
    (0..count).map(id).collect()
}

fn import(replica: &mut Replica, ids: &[RecordId], value: usize) {
    for (block, ids) in ids.chunks(250).enumerate() {
        let row = |(n, id): (usize, &RecordId)| {
            let json = format!(
                r#"{{"title":"record {n} of block {block}","city":"Vienna","count":{},"state":"value {value} of {n}"}}"#,
                value * 7 + n
            );
            (Some(*id), parse_record(&json).unwrap())
        };
        let rows = ids.iter().enumerate().map(row).collect();
        replica.import("notes", rows).unwrap();
        replica.commit_group().unwrap();
    }
}

#[test]
fn single_edits_take_little_more_than_their_signatures() {
    let device = Device::new(1);
    let mut replica = device.create("laptop");
    let ids = ids(RECORDS.min(edits() / 10));
    import(&mut replica, &ids, 0);
    let mut dice = 7_u64;
    for n in 0..edits() {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        let at = usize::try_from(dice % ids.len() as u64).unwrap();
        device.clock.advance(i64::try_from(dice % 40).unwrap());
        let edit = Edit::Set {
            path: FieldPath::parse("state").unwrap(),
            node: Node::Leaf(Value::String(format!("edit {n}"))),
        };
        replica.edit("notes", ids[at], &[edit]).unwrap();
        replica.commit_group().unwrap();
    }
    let (journal, stored) = measure("single edits", &device, &mut replica, edits());
    let most = edits() as u64 * 90 + ids.len() as u64 * 120 + 20_000;
    assert!(journal < most, "{journal} bytes, at most {most}");
    // Nothing is left of what was listed one by one.
    assert!(stored < ids.len() * 6_000 + 20_000, "{stored} bytes");
}

#[test]
fn imports_of_the_same_records_by_many_processes_stay_small() {
    let device = Device::new(1);
    let mut replica = device.create("laptop");
    let starts = edits() / 1_000;
    let ids = ids(RECORDS.min(edits() / 10));
    for start in 0..starts {
        import(&mut replica, &ids, start);
        replica.close().unwrap();
        device.clock.advance(60_000);
        replica = device.open();
    }
    let changes = starts * ids.len();
    let (journal, _) = measure("imports", &device, &mut replica, changes);
    assert!(journal < changes as u64 * 80 + 20_000, "{journal} bytes");
}
