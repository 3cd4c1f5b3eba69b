//! Damaged folders and their repair, one after the other.

use driftless_testkit::damage::{self, Reached};

use crate::options::{Options, cpu_text};

/// So many cases that fail are told; then the run ends.
const MOST_TOLD: usize = 20;
/// From so many cases on all that can be reached has to be.
const MANY: u64 = 1_000;

pub(crate) fn soak(options: &Options) -> Result<(), String> {
    let mut all = Reached::default();
    let mut failed = Vec::new();
    let mut tried = 0;
    let ended = options.each("damaged folders", |seed| {
        tried += 1;
        match damage::run(seed) {
            Ok(reached) => all.add(&reached),
            Err(why) => {
                eprintln!("case {seed}: {why}");
                failed.push(seed);
            }
        }
        if failed.len() < MOST_TOLD {
            Ok(())
        } else {
            Err(())
        }
    });
    let cases = ended.unwrap_or(tried);
    let Reached {
        harms,
        journals,
        stores,
        harmless,
        lost_workspaces,
        anothers,
        frames,
        gone,
        waited,
        lost,
    } = all;
    if cases >= MANY && [journals, stores, harmless, gone, waited, lost].contains(&0) {
        return Err(format!("something was never reached: {all:?}"));
    }
    let result = match failed.as_slice() {
        [] => "no failure".to_owned(),
        some => format!("FAILED: {some:?}"),
    };
    options.ledger(&format!(
        "| `soak repair --seed {} --cases {cases}` | {} | {cases} | {} | {harms} harms: {journals} journals and {stores} \
         stores damaged, {harmless} times nothing that counts, {lost_workspaces} times the workspace's beginning, {anothers} told as another device's; of \
         {frames} frames {gone} gone, {waited} waited, {lost} nobody else had; {result} |",
        options.seed,
        options.commit,
        cpu_text(),
    ));
    match failed.len() {
        0 => Ok(()),
        some => Err(format!("{some} of {cases} damaged folders")),
    }
}
