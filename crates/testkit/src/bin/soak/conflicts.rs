//! The conflict log of random histories against the oracle, one after the other.

use driftless_testkit::differential::{Tally, check_caught};
use driftless_testkit::histories::{Manner, Plan};
use driftless_testkit::shrink::shrink;
use driftless_testkit::story;

use crate::keep;
use crate::options::{Options, cpu_text};

/// From so many histories on all that can be reached has to be.
const MANY: u64 = 10_000;
/// One in so many histories at least has to reach each of it.
const RARE: u64 = 2_000;

pub(crate) fn soak(options: &Options) -> Result<(), String> {
    let mut all = Tally::default();
    let manner = Manner::default();
    let cases = options.each("histories", |seed| {
        let plan = Plan::random(seed, &manner);
        match check_caught(&plan) {
            Ok(tally) => {
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
    println!(
        "| `soak conflicts --seed {} --cases {cases}` | {} | {cases} | {} | {}; no failure |",
        options.seed,
        options.commit,
        cpu_text(),
        all.in_short(),
    );
    Ok(())
}

/// Carries out a kept history and tells it; whether it passed.
pub(crate) fn replay(name: &str, bytes: &[u8]) -> bool {
    let plan = Plan::decode(bytes);
    println!("{name}: {}", story::tell(&plan));
    match check_caught(&plan) {
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

/// Makes a failing history small, keeps it and tells it.
fn report(name: &str, plan: &Plan, why: &str) -> String {
    eprintln!("{name}: {why}\nmaking it smaller ...");
    let small = shrink(plan, &mut |smaller| check_caught(smaller).is_err());
    let last = check_caught(&small).err();
    let last = last.unwrap_or_else(|| why.to_owned());
    format!(
        "{}\n{last}\n\n{}",
        story::tell(&small),
        keep(name, &small.encode())
    )
}
