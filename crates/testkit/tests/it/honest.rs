//! Honest work is let in, all of it: random histories carried out on real records.

use driftless_document::Record;
use driftless_testkit::histories::{Manner, Plan};
use driftless_testkit::replicas::Replicas;

/// Changes that are carried out on each run; `DRIFTLESS_CASES=100000` asks for more.
const CHANGES: usize = 4_000;
/// What the seeds of their histories begin at.
const FIRST_SEED: u64 = 7_000_000;

#[test]
fn every_change_of_random_histories_is_let_in_on_every_replica() {
    let wanted = std::env::var("DRIFTLESS_CASES").ok();
    let wanted = wanted.and_then(|n| n.parse().ok()).unwrap_or(CHANGES);
    let manner = Manner {
        steps: 60,
        ..Manner::default()
    };
    let (mut changes, mut deliveries) = (0, 0);
    for seed in FIRST_SEED.. {
        // A change that is refused, or does not apply, ends this with a panic that names why.
        let mut replicas = Replicas::of(&Plan::random(seed, &manner));
        replicas.exchange_all();
        changes += replicas.changes.len();
        deliveries += replicas.changes.len() * replicas.records.len();
        let counts = replicas.records.iter().map(Record::change_count);
        assert!(
            counts
                .into_iter()
                .all(|count| count == replicas.changes.len()),
            "seed {seed}"
        );
        if changes >= wanted {
            break;
        }
    }
    println!("{changes} honest changes, {deliveries} times judged, all let in");
}
