//! Altered inputs of every kind that comes from outside: none may panic, take too long or too much, or do harm.

use std::fs;

use driftless_testkit::mutations::{
    Broken, CPU_MS, Class, MEMORY_BYTES, Mutations, Trying, folder,
};

use crate::keep;
use crate::options::{Options, cpu_text, cpu_time};

/// So many broken inputs are kept; then the run ends.
const MOST_KEPT: usize = 20;

pub(crate) fn soak(options: &Options) -> Result<(), String> {
    let trying = trying(options.seed)?;
    let mut mutations = Mutations::new(options.seed).trying(trying);
    let kept = try_kept(&mut mutations)?;
    println!("{kept} kept inputs break nothing");
    let begun = cpu_time();
    let mut broken = 0;
    let mut case = 0_u64;
    let ended = options.each("inputs", |_| {
        case += 1;
        let done = match options.class {
            Some(class) => mutations.next_of(class),
            None => mutations.next_one(),
        };
        if let Err(why) = done {
            broken += 1;
            eprintln!("input {case}: {}", report(options.seed, case, &why));
        }
        if broken < MOST_KEPT { Ok(()) } else { Err(()) }
    });
    let together = mutations.finish();
    println!("{}", mutations.tally);
    let seconds = cpu_time().saturating_sub(begun).as_secs_f64();
    let cases = ended.unwrap_or(case);
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = cases as f64 / seconds.max(0.001);
    println!("{rate:.0} inputs a second of one core");
    let result = match broken {
        0 => format!(
            "no panic, none over {CPU_MS} ms of CPU or {} MiB, no document that does not load",
            MEMORY_BYTES >> 20
        ),
        some => format!("{some} broke something"),
    };
    let only = options
        .class
        .map(|class| format!(" --class {}", class.name()));
    let only = only.unwrap_or_default();
    options.ledger(&format!(
        "| `soak mutations --seed {}{only} --cases {cases}` | {} | {cases} | {} | {}; {result} |",
        options.seed,
        options.commit,
        cpu_text(),
        mutations.tally.in_short(),
    ));
    together?;
    match broken {
        0 => Ok(()),
        some => Err(format!("{some} of {cases} inputs broke something")),
    }
}

/// Where the input that is being tried stands: should it end the process, which nothing in it could tell of.
fn trying(seed: u64) -> Result<Trying, String> {
    let folder = std::env::temp_dir();
    let trying = Trying::new(&folder, &seed.to_string());
    if let Some(path) = trying.left().first() {
        let path = path.display();
        return Err(format!(
            "an earlier run ended while it tried {path}, or is still at it: `soak replay {path}`, then move it away"
        ));
    }
    let folder = folder.display();
    println!("if the process is ended by an input, that is in {folder}, named CLASS-{seed}-trying");
    Ok(trying)
}

/// Tries all kept inputs; how many there are.
fn try_kept(mutations: &mut Mutations) -> Result<usize, String> {
    let mut tried = 0;
    for class in Class::ALL {
        let files = fs::read_dir(folder(class)).map_err(|error| error.to_string())?;
        for file in files {
            let path = file.map_err(|error| error.to_string())?.path();
            let input = fs::read(&path).map_err(|error| error.to_string())?;
            let done = mutations.try_one(class, &input);
            done.map_err(|why| format!("{}: {why}", path.display()))?;
            tried += 1;
        }
    }
    Ok(tried)
}

/// Tries a kept input of a class and says what became of it; whether it passed.
pub(crate) fn replay(class: Class, name: &str, bytes: &[u8]) -> bool {
    match Mutations::new(1).try_one(class, bytes) {
        Ok((fate, cost)) => {
            println!(
                "{name}: {fate}; {} us of CPU, {} KiB",
                cost.cpu_us,
                cost.bytes >> 10
            );
            true
        }
        Err(why) => {
            println!("FAILED {name}: {why}");
            false
        }
    }
}

fn report(seed: u64, case: u64, broken: &Broken) -> String {
    let name = format!("{}-{seed}-{case}", broken.class.name());
    format!("{}; {}", broken.why, keep(&name, &broken.input))
}
