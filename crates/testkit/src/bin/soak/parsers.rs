//! Altered texts, keys and steps: the targets that have no harness of their own.

use driftless_testkit::histories::Dice;
use driftless_testkit::targets::{TARGETS, Target};

use crate::keep;
use crate::options::{Options, cpu_text};

pub(crate) fn soak(options: &Options) -> Result<(), String> {
    let targets = TARGETS.into_iter().filter(|target| target.weight > 0);
    let mut kept = Vec::new();
    for target in targets {
        let inputs = target.kept().map_err(|error| error.to_string())?;
        kept.extend((0..target.weight).map(|_| (target, inputs.clone())));
    }
    let mut dice = Dice(options.seed);
    let cases = options.each("inputs", |case| {
        let (target, inputs) = &kept[dice.below(kept.len())];
        let input = Target::altered(&mut dice, inputs);
        target.run(&input).map_err(|why| {
            let name = format!("{}-{case}", target.name);
            format!("{}: {why}\n{}", target.name, keep(&name, &input))
        })
    })?;
    let mut names: Vec<_> = kept.iter().map(|(target, _)| target.name).collect();
    names.dedup();
    options.ledger(&format!(
        "| `soak parsers --seed {} --cases {cases}` | {} | {cases} | {} | {}; no failure |",
        options.seed,
        options.commit,
        cpu_text(),
        names.join(", "),
    ));
    Ok(())
}
