//! Random histories of members against their oracle, one after the other.

use driftless_testkit::members::{self, Reached};

use crate::options::{Options, cpu_text};

/// From so many histories on all that can be reached has to be.
const MANY: u64 = 1_000;

pub(crate) fn soak(options: &Options) -> Result<(), String> {
    let mut all = Reached::default();
    let cases = options.each("histories of members", |seed| {
        let reached = members::run(seed);
        let reached = reached.map_err(|why| format!("history {seed}: {why}"))?;
        all.add(&reached);
        Ok::<_, String>(())
    })?;
    let Reached {
        envelopes,
        removals,
        quarantined,
        void,
        adopted,
        returned,
        split,
        reissued,
        duplicates,
        orders,
    } = all;
    let all_there_is = [
        removals,
        quarantined,
        void,
        adopted,
        returned,
        split,
        reissued,
        duplicates,
    ];
    if cases >= MANY && all_there_is.contains(&0) {
        return Err(format!("something was never reached: {all:?}"));
    }
    println!(
        "| `soak members --seed {} --cases {cases}` | {} | {cases} | {} | {envelopes} envelopes, {removals} removals, \
         {quarantined} quarantined, {void} void, {adopted} adoptions, {returned} returned, \
         {split} on branches or resting on them, {reissued} issued again, {duplicates} of them twice, {orders} orders of arrival; \
         no failure |",
        options.seed,
        options.commit,
        cpu_text(),
    );
    Ok(())
}
