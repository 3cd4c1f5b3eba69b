//! The conflict log of random histories against the oracle, one after the other.

use driftless_testkit::differential::{Tally, check_caught, check_on_records_caught};
use driftless_testkit::histories::{Manner, Plan};
use driftless_testkit::shrink::shrink;
use driftless_testkit::story;

use crate::keep;
use crate::options::{Options, cpu_text};

/// From so many histories on all that can be reached has to be.
const MANY: u64 = 10_000;
/// One in so many histories at least has to reach each of it.
const RARE: u64 = 2_000;

/// Steps of one history, at most: about two thirds of them are changes.
const STEPS: usize = 100;
/// One in so many histories is carried out on real records too, which takes longer.
const ON_RECORDS: u64 = 20;

pub(crate) fn soak(options: &Options) -> Result<(), String> {
    let mut all = Tally::default();
    let mut records = 0_u64;
    let manner = Manner {
        steps: STEPS,
        ..Manner::default()
    };
    let cases = options.each("histories", |seed| {
        let plan = Plan::random(seed, &manner);
        let on_records = seed % ON_RECORDS == 0;
        match check_all(&plan, on_records) {
            Ok(tally) => {
                records += u64::from(on_records);
                all.add(&tally);
                Ok(())
            }
            Err(why) => Err(report(&format!("conflicts-{seed}"), &plan, &why)),
        }
    })?;
    println!("{all}");
    let missing = all.missing(cases / RARE);
    if cases >= MANY && !missing.is_empty() {
        return Err(format!("hardly reached: {}", missing.join(", ")));
    }
    options.ledger(&format!(
        "| `soak conflicts --seed {} --cases {cases}` | {} | {cases} | {} | {}; {records} on real records too; no failure |",
        options.seed,
        options.commit,
        cpu_text(),
        all.in_short(),
    ));
    Ok(())
}

/// Carries out a kept history and tells it; whether it passed.
pub(crate) fn replay(name: &str, bytes: &[u8]) -> bool {
    let plan = Plan::decode(bytes);
    println!("{name}: {}", story::tell(&plan));
    match check_all(&plan, true) {
        Ok(tally) => {
            println!("{tally}\n");
            true
        }
        Err(why) => {
            println!("FAILED {}\n", report(&format!("{name}-small"), &plan, &why));
            false
        }
    }
}

fn check_all(plan: &Plan, on_records: bool) -> Result<Tally, String> {
    let tally = check_caught(plan)?;
    if on_records {
        check_on_records_caught(plan)?;
    }
    Ok(tally)
}

/// Makes a failing history small, keeps it and tells it.
fn report(name: &str, plan: &Plan, why: &str) -> String {
    eprintln!("{name}: {why}\nmaking it smaller ...");
    let small = shrink(plan, &mut |smaller| check_all(smaller, true).is_err());
    let last = check_all(&small, true).err();
    let last = last.unwrap_or_else(|| why.to_owned());
    format!(
        "{}\n{last}\n\n{}",
        story::tell(&small),
        keep(name, &small.encode())
    )
}
